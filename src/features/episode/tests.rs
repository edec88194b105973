use super::*;
use crate::event::{Delta, Gap, GapCause, MarketId, Snapshot};
use crate::units::TsNs;

fn event(row_id: u64, ts_ms: Option<i64>, body: Body) -> Event {
    let ts = ts_ms.map(TsUs::from_ms);
    Event { row_id, recv: TsNs(0), ts, market: MarketId(0), sid: 1, seq: row_id, body }
}

fn delta(row_id: u64, ts_ms: i64, change: i64) -> Event {
    let price = Price::new(4_000).expect("a price");
    let body = Body::Delta(Delta { side: Side::Yes, price, qty: Qty(change) });
    event(row_id, Some(ts_ms), body)
}

fn snapshot(row_id: u64) -> Event {
    let level = |e4| (Price::new(e4).expect("a price"), Qty(1_000));
    let body = Snapshot { yes: vec![level(4_000), level(3_900)], no: vec![level(5_500)] };
    event(row_id, None, Body::Snapshot(Box::new(body)))
}

fn gap(row_id: u64) -> Event {
    let gap = Gap::unnumbered(GapCause::Reconnect, TsNs(0));
    event(row_id, None, Body::Gap(Box::new(gap)))
}

/// It closes at second 100 and settles YES.
fn market() -> MarketInfo {
    MarketInfo {
        ticker: "T".into(),
        open: Some(TsUs::from_ms(0)),
        close: Some(TsUs::from_ms(100_000)),
        settlement: Some(Price::ONE),
        ..MarketInfo::default()
    }
}

/// Episodes of that market.
#[track_caller]
fn build(events: &[Event]) -> Vec<Episode> {
    let mut builder = EpisodeBuilder::new(Layout::default(), &market(), SessionId::default());
    events.iter().for_each(|e| builder.push(e));
    builder.finish()
}

/// `n` deltas, one per second from `from_s` on.
fn steady(from_s: i64, n: u64, row_id: u64) -> Vec<Event> {
    (0..n).map(|i| delta(row_id + i, (from_s + i as i64) * 1_000, 100)).collect()
}

#[test]
fn a_gap_splits_and_only_the_last_part_can_reach_the_settlement() {
    let mut events = vec![snapshot(1)];
    events.extend(steady(10, 4, 2));
    events.extend([gap(6), delta(7, 20_000, 5), snapshot(8)]);
    events.extend(steady(30, 5, 9));
    let episodes = build(&events);
    assert_eq!(episodes.iter().map(Episode::len).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(episodes[0].settlement, None);
    assert_eq!(episodes[1].settlement, Some(Price::ONE));
    assert_eq!(episodes[1].decisions[0].ts_ms, 30_000);
}

#[test]
fn a_level_below_zero_splits_like_a_gap() {
    let mut events = vec![snapshot(1)];
    events.extend(steady(10, 4, 2));
    events.push(delta(6, 20_000, -1_000_000));
    events.extend(steady(30, 5, 7));
    let episodes = build(&events);
    assert_eq!(episodes.len(), 1, "deltas without a snapshot make no episode");
    assert_eq!((episodes[0].len(), episodes[0].settlement), (4, None));
}

#[test]
fn an_episode_of_two_decisions_is_dropped() {
    let mut events = vec![snapshot(1)];
    events.extend(steady(10, 2, 2));
    assert!(build(&events).is_empty());
}

#[test]
fn nothing_at_or_after_the_close_is_kept() {
    let mut events = vec![snapshot(1)];
    events.extend(steady(95, 10, 2));
    let episode = &build(&events)[0];
    assert_eq!(episode.len(), 5);
    assert_eq!(episode.events.last().map(|e| e.ts), Some(TsUs::from_ms(99_000)));
}

#[test]
fn events_between_two_decisions_are_those_that_the_earlier_row_has_not_seen() {
    let mut events = vec![snapshot(1)];
    // Three changes within one cell of 250 ms: one decision, the others happen after it.
    for (row_id, ts_ms) in [(2, 10_000), (3, 10_010), (4, 10_020), (5, 11_000), (6, 12_000)] {
        events.push(delta(row_id, ts_ms, row_id as i64));
    }
    let episode = &build(&events)[0];
    let seen: Vec<_> = episode.decisions.iter().map(|d| (d.row_id, d.next_event)).collect();
    assert_eq!(seen, [(2, 2), (5, 5), (6, 6)], "behind the snapshot and what they have seen");
    let sizes = episode.events.iter().filter_map(|e| match e.kind {
        TapeKind::Delta(delta) => Some((delta.qty.0, e.ts.ms())),
        _ => None,
    });
    let all = [(2, 10_000), (3, 10_010), (4, 10_020), (5, 11_000), (6, 12_000)];
    assert!(sizes.eq(all) && episode.events[0].kind == TapeKind::Snapshot(0));
    assert_eq!(episode.books.len(), 1);
    let best = |i: usize| episode.decisions[i].bids[0][0].1;
    assert_eq!((best(0), best(1)), (Qty(1_002), Qty(1_014)));
    assert_eq!(episode.decisions[0].bids[0][2].1, Qty::ZERO);
    assert_eq!(episode.rows.len(), 3 * episode.market_len);
}

/// A collector that was stopped in the middle of a market leaves no gap, and its last position was once carried,
/// blind, to an outcome that nobody had waited for.
#[test]
fn a_recording_that_stops_before_the_close_does_not_know_the_outcome() {
    let mut events = vec![snapshot(1)];
    events.extend(steady(10, 6, 2));
    let settlement = |until_ms| {
        let mut builder = EpisodeBuilder::new(Layout::default(), &market(), SessionId::default());
        events.iter().for_each(|event| builder.push(event));
        builder.finish_at(TsNs::from_ms(until_ms)).remove(0).settlement
    };
    assert_eq!(settlement(16_000), None);
    assert_eq!(settlement(99_999), None);
    assert_eq!(settlement(100_000), Some(Price::ONE));
}

/// Definitions come before the first book of a session; a market that was deactivated then once traded in training.
#[test]
fn a_market_that_is_deactivated_before_its_book_comes_begins_so() {
    let told = |word: &str| {
        let object = format!(r#"{{"ticker":"T","status":"{word}"}}"#);
        Event { body: Body::Market(object.into()), ..snapshot(0) }
    };
    let first = |word: &str| {
        let mut events = vec![told(word), snapshot(1)];
        events.extend(steady(10, 6, 2));
        build(&events)[0].events[0].kind
    };
    assert_eq!(first("inactive"), TapeKind::Phase(Phase::Inactive));
    // What was imported is told by its last definition, first of all.
    assert_eq!(first("finalized"), TapeKind::Snapshot(0));
    assert_eq!(first("active"), TapeKind::Snapshot(0));
}
