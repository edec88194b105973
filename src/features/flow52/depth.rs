//! What the levels of one side hold: read once per row, best level first.

use super::constants::{NEAR_E4, SWEEP_E2};
use crate::book::Ladder;

const SWEEP: i64 = SWEEP_E2 as i64;
const NEAR: i64 = NEAR_E4 as i64;

/// Sums over the levels of one side, sizes in 1e-2 contracts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Depth {
    /// Contracts in the 3 best levels.
    pub(super) top3: i128,
    /// Contracts in the 5 best levels.
    pub(super) top5: i128,
    /// Contracts within 5 cents of the best level.
    pub(super) near: i128,
    /// All contracts.
    pub(super) total: i128,
    /// Sum of contracts x distance from the best level (1e-4 dollars).
    distance: i128,
    /// Cost against mid of taking the sweep quantity, contracts x half price units.
    sweep: i64,
}

impl Depth {
    /// Reads the bids of one side; `mid2` is on that side's own axis.
    ///
    /// What the levels cannot fill is filled at price zero, the worst that can happen to a seller.
    pub(super) fn of(bids: &Ladder, mid2: i64) -> Depth {
        let mut depth = Depth::default();
        let mut left = SWEEP;
        let best = bids.best().map_or(0, |(price, _)| price.e4());
        for (i, (price, size)) in bids.iter().enumerate() {
            let (price, size) = (price.e4(), size.e2());
            let wide = i128::from(size);
            depth.top3 += if i < 3 { wide } else { 0 };
            depth.top5 += if i < 5 { wide } else { 0 };
            depth.near += if price >= best - NEAR { wide } else { 0 };
            depth.total += wide;
            depth.distance += wide * i128::from(best - price);
            let take = left.min(size);
            depth.sweep += take * (mid2 - 2 * price);
            left -= take;
        }
        depth.sweep += left * mid2;
        depth
    }

    /// Mean distance from the best level in dollars, 0 without a level.
    pub(super) fn mean_distance(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        self.distance as f64 / self.total as f64 / 10_000.0
    }

    /// Mean cost against mid per contract of the sweep quantity, cents, at least 0.
    pub(super) fn sweep_cents(&self) -> f64 {
        self.sweep.max(0) as f64 / (SWEEP_E2 * 200.0)
    }
}
