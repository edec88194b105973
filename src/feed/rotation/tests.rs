use super::*;
use crate::units::Price;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const S: i64 = SECOND_US;

fn info(ticker: &str, open_us: i64, close_us: i64, settled: bool) -> MarketInfo {
    MarketInfo {
        ticker: ticker.to_owned(),
        open: Some(TsUs(open_us)),
        close: Some(TsUs(close_us)),
        settlement: settled.then_some(Price::ONE),
        status: if settled { "finalized" } else { "active" }.to_owned(),
        ..MarketInfo::default()
    }
}

/// What the rotation is told in a random run.
#[derive(Clone, Debug)]
enum Told {
    Learn { market: u8, open_s: i64, life_s: i64, settled: bool },
    Gone { market: u8 },
    Frame { market: u8, change: Change, close_s: Option<i64> },
    Wait { s: i64 },
    UntilWake,
}

fn told() -> impl Strategy<Value = Told> {
    let changes = [Change::Created, Change::CloseDateUpdated, Change::Determined, Change::Settled];
    prop_oneof![
        4 => (0u8..12, 0i64..4_000, 0i64..4_000, prop::bool::weighted(0.2))
            .prop_map(|(market, open_s, life_s, settled)| Told::Learn { market, open_s, life_s, settled }),
        1 => (0u8..12).prop_map(|market| Told::Gone { market }),
        2 => (0u8..14, prop::sample::select(changes.to_vec()), prop::option::of(0i64..8_000))
            .prop_map(|(market, change, close_s)| Told::Frame { market, change, close_s }),
        2 => (1i64..600).prop_map(|s| Told::Wait { s }),
        4 => Just(Told::UntilWake),
    ]
}

proptest! {
    #[test]
    fn whatever_is_told_no_market_is_left_early_and_the_limit_holds(
        limit in 0usize..6, discover: bool, story in prop::collection::vec(told(), 1..120),
    ) {
        let mut rotation = Rotation::new(limit, discover);
        let mut now = 0i64;
        let mut followed = BTreeSet::new();
        let mut close: BTreeMap<String, i64> = BTreeMap::new();
        let mut over = BTreeSet::new();
        let mut wake = None;
        for step in story {
            let name = |market: u8| format!("M{market}");
            match step {
                Told::Learn { market, open_s, life_s, settled } => {
                    let (ticker, end) = (name(market), (open_s + life_s) * S);
                    rotation.learn(&info(&ticker, open_s * S, end, settled), TsUs(now));
                    close.insert(ticker.clone(), end);
                    if settled { over.insert(ticker); }
                }
                Told::Gone { market } => {
                    rotation.gone(&name(market));
                    over.insert(name(market));
                }
                Told::Frame { market, change, close_s } => {
                    let ticker = name(market);
                    let end = close_s.map(|s| s * S);
                    let frame = Lifecycle {
                        ticker: ticker.clone(), change, open: None, close: end.map(TsUs),
                    };
                    rotation.lifecycle(&frame, TsUs(now));
                    if let (Some(end), true) = (end, close.contains_key(&ticker)) {
                        close.insert(ticker, end);
                    }
                }
                Told::Wait { s } => now += s * S,
                Told::UntilWake => now = wake.unwrap_or(now),
            }
            let plan = rotation.step(TsUs(now));
            for ticker in &plan.drop {
                prop_assert!(followed.remove(ticker), "{ticker} left without being followed");
                let closed = close[ticker] <= now;
                prop_assert!(closed || over.contains(ticker), "{ticker} left before its close");
            }
            for ticker in &plan.add {
                prop_assert!(followed.insert(ticker.clone()), "{ticker} added twice");
            }
            prop_assert!(followed.len() <= limit);
            prop_assert_eq!(rotation.followed(), followed.iter().cloned().collect::<Vec<_>>());
            prop_assert!(plan.wake.is_none_or(|at| at.0 > now), "wakes in the past");
            prop_assert!(discover || !plan.sweep);
            prop_assert!(!plan.finished || followed.is_empty());
            wake = plan.wake.map(|at| at.0);
        }
    }

    /// Only the wake-ups drive it here: a forgotten timer would leave a market unfollowed or the run without
    /// an end.
    #[test]
    fn each_market_is_followed_from_open_to_close_and_read_until_it_settles(
        lives in prop::collection::vec((0i64..5_000, 1i64..5_000, 0i64..90_000), 1..20),
    ) {
        let lives: BTreeMap<_, _> = lives.iter().enumerate().map(|(i, (open_s, life_s, late_s))| {
            let (open, close) = (open_s * S, (open_s + life_s) * S);
            (format!("M{i}"), (open, close, close + late_s * S))
        }).collect();
        let mut rotation = Rotation::new(lives.len(), false);
        let learn = |rotation: &mut Rotation, ticker: &str, now: i64| {
            let (open, close, settles) = lives[ticker];
            rotation.learn(&info(ticker, open, close, settles <= now), TsUs(now));
        };
        let mut now = -3_600 * S;
        lives.keys().for_each(|ticker| learn(&mut rotation, ticker, now));
        let (mut added, mut left) = (BTreeMap::new(), BTreeMap::new());
        let mut reads = 0usize;
        for step in 0.. {
            prop_assert!(step < 20_000, "no end");
            let plan = rotation.step(TsUs(now));
            added.extend(plan.add.into_iter().map(|ticker| (ticker, now)));
            left.extend(plan.drop.into_iter().map(|ticker| (ticker, now)));
            reads += plan.read.len();
            plan.read.iter().for_each(|ticker| learn(&mut rotation, ticker, now));
            if plan.finished {
                break;
            }
            // A read may have told that the market settled: that is acted on at once.
            let soon = if plan.read.is_empty() { None } else { Some(now + 1) };
            let Some(next) = soon.or(plan.wake.map(|at| at.0)) else {
                prop_assert!(false, "asleep for ever at {now}");
                break;
            };
            now = next;
        }
        for (ticker, (open, close, settles)) in &lives {
            prop_assert!(added[ticker] <= *open, "{ticker} came late");
            prop_assert!(left[ticker] >= *close, "{ticker} was left early");
            prop_assert!(now >= *settles, "finished before {ticker} settled");
        }
        // At most one read each ten minutes, and a dozen while the outcome is fresh.
        let longest = lives.values().map(|l| l.2).max().unwrap_or(0) + 3_600 * S;
        let bound = lives.len() * (14 + usize::try_from(longest / REREAD_US).unwrap());
        prop_assert!(reads <= bound, "{reads} reads, {bound} expected at most");
    }
}

