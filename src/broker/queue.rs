//! Where we stand in the queue of a level.
//!
//! The feed shows sizes, not orders, so when somebody cancels it is unknown whether he stood before or
//! behind us. A [`QueueModel`] decides; trades always come off the front. The formulas are those of the
//! attribution notes ("Shadow orders"): of a cancel of c contracts at a level of V, with f before us and
//! V - f behind, the model's share comes off the front, but never less than c - (V - f) and never more than f.
//!
//! **Invariant:** for any model, [`QueueModel::Risk`] leaves at least as many before us and
//! [`QueueModel::Front`] at most as many, so fills under the three are always ordered.
//! **Invariant:** all arithmetic is integer; no size overflows it.

use crate::units::Qty;
use serde::{Deserialize, Serialize};

/// Which cancels stood before us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueModel {
    /// None, as long as that is possible: the pessimistic bound.
    Risk,
    /// All, as long as that is possible: the optimistic bound.
    Front,
    /// The part (f/V)^n: `PowerProbQueueFunc3`. 1 is the uniform model.
    Power(Exponent),
    /// The part f^n / (f^n + (V-f)^n) with a whole n: `PowerProbQueueFunc`.
    Odds(Exponent),
}

/// The exponent n of a queue model in hundredths, 0..=8. Between whole numbers the share is
/// interpolated, which keeps it exact and free of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Exponent(u16);

impl Exponent {
    /// Eight: where cancels stand that far behind us, steeper ones differ little from the pessimistic bound, and
    /// the products have to fit 128 bits.
    pub const MAX: Exponent = Exponent(800);
    /// One: a cancel is as likely before as behind us.
    pub const ONE: Exponent = Exponent(100);
    /// Two: what is used until a series is calibrated.
    pub const TWO: Exponent = Exponent(200);

    /// Three: the example of hftbacktest.
    pub const THREE: Exponent = Exponent(300);

    /// An exponent from its hundredths; `None` above 8.
    pub const fn new(e2: u16) -> Option<Exponent> {
        if e2 <= Exponent::MAX.0 { Some(Exponent(e2)) } else { None }
    }

    /// A whole exponent; `None` above 8.
    pub const fn whole(n: u16) -> Option<Exponent> {
        if n <= 8 { Some(Exponent(n * 100)) } else { None }
    }

    /// The exponent in hundredths.
    pub const fn e2(self) -> u16 {
        self.0
    }
}

/// An exponent above 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exponent of {0} hundredths is above 800")]
pub struct TooSteep(u16);

impl TryFrom<u16> for Exponent {
    type Error = TooSteep;
    fn try_from(e2: u16) -> Result<Exponent, TooSteep> {
        Exponent::new(e2).ok_or(TooSteep(e2))
    }
}

impl From<Exponent> for u16 {
    fn from(exponent: Exponent) -> u16 {
        exponent.0
    }
}

impl QueueModel {
    /// Contracts before us after somebody cancelled `cut` contracts of a level that held `level`, with
    /// `front` of them before us. `front` may exceed `level` (our own fills spared others).
    #[inline]
    pub fn cancel(self, front: Qty, level: Qty, cut: Qty) -> Qty {
        if front <= Qty::ZERO {
            return Qty::ZERO;
        }
        let share = Qty(self.share(front.0, level.0.max(1), cut.0)).min(cut).min(front);
        (front - share).min(level - cut).max(Qty::ZERO)
    }

    /// Contracts of a cancel that stood before us by this model, before what is certain is respected.
    #[inline]
    fn share(self, front: i64, level: i64, cut: i64) -> i64 {
        match self {
            QueueModel::Risk => 0,
            QueueModel::Front => cut,
            QueueModel::Power(exponent) if front < level => power(front, level, cut, exponent),
            QueueModel::Odds(exponent) if front < level => odds(front, level, cut, exponent),
            QueueModel::Power(_) | QueueModel::Odds(_) => cut,
        }
    }
}

