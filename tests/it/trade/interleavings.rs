//! R19: an order's life in every order of events. A small exchange knows the truth; requests and reports travel
//! between it and the blotter and may be delivered in any order, lost, doubled or cut off by a crash. From every
//! state that can be reached so, the world is let come to rest, and then the blotter knows the truth.

use crate::faults::{survived, times};
use kalshiflow::event::SessionId;
use kalshiflow::feed::rest::Refusal;
use kalshiflow::trade::blotter::{Blotter, Effect, State};
use kalshiflow::trade::message::{
    Answer, Change, ClientId, Command, FillFact, Found, Over, Report, Request, Truth, View, Wanted,
};
use kalshiflow::units::{Money, Price, Qty, Side, TsNs};
use kalshiflow::wire::orders::{BookSide, TimeInForce};
use kalshiflow::wire::portfolio::{FillRow, MarketPosition, OrderState, OrderStatus, UpdateReason};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

const TICKER: &str = "KX-A";
const COUNT: Qty = Qty::contracts(4);
/// Each of the trades that may happen.
const PART: Qty = Qty::contracts(2);

fn price() -> Price {
    Price::new(4_000).unwrap()
}

/// The exchange's side of one order.
#[derive(Clone, Debug, Default)]
struct Exchange {
    /// Client id, contracts filled, contracts left, how it ended.
    order: Option<(ClientId, Qty, Qty, Option<Over>)>,
    fills: Vec<FillFact>,
    clock_ms: i64,
}

impl Exchange {
    fn view(&self) -> Option<View> {
        let (_, filled, left, over) = self.order.clone()?;
        let (order_id, at_ms) = ("X".to_owned(), self.clock_ms);
        let filled = Some(filled);
        Some(View { order_id, filled, left, taken_off: None, price: Some(price()), over, at_ms })
    }

    fn trade(&mut self) -> Option<FillFact> {
        let (id, filled, left, over) = self.order.as_mut().filter(|o| o.3.is_none())?;
        self.clock_ms += 1;
        let qty = PART.min(*left);
        (*filled, *left) = (*filled + qty, *left - qty);
        if *left == Qty::ZERO {
            *over = Some(Over::Executed);
        }
        let fill = FillFact {
            trade_id: format!("T{}", self.fills.len()),
            order_id: "X".into(),
            client_id: None,
            ticker: TICKER.into(),
            side: Side::Yes,
            yes_price: price(),
            qty,
            fee: Some(Money::ZERO),
            is_taker: false,
            at_ms: self.clock_ms,
        };
        self.fills.push(fill.clone());
        let client_id = Some(id.as_str().to_owned());
        Some(FillFact { client_id, ..fill })
    }

    fn take(&mut self, command: &Command) -> Report {
        self.clock_ms += 1;
        match command {
            Command::Submit { id, .. } => {
                let answer = match self.order {
                    Some(_) => Answer::Refused(Refusal::AlreadyExists),
                    None => {
                        self.order = Some((id.clone(), Qty::ZERO, COUNT, None));
                        Answer::Done(self.view().unwrap())
                    }
                };
                Report::Answer { id: id.clone(), to: Request::Submit, answer }
            }
            Command::Change { id, change, .. } => {
                let (to, answer) = (Request::Change(*change), self.change(*change));
                Report::Answer { id: id.clone(), to, answer }
            }
            Command::Query { id, .. } => {
                let own = self.order.as_ref().is_some_and(|order| order.0 == *id);
                let found = match self.view().filter(|_| own) {
                    Some(view) => Found::Order(view, self.fills.clone()),
                    None => Found::Nothing,
                };
                Report::Queried { id: id.clone(), found }
            }
            Command::CancelOrphan { order_id } => {
                self.change(Change::Cancel);
                Report::OrphanCancelled { order_id: order_id.clone() }
            }
        }
    }

    fn change(&mut self, change: Change) -> Answer {
        let Some((_, filled, left, over)) = self.order.as_mut().filter(|o| o.3.is_none()) else {
            return Answer::Refused(Refusal::NotFound);
        };
        let at_ms = self.clock_ms;
        match change {
            Change::Cancel => {
                let taken_off = std::mem::take(left);
                *over = Some(Over::Cancelled(Some(UpdateReason::Decrease)));
                Answer::Done(View::of_cancel("X", taken_off, at_ms))
            }
            Change::Decrease { to } => {
                *left = to.min(*left);
                let view = View { filled: None, price: None, ..self.view().unwrap() };
                Answer::Done(view)
            }
            Change::Amend { count, .. } if count <= *filled => {
                Answer::Refused(Refusal::Invalid("count must exceed what is filled".into()))
            }
            Change::Amend { count, .. } => {
                *left = count - *filled;
                Answer::Done(self.view().unwrap())
            }
        }
    }

