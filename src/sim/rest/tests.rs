//! The REST side over real HTTP: what a client gets, byte for byte where the exchange is known to the byte.

mod room;

use super::{Bucket, Failure, RestFault, RestTrouble};
use crate::sim::venue::{Definition, Phase, Venue};
use crate::units::{Money, Qty, Side, TsUs};
use crate::wire::auth::{REST_PREFIX, Signer};
use crate::wire::orders::{Batch, BatchCreated, CancelAck};
use crate::wire::portfolio::{
    Balance, FillPage, OneOrder, OrderPage, OrderStatus, PositionPage, SettlementPage, UpdateReason,
};
use room::{Room, now_ms, order, with};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn paging_to_the_end_shows_every_market_once() {
    let room = Room::new().await;
    let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), String::new(), 0);
    loop {
        let path = format!("/markets?limit=7&status=open&mve_filter=exclude&cursor={cursor}");
        let page: Value = room.get(&path).await;
        for market in page["markets"].as_array().expect("a list") {
            assert_eq!(market["status"], "active", "the filter's word is not the field's");
            assert!(seen.insert(market["ticker"].to_string()), "twice");
        }
        pages += 1;
        // A market that is listed between two pages moves none of them.
        let list = |venue: &mut Venue| {
            let newest = venue.markets().last().expect("some").definition.clone();
            let ticker = format!("{}-X{}", newest.ticker, venue.markets().len());
            venue.list(Definition { ticker, phase: Phase::Active, ..newest });
        };
        room.venue.call(list).await.expect("runs");
        cursor = page["cursor"].as_str().expect("a cursor").to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (30, 5));
    for (query, status) in
        [("status=active", 400), ("limit=1001", 400), ("cursor=%20", 400), ("mve_filter=only", 200)]
    {
        assert_eq!(room.ask("GET", &format!("/markets?{query}"), None).await.0, status, "{query}");
    }
}

#[tokio::test]
async fn a_book_is_cut_to_its_best_levels() {
    let room = Room::new().await;
    let (ticker, bid, _) = room.quoted().await;
    let all: Value = room.get(&format!("/markets/{ticker}/orderbook")).await;
    let cut: Value = room.get(&format!("/markets/{ticker}/orderbook?depth=1")).await;
    let side =
        |book: &Value| book["orderbook_fp"]["yes_dollars"].as_array().expect("levels").clone();
    assert_eq!(side(&cut), side(&all)[side(&all).len() - 1..]);
    assert_eq!(side(&cut)[0][0], bid.to_string());
    let many: Value = room.get(&format!("/markets/orderbooks?tickers={ticker}")).await;
    assert_eq!(many["orderbooks"][0]["orderbook_fp"], all["orderbook_fp"]);
    assert_eq!(room.ask("GET", "/markets/NOPE/orderbook", None).await.0, 404);
    let status: Value = room.get("/exchange/status").await;
    assert_eq!(status["kflow_source"], "sim:seed=7");
}

