//! Every limit of an account on paper, hit through the actor: the row names it, nothing is ordered, and where the
//! limit withdraws, quotes go.

use super::*;
use crate::actor::deed::Reason;
use crate::actor::select::Hot;
use crate::env::account::Request;
use crate::event::Body;
use crate::trade::risk::{Cause, Trip};
use crate::wire::convert::time_text;
use std::collections::BTreeSet;

/// Buys ten YES at once.
const BUY: u32 = 1;
/// Sells ten YES at once.
const SELL: u32 = 2;
/// Joins the best YES bid with ten.
const BID: u32 = 5;
/// Joins the best YES ask with ten.
const ASK: u32 = 6;

/// Chooses the first of these that the mask allows.
struct Wants(&'static [u32]);

impl Policy for Wants {
    fn name(&self) -> &str {
        "wants"
    }

    fn begin(&mut self, _: u64) {}

    fn act(&mut self, _: &[f32], mask: &[bool]) -> u32 {
        self.0.iter().copied().find(|action| mask[*action as usize]).unwrap_or(0)
    }
}

/// What an event led to.
struct Seen {
    recv: TsNs,
    deeds: Vec<Deed>,
    open_orders: u64,
    /// Markets with a position.
    held: u64,
    trip: Option<Trip>,
}

/// Nothing in the way.
fn wide() -> Limits {
    let much = Money::dollars(1_000_000);
    Limits {
        order_max: Qty::contracts(1_000),
        position_max: Qty::contracts(1_000),
        exposure_max: much,
        cash_reserve: Money::ZERO,
        balance_min: Money::ZERO,
        daily_loss_max: much,
        orders_per_minute_max: u32::MAX,
        throttle_ms: 0,
        stale_book_ms: i64::MAX,
        exit_before_close_s: 0,
    }
}

/// Markets that live side by side, each defined before its first event.
fn tape(markets: u32) -> Tape {
    let spec = TapeSpec { markets, stagger_minutes: 0, steps: 300, ..TapeSpec::default() };
    let mut tape = synthesize(&spec);
    let first = tape.events[0].clone();
    let definitions = tape.infos.iter().zip(0..).map(|(info, id)| {
        let time = |at: Option<_>| time_text(at.expect("set"));
        let (ticker, open, close) = (&info.ticker, time(info.open), time(info.close));
        let object = format!(
            r#"{{"ticker":"{ticker}","status":"active","open_time":"{open}","close_time":"{close}",
            "price_ranges":[{{"start":"0.0000","end":"1.0000","step":"0.0100"}}]}}"#
        );
        let (row_id, ts, market) = (0, None, MarketId(id));
        Event { row_id, ts, market, body: Body::Market(object.into()), ..first.clone() }
    });
    let definitions: Vec<Event> = definitions.collect();
    tape.events.splice(0..0, definitions);
    tape
}

/// Plays the tape with a policy that wants these, under `limits`.
fn play(limits: Limits, wants: &'static [u32], tape: &Tape) -> Vec<Seen> {
    choose(Choice::All, limits, wants, tape)
}

/// The same in the markets of a choice.
fn choose(choice: Choice, limits: Limits, wants: &'static [u32], tape: &Tape) -> Vec<Seen> {
    let actions = ActionSet { quotes: vec![Placement::Join], ..ActionSet::default() };
    let env = EnvConfig { actions, ..EnvConfig::default() };
    let tripped = None;
    let spec = ActorSpec { env, choice, limits, tripped, seed: 1, elsewhere: false };
    let acting = Acting { policy: Box::new(Wants(wants)), model_hash: String::new() };
    let mut actor = Actor::new(spec, acting);
    for (id, info) in tape.infos.iter().enumerate() {
        actor.meet(&(MarketId(id as u32), info.ticker.as_str().into(), None));
    }
    let see = |event: &Event| {
        let mut out = Outcome::default();
        actor.push(event, &mut out);
        let (trip, report) = (actor.tripped(), actor.report());
        let (open_orders, held) = (report.open_orders, report.open_positions);
        Seen { recv: event.recv, deeds: out.deeds, open_orders, held, trip }
    };
    tape.events.iter().map(see).collect()
}

fn deeds(seen: &[Seen]) -> Vec<&Deed> {
    seen.iter().flat_map(|seen| &seen.deeds).collect()
}

/// The limit was hit after something was let through, and every choice that it refused ordered nothing.
fn is_hit<'a>(deeds: &[&'a Deed], limit: &str) -> Vec<&'a Deed> {
    let named = deeds.iter().copied().filter(|deed| deed.limit == limit);
    let refused: Vec<&Deed> = named.filter(|deed| deed.reason != Reason::Withdrawn).collect();
    assert!(!refused.is_empty(), "{limit} was never hit");
    // The tape tells of the close a moment after it.
    let stray = |d: &&&Deed| d.reason == Reason::Refused && ![limit, "closed"].contains(&&*d.limit);
    assert!(!deeds.iter().any(|deed| stray(&deed)), "another limit");
    for deed in &refused {
        assert_eq!((deed.reason, deed.ordered), (Reason::Refused, false), "{limit}");
        assert!(!deed.requests.iter().any(asks), "{limit}: {:?}", deed.requests);
    }
    refused
}

