//! What naive touch fills claim, beside the bracket, on the same shadow orders.

use super::bootstrap;
use super::shadow::{Outcome, RULES, Shadows};
use super::source::{self, MarketName, Source, SourceError};
use crate::broker::QueueFits;
use crate::rng::Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// All rules over all markets.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Markets with orders.
    pub markets: usize,
    /// Orders that lived their minute.
    pub orders: u64,
    /// Orders that met a gap, a new book or the end of the recording, and count for no rule.
    pub dropped: u64,
    /// By rule, from the naive to the optimistic.
    pub rules: Vec<RuleRow>,
    /// What the naive rule claims beyond each queue.
    pub flattery: Vec<FlatteryRow>,
}

/// One rule's claims.
#[derive(Clone, Debug, Serialize)]
pub struct RuleRow {
    /// The rule.
    pub rule: &'static str,
    /// Part of the orders filled within a minute.
    pub fill_rate: f64,
    /// Its 95 % interval; `null` with fewer than two markets.
    pub fill_rate_ci95: Option<[f64; 2]>,
    /// Median time to the fill of those filled.
    pub median_s: Option<f64>,
    /// Mean middle of the market a minute after the placing less the price of the order, of those filled.
    pub markout_cents: Option<f64>,
    /// Its 95 % interval.
    pub markout_ci95: Option<[f64; 2]>,
}

/// The naive rule less a queue.
#[derive(Clone, Debug, Serialize)]
pub struct FlatteryRow {
    /// The queue.
    pub against: &'static str,
    /// Difference of the fill rates.
    pub fill_rate: f64,
    /// Difference of the markouts, cents per contract.
    pub cents_per_contract: Option<f64>,
    /// Its 95 % interval.
    pub ci95: Option<[f64; 2]>,
}

/// Runs the shadow orders of `seed` over every market of the source; the fitted queue is that of the market's
/// series in `fits`.
///
/// # Errors
/// When the source cannot be read to its end.
pub fn compare(source: &Source, seed: u64, fits: &QueueFits) -> Result<Comparison, SourceError> {
    let mut markets: BTreeMap<MarketName, Shadows> = BTreeMap::new();
    source::read(source, |name, event| {
        if !markets.contains_key(name) {
            // By name and not by number: another market beside it changes nothing.
            let stream = Rng::stream(seed, &name.ticker, name.session as u64);
            markets.insert(name.clone(), Shadows::new(fits.model(&name.ticker), stream));
        }
        if let Some(shadows) = markets.get_mut(name) {
            shadows.on_event(event);
        }
    })?;
    let (mut by_ticker, mut dropped) = (BTreeMap::<String, Vec<Outcome>>::new(), 0);
    for (name, shadows) in markets {
        let (outcomes, lost) = shadows.finish();
        dropped += lost;
        by_ticker.entry(name.ticker).or_default().extend(outcomes);
    }
    by_ticker.retain(|_, outcomes| !outcomes.is_empty());
    Ok(summarize(&by_ticker.into_values().collect::<Vec<_>>(), dropped, seed))
}

/// Sums of one market.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    orders: f64,
    filled: [f64; RULES.len()],
    markout_cents: [f64; RULES.len()],
}

impl Sums {
    fn of(outcomes: &[Outcome]) -> Sums {
        let mut sums = Sums { orders: outcomes.len() as f64, ..Sums::default() };
        for outcome in outcomes {
            for rule in (0..RULES.len()).filter(|rule| outcome.filled_after_us[*rule].is_some()) {
                sums.filled[rule] += 1.0;
                sums.markout_cents[rule] += outcome.markout2_e4 as f64 / 200.0;
            }
        }
        sums
    }

    fn plus(mut self, other: &Sums) -> Sums {
        self.orders += other.orders;
        for rule in 0..RULES.len() {
            self.filled[rule] += other.filled[rule];
            self.markout_cents[rule] += other.markout_cents[rule];
        }
        self
    }