#[tokio::test]
async fn only_the_right_signature_opens_an_account() {
    let mut room = Room::new().await;
    let details = |body: &Value| body["error"]["details"].as_str().map(str::to_owned);
    let (status, _) = room.ask("GET", "/portfolio/balance?subaccount=0", None).await;
    assert_eq!(status, 200, "the query is not signed");
    let stale = {
        let mut request = room.http.get(format!("{}/portfolio/balance", room.url));
        let path = format!("{REST_PREFIX}/portfolio/balance");
        let signer = Signer::simulator();
        for (name, value) in signer.headers(now_ms() - 60_000, "GET", &path).expect("signed") {
            request = request.header(name, value);
        }
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json::<Value>().await.expect("a body"))
    };
    assert_eq!((stale.0, details(&stale.1).as_deref()), (401, Some("HEADER_TIMESTAMP_EXPIRED")));
    let other_path = {
        let mut request = room.http.get(format!("{}/portfolio/balance", room.url));
        for (name, value) in Signer::simulator().headers(now_ms(), "GET", "/x").expect("signed") {
            request = request.header(name, value);
        }
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json::<Value>().await.expect("a body"))
    };
    let why = details(&other_path.1);
    assert_eq!((other_path.0, why.as_deref()), (401, Some("INCORRECT_API_KEY_SIGNATURE")));
    room.signer = None;
    for path in ["/portfolio/balance", "/portfolio/orders", "/account/limits"] {
        let (status, body) = room.ask("GET", path, None).await;
        assert_eq!((status, details(&body).as_deref()), (401, Some("MISSING_HEADERS")), "{path}");
    }
    let (status, _) = room.create(&json!({})).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn an_order_lives_from_ack_to_cancel() {
    let room = Room::new().await;
    let (ticker, bid, ask) = room.quoted().await;
    let ack = room.accepted(&order(&ticker, "bid", ask, "0.50")).await;
    assert_eq!((ack.fill_count, ack.remaining_count), (Qty(50), Qty::ZERO));
    assert_eq!(ack.average_fill_price, Some(Money(ask.e4() * 100)));
    let fills: FillPage = room.get(&format!("/portfolio/fills?order_id={}", ack.order_id)).await;
    let public: Value = room.get(&format!("/markets/trades?ticker={ticker}&limit=1")).await;
    assert_eq!(public["trades"][0]["trade_id"], fills.fills[0].trade_id, "one name for one trade");
    let positions: PositionPage = room.get("/portfolio/positions?count_filter=position").await;
    assert_eq!(positions.market_positions[0].position_fp, Qty(50));
    let balance: Balance = room.get("/portfolio/balance").await;
    let paid = Money(ask.e4() * 50) + fills.fills[0].fee_cost;
    assert_eq!(balance.balance_dollars, Money::dollars(1_000) - paid);
    assert_eq!(balance.portfolio_value, bid.e4() * 50 / 10_000);

    let resting = order(&ticker, "bid", bid, "3.00");
    let resting = room.accepted(&with(resting, &[("client_order_id", json!("mine"))])).await;
    let id = &resting.order_id;
    let queue: Value = room.get(&format!("/portfolio/orders/{id}/queue_position")).await;
    let all: Value =
        room.get(&format!("/portfolio/orders/queue_positions?market_tickers={ticker}")).await;
    assert_eq!(queue["queue_position_fp"], all["queue_positions"][0]["queue_position_fp"]);
    let path = format!("/portfolio/events/orders/{id}/decrease");
    let (status, body) = room.ask("POST", &path, Some(&json!({"reduce_to": "2.00"}))).await;
    assert_eq!((status, &body["remaining_count"]), (200, &json!("2.00")));
    let change = json!({"ticker": ticker, "side": "bid", "price": "0.0100", "count": "4.00"});
    let path = format!("/portfolio/events/orders/{id}/amend");
    let (status, body) = room.ask("POST", &path, Some(&change)).await;
    assert_eq!((status, &body["remaining_count"]), (200, &json!("4.00")));
    let shown: OneOrder = room.get(&format!("/portfolio/orders/{id}")).await;
    assert_eq!(shown.order.yes_price_dollars.e4(), 100);
    let path = format!("/portfolio/events/orders/{id}");
    let (status, body) = room.ask("DELETE", &path, None).await;
    let cancelled: CancelAck = serde_json::from_value(body).expect("an ack");
    assert_eq!((status, cancelled.reduced_by), (200, Qty(400)));
    assert_eq!(cancelled.client_order_id.as_deref(), Some("mine"));
    assert_eq!(room.ask("DELETE", &path, None).await.0, 404, "gone is done");
    let page: OrderPage = room.get("/portfolio/orders?limit=1").await;
    assert_eq!((&page.orders[0].order_id, page.cursor.is_empty()), (id, false));
}

#[tokio::test]
async fn refusals_are_those_of_the_exchange() {
    let room = Room::new().await;
    let (ticker, bid, ask) = room.quoted().await;
    let rest = order(&ticker, "bid", bid, "1.00");
    let killed = with(
        order(&ticker, "bid", ask, "9000000.00"),
        &[("time_in_force", json!("fill_or_kill")), ("client_order_id", json!("k"))],
    );
    let text = r#"{"error":{"code":"fill_or_kill_insufficient_resting_volume","message":"fill or kill insufficient resting volume"}}"#;
    let response = room.response("POST", "/portfolio/events/orders", Some(&killed)).await;
    assert_eq!(response.status(), 409);
    assert_eq!(response.text().await.expect("a body"), text);
    let reduce_only = with(rest.clone(), &[("reduce_only", json!(true))]);
    let expiring = with(
        rest.clone(),
        &[
            ("expiration_time", json!(9_999_999_999i64)),
            ("time_in_force", json!("immediate_or_cancel")),
        ],
    );
    let post_only = with(order(&ticker, "bid", ask, "1.00"), &[("post_only", json!(true))]);
    for (order, status, code) in [
        (with(rest.clone(), &[("client_order_id", json!("k"))]), 409, "order_already_exists"),
        (post_only, 400, "invalid_order"),
        (order(&ticker, "bid", bid, "900000.00"), 400, "insufficient_balance"),
        (with(rest.clone(), &[("price", json!("1.0000"))]), 400, "invalid_order"),
        (with(rest.clone(), &[("count", json!("0.001"))]), 400, "invalid_order"),
        (with(rest.clone(), &[("side", json!("yes"))]), 400, "invalid_order"),
        (with(rest.clone(), &[("ticker", json!("NOPE"))]), 404, "not_found"),
        (reduce_only, 400, "invalid_order"),
        (expiring, 400, "invalid_order"),
    ] {
        let (got, body) = room.create(&order).await;
        assert_eq!((got, body["error"]["code"].as_str()), (status, Some(code)), "{order} {body}");
    }
    let (status, body) = room.ask("POST", "/portfolio/orders", Some(&rest)).await;
    assert_eq!((status, &body["error"]["code"]), (410, &json!("deprecated_v1_order_endpoint")));
    assert_eq!(
        room.ask("POST", "/portfolio/events/orders/x/decrease", Some(&json!({}))).await.0,
        404
    );
    let nothing: OrderPage = room.get("/portfolio/orders").await;
    assert!(nothing.orders.is_empty(), "no refusal leaves an order");
}

