//! What a policy implies about the outcome, against the outcome.
//!
//! A policy states no probability, but its actions do: whoever buys YES at the ask says that YES is worth
//! at least the ask, whoever sells it at the bid at most the bid, and whoever holds contradicts nobody. The
//! **implied probability** is the least departure from the mid that the policy's action probabilities
//! justify: `mid + P(buy YES or sell NO) (ask - mid) - P(sell YES or buy NO) (mid - bid)`, fees apart.
//! Quotes and cancels count as holding. Only moments count at which it may trade both ways.
//!
//! Forecasts are scored by their squared error (Brier 1950) and shown in reliability bins, beside the mid's.
//! Every market weighs the same, however often the policy looked at it; a market is a cluster of its event. Seeds
//! of one recipe are a second source of chance, as in the returns, and no markets of their own.

use super::stats;
use crate::rng::Rng;
use serde::Serialize;

/// Reliability bins of equal width.
pub const BINS: usize = 10;

/// One market's forecasts, of every seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    /// Its event.
    pub event_ticker: String,
    /// What a YES contract paid, 0..=1.
    pub outcome: f64,
    /// For each seed, at each decision: the policy's implied probability and the mid.
    pub claims: Vec<Vec<[f64; 2]>>,
}

/// How well a policy and the market's mid foretold the outcomes. Lower scores are better.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Markets with a known outcome and a forecast of every seed.
    pub markets: usize,
    /// Brier score of the policy's implied probability.
    pub brier: f64,
    /// Brier score of the mid.
    pub brier_mid: f64,
    /// 95 % bootstrap interval of policy - mid, events and seeds drawn; below 0: the policy knows more.
    pub difference_ci95: Option<[f64; 2]>,
    /// Reliability of the policy.
    pub bins: Vec<Bin>,
    /// Reliability of the mid.
    pub bins_mid: Vec<Bin>,
}

/// Forecasts between two probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// Lower end.
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Forecasts in it, in markets: each market's forecasts weigh 1 together.
    pub markets: f64,
    /// Their mean.
    pub forecast: f64,
    /// Mean outcome.
    pub outcome: f64,
}

/// The implied probability; `toward` are the action probabilities of the trades towards YES and towards
/// NO, prices as probabilities.
pub fn implied(mid: f64, bid: f64, ask: f64, toward: [f64; 2]) -> f64 {
    let [yes, no] = toward;
    // A crossed or empty side claims nothing.
    (mid + yes * (ask - mid).max(0.0) - no * (mid - bid).max(0.0)).clamp(0.0, 1.0)
}

/// Scores `markets`; `None` when none of them has a forecast. `seed` draws the bootstrap.
pub fn calibrate(markets: &[Forecasts], seed: u64) -> Option<Calibration> {
    let whole = |m: &&Forecasts| m.claims.iter().all(|seed| !seed.is_empty());
    let markets: Vec<&Forecasts> = markets.iter().filter(whole).collect();
    let seeds = markets.iter().map(|m| m.claims.len()).min().unwrap_or(0);
    let brier = |m: &Forecasts, seed: usize, who: usize| {
        let claims = &m.claims[seed];
        let squares = claims.iter().map(|claim| (claim[who] - m.outcome).powi(2));
        squares.sum::<f64>() / claims.len() as f64
    };
    let scores = |who: usize| -> Vec<Vec<f64>> {
        (0..seeds).map(|seed| markets.iter().map(|m| brier(m, seed, who)).collect()).collect()
    };
    let [policy, mid] = [0, 1].map(scores);
    let less = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
    let differences: Vec<Vec<f64>> = policy.iter().zip(&mid).map(less).collect();
    let rows: Vec<&[f64]> = differences.iter().map(Vec::as_slice).collect();
    let events: Vec<&str> = markets.iter().map(|m| m.event_ticker.as_str()).collect();
    let mut rng = Rng::stream(seed, "calibration", 0);
    Some(Calibration {
        markets: markets.len(),
        brier: stats::mean(&policy.concat())?,
        brier_mid: stats::mean(&mid.concat())?,
        difference_ci95: stats::crossed_mean95(&rows, &events, &mut rng),
        bins: bins(&markets, 0),
        bins_mid: bins(&markets, 1),
    })
}

impl Calibration {
    /// Both scores and what their difference says, in a sentence.
    pub fn sentence(&self) -> String {
        let Calibration { markets, brier, brier_mid, difference_ci95, .. } = self;
        let verdict = match difference_ci95 {
            Some([_, high]) if *high < 0.0 => "the policy knows more than the price",
            Some([low, _]) if *low > 0.0 => "the price knows more than the policy",
            _ => "no evidence that the policy knows more than the price",
        };
        format!(
            "Brier score {brier:.4} of the implied probability, {brier_mid:.4} of the mid, {markets} settled \
             markets: {verdict}"
        )
    }
}

