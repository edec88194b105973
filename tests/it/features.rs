//! Observations against their golden files, and the promises that no example can prove.

use crate::shared::shared;
use kalshiflow::check::{self, Outcome};
use kalshiflow::event::{Body, Delta, Event, Gap, GapCause, MarketId, SessionId, Snapshot, Trade};
use kalshiflow::features::account::{AccountView, Action, OwnOrder, write_account};
use kalshiflow::features::episode::{EpisodeBuilder, TapeKind};
use kalshiflow::features::{Layout, Observer, Row};
use kalshiflow::market::MarketInfo;
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[track_caller]
fn check(outcome: Result<Outcome, check::CheckError>, cases: u64, tolerance: f64) {
    let outcome = outcome.expect("the golden file is read");
    assert_eq!(outcome.first_failure, None, "{outcome:?}");
    assert_eq!((outcome.cases, outcome.failed), (cases, 0));
    assert!(outcome.max_abs_diff <= tolerance, "{outcome:?}");
}

#[test]
fn flow52_equals_the_hand_checkable_event_lists() {
    check(check::flow52::run(&golden("flow52_micro.jsonl"), None), 49, 1e-7);
}

#[test]
fn flow52_equals_the_random_event_lists() {
    check(check::flow52::run(&golden("flow52_fuzz.jsonl"), None), 24, 1e-7);
}

#[test]
fn flow52_equals_the_accounts() {
    check(check::flow52::run(&golden("flow52_account.jsonl"), None), 100, 1e-7);
}

#[test]
fn flow52_equals_sampled_rows_of_the_tape() {
    let (Some(file), Some(tape)) = (shared("golden/flow52.jsonl"), shared("data/gold15m")) else {
        return;
    };
    check(check::flow52::run(&file, Some(&tape)), 520, 1e-7);
}

#[test]
fn flow52_rows_without_their_tape_are_an_error_and_not_a_pass() {
    let Some(file) = shared("golden/flow52.jsonl") else { return };
    let nowhere = Path::new("no/such/tape");
    for tape in [None, Some(nowhere)] {
        let outcome = check::flow52::run(&file, tape);
        assert!(matches!(outcome, Err(check::CheckError::NoTape(_))), "{outcome:?}");
    }
}

#[test]
fn kalshiflow52_equals_the_corrected_cases() {
    check(check::kalshiflow52::run(&golden("kalshiflow52.jsonl")), 304, 1e-6);
}

#[test]
fn kalshiflow52_equals_the_rows_of_whole_sessions() {
    check(check::kalshiflow52::run(&golden("kalshiflow52_sessions.jsonl")), 117, 1e-6);
}

/// Events of one market as a hostile exchange might send them: late, without a stamp, off the cent
/// grid, of absurd size, with lost continuity.
fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let price = || prop_oneof![4 => (1i64..100).prop_map(|c| c * 100), 1 => 0i64..=10_000];
    let price = move || price().prop_map(|e4| Price::new(e4).expect("in range"));
    let side = || prop_oneof![Just(Side::Yes), Just(Side::No)];
    let size = || prop_oneof![8 => -3_000i64..9_000, 1 => Just(0), 1 => any::<i64>()].prop_map(Qty);
    let levels = move || prop::collection::vec((price(), size()), 0..12);
    let snapshot =
        (levels(), levels()).prop_map(|(yes, no)| Body::Snapshot(Box::new(Snapshot { yes, no })));
    let delta = (side(), price(), size())
        .prop_map(|(side, price, qty)| Body::Delta(Delta { side, price, qty }));
    let trade = (side(), price(), size(), any::<Option<bool>>()).prop_map(
        |(taker, yes_price, qty, block)| {
            Body::Trade(Box::new(Trade { taker, yes_price, qty, block, id: [0; 16] }))
        },
    );
    let gap = Gap::unnumbered(GapCause::Reconnect, TsNs(0));
    let body = prop_oneof![
        2 => snapshot,
        30 => delta,
        10 => trade,
        1 => Just(Body::Gap(Box::new(gap))),
        1 => Just(Body::Bad("unreadable".into())),
    ];
    let step_ms =
        prop_oneof![6 => Just(0i64), 10 => 1i64..400, 4 => -50i64..0, 2 => 1_000i64..90_000];
    let event = (step_ms, prop::bool::weighted(0.9), body, any::<i64>());
    prop::collection::vec(event, 1..250).prop_map(|events| {
        let mut ts_ms = 1_800_000_000_000;
        let house = |(i, (step_ms, stamped, body, recv)): (usize, (i64, bool, Body, i64))| {
            ts_ms += step_ms;
            let ts = stamped.then(|| TsUs::from_ms(ts_ms));
            let (row_id, recv) = (i as u64 + 1, TsNs(recv));
            Event { row_id, recv, ts, market: MarketId(0), sid: 1, seq: row_id, body }
        };
        // Without a first snapshot nothing would happen at all.
        let first =
            Snapshot { yes: vec![(Price::new(4_000).expect("a price"), Qty(700))], no: vec![] };
        let mut all: Vec<Event> = events.into_iter().enumerate().map(house).collect();
        all[0].body = Body::Snapshot(Box::new(first));
        all
    })
}

/// Time, last event seen, mid, market part as bits.
type Bits = (i64, u64, i32, Vec<u32>);

