//! The matcher over the recorded windows.

use crate::shared::shared;
use kalshiflow::book::{Book, SequencePolicy};
use kalshiflow::broker::matching::{Bound, Matcher, NewOrder, OrderId, Reports, Rules};
use kalshiflow::broker::{Intent, Verb};
use kalshiflow::event::Event;
use kalshiflow::intake::IntakeError;
use kalshiflow::intake::tape::{Tape, windows};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Price, Qty, Side, TsNs};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};
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
