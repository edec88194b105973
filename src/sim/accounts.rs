//! The exchange's own ledger: cash, what rests on orders, and one signed position per market.
//!
//! Kept apart from the broker's portfolio on purpose: the simulated exchange is what the broker is judged
//! by, so the two agree by test and not by construction. Fees are the shared [`crate::broker::fees`].
//!
//! **Invariant:** cash = start + realized - fees - basis, over all markets.
//! **Invariant:** a fill moves money between two sides and an escrow of one dollar per pair; nothing is
//! credited for a contract that is not owned.

use super::exchange::AccountId;
use crate::broker::{FeeSchedule, Role};
use crate::units::{Money, Price, Qty, Side};
use std::collections::BTreeMap;

/// One account's contracts in one market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// YES positive, NO negative.
    pub position: Qty,
    /// What the open position cost, without fees.
    pub basis: Money,
    /// Fees paid on the open position.
    pub fee_basis: Money,
    /// Profit of what was closed or settled, before fees.
    pub realized: Money,
    /// Fees paid.
    pub fees: Money,
    /// Money spent on contracts, closed ones included.
    pub traded: Money,
    /// Contracts traded.
    pub volume: Qty,
    /// Last change, milliseconds since the epoch.
    pub updated_ms: i64,
}

impl Holding {
    /// Books a fill that bought `qty` of `side` and returns the change of cash, fee included.
    ///
    /// What is held on the other side is closed first: a pair is worth one dollar.
    pub fn fill(&mut self, side: Side, yes_price: Price, qty: Qty, fee: Money) -> Money {
        let (price, signed) = match side {
            Side::Yes => (yes_price, qty),
            Side::No => (yes_price.complement(), -qty),
        };
        let held = Qty(self.position.0.abs());
        let opposite = self.position.0.signum() * signed.0.signum() < 0;
        let closed = if opposite { held.min(qty) } else { Qty::ZERO };
        let opened = qty - closed;
        let (proceeds, cost) = (price.complement().times(closed), price.times(opened));
        let (released, fee_released) =
            (part(self.basis, closed, held), part(self.fee_basis, closed, held));
        self.position += signed;
        self.basis += cost - released;
        self.fee_basis += part(fee, opened, qty) - fee_released;
        self.realized += proceeds - released;
        self.fees += fee;
        self.traded += cost;
        self.volume += qty;
        proceeds - cost - fee
    }

    /// Pays the position out when YES is worth `value`; returns the change of cash.
    pub fn settle(&mut self, value: Price) -> Money {
        let worth = if self.position > Qty::ZERO { value } else { value.complement() };
        let payout = worth.times(Qty(self.position.0.abs()));
        self.realized += payout - self.basis;
        (self.position, self.basis, self.fee_basis) = (Qty::ZERO, Money::ZERO, Money::ZERO);
        payout
    }
}

/// floor(amount x part / whole) in 128 bits; zero of nothing.
fn part(amount: Money, part: Qty, whole: Qty) -> Money {
    if whole == Qty::ZERO {
        return Money::ZERO;
    }
    Money((i128::from(amount.0) * i128::from(part.0) / i128::from(whole.0)) as i64)
}

/// What a resting order may still cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it buys.
    pub side: Side,
    /// At most this much per contract, on its own side.
    pub price: Price,
    /// Contracts not filled yet.
    pub left: Qty,
    /// Its place in the book's order of arrival.
    pub place: u64,
}

