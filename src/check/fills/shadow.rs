//! Shadow orders: orders of one contract at the best bid of a recorded market that were never sent.
//!
//! At random moments of a seed, every 1.5 s on average, one joins the best bid of either side and lives for a
//! minute, without latency. The matcher fills it in its three queues; beside it stands what somebody would claim
//! who takes every trade at or through the price as a fill. Each has a matcher of its own, so that shadow orders
//! do not stand in each other's way.
//!
//! **Invariant:** all rules judge the same orders: one that meets a gap, a new book or the end of the recording
//! counts for none.

use crate::book::{Book, Change};
use crate::broker::attribution::{Key, Stamp};
use crate::broker::matching::{Matcher, NewOrder, OrderId, Reports, Rules};
use crate::broker::{Intent, Latency, QueueModel, Verb};
use crate::event::{Body, Event, Trade};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use crate::wire::orders::{SelfTradePrevention, TimeInForce};

const ORDER: Qty = Qty::contracts(1);
/// Orders begin this long after the market's first change.
const WARM_UP_US: i64 = 30_000_000;
const EVERY_US: u64 = 1_500_000;
const LIFE_US: i64 = 60_000_000;
/// Beyond its life an order still learns what happened in it; causes are known within a second of receive time.
const LEARN_US: i64 = 15_000_000;
/// Orders at these prices only.
const PRICES_E4: std::ops::RangeInclusive<i64> = 300..=9_700;

/// By which rule an order is filled: the naive one, then the three queues from the worst to the best.
pub const RULES: [&str; 4] = ["naive touch", "pessimistic", "fitted", "optimistic"];

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// By rule: microseconds from its placing to its fill.
    pub filled_after_us: [Option<i64>; RULES.len()],
    /// Twice the middle of the market a minute after its placing less twice its price, on its own scale,
    /// 1e-4 dollars.
    pub markout2_e4: i64,
}

/// The shadow orders of one market.
#[derive(Debug)]
pub struct Shadows {
    rules: Rules,
    rng: Rng,
    book: Book,
    lanes: Vec<Lane>,
    next: Option<TsUs>,
    placed: u64,
    done: Vec<Outcome>,
    dropped: u64,
}

#[derive(Debug)]
struct Lane {
    matcher: Matcher,
    out: Reports,
    order: Option<Shadow>,
}

#[derive(Clone, Copy, Debug)]
struct Shadow {
    id: OrderId,
    side: Side,
    price: Price,
    placed: TsUs,
    got: [Qty; 3],
    filled_after_us: [Option<i64>; RULES.len()],
    markout2_e4: Option<i64>,
}

impl Shadows {
    /// No order yet; `stream` draws moments and sides.
    pub fn new(fitted: QueueModel, stream: Rng) -> Shadows {
        Shadows {
            rules: Rules { fitted, latency: Latency::NONE, ..Rules::default() },
            rng: stream,
            book: Book::default(),
            lanes: Vec::new(),
            next: None,
            placed: 0,
            done: Vec::new(),
            dropped: 0,
        }
    }

    /// The next event of the market.
    pub fn on_event(&mut self, event: &Event) {
        let at = Stamp::of(event);
        let now = event.ts.unwrap_or(TsUs(event.recv.0 / 1_000));
        if matches!(event.body, Body::Delta(_)) {
            self.pass(now);
        }
        let before = |lane: &mut Lane| lane.matcher.before(at, &self.book, &mut lane.out);
        self.lanes.iter_mut().for_each(before);
        let lanes = self.lanes.iter_mut();
        match (&event.body, self.book.apply(event)) {
            (Body::Delta(delta), Ok(Change::Level { size, .. })) => {
                lanes.for_each(|lane| lane.matcher.on_delta(at, delta, size, &mut lane.out));
            }
            (Body::Trade(trade), _) => lanes.for_each(|lane| lane.trade(at, trade)),
            (Body::Snapshot(_), _) => {
                lanes.for_each(|lane| lane.matcher.on_snapshot(at, &self.book, &mut lane.out));
                self.give_up();
            }
            (Body::Gap(_), _) | (_, Err(_)) => {
                lanes.for_each(|lane| lane.matcher.on_gap(at));
                self.give_up();
            }
            _ => {}
        }
        self.lanes.iter_mut().for_each(Lane::hear);
        if matches!(event.body, Body::Delta(_)) {
            self.place(now);
        }
    }

    /// The recording ends: what became of the orders that lived their minute, and how many did not.
    pub fn finish(mut self) -> (Vec<Outcome>, u64) {
        for lane in &mut self.lanes {
            lane.matcher.finish(&mut lane.out);
            lane.hear();
        }
        self.pass(TsUs(i64::MAX));
        (self.done, self.dropped)
    }