fn rows(layout: Layout, events: &[Event]) -> Vec<Bits> {
    let open = TsUs::from_ms(1_800_000_000_000);
    let close = TsUs::from_ms(1_800_000_900_000);
    let mut observer = Observer::new(layout, Some(open), Some(close));
    let bits = |row: Row<'_>| {
        (row.ts_ms, row.row_id, row.mid2, row.market.iter().map(|v| v.to_bits()).collect())
    };
    let mut rows: Vec<Bits> = events.iter().filter_map(|e| observer.push(e).map(bits)).collect();
    rows.extend(observer.finish().map(bits));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is sent, a row holds finite numbers inside the declared ranges.
    #[test]
    fn every_value_is_finite_and_in_its_declared_range(events in any_events()) {
        for layout in Layout::ALL {
            for (ts_ms, _, mid2, market) in rows(layout, &events) {
                prop_assert!((0..=20_000).contains(&mid2));
                for (column, bits) in layout.columns().iter().zip(market) {
                    let value = f32::from_bits(bits);
                    prop_assert!(
                        (column.lo..=column.hi).contains(&value),
                        "{layout} at {ts_ms}: {} = {value}", column.name
                    );
                }
            }
        }
    }

    /// A row is made of what came before it: cut the recording anywhere after, and it is the same.
    #[test]
    fn changing_the_future_of_a_row_never_changes_it(events in any_events(), cut in 0usize..250) {
        let past = &events[..cut.min(events.len())];
        for layout in Layout::ALL {
            let (all, known) = (rows(layout, &events), rows(layout, past));
            // The last row of the shorter recording may be a group that the cut closed early.
            let closed = known.len().saturating_sub(1);
            prop_assert_eq!(&known[..closed], &all[..closed]);
            for row in &all {
                prop_assert!(row.1 <= events.len() as u64);
            }
        }
    }

    /// Only the exchange's time counts: receive times may be anything.
    #[test]
    fn receive_times_never_reach_a_row(events in any_events()) {
        let silent: Vec<Event> =
            events.iter().cloned().map(|e| Event { recv: TsNs(0), ..e }).collect();
        for layout in Layout::ALL {
            prop_assert_eq!(rows(layout, &events), rows(layout, &silent));
        }
    }

    /// Episodes hold exactly the observer's rows (short parts apart), in order, never across a gap.
    #[test]
    fn episodes_hold_the_rows_of_the_observer(events in any_events()) {
        let market = MarketInfo {
            open: Some(TsUs::from_ms(1_800_000_000_000)),
            close: Some(TsUs::from_ms(1_800_000_900_000)),
            ..MarketInfo::default()
        };
        for layout in Layout::ALL {
            let mut builder = EpisodeBuilder::new(layout, &market, SessionId::default());
            events.iter().for_each(|e| builder.push(e));
            let all = rows(layout, &events);
            let mut next = 0;
            for episode in builder.finish() {
                prop_assert!(episode.len() >= 3);
                let first = episode.decisions[0].row_id;
                next += all[next..].iter().position(|r| r.1 == first).expect("a row of the observer");
                for (i, decision) in episode.decisions.iter().enumerate() {
                    let (ts_ms, row_id, mid2, market) = &all[next];
                    prop_assert_eq!((decision.ts_ms, decision.row_id, decision.mid2), (*ts_ms, *row_id, *mid2));
                    let bits: Vec<u32> = episode.row(i).iter().map(|v| v.to_bits()).collect();
                    prop_assert_eq!(&bits, market);
                    prop_assert!(decision.next_event as usize <= episode.events.len());
                    next += 1;
                }
                prop_assert!(episode.decisions.is_sorted_by_key(|d| d.next_event));
                let books = episode.events.iter().filter(|e| matches!(e.kind, TapeKind::Snapshot(_)));
                prop_assert_eq!(books.count(), episode.books.len());
            }
        }
    }

    /// The account part stays inside its ranges for any account, however absurd.
    #[test]
    fn any_account_stays_in_its_declared_range(
        pos_e2 in -1_000_000i64..1_000_000, cash_e6: i64, reserved_e6: i64, peak_equity_e6: i64,
        entry_cost_e6: i64, quotes in (0i64..=10_000, 0i64..=10_000), t_open_ms: Option<i64>,
        orders in prop::collection::vec((any::<bool>(), any::<bool>(), 0i64..=10_000, 0i64..900, 0i64..900, 0i64..900), 0..4),
    ) {
        let price = |e4| Price::new(e4).expect("in range");
        let orders: Vec<OwnOrder> = orders.into_iter().map(|(yes, buy, e4, remaining, ahead, level)| OwnOrder {
            contract: if yes { Side::Yes } else { Side::No },
            action: if buy { Action::Buy } else { Action::Sell },
            price: price(e4),
            remaining: Qty(remaining),
            ahead: Qty(ahead),
            level: Qty(level),
            placed_ms: 0,
        }).collect();
        let view = AccountView {
            t_ms: 1_800_000_000_000,
            bid: Some(price(quotes.0)),
            ask: Some(price(quotes.1)),
            mid2: quotes.0 + quotes.1,
            pos_e2, limit_e2: 10_000, entry_cost_e6, cash_e6, reserved_e6, peak_equity_e6, t_open_ms,
            orders: &orders,
        };
        for layout in Layout::ALL {
            let mut out = vec![f32::NAN; layout.account_len()];
            write_account(layout, &view, &mut out);
            for (column, value) in layout.columns()[layout.market_len()..].iter().zip(out) {
                prop_assert!((column.lo..=column.hi).contains(&value), "{layout} {} = {value}", column.name);
            }
        }
    }
}
