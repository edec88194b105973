//! Which markets a policy learns from and which it is judged on.
//!
//! Markets are ordered by settlement and divided 60/20/20 into train, validation and test, never by
//! row and never inside an event. A market of an earlier side whose life reaches to within the embargo
//! of a later side's first settlement is dropped: what it saw would overlap with what is judged.
//!
//! With fewer than [`CHRONOLOGICAL_MIN`] test markets that leaves too little to judge. The markets are
//! then cut into five contiguous blocks; each is held out once, judged by a model trained on the
//! others, and the held-out results are pooled. That takes one model per block.

use crate::features::episode::Episode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fewest held-out markets for which the chronological split is used.
pub const CHRONOLOGICAL_MIN: usize = 30;
/// Markets this close to a border are dropped from the side that is learned from.
pub const EMBARGO_MS: i64 = 15 * 60_000;
/// Settlements of markets that close 15 minutes apart are stamped some seconds late, each a little
/// differently: milliseconds must not decide whether a neighbour is learned from.
const STAMP_JITTER_MS: i64 = 60_000;
const BLOCKS: usize = 5;

/// How the held-out markets are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// One model; the last fifth of the markets is held out.
    Chronological,
    /// Five models; each fifth is held out once.
    FiveBlocks,
    /// One model that was trained on other data; all markets that it never saw.
    Unseen,
}

/// One model's share of the data, as indices of episodes in settlement order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Learned from.
    pub train: Vec<usize>,
    /// Chosen by: hyperparameters, when to stop. Empty with five blocks.
    pub validation: Vec<usize>,
    /// Judged on; never seen before.
    pub test: Vec<usize>,
    /// Used for nothing: too close to a border.
    pub embargoed: Vec<usize>,
}

/// The splits of a data set: one model is trained for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How it was made.
    pub protocol: Protocol,
    /// One split, or one per block.
    pub splits: Vec<Split>,
}

impl Plan {
    /// Divides `episodes`.
    pub fn new(episodes: &[Episode]) -> Plan {
        let groups = groups(episodes);
        let chronological = chronological(&groups);
        let judged = |part: &[usize]| count_markets(episodes, part);
        if judged(&chronological.test) >= CHRONOLOGICAL_MIN {
            return Plan { protocol: Protocol::Chronological, splits: vec![chronological] };
        }
        let splits =
            (0..BLOCKS).map(|b| block(&groups, b)).filter(|s| !s.test.is_empty()).collect();
        Plan { protocol: Protocol::FiveBlocks, splits }
    }

    /// For one model that knows the markets that `seen` names: the others are held out, but for those
    /// whose life comes within the embargo of the life of a known one.
    pub fn unseen(episodes: &[Episode], seen: impl Fn(&str) -> bool) -> Plan {
        let mut split = Split::default();
        let (known, new): (Vec<Group>, Vec<Group>) = groups(episodes)
            .into_iter()
            .partition(|g| g.episodes.iter().any(|e| seen(&episodes[*e].ticker)));
        for group in &known {
            split.train.extend_from_slice(&group.episodes);
        }
        for group in &new {
            let near = known.iter().any(|k| {
                k.start_ms - EMBARGO_MS <= group.settled_ms
                    && group.start_ms - EMBARGO_MS <= k.settled_ms
            });
            let side = if near { &mut split.embargoed } else { &mut split.test };
            side.extend_from_slice(&group.episodes);
        }
        Plan { protocol: Protocol::Unseen, splits: vec![split] }
    }

    /// Episodes that show how the model of split `index` does on what it learned from; over all splits
    /// each episode at most once. With five blocks: the next split's block, as far as it was learned.
    pub fn in_sample(&self, index: usize) -> Vec<usize> {
        let train = &self.splits[index].train;
        match self.protocol {
            Protocol::Chronological | Protocol::Unseen => train.clone(),
            Protocol::FiveBlocks => {
                let next = &self.splits[(index + 1) % self.splits.len()].test;
                next.iter().copied().filter(|e| train.contains(e)).collect()
            }
        }
    }
}

