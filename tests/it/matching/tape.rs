//! The matcher over the recorded windows.

use crate::shared::shared;
use kalshiflow::book::{Book, SequencePolicy};
use kalshiflow::broker::attribution::WINDOW_ROWS;
use kalshiflow::broker::matching::{Bound, Matcher, NewOrder, OrderId, Reports, Rules};
use kalshiflow::broker::{Intent, Latency, Verb};
use kalshiflow::event::Event;
use kalshiflow::intake::IntakeError;
use kalshiflow::intake::tape::{Tape, windows};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Price, Qty, Side, TsNs};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Calls `each` with every event of a window; rows count from 0 as the golden files do, gaps not counted.
fn replay(files: &[PathBuf], mut each: impl FnMut(&Event)) {
    let mut tape = Tape::new(SequencePolicy::Partial);
    let mut row = 0;
    for file in files {
        tape.read_file(file, |_, mut record, _| {
            record.event.row_id = row;
            row += u64::from(!matches!(record.event.body, kalshiflow::event::Body::Gap(_)));
            each(&record.event);
            Ok::<_, IntakeError>(())
        })
        .expect("readable");
    }
}

fn all_windows(root: &Path) -> Vec<(String, Vec<PathBuf>)> {
    windows(root).expect("a tape")
}

fn bid(side: Side, price: Price, qty: Qty) -> NewOrder {
    NewOrder {
        intent: Intent { side, verb: Verb::Buy },
        price,
        qty,
        time_in_force: TimeInForce::GoodTillCanceled,
        expires: None,
        post_only: false,
        reduce_only: false,
        self_trade: SelfTradePrevention::TakerAtCross,
    }
}

/// One shadow order after the other, each alone in its market.
struct Lane {
    matcher: Matcher,
    book: Book,
    out: Reports,
    orders: Vec<Value>,
    /// When the last of them is over.
    free_ms: i64,
}

/// Orders of one contract at the golden placements: what the matcher learns event by event is, in all three
/// queues, what the oracle found with every cause known beforehand. Compared where no order crossed and
/// nothing traded through first: the oracle counts those whole, the matcher by their size.
#[test]
fn shadow_orders_fill_in_the_stream_where_the_oracle_fills_them() {
    let (Some(root), Some(golden)) = (shared("data/gold15m"), shared("golden/shadow.jsonl")) else {
        return;
    };
    let text = std::fs::read_to_string(golden).expect("readable");
    let mut by_window: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text.lines() {
        let order: Value = serde_json::from_str(line).expect("an order");
        by_window
            .entry(order["window"].as_str().expect("text").to_owned())
            .or_default()
            .push(order);
    }
    let (mut compared, mut late, mut wanted) = (0, 0, 0);
    for (name, files) in all_windows(&root) {
        let Some(orders) = by_window.remove(&name) else { continue };
        let mut lanes: Vec<Lane> = Vec::new();
        for order in orders {
            let t0_ms = order["t0_ms"].as_i64().expect("a time");
            match lanes.iter_mut().find(|lane| lane.free_ms < t0_ms) {
                Some(lane) => lane.add(order),
                None => {
                    let mut lane = Lane::new(lanes.len() as u64);
                    lane.add(order);
                    lanes.push(lane);
                }
            }
        }
        replay(&files, |event| lanes.iter_mut().for_each(|lane| lane.event(event)));
        for lane in &mut lanes {
            lane.matcher.finish(&mut lane.out);
            for order in &lane.orders {
                wanted += 1;
                let (was, was_late) = lane.compare(&name, order);
                compared += u32::from(was);
                late += u32::from(was_late);
            }
        }
    }
    println!("{compared} of {wanted} shadow orders compared, {late} with a later row in a queue");
    assert!(compared > 4_000 && late * 10 < compared, "{compared}, {late}");
}

impl Lane {
    fn new(index: u64) -> Lane {
        let rules = Rules { latency: Latency::NONE, ..Rules::default() };
        let matcher = Matcher::new(rules, Rng::stream(1, "shadow", index));
        let (book, out) = (Book::default(), Reports::default());
        Lane { matcher, book, out, orders: Vec::new(), free_ms: 0 }
    }

    fn add(&mut self, order: Value) {
        self.free_ms = order["t0_ms"].as_i64().expect("a time") + 61_000;
        self.orders.push(order);
    }

    fn event(&mut self, event: &Event) {
        let Lane { matcher, book, out, orders, .. } = self;
        matcher.on_event(event, book, out).expect("a sound tape");
        if let Some(order) = orders.iter().find(|o| o["placed_index"] == event.row_id) {
            if matches!(event.body, kalshiflow::event::Body::Gap(_)) {
                return;
            }
            let at = event.ts.map_or(event.recv, |ts| TsNs(ts.0 * 1_000));
            let side = if order["side"] == "yes" { Side::Yes } else { Side::No };
            let price = Price::new(order["price_e4"].as_i64().expect("a price")).expect("in range");
            let id = OrderId(order["j"].as_u64().expect("j"));
            let mut order = bid(side, price, Qty(100));
            order.expires = Some(TsNs(at.0 + 60_000 * 1_000_000 + 999_999));
            matcher.submit(id, order, at).expect("sent");
            matcher.advance(at, book, out);
        }
    }

