//! Two models on the same markets: their difference, market by market.
//!
//! Pairing takes the luck of the markets out: both met the same books and the same outcomes, so their
//! difference varies far less than either result.

use super::score::Row;
use super::stats;
use crate::rng::Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// What one model earned over another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Run or model that it is compared with.
    pub against: String,
    /// Markets held out from both.
    pub markets: usize,
    /// Its mean return per market there, pessimistic fills.
    #[serde(rename = "return")]
    pub mean_return: f64,
    /// The other's.
    pub against_return: f64,
    /// Mean difference of the returns, this less the other.
    pub difference: f64,
    /// Its 95 % bootstrap interval, events drawn whole; `null` with fewer than two events.
    pub ci95: Option<[f64; 2]>,
    /// Share of the markets in which it earned more; equal ones count half.
    pub better_share: f64,
    /// What may be said: `better`, `worse` or `no evidence of a difference`.
    pub verdict: &'static str,
}

/// Compares the held-out rows `ours` and `theirs` on the markets that both hold; `None` without one.
pub fn compare(ours: &Row, theirs: &Row, against: &str, seed: u64) -> Option<Comparison> {
    let others: BTreeMap<&str, f64> =
        theirs.results.iter().map(|r| (r.ticker.as_str(), r.bracket[0])).collect();
    let pairs: Vec<(&str, f64, f64)> = ours
        .results
        .iter()
        .filter_map(|r| Some((&*r.event_ticker, r.bracket[0], *others.get(&*r.ticker)?)))
        .collect();
    let mean =
        |of: fn(&(&str, f64, f64)) -> f64| stats::mean(&pairs.iter().map(of).collect::<Vec<_>>());
    let differences: Vec<f64> = pairs.iter().map(|(_, a, b)| a - b).collect();
    let events: Vec<&str> = pairs.iter().map(|(event, ..)| *event).collect();
    let mut rng = Rng::stream(seed, "bootstrap", 0);
    let ci95 = stats::bootstrap_mean95(&differences, &events, &mut rng);
    let better = |(_, a, b): &(&str, f64, f64)| match a.total_cmp(b) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    Some(Comparison {
        against: against.to_owned(),
        markets: pairs.len(),
        mean_return: mean(|p| p.1)?,
        against_return: mean(|p| p.2)?,
        difference: stats::mean(&differences)?,
        ci95,
        better_share: mean(better)?,
        verdict: match ci95 {
            Some([low, _]) if low > 0.0 => "better",
            Some([_, high]) if high < 0.0 => "worse",
            _ => "no evidence of a difference",
        },
    })
}

impl Comparison {
    /// The comparison in a sentence.
    pub fn sentence(&self) -> String {
        let percent = |v: f64| format!("{:+.2} %", 100.0 * v);
        let interval = self.ci95.map_or_else(
            || "no interval: one event".to_owned(),
            |[low, high]| format!("95 % interval {} to {}", percent(low), percent(high)),
        );
        format!(
            "against {}: {} (difference {} per market, {interval}; more in {:.0} % of {} markets held out from both)",
            self.against,
            self.verdict,
            percent(self.difference),
            100.0 * self.better_share,
            self.markets,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::score::{Fills, MarketResult, Part, row};
    use crate::units::Money;
    use proptest::prelude::*;

    fn held_out(returns: &[f64]) -> Row {
        let result = |(i, ret): (usize, &f64)| MarketResult {
            ticker: format!("M{i}"),
            event_ticker: format!("E{}", i / 2),
            settled_ms: i as i64,
            ret: *ret,
            bracket: [*ret; 3],
            trades: 1,
            fills: Fills::default(),
        };
        let results = returns.iter().enumerate().map(result).collect();
        Row { results, ..row("p", Part::Test, Vec::new(), Money::dollars(100), 1) }
    }

    /// Both follow the same luck of markets a hundred times their difference; only pairing shows it.
    #[test]
    fn a_small_constant_advantage_is_seen_through_the_luck_of_the_markets() {
        let luck: Vec<f64> = (0..60).map(|i| f64::from((i * 37) % 21 - 10) / 10.0).collect();
        let better: Vec<f64> =
            luck.iter().enumerate().map(|(i, r)| r + 0.01 + 0.001 * (i % 3) as f64).collect();
        let (a, b) = (held_out(&better), held_out(&luck));
        let found = compare(&a, &b, "b", 1).expect("pairs");
        assert_eq!((found.verdict, found.better_share, found.markets), ("better", 1.0, 60));
        assert_eq!(compare(&b, &a, "a", 1).expect("pairs").verdict, "worse");
        let same = compare(&a, &a, "a", 1).expect("pairs");
        assert_eq!((same.difference, same.better_share), (0.0, 0.5));
        assert_eq!(same.verdict, "no evidence of a difference");
    }

    proptest! {
        #[test]
        fn exchanging_the_two_changes_the_sign_and_only_common_markets_count(
            returns in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 1..40),
            missing in 0usize..10,
        ) {
            let (ours, theirs): (Vec<f64>, Vec<f64>) = returns.into_iter().unzip();
            let (a, mut b) = (held_out(&ours), held_out(&theirs));
            b.results.truncate(b.results.len().saturating_sub(missing));
            let (one, other) = (compare(&a, &b, "b", 1), compare(&b, &a, "a", 1));
            prop_assert_eq!(one.is_some(), !b.results.is_empty());
            if let (Some(one), Some(other)) = (one, other) {
                prop_assert_eq!(one.markets, b.results.len());
                prop_assert!((one.difference + other.difference).abs() < 1e-12);
                prop_assert!((one.better_share + other.better_share - 1.0).abs() < 1e-12);
            }
        }
    }
}
