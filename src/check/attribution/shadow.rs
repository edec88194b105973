//! Orders that were never sent: one contract at the best bid every 1.5 s, and the row at which each queue
//! model says that it would have filled.
//!
//! Placement, life and filling are those of the attribution notes, "Shadow orders". A fill is told by the
//! row of the decrease that the trade consumed.

use super::Window;
use crate::book::{Book, Change};
use crate::broker::{Exponent, QueueModel};
use crate::event::{Body, Delta};
use crate::units::{Price, Qty, Side};
use serde_json::{Map, Value, json};

const FIRST_MS: i64 = 30_000;
const EVERY_MS: i64 = 1_500;
const LIFE_MS: i64 = 60_000;
/// Only orders between 3 and 97 cents are placed.
const PRICES_E4: std::ops::RangeInclusive<i64> = 300..=9_700;
const ORDER: Qty = Qty::contracts(1);

/// The exact models by the names of the golden files.
const MODELS: [(&str, QueueModel); 6] = [
    ("risk", QueueModel::Risk),
    ("pow3_3", QueueModel::Power(Exponent::THREE)),
    ("pow3_2", QueueModel::Power(Exponent::TWO)),
    ("pow_2", QueueModel::Odds(Exponent::TWO)),
    ("uniform", QueueModel::Power(Exponent::ONE)),
    ("front", QueueModel::Front),
];

/// A shadow order that lived to its end.
pub(super) struct Order {
    /// Its number in the plan of placements.
    pub(super) j: u64,
    placed_row: u64,
    t0_ms: i64,
    side: Side,
    price: Price,
    queue: Qty,
    naive: Option<u64>,
    through: Option<u64>,
    cross: Option<u64>,
    queues: [Queue; MODELS.len()],
    /// Own best bid + 1 - best bid of the other side when it expired, 1e-4 dollars; missing bids are 0.
    mid2_e4: i64,
    dropped: bool,
}

#[derive(Clone, Copy)]
struct Queue {
    front: Qty,
    got: Qty,
    filled: Option<u64>,
}

/// Every order of the window, dropped ones included.
pub(super) fn orders(window: &Window) -> Vec<Order> {
    let mut book = Book::default();
    let mut plan = Plan::default();
    let (mut live, mut done) = (Vec::new(), Vec::new());
    for (event, row) in window.events.iter().zip(0..) {
        let Body::Delta(delta) = &event.body else {
            // A snapshot is the end of what was known.
            if matches!(book.apply(event), Ok(Change::Snapshot)) {
                done.extend(live.drain(..).map(|order| Order { dropped: true, ..order }));
            }
            continue;
        };
        let now_ms = event.ts.map_or(0, |ts| ts.ms());
        let expired = |order: &mut Order| now_ms > order.t0_ms + LIFE_MS;
        for mut order in live.extract_if(.., expired) {
            order.mid2_e4 = mid2_e4(&book, order.side);
            done.push(order);
        }
        let level = book.bids(delta.side).size(delta.price);
        let traded = window.trade_of.contains_key(&row);
        live.iter_mut().for_each(|order| order.delta(row, delta, level, traded));
        let _ = book.delta(delta);
        plan.place(now_ms, row, &book, &mut live);
    }
    done.extend(live.drain(..).map(|order| Order { dropped: true, ..order }));
    done.sort_by_key(|order| order.j);
    done
}

#[derive(Default)]
struct Plan {
    first_ms: Option<i64>,
    next: u64,
}

impl Plan {
    /// Places what is due after this delta.
    fn place(&mut self, now_ms: i64, row: u64, book: &Book, live: &mut Vec<Order>) {
        let first_ms = *self.first_ms.get_or_insert(now_ms);
        while now_ms >= first_ms + FIRST_MS + EVERY_MS * self.next as i64 {
            let j = self.next;
            self.next += 1;
            let side = if j.is_multiple_of(2) { Side::Yes } else { Side::No };
            let (own, other) = (book.bids(side).best(), book.bids(side.other()).best());
            let (Some((price, queue)), Some(_)) = (own, other) else { continue };
            if !PRICES_E4.contains(&price.e4()) {
                continue;
            }
            let start = Queue { front: queue, got: Qty::ZERO, filled: None };
            let none = None::<u64>;
            live.push(Order {
                j,
                placed_row: row,
                t0_ms: now_ms,
                side,
                price,
                queue,
                naive: none,
                through: none,
                cross: none,
                queues: [start; MODELS.len()],
                mid2_e4: 0,
                dropped: false,
            });
        }
    }
}

fn mid2_e4(book: &Book, side: Side) -> i64 {
    let best = |side| book.bids(side).best().map_or(0, |b| b.0.e4());
    best(side) + Price::ONE.e4() - best(side.other())
}

impl Order {
    /// A level changed; `level` is its size before, `traded` says whether a trade consumed it.
    fn delta(&mut self, row: u64, delta: &Delta, level: Qty, traded: bool) {
        if delta.side != self.side {
            let meets = delta.qty > Qty::ZERO && delta.price >= self.price.complement();
            self.cross = self.cross.or(meets.then_some(row));
        } else if traded && delta.price < self.price {
            self.through = self.through.or(Some(row));
            self.naive = self.naive.or(Some(row));
            self.queues.iter_mut().for_each(|q| q.filled = q.filled.or(Some(row)));
        } else if traded && delta.price == self.price {
            self.naive = self.naive.or(Some(row));
            self.queues.iter_mut().for_each(|q| q.trade(row, -delta.qty));
        } else if delta.qty < Qty::ZERO && delta.price == self.price {
            for (queue, (_, model)) in self.queues.iter_mut().zip(MODELS) {
                queue.front = model.cancel(queue.front, level, -delta.qty);
            }
        }
    }

    /// As the golden file writes it.
    ///
    /// # Errors
    /// When the recording ended first.
    pub(super) fn to_json(&self) -> Result<Value, String> {
        if self.dropped {
            return Err("was dropped: a snapshot or the end came first".into());
        }
        let fills = MODELS.iter().zip(&self.queues);
        let fills: Map<_, _> =
            fills.map(|((name, _), q)| ((*name).into(), json!(q.filled))).collect();
        Ok(json!({"j": self.j, "placed_index": self.placed_row, "t0_ms": self.t0_ms,
            "side": self.side.word(), "price_e4": self.price.e4(), "queue_e2": self.queue.e2(),
            "naive": self.naive, "through": self.through, "cross": self.cross, "fill": fills,
            "mid2_e4": self.mid2_e4}))
    }
}

impl Queue {
    fn trade(&mut self, row: u64, qty: Qty) {
        let ahead = self.front.min(qty);
        self.front -= ahead;
        self.got += qty - ahead;
        if self.got >= ORDER {
            self.filled = self.filled.or(Some(row));
        }
    }
}

/// How many orders there were and how many each model fills.
pub(super) fn summary(orders: &[Order]) -> Value {
    let alive = || orders.iter().filter(|order| !order.dropped);
    let filled = |i: usize| alive().filter(|order| order.queues[i].filled.is_some()).count();
    let fills: Map<_, _> =
        MODELS.iter().zip(0..).map(|((name, _), i)| ((*name).into(), filled(i).into())).collect();
    json!({"orders": alive().count(), "dropped": orders.len() - alive().count(),
        "naive_fills": alive().filter(|o| o.naive.is_some()).count(), "fills": fills,
        "crossed": alive().filter(|o| o.cross.is_some()).count()})
}
