//! Orders on the built-in exchange over real sockets: whatever it answers, or does not, has a name and places no
//! order twice.

use super::room::{Room, access, crossing, resting};
use kalshiflow::config::{Endpoint, ExchangeEnv};
use kalshiflow::feed::access::Access;
use kalshiflow::feed::rest::RestTiming;
use kalshiflow::sim::rest::{Failure, RestTrouble};
use kalshiflow::sim::script::Script;
use kalshiflow::trade::blotter::{Difference, Effect, State};
use kalshiflow::trade::gateway::{Demo, GatewayError};
use kalshiflow::trade::message::{Change, Report, Wanted};
use kalshiflow::units::{Price, Qty};
use kalshiflow::wire::orders::TimeInForce;

/// Longer than a test takes.
const HOUR_MS: i64 = 3_600_000;

/// Places one order into the trouble; the state at rest, why, and how many orders the exchange took.
async fn place(fault: RestTrouble) -> (State, String, usize) {
    let mut room = Room::troubled("POST", fault, HOUR_MS).await;
    let market = room.market().await;
    let id = room.submit(resting(&market)).await;
    room.until(|blotter| {
        let order = blotter.order(&id).unwrap();
        order.is_settled() || (order.state() == State::Resting && !order.in_doubt())
    })
    .await;
    let order = room.blotter.order(&id).unwrap();
    let (state, why) = (order.state(), order.rejected.clone().unwrap_or_default());
    let orders = room.orders().await;
    assert_eq!(room.reconcile().await, [], "nothing else is different");
    room.end().await;
    (state, why, orders.len())
}

