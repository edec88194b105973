//! What the market thought of our fills a while later: the measure of adverse selection.
//!
//! The markout of a fill is the mid after the horizon minus the price paid, towards our side, fees apart;
//! to settlement, the outcome stands for the mid. A maker who earns the spread and pays it back within a
//! second has a markout near zero.

use crate::broker::matching::{Bound, Fill};
use crate::features::episode::Episode;
use crate::units::Qty;
use serde::Serialize;

/// Horizons of the markouts before settlement, milliseconds.
pub const HORIZONS_MS: [i64; 3] = [1_000, 10_000, 60_000];

/// The markout of many fills at one horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Markout {
    /// Sum over contracts, in halves of 1e-6 dollars, so that a mid between two prices stays exact.
    pub sum_half_e6: i64,
    /// Contracts whose horizon the tape reaches.
    pub qty: Qty,
}

impl Markout {
    /// Cents per contract; `None` without a contract.
    pub fn cents(&self) -> Option<f64> {
        let contracts = self.qty.e2() as f64 / 100.0;
        (self.qty > Qty::ZERO).then(|| self.sum_half_e6 as f64 / 2e4 / contracts)
    }

    /// Both together.
    pub fn and(self, other: Markout) -> Markout {
        Markout { sum_half_e6: self.sum_half_e6 + other.sum_half_e6, qty: self.qty + other.qty }
    }

    /// Adds a fill that the market values at `worth2_e4` / 2, 1e-4 dollars on the YES scale.
    fn add(&mut self, fill: &Fill, counts: Bound, worth2_e4: i64) {
        let qty = fill.qty[counts];
        let paid2_e4 = 2 * fill.intent.yes_price(fill.price).e4();
        self.sum_half_e6 += (worth2_e4 - paid2_e4) * fill.intent.position_change(qty).e2();
        self.qty += qty;
    }
}

/// Markouts after 1, 10 and 60 seconds, and to settlement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Markouts {
    /// In the order of [`HORIZONS_MS`].
    pub after: [Markout; 3],
    /// To the outcome.
    pub settlement: Markout,
}

impl Markouts {
    /// The markouts of `fills` made in `episode`, in the queue `counts`.
    pub fn of(episode: &Episode, fills: &[Fill], counts: Bound) -> Markouts {
        let mut markouts = Markouts::default();
        for fill in fills {
            for (markout, horizon_ms) in markouts.after.iter_mut().zip(HORIZONS_MS) {
                if let Some(mid2) = mid2_at(episode, fill.at.ms() + horizon_ms) {
                    markout.add(fill, counts, mid2);
                }
            }
            if let Some(value) = episode.settlement {
                markouts.settlement.add(fill, counts, 2 * value.e4());
            }
        }
        markouts
    }

    /// Both together.
    pub fn and(self, other: Markouts) -> Markouts {
        Markouts {
            after: std::array::from_fn(|i| self.after[i].and(other.after[i])),
            settlement: self.settlement.and(other.settlement),
        }
    }
}

/// Bid + ask at the last decision by then; `None` behind the last one.
fn mid2_at(episode: &Episode, ts_ms: i64) -> Option<i64> {
    let behind = episode.decisions.partition_point(|d| d.ts_ms <= ts_ms);
    let last = episode.decisions.last()?;
    (ts_ms <= last.ts_ms && behind > 0).then(|| episode.decisions[behind - 1].mid2.into())
}
