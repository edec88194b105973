//! hftbacktest's rules over our events and our book: what our engine gives when its own are switched off.
//!
//! Two clocks, each message applied to a local and to an exchange book at its own time; requests and answers
//! 50 ms each way, never overtaking; a trade's message moves the queue at once and is netted from the next
//! change of its level; no partial fills; an order is filled whole when the queue before it is used up, when a
//! trade is at a worse price, or when the best price of the other side reaches it.

use crate::tape::Window;
use crate::theirs::{Fill, Queue, Run};
use kalshiflow::book::Book;
use kalshiflow::event::{Body, Delta, Event, Snapshot};
use kalshiflow::units::{Price, Qty, Side};
use std::collections::{BTreeMap, VecDeque};

/// Its size of a lot, contracts.
const LOT: f64 = 0.01;

#[derive(Clone, Copy)]
struct Order {
    id: u64,
    side: Side,
    /// On the axis of `side`.
    price: Price,
    /// Contracts before it, and traded since its level changed last.
    front: f64,
    traded: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Submit,
    Cancel,
}

/// What the exchange says to the maker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted,
    Over,
}

struct Engine<'a> {
    window: &'a Window,
    queue: Queue,
    local: Book,
    exchange: Book,
    orders: BTreeMap<u64, Order>,
    /// By time of arrival.
    asks: VecDeque<(i64, Ask, Order)>,
    answers: VecDeque<(i64, u64, Answer)>,
    /// What the maker knows of its orders: side, price, whether a request is under way.
    known: BTreeMap<u64, (Side, Price, bool)>,
    ids: [u64; 2],
    run: Run,
}

/// The same maker under its rules.
pub fn make(window: &Window, queue: Queue) -> Run {
    let mut engine = Engine {
        window,
        queue,
        local: Book::default(),
        exchange: Book::default(),
        orders: BTreeMap::new(),
        asks: VecDeque::new(),
        answers: VecDeque::new(),
        known: BTreeMap::new(),
        ids: [0; 2],
        run: Run::default(),
    };
    engine.play();
    engine.run.fills.sort_unstable();
    engine.run
}