    /// What a reconciliation reads.
    fn truth(&self, asked: TsNs) -> Truth {
        let position: Qty = self.fills.iter().fold(Qty::ZERO, |sum, fill| sum + fill.qty);
        let resting = self.order.iter().filter(|order| order.3.is_none());
        Truth {
            asked,
            resting: resting.map(|(id, filled, left, _)| self.row(id, *filled, *left)).collect(),
            fills: self.fills.iter().map(fill_row).collect(),
            positions: vec![MarketPosition {
                ticker: TICKER.into(),
                position_fp: position,
                market_exposure_dollars: Money::ZERO,
                total_traded_dollars: Money::ZERO,
                realized_pnl_dollars: Money::ZERO,
                fees_paid_dollars: Money::ZERO,
                resting_orders_count: 0,
                last_updated_ts: String::new(),
            }],
            balance: Money::ZERO,
        }
    }

    fn row(&self, id: &ClientId, filled: Qty, left: Qty) -> OrderState {
        OrderState {
            order_id: "X".into(),
            user_id: String::new(),
            ticker: TICKER.into(),
            client_order_id: Some(id.as_str().into()),
            status: OrderStatus::Resting,
            outcome_side: Side::Yes,
            book_side: BookSide::Bid,
            yes_price_dollars: price(),
            initial_count_fp: COUNT,
            fill_count_fp: filled,
            remaining_count_fp: left,
            taker_fill_cost_dollars: Money::ZERO,
            maker_fill_cost_dollars: Money::ZERO,
            taker_fees_dollars: Money::ZERO,
            maker_fees_dollars: Money::ZERO,
            self_trade_prevention_type: None,
            last_update_reason: None,
            created_time: "1970-01-01T00:00:00Z".into(),
            expiration_time: None,
            last_update_time: None,
            created_ts_ms: None,
            expiration_ts_ms: None,
            last_updated_ts_ms: Some(self.clock_ms),
            exchange_index: 0,
            subaccount_number: None,
        }
    }
}

fn fill_row(fill: &FillFact) -> FillRow {
    FillRow {
        trade_id: fill.trade_id.clone(),
        order_id: fill.order_id.clone(),
        ticker: fill.ticker.clone(),
        is_taker: fill.is_taker,
        outcome_side: fill.side,
        book_side: BookSide::Bid,
        yes_price_dollars: fill.yes_price,
        no_price_dollars: fill.yes_price.complement(),
        count_fp: fill.qty,
        fee_cost: Money::ZERO,
        created_time: format!("1970-01-01T00:00:00.{:03}Z", fill.at_ms),
        ts: 0,
    }
}

/// What may still go wrong, and what our side may still ask for.
#[derive(Clone, Debug)]
struct Budget {
    /// Messages that may be lost or doubled.
    faults: u8,
    trades: u8,
    crashes: u8,
    changes: Vec<Change>,
}

/// Both sides and everything on its way between them.
#[derive(Clone, Debug)]
struct World {
    blotter: Blotter,
    id: ClientId,
    exchange: Exchange,
    asked: Vec<Command>,
    told: Vec<Report>,
    now: TsNs,
    budget: Budget,
    submits: u32,
    filled: Vec<String>,
    crashed: bool,
    unwanted: bool,
}

impl World {
    fn new(budget: Budget) -> World {
        let mut blotter = Blotter::new(SessionId([1; 16]));
        let wanted = Wanted {
            ticker: TICKER.into(),
            side: BookSide::Bid,
            price: price(),
            count: COUNT,
            time_in_force: TimeInForce::GoodTillCanceled,
            post_only: false,
            reduce_only: false,
            expires_s: None,
        };
        let (mut effects, now) = (Vec::new(), TsNs::from_ms(1_000_000));
        assert_eq!(blotter.reconcile(&Exchange::default().truth(now), now, &mut effects), []);
        let id = blotter.submit(wanted, now, &mut effects);
        let mut world = World {
            blotter,
            id,
            exchange: Exchange::default(),
            asked: Vec::new(),
            told: Vec::new(),
            now,
            budget,
            submits: 0,
            filled: Vec::new(),
            crashed: false,
            unwanted: false,
        };
        world.follow(effects);
        world
    }

