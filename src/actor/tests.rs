//! What a person, a desk and an exchange do to an actor between its decisions.

mod grid;
mod limits;

use super::deed::{Deed, Outcome};
use super::elsewhere::order_number;
use super::run::{Acting, Actor, ActorSpec};
use super::seat::LiveSeat;
use super::select::Choice;
use crate::broker::{Intent, Role, Verb};
use crate::config::Limits;
use crate::env::account::Request;
use crate::env::action::{HOLD, Placement};
use crate::env::{ActionSet, EnvConfig, Policy};
use crate::event::{Event, MarketId};
use crate::market::MarketInfo;
use crate::rng::Rng;
use crate::sim::tape::{Tape, TapeSpec, synthesize};
use crate::trade::desk::{self, OrderFill};
use crate::units::{Money, Price, Qty, Side, TsNs};

/// Always chooses this.
struct Always(u32);

impl Policy for Always {
    fn name(&self) -> &str {
        "always"
    }

    fn begin(&mut self, _: u64) {}

    fn act(&mut self, _: &[f32], _: &[bool]) -> u32 {
        self.0
    }
}

/// An actor that does nothing, with its orders elsewhere.
fn actor(tape: &Tape) -> Actor {
    actor_of(tape, Choice::All, Always(HOLD))
}

/// An actor with its orders elsewhere.
fn actor_of(tape: &Tape, choice: Choice, policy: Always) -> Actor {
    let env = EnvConfig::default();
    let limits = Limits { throttle_ms: 0, ..Limits::default() };
    let spec = ActorSpec { env, choice, limits, tripped: None, seed: 1, elsewhere: true };
    let mut actor =
        Actor::new(spec, Acting { policy: Box::new(policy), model_hash: String::new() });
    for (id, info) in tape.infos.iter().enumerate() {
        actor.meet(&(MarketId(id as u32), info.ticker.as_str().into(), None));
    }
    actor
}

fn deeds<'a>(actor: &mut Actor, events: impl IntoIterator<Item = &'a Event>) -> Vec<Deed> {
    let mut all = Vec::new();
    for event in events {
        let mut out = Outcome::default();
        actor.push(event, &mut out);
        all.append(&mut out.deeds);
    }
    all
}