    /// Time passes before the next change: orders whose minute is over are marked, then counted.
    fn pass(&mut self, now: TsUs) {
        let ended = now == TsUs(i64::MAX);
        for lane in &mut self.lanes {
            let Some(order) = &mut lane.order else { continue };
            let age_us = now.0.saturating_sub(order.placed.0);
            if age_us > LIFE_US && order.markout2_e4.is_none() && !ended {
                order.markout2_e4 = Some(middle2_e4(&self.book, order.side) - 2 * order.price.e4());
            }
            if age_us > LIFE_US + LEARN_US {
                let Shadow { filled_after_us, markout2_e4, .. } = *order;
                match markout2_e4 {
                    Some(markout2_e4) => self.done.push(Outcome { filled_after_us, markout2_e4 }),
                    None => self.dropped += 1,
                }
                lane.order = None;
            }
        }
    }

    /// What is alive is not certain any more.
    fn give_up(&mut self) {
        for lane in &mut self.lanes {
            if lane.order.take_if(|order| order.markout2_e4.is_none()).is_some() {
                self.dropped += 1;
            }
        }
    }

    fn place(&mut self, now: TsUs) {
        let next = *self.next.get_or_insert(TsUs(now.0 + WARM_UP_US));
        if now < next {
            return;
        }
        self.next = Some(TsUs(now.0 + self.rng.below(2 * EVERY_US) as i64));
        let side = if self.rng.below(2) == 0 { Side::Yes } else { Side::No };
        let (own, other) = (self.book.bids(side).best(), self.book.bids(side.other()).best());
        let (Some((price, _)), Some(_), true) = (own, other, self.book.is_valid()) else { return };
        if !PRICES_E4.contains(&price.e4()) {
            return;
        }
        self.placed += 1;
        let id = OrderId(self.placed);
        let free = self.lanes.iter().position(|lane| lane.order.is_none());
        let lane = free.unwrap_or_else(|| {
            let matcher = Matcher::new(self.rules, self.rng.clone());
            self.lanes.push(Lane { matcher, out: Reports::default(), order: None });
            self.lanes.len() - 1
        });
        self.lanes[lane].place(id, (side, price), now, &self.book);
    }
}

impl Lane {
    fn place(&mut self, id: OrderId, (side, price): (Side, Price), now: TsUs, book: &Book) {
        let at = TsNs(now.0 * 1_000);
        let order = NewOrder {
            intent: Intent { side, verb: Verb::Buy },
            price,
            qty: ORDER,
            time_in_force: TimeInForce::GoodTillCanceled,
            expires: Some(TsNs(at.0 + LIFE_US * 1_000)),
            post_only: false,
            reduce_only: false,
            self_trade: SelfTradePrevention::TakerAtCross,
        };
        // A lane holds one order at a time under a fresh name, so the matcher takes it.
        if self.matcher.submit(id, order, at).is_ok() {
            self.matcher.advance(at, book, &mut self.out);
            let (got, filled_after_us) = ([Qty::ZERO; 3], [None; RULES.len()]);
            let markout2_e4 = None;
            let placed = now;
            self.order =
                Some(Shadow { id, side, price, placed, got, filled_after_us, markout2_e4 });
        }
    }

    fn trade(&mut self, at: Stamp, trade: &Trade) {
        self.matcher.on_trade(at, trade, &mut self.out);
        let Some(order) = &mut self.order else { return };
        let key = Key::of_trade(at, trade);
        let after_us = key.ts_ms * 1_000 - order.placed.0;
        let reaches = key.side == order.side && key.price <= order.price;
        // Trades of the moment of its placing came before it.
        if reaches && (0..=LIFE_US).contains(&after_us) {
            order.filled_after_us[0].get_or_insert(after_us);
        }
    }

    /// Takes in what the matcher told.
    fn hear(&mut self) {
        if self.out.fills.is_empty() && self.out.updates.is_empty() {
            return;
        }
        if let Some(order) = &mut self.order {
            for fill in self.out.fills.iter().filter(|fill| fill.order == order.id) {
                let after_us = (fill.at.0 / 1_000 - order.placed.0).max(0);
                for (i, qty) in fill.qty.0.into_iter().enumerate() {
                    order.got[i] += qty;
                    if order.got[i] >= ORDER {
                        order.filled_after_us[i + 1].get_or_insert(after_us);
                    }
                }
            }
        }
        self.out.clear();
    }
}

/// Own best bid and what the best bid of the other side leaves of a dollar, 1e-4 dollars; without a bid zero.
fn middle2_e4(book: &Book, side: Side) -> i64 {
    let best = |side| book.bids(side).best().map_or(0, |b| b.0.e4());
    best(side) + Price::ONE.e4() - best(side.other())
}
