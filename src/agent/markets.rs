//! Which markets are learned from, and in which order they come.
//!
//! A filter looks at whole recordings, the end included: what it keeps is a choice made afterwards, and results
//! speak of such markets only. It is part of a run, so that evaluation makes the same choice.

use super::config::TrainConfig;
use crate::digest::sha256_hex;
use crate::features::episode::{Episode, TapeKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Tiers of a curriculum: a third of the episodes each, let in at the start, after a third of the steps, and after
/// two thirds.
const TIERS: usize = 3;

/// Which markets come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curriculum {
    /// All of them all along, in random order.
    #[default]
    Uniform,
    /// The most traded third first, then two thirds, then all.
    Liquidity,
    /// The third with the narrowest spread first, then two thirds, then all.
    Spread,
}

/// What a market must have to be learned from. Everything is kept by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarketFilter {
    /// The ticker begins with one of these; any when empty.
    pub series: Vec<String>,
    /// Median spread over the decisions at most, 1e-4 dollars.
    pub spread_e4_max: Option<i64>,
    /// Book changes and trades at least.
    pub updates_min: Option<u64>,
    /// Contracts traded at least, in hundredths.
    pub volume_e2_min: Option<i64>,
}

/// What a recording of a market is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Median spread over the decisions with two sides, 1e-4 dollars; nothing when there is none.
    pub spread_e4: Option<i64>,
    /// Book changes and trades.
    pub updates: u64,
    /// Contracts traded, in hundredths.
    pub volume_e2: i64,
}

/// How many markets and episodes are left after a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The condition.
    pub after: String,
    /// Markets.
    pub markets: usize,
    /// Episodes.
    pub episodes: usize,
    /// Decisions.
    pub decisions: usize,
}

impl Traits {
    /// Of an episode.
    pub fn of(episode: &Episode) -> Traits {
        let mut spreads: Vec<i64> =
            episode.decisions.iter().filter_map(|decision| decision.spread_e4()).collect();
        spreads.sort_unstable();
        let volume = episode.events.iter().map(|event| match event.kind {
            TapeKind::Trade { qty, .. } => qty.e2(),
            _ => 0,
        });
        Traits {
            spread_e4: spreads.get(spreads.len() / 2).copied(),
            updates: episode.events.len() as u64,
            volume_e2: volume.sum(),
        }
    }
}

impl MarketFilter {
    /// The episodes that are kept, and what was left after each condition, all of them first.
    pub fn keep(&self, mut episodes: Vec<Episode>) -> (Vec<Episode>, Vec<Left>) {
        let mut left = vec![count("everything recorded", &episodes)];
        let mut narrow = |name: String, fits: &dyn Fn(&Episode) -> bool| {
            episodes.retain(|episode| fits(episode));
            left.push(count(&name, &episodes));
        };
        if !self.series.is_empty() {
            let begins = |e: &Episode| self.series.iter().any(|s| e.ticker.starts_with(s.as_str()));
            narrow(format!("series {}", self.series.join(",")), &begins);
        }
        if let Some(max) = self.spread_e4_max {
            let tight = |e: &Episode| Traits::of(e).spread_e4.is_some_and(|spread| spread <= max);
            narrow(format!("median spread up to {} cents", max as f64 / 100.0), &tight);
        }
        if let Some(min) = self.updates_min {
            narrow(format!("at least {min} updates"), &|e| Traits::of(e).updates >= min);
        }
        if let Some(min) = self.volume_e2_min {
            let traded = |e: &Episode| Traits::of(e).volume_e2 >= min;
            narrow(format!("at least {} contracts traded", min / 100), &traded);
        }
        (episodes, left)
    }
}

fn count(after: &str, episodes: &[Episode]) -> Left {
    let markets: BTreeSet<&str> = episodes.iter().map(|e| &*e.ticker).collect();
    Left {
        after: after.to_owned(),
        markets: markets.len(),
        episodes: episodes.len(),
        decisions: episodes.iter().map(Episode::len).sum(),
    }
}

/// The tier of each episode under the configuration's curriculum; tier 0 is never empty.
pub fn tiers(config: &TrainConfig, episodes: &[Episode]) -> Vec<u8> {
    let traits: Vec<Traits> = match config.curriculum {
        Curriculum::Uniform => return vec![0; episodes.len()],
        _ => episodes.iter().map(Traits::of).collect(),
    };
    let mut order: Vec<usize> = (0..episodes.len()).collect();
    match config.curriculum {
        Curriculum::Spread => order.sort_by_key(|i| traits[*i].spread_e4.unwrap_or(i64::MAX)),
        _ => order.sort_by_key(|i| std::cmp::Reverse((traits[*i].volume_e2, traits[*i].updates))),
    }
    let mut tiers = vec![0; episodes.len()];
    for (rank, i) in order.into_iter().enumerate() {
        tiers[i] = (rank * TIERS / episodes.len()) as u8;
    }
    tiers
}