    fn follow(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Do(command) => {
                    self.submits += u32::from(matches!(command, Command::Submit { .. }));
                    self.asked.push(command);
                }
                Effect::Filled { fill, .. } => {
                    assert!(!self.filled.contains(&fill.trade_id), "a fill counts once");
                    self.filled.push(fill.trade_id);
                }
                Effect::Ended { .. } | Effect::Settled { .. } => {}
            }
        }
        assert!(self.submits <= 1, "an order is submitted once");
    }

    fn hear(&mut self, report: Report) {
        let mut effects = Vec::new();
        self.blotter.hear(report, self.now, &mut effects);
        self.follow(effects);
    }

    fn tick(&mut self) -> bool {
        let Some(at) = self.blotter.next_tick() else { return false };
        let unknown = |blotter: &Blotter| {
            blotter.order(&self.id).is_some_and(|order| order.state() == State::Unknown)
        };
        let was_unknown = unknown(&self.blotter);
        let mut effects = Vec::new();
        self.now = self.now.max(at);
        self.blotter.tick(self.now, &mut effects);
        assert!(!was_unknown || unknown(&self.blotter), "time alone resolves nothing");
        self.follow(effects);
        true
    }

    /// Every world that one event makes of this one.
    fn next(&self) -> Vec<World> {
        let mut worlds = Vec::new();
        let mut with = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            worlds.push(world);
        };
        for at in 0..self.asked.len() {
            with(&|w| {
                let command = w.asked.remove(at);
                let report = w.exchange.take(&command);
                w.told.push(report);
            });
            if self.budget.faults > 0 {
                // Lost on the way there, or given up while still on the way there.
                with(&|w| {
                    w.budget.faults -= 1;
                    let command = w.asked.remove(at);
                    w.told.push(silence(&command));
                });
                with(&|w| {
                    w.budget.faults -= 1;
                    let silence = silence(&w.asked[at]);
                    w.told.push(silence);
                });
            }
        }
        for at in 0..self.told.len() {
            with(&|w| {
                let report = w.told.remove(at);
                w.hear(report);
            });
            if self.budget.faults > 0 {
                with(&|w| {
                    w.budget.faults -= 1;
                    let lost = w.told.remove(at);
                    w.told.extend(lost_reply(lost));
                });
            }
            if self.budget.faults > 0 {
                with(&|w| {
                    w.budget.faults -= 1;
                    w.told.push(w.told[at].clone());
                });
            }
        }
        if self.budget.trades > 0 && self.exchange.order.as_ref().is_some_and(|o| o.3.is_none()) {
            with(&|w| {
                w.budget.trades -= 1;
                let fill = w.exchange.trade();
                w.told.extend(fill.map(Report::Fill));
            });
        }
        if self.budget.crashes > 0 {
            with(&|w| w.crash());
        }
        if let (false, Some(change)) = (self.crashed, self.budget.changes.first().copied()) {
            with(&|w| w.ask(change));
        }
        if self.blotter.next_tick().is_some() {
            with(&|w| {
                w.tick();
            });
        }
        worlds
    }

    fn ask(&mut self, change: Change) {
        self.budget.changes.remove(0);
        let mut effects = Vec::new();
        match change {
            Change::Cancel => {
                self.unwanted = true;
                self.blotter.cancel(&self.id, self.now, &mut effects).unwrap();
            }
            // It may be too early or too late for it, which is a value and no accident.
            other => drop(self.blotter.change(&self.id, other, &mut effects)),
        }
        self.follow(effects);
    }

    /// The process dies and another one starts: nothing that was told to the first is told to the second.
    fn crash(&mut self) {
        self.budget.crashes -= 1;
        self.blotter = Blotter::new(SessionId([2; 16]));
        self.told.clear();
        (self.crashed, self.unwanted) = (true, true);
        self.filled.clear();
    }

    /// Nothing goes wrong any more: everything arrives, time passes, and the lists are compared.
    fn come_to_rest(mut self) {
        let mut differences = Vec::new();
        for _ in 0..5 {
            while !self.asked.is_empty() || !self.told.is_empty() || self.tick() {
                for command in std::mem::take(&mut self.asked) {
                    let report = self.exchange.take(&command);
                    self.hear(report);
                }
                for report in std::mem::take(&mut self.told) {
                    self.hear(report);
                }
            }
            self.now = TsNs(self.now.0 + 60_000_000_000);
            let mut effects = Vec::new();
            let truth = self.exchange.truth(self.now);
            differences = self.blotter.reconcile(&truth, self.now, &mut effects);
            self.follow(effects);
        }
        assert_eq!(differences, [], "the blotter knows the truth");
        self.check();
    }

    fn check(&self) {
        let bought = self.exchange.fills.iter().fold(Qty::ZERO, |sum, fill| sum + fill.qty);
        assert_eq!(self.blotter.position(TICKER), bought, "position");
        let truth = self.exchange.order.as_ref();
        if self.unwanted {
            assert!(truth.is_none_or(|order| order.3.is_some()), "what is unwanted rests no more");
        }
        if self.crashed {
            return;
        }
        let order = self.blotter.order(&self.id).unwrap();
        let state = match truth {
            None => State::Rejected,
            Some((_, _, _, Some(Over::Executed))) => State::Filled,
            Some((_, _, _, Some(Over::Cancelled(_)))) => State::Cancelled,
            Some((_, Qty::ZERO, _, None)) => State::Resting,
            Some((_, _, _, None)) => State::Part,
        };
        let (filled, left) = truth.map_or((Qty::ZERO, COUNT), |order| (order.1, order.2));
        assert_eq!((order.state(), order.filled(), order.left()), (state, filled, left));
        assert_eq!(self.filled.len(), self.exchange.fills.len(), "each fill was told once");
        assert_eq!(order.is_settled(), state.is_over());
    }

    /// The same for worlds that differ in nothing but the order in which messages were sent.
    fn print(&self) -> u64 {
        let mut messages: Vec<_> = self.told.iter().map(|report| format!("{report:?}")).collect();
        messages.extend(self.asked.iter().map(|command| format!("{command:?}")));
        messages.sort_unstable();
        let rest = World { told: Vec::new(), asked: Vec::new(), ..self.clone() };
        let mut hasher = DefaultHasher::new();
        (messages, format!("{rest:?}")).hash(&mut hasher);
        hasher.finish()
    }
}