/// Both sizes without the low bits that `factors` of them, the cancelled contracts and the hundredths of
/// an interpolation have no room for together. A cancel of 1 000 contracts leaves 25 bits (335 000
/// contracts) exact at n = 4 and 34 bits at n = 3; at n = 8 twelve bits are left, a part in 4 000 of a level.
fn scaled(front: i64, level: i64, cut: i64, factors: u32) -> (i128, i128) {
    let bits = |n: i64| 64 - n.leading_zeros();
    let room = (i128::BITS - 1 - bits(100) - bits(cut)) / factors.max(1);
    let shift = bits(level).saturating_sub(room);
    (i128::from(front >> shift), i128::from(level >> shift))
}

fn power(front: i64, level: i64, cut: i64, exponent: Exponent) -> i64 {
    let (whole, part) = (u32::from(exponent.0 / 100), i128::from(exponent.0 % 100));
    let factors = whole + u32::from(part > 0);
    let (f, v) = scaled(front, level, cut, factors);
    let cut = i128::from(cut);
    let share = if part == 0 {
        cut * f.pow(whole) / v.pow(whole)
    } else {
        cut * f.pow(whole) * ((100 - part) * v + part * f) / (100 * v.pow(factors))
    };
    share as i64
}

fn odds(front: i64, level: i64, cut: i64, exponent: Exponent) -> i64 {
    let n = u32::from(exponent.0 / 100);
    let (f, v) = scaled(front, level, cut, n);
    let (f, b) = (f.pow(n), (v - f).pow(n));
    (i128::from(cut) * f / (f + b).max(1)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ODDS_TWO: QueueModel = QueueModel::Odds(Exponent::TWO);

    #[track_caller]
    fn check(model: QueueModel, front: i64, level: i64, cut: i64, left: i64) {
        assert_eq!(model.cancel(Qty(front), Qty(level), Qty(cut)), Qty(left), "{model:?}");
    }

    #[test]
    fn each_model_takes_its_share_off_the_front() {
        check(QueueModel::Risk, 50, 100, 20, 50);
        check(QueueModel::Front, 50, 100, 20, 30);
        check(QueueModel::Power(Exponent::ONE), 50, 100, 21, 40);
        check(QueueModel::Power(Exponent::TWO), 50, 100, 21, 45);
        check(QueueModel::Power(Exponent(150)), 50, 100, 80, 20);
        check(ODDS_TWO, 50, 100, 21, 40);
        check(ODDS_TWO, 25, 100, 20, 23);
        // Nobody behind us: it was before us. Nobody before us: it was not.
        check(QueueModel::Risk, 100, 100, 20, 80);
        check(QueueModel::Front, 0, 100, 20, 0);
    }

    #[test]
    fn no_size_is_too_large_for_the_arithmetic() {
        for huge in [1i64 << 42, i64::MAX] {
            for n in 0..=800 {
                let exponent = Exponent::new(n).expect("in range");
                for model in [QueueModel::Power(exponent), QueueModel::Odds(exponent)] {
                    let left = model.cancel(Qty(huge / 2), Qty(huge), Qty(huge / 4));
                    assert!(left >= Qty(huge / 4) && left <= Qty(huge / 2), "{model:?}: {left}");
                }
            }
        }
        assert!(Exponent::new(801).is_none() && serde_json::from_str::<Exponent>("801").is_err());
    }

    proptest! {
        /// More before us never becomes fewer than less before us, and the bounds bound every model:
        /// on this the order of the three queues of an order rests.
        #[test]
        fn models_are_monotone_and_inside_the_bounds(
            level in 1i64..5_000, fronts in (0i64..5_000, 0i64..5_000), cut in 1i64..5_000, n in 0u16..=800
        ) {
            let cut = cut.min(level);
            let (low, high) = (fronts.0.min(fronts.1).min(level), fronts.0.max(fronts.1).min(level));
            let model = QueueModel::Power(Exponent(n));
            let after = |m: QueueModel, front| m.cancel(Qty(front), Qty(level), Qty(cut));
            prop_assert!(after(model, low) <= after(model, high));
            prop_assert!(after(model, high) <= after(QueueModel::Risk, high));
            prop_assert!(after(model, high) >= after(QueueModel::Front, high));
            let whole = n / 100;
            let exact = |n: u32| i128::from(cut) * i128::from(high).pow(n) / i128::from(level).pow(n);
            if n % 100 == 0 {
                let ahead = exact(u32::from(whole)).max((cut - (level - high)).into()).min(high.into());
                prop_assert_eq!(i128::from(after(model, high).0), i128::from(high) - ahead);
            }
        }
    }
}
