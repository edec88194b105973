//! What the account can spend, what is at stake, and what it is worth.
//!
//! The exchange's balance is the truth, and it is always a little old. What was ordered since it was asked for
//! is counted as spent in full; what came in since then is counted at the next reading. So the desk may think
//! itself poorer than it is, never richer.

use super::markets::Markets;
use crate::broker::{FeeSchedule, MarketFees, Role};
use crate::trade::blotter::{Blotter, Order};
use crate::trade::message::{ClientId, Truth};
use crate::units::{Money, Price, Qty, TsNs};
use crate::wire::orders::BookSide;
use std::collections::BTreeMap;

/// How much of an order a reading of the account knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// The exchange had the order when the reading began: what it keeps for it is off the balance.
    kept: bool,
    /// Contracts filled by then: they are in the positions.
    filled: Qty,
    /// It was over by then: nothing of it is to be added any more.
    over: bool,
}

/// The account's money.
#[derive(Clone, Debug, Default)]
pub(super) struct Funds {
    balance: Money,
    /// Paid for the positions of the last reading.
    paid: Money,
    /// Orders that the last reading does not know wholly.
    open: BTreeMap<ClientId, Known>,
    /// What changes of orders may cost on top, and whether the reading under way knows of them.
    amends: BTreeMap<ClientId, (Money, bool)>,
    /// What the reading under way will know.
    asked: BTreeMap<ClientId, Known>,
    /// What the last reading said that the account is worth.
    worth: Option<Money>,
    /// When it began.
    read_at: Option<TsNs>,
}

impl Funds {
    /// An order was let through.
    pub(super) fn ordered(&mut self, id: ClientId) {
        self.open.insert(id, Known::default());
    }

    /// An order shall cost so much from now on. What it costs already is not given back for it.
    pub(super) fn amended(&mut self, id: ClientId, cost: Money) {
        let (sum, known) = self.amends.entry(id).or_default();
        (*sum, *known) = (*sum + cost, false);
    }

    /// A reading begins: what the exchange has answered for is in it.
    pub(super) fn ask(&mut self, blotter: &Blotter) {
        let known = |id: &ClientId| {
            // Forgotten means long over.
            let Some(order) = blotter.order(id) else {
                return Known { over: true, ..Known::default() };
            };
            Known { kept: !order.is_unborn(), filled: order.filled(), over: order.is_settled() }
        };
        for (id, (_, known)) in &mut self.amends {
            *known = blotter.order(id).is_none_or(|order| !order.waits() && !order.in_doubt());
        }
        self.asked = self.open.keys().map(|id| (id.clone(), known(id))).collect();
    }

    /// The reading is there; what the account is worth, by the better of the last two readings. The lists are
    /// not read in one moment, and a trade in between may be in the cash and not yet in the positions.
    pub(super) fn read(&mut self, truth: &Truth, markets: &Markets) -> Money {
        self.balance = truth.balance;
        self.paid = sum(truth.positions.iter().map(|p| p.market_exposure_dollars));
        self.read_at = Some(truth.asked);
        self.amends.retain(|_, (_, known)| !*known);
        for (id, known) in std::mem::take(&mut self.asked) {
            if known.over {
                self.open.remove(&id);
            } else {
                self.open.insert(id, known);
            }
        }
        let held = truth.positions.iter();
        let held = sum(held
            .filter(|p| p.position_fp != Qty::ZERO)
            .map(|p| markets.worth(&p.ticker, p.position_fp, p.market_exposure_dollars)));
        let worth = truth.balance + kept(truth) + held;
        self.worth.replace(worth).map_or(worth, |before| before.max(worth))
    }

    /// When the last reading began.
    pub(super) fn read_at(&self) -> Option<TsNs> {
        self.read_at
    }

    /// Cash that no order can still take.
    pub(super) fn cash(&self, blotter: &Blotter, fees: &MarketFees) -> Money {
        let unkept = self.open.iter().filter(|(_, known)| !known.kept);
        let orders = unkept.filter_map(|(id, _)| blotter.order(id));
        let spent = orders.map(|order| {
            let contracts = most(order);
            let fees = fees.of(&order.wanted.ticker);
            own_price(order).times(contracts) + fee_max(&fees, order.price(), contracts)
        });
        self.balance - sum(spent) - sum(self.amends.values().map(|amend| amend.0))
    }

    /// Paid for positions, and what orders may still take.
    pub(super) fn exposure(&self, blotter: &Blotter) -> Money {
        let orders = self.open.iter().filter_map(|(id, known)| Some((blotter.order(id)?, known)));
        let at_stake =
            orders.map(|(order, known)| own_price(order).times(most(order) - known.filled));
        self.paid + sum(at_stake) + sum(self.amends.values().map(|amend| amend.0))
    }
}

/// Most that `count` contracts can cost in fees. Contracts and fee together cost most at the limit, and what
/// rounding takes from one order never adds up to more than two of its units.
pub(super) fn fee_max(fees: &FeeSchedule, yes_price: Price, count: Qty) -> Money {
    fees.trade_fee(Role::Taker, yes_price, count) + Money(2 * fees.precision_e6)
}

/// What the exchange keeps for the resting orders of the account: their cost less what they close. The dearest
/// are taken for the closing ones, so that this is too little rather than too much.
fn kept(truth: &Truth) -> Money {
    let held: BTreeMap<_, _> =
        truth.positions.iter().map(|p| (&*p.ticker, p.position_fp)).collect();
    let mut orders: Vec<_> = truth.resting.iter().collect();
    orders.sort_by_key(|o| std::cmp::Reverse(o.book_side.own_price(o.yes_price_dollars)));
    let mut closable: BTreeMap<(&str, &str), Qty> = BTreeMap::new();
    sum(orders.into_iter().map(|order| {
        let held = held.get(&*order.ticker).copied().unwrap_or_default();
        let against = match order.book_side {
            BookSide::Bid => -held,
            BookSide::Ask => held,
        };
        let key = (&*order.ticker, order.book_side.word());
        let closable = closable.entry(key).or_insert(against.max(Qty::ZERO));
        let closed = order.remaining_count_fp.min(*closable);
        *closable -= closed;
        let price = order.book_side.own_price(order.yes_price_dollars);
        price.times(order.remaining_count_fp - closed)
    }))
}

fn own_price(order: &Order) -> Price {
    order.wanted.side.own_price(order.price())
}

/// Contracts that an order filled or may still fill, at most. An order that ended before all its fills were told
/// is in doubt until a query says how many there were: it may have been all of it.
fn most(order: &Order) -> Qty {
    let left = if order.state().is_over() { Qty::ZERO } else { order.left() };
    let known = order.filled() + left;
    if order.in_doubt() { known.max(order.wanted.count) } else { known }
}

fn sum(amounts: impl Iterator<Item = Money>) -> Money {
    amounts.fold(Money::ZERO, |sum, amount| sum + amount)
}