impl Engine<'_> {
    fn play(&mut self) {
        let window = self.window;
        let (mut received, mut happened) = (0, 0);
        let Some(first) = window.stamps_ns.first() else { return };
        let mut until = first.0 + crate::EVERY_MS * 1_000_000;
        loop {
            let local = window.stamps_ns.get(received).map_or(i64::MAX, |stamps| stamps.1);
            let exchange = window.stamps_ns.get(happened).map_or(i64::MAX, |stamps| stamps.0);
            let answer = self.answers.front().map_or(i64::MAX, |answer| answer.0);
            let ask = self.asks.front().map_or(i64::MAX, |ask| ask.0);
            let now = local.min(answer).min(exchange).min(ask);
            if now == i64::MAX {
                return;
            }
            if now > until {
                self.decide(until);
                until += crate::EVERY_MS * 1_000_000;
            } else if now == local {
                // A negative level would stop the other engine as well.
                let _ = self.local.apply(&window.events[received]);
                received += 1;
            } else if now == answer {
                self.hear();
            } else if now == exchange {
                self.happen(&window.events[happened], exchange);
                happened += 1;
            } else {
                self.arrive(ask);
            }
        }
    }

    fn decide(&mut self, now: i64) {
        self.run.steps += 1;
        let best = [Side::Yes, Side::No].map(|side| self.local.bids(side).best());
        let [Some(yes), Some(no)] = best else { return };
        for (side, (price, _)) in [(Side::Yes, yes), (Side::No, no)] {
            let id = self.ids[side.index()];
            match self.known.get_mut(&id) {
                Some(order) if order.1 == price => continue,
                Some(order) if order.2 => continue,
                Some(order) => {
                    order.2 = true;
                    self.ask(now, Ask::Cancel, Order { id, side, price, front: 0.0, traded: 0.0 });
                }
                None => {}
            }
            self.run.submits += 1;
            let id = self.run.submits;
            self.ids[side.index()] = id;
            self.known.insert(id, (side, price, true));
            self.ask(now, Ask::Submit, Order { id, side, price, front: 0.0, traded: 0.0 });
        }
    }

    fn ask(&mut self, now: i64, ask: Ask, order: Order) {
        self.asks.push_back((now + crate::LATENCY_MS * 1_000_000, ask, order));
    }

    fn answer(&mut self, now: i64, id: u64, answer: Answer) {
        let at = now + crate::LATENCY_MS * 1_000_000;
        let at = self.answers.back().map_or(at, |last| at.max(last.0));
        self.answers.push_back((at, id, answer));
    }

    fn hear(&mut self) {
        let Some((_, id, answer)) = self.answers.pop_front() else { return };
        match answer {
            Answer::Accepted => {
                if let Some(order) = self.known.get_mut(&id) {
                    order.2 = false;
                }
            }
            Answer::Over => drop(self.known.remove(&id)),
        }
    }

    fn arrive(&mut self, now: i64) {
        let Some((_, ask, mut order)) = self.asks.pop_front() else { return };
        match ask {
            Ask::Cancel => {
                if self.orders.remove(&order.id).is_some() {
                    self.answer(now, order.id, Answer::Over);
                }
                // Else it was filled, and that answer is on its way already.
            }
            Ask::Submit => {
                let other = self.exchange.bids(order.side.other()).best();
                if other.is_some_and(|other| order.price >= other.0.complement()) {
                    return self.answer(now, order.id, Answer::Over);
                }
                order.front = contracts(self.exchange.bids(order.side).size(order.price));
                self.orders.insert(order.id, order);
                self.answer(now, order.id, Answer::Accepted);
            }
        }
    }

    /// A message at the exchange.
    fn happen(&mut self, event: &Event, now: i64) {
        match &event.body {
            Body::Delta(delta) => self.level(delta, now),
            Body::Snapshot(snapshot) => {
                self.exchange.snapshot(&Snapshot::default());
                for (side, levels) in [(Side::Yes, &snapshot.yes), (Side::No, &snapshot.no)] {
                    for (price, qty) in levels {
                        self.level(&Delta { side, price: *price, qty: *qty }, now);
                    }
                }
            }
            Body::Trade(trade) => {
                let side = trade.taker.other();
                let at =
                    if side == Side::Yes { trade.yes_price } else { trade.yes_price.complement() };
                let queue = self.queue;
                let hit = self.orders.values_mut().filter(|o| o.side == side && o.price >= at);
                let filled: Vec<u64> = hit
                    .filter_map(|order| {
                        let through = order.price > at;
                        (through || order.trade(contracts(trade.qty), queue)).then_some(order.id)
                    })
                    .collect();
                self.fill(&filled, now);
            }
            _ => {}
        }
    }

    fn level(&mut self, delta: &Delta, now: i64) {
        let Delta { side, price, qty } = *delta;
        let before = self.exchange.bids(side).best();
        let size = self.exchange.bids(side).size(price);
        if self.exchange.delta(delta).is_err() {
            return;
        }
        let queue = self.queue;
        for order in self.orders.values_mut().filter(|o| (o.side, o.price) == (side, price)) {
            order.level(contracts(size), contracts(size + qty), queue);
        }
        let after = self.exchange.bids(side).best();
        if after.map(|level| level.0) > before.map(|level| level.0) {
            let reached = after.map_or(Price::ONE, |level| level.0.complement());
            let met = self.orders.values().filter(|o| o.side != side && o.price >= reached);
            let filled: Vec<u64> = met.map(|order| order.id).collect();
            self.fill(&filled, now);
        }
    }

    fn fill(&mut self, ids: &[u64], now: i64) {
        for id in ids {
            let Some(order) = self.orders.remove(id) else { continue };
            let buys = order.side == Side::Yes;
            let yes = if buys { order.price } else { order.price.complement() };
            self.run.fills.push(Fill { at_ns: now, order: *id, buys, cents: yes.e4() / 100 });
            self.answer(now, *id, Answer::Over);
        }
    }
}

impl Order {
    /// True when this trade reaches it.
    fn trade(&mut self, qty: f64, queue: Queue) -> bool {
        self.front -= qty;
        if let Queue::Power3 = queue {
            self.traded += qty;
        }
        (-self.front / LOT).round() > 0.0
    }

    fn level(&mut self, before: f64, after: f64, queue: Queue) {
        let change = before - after - std::mem::take(&mut self.traded);
        let power = matches!(queue, Queue::Power3) && change >= 0.0;
        if power {
            let back = before - self.front;
            let behind = 1.0 - (self.front / (self.front + back)).powf(3.0);
            let behind = if behind.is_infinite() { 1.0 } else { behind };
            self.front = self.front - (1.0 - behind) * change + (back - behind * change).min(0.0);
        }
        self.front = self.front.min(after);
    }
}

fn contracts(qty: Qty) -> f64 {
    qty.e2() as f64 / 100.0
}
