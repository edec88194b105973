//! Our side: the book alone, and the same maker in the matcher with all three queues.

use crate::tape::Window;
use kalshiflow::book::Book;
use kalshiflow::broker::Stamp;
use kalshiflow::broker::matching::{Matcher, NewOrder, OrderId, Reports, Rules, State};
use kalshiflow::broker::{Delay, Intent, Latency, Verb};
use kalshiflow::env::account::meet;
use kalshiflow::features::episode::TapeKind;
use kalshiflow::rng::Rng;
use kalshiflow::units::{Price, Qty, Side, TsNs};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};
use std::hint::black_box;

/// Best bid and ask read after every event.
pub fn read_every_event(window: &Window) -> i64 {
    let (mut book, mut sum) = (Book::default(), 0);
    for event in &window.events {
        // A negative level is a gap in the recording and no matter of speed.
        let _ = black_box(book.apply(event));
        let touch = book.touch();
        let e4 = |level: Option<(Price, Qty)>| level.map_or(0, |level| level.0.e4());
        sum ^= black_box(e4(touch.bid) ^ e4(touch.ask));
    }
    sum
}

/// What a maker's run gave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    pub steps: u64,
    pub submits: u64,
    pub fills: u64,
    /// By queue.
    pub contracts_e2: [i64; 3],
}

struct Maker {
    matcher: Matcher,
    book: Book,
    out: Reports,
    /// Fills and updates that the answer's way back still hides.
    standing: [Option<(OrderId, Price)>; 2],
    run: Run,
}

/// Ten contracts on both sides at the touch, looked after every 250 ms, on the tape that the environment plays.
pub fn make(window: &Window) -> Run {
    let latency = Latency::all(Delay::Fixed(crate::LATENCY_MS as u32 * 1_000));
    let rules = Rules { latency, ..Rules::default() };
    let mut maker = Maker {
        matcher: Matcher::new(rules, Rng::stream(1, "maker", 0)),
        book: Book::default(),
        out: Reports::default(),
        standing: [None; 2],
        run: Run::default(),
    };
    let Some(first) = window.stamps_ns.first() else { return maker.run };
    let mut next = first.0 + crate::EVERY_MS * 1_000_000;
    for (row, event) in window.tape.iter().enumerate() {
        while event.recv.0 > next {
            maker.decide(TsNs(next));
            next += crate::EVERY_MS * 1_000_000;
        }
        let at = Stamp { row: row as u64 + 1, recv: event.recv, ts: Some(event.ts) };
        let snapshot = match event.kind {
            TapeKind::Snapshot(book) => window.books.get(book as usize),
            _ => None,
        };
        meet(event, at, snapshot, &mut maker.matcher, &mut maker.book, &mut maker.out);
    }
    maker.matcher.finish(&mut maker.out);
    maker.hear(TsNs(i64::MAX));
    maker.run
}

impl Maker {
    fn decide(&mut self, now: TsNs) {
        self.run.steps += 1;
        self.hear(now);
        let best = [Side::Yes, Side::No].map(|side| self.book.bids(side).best());
        let [Some(yes), Some(no)] = best else { return };
        for (side, (price, _)) in [(Side::Yes, yes), (Side::No, no)] {
            let standing = self.standing[side.index()];
            if standing.is_some_and(|order| order.1 == price) {
                continue;
            }
            if let Some((id, _)) = standing {
                let _ = black_box(self.matcher.cancel(id, now));
            }
            self.run.submits += 1;
            let id = OrderId(self.run.submits);
            // Beyond what a matcher holds at once, a turn is missed.
            let sent = self.matcher.submit(id, bid(side, price), now).is_ok();
            self.standing[side.index()] = sent.then_some((id, price));
        }
    }

    /// Takes in what the exchange said long enough ago.
    fn hear(&mut self, now: TsNs) {
        let until = now.0 - crate::LATENCY_MS * 1_000_000;
        let run = &mut self.run;
        self.out.fills.retain(|fill| {
            if fill.at.0 > until {
                return true;
            }
            run.fills += 1;
            run.contracts_e2.iter_mut().zip(fill.qty.0).for_each(|(sum, qty)| *sum += qty.0);
            false
        });
        let standing = &mut self.standing;
        self.out.updates.retain(|update| {
            if update.at.0 > until {
                return true;
            }
            if matches!(update.state, State::Ended { .. } | State::Refused(_)) {
                for order in standing.iter_mut() {
                    order.take_if(|order| order.0 == update.order);
                }
            }
            false
        });
    }
}

fn bid(side: Side, price: Price) -> NewOrder {
    NewOrder {
        intent: Intent { side, verb: Verb::Buy },
        price,
        qty: Qty::contracts(crate::CONTRACTS),
        time_in_force: TimeInForce::GoodTillCanceled,
        expires: None,
        post_only: true,
        reduce_only: false,
        self_trade: SelfTradePrevention::TakerAtCross,
    }
}