/// The desk gives positions up by orders of its own, and an exchange may hold contracts from before. The actor saw
/// neither: it went on with a position that was gone, and with none where there was one.
#[test]
fn a_position_that_is_not_of_its_orders_is_known_to_the_actor() {
    let tape = synthesize(&TapeSpec { markets: 1, steps: 200, ..TapeSpec::default() });
    let ticker = tape.infos[0].ticker.clone();
    let mut actor = actor(&tape);
    let (first, rest) = tape.events.split_at(tape.events.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let flat = deeds(&mut actor, first);
    assert!(!flat.is_empty() && flat.iter().all(|deed| deed.position_e2 == 0));

    let position = Qty::contracts(25);
    let held = desk::Outcome::Position { ticker: ticker.clone(), position };
    actor.hear(&held, 1, TsNs(0), &mut Outcome::default());
    // Taking it over is no profit; that prices move afterwards is.
    assert_eq!(actor.report().profit_e6, 0);
    let long = deeds(&mut actor, second);
    assert!(!long.is_empty() && long.iter().all(|deed| deed.position_e2 == 2_500));
    assert!(long.iter().any(|deed| deed.reward_e6 != 0));
    // It once paid its whole worth, ten dollars, at the next decision.
    assert!(long[..2].iter().all(|deed| deed.reward_e6.abs() < 2_500_000), "{}", long[1].reward_e6);

    let mut out = Outcome::default();
    actor.hear(&sold(ticker, position), 2, TsNs(0), &mut out);
    assert_eq!(out.fills.len(), 1);
    assert!(deeds(&mut actor, third).iter().all(|deed| deed.position_e2 == 0));
    let report = actor.report();
    assert_eq!((report.open_positions, report.fees_e6), (0, 10_000));
    assert_eq!(report.bracket_e6, [report.profit_e6; 3]);
}

/// The exchange tells a position before the market is looked at, and the desk gives it up meanwhile: what is adopted
/// then is what is left. It was once what had been told, contracts that were gone.
#[test]
fn what_is_given_up_before_it_is_adopted_is_not_held() {
    let tape = synthesize(&TapeSpec { markets: 1, steps: 200, ..TapeSpec::default() });
    let ticker = tape.infos[0].ticker.clone();
    let mut actor = actor(&tape);
    let position = Qty::contracts(25);
    // Its first rows are taken, and nothing was decided yet.
    assert!(deeds(&mut actor, &tape.events[..1]).is_empty());
    let held = desk::Outcome::Position { ticker: ticker.clone(), position };
    actor.hear(&held, 1, TsNs(0), &mut Outcome::default());
    actor.hear(&sold(ticker, position), 2, TsNs(0), &mut Outcome::default());
    let flat = deeds(&mut actor, &tape.events[1..]);
    assert!(!flat.is_empty() && flat.iter().all(|deed| deed.position_e2 == 0), "{:?}", flat[0]);
}

/// Every market counted in which a decision was due, with its hundred dollars, though one was chosen; and an order
/// that the desk had refused counted as placed.
#[test]
fn the_sum_is_of_markets_that_were_chosen_and_of_orders_that_were_let_through() {
    let tape = synthesize(&TapeSpec { markets: 6, steps: 100, ..TapeSpec::default() });
    let chosen = Choice::Named([tape.infos[2].ticker.clone()].into());
    let mut actor = actor_of(&tape, chosen, Always(1));
    let mut events = tape.events.iter();
    let first = events.by_ref().find_map(|event| {
        let made = deeds(&mut actor, [event]);
        made.into_iter().find(|deed| deed.ordered)
    });
    let ordered = first.expect("something is bought");
    assert_eq!(actor.report().orders, 1);
    let new = ordered.requests.iter().find_map(|request| match request {
        Request::Submit { id, .. } => Some(*id),
        _ => None,
    });
    let number = order_number(MarketId(2), new.expect("it was ordered"));
    let refused = desk::Outcome::Refused { number, why: desk::Refusal::QueueFull };
    actor.hear(&refused, ordered.due_row_id, TsNs(0), &mut Outcome::default());
    let report = actor.report();
    assert_eq!((report.orders, report.held_back), (0, 1));

    let more = deeds(&mut actor, events).iter().filter(|deed| deed.ordered).count();
    let report = actor.report();
    assert!(more > 0, "nothing more is ordered: nothing is proved");
    let start = EnvConfig::default().start_cash.e6();
    assert_eq!((report.markets, report.equity_e6, report.orders), (1, start, more as u64));
}

/// The desk's own order sold a position.
fn sold(ticker: String, qty: Qty) -> desk::Outcome {
    desk::Outcome::Filled(OrderFill {
        number: None,
        ticker,
        intent: Intent { side: Side::Yes, verb: Verb::Sell },
        price: Price::new(4_000).expect("in range"),
        qty,
        fee: Money(10_000),
        role: Role::Taker,
        at_ms: 0,
    })
}

/// Quotes of a market in which nothing was decided any more stayed, and filled, after a stop.
#[test]
fn a_stop_takes_quotes_back_without_waiting_for_a_decision() {
    let tape = synthesize(&TapeSpec { markets: 6, steps: 200, ..TapeSpec::default() });
    let quotes = vec![Placement::Join];
    let actions = ActionSet { quotes, ..ActionSet::default() };
    let config = EnvConfig { actions, ..EnvConfig::default() };
    let mut stopped = 0;
    for (id, info) in tape.infos.iter().enumerate() {
        let living = MarketInfo { settlement: None, ..info.clone() };
        let mut seat = LiveSeat::new(&living, &config, Rng::stream(1, "orders", 0));
        let mut at = None;
        for event in tape.events.iter().filter(|event| event.market == MarketId(id as u32)) {
            seat.push(event, &config, |mut moment| {
                if at.is_none() {
                    // Joins the best bid, if it may.
                    let _ = moment.act(5);
                }
            });
            if at.is_none() && seat.is_quoting() {
                at = Some(event.recv);
            }
            if at.is_some() {
                // One that is still on its way there cannot be taken back yet.
                let mut moment = seat.moment(event.recv, &config).expect("decided before");
                moment.withdraw(true);
            }
            // Something happens every few seconds, and by then a request has arrived.
            if at.is_some_and(|at| event.recv.0 > at.0 + 60_000_000_000) {
                assert!(!seat.is_quoting(), "{}", info.ticker);
                stopped += 1;
                break;
            }
        }
    }
    assert!(stopped > 0, "no quote rested: nothing is proved");
}