/// The first observed value that is no number, in words: it would spoil whatever learns from it.
pub fn first_broken(episodes: &[Episode]) -> Option<String> {
    episodes.iter().find_map(|episode| {
        let at = episode.rows.iter().position(|value| !value.is_finite())?;
        let (row, column) = (at / episode.market_len, at % episode.market_len);
        let value = episode.rows[at];
        Some(format!("column {column} of decision {row} of {} is {value}", episode.ticker))
    })
}

/// SHA-256 over ticker, session and decisions of each episode: tells two choices of the same data apart.
pub fn fingerprint(episodes: &[Episode]) -> String {
    let line = |e: &Episode| format!("{} {} {}\n", e.ticker, e.session, e.len());
    sha256_hex(episodes.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::episode::{Decision, TapeEvent};
    use crate::units::{Price, Qty, Side, TsNs, TsUs};

    /// A market with one decision at this spread, and trades of one contract each.
    fn market(ticker: &str, spread_e4: i64, trades: usize) -> Episode {
        let price = |e4| Price::new(e4).expect("a price");
        let mut decision = Decision {
            ts_ms: 0,
            recv: TsNs(0),
            row_id: 0,
            mid2: 10_000,
            bids: Default::default(),
            next_event: 0,
        };
        decision.bids[0][0] = (price(5_000), Qty::contracts(1));
        decision.bids[1][0] = (price(5_000 - spread_e4), Qty::contracts(1));
        let trade = TapeEvent {
            recv: TsNs(0),
            ts: TsUs(0),
            kind: TapeKind::Trade {
                taker: Side::Yes,
                yes_price: price(5_000),
                qty: Qty::contracts(1),
            },
        };
        Episode {
            ticker: ticker.into(),
            decisions: vec![decision],
            events: vec![trade; trades],
            market_len: 1,
            rows: vec![0.0],
            ..Episode::default()
        }
    }

    #[test]
    fn each_condition_says_how_many_markets_it_leaves() {
        let all = vec![
            market("A-1", 100, 9),
            market("A-2", 300, 9),
            market("B-1", 100, 1),
            market("B-2", 100, 9),
        ];
        let filter = MarketFilter {
            series: vec!["A".into(), "B".into()],
            spread_e4_max: Some(200),
            updates_min: Some(2),
            volume_e2_min: Some(900),
        };
        let (kept, left) = filter.keep(all.clone());
        assert_eq!(left.iter().map(|l| l.markets).collect::<Vec<_>>(), [4, 4, 3, 2, 2]);
        assert_eq!(kept.iter().map(|e| &*e.ticker).collect::<Vec<_>>(), ["A-1", "B-2"]);
        let (kept, left) = MarketFilter::default().keep(all);
        assert_eq!((kept.len(), left.len()), (4, 1), "nothing is left out unasked");
    }

    #[test]
    fn tiers_follow_the_trait_and_hold_a_third_each() {
        let markets: Vec<Episode> =
            (0..6).map(|i| market(&format!("M{i}"), 100 * (6 - i), i as usize)).collect();
        let of = |curriculum| tiers(&TrainConfig { curriculum, ..TrainConfig::ppo() }, &markets);
        assert_eq!(of(Curriculum::Uniform), [0; 6]);
        assert_eq!(of(Curriculum::Spread), [2, 2, 1, 1, 0, 0]);
        assert_eq!(of(Curriculum::Liquidity), [2, 2, 1, 1, 0, 0]);
        assert_eq!(
            tiers(
                &TrainConfig { curriculum: Curriculum::Spread, ..TrainConfig::ppo() },
                &markets[..1]
            ),
            [0]
        );
    }

    #[test]
    fn a_value_that_is_no_number_is_found_by_its_place() {
        let mut markets = vec![market("A", 100, 1), market("B", 100, 1)];
        assert_eq!(first_broken(&markets), None);
        markets[1].rows[0] = f32::NAN;
        assert_eq!(first_broken(&markets).as_deref(), Some("column 0 of decision 0 of B is NaN"));
    }
}
