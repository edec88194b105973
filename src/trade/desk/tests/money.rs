//! Whatever is late, the desk never thinks that it has more to spend, or less at stake, than is so.

use super::*;
use crate::trade::message::FillFact;
use proptest::prelude::*;

/// An order at the exchange.
struct Taken {
    id: ClientId,
    order_id: String,
    side: BookSide,
    price: Price,
    left: Qty,
}

/// The exchange's side: cash, positions at their cost, orders; and reports that are on their way.
#[derive(Default)]
struct Exchange {
    free: Money,
    held: Qty,
    cost: Money,
    taken: Vec<Taken>,
    on_the_way: Vec<Wish>,
    reports: Vec<Report>,
    trades: u64,
}

/// A submit that the exchange has not seen.
struct Wish {
    id: ClientId,
    side: BookSide,
    price: Price,
    count: Qty,
}

impl Exchange {
    fn take(&mut self, at: usize, now: TsNs) {
        let Wish { id, side, price, count } = self.on_the_way.remove(at);
        self.free -= side.own_price(price).times(count);
        let order_id = format!("X{id}");
        let view = View {
            order_id: order_id.clone(),
            filled: Some(Qty::ZERO),
            left: count,
            taken_off: None,
            price: Some(price),
            over: None,
            at_ms: now.ms(),
        };
        let (to, answer) = (Request::Submit, Answer::Done(view));
        self.reports.push(Report::Answer { id: id.clone(), to, answer });
        self.taken.push(Taken { id, order_id, side, price, left: count });
    }

    /// Half of what is left trades, at the limit; what is held on the other side is closed first.
    fn trade(&mut self, at: usize, now: TsNs) {
        let order = &mut self.taken[at];
        let qty = Qty((order.left.0 + 1) / 2);
        order.left -= qty;
        let signed = if order.side == BookSide::Bid { qty } else { -qty };
        let closes = if self.held.0.signum() * signed.0.signum() < 0 {
            qty.0.min(self.held.0.abs())
        } else {
            0
        };
        let own = order.side.own_price(order.price);
        // The contracts that close give a dollar back with what they are closed against.
        self.free += Price::ONE.times(Qty(closes));
        if closes > 0 {
            self.cost = Money(self.cost.0 - self.cost.0 * closes / self.held.0.abs());
        }
        self.cost += own.times(Qty(qty.0 - closes));
        self.held += signed;
        self.trades += 1;
        let fill = FillFact {
            trade_id: format!("T{}", self.trades),
            order_id: order.order_id.clone(),
            client_id: Some(order.id.to_string()),
            ticker: TICKER.into(),
            side: order.side.outcome(),
            yes_price: order.price,
            qty,
            fee: Some(Money::ZERO),
            is_taker: false,
            at_ms: now.ms(),
        };
        self.reports.push(Report::Fill(fill));
        self.taken.retain(|order| order.left > Qty::ZERO);
    }

    fn cancel(&mut self, at: usize, now: TsNs) {
        let order = self.taken.remove(at);
        self.free += order.side.own_price(order.price).times(order.left);
        let view = View { filled: None, ..View::of_cancel(&order.order_id, order.left, now.ms()) };
        self.reports.push(Report::Order { id: order.id, view });
    }

    fn kept(&self) -> Money {
        let taken = self.taken.iter().map(|o| o.side.own_price(o.price).times(o.left));
        taken.fold(Money::ZERO, |sum, cost| sum + cost)
    }

    fn coming(&self) -> Money {
        let coming = self.on_the_way.iter().map(|w| w.side.own_price(w.price).times(w.count));
        coming.fold(Money::ZERO, |sum, cost| sum + cost)
    }

    fn truth(&self, asked: TsNs) -> Truth {
        let held = MarketPosition { position_fp: self.held, ..position(0, self.cost) };
        Truth { asked, balance: self.free, positions: vec![held], ..Truth::default() }
    }
}

proptest! {
    #[test]
    fn the_desk_is_never_richer_than_the_account(
        steps in prop::collection::vec((0u8..8, 1i64..100, 1i64..40, any::<bool>(), 0usize..64), 1..200),
    ) {
        let limits = Limits {
            throttle_ms: 0,
            orders_per_minute_max: u32::MAX,
            exposure_max: Money::dollars(100_000),
            position_max: Qty::contracts(100_000),
            stale_book_ms: i64::MAX / 2_000_000,
            ..Limits::default()
        };
        let mut table = Table::open(DeskSpec { limits, ..spec() }, 300);
        let mut exchange = Exchange { free: Money::dollars(300), ..Exchange::default() };
        let mut asked: Option<TsNs> = None;
        for (number, (kind, cents, contracts, yes, pick)) in steps.into_iter().enumerate() {
            table.now = TsNs(table.now.0 + 10_000_000);
            let now = table.now;
            let at = |n: usize| (n > 0).then(|| pick % n);
            match kind {
                0 | 1 => {
                    let Ask::Place(placed) = buy(number as u64, cents * 100, contracts) else { unreachable!() };
                    let side = if yes { Side::Yes } else { Side::No };
                    let intent = Intent { side, verb: Verb::Buy };
                    table.ask(Ask::Place(Placed { intent, ..placed }));
                }
                2 => if let Some(at) = at(exchange.on_the_way.len()) {
                    exchange.take(at, now);
                }
                3 => if let Some(at) = at(exchange.taken.len()) {
                    exchange.trade(at, now);
                }
                4 => if let Some(at) = at(exchange.taken.len()) {
                    exchange.cancel(at, now);
                }
                5 => if let Some(at) = at(exchange.reports.len()) {
                    let report = exchange.reports.remove(at);
                    table.desk.report(report, now, &mut table.acts);
                }
                6 if asked.is_none() => {
                    table.desk.look_again(now);
                    table.desk.tick(now, &mut table.acts);
                    asked = table.acts.iter().find_map(|act| match act {
                        Act::Read { asked, .. } => Some(*asked),
                        _ => None,
                    });
                }
                _ => if let Some(asked) = asked.take() {
                    table.desk.read(&exchange.truth(asked), now, &mut table.acts);
                }
            }
            for command in table.commands() {
                if let Command::Submit { id, order } = command {
                    let (side, price, count) = (order.side, order.price, order.count);
                    exchange.on_the_way.push(Wish { id, side, price, count });
                }
            }
            let cash = table.desk.funds.cash(&table.desk.blotter, &table.desk.fees);
            prop_assert!(cash <= exchange.free - exchange.coming(), "spends what is not there");
            let at_stake = exchange.cost + exchange.kept() + exchange.coming();
            prop_assert!(table.desk.funds.exposure(&table.desk.blotter) >= at_stake, "overlooks a stake");
        }
    }
}
