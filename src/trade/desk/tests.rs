mod money;
mod queues;

use super::*;
use crate::broker::Verb;
use crate::trade::message::{Answer, Change, Command, Request, View};
use crate::trade::risk::Refused;
use crate::units::{Price, Side, TsUs};
use crate::wire::orders::{BookSide, TimeInForce};
use crate::wire::portfolio::MarketPosition;

const NOW: TsNs = TsNs::from_ms(1_795_273_200_000);
const TICKER: &str = "KX-A";

fn price(e4: i64) -> Price {
    Price::new(e4).unwrap()
}

fn spec() -> DeskSpec {
    DeskSpec {
        run: SessionId([1; 16]),
        account: "sim".into(),
        limits: Limits { throttle_ms: 0, ..Limits::default() },
        fees: MarketFees::default(),
        tripped: None,
        day: None,
        own_markets: true,
    }
}

fn buy(number: u64, e4: i64, contracts: i64) -> Ask {
    Ask::Place(Placed {
        number,
        row_id: number,
        ticker: TICKER.into(),
        intent: Intent { side: Side::Yes, verb: Verb::Buy },
        price: price(e4),
        qty: Qty::contracts(contracts),
        time_in_force: TimeInForce::GoodTillCanceled,
        post_only: false,
    })
}

fn position(contracts: i64, cost: Money) -> MarketPosition {
    MarketPosition {
        ticker: TICKER.into(),
        position_fp: Qty::contracts(contracts),
        market_exposure_dollars: cost,
        total_traded_dollars: cost,
        realized_pnl_dollars: Money::ZERO,
        fees_paid_dollars: Money::ZERO,
        resting_orders_count: 0,
        last_updated_ts: String::new(),
    }
}

fn truth(now: TsNs, dollars: i64, positions: Vec<MarketPosition>) -> Truth {
    Truth { asked: now, balance: Money::dollars(dollars), positions, ..Truth::default() }
}

/// A desk, a clock, and everything that it wanted done since the last look.
struct Table {
    desk: Desk,
    now: TsNs,
    acts: Vec<Act>,
}

impl Table {
    /// A desk that knows one market and nothing else.
    fn new(spec: DeskSpec) -> Table {
        let mut table = Table { desk: Desk::new(spec, NOW), now: NOW, acts: Vec::new() };
        table.desk.connected(NOW);
        let close = Some(TsUs::from_ms(NOW.ms() + 3_600_000));
        let info = MarketInfo { ticker: TICKER.into(), close, ..MarketInfo::default() };
        table.ask(Ask::Market(Box::new(info)));
        table.quote(Some(4_900), Some(5_100));
        table
    }

    /// One that has read an account with so many dollars.
    fn open(spec: DeskSpec, dollars: i64) -> Table {
        let mut table = Table::new(spec);
        table.read(truth(NOW, dollars, Vec::new()));
        table.acts.clear();
        table
    }

    fn ask(&mut self, ask: Ask) {
        self.desk.ask(ask, self.now, &mut self.acts);
    }

    fn quote(&mut self, bid: Option<i64>, ask: Option<i64>) {
        let (bid, ask) = (bid.map(price), ask.map(price));
        self.ask(Ask::Quote(Quote { ticker: TICKER.into(), at: self.now, whole: true, bid, ask }));
    }

    /// Reads the account, as the desk asks for when it is due.
    fn read(&mut self, truth: Truth) {
        while self.desk.read_from.is_some() {
            self.wait_ms((self.desk.next_tick().ms() - self.now.ms()).max(1));
        }
        self.acts.clear();
        self.desk.read(&Truth { asked: self.now, ..truth }, self.now, &mut self.acts);
    }

    fn wait_ms(&mut self, ms: i64) {
        self.now = TsNs(self.now.0 + ms * 1_000_000);
        self.desk.tick(self.now, &mut self.acts);
    }

    fn commands(&mut self) -> Vec<Command> {
        let acts = std::mem::take(&mut self.acts).into_iter();
        acts.filter_map(|act| if let Act::Do(command) = act { Some(command) } else { None })
            .collect()
    }

