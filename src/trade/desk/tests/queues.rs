//! Places in the queue are asked for while something rests, and written down only when they are known to be true.

use super::*;
use crate::wire::portfolio::QueuePosition;
use std::time::Duration;

impl Table {
    /// Waits so long in small steps; how often it was asked where orders stand.
    fn asks_within_ms(&mut self, ms: i64) -> usize {
        self.acts.clear();
        (0..ms / 50).for_each(|_| self.wait_ms(50));
        let asked = |act: &&Act| matches!(act, Act::LookAtQueues { .. });
        self.acts.iter().filter(asked).count()
    }

    /// Answers after `took_ms` that order `number` stands behind so many contracts; what was written down.
    fn answer(&mut self, number: u64, contracts: i64, took_ms: u64) -> Vec<QueueLine> {
        let place = QueuePosition {
            order_id: format!("X{number}"),
            market_ticker: TICKER.into(),
            queue_position_fp: Qty::contracts(contracts),
        };
        let took = Duration::from_millis(took_ms);
        self.acts.clear();
        self.desk.queues(Ok(QueueAnswer { places: vec![place], took }), self.now, &mut self.acts);
        let places =
            self.acts.iter().filter_map(|a| if let Act::Stands(p) = a { Some(p) } else { None });
        places.cloned().collect()
    }

    fn is_noted(&self) -> bool {
        matches!(self.acts[..], [Act::Write(Entry::QueuesUnread { .. })])
    }
}

#[test]
fn places_are_asked_for_once_a_second_while_something_rests() {
    let mut table = Table::open(spec(), 100);
    assert_eq!(table.asks_within_ms(3_000), 0, "nothing rests");
    let id = table.rest(1, 4_000, 3);
    assert_eq!(table.asks_within_ms(3_000), 1, "the answer is awaited");
    let tickers = vec![TICKER.to_owned()];
    assert!(table.acts.contains(&Act::LookAtQueues { tickers }));
    table.now = TsNs::from_ms(NOW.ms() + 60_000);
    let line = QueueLine {
        ts: "2026-11-21T15:00:59.95Z".into(),
        order_id: "X1".into(),
        ticker: TICKER.into(),
        side: Side::Yes,
        price: price(4_000),
        queue_position_fp: Qty::contracts(7),
        remaining_count_fp: Qty::contracts(3),
    };
    assert_eq!(table.answer(1, 7, 100), [line]);
    assert_eq!(table.asks_within_ms(500), 1);
    table.answer(1, 7, 10);
    assert_eq!(table.asks_within_ms(400), 0, "a second has not passed");

    table.ask(Ask::Cancel { number: 1 });
    table.cancelled(&id, 1, 3);
    assert_eq!(table.asks_within_ms(3_000), 0, "nothing rests any more");
}

#[test]
fn a_place_that_may_not_be_true_any_more_is_not_written_down() {
    let mut table = Table::open(spec(), 100);
    let id = table.rest(1, 4_000, 3);
    assert_eq!(table.asks_within_ms(1_000), 1);
    assert_eq!(table.answer(1, 7, 501), []);
    assert!(table.is_noted(), "{:?}", table.acts);
    assert_eq!(table.asks_within_ms(1_000), 1);
    assert_eq!(table.answer(2, 7, 1), [], "no order of ours");
    assert_eq!(table.asks_within_ms(1_000), 1);
    table.acts.clear();
    table.desk.queues(Err("429".into()), table.now, &mut table.acts);
    assert!(table.is_noted(), "{:?}", table.acts);
    assert_eq!(table.asks_within_ms(1_000), 1, "a failure is noted and no more");

    table.ask(Ask::Change { number: 1, change: Change::Decrease { to: Qty::contracts(2) } });
    assert_eq!(table.answer(1, 7, 1), [], "it is being changed");
    let view = View { left: Qty::contracts(2), ..view(1, table.now) };
    let to = Request::Change(Change::Decrease { to: Qty::contracts(2) });
    let report = Report::Answer { id, to, answer: Answer::Done(view) };
    table.desk.report(report, table.now, &mut table.acts);
    assert_eq!(table.asks_within_ms(1_000), 1);
    assert_eq!(table.answer(1, 6, 1)[0].remaining_count_fp, Qty::contracts(2));
}

#[test]
fn the_queues_of_one_exchange_are_not_written_down_beside_the_books_of_another() {
    let mut table = Table::open(DeskSpec { own_markets: false, ..spec() }, 100);
    table.rest(1, 4_000, 3);
    assert_eq!(table.asks_within_ms(3_000), 0);
}

/// As the exchange says that it rests.
fn view(number: u64, now: TsNs) -> View {
    View {
        order_id: format!("X{number}"),
        filled: Some(Qty::ZERO),
        left: Qty::contracts(3),
        taken_off: None,
        price: Some(price(4_000)),
        over: None,
        at_ms: now.ms(),
    }
}
