//! What order flow looks like, measured: the same figures of a recording and of the simulator, beside
//! each other.
//!
//! A [`Meter`] follows the events of one market in the order of their arrival and counts every
//! [`Statistic`] into a [`Distribution`]; [`compare`] puts two such [`Profile`]s beside each other.
//!
//! **Invariant:** pure, and bounded in memory by the life of a market: counts, never values.

mod distribution;
mod meter;
mod pairing;
mod window;

pub use distribution::Distribution;
pub use meter::{Meter, Pace};
pub use pairing::{Key, Pairing};
pub use window::{Moment, Window, simulate, simulate_watched};

/// Medians may differ by this factor, either way.
pub const RATIO_MAX: f64 = 1.5;
/// Distributions may be this far apart (Kolmogorov).
pub const DISTANCE_MAX: f64 = 0.25;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Thousandths of the decreases at the best price that were trades, per half minute.
    TradeShareTouch,
    /// Thousandths of all decreases that were trades, per half minute.
    TradeShareBook,
    /// Thousandths of all changes that were not of whole contracts, per half minute.
    FractionalShare,
    /// Size of a change of a level, hundredths of a contract.
    DeltaSize,
    /// Size of a trade, hundredths of a contract.
    TradeSize,
    /// Book changes and trades in one second.
    EventsPerSecond,
    /// Time between two changes of the book, microseconds by the exchange's clock.
    InterEvent,
    /// Best YES ask less best YES bid, once per second, 1e-4 dollars.
    Spread,
    /// Size at a best price, once per second, hundredths of a contract.
    TouchSize,
    /// Size of all bids of a side, once per second, hundredths of a contract.
    Depth,
    /// Price levels of a side, once per second.
    Levels,
    /// From the first size of a level to its last, microseconds by the exchange's clock.
    LevelLife,
    /// How far below the best price of its side a level changed, 1e-4 dollars; negative: a new best.
    Distance,
    /// How much later than its book change a trade arrived, milliseconds.
    TradeLag,
    /// From the exchange's stamp to the receipt of a book change, milliseconds. Where frames arrive
    /// before they were stamped, the receiver's clock is behind: the earliest then counts as zero.
    Lateness,
}

impl Statistic {
    /// All of them, in the order of the table.
    pub const ALL: [Statistic; 15] = [
        Statistic::TradeShareTouch,
        Statistic::TradeShareBook,
        Statistic::FractionalShare,
        Statistic::DeltaSize,
        Statistic::TradeSize,
        Statistic::EventsPerSecond,
        Statistic::InterEvent,
        Statistic::Spread,
        Statistic::TouchSize,
        Statistic::Depth,
        Statistic::Levels,
        Statistic::LevelLife,
        Statistic::Distance,
        Statistic::TradeLag,
        Statistic::Lateness,
    ];

    /// Its name in tables, with the unit last.
    pub const fn name(self) -> &'static str {
        match self {
            Statistic::TradeShareTouch => "trade_share_of_touch_decreases_e3",
            Statistic::TradeShareBook => "trade_share_of_decreases_e3",
            Statistic::FractionalShare => "fractional_share_e3",
            Statistic::DeltaSize => "delta_size_e2",
            Statistic::TradeSize => "trade_size_e2",
            Statistic::EventsPerSecond => "events_per_s",
            Statistic::InterEvent => "inter_event_us",
            Statistic::Spread => "spread_e4",
            Statistic::TouchSize => "touch_size_e2",
            Statistic::Depth => "side_depth_e2",
            Statistic::Levels => "side_levels",
            Statistic::LevelLife => "level_life_us",
            Statistic::Distance => "distance_from_touch_e4",
            Statistic::TradeLag => "trade_after_delta_ms",
            Statistic::Lateness => "late_ms",
        }
    }
}

/// The distribution of every statistic, over one market or over several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    distributions: [Distribution; Statistic::ALL.len()],
}

impl Profile {
    /// The distribution of one statistic.
    pub fn of(&self, statistic: Statistic) -> &Distribution {
        &self.distributions[statistic as usize]
    }

    /// Adds what another market showed.
    pub fn merge(&mut self, other: &Profile) {
        for (mine, theirs) in self.distributions.iter_mut().zip(&other.distributions) {
            mine.merge(theirs, 0);
        }
    }

    fn add(&mut self, statistic: Statistic, value: i64) {
        self.distributions[statistic as usize].add(value);
    }
}

/// One statistic of a recording and of the simulator.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Row {
    /// [`Statistic::name`].
    pub statistic: &'static str,
    /// Median of the recording, in the unit that the name ends with.
    pub real: Option<i64>,
    /// Median of the simulator.
    pub simulated: Option<i64>,
    /// `simulated / real`; 1 where both are zero, absent where only one is, or they differ in sign.
    pub ratio: Option<f64>,
    /// Kolmogorov distance of the two distributions.
    pub distance: f64,
    /// Both within [`RATIO_MAX`] and [`DISTANCE_MAX`].
    pub ok: bool,
}

/// Every statistic of the two profiles beside each other.
pub fn compare(real: &Profile, simulated: &Profile) -> Vec<Row> {
    let row = |statistic: Statistic| {
        let (r, s) = (real.of(statistic), simulated.of(statistic));
        let (real, simulated, distance) = (r.median(), s.median(), r.distance(s));
        let ratio = real.zip(simulated).and_then(|(r, s)| match (r, s) {
            (0, 0) => Some(1.0),
            _ if r.signum() * s.signum() > 0 => Some(s as f64 / r as f64),
            _ => None,
        });
        let near = ratio.is_some_and(|r| (1.0 / RATIO_MAX..=RATIO_MAX).contains(&r));
        let ok = near && distance <= DISTANCE_MAX;
        Row { statistic: statistic.name(), real, simulated, ratio, distance, ok }
    };
    Statistic::ALL.map(row).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(sizes: impl Iterator<Item = i64>) -> Profile {
        let mut p = Profile::default();
        sizes.for_each(|s| p.add(Statistic::DeltaSize, s));
        p
    }

    #[test]
    fn a_row_is_ok_only_near_in_median_and_in_distribution() {
        let size = |real: &Profile, sim: &Profile| compare(real, sim)[3].clone();
        let real = profile((1..=100).map(|i| i * 10));
        assert!(size(&real, &real).ok);
        let doubled = size(&real, &profile((1..=100).map(|i| i * 20)));
        assert_eq!((doubled.ratio, doubled.ok), (Some(2.0), false));
        // The same median, but everything sits on it.
        let lumped = size(&real, &profile((1..=100).map(|_| 500)));
        assert_eq!((lumped.ratio, lumped.ok), (Some(1.0), false));
        assert!(!size(&real, &Profile::default()).ok);
    }
}