    fn refused(&mut self) -> Option<Refusal> {
        std::mem::take(&mut self.acts).into_iter().find_map(|act| match act {
            Act::Tell(Outcome::Refused { why, .. }) => Some(why),
            _ => None,
        })
    }

    /// Places an order that the exchange lets rest.
    fn rest(&mut self, number: u64, e4: i64, contracts: i64) -> ClientId {
        self.ask(buy(number, e4, contracts));
        let submitted = self.commands();
        let [Command::Submit { id, order }] = &submitted[..] else { panic!("{submitted:?}") };
        let view = View {
            order_id: format!("X{number}"),
            filled: Some(Qty::ZERO),
            left: order.count,
            taken_off: None,
            price: Some(order.price),
            over: None,
            at_ms: self.now.ms(),
        };
        let (to, answer) = (Request::Submit, Answer::Done(view));
        let report = Report::Answer { id: id.clone(), to, answer };
        self.desk.report(report, self.now, &mut self.acts);
        self.acts.clear();
        id.clone()
    }

    fn cancelled(&mut self, id: &ClientId, number: u64, contracts: i64) {
        let (to, at_ms) = (Request::Change(Change::Cancel), self.now.ms());
        let view = View::of_cancel(&format!("X{number}"), Qty::contracts(contracts), at_ms);
        let report = Report::Answer { id: id.clone(), to, answer: Answer::Done(view) };
        self.desk.report(report, self.now, &mut self.acts);
    }
}

fn cancels(commands: &[Command]) -> usize {
    let cancel = |c: &&Command| matches!(c, Command::Change { change: Change::Cancel, .. });
    commands.iter().filter(cancel).count()
}

#[test]
fn nothing_is_ordered_before_the_account_was_read_nor_when_it_cannot_be_read_any_more() {
    let mut table = Table::new(spec());
    table.ask(buy(0, 4_900, 1));
    assert_eq!(table.refused(), Some(Refusal::NotRead));
    table.read(truth(NOW, 100, Vec::new()));
    assert!(table.acts.contains(&Act::Tell(Outcome::Ready)));
    table.rest(1, 4_900, 1);
    table.wait_ms(5_000);
    table.desk.unread("no answer".into(), table.now, &mut table.acts);
    table.wait_ms(BLIND.ms());
    table.quote(Some(4_900), Some(5_100));
    table.acts.clear();
    table.ask(buy(2, 4_900, 1));
    assert_eq!(table.refused(), Some(Refusal::NotRead));
}

#[test]
fn nothing_is_ordered_before_the_account_s_own_channels_are_heard() {
    let mut table = Table::new(spec());
    table.desk = Desk::new(spec(), NOW);
    table.read(truth(NOW, 100, Vec::new()));
    assert!(!table.acts.contains(&Act::Tell(Outcome::Ready)));
    table.desk.connected(table.now);
    table.acts.clear();
    table.wait_ms(0);
    assert!(table.acts.iter().any(|act| matches!(act, Act::Read { .. })), "at once");
    table.read(truth(NOW, 100, Vec::new()));
    assert!(table.acts.contains(&Act::Tell(Outcome::Ready)));
}

#[test]
fn an_order_that_cannot_be_meant_is_refused_by_name() {
    let mut table = Table::open(spec(), 100);
    table.rest(1, 4_900, 1);
    table.ask(buy(1, 4_900, 1));
    assert_eq!(table.refused(), Some(Refusal::UsedNumber));
    let Ask::Place(mut elsewhere) = buy(2, 4_900, 1) else { unreachable!() };
    elsewhere.ticker = "KX-B".into();
    table.ask(Ask::Place(elsewhere));
    assert_eq!(table.refused(), Some(Refusal::UnknownMarket));
    table.ask(buy(3, 0, 1));
    assert_eq!(table.refused(), Some(Refusal::Risk(Refused::OffTick)));
}

#[test]
fn what_was_ordered_is_spent_until_the_exchange_says_otherwise() {
    let mut table = Table::open(spec(), 100);
    table.rest(1, 4_900, 100);
    table.ask(buy(2, 9_900, 41));
    assert_eq!(table.refused(), Some(Refusal::Risk(Refused::Position)));
    // 29.40 and 39.60 dollars, 10 of reserve: 79 would do, but for the fees.
    for (dollars, want) in [(80, Some(Refusal::Risk(Refused::CashReserve))), (81, None)] {
        let mut table = Table::open(spec(), dollars);
        table.rest(1, 4_900, 60);
        table.ask(buy(2, 9_900, 40));
        assert_eq!(table.refused(), want, "{dollars}");
    }
}