#[test]
fn a_full_collector_looks_for_new_markets_only_when_a_place_is_free() {
    let mut rotation = Rotation::new(2, true);
    assert!(rotation.step(TsUs(0)).sweep);
    for ticker in ["A", "B", "C"] {
        rotation.learn(&info(ticker, 0, 1_000 * S, false), TsUs(0));
    }
    let plan = rotation.step(TsUs(0));
    assert_eq!((plan.add.len(), plan.sweep), (2, false));
    assert!(!rotation.step(TsUs(500 * S)).sweep, "full");
    rotation.gone("A");
    let plan = rotation.step(TsUs(501 * S));
    assert_eq!((plan.drop, plan.add), (vec!["A".to_owned()], vec!["C".to_owned()]));
    assert!(!plan.sweep, "the one that waited has the place");
    rotation.gone("B");
    assert!(rotation.step(TsUs(502 * S)).sweep);
    assert!(!rotation.step(TsUs(503 * S)).sweep, "once a minute");
    let created = |ticker: &str| Lifecycle {
        ticker: ticker.to_owned(),
        change: Change::Created,
        open: None,
        close: None,
    };
    rotation.lifecycle(&created("D"), TsUs(504 * S));
    rotation.lifecycle(&created("E"), TsUs(506 * S));
    let wake = rotation.step(TsUs(507 * S)).wake;
    assert_eq!(wake, Some(TsUs(509 * S)), "an announcement brings the look forward");
    assert!(rotation.step(TsUs(509 * S)).sweep);
}

#[test]
fn a_close_that_moves_later_brings_the_market_back() {
    let mut rotation = Rotation::new(1, false);
    rotation.learn(&info("A", 0, 100 * S, false), TsUs(0));
    assert_eq!(rotation.step(TsUs(0)).add, ["A"]);
    assert_eq!(rotation.step(TsUs(100 * S + LINGER_US)).drop, ["A"]);
    let frame = Lifecycle {
        ticker: "A".to_owned(),
        change: Change::CloseDateUpdated,
        open: None,
        close: Some(TsUs(900 * S)),
    };
    rotation.lifecycle(&frame, TsUs(170 * S));
    let plan = rotation.step(TsUs(170 * S));
    assert_eq!((plan.add, plan.read), (vec!["A".to_owned()], vec!["A".to_owned()]));
}
