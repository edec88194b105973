//! Cash and one signed position of one market: +YES, -NO.
//!
//! A YES and a NO together are worth one dollar and are netted at once, so a fill first closes what
//! is held on the other side and opens with the rest; the closing proceeds pay for the opening part.
//! Cost is averaged. Fees leave the cash and are not part of the basis.
//!
//! **Invariant (L1):** cash = start + realized - fees - basis.
//! **Invariant (L8):** cash >= 0 and 0 <= basis <= one dollar per contract held.
//! **Invariant (L9):** a refused fill changes nothing.

use super::Intent;
use crate::units::{Money, Price, Qty};
use serde::{Deserialize, Serialize};

/// The money and the contracts of one account in one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portfolio {
    start: Money,
    cash: Money,
    position: Qty,
    basis: Money,
    realized: Money,
    fees: Money,
}

/// The cash does not suffice; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cash would be short by {short}")]
pub struct Refused {
    /// How much is missing.
    pub short: Money,
}

impl Portfolio {
    /// An account with cash and no position.
    #[inline]
    pub const fn new(start: Money) -> Portfolio {
        let zero = Money::ZERO;
        Portfolio {
            start,
            cash: start,
            position: Qty::ZERO,
            basis: zero,
            realized: zero,
            fees: zero,
        }
    }

    /// Cash at the beginning.
    #[inline]
    pub const fn start(&self) -> Money {
        self.start
    }

    /// Cash now.
    #[inline]
    pub const fn cash(&self) -> Money {
        self.cash
    }

    /// Contracts held: positive YES, negative NO.
    #[inline]
    pub const fn position(&self) -> Qty {
        self.position
    }

    /// What the open position cost, without fees.
    #[inline]
    pub const fn basis(&self) -> Money {
        self.basis
    }

    /// Profit of what was closed or settled, before fees.
    #[inline]
    pub const fn realized(&self) -> Money {
        self.realized
    }

    /// Fees paid.
    #[inline]
    pub const fn fees(&self) -> Money {
        self.fees
    }

    /// Average cost of one contract held, rounded down; `None` when flat.
    pub fn avg_cost(&self) -> Option<Money> {
        let held = self.position.0.abs();
        (held > 0).then(|| share(self.basis, 100, held))
    }

    /// Books a fill of `qty` > 0 contracts at `price` (on the scale of `intent.side`) with its net fee.
    ///
    /// # Errors
    /// [`Refused`] when cash after the fill and its fee would be negative; exactly zero is accepted.
    #[inline]
    pub fn fill(
        &mut self,
        intent: Intent,
        price: Price,
        qty: Qty,
        fee: Money,
    ) -> Result<(), Refused> {
        let mut after = *self;
        after.book(intent, price, qty, fee);
        if after.cash < Money::ZERO {
            return Err(Refused { short: -after.cash });
        }
        *self = after;
        Ok(())
    }

    /// Books a fill that the exchange has made: it stands, whatever cash is left.
    #[inline]
    pub fn book(&mut self, intent: Intent, price: Price, qty: Qty, fee: Money) {
        let change = intent.position_change(qty);
        let yes_price = intent.yes_price(price);
        let open_price = if change.0 > 0 { yes_price } else { yes_price.complement() };
        let held = self.position.0.abs();
        let opposite = (change.0 > 0) == (self.position.0 < 0);
        let closed = if opposite { Qty(held.min(qty.0)) } else { Qty::ZERO };

        // What is closed lies on the other side, and a pair is worth one dollar.
        let proceeds = open_price.complement().times(closed);
        let cost = open_price.times(qty - closed);
        let released = if closed.0 > 0 { share(self.basis, closed.0, held) } else { Money::ZERO };
        self.cash += proceeds - cost - fee;
        self.position += change;
        self.basis += cost - released;
        self.realized += proceeds - released;
        self.fees += fee;
    }

    /// Cash comes from outside: no profit.
    pub fn endow(&mut self, cash: Money) {
        self.start += cash;
        self.cash += cash;
    }

    /// Pays out the position when YES settled at `value` (NO receives the complement).
    pub fn settle(&mut self, value: Price) {
        let payout = self.worth(value, value.complement());
        self.cash += payout;
        self.realized += payout - self.basis;
        self.position = Qty::ZERO;
        self.basis = Money::ZERO;
    }

    /// What the position would bring at the touch: YES at the best YES bid, NO at the best NO bid
    /// (1 - YES ask). **A missing bid marks at zero**; the other side is irrelevant.
    #[inline]
    pub fn mark(&self, yes_bid: Option<Price>, no_bid: Option<Price>) -> Money {
        self.worth(yes_bid.unwrap_or(Price::ZERO), no_bid.unwrap_or(Price::ZERO))
    }

    /// Cash and mark.
    #[inline]
    pub fn equity(&self, yes_bid: Option<Price>, no_bid: Option<Price>) -> Money {
        self.cash + self.mark(yes_bid, no_bid)
    }

    /// The first of the invariants L1 and L8 that does not hold, in words.
    pub fn broken_invariant(&self) -> Option<&'static str> {
        let held = Qty(self.position.0.abs());
        if self.cash != self.start + self.realized - self.fees - self.basis {
            Some("cash is not start + realized - fees - basis")
        } else if self.cash < Money::ZERO {
            Some("cash is negative")
        } else if self.basis < Money::ZERO || self.basis > Price::ONE.times(held) {
            Some("basis is outside 0 to one dollar per contract")
        } else {
            None
        }
    }

    #[inline]
    fn worth(&self, yes: Price, no: Price) -> Money {
        let price = if self.position.0 > 0 { yes } else { no };
        price.times(Qty(self.position.0.abs()))
    }
}

/// floor(amount * part / whole) for non-negative numbers, in 128 bits.
#[inline]
fn share(amount: Money, part: i64, whole: i64) -> Money {
    Money((i128::from(amount.0) * i128::from(part) / i128::from(whole)) as i64)
}