#[test]
fn a_change_passes_the_limits_and_is_told_when_it_is_answered() {
    let mut table = Table::open(spec(), 100);
    let id = table.rest(1, 4_900, 60);
    let amend = |e4, contracts| {
        let change = Change::Amend { price: price(e4), count: Qty::contracts(contracts) };
        Ask::Change { number: 1, change }
    };
    // It costs 29.40 already, which is not given back before the exchange says so.
    table.ask(amend(9_000, 80));
    let why = "cash_reserve".to_owned();
    assert!(table.acts.contains(&Act::Tell(Outcome::Unchanged { number: 1, why })));
    table.acts.clear();
    table.ask(amend(5_000, 50));
    let commands = table.commands();
    assert!(matches!(&commands[..], [Command::Change { change: Change::Amend { .. }, .. }]));
    table.ask(amend(5_000, 40));
    let why = "the order waits for an answer".to_owned();
    assert!(table.acts.contains(&Act::Tell(Outcome::Unchanged { number: 1, why })));
    table.acts.clear();
    let change = Change::Amend { price: price(5_000), count: Qty::contracts(50) };
    let view = View {
        order_id: "X1".into(),
        filled: Some(Qty::ZERO),
        left: Qty::contracts(50),
        taken_off: None,
        price: Some(price(5_000)),
        over: None,
        at_ms: table.now.ms(),
    };
    let report = Report::Answer { id, to: Request::Change(change), answer: Answer::Done(view) };
    table.desk.report(report, table.now, &mut table.acts);
    let left = Qty::contracts(50);
    let told = Act::Tell(Outcome::Changed { number: 1, price: price(5_000), left });
    assert!(table.acts.contains(&told), "{:?}", table.acts);
}

#[test]
fn a_stale_book_withdraws_what_rests_and_takes_no_more() {
    let mut table = Table::open(spec(), 100);
    table.rest(1, 4_900, 1);
    table.wait_ms(4_900);
    assert_eq!(cancels(&table.commands()), 0, "not yet");
    table.ask(Ask::Heard(table.now));
    table.wait_ms(4_900);
    assert_eq!(cancels(&table.commands()), 0, "data comes, and the book has not changed");
    table.wait_ms(200);
    assert_eq!(cancels(&table.commands()), 1);
    table.ask(buy(2, 4_900, 1));
    assert_eq!(table.refused(), Some(Refusal::Risk(Refused::StaleBook)));
}

#[test]
fn before_the_close_orders_are_cancelled_and_then_the_position_is_given_up_at_the_touch() {
    let mut table = Table::new(spec());
    table.read(truth(NOW, 100, vec![position(7, Money::dollars(3))]));
    let id = table.rest(1, 4_800, 2);
    table.now = TsNs(NOW.0 + (3_600_000 - 59_000) * 1_000_000);
    table.quote(Some(4_700), Some(5_100));
    table.wait_ms(1);
    let commands = table.commands();
    assert_eq!((cancels(&commands), commands.len()), (1, 1), "nothing else before it is gone");
    table.cancelled(&id, 1, 2);
    table.read(truth(NOW, 100, vec![position(7, Money::dollars(3))]));
    table.wait_ms(100);
    let commands = table.commands();
    let [Command::Submit { order, .. }] = &commands[..] else { panic!("{commands:?}") };
    let want = (BookSide::Ask, price(4_700), Qty::contracts(7), true);
    assert_eq!((order.side, order.price, order.count, order.reduce_only), want);
    assert_eq!(order.time_in_force, TimeInForce::ImmediateOrCancel);
    table.wait_ms(5_000);
    assert_eq!(table.commands().len(), 0, "one at a time");
}

