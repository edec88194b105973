use super::*;
use crate::event::{Delta, Gap, MarketId, Snapshot};
use crate::sim::truth::{Line, delta_print, snapshot_print};
use crate::sim::venue::Face;
use crate::units::{Price, Qty, Side, TsNs, TsUs};

/// One market's frames on one subscription: a snapshot, then `n` deltas.
fn bodies(n: u64) -> Vec<Body> {
    let price = Price::new(4_500).unwrap();
    let delta = |i| Body::Delta(Delta { side: Side::Yes, price, qty: Qty(10 + i as i64) });
    std::iter::once(Body::Snapshot(Box::<Snapshot>::default())).chain((0..n).map(delta)).collect()
}

fn ts(c: usize, seq: u64) -> TsUs {
    TsUs(1_000_000 * c as i64 + seq as i64)
}

/// Two connections that issued 11 frames each.
fn truth() -> Truth {
    let mut truth = Truth::kept();
    for c in 0..2 {
        truth.enter(Line::Open { c, at_us: 0 });
        truth.enter(Line::Sid { c, sid: 1, channel: "orderbook_delta".into() });
        let mut face = Face::empty();
        for (i, body) in bodies(10).iter().enumerate() {
            let seq = i as u64 + 1;
            let print = match body {
                Body::Delta(delta) => {
                    face.level(delta);
                    delta_print("M", Some(ts(c, seq)), delta)
                }
                Body::Snapshot(book) => snapshot_print("M", book),
                _ => unreachable!(),
            };
            truth.enter(Line::Frame { c, sid: 1, seq, print, book: face.print() });
        }
    }
    truth
}

fn row(sid: u32, seq: u64, ts: Option<TsUs>, market: u32, body: Body) -> Record {
    let (recv, market) = (TsNs(0), MarketId(market));
    let raw = matches!(body, Body::Other(_)).then(|| (*b"{\"type\":\"x\"}").into());
    Record { event: Event { row_id: 0, recv, ts, market, sid, seq, body }, raw }
}

fn start() -> Record {
    row(0, 0, None, u32::MAX, Body::Other(CONNECTION.into()))
}

fn gap(cause: GapCause, sid: u32, from: u64, to: u64) -> Record {
    let gap = Gap { from, to, ..Gap::unnumbered(cause, TsNs(0)) };
    row(sid, 0, None, u32::MAX, Body::Gap(Box::new(gap)))
}

/// The frames of connection `c` with these numbers.
fn frames(c: usize, seqs: impl IntoIterator<Item = u64>) -> Vec<Record> {
    let all = bodies(10);
    let frame = |seq: u64| {
        let body = all[seq as usize - 1].clone();
        let ts = matches!(body, Body::Delta(_)).then(|| ts(c, seq));
        row(1, seq, ts, 0, body)
    };
    seqs.into_iter().map(frame).collect()
}

fn weigh(rows: Vec<Vec<Record>>) -> Comparison {
    let mut tickers = Tickers::default();
    tickers.intern("M");
    compare(&truth(), &tickers, rows.concat())
}

#[test]
fn a_complete_recording_holds() {
    let end = gap(GapCause::Reconnect, 0, 0, 0);
    let report =
        weigh(vec![vec![start()], frames(0, 1..=11), vec![end, start()], frames(1, 1..=11)]);
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.issued, report.recorded, report.books_checked), (22, 22, 22));
}

#[test]
fn a_hole_with_its_gap_row_holds_and_one_without_does_not() {
    let told = vec![gap(GapCause::SeqGap, 1, 4, 6)];
    let report = weigh(vec![vec![start()], frames(0, 1..=3), told, frames(0, 7..=11)]);
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.recorded, report.in_gaps), (8, 3));
    // After the gap the book is unknown until its next snapshot.
    assert_eq!(report.books_checked, 3);

    let report = weigh(vec![vec![start()], frames(0, 1..=3), frames(0, 7..=11)]);
    assert_eq!((report.lost, report.holds()), (3, false));
    assert!(report.first_problem.unwrap().contains("wrong after frame 7"));
    // The deltas were applied over the hole: the book is wrong as well, from there on.
    assert_eq!(report.books_wrong, 5);
}

#[test]
fn a_lost_end_needs_a_gap_unless_the_recording_ends_there() {
    let end = || vec![gap(GapCause::Reconnect, 0, 0, 0)];
    let report =
        weigh(vec![vec![start()], frames(0, 1..=5), end(), vec![start()], frames(1, 1..=7)]);
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.tail, 10);
    let report =
        weigh(vec![vec![start()], frames(0, 1..=5), vec![start()], end(), frames(1, 1..=7)]);
    assert!(report.holds(), "the gap may stand behind the new connection's first row: {report:?}");
    let report = weigh(vec![vec![start()], frames(0, 1..=5), vec![start()], frames(1, 1..=7)]);
    assert!(!report.holds() && report.first_problem.unwrap().contains("from 6 on"));
}

#[test]
fn what_was_never_issued_is_invented() {
    let mut strange = frames(0, [5]);
    strange[0].event.ts = Some(TsUs(77));
    let report = weigh(vec![vec![start()], frames(0, 1..=4), strange, frames(0, 6..=11)]);
    assert_eq!((report.invented, report.lost), (1, 1));
    let report = weigh(vec![vec![start()], frames(0, 1..=4), frames(0, [4]), frames(0, 5..=11)]);
    assert_eq!(report.invented, 1, "a frame twice: {report:?}");
    let twice = row(1, 4, None, 0, Body::Other("duplicate".into()));
    let report = weigh(vec![vec![start()], frames(0, 1..=4), vec![twice], frames(0, 5..=11)]);
    assert!(report.holds() && report.set_aside == 1, "{report:?}");
}

#[test]
fn what_a_fault_sent_in_the_place_of_a_frame_counts_as_recorded() {
    let mut truth = truth();
    truth.enter(Line::Fate { c: 0, sid: 1, seq: 5, fate: Fate::Garbled });
    let mut tickers = Tickers::default();
    tickers.intern("M");
    let after = || [vec![gap(GapCause::BadFrame, 1, 0, 0)], frames(0, 6..=11)].concat();
    for body in [Body::Bad("x".into()), Body::Other("ok".into())] {
        let garbled = vec![row(1, 5, None, u32::MAX, body)];
        let rows = [vec![start()], frames(0, 1..=4), garbled, after()].concat();
        let report = compare(&truth, &tickers, rows);
        assert!(report.holds() && report.recorded == 11, "{report:?}");
        assert_eq!(report.books_checked, 4, "behind the gap the book is unknown");
    }
}