    fn fill_rate(&self, rule: usize) -> Option<f64> {
        (self.orders > 0.0).then(|| self.filled[rule] / self.orders)
    }

    fn markout(&self, rule: usize) -> Option<f64> {
        (self.filled[rule] > 0.0).then(|| self.markout_cents[rule] / self.filled[rule])
    }

    /// What the naive rule claims beyond this one, cents per contract.
    fn flattery(&self, rule: usize) -> Option<f64> {
        Some(self.markout(0)? - self.markout(rule)?)
    }
}

fn summarize(markets: &[Vec<Outcome>], dropped: u64, seed: u64) -> Comparison {
    let sums: Vec<Sums> = markets.iter().map(|outcomes| Sums::of(outcomes)).collect();
    let all = sums.iter().fold(Sums::default(), Sums::plus);
    let interval = |figure: &dyn Fn(&Sums) -> Option<f64>| {
        bootstrap::interval(sums.len(), seed, |drawn| {
            figure(&drawn.iter().fold(Sums::default(), |sum, market| sum.plus(&sums[*market])))
        })
    };
    let rule = |(rule, name): (usize, &'static str)| RuleRow {
        rule: name,
        fill_rate: all.fill_rate(rule).unwrap_or(0.0),
        fill_rate_ci95: interval(&|sums| sums.fill_rate(rule)),
        median_s: median_s(markets, rule),
        markout_cents: all.markout(rule),
        markout_ci95: interval(&|sums| sums.markout(rule)),
    };
    let flattery = |(rule, against): (usize, &'static str)| FlatteryRow {
        against,
        fill_rate: all.fill_rate(0).unwrap_or(0.0) - all.fill_rate(rule).unwrap_or(0.0),
        cents_per_contract: all.flattery(rule),
        ci95: interval(&|sums| sums.flattery(rule)),
    };
    Comparison {
        markets: markets.len(),
        orders: all.orders as u64,
        dropped,
        rules: RULES.into_iter().enumerate().map(rule).collect(),
        flattery: RULES.into_iter().enumerate().skip(1).map(flattery).collect(),
    }
}

/// The upper median, as in the attribution notes.
fn median_s(markets: &[Vec<Outcome>], rule: usize) -> Option<f64> {
    let times = markets.iter().flatten().filter_map(|outcome| outcome.filled_after_us[rule]);
    let mut times: Vec<i64> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).map(|us| *us as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(filled_s: [Option<i64>; 4], markout_cents: i64) -> Outcome {
        let filled_after_us = filled_s.map(|s| s.map(|s| s * 1_000_000));
        Outcome { filled_after_us, markout2_e4: markout_cents * 200 }
    }

    #[test]
    fn flattery_is_the_difference_of_the_means_over_what_each_rule_fills() {
        let winner = outcome([Some(2), None, None, None], 3);
        let loser = outcome([Some(1), Some(9), Some(5), Some(3)], -1);
        let markets = vec![vec![winner, loser, loser], vec![loser, outcome([None; 4], 50)]];
        let all = summarize(&markets, 4, 1);
        assert_eq!((all.markets, all.orders, all.dropped), (2, 5, 4));
        assert_eq!(all.rules[0].fill_rate, 0.8);
        assert_eq!(all.rules[1].fill_rate, 0.6);
        assert_eq!(all.rules[0].median_s, Some(1.0));
        assert_eq!(all.rules[1].median_s, Some(9.0));
        assert_eq!(all.rules[0].markout_cents, Some(0.0));
        assert_eq!(all.flattery[0].cents_per_contract, Some(1.0));
        let [low, high] = all.flattery[0].ci95.expect("two markets");
        assert!(low >= 0.0 && high <= 4.0 && low < high, "{low}..{high}");
        assert_eq!(summarize(&markets[..1], 0, 1).rules[0].markout_ci95, None);
        assert_eq!(summarize(&[], 0, 1).rules[0].median_s, None);
    }
}