#[tokio::test]
async fn a_batch_answers_item_by_item_and_everything_can_be_cancelled() {
    let room = Room::new().await;
    let (ticker, bid, _) = room.quoted().await;
    let good = order(&ticker, "bid", bid, "1.00");
    let bad = with(good.clone(), &[("count", json!("0.00")), ("client_order_id", json!("bad"))]);
    let batch = json!({"orders": [good, bad, good]});
    let (status, body) = room.ask("POST", "/portfolio/events/orders/batched", Some(&batch)).await;
    assert_eq!(status, 201);
    let made: Batch<BatchCreated> = serde_json::from_value(body).expect("items");
    let [
        BatchCreated::Accepted(one),
        BatchCreated::Refused { client_order_id, error },
        BatchCreated::Accepted(_),
    ] = &made.orders[..]
    else {
        panic!("{made:?}");
    };
    assert_eq!((client_order_id.as_deref(), error.code.as_str()), (Some("bad"), "invalid_order"));
    let batch = json!({"orders": [{"order_id": one.order_id}, {"order_id": "nobody"}]});
    let (_, body) = room.ask("DELETE", "/portfolio/events/orders/batched", Some(&batch)).await;
    let gone: Batch<CancelAck> = serde_json::from_value(body).expect("items");
    let told: Vec<_> = gone.orders.iter().map(|o| (o.reduced_by, o.error.is_some())).collect();
    assert_eq!(told, [(Qty(100), false), (Qty::ZERO, true)]);
    let (status, body) = room.ask("DELETE", "/portfolio/events/orders", None).await;
    assert_eq!((status, body), (204, json!("")));
    let left: OrderPage = room.get("/portfolio/orders?status=resting").await;
    assert!(left.orders.is_empty());
}

