use super::*;
use crate::event::{Gap, GapCause, MarketId};
use crate::units::TsNs;

const T: i64 = 1_800_000_000_000;

fn event(row_id: u64, ts_ms: Option<i64>, body: Body) -> Event {
    let ts = ts_ms.map(|ms| TsUs::from_ms(T + ms));
    Event { row_id, recv: TsNs(0), ts, market: MarketId(0), sid: 1, seq: row_id, body }
}

fn level(e4: i64, contracts: i64) -> (Price, Qty) {
    (Price::new(e4).expect("a price"), Qty::contracts(contracts))
}

fn snapshot(row_id: u64, ts_ms: Option<i64>) -> Event {
    let body = Snapshot { yes: vec![level(4_000, 10)], no: vec![level(5_500, 10)] };
    event(row_id, ts_ms, Body::Snapshot(Box::new(body)))
}

fn delta(row_id: u64, ts_ms: Option<i64>, e4: i64, contracts: i64) -> Event {
    let (price, qty) = level(e4, contracts);
    event(row_id, ts_ms, Body::Delta(Delta { side: Side::Yes, price, qty }))
}

fn gap(row_id: u64) -> Event {
    let gap = Gap::unnumbered(GapCause::SeqGap, TsNs(0));
    event(row_id, None, Body::Gap(Box::new(gap)))
}

/// (time after `T`, last event seen, best bid in 1e-4 dollars) of every row.
#[track_caller]
fn check(layout: Layout, events: &[Event], want: &[(i64, u64, i64)]) {
    let mut observer = Observer::new(layout, None, None);
    let seen = |row: Row<'_>| (row.ts_ms - T, row.row_id, row.bid().map_or(0, Price::e4));
    let mut rows: Vec<_> = events.iter().filter_map(|e| observer.push(e).map(seen)).collect();
    rows.extend(observer.finish().map(seen));
    assert_eq!(rows, want);
}

#[test]
fn a_row_shows_the_book_before_the_event_that_closed_its_group() {
    let events = [snapshot(1, None), delta(2, Some(0), 4_100, 5), delta(3, Some(300), 4_200, 5)];
    for layout in Layout::ALL {
        check(layout, &events, &[(0, 2, 4_100), (300, 3, 4_200)]);
    }
}

#[test]
fn a_stamped_snapshot_alone_is_a_row_of_kalshiflow52_only() {
    let events = [snapshot(1, Some(0)), snapshot(2, Some(7))];
    check(Layout::KalshiFlow52V2, &events, &[(0, 1, 4_000), (7, 2, 4_000)]);
    check(Layout::Flow52V1, &events, &[]);
}

#[test]
fn an_event_without_a_stamp_happens_now() {
    let late = [
        snapshot(1, None),
        delta(2, Some(0), 4_100, 5),
        delta(3, None, 4_200, 5),
        snapshot(4, None),
        delta(5, Some(400), 3_900, 5),
    ];
    check(Layout::KalshiFlow52V2, &late, &[(0, 4, 4_000), (400, 5, 4_000)]);
    check(Layout::Flow52V1, &late, &[(0, 3, 4_200), (400, 5, 4_000)]);
}

#[test]
fn events_before_the_first_stamp_join_the_first_group() {
    let events = [snapshot(1, None), delta(2, None, 4_100, 5), delta(3, Some(0), 3_000, 1)];
    for layout in Layout::ALL {
        check(layout, &events, &[(0, 3, 4_100)]);
    }
}

#[test]
fn a_gap_closes_the_group_and_nothing_counts_until_the_next_snapshot() {
    let events = [
        snapshot(1, None),
        delta(2, Some(0), 4_100, 5),
        gap(3),
        delta(4, Some(500), 4_300, 5),
        snapshot(5, None),
        delta(6, Some(1_000), 4_200, 5),
    ];
    for layout in Layout::ALL {
        check(layout, &events, &[(0, 2, 4_100), (1_000, 6, 4_200)]);
    }
}

#[test]
fn kalshiflow52_forgets_its_history_at_a_gap() {
    let steps = |from: u64| (0..6).map(move |i| delta(from + i, Some(i as i64 * 500), 3_000, 1));
    let fresh: Vec<Event> = std::iter::once(snapshot(1, None)).chain(steps(2)).collect();
    let mut gapped = vec![snapshot(1, None), delta(2, Some(-9_000), 2_000, 1), gap(3)];
    gapped.extend(fresh.iter().cloned());
    let last = |events: &[Event]| {
        let mut observer = Observer::new(Layout::KalshiFlow52V2, None, None);
        for event in events {
            let _ = observer.push(event);
        }
        observer.finish().map(|row| row.market.to_vec())
    };
    assert!(last(&fresh).is_some());
    assert_eq!(last(&gapped), last(&fresh));
}

#[test]
fn a_close_that_is_announced_holds_from_then_on() {
    let close_at_1_s = r#"{"ticker":"T","close_time":"2027-01-15T08:00:01Z"}"#;
    let events = [
        snapshot(1, None),
        delta(2, Some(0), 4_100, 5),
        event(3, None, Body::Market(close_at_1_s.into())),
        delta(4, Some(999), 4_200, 5),
        delta(5, Some(1_000), 4_300, 5),
    ];
    for layout in Layout::ALL {
        // A row is named by what stands in the dataset: an announcement does not.
        check(layout, &events, &[(0, 2, 4_100), (999, 4, 4_200)]);
    }
}