fn asks(request: &Request) -> bool {
    !matches!(request, Request::Cancel { .. })
}

/// Nothing rests at the end of what was seen, and something did at its start.
fn quotes_go(seen: &[Seen]) {
    assert!(seen.first().is_some_and(|first| first.open_orders > 0), "nothing rested");
    let gone = |seen: &&Seen| seen.open_orders == 0;
    let left = seen.iter().skip_while(|seen| !gone(seen));
    assert!(left.clone().count() > 100 && left.clone().all(|seen| gone(&seen)), "a quote stays");
}

#[test]
fn a_limit_on_the_size_of_an_order() {
    let seen = play(Limits { order_max: Qty::contracts(9), ..wide() }, &[BUY], &tape(1));
    let all = deeds(&seen);
    is_hit(&all, "order_size");
    assert!(all.iter().all(|deed| !deed.ordered && deed.position_e2 == 0));
}

#[test]
fn a_limit_on_the_position() {
    let limit = Qty::contracts(20);
    let seen = play(Limits { position_max: limit, ..wide() }, &[BUY], &tape(1));
    let all = deeds(&seen);
    is_hit(&all, "position");
    assert!(all.iter().any(|deed| deed.ordered));
    assert!(all.iter().all(|deed| deed.position_e2 <= limit.e2()));
}

#[test]
fn a_limit_on_the_orders_of_a_minute() {
    let (tape, n) = (tape(4), 3);
    let seen = play(Limits { orders_per_minute_max: n, ..wide() }, &[BUY, SELL], &tape);
    is_hit(&deeds(&seen), "order_rate");
    let ordered = seen.iter().flat_map(|s| s.deeds.iter().map(|d| (s.recv, d.ordered)));
    let times: Vec<TsNs> = ordered.filter(|(_, ordered)| *ordered).map(|(at, _)| at).collect();
    assert!(times.len() > 10, "{}", times.len());
    for some in times.windows(n as usize + 1) {
        let span_ns = some[n as usize].0 - some[0].0;
        assert!(span_ns >= 60_000_000_000, "{n} orders and one more within {span_ns} ns");
    }
}

#[test]
fn a_limit_on_the_pace_in_one_market() {
    let seen = play(Limits { throttle_ms: 60_000, ..wide() }, &[BUY], &tape(1));
    is_hit(&deeds(&seen), "throttle");
}

#[test]
fn a_limit_on_the_exposure_of_all_markets_together() {
    let seen = play(Limits { exposure_max: Money::dollars(20), ..wide() }, &[BUY], &tape(4));
    let all = deeds(&seen);
    is_hit(&all, "exposure");
    let mut last = std::collections::BTreeMap::new();
    for deed in all {
        last.insert(&deed.ticker, deed.cash_e6);
        // Every account began with 100 dollars; what is gone was paid, fees of less than 2 cents each included.
        let paid_e6: i64 = last.values().map(|cash_e6| 100_000_000 - cash_e6).sum();
        assert!(paid_e6 <= 21_000_000, "{paid_e6}");
    }
}

#[test]
fn a_reserve_of_cash() {
    let reserve = Money::dollars(85);
    let seen = play(Limits { cash_reserve: reserve, ..wide() }, &[BUY], &tape(1));
    let all = deeds(&seen);
    is_hit(&all, "cash_reserve");
    assert!(all.iter().any(|deed| deed.ordered));
    assert!(all.iter().all(|deed| deed.cash_e6 >= reserve.e6()));
}

/// Whatever the moment at which the feed begins to lag: nothing is ordered any more, and a quote that rests then goes.
#[test]
fn a_stale_book_takes_quotes_back() {
    let mut taken_back = 0;
    for tenth in 1..9 {
        let mut tape = tape(1);
        let from = tape.events.len() * tenth / 10;
        tape.events[from..].iter_mut().for_each(|event| event.recv.0 += 6_000_000_000);
        let seen = play(Limits { stale_book_ms: 5_000, ..wide() }, &[BID, ASK], &tape);
        let refused = is_hit(&deeds(&seen), "stale_book");
        assert!(deeds(&seen[..from]).iter().any(|deed| deed.ordered));
        assert!(deeds(&seen[from..]).iter().all(|deed| !deed.ordered));
        if refused.iter().any(|deed| !deed.requests.is_empty()) {
            taken_back += 1;
            quotes_go(&seen[from - 1..]);
        }
    }
    assert!(taken_back > 2, "{taken_back} of 8");
}

