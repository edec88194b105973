//! Kalshi's fees, to the millionth of a dollar: rule R6 of the fee specification, confirmed by two
//! real fills.
//!
//! For a fill of C contracts at YES price P with coefficient k and multiplier M:
//!
//! 1. trade fee = M k C P (1 - P), rounded up to a whole micro-dollar;
//! 2. the change of the balance is rounded down to the member's precision u; what that takes is the
//!    rounding fee, and it is remembered in an accumulator that belongs to the order;
//! 3. the rebate hands back as many whole units u as the accumulator exceeded, but never more than
//!    this fill's two fees, so that the net fee is not negative.
//!
//! **Invariant:** the products use 128 bits; 64 overflow from about 500 contracts on.
//! **Invariant:** the fee is the same from either side of the contract, so it is computed on the YES scale.

use super::Intent;
use crate::units::{Money, Price, Qty};
use serde::{Deserialize, Serialize};

/// Coefficient k of makers where they pay, 1e-4: the published 0.0175.
pub const MAKER_K_E4: i64 = 175;

/// Who brought the order that was already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Our order came second and took.
    Taker,
    /// Our order rested.
    Maker,
}

/// The constants of the fee formula for one market and one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeSchedule {
    /// Coefficient k of a taker, 1e-4; 700 is the published 0.07.
    pub taker_k_e4: i64,
    /// Coefficient k of a maker, 1e-4; [`MAKER_K_E4`] on series with maker fees, else 0.
    pub maker_k_e4: i64,
    /// Multiplier M of the series, 1e-4; 10 000 is 1.
    pub mult_e4: i64,
    /// The member's precision u, 1e-6 dollars: 100 for direct members, 10 000 (a cent) for others.
    pub precision_e6: i64,
    /// The trade fee is rounded up to a multiple of this, 1e-6 dollars; 1 since 2026.
    pub ceil_e6: i64,
    /// When an accumulator of exactly one unit pays back.
    pub rebate: Rebate,
}

/// When the accumulator pays a unit back; the published word is "exceeds".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rebate {
    /// Once it holds more than the unit.
    #[serde(alias = "gt")]
    Exceeds,
    /// Once it holds the unit.
    #[serde(alias = "ge")]
    Reaches,
}

impl Default for FeeSchedule {
    fn default() -> FeeSchedule {
        FeeSchedule {
            taker_k_e4: 700,
            maker_k_e4: 0,
            mult_e4: 10_000,
            precision_e6: 100,
            ceil_e6: 1,
            rebate: Rebate::Exceeds,
        }
    }
}

impl FeeSchedule {
    /// Step 1: the fee of `qty` contracts at `yes_price`, before any rounding to the member's precision.
    #[inline]
    pub fn trade_fee(&self, role: Role, yes_price: Price, qty: Qty) -> Money {
        let k_e4 = match role {
            Role::Taker => self.taker_k_e4,
            Role::Maker => self.maker_k_e4,
        };
        let variance_e8 = yes_price.e4() * yes_price.complement().e4();
        let fee_e18 = i128::from(self.mult_e4 * k_e4) * i128::from(variance_e8) * i128::from(qty.0);
        let unit_e18 = 1_000_000_000_000 * i128::from(self.ceil_e6);
        Money(((fee_e18 + unit_e18 - 1) / unit_e18) as i64 * self.ceil_e6)
    }
}

/// The parts of one fill's fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee {
    /// Step 1.
    pub trade: Money,
    /// What rounding the balance change took, 0 <= rounding < u.
    pub rounding: Money,
    /// What the accumulator handed back, whole units.
    pub rebate: Money,
    /// What leaves the account: trade + rounding - rebate, never negative.
    pub net: Money,
}

/// The accumulator of one order: starts empty, lives from fill to fill, dies with the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFees {
    accumulator: Money,
}