#[tokio::test]
async fn an_empty_bucket_answers_429_and_a_batch_is_billed_by_its_items() {
    let room = Room::with(|spec| spec.write = Bucket::new(0, 32)).await;
    let (ticker, bid, _) = room.quoted().await;
    let one = order(&ticker, "bid", bid, "1.00");
    let batch = json!({"orders": [one, one, one]});
    assert_eq!(room.ask("POST", "/portfolio/events/orders/batched", Some(&batch)).await.0, 201);
    let response = room.response("POST", "/portfolio/events/orders", Some(&one)).await;
    assert_eq!(response.status(), 429);
    assert!(response.headers().get("retry-after").is_none(), "the exchange gives no hint");
    assert_eq!(response.text().await.expect("a body"), r#"{"error":"too many requests"}"#);
    let limits: Value = room.get("/account/limits").await;
    assert_eq!(limits["write"], json!({"refill_rate": 0, "bucket_capacity": 32}));
    assert_eq!(room.ask("DELETE", "/portfolio/events/orders", None).await.0, 204, "2 are left");
    assert_eq!(room.ask("DELETE", "/portfolio/events/orders", None).await.0, 429);
}

#[tokio::test]
async fn whoever_does_not_sign_sees_an_old_book() {
    let mut room = Room::with(|spec| spec.stale_ms = 3_600_000).await;
    let (ticker, bid, _) = room.quoted().await;
    let path = format!("/markets/{ticker}/orderbook");
    let signer = room.signer.take();
    let before: Value = room.get(&path).await;
    let at = ticker.clone();
    let trade = move |venue: &mut Venue| {
        let market = venue.find(&at).expect("listed");
        venue.trade(market, |_, exchange, facts| {
            exchange.bid(Side::Yes, bid, Qty(777), crate::sim::exchange::Rest::Keep, facts)
        });
    };
    room.venue.call(trade).await.expect("runs");
    assert_eq!(room.get::<Value>(&path).await, before, "a copy");
    room.signer = signer;
    assert_ne!(room.get::<Value>(&path).await, before, "signed requests go past the copies");
}

#[tokio::test]
async fn faults_strike_the_next_requests_of_a_path_and_then_stop() {
    let room = Room::new().await;
    let (ticker, bid, _) = room.quoted().await;
    let fail = |method: &str, path: &str, trouble| {
        room.control.fail(RestFault { method: method.into(), path: path.into(), times: 1, trouble })
    };
    for (failure, status) in [
        (Failure::Status(401), 401),
        (Failure::Status(429), 429),
        (Failure::Status(500), 500),
        (Failure::Status(503), 503),
        (Failure::Html, 200),
        (Failure::Truncated, 200),
        (Failure::Silence(1), 504),
    ] {
        fail("GET", "portfolio/balance", RestTrouble::Before(failure)).await.expect("runs");
        let (got, body) = room.ask("GET", "/portfolio/balance", None).await;
        assert_eq!(got, status, "{failure:?}");
        assert!(body.get("balance").is_none(), "{failure:?}: {body}");
        assert_eq!(room.ask("GET", "/portfolio/balance", None).await.0, 200);
    }
    // The outcome of this order is unknown to its owner, who has to look for its client id.
    let lost = RestTrouble::After(Failure::Status(500));
    fail("POST", "portfolio/events/orders", lost).await.expect("runs");
    let wanted = with(order(&ticker, "bid", bid, "1.00"), &[("client_order_id", json!("lost"))]);
    assert_eq!(room.create(&wanted).await.0, 500);
    let found: OrderPage = room.get("/portfolio/orders?client_order_id=lost").await;
    assert_eq!(found.orders.len(), 1);
}

#[tokio::test]
async fn a_market_that_closes_takes_its_orders_and_pays_its_positions() {
    let room = Room::new().await;
    let (ticker, bid, ask) = room.quoted().await;
    room.accepted(&order(&ticker, "bid", ask, "0.50")).await;
    let resting = room.accepted(&order(&ticker, "bid", bid, "1.00")).await;
    let expires = now_ms() / 1_000 + 60;
    let expiring = order(&ticker, "bid", bid, "1.00");
    let expiring = room.accepted(&with(expiring, &[("expiration_time", json!(expires))])).await;
    let pass = |seconds: i64| {
        move |venue: &mut Venue| {
            let to = TsUs(venue.now().0 + seconds * 1_000_000);
            venue.advance(to);
        }
    };
    // The crowd may have filled them meanwhile: who is cancelled says why.
    room.venue.call(pass(62)).await.expect("runs");
    let reason = |order: OneOrder| (order.order.status, order.order.last_update_reason);
    let gone: OneOrder = room.get(&format!("/portfolio/orders/{}", expiring.order_id)).await;
    let (status, why) = (gone.order.status, gone.order.last_update_reason);
    assert!(
        (status, why) == (OrderStatus::Canceled, Some(UpdateReason::ExpiryCancel))
            || (status, why) == (OrderStatus::Executed, Some(UpdateReason::Trade)),
        "{status:?} {why:?}"
    );
    room.venue.call(pass(1_000)).await.expect("runs");
    let gone: OneOrder = room.get(&format!("/portfolio/orders/{}", resting.order_id)).await;
    let closed = (OrderStatus::Canceled, Some(UpdateReason::CloseCancel));
    assert!([closed, (OrderStatus::Executed, Some(UpdateReason::Trade))].contains(&reason(gone)));
    let paid: SettlementPage = room.get("/portfolio/settlements").await;
    assert_eq!(paid.settlements[0].ticker, ticker);
    let (status, body) = room.create(&order(&ticker, "bid", bid, "1.00")).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("market_inactive")));
    let holding = {
        let ticker = ticker.clone();
        let read = move |venue: &mut Venue| {
            let account = venue.desk().account(crate::sim::exchange::AccountId(0)).expect("opened");
            (account.holding(&ticker).position, account.kept(), account.broken_invariant())
        };
        room.venue.call(read).await.expect("runs")
    };
    assert_eq!(holding, (Qty::ZERO, Money::ZERO, None));
}
