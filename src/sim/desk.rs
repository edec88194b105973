//! The order desk: accounts and their V2 orders, in front of the matching engines (protocol notes 5, 8).
//!
//! An order keeps its public name for life; its place in a book changes when an amendment costs it its
//! priority. The desk checks the rules and the money, the [`Exchange`] matches, and what happened comes out
//! twice: as [`Fact`]s for the public feed and as [`PrivateEvent`]s for the account ([`Desk::drain`]).
//!
//! **Invariant:** pure; time comes in with the market.
//! **Invariant:** no account can spend what it does not have: after every call, cash less the money kept
//! for resting orders is not negative.
//! **Invariant:** positions of all accounts and of the house, which stands for the crowd, add up to zero
//! in every market.

mod change;
mod create;
mod fills;
mod lifecycle;
mod order;
mod reads;
mod refusal;

pub use order::Order;
pub use reads::{OrderFilter, Reading};
pub use refusal::OrderError;

use super::accounts::{Account, Claim, collateral};
use super::exchange::{AccountId, Exchange, Fact, OrderId, random_uuid};
use crate::broker::FeeSchedule;
use crate::market::TickRange;
use crate::rng::Rng;
use crate::units::{Money, Price, Side};
use crate::wire::convert::uuid_text;
use crate::wire::portfolio::{FillRow, Settlement};
use crate::wire::private::Private;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Whether orders are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trading {
    /// Everything works.
    Open,
    /// Nothing new: cancelling and decreasing only.
    Paused,
    /// Before the opening or after the close.
    Closed,
}

/// One market, lent to the desk for one call.
#[derive(Debug)]
pub struct MarketRef<'a> {
    /// Its name.
    pub ticker: &'a str,
    /// The event it belongs to.
    pub event_ticker: &'a str,
    /// Its orders.
    pub exchange: &'a mut Exchange,
    /// Prices that it takes besides whole cents.
    pub ticks: &'a [TickRange],
    /// Its fees.
    pub fees: FeeSchedule,
    /// Whether it takes orders.
    pub state: Trading,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
}

/// Something that only one account is told.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivateEvent {
    /// Whom.
    pub account: AccountId,
    /// What.
    pub what: Private,
}

/// Index of an order in the desk's list.
type OrderIndex = usize;

/// All accounts and their orders. Orders, fills and settlements are kept for as long as the desk lives.
#[derive(Debug)]
pub struct Desk {
    accounts: Vec<Account>,
    /// The other side of every fill with the crowd; its cash may be negative.
    house: Account,
    orders: Vec<Order>,
    names: HashMap<String, OrderIndex>,
    /// Per market, what rests, by place: that is, by age.
    resting: HashMap<String, BTreeMap<OrderId, OrderIndex>>,
    client_ids: HashSet<(AccountId, String)>,
    events: HashMap<String, String>,
    fills: Vec<(AccountId, FillRow)>,
    settlements: Vec<(AccountId, Settlement)>,
    outbox: Vec<PrivateEvent>,
    ids: Rng,
}

impl Desk {
    /// A desk without accounts; `seed` names accounts and orders.
    pub fn new(seed: u64) -> Desk {
        Desk {
            accounts: Vec::new(),
            house: Account::new(AccountId(u32::MAX), "house".into(), Money::ZERO),
            orders: Vec::new(),
            names: HashMap::new(),
            resting: HashMap::new(),
            client_ids: HashSet::new(),
            events: HashMap::new(),
            fills: Vec::new(),
            settlements: Vec::new(),
            outbox: Vec::new(),
            ids: Rng::stream(seed, "desk", 0),
        }
    }

    /// A new account with `cash`.
    pub fn open_account(&mut self, cash: Money) -> AccountId {
        let id = AccountId(self.accounts.len() as u32);
        let user_id = uuid_text(random_uuid(&mut self.ids));
        self.accounts.push(Account::new(id, user_id, cash));
        id
    }

    /// An account.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0 as usize)
    }

    /// The crowd's side of all fills with accounts.
    pub fn house(&self) -> &Account {
        &self.house
    }

    /// Takes out what accounts have to be told, in order.
    pub fn drain(&mut self) -> Vec<PrivateEvent> {
        std::mem::take(&mut self.outbox)
    }

    /// True while an order of an account rests in the market: then the crowd's facts concern the desk.
    pub fn concerns(&self, ticker: &str) -> bool {
        self.resting.contains_key(ticker)
    }

    /// Books what the crowd did to resting orders of accounts: `facts` are those of the crowd's orders
    /// alone (the desk books its own). May add facts of orders that it has to cancel.
    pub fn on_facts(&mut self, market: &mut MarketRef<'_>, facts: &mut Vec<Fact>) {
        self.book(market, facts, 0);
    }

    /// The order of that name, if it is the account's.
    fn own(&self, account: AccountId, order_id: &str) -> Result<OrderIndex, OrderError> {
        let index = self.names.get(order_id).copied();
        index.filter(|i| self.orders[*i].account == account).ok_or(OrderError::NotFound)
    }

    /// Sets the money kept for an account's orders in a market to what they need now.
    fn keep_collateral(&mut self, market: &MarketRef<'_>, account: AccountId) {
        let position = self.accounts[account.0 as usize].holding(market.ticker).position;
        let mut claims = self.claims(market.ticker, account, None);
        let money = collateral(position, &mut claims, &market.fees);
        self.accounts[account.0 as usize].keep(market.ticker, money);
    }

    /// What the account's resting orders in a market may still cost, leaving one out.
    fn claims(&self, ticker: &str, account: AccountId, without: Option<OrderIndex>) -> Vec<Claim> {
        let resting = self.resting.get(ticker).into_iter().flatten();
        let own = resting.filter(|(_, i)| self.orders[**i].account == account);
        own.filter(|(_, i)| Some(**i) != without)
            .map(|(place, i)| {
                let order = &self.orders[*i];
                let (side, price) = (order.side.outcome(), order.own_price());
                Claim { side, price, left: order.left, place: place.0 }
            })
            .collect()
    }

    fn tell_order(&mut self, index: OrderIndex) {
        let order = &self.orders[index];
        let user_id = &self.accounts[order.account.0 as usize].user_id;
        let what = Private::Order(Box::new(order.frame(user_id)));
        self.outbox.push(PrivateEvent { account: order.account, what });
    }
}

/// True when a market takes orders at `price`: inside 0..1 dollar, and on a whole cent or on one of its
/// bands (protocol notes 1, "Tick structure").
pub fn orderable(ticks: &[TickRange], price: Price) -> bool {
    let inside = price > Price::ZERO && price < Price::ONE;
    let on = |band: &TickRange| {
        band.start <= price
            && price <= band.end
            && band.step > Price::ZERO
            && (price.e4() - band.start.e4()) % band.step.e4() == 0
    };
    inside && (price.e4() % 100 == 0 || ticks.iter().any(on))
}

/// What an order on `side` at a YES price pays per contract.
fn own_price(side: Side, yes_price: Price) -> Price {
    match side {
        Side::Yes => yes_price,
        Side::No => yes_price.complement(),
    }
}

#[cfg(test)]
mod tests;
