//! Random order flow on the simulated exchange, published as the exchange publishes it: changes of levels
//! and trades, each trade a few rows after its decrease and sometimes before it.

use kalshiflow::event::{Body, Delta, Event, MarketId, Trade};
use kalshiflow::rng::Rng;
use kalshiflow::sim::exchange::{Exchange, Fact, Incoming, OrderId, Rest};
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use std::collections::VecDeque;

/// An exchange, its crowd, and what it published.
pub struct Feed {
    pub exchange: Exchange,
    rng: Rng,
    mid_cents: i64,
    ms: i64,
    row: u64,
    /// Trades not told yet: how many rows from now.
    late: VecDeque<(u64, Event)>,
    /// Names of all orders that ever rested.
    pub ids: Vec<OrderId>,
}

/// One published row, and the fact behind it.
pub struct Row {
    pub event: Event,
    /// What happened, for the row of a level's change: with the order that was hit, if one was.
    pub fact: Option<(Delta, Option<OrderId>)>,
}

impl Feed {
    pub fn new(seed: u64, name: &str) -> Feed {
        let rng = Rng::stream(seed, name, 0);
        let late = VecDeque::new();
        let exchange = Exchange::default();
        let mut feed =
            Feed { exchange, rng, mid_cents: 50, ms: 1_000, row: 0, late, ids: Vec::new() };
        let mut unseen = Vec::new();
        for _ in 0..40 {
            feed.bid(&mut unseen);
        }
        feed
    }

    /// The book as it stands.
    pub fn snapshot(&mut self) -> Event {
        let body = Body::Snapshot(Box::new(self.exchange.snapshot()));
        self.event(body)
    }

    /// Something happens; returns the rows that it publishes.
    pub fn step(&mut self) -> Vec<Row> {
        self.ms += self.rng.below(3) as i64;
        if self.rng.below(40) == 0 {
            self.mid_cents = (self.mid_cents + self.rng.below(3) as i64 - 1).clamp(20, 80);
        }
        let mut facts = Vec::new();
        match self.rng.below(10) {
            0..=3 => self.bid(&mut facts),
            4..=7 => self.withdraw(&mut facts),
            8 => self.take(&mut facts),
            _ => {
                // Re-quoting at the same size: makes keys of trades and cancels collide now and then.
                self.withdraw(&mut facts);
                self.bid(&mut facts);
            }
        }
        self.publish(&facts)
    }

    fn publish(&mut self, facts: &[Fact]) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut hit = None;
        for fact in facts {
            match *fact {
                Fact::Fill { maker, side, yes_price, qty, .. } => {
                    let trade = Trade { taker: side, yes_price, qty, block: None, id: [0; 16] };
                    let mut event = self.event(Body::Trade(Box::new(trade)));
                    if self.rng.below(20) == 0 {
                        self.number(&mut event);
                        rows.push(Row { event, fact: None });
                    } else {
                        let wait = 1 + self.rng.below(6);
                        self.late.push_back((wait, event));
                    }
                    hit = Some(maker);
                }
                Fact::Level(delta) => {
                    let mut event = self.event(Body::Delta(delta));
                    self.number(&mut event);
                    rows.push(Row { event, fact: Some((delta, hit.take())) });
                }
            }
        }
        for late in &mut self.late {
            late.0 = late.0.saturating_sub(1);
        }
        while self.late.front().is_some_and(|late| late.0 == 0) {
            let Some((_, mut event)) = self.late.pop_front() else { break };
            self.number(&mut event);
            rows.push(Row { event, fact: None });
        }
        rows
    }

    /// Trades that happened and were not told yet.
    pub fn rest(&mut self) -> Vec<Event> {
        let mut late: Vec<Event> = self.late.drain(..).map(|late| late.1).collect();
        late.iter_mut().for_each(|event| self.number(event));
        late
    }

    fn event(&mut self, body: Body) -> Event {
        let ts = Some(TsUs::from_ms(self.ms));
        let recv = TsNs::from_ms(self.ms + 12);
        Event { row_id: 0, recv, ts, market: MarketId(0), sid: 1, seq: 0, body }
    }

    fn number(&mut self, event: &mut Event) {
        self.row += 1;
        event.row_id = self.row;
        event.recv = TsNs::from_ms(self.ms + 12);
    }

    fn qty(&mut self) -> Qty {
        // Few sizes, so that keys collide; some fractions.
        Qty([100, 100, 200, 500, 1_000, 137, 2_500][self.rng.below(7) as usize])
    }

    fn bid(&mut self, facts: &mut Vec<Fact>) {
        let side = if self.rng.below(2) == 0 { Side::Yes } else { Side::No };
        let worth = if side == Side::Yes { self.mid_cents } else { 100 - self.mid_cents };
        let cents = (worth - self.rng.below(5) as i64).clamp(1, 99);
        let price = Price::new(cents * 100).expect("in range");
        let qty = self.qty();
        let order = Incoming { side, price, qty, rest: Rest::Keep, owner: None };
        let placed = self.exchange.place(order, facts).expect("a possible order");
        if placed.left > Qty::ZERO {
            self.ids.push(placed.id);
        }
    }

    fn withdraw(&mut self, facts: &mut Vec<Fact>) {
        if self.ids.is_empty() {
            return;
        }
        let at = self.rng.below(self.ids.len() as u64) as usize;
        let id = self.ids[at];
        if self.rng.below(4) == 0 {
            self.exchange.reduce(id, Qty(100), facts);
        } else {
            self.exchange.cancel(id, facts);
        }
        if self.exchange.order(id).is_none() {
            self.ids.swap_remove(at);
        }
    }

    fn take(&mut self, facts: &mut Vec<Fact>) {
        let side = if self.rng.below(2) == 0 { Side::Yes } else { Side::No };
        let touch = self.exchange.touch();
        let price = match side {
            Side::Yes => touch.ask.map(|ask| ask.0),
            Side::No => touch.bid.map(|bid| bid.0.complement()),
        };
        let Some(price) = price else { return };
        let qty = Qty(self.qty().0 * (1 + self.rng.below(3) as i64));
        let order = Incoming { side, price, qty, rest: Rest::Drop, owner: None };
        self.exchange.place(order, facts).expect("a possible order");
    }
}
