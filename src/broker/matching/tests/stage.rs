//! A matcher at a short tape that a test tells event by event. Prices in cents, sizes in contracts.

use crate::book::Book;
use crate::broker::matching::{Bound, End, Matcher, NewOrder, OrderId, Reports, Rules, State};
use crate::broker::{Exponent, FeeSchedule, Intent, Latency, QueueModel, Verb};
use crate::event::{Body, Delta, Event, MarketId, Snapshot, Trade};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use crate::wire::orders::{SelfTradePrevention, TimeInForce};

/// A matcher at a tape: every event is one row and one millisecond.
pub(super) struct Stage {
    pub(super) book: Book,
    pub(super) matcher: Matcher,
    row: u64,
    pub(super) out: Reports,
}

pub(super) fn cents(cents: i64) -> Price {
    Price::new(cents * 100).expect("in range")
}

pub(super) fn buy_yes(price: i64, contracts: i64) -> NewOrder {
    NewOrder {
        intent: Intent { side: Side::Yes, verb: Verb::Buy },
        price: cents(price),
        qty: Qty::contracts(contracts),
        time_in_force: TimeInForce::GoodTillCanceled,
        expires: None,
        post_only: false,
        reduce_only: false,
        self_trade: SelfTradePrevention::TakerAtCross,
    }
}

pub(super) fn sell_yes(price: i64, contracts: i64) -> NewOrder {
    let intent = Intent { side: Side::Yes, verb: Verb::Sell };
    NewOrder { intent, ..buy_yes(price, contracts) }
}

pub(super) fn immediate(order: NewOrder) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::ImmediateOrCancel, ..order }
}

/// YES bids 40x10 39x20, YES asks 43x5 45x10; the fitted queue is the uniform one.
pub(super) fn stage(latency: Latency) -> Stage {
    let fees = FeeSchedule { taker_k_e4: 0, ..FeeSchedule::default() };
    let fitted = QueueModel::Power(Exponent::ONE);
    let rules = Rules { latency, fees, fitted, counts: Bound::Fitted, ..Rules::default() };
    let matcher = Matcher::new(rules, Rng::stream(1, "stage", 0));
    let mut stage = Stage { book: Book::default(), matcher, row: 0, out: Reports::default() };
    stage.snapshot(&[(40, 10), (39, 20)], &[(57, 5), (55, 10)]);
    stage
}

impl Stage {
    pub(super) fn now(&self) -> TsNs {
        TsNs::from_ms(self.row as i64)
    }

    pub(super) fn event(&mut self, ms: i64, body: Body) {
        self.row += 1;
        let (recv, ts) = (self.now(), Some(TsUs::from_ms(ms)));
        let market = MarketId(0);
        let event = Event { row_id: self.row, recv, ts, market, sid: 1, seq: self.row, body };
        self.matcher.on_event(&event, &mut self.book, &mut self.out).expect("a possible tape");
    }

    pub(super) fn delta(&mut self, side: Side, price: i64, contracts: i64) -> u64 {
        let ms = self.row as i64 + 1;
        self.delta_at(ms, side, price, contracts)
    }

    pub(super) fn delta_at(&mut self, ms: i64, side: Side, price: i64, contracts: i64) -> u64 {
        let (price, qty) = (cents(price), Qty::contracts(contracts));
        self.event(ms, Body::Delta(Delta { side, price, qty }));
        self.row
    }

    pub(super) fn trade_at(&mut self, ms: i64, taker: Side, yes_price: i64, contracts: i64) -> u64 {
        let (yes_price, qty) = (cents(yes_price), Qty::contracts(contracts));
        let trade = Trade { taker, yes_price, qty, block: None, id: [0; 16] };
        self.event(ms, Body::Trade(Box::new(trade)));
        self.row
    }

    /// A taker sells YES into the bid: the decrease and then its trade. Returns the decrease's row.
    pub(super) fn sold(&mut self, price: i64, contracts: i64) -> u64 {
        let row = self.delta(Side::Yes, price, -contracts);
        self.trade_at(row as i64, Side::No, price, contracts);
        row
    }

    pub(super) fn snapshot(&mut self, yes: &[(i64, i64)], no: &[(i64, i64)]) {
        let levels = |side: &[(i64, i64)]| {
            side.iter().map(|(p, q)| (cents(*p), Qty::contracts(*q))).collect()
        };
        let ms = self.row as i64 + 1;
        let snapshot = Snapshot { yes: levels(yes), no: levels(no) };
        self.event(ms, Body::Snapshot(Box::new(snapshot)));
    }

    pub(super) fn quiet(&mut self, rows: u64) {
        for _ in 0..rows {
            self.delta(Side::No, 20, 1);
        }
    }

    pub(super) fn submit(&mut self, id: u64, order: NewOrder) {
        let at = self.now();
        self.matcher.submit(OrderId(id), order, at).expect("sent");
        self.matcher.advance(at, &self.book, &mut self.out);
    }

    pub(super) fn ahead(&self, id: u64) -> [i64; 3] {
        self.matcher.ahead(OrderId(id)).expect("working").0.map(|q| q.e2() / 100)
    }

    /// Contracts filled so far by queue.
    pub(super) fn filled(&self, id: u64) -> [i64; 3] {
        let fills = self.out.fills.iter().filter(|f| f.order == OrderId(id));
        fills.fold([0; 3], |sum, f| std::array::from_fn(|i| sum[i] + f.qty.0[i].e2() / 100))
    }

    pub(super) fn last_state(&self, id: u64) -> State {
        let update = self.out.updates.iter().rev().find(|u| u.order == OrderId(id));
        update.expect("an update").state
    }

    #[track_caller]
    pub(super) fn ended(&self, id: u64, why: End, left: i64) {
        let want = State::Ended { why, left: Qty::contracts(left) };
        assert_eq!(self.last_state(id), want);
    }
}