#[tokio::test]
async fn what_the_exchange_refuses_is_rejected_by_name_and_places_nothing() {
    for (status, word) in
        [(400, "refused"), (401, "key"), (403, "key"), (409, "refused"), (429, "too often")]
    {
        let (state, why, orders) = place(RestTrouble::Before(Failure::Status(status))).await;
        assert_eq!((state, orders), (State::Rejected, 0), "{status}");
        assert!(why.contains(word), "{status}: {why}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_looked_up_and_never_sent_again() {
    let silence = Failure::Silence(60_000);
    for failure in
        [Failure::Status(500), Failure::Status(503), silence, Failure::Html, Failure::Truncated]
    {
        let (state, why, orders) = place(RestTrouble::Before(failure)).await;
        assert_eq!((state, orders), (State::Rejected, 0), "{failure:?}");
        assert_eq!(why, "never arrived", "{failure:?}");
        let (state, _, orders) = place(RestTrouble::After(failure)).await;
        assert_eq!((state, orders), (State::Resting, 1), "{failure:?}");
    }
}

#[tokio::test]
async fn a_cancel_is_carried_through_whatever_the_exchange_answers() {
    for failure in [Failure::Status(429), Failure::Status(500), Failure::Silence(60_000)] {
        for fault in [RestTrouble::Before(failure), RestTrouble::After(failure)] {
            let mut room = Room::troubled("DELETE", fault, HOUR_MS).await;
            let market = room.market().await;
            let id = room.submit(resting(&market)).await;
            room.with(|blotter, now, out| blotter.cancel(&id, now, out)).await.unwrap();
            assert_eq!(room.ended(&id).await.0, State::Cancelled, "{fault:?}");
            assert_eq!(room.truth().await.resting, []);
            assert_eq!(room.reconcile().await, []);
            room.end().await;
        }
    }
}

#[tokio::test]
async fn each_rule_of_the_exchange_refuses_by_its_own_name() {
    let mut room = Room::new(Script::default(), HOUR_MS).await;
    let market = room.market().await;
    let rest = resting(&market);
    let price = |e4| Price::new(e4).unwrap();
    let (immediate, kill) = (TimeInForce::ImmediateOrCancel, TimeInForce::FillOrKill);
    let cases = [
        (Wanted { price: price(151), ..rest.clone() }, "off_tick"),
        (Wanted { price: Price::ZERO, ..rest.clone() }, "off_tick"),
        (Wanted { count: Qty::contracts(10_000_000), ..rest.clone() }, "insufficient_balance"),
        (Wanted { count: Qty::ZERO, ..rest.clone() }, "invalid"),
        (Wanted { post_only: true, price: crossing(), ..rest.clone() }, "post_only_cross"),
        (Wanted { time_in_force: kill, ..rest.clone() }, "killed"),
        (Wanted { reduce_only: true, ..rest.clone() }, "invalid"),
        (Wanted { ticker: "KX-NONE".into(), ..rest.clone() }, "not_found"),
        (Wanted { expires_s: Some(1), ..rest.clone() }, "invalid"),
    ];
    for (wanted, word) in cases {
        let id = room.submit(wanted).await;
        assert_eq!(room.ended(&id).await, (State::Rejected, word.to_owned()));
    }
    let id = room.submit(Wanted { time_in_force: immediate, ..rest.clone() }).await;
    assert_eq!(room.ended(&id).await.0, State::Cancelled, "nothing to take at a cent");
    assert_eq!(room.orders().await.len(), 1, "the last one only");
    room.end().await;
}

#[tokio::test]
async fn an_order_lives_from_submit_to_cancel_and_its_fills_are_told_once() {
    let mut room = Room::new(Script::default(), HOUR_MS).await;
    let market = room.market().await;
    let (time_in_force, two) = (TimeInForce::ImmediateOrCancel, Qty(2));
    let take = Wanted { price: crossing(), count: two, time_in_force, ..resting(&market) };
    let ticker = take.ticker.clone();
    let taken = room.submit(take).await;
    assert_eq!(room.ended(&taken).await.0, State::Filled);
    assert_eq!(room.blotter.position(&ticker), two);

    let id = room.submit(Wanted { count: Qty::contracts(5), ..resting(&market) }).await;
    room.until(|blotter| blotter.order(&id).unwrap().state() == State::Resting).await;
    let amend = Change::Amend { price: Price::new(200).unwrap(), count: Qty::contracts(4) };
    room.with(|blotter, _, out| blotter.change(&id, amend, out)).await.unwrap();
    room.until(|blotter| blotter.order(&id).unwrap().left() == Qty::contracts(4)).await;
    assert_eq!(room.blotter.order(&id).unwrap().price(), Price::new(200).unwrap());
    let decrease = Change::Decrease { to: Qty::contracts(3) };
    room.with(|blotter, _, out| blotter.change(&id, decrease, out)).await.unwrap();
    room.until(|blotter| {
        let order = blotter.order(&id).unwrap();
        order.left() == Qty::contracts(3) && !order.in_doubt()
    })
    .await;
    assert_eq!(room.reconcile().await, []);
    room.with(|blotter, now, out| blotter.cancel(&id, now, out)).await.unwrap();
    assert_eq!(room.ended(&id).await.0, State::Cancelled);
    // The lists tell the fill again, twice.
    for _ in 0..2 {
        assert_eq!(room.reconcile().await, []);
    }
    let told = room.effects.iter().filter(|e| matches!(e, Effect::Filled { .. })).count();
    assert_eq!((told, room.blotter.position(&ticker)), (1, two));
    room.end().await;
}

#[tokio::test]
async fn a_market_that_closes_ends_its_orders_and_pays_what_is_held() {
    let mut room = Room::new(Script::default(), 12_000).await;
    // It must not close before both orders are there, however long it took to get here.
    let market = room.market_for(8_000).await;
    let (time_in_force, two) = (TimeInForce::ImmediateOrCancel, Qty(2));
    let take = Wanted { price: crossing(), count: two, time_in_force, ..resting(&market) };
    let ticker = take.ticker.clone();
    let taken = room.submit(take).await;
    let rests = room.submit(resting(&market)).await;
    room.ended(&taken).await;
    room.until(|blotter| blotter.order(&rests).unwrap().state() == State::Resting).await;
    // The reads wait their turn in the account's bucket; the market closes after some of them.
    let mut gone = Vec::new();
    while gone.is_empty() {
        gone = room.reconcile().await;
    }
    assert_eq!(gone, [Difference::Gone { id: rests.clone() }]);
    assert_eq!(room.ended(&rests).await.0, State::Cancelled);
    let late = room.submit(resting(&market)).await;
    let (state, why) = room.ended(&late).await;
    assert_eq!(state, State::Rejected);
    assert!(why == "market_closed" || why == "not_found", "{why}");

    let value = loop {
        let market = room.reader.market(&ticker).await.unwrap();
        if let Some(value) = market["settlement_value_dollars"].as_str() {
            break kalshiflow::wire::convert::price(value.as_bytes()).unwrap();
        }
    };
    let settled = Report::Settled { ticker: ticker.clone(), value };
    room.with(|blotter, now, out| blotter.hear(settled, now, out)).await;
    let paid = Effect::Settled { ticker: ticker.clone(), value, position: two };
    assert_eq!(room.effects.last(), Some(&paid));
    assert_eq!(room.blotter.position(&ticker), Qty::ZERO);
    room.end().await;
}

#[tokio::test]
async fn orders_of_an_earlier_run_are_cancelled_and_its_position_is_taken_over() {
    let mut room = Room::new(Script::default(), HOUR_MS).await;
    let market = room.market().await;
    let time_in_force = TimeInForce::ImmediateOrCancel;
    let take = Wanted { price: crossing(), count: Qty(2), time_in_force, ..resting(&market) };
    let (ticker, rest) = (take.ticker.clone(), resting(&market));
    let taken = room.submit(take).await;
    room.ended(&taken).await;
    let id = room.submit(rest).await;
    room.until(|blotter| blotter.order(&id).unwrap().state() == State::Resting).await;
    let order_id = room.blotter.order(&id).unwrap().order_id.clone().unwrap();

    room.blotter = kalshiflow::trade::blotter::Blotter::new(kalshiflow::event::SessionId([8; 16]));
    let found = room.reconcile().await;
    let orphan = Difference::Orphan { order_id, client_id: id };
    let (ours, theirs) = (Qty::ZERO, Qty(2));
    let position = Difference::Position { ticker: ticker.clone(), ours, theirs };
    assert_eq!(found, [orphan, position]);
    assert_eq!(room.blotter.position(&ticker), Qty(2));
    while !room.truth().await.resting.is_empty() {}
    room.end().await;
}

#[tokio::test]
async fn production_is_refused_whatever_the_settings_say() {
    let refused = |access: Access| async move {
        match Demo::connect(&access, RestTiming::default(), 1).await {
            Err(GatewayError::NotAllowed(why)) => why.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let at = |env, url: Option<&str>, file: &kalshiflow::config::file::File| {
        let endpoint = Endpoint::resolve(env, url, file).unwrap();
        Access { endpoint, ..access("127.0.0.1:1") }
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kflow.toml");
    let says = "[env.demo]\nrest = \"https://external-api.kalshi.com/trade-api/v2\"\n";
    std::fs::write(&path, says).unwrap();
    let lying = kalshiflow::config::file::File::read(&path, None).unwrap();
    let none = Default::default();
    for access in [
        at(ExchangeEnv::Demo, None, &lying),
        at(ExchangeEnv::Sim, Some("https://api.elections.kalshi.com"), &none),
        at(ExchangeEnv::Demo, Some("https://demo-api.kalshi.co.example.com"), &none),
        at(ExchangeEnv::Prod, None, &none),
        at(ExchangeEnv::Prod, Some("http://127.0.0.1:1"), &none),
    ] {
        let why = refused(access).await;
        assert!(why.contains("is neither"), "{why}");
    }
    // The demo's own address is let through: nothing answers on this port.
    let here = access("127.0.0.1:1");
    let error = Demo::connect(&here, RestTiming { tries_max: 1, ..RestTiming::default() }, 1).await;
    assert!(matches!(error, Err(GatewayError::Rest(_))));
}