/// The money that must be kept for resting orders of one market (protocol notes 8): their whole cost less
/// what they close, maker fees, and one rounding unit per order.
///
/// The best order of a side always fills first, so the held contracts are given to the best orders; both
/// sides are kept in full, whichever fills.
pub fn collateral(position: Qty, claims: &mut [Claim], fees: &FeeSchedule) -> Money {
    claims.sort_by_key(|c| (std::cmp::Reverse(c.price), c.place));
    let mut closable = [Qty((-position.0).max(0)), Qty(position.0.max(0))];
    let cost = claims.iter().map(|claim| {
        let closing = &mut closable[claim.side.index()];
        let closed = claim.left.min(*closing);
        *closing -= closed;
        let fee = fees.trade_fee(Role::Maker, claim.price, claim.left);
        claim.price.times(claim.left - closed) + fee + Money(fees.precision_e6)
    });
    cost.fold(Money::ZERO, |sum, cost| sum + cost)
}

/// One account: cash for all markets, contracts per market.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its public name, a UUID.
    pub user_id: String,
    start: Money,
    cash: Money,
    holdings: BTreeMap<String, Holding>,
    kept: BTreeMap<String, Money>,
}

impl Account {
    /// An account with cash and nothing else.
    pub fn new(id: AccountId, user_id: String, start: Money) -> Account {
        let (holdings, kept) = (BTreeMap::new(), BTreeMap::new());
        Account { id, user_id, start, cash: start, holdings, kept }
    }

    /// Cash, kept money included.
    pub fn cash(&self) -> Money {
        self.cash
    }

    /// Money kept for resting orders.
    pub fn kept(&self) -> Money {
        self.kept.values().fold(Money::ZERO, |sum, kept| sum + *kept)
    }

    /// Money kept for resting orders of one market.
    pub fn kept_for(&self, ticker: &str) -> Money {
        self.kept.get(ticker).copied().unwrap_or_default()
    }

    /// Cash that can be spent.
    pub fn free(&self) -> Money {
        self.cash - self.kept()
    }

    /// The contracts of one market.
    pub fn holding(&self, ticker: &str) -> Holding {
        self.holdings.get(ticker).copied().unwrap_or_default()
    }

    /// Every market that was ever traded, by ticker.
    pub fn holdings(&self) -> impl Iterator<Item = (&str, &Holding)> {
        self.holdings.iter().map(|(ticker, holding)| (ticker.as_str(), holding))
    }

    /// Sets the money kept for one market's orders.
    pub fn keep(&mut self, ticker: &str, money: Money) {
        if money == Money::ZERO {
            self.kept.remove(ticker);
        } else {
            self.kept.insert(ticker.to_owned(), money);
        }
    }

    /// Books a fill; see [`Holding::fill`].
    pub fn fill(
        &mut self,
        ticker: &str,
        side: Side,
        yes_price: Price,
        qty: Qty,
        fee: Money,
        now_ms: i64,
    ) {
        let holding = self.holding_mut(ticker);
        let change = holding.fill(side, yes_price, qty, fee);
        holding.updated_ms = now_ms;
        self.cash += change;
    }

    /// Pays one market out; returns the payout.
    pub fn settle(&mut self, ticker: &str, value: Price, now_ms: i64) -> Money {
        let holding = self.holding_mut(ticker);
        let payout = holding.settle(value);
        holding.updated_ms = now_ms;
        self.cash += payout;
        payout
    }

    /// The first invariant that does not hold, in words.
    pub fn broken_invariant(&self) -> Option<&'static str> {
        let sum = |of: fn(&Holding) -> Money| self.holdings.values().map(of).map(|m| m.0).sum();
        let realized: i64 = sum(|h| h.realized);
        let (fees, basis): (i64, i64) = (sum(|h| h.fees), sum(|h| h.basis));
        let whole = |h: &Holding| Price::ONE.times(Qty(h.position.0.abs()));
        if self.cash.0 != self.start.0 + realized - fees - basis {
            Some("cash is not start + realized - fees - basis")
        } else if self.holdings.values().any(|h| h.basis < Money::ZERO || h.basis > whole(h)) {
            Some("basis is outside 0 to one dollar per contract")
        } else {
            None
        }
    }

    fn holding_mut(&mut self, ticker: &str) -> &mut Holding {
        self.holdings.entry(ticker.to_owned()).or_default()
    }
}