#[test]
fn a_stop_is_latched_cancels_everything_and_also_what_turns_up_later() {
    let mut table = Table::open(spec(), 100);
    table.rest(1, 4_900, 1);
    table.ask(buy(2, 4_800, 1));
    let commands = table.commands();
    let [Command::Submit { id: late, .. }] = &commands[..] else { panic!("{commands:?}") };
    table.desk.trip(Cause::Key, "q".into(), table.now, &mut table.acts);
    assert!(
        table.acts.iter().any(|act| matches!(act, Act::Latch(trip) if trip.cause == Cause::Key))
    );
    assert_eq!(cancels(&table.commands()), 1, "the other is not known to the exchange yet");
    let view = View { left: Qty::contracts(1), ..View::of_cancel("X2", Qty::ZERO, table.now.ms()) };
    let view = View { over: None, taken_off: None, filled: Some(Qty::ZERO), ..view };
    let (to, answer) = (Request::Submit, Answer::Done(view));
    table.desk.report(Report::Answer { id: late.clone(), to, answer }, table.now, &mut table.acts);
    assert_eq!(cancels(&table.commands()), 1);
    table.ask(buy(3, 4_900, 1));
    assert_eq!(table.refused(), Some(Refusal::Risk(Refused::Tripped(Cause::Key))));

    let trip = table.desk.stopped().cloned();
    let mut again = Table::open(DeskSpec { tripped: trip, ..spec() }, 100);
    again.ask(buy(1, 4_900, 1));
    assert_eq!(again.refused(), Some(Refusal::Risk(Refused::Tripped(Cause::Key))));
}

#[test]
fn a_loss_counts_when_two_readings_show_it_and_over_a_restart() {
    let mut table = Table::open(spec(), 100);
    table.read(truth(NOW, 70, Vec::new()));
    assert_eq!(table.desk.stopped(), None, "one reading may have seen half a trade");
    table.read(truth(NOW, 100, Vec::new()));
    table.read(truth(NOW, 70, Vec::new()));
    table.read(truth(NOW, 70, Vec::new()));
    assert_eq!(table.desk.stopped().unwrap().cause, Cause::DailyLoss);

    let start = Day { number: NOW.0.div_euclid(86_400_000_000_000), start: Money::dollars(100) };
    let again = Table::open(DeskSpec { day: Some(start), ..spec() }, 70);
    assert_eq!(again.desk.stopped().unwrap().cause, Cause::DailyLoss, "seen at the first look");
    let yesterday = Day { number: start.number - 1, ..start };
    let fresh = Table::open(DeskSpec { day: Some(yesterday), ..spec() }, 70);
    assert_eq!(fresh.desk.stopped(), None);
}

#[test]
fn positions_are_worth_the_touch_and_what_rests_is_not_lost() {
    let mut table = Table::new(spec());
    table.read(truth(NOW, 60, vec![position(-20, Money::dollars(10))]));
    let equity = |acts: &[Act]| {
        acts.iter().find_map(|act| match act {
            Act::Write(Entry::Account { equity_e6, .. }) => Some(*equity_e6),
            _ => None,
        })
    };
    assert_eq!(equity(&table.acts), Some(69_800_000), "20 NO at 49 cents");
    table.quote(Some(4_900), None);
    table.read(truth(NOW, 60, vec![position(-20, Money::dollars(10))]));
    assert_eq!(equity(&table.acts), Some(69_800_000), "an empty side says nothing");
}

#[test]
fn the_end_waits_for_what_is_open_and_says_what_is_left() {
    let mut table = Table::open(spec(), 100);
    let id = table.rest(1, 4_900, 1);
    let mut left = Table { desk: table.desk.clone(), now: table.now, acts: Vec::new() };
    left.desk.end(false, left.now, &mut left.acts);
    assert!(left.desk.is_quiet(), "it may rest");
    let said = left.desk.close(left.now, &mut left.acts);
    assert!(said.len() == 1 && said[0].starts_with("KX-A: bid 1.00 at 0.4900"), "{said:?}");

    table.desk.end(true, table.now, &mut table.acts);
    assert_eq!(cancels(&table.commands()), 1);
    assert!(!table.desk.is_quiet());
    table.ask(buy(2, 4_900, 1));
    assert_eq!(table.refused(), Some(Refusal::Ending));
    table.cancelled(&id, 1, 1);
    assert!(table.desk.is_quiet());
    assert_eq!(table.desk.close(table.now, &mut table.acts), Vec::<String>::new());
}
