//! Times measured while collecting: how late frames come, and how soon they are on disk.

use crate::units::TsNs;
use crate::view::Quantiles;
use hdrhistogram::Histogram;

/// An hour, in microseconds: what is longer counts as that.
const LONGEST_US: u64 = 3_600_000_000;
/// Two digits: 4 ms is told from 4.1 ms.
const DIGITS: u8 = 2;

/// Durations of the whole session, and of the last seconds.
#[derive(Clone, Debug)]
pub struct Meter {
    all: Histogram<u64>,
    recent: Histogram<u64>,
    shown: Quantiles,
}

impl Default for Meter {
    fn default() -> Meter {
        let empty = Histogram::new_with_bounds(1, LONGEST_US, DIGITS)
            .expect("the bounds are in order and two digits are allowed");
        Meter { all: empty.clone(), recent: empty, shown: Quantiles::default() }
    }
}

impl Meter {
    /// Takes a duration from `from` to `to`; clocks that disagree make it zero.
    #[inline]
    pub fn record(&mut self, from: TsNs, to: TsNs) {
        self.recent.saturating_record((to.0.saturating_sub(from.0).max(0) / 1_000) as u64);
    }

    /// Ends the current few seconds. Without a duration in them the last figures stay.
    pub fn turn(&mut self) {
        if !self.recent.is_empty() {
            self.shown = quantiles(&self.recent);
            self.all += &self.recent;
            self.recent.reset();
        }
    }

    /// Of the last few seconds that were ended, milliseconds.
    pub fn recent(&self) -> Quantiles {
        self.shown
    }

    /// Of everything that was ended, milliseconds.
    pub fn overall(&self) -> Quantiles {
        quantiles(&self.all)
    }

    /// The time within which the share `quantile` (0..1) of everything ended was, microseconds.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        self.all.value_at_quantile(quantile)
    }

    /// Everything that was ended, as counts of the times up to each bound, microseconds: bounds double from 64.
    pub fn histogram_us(&self) -> Vec<(u64, u64)> {
        let steps = self.all.iter_log(64, 2.0);
        steps.map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect()
    }

    /// The shortest of everything that was ended, milliseconds.
    pub fn least_ms(&self) -> f64 {
        if self.all.is_empty() { 0.0 } else { in_ms(self.all.min()) }
    }

    /// Takes over what another meter has measured.
    pub fn add(&mut self, other: &Meter) {
        self.all += &other.all;
    }
}

fn quantiles(times: &Histogram<u64>) -> Quantiles {
    let at = |q| in_ms(times.value_at_quantile(q));
    if times.is_empty() { Quantiles::default() } else { Quantiles { p50: at(0.5), p99: at(0.99) } }
}

fn in_ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_and_the_whole_are_told_apart() {
        let mut meter = Meter::default();
        let take = |meter: &mut Meter, ms| {
            meter.record(TsNs(0), TsNs::from_ms(ms));
            meter.turn();
        };
        take(&mut meter, 10);
        take(&mut meter, 1_000);
        assert!((meter.recent().p50 - 1_000.0).abs() < 20.0);
        assert!((meter.overall().p50 - 10.0).abs() < 0.2);
        // A clock that jumped back is no negative time, and a silence changes nothing.
        take(&mut meter, -5);
        assert_eq!(meter.least_ms(), 0.0);
        let shown = meter.recent();
        meter.turn();
        assert_eq!(meter.recent(), shown);
    }
}
