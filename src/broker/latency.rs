//! How long an order takes to the exchange.
//!
//! Feed latency is not modelled: it is in the recording, as the difference of the two stamps of an event.
//! Order latency is drawn per request from an empirical table.

use crate::rng::Rng;
use crate::units::TsNs;
use serde::{Deserialize, Serialize};

/// Points of a delay table: the quantiles 0, 1/16, .. 1.
const POINTS: usize = 17;

/// Quantiles of the default order delay, microseconds: lognormal with median 60 ms and p99 400 ms
/// (fill notes 3.9), its ends cut at the 0.1 % and 99.9 % quantiles.
const ORDER_US: [u32; POINTS] = [
    4_827, 17_172, 23_482, 29_104, 34_616, 40_276, 46_270, 52_776, 60_000, 68_213, 77_804, 89_384,
    104_000, 123_693, 153_308, 209_644, 745_762,
];

/// A distribution of delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    /// Always this long, microseconds.
    Fixed(u32),
    /// Quantiles 0, 1/16, .. 1 in microseconds, ascending; uniform between two of them.
    Table([u32; POINTS]),
    /// The request is lost.
    Never,
}

/// Delays from our decision to the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Of a new order.
    pub submit: Delay,
    /// Of a cancel.
    pub cancel: Delay,
    /// Of an amend or a decrease.
    pub amend: Delay,
}

impl Latency {
    /// No delay: the exchange acts on what we see.
    pub const NONE: Latency = Latency::all(Delay::Fixed(0));

    /// The same delay for every request.
    pub const fn all(delay: Delay) -> Latency {
        Latency { submit: delay, cancel: delay, amend: delay }
    }
}

impl Default for Latency {
    fn default() -> Latency {
        Latency::all(Delay::Table(ORDER_US))
    }
}

impl Delay {
    /// When a request sent at `at` arrives; the end of time for a lost one.
    pub fn after(&self, at: TsNs, rng: &mut Rng) -> TsNs {
        let delay_us = match self {
            Delay::Never => return TsNs(i64::MAX),
            Delay::Fixed(us) => i64::from(*us),
            Delay::Table(points) => {
                let gap = rng.below(POINTS as u64 - 1) as usize;
                let (low, high) = (i64::from(points[gap]), i64::from(points[gap + 1]));
                low + rng.below((high - low).max(0) as u64 + 1) as i64
            }
        };
        TsNs(at.0.saturating_add(delay_us * 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_the_stated_median_and_tail() {
        let mut rng = Rng::stream(5, "latency", 0);
        let delay = Latency::default().submit;
        let mut ms: Vec<i64> =
            (0..20_000).map(|_| delay.after(TsNs(0), &mut rng).0 / 1_000_000).collect();
        ms.sort_unstable();
        assert!((57..=63).contains(&ms[10_000]), "{}", ms[10_000]);
        // Uniform inside the last sixteenth: its p99 lies a little above the curve's 400 ms.
        assert!((350..=700).contains(&ms[19_800]), "{}", ms[19_800]);
    }

    #[test]
    fn a_lost_request_never_arrives_and_a_backward_table_does_no_harm() {
        let mut rng = Rng::stream(5, "latency", 0);
        assert_eq!(Delay::Never.after(TsNs(7), &mut rng), TsNs(i64::MAX));
        assert_eq!(Delay::Fixed(2).after(TsNs(7), &mut rng), TsNs(2_007));
        let backward = Delay::Table(std::array::from_fn(|i| 100 - i as u32));
        assert!(backward.after(TsNs(0), &mut rng) <= TsNs(100_000));
        assert!(backward.after(TsNs(i64::MAX - 1), &mut rng) == TsNs(i64::MAX));
    }
}