    /// Whether the order could be compared, and whether a queue was told a later row.
    fn compare(&self, name: &str, order: &Value) -> (bool, bool) {
        let id = OrderId(order["j"].as_u64().expect("j"));
        let row = |v: &Value| v.as_u64().unwrap_or(u64::MAX);
        let whole = row(&order["through"]).min(row(&order["cross"]));
        let queues =
            [("risk", Bound::Pessimistic), ("pow3_2", Bound::Fitted), ("front", Bound::Optimistic)];
        let (mut any, mut late) = (false, false);
        for (model, bound) in queues {
            let want = row(&order["fill"][model]);
            let fills =
                || self.out.fills.iter().filter(|f| f.order == id && f.qty[bound] > Qty::ZERO);
            let got = fills().fold(Qty::ZERO, |sum, fill| sum + fill.qty[bound]);
            let last = fills().map(|fill| fill.exchange_row).max();
            let full = last.filter(|_| got == Qty(100)).unwrap_or(u64::MAX);
            if want < whole {
                // What is told is not taken back: where a trade was known before the cause of an earlier
                // decrease, the fill keeps the later row. Never an earlier one, never beyond the window.
                let latest = match bound {
                    Bound::Fitted => row(&order["fill"]["risk"]),
                    Bound::Pessimistic | Bound::Optimistic => want,
                };
                assert!(
                    (want..=latest.max(want + WINDOW_ROWS)).contains(&full),
                    "{name}: order {} by {model}: {full} instead of {want}",
                    id.0
                );
                (any, late) = (true, late | (full != want));
            } else {
                assert!(full >= whole, "{name}: order {} by {model}: {full} before {whole}", id.0);
            }
        }
        (any, late)
    }
}

/// Fill notes 4, "equal-quantity partial": a maker who joins both touches every 250 ms with ten contracts gets
/// through all windows, is filled in parts, and the queues stay in order at every row.
#[test]
fn all_recorded_windows_complete_with_partial_fills() {
    let Some(root) = shared("data/gold15m") else { return };
    let (mut done, mut partial, mut total) = (0, 0u64, [0i64; 3]);
    for (_, files) in all_windows(&root) {
        let mut maker = Maker::new(done);
        replay(&files, |event| maker.event(event));
        maker.matcher.finish(&mut maker.out);
        let sum = maker.filled();
        assert!(sum[0] <= sum[1] && sum[1] <= sum[2] && sum[0] > 0, "{sum:?}");
        total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
        partial += maker.out.fills.iter().filter(|f| f.qty[Bound::Pessimistic] < Qty(1_000)).count()
            as u64;
        done += 1;
    }
    println!(
        "{done} windows; contracts by queue {:?}; {partial} partial fills",
        total.map(|q| q / 100)
    );
    assert_eq!(done, 18);
    assert!(partial > 0 && total[0] < total[2]);
}

struct Maker {
    matcher: Matcher,
    book: Book,
    out: Reports,
    next: TsNs,
    ids: [u64; 2],
    last: u64,
    position: [i64; 3],
    seen: usize,
}

impl Maker {
    fn new(seed: u64) -> Maker {
        let matcher = Matcher::new(Rules::default(), Rng::stream(seed, "maker", 0));
        let (book, out) = (Book::default(), Reports::default());
        Maker { matcher, book, out, next: TsNs(0), ids: [0; 2], last: 0, position: [0; 3], seen: 0 }
    }

    fn event(&mut self, event: &Event) {
        self.matcher.on_event(event, &mut self.book, &mut self.out).expect("a sound tape");
        for fill in &self.out.fills[self.seen..] {
            for (sum, qty) in self.position.iter_mut().zip(fill.qty.0) {
                *sum += qty.0;
            }
            assert!(self.position[0] <= self.position[1] && self.position[1] <= self.position[2]);
        }
        self.seen = self.out.fills.len();
        if event.recv >= self.next && self.book.is_valid() {
            self.next = TsNs(event.recv.0 + 250 * 1_000_000);
            self.quote(event.recv);
        }
    }

    /// Joins the best bid of both sides with ten contracts, unless it is there already.
    fn quote(&mut self, at: TsNs) {
        for side in [Side::Yes, Side::No] {
            let Some((price, _)) = self.book.bids(side).best() else { continue };
            if price <= Price::ZERO || price >= Price::ONE {
                continue;
            }
            let id = OrderId(self.ids[side.index()]);
            let standing = self.matcher.working().find(|o| o.0 == id).map(|o| o.1.price);
            if standing == Some(price) {
                continue;
            }
            if standing.is_some() {
                self.matcher.cancel(id, at).expect("sent");
            }
            self.last += 1;
            self.ids[side.index()] = self.last;
            // Beyond what a matcher holds at once, the maker misses a turn.
            let order = NewOrder { post_only: true, ..bid(side, price, Qty::contracts(10)) };
            let _ = self.matcher.submit(OrderId(self.last), order, at);
        }
    }

    fn filled(&self) -> [i64; 3] {
        self.position
    }
}