/// Number of different markets among the episodes `part`.
pub fn count_markets(episodes: &[Episode], part: &[usize]) -> usize {
    let mut names: Vec<&str> = part.iter().map(|e| &*episodes[*e].ticker).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// All episodes of one event: they share an outcome source and stay together.
struct Group {
    start_ms: i64,
    settled_ms: i64,
    episodes: Vec<usize>,
    markets: usize,
}

/// Events in order of settlement.
fn groups(episodes: &[Episode]) -> Vec<Group> {
    let mut by_event: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, episode) in episodes.iter().enumerate() {
        // A market without an event is its own.
        let own = episode.event_ticker.is_empty();
        by_event
            .entry(if own { &episode.ticker } else { &episode.event_ticker })
            .or_default()
            .push(index);
    }
    let group = |mut members: Vec<usize>| {
        members.sort_by_key(|e| (episodes[*e].settled, *e));
        let start = |e: &usize| {
            let first = episodes[*e].decisions.first();
            first.map_or(episodes[*e].settled.ms(), |d| d.ts_ms)
        };
        Group {
            start_ms: members.iter().map(start).min().unwrap_or(0),
            settled_ms: members.iter().map(|e| episodes[*e].settled.ms()).max().unwrap_or(0),
            markets: count_markets(episodes, &members),
            episodes: members,
        }
    };
    let mut groups: Vec<(&str, Group)> =
        by_event.into_iter().map(|(event, members)| (event, group(members))).collect();
    groups.sort_by_key(|(event, g)| (g.settled_ms, *event));
    groups.into_iter().map(|(_, g)| g).collect()
}

/// Number of leading groups that hold `share_e2` hundredths of all markets, rounded to a group.
fn cut(groups: &[Group], share_e2: usize) -> usize {
    let total: usize = groups.iter().map(|g| g.markets).sum();
    let mut seen = 0;
    groups
        .iter()
        .take_while(|g| {
            seen += g.markets;
            seen * 100 <= total * share_e2
        })
        .count()
}

fn chronological(groups: &[Group]) -> Split {
    let (first, second) = (cut(groups, 60), cut(groups, 80));
    let mut split = Split::default();
    for (i, group) in groups.iter().enumerate() {
        let (side, border) = match i {
            i if i < first => (&mut split.train, groups.get(first)),
            i if i < second => (&mut split.validation, groups.get(second)),
            _ => (&mut split.test, None),
        };
        let near = border.is_some_and(|b| comes_near(group, b));
        let side = if near { &mut split.embargoed } else { side };
        side.extend_from_slice(&group.episodes);
    }
    split
}

/// True when `earlier` was still settled within the embargo before the border that `later` draws.
fn comes_near(earlier: &Group, later: &Group) -> bool {
    earlier.settled_ms >= later.settled_ms - EMBARGO_MS - STAMP_JITTER_MS
}