/// Trades until `cause` stops everything: from then on nothing is ordered and quotes go.
fn is_stopped_by(limits: Limits, cause: Cause) {
    let seen = play(limits, &[BID, BUY], &tape(1));
    let at = seen.iter().position(|seen| seen.trip.is_some()).expect("a trip");
    assert_eq!(seen[at].trip.as_ref().map(|trip| trip.cause), Some(cause));
    assert!(seen[at + 1..].iter().all(|seen| seen.trip.is_none()), "told once");
    assert!(deeds(&seen[..=at]).iter().any(|deed| deed.ordered));
    let after = deeds(&seen[at + 1..]);
    let choices = after.iter().filter(|deed| deed.reason != Reason::Withdrawn);
    assert_eq!(is_hit(&after, cause.word()).len(), choices.count());
    quotes_go(&seen[at..]);
}

#[test]
fn a_loss_of_the_day_stops_everything() {
    is_stopped_by(Limits { daily_loss_max: Money(100_000), ..wide() }, Cause::DailyLoss);
}

#[test]
fn a_low_balance_stops_everything() {
    is_stopped_by(Limits { balance_min: Money(99_500_000), ..wide() }, Cause::LowBalance);
}

#[test]
fn before_the_close_positions_are_given_up_and_none_is_opened() {
    let tape = tape(1);
    let close = tape.infos[0].close.expect("set").ms();
    let seen = play(Limits { exit_before_close_s: 300, ..wide() }, &[BID, ASK], &tape);
    let at = seen.partition_point(|seen| seen.recv.ms() < close - 300_000);
    assert!(deeds(&seen[..at]).last().is_some_and(|deed| deed.position_e2 != 0), "nothing is held");
    let after = deeds(&seen[at..]);
    is_hit(&after, "closing");
    let exits = after.iter().filter(|deed| deed.reason == Reason::Exit);
    assert!(exits.clone().any(|deed| deed.ordered));
    assert!(after.iter().all(|deed| !deed.ordered || deed.reason == Reason::Exit));
    assert_eq!(after.last().map(|deed| deed.position_e2), Some(0));
    quotes_go(&seen[at - 1..]);
}

/// A market in which nothing happened any more was held into its outcome: there was no decision to give it up by.
#[test]
fn a_position_in_a_quiet_market_is_given_up_before_the_close() {
    let mut tape = tape(2);
    let close = tape.infos[0].close.expect("set").ms();
    let quiet = |event: &Event| event.market == MarketId(0) && event.recv.ms() > close - 600_000;
    tape.events.retain(|event| !quiet(event));
    let limits = Limits { exit_before_close_s: 300, ..wide() };
    let seen = play(limits, &[BUY], &tape);
    let ticker = &tape.infos[0].ticker;
    let of_it: Vec<&Deed> = deeds(&seen).into_iter().filter(|d| d.ticker == *ticker).collect();
    let exits: Vec<_> = of_it.iter().filter(|deed| deed.reason == Reason::Exit).collect();
    assert!(exits[0].ordered && exits[0].position_e2 > 0, "{:?}", exits[0]);
    // It is carried out though nothing happens: the market's end finds nothing to pay for.
    let held = play(limits, &[BUY], &tape).last().map(|seen| seen.held);
    assert_eq!(held, Some(0));
    // Quotes go first, and an order's limit takes more than one.
    let limits = Limits { order_max: Qty::contracts(10), ..limits };
    let seen = play(limits, &[BID, BUY], &tape);
    let of_it = || deeds(&seen).into_iter().filter(|deed| deed.ticker == *ticker);
    assert!(of_it().any(|deed| deed.position_e2 > 1_000), "more than one order gives up");
    assert!(of_it().filter(|deed| deed.reason == Reason::Exit && deed.ordered).count() > 1);
    assert_eq!(seen.last().map(|seen| seen.held), Some(0));
}

/// Whoever quotes always has something working; markets that fell out of the choice were never left, and the
/// choice grew.
#[test]
fn a_market_that_is_not_chosen_any_more_is_left_by_a_row_that_says_so() {
    let tape = tape(4);
    let hot = Hot { places: 1, spread_max_e4: 10_000, every_ms: 1_000, ..Hot::default() };
    let seen = choose(Choice::Hot(hot), wide(), &[BID], &tape);
    let all = deeds(&seen);
    let left: Vec<_> = all.iter().filter(|deed| deed.reason == Reason::Withdrawn).collect();
    assert!(!left.is_empty(), "the tape changes its busiest market");
    for row in left {
        let cancels = row.requests.iter().all(|r| matches!(r, Request::Cancel { .. }));
        assert!(cancels && !row.requests.is_empty() && !row.ordered, "{row:?}");
    }
    let orders: BTreeSet<_> = all.iter().filter(|d| d.ordered).map(|d| &d.ticker).collect();
    assert!(orders.len() > 1, "{orders:?}");
}

/// The day began with the first change of profit, so that its first loss was not counted.
#[test]
fn the_first_loss_of_the_day_counts() {
    let limits = Limits { daily_loss_max: Money(100_000), ..wide() };
    let seen = play(limits, &[BUY], &tape(1));
    let at = seen.iter().position(|seen| seen.trip.is_some()).expect("stopped");
    let lost = deeds(&seen[..at]).into_iter().filter(|deed| deed.profit_e6 < -100_000);
    assert_eq!(lost.count(), 0, "it was seen and traded on");
}
