use super::*;
use crate::event::SessionId;
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

#[test]
fn each_window_is_judged_by_a_model_of_what_was_settled_before_it() {
    let markets = back_to_back(140);
    let plan = Plan::by(Rule::WalkForward(5), &markets).expect("enough");
    assert_eq!((plan.protocol, plan.splits.len()), (Protocol::WalkForward, 5));
    let held_out: Vec<usize> = plan.splits.iter().flat_map(|s| s.test.clone()).collect();
    assert!(held_out.into_iter().eq(40..140), "all but the first two of seven blocks, once");
    for (i, split) in plan.splits.iter().enumerate() {
        // A neighbour and its neighbour are within 15 minutes of the block that follows them.
        assert!(split.train.iter().copied().eq(0..20 * (i + 1) - 2), "window {i}: {split:?}");
        let block = 20 * (i + 1);
        assert!(split.validation.iter().copied().eq(block..block + 18), "window {i}");
        assert_eq!(split.embargoed.len(), 4);
    }
    let mut shown: Vec<usize> = (0..5).flat_map(|i| plan.in_sample(i)).collect();
    let all = shown.len();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(all, shown.len(), "an episode is shown in-sample once at most");
}

/// A market that opened long before it was settled lived beside what the model learned from.
#[test]
fn a_long_life_purges_what_it_overlaps() {
    let mut markets = back_to_back(140);
    markets[45].decisions[0].ts_ms = 5 * 15 * MINUTE;
    let plan = Plan::by(Rule::WalkForward(5), &markets).expect("enough");
    // It is judged in the first window: of the first model's markets those settled in time remain.
    assert!(plan.splits[0].train.iter().copied().eq(0..3), "{:?}", plan.splits[0].train);
    assert_eq!(plan.splits[1].train.len(), 3, "the second model is chosen by it");
    assert!(plan.splits[2].train.contains(&45), "the third learns from it");
}

#[test]
fn sessions_and_lots_are_held_out_once_each() {
    let mut markets = back_to_back(60);
    for (i, market) in markets.iter_mut().enumerate() {
        market.session = SessionId([(i / 20) as u8; 16]);
    }
    for (rule, models) in [(Rule::Sessions, 3), (Rule::Markets, 5)] {
        let plan = Plan::by(rule, &markets).expect("enough");
        assert_eq!(plan.splits.len(), models);
        let mut held_out: Vec<usize> = plan.splits.iter().flat_map(|s| s.test.clone()).collect();
        held_out.sort_unstable();
        assert!(held_out.into_iter().eq(0..60), "{rule}");
        for split in &plan.splits {
            let near = |a: usize, b: usize| a.abs_diff(b) <= 2;
            for learned in &split.train {
                assert!(!split.test.iter().any(|t| near(*t, *learned)), "{rule}: {split:?}");
            }
        }
    }
    let one = Plan::by(Rule::Sessions, &back_to_back(60)).expect_err("one session");
    assert!(one.to_string().contains("60 markets of 1 sessions"), "{one}");
    assert!(Plan::by(Rule::WalkForward(5), &back_to_back(3)).is_err());
    assert!(Plan::by(Rule::Auto, &[]).is_ok_and(|plan| plan.splits.is_empty()));
}

#[test]
fn rules_are_read_as_they_are_written() {
    for text in ["auto", "time", "walk-forward:8", "sessions", "markets"] {
        assert_eq!(text.parse::<Rule>().map(|r| r.to_string()), Ok(text.to_owned()));
    }
    assert_eq!("walk-forward".parse(), Ok(Rule::WalkForward(5)));
    for wrong in ["walk-forward:0", "walk-forward:x", "random", ""] {
        assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
    }
}

proptest! {
    /// Whatever the rule: nothing learned from or chosen by is judged, and a walk forward looks back only.
    #[test]
    fn no_rule_lets_a_judged_market_be_learned(
        lives in prop::collection::vec((0u8..60, 0i64..20_000, 1i64..200, 0u8..4), 20..150),
        which in 0usize..4,
    ) {
        let markets: Vec<Episode> = lives.iter().enumerate().map(|(i, &(event, start, len, session))| Episode {
            session: SessionId([session; 16]),
            ..market(&format!("E{event}"), &format!("M{i}"), start, start + len)
        }).collect();
        let rule = [Rule::Time, Rule::WalkForward(3), Rule::Sessions, Rule::Markets][which];
        let Ok(plan) = Plan::by(rule, &markets) else { return Ok(()) };
        for split in &plan.splits {
            let events = |side: &[usize]| -> BTreeSet<&str> {
                side.iter().map(|e| &*markets[*e].event_ticker).collect()
            };
            let judged = events(&split.test);
            prop_assert!(judged.is_disjoint(&events(&split.train)));
            prop_assert!(judged.is_disjoint(&events(&split.validation)));
            prop_assert!(events(&split.train).is_disjoint(&events(&split.validation)));
            if let Rule::WalkForward(_) = rule {
                let opens = split.test.iter().map(|e| markets[*e].decisions[0].ts_ms).min();
                let known = split.train.iter().chain(&split.validation);
                let settled = known.map(|e| markets[*e].settled.ms()).max();
                prop_assert!(settled < opens.map(|t| t - EMBARGO_MS));
            }
        }
    }
}