impl OrderFees {
    /// Rounding fees taken from this order and not yet handed back.
    pub fn accumulator(&self) -> Money {
        self.accumulator
    }

    /// Steps 1 to 3 for one fill of this order; `price` is on the scale of `intent.side`.
    #[inline]
    pub fn fill(
        &mut self,
        schedule: &FeeSchedule,
        role: Role,
        intent: Intent,
        price: Price,
        qty: Qty,
    ) -> Fee {
        let yes_price = intent.yes_price(price);
        let value = yes_price.times(qty);
        let revenue = if intent.adds_yes() { -value } else { value };
        self.charge(schedule, revenue, schedule.trade_fee(role, yes_price, qty))
    }

    /// Steps 2 and 3, where the trade fee is known. `revenue` is signed on the YES scale: negative
    /// when YES was bought (or NO sold).
    #[inline]
    pub fn charge(&mut self, schedule: &FeeSchedule, revenue: Money, trade: Money) -> Fee {
        let unit = schedule.precision_e6;
        let rounding = (revenue - trade).0.rem_euclid(unit);
        let held = self.accumulator.0 + rounding;
        let due = match schedule.rebate {
            Rebate::Exceeds => (held - 1).max(0) / unit,
            Rebate::Reaches => held / unit,
        };
        let rebate = due.min((trade.0 + rounding) / unit) * unit;
        self.accumulator = Money(held - rebate);
        let net = Money(trade.0 + rounding - rebate);
        Fee { trade, rounding: Money(rounding), rebate: Money(rebate), net }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fills() -> impl Strategy<Value = (FeeSchedule, Vec<(Intent, Price, Qty)>)> {
        let schedule =
            (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(cent, ge, coarse)| {
                FeeSchedule {
                    precision_e6: if cent { 10_000 } else { 100 },
                    rebate: if ge { Rebate::Reaches } else { Rebate::Exceeds },
                    ceil_e6: if coarse { 100 } else { 1 },
                    ..FeeSchedule::default()
                }
            });
        let fill = (0usize..4, 1i64..10_000, 1i64..2_000_000)
            .prop_map(|(i, p, q)| (Intent::ALL[i], Price::new(p).expect("in range"), Qty(q)));
        (schedule, prop::collection::vec(fill, 1..20))
    }

    proptest! {
        /// P1..P7 and P9 of the fee specification, for whole orders.
        #[test]
        fn fees_keep_their_published_properties((schedule, fills) in fills()) {
            let (mut order, mut mirror) = (OrderFees::default(), OrderFees::default());
            let (mut net, mut trade) = (0, 0);
            for (intent, price, qty) in fills {
                let fee = order.fill(&schedule, Role::Taker, intent, price, qty);
                // P9: the same fill told from the other side.
                let verb = if intent.verb == crate::broker::Verb::Buy { crate::broker::Verb::Sell } else { crate::broker::Verb::Buy };
                let other = Intent { side: intent.side.other(), verb };
                prop_assert_eq!(fee, mirror.fill(&schedule, Role::Taker, other, price.complement(), qty));
                let exact_e18 = 7_000_000 * i128::from(qty.0) * i128::from(price.e4() * price.complement().e4());
                let over_e18 = i128::from(fee.trade.0) * 1_000_000_000_000 - exact_e18;
                prop_assert!((0..1_000_000_000_000 * i128::from(schedule.ceil_e6)).contains(&over_e18));
                prop_assert!((0..schedule.precision_e6).contains(&fee.rounding.0));
                let value = intent.yes_price(price).times(qty).0;
                let revenue = if intent.adds_yes() { -value } else { value };
                prop_assert_eq!((revenue - fee.net.0).rem_euclid(schedule.precision_e6), 0);
                prop_assert!(fee.net.0 >= 0);
                net += fee.net.0;
                trade += fee.trade.0;
            }
            prop_assert_eq!(net, trade + order.accumulator().0);
        }
    }
}