fn bins(markets: &[&Forecasts], who: usize) -> Vec<Bin> {
    let width = 1.0 / BINS as f64;
    let bin =
        |i: usize| Bin { from: i as f64 * width, to: (i + 1) as f64 * width, ..Bin::default() };
    let mut bins: Vec<Bin> = (0..BINS).map(bin).collect();
    for market in markets {
        let seeds = market.claims.len() as f64;
        let weighed = |claims: &Vec<[f64; 2]>| 1.0 / (seeds * claims.len() as f64);
        let claims =
            market.claims.iter().flat_map(|all| all.iter().map(move |c| (weighed(all), c)));
        for (weight, claim) in claims {
            let at = ((claim[who] * BINS as f64) as usize).min(BINS - 1);
            bins[at].markets += weight;
            bins[at].forecast += weight * claim[who];
            bins[at].outcome += weight * market.outcome;
        }
    }
    for bin in bins.iter_mut().filter(|bin| bin.markets > 0.0) {
        bin.forecast /= bin.markets;
        bin.outcome /= bin.markets;
    }
    bins.retain(|bin| bin.markets > 0.0);
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn market(name: usize, outcome: f64, claims: &[[f64; 2]]) -> Forecasts {
        Forecasts { event_ticker: format!("E{name}"), outcome, claims: vec![claims.to_vec()] }
    }

    /// Two markets, three forecasts: (0.9, 0.6) and (0.7, 0.5) where YES won, (0.2, 0.4) where NO won.
    #[test]
    fn scores_of_a_small_table_are_those_counted_by_hand() {
        let markets = [market(0, 1.0, &[[0.9, 0.6], [0.7, 0.5]]), market(1, 0.0, &[[0.2, 0.4]])];
        let found = calibrate(&markets, 1).expect("forecasts");
        assert!((found.brier - (0.05 + 0.04) / 2.0).abs() < 1e-12);
        assert!((found.brier_mid - (0.205 + 0.16) / 2.0).abs() < 1e-12);
        let bins: Vec<_> = found.bins.iter().map(|b| (b.markets, b.forecast, b.outcome)).collect();
        assert_eq!(bins.len(), 3);
        assert_eq!((bins[0].0, bins[0].2), (1.0, 0.0));
        assert_eq!((bins[1].0, bins[1].2, bins[2].0), (0.5, 1.0, 0.5));
        assert!(found.difference_ci95.is_some_and(|[_, high]| high < 0.0));
        assert!(found.sentence().ends_with("the policy knows more than the price"));
        assert_eq!(calibrate(&[market(0, 1.0, &[])], 1), None);
    }

    /// Three seeds in forty markets were 120 markets, and their interval was that of one seed in so many.
    #[test]
    fn seeds_are_no_markets_and_their_luck_is_in_the_interval() {
        let market = |i: usize| {
            let of_seeds = [[0.9, 0.5], [0.4, 0.5], [0.9, 0.5]];
            Forecasts {
                claims: of_seeds.map(|claim| vec![claim; 1 + i % 3]).to_vec(),
                ..market(i, 1.0, &[])
            }
        };
        let all = calibrate(&(0..40).map(market).collect::<Vec<_>>(), 1).expect("forecasts");
        assert_eq!((all.markets, all.brier_mid), (40, 0.25));
        assert!((all.brier - (0.01 + 0.36 + 0.01) / 3.0).abs() < 1e-12, "the seeds' mean");
        assert!((all.bins.iter().map(|b| b.markets).sum::<f64>() - 40.0).abs() < 1e-9);
        assert!(all.sentence().contains("40 settled markets: no evidence"), "{}", all.sentence());
        // One of them alone knows; that one of three does not is chance of the recipe.
        let one = |i: usize| Forecasts { claims: market(i).claims[..1].to_vec(), ..market(i) };
        let one = calibrate(&(0..40).map(one).collect::<Vec<_>>(), 1).expect("forecasts");
        assert!(one.sentence().ends_with("the policy knows more than the price"));
    }

    #[test]
    fn actions_imply_the_prices_that_they_accept() {
        assert_eq!(implied(0.5, 0.48, 0.52, [0.0, 0.0]), 0.5, "holding");
        assert_eq!(implied(0.5, 0.48, 0.52, [1.0, 0.0]), 0.52, "buying YES");
        assert_eq!(implied(0.5, 0.48, 0.52, [0.0, 1.0]), 0.48, "buying NO");
        assert_eq!(implied(0.5, 0.48, 0.52, [0.5, 0.5]), 0.5, "either");
    }

    proptest! {
        #[test]
        fn the_bins_hold_every_market_once_and_an_implied_probability_is_one(
            claims in prop::collection::vec((0.0f64..=1.0, 0.0f64..=1.0, any::<bool>()), 1..40),
            book in (0.0f64..=1.0, 0.0f64..=1.0, 0.0f64..=1.0, 0.0f64..=1.0),
        ) {
            let markets: Vec<Forecasts> = claims.iter().enumerate().map(|(i, (p, mid, won))| {
                market(i % 7, f64::from(u8::from(*won)), &[[*p, *mid], [*mid, *p]])
            }).collect();
            let found = calibrate(&markets, 3).expect("forecasts");
            for bins in [&found.bins, &found.bins_mid] {
                let all: f64 = bins.iter().map(|b| b.markets).sum();
                prop_assert!((all - markets.len() as f64).abs() < 1e-9);
                for bin in bins {
                    prop_assert!(bin.from <= bin.forecast + 1e-12 && bin.forecast <= bin.to + 1e-12);
                }
            }
            let (bid, ask) = (book.0.min(book.1), book.0.max(book.1));
            let p = implied((bid + ask) / 2.0, bid, ask, [book.2 * 0.5, book.3 * 0.5]);
            prop_assert!(bid - 1e-12 <= p && p <= ask + 1e-12, "within the touch");
        }
    }
}