/// Holds out block number `block`; the embargo applies before it and after it.
fn block(groups: &[Group], block: usize) -> Split {
    let from = cut(groups, 100 * block / BLOCKS);
    let to = cut(groups, 100 * (block + 1) / BLOCKS);
    let mut split = Split::default();
    let Some((first, last)) = groups[from..to].first().zip(groups[from..to].last()) else {
        return split;
    };
    for (i, group) in groups.iter().enumerate() {
        let side = if (from..to).contains(&i) {
            &mut split.test
        } else if i < from && comes_near(group, first)
            || i >= to && group.start_ms <= last.settled_ms + EMBARGO_MS
        {
            &mut split.embargoed
        } else {
            &mut split.train
        };
        side.extend_from_slice(&group.episodes);
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::episode::Decision;
    use crate::units::{TsNs, TsUs};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const MINUTE: i64 = 60_000;

    /// A market that lives from `start` to `end`, in minutes.
    fn market(event: &str, ticker: &str, start: i64, end: i64) -> Episode {
        let decision = Decision {
            ts_ms: start * MINUTE,
            recv: TsNs(0),
            row_id: 0,
            mid2: 10_000,
            bids: Default::default(),
            next_event: 0,
        };
        Episode {
            ticker: ticker.into(),
            event_ticker: event.into(),
            decisions: vec![decision],
            settled: TsUs::from_ms(end * MINUTE),
            ..Episode::default()
        }
    }

    fn back_to_back(n: i64) -> Vec<Episode> {
        (0..n).map(|i| market(&format!("E{i}"), &format!("M{i}"), i * 15, i * 15 + 15)).collect()
    }

    #[test]
    fn markets_are_divided_by_settlement_and_the_border_is_kept_clear() {
        let mut markets = back_to_back(200);
        markets.reverse();
        let plan = Plan::new(&markets);
        let [split] = &plan.splits[..] else { panic!("one split") };
        let sizes = [&split.train, &split.validation, &split.test, &split.embargoed].map(Vec::len);
        assert_eq!((plan.protocol, sizes), (Protocol::Chronological, [119, 39, 40, 2]));
        let last_trained = split.train.iter().map(|e| markets[*e].settled.ms()).max();
        let first_judged = split.test.iter().map(|e| markets[*e].decisions[0].ts_ms).min();
        assert!(last_trained < first_judged.map(|t| t - EMBARGO_MS));
    }

    /// On the real tape three of four neighbours of a held-out block were learned from, because their
    /// settlement was stamped a few milliseconds earlier after the close than the block's first.
    #[test]
    fn jitter_of_settlement_stamps_does_not_let_a_neighbour_in() {
        let mut markets = back_to_back(18);
        for (i, market) in markets.iter_mut().enumerate() {
            market.settled = TsUs::from_ms(market.settled.ms() + 5_000 + 12 * (i as i64 % 3));
        }
        for split in Plan::new(&markets).splits {
            let first = split.test.iter().min().expect("held out");
            assert!(*first == 0 || split.embargoed.contains(&(first - 1)), "{split:?}");
        }
    }

    #[test]
    fn few_markets_are_held_out_block_by_block() {
        let markets = back_to_back(18);
        let plan = Plan::new(&markets);
        assert_eq!((plan.protocol, plan.splits.len()), (Protocol::FiveBlocks, 5));
        let mut held_out: Vec<usize> = plan.splits.iter().flat_map(|s| s.test.clone()).collect();
        held_out.sort_unstable();
        assert!(held_out.into_iter().eq(0..18));
        let mut shown: Vec<usize> = (0..5).flat_map(|i| plan.in_sample(i)).collect();
        shown.sort_unstable();
        let all = shown.len();
        shown.dedup();
        assert!(all == shown.len() && all >= 9, "{shown:?}");
    }

    #[test]
    fn a_model_from_elsewhere_is_judged_on_what_it_never_saw() {
        let markets = back_to_back(100);
        let known = |ticker: &str| ticker[1..].parse::<u32>().is_ok_and(|n| n < 50);
        let [split] = &Plan::unseen(&markets, known).splits[..] else { panic!("one split") };
        assert!(split.train.iter().copied().eq(0..50));
        // Market 50 begins when 49 is settled, market 51 fifteen minutes later.
        assert_eq!(split.embargoed, [50, 51]);
        assert!(split.test.iter().copied().eq(52..100));
    }

    proptest! {
        /// No market is on two sides, no event is divided, nothing learned from is near what is judged.
        #[test]
        fn sides_never_overlap(lives in prop::collection::vec((0u8..40, 0i64..5_000, 1i64..200), 1..120)) {
            let markets: Vec<Episode> = lives.iter().enumerate().map(|(i, &(event, start, len))| {
                market(&format!("E{event}"), &format!("M{}", i / 2), start, start + len)
            }).collect();
            let plan = Plan::new(&markets);
            for split in &plan.splits {
                let sides = [&split.train, &split.validation, &split.test, &split.embargoed];
                let all: BTreeSet<usize> = sides.iter().flat_map(|s| s.iter().copied()).collect();
                prop_assert_eq!(all.len(), markets.len());
                prop_assert_eq!(sides.iter().map(|s| s.len()).sum::<usize>(), markets.len());
                let events = |side: &[usize]| -> BTreeSet<&str> {
                    side.iter().map(|e| &*markets[*e].event_ticker).collect()
                };
                for (i, a) in sides.iter().enumerate() {
                    for b in &sides[i + 1..] {
                        prop_assert!(events(a).is_disjoint(&events(b)));
                    }
                }
                prop_assert!(!split.test.is_empty());
            }
        }
    }
}