/// What a gateway says that got no answer.
fn silence(command: &Command) -> Report {
    let why = || "no answer".to_owned();
    match command {
        Command::Submit { id, .. } => {
            let (id, to) = (id.clone(), Request::Submit);
            Report::Answer { id, to, answer: Answer::Unknown(why()) }
        }
        Command::Change { id, change, .. } => {
            let (id, to) = (id.clone(), Request::Change(*change));
            Report::Answer { id, to, answer: Answer::Unknown(why()) }
        }
        Command::Query { id, .. } => {
            Report::Queried { id: id.clone(), found: Found::Unknown(why()) }
        }
        Command::CancelOrphan { order_id } => {
            Report::OrphanCancelled { order_id: order_id.clone() }
        }
    }
}

/// A reply that is lost is silence; a lost message that nobody waits for is nothing.
fn lost_reply(report: Report) -> Option<Report> {
    match report {
        Report::Answer { id, to, .. } => {
            Some(Report::Answer { id, to, answer: Answer::Unknown("lost".into()) })
        }
        Report::Queried { id, .. } => {
            Some(Report::Queried { id, found: Found::Unknown("lost".into()) })
        }
        _ => None,
    }
}

/// Visits every world that can follow and was not seen yet.
fn explore(world: World, seen: &mut HashSet<u64>) {
    for next in world.next() {
        if seen.insert(next.print()) {
            explore(next, seen);
        }
    }
    world.come_to_rest();
}

#[test]
fn an_order_is_known_truly_whatever_is_lost_doubled_late_or_cut_off() {
    let budget = |changes: &[Change], crashes| Budget {
        // Two changes and one fault are a hundred thousand worlds; with two faults they are too many.
        faults: if changes.len() < 2 { times(1, 2) as u8 } else { 1 },
        trades: 2,
        crashes,
        changes: changes.to_vec(),
    };
    let decrease = Change::Decrease { to: Qty::contracts(1) };
    let amend = Change::Amend { price: price(), count: Qty::contracts(6) };
    let mut n = 0;
    for changes in [&[][..], &[Change::Cancel], &[decrease, Change::Cancel], &[amend]] {
        for crashes in [0, 1] {
            let mut seen = HashSet::new();
            explore(World::new(budget(changes, crashes)), &mut seen);
            n += seen.len() as u64;
        }
    }
    assert!(n > 10_000, "{n}");
    survived(
        "R19",
        "order events in every order, each lost, doubled or cut off by a crash",
        n,
        n,
        0,
    );
}
