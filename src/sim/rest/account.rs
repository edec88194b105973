//! Answers to owners of keys: orders in, portfolio out (protocol notes 5, "Orders, V2").

use super::message::{Asked, COST_CANCEL, COST_DEFAULT, COST_ONE_ORDER, Limits, Reply};
use super::message::{invalid, not_found, page, problem};
use crate::sim::desk::OrderFilter;
use crate::sim::exchange::AccountId;
use crate::sim::venue::Venue;
use crate::units::Qty;
use crate::wire::orders::{
    AmendOrder, Batch, BatchCreated, CancelAck, CancelOrder, CreateOrder, DecreaseOrder, OrderAck,
    Problem,
};
use crate::wire::portfolio::{
    FillPage, MarketPosition, OneOrder, OrderPage, OrderStatus, PositionPage, QueuePosition,
    QueuePositions, SettlementPage,
};
use axum::http::StatusCode;
use serde_json::{Value, json};

type Answer = Result<Reply, Reply>;

/// Answers what stands after `/portfolio/`.
pub(super) fn answer(
    venue: &mut Venue,
    account: AccountId,
    asked: &Asked,
    path: &[&str],
) -> Answer {
    match (asked.method.as_str(), path) {
        ("POST", ["events", "orders"]) => {
            let ack = create(venue, account, asked.json()?)?;
            Ok(Reply::json(StatusCode::CREATED, &ack))
        }
        ("POST", ["events", "orders", "batched"]) => create_many(venue, account, asked),
        ("DELETE", ["events", "orders"]) => cancel_all(venue, account),
        ("DELETE", ["events", "orders", "batched"]) => cancel_many(venue, account, asked),
        ("DELETE", ["events", "orders", id]) => Ok(Reply::ok(&cancel(venue, account, id)?)),
        ("POST", ["events", "orders", id, "amend"]) => amend(venue, account, id, asked.json()?),
        ("POST", ["events", "orders", id, "decrease"]) => {
            decrease(venue, account, id, asked.json()?)
        }
        // The first family of order calls is gone since June 2026.
        ("POST" | "DELETE", ["orders", ..]) => Err(problem(
            410,
            "deprecated_v1_order_endpoint",
            "Please switch to the V2 endpoints",
            Some("https://docs.kalshi.com/api-reference/orders/create-order-v2"),
        )),
        ("GET", ["orders", "queue_positions"]) => queue_positions(venue, account, asked),
        ("GET", ["orders", id, "queue_position"]) => queue_position(venue, account, id),
        ("GET", ["orders", id]) => {
            Ok(Reply::ok(&OneOrder { order: venue.desk().read(account).order(id)? }))
        }
        ("GET", [list]) => read(venue, account, asked, list),
        _ => Err(not_found("no such endpoint")),
    }
}

/// `GET /account/limits`.
pub(super) fn limits(limits: &Limits) -> Reply {
    let bucket =
        |b: super::Bucket| json!({"refill_rate": b.refill_per_s, "bucket_capacity": b.capacity});
    let (read, write) = (bucket(limits.read), bucket(limits.write));
    Reply::ok(&json!({"usage_tier": "basic", "read": read, "write": write}))
}

/// `GET /account/endpoint_costs`: what does not cost the default.
pub(super) fn endpoint_costs() -> Reply {
    let row = |method: &str, path: &str, cost: u32| json!({"method": method, "path": format!("/trade-api/v2/portfolio/{path}"), "cost": cost});
    let costs = [
        row("DELETE", "events/orders", COST_CANCEL),
        row("DELETE", "events/orders/{order_id}", COST_CANCEL),
        row("DELETE", "events/orders/batched", COST_CANCEL),
        row("GET", "orders/{order_id}", COST_ONE_ORDER),
    ];
    Reply::ok(&json!({"default_cost": COST_DEFAULT, "endpoint_costs": costs}))
}

fn create(venue: &mut Venue, account: AccountId, order: CreateOrder) -> Result<OrderAck, Reply> {
    let (ticker, expires_s) = (order.ticker.clone(), order.expiration_time);
    let ack =
        venue.order(&ticker, |desk, market, facts| desk.create(market, account, order, facts))?;
    if let Some(at_s) = expires_s {
        venue.expires(&ticker, at_s);
    }
    Ok(ack)
}

fn create_many(venue: &mut Venue, account: AccountId, asked: &Asked) -> Answer {
    let batch: Batch<Value> = asked.json()?;
    let mut orders = Vec::with_capacity(batch.orders.len());
    for item in batch.orders {
        let name = item.get("client_order_id").and_then(Value::as_str).map(str::to_owned);
        let item = Asked { body: item.to_string().into_bytes(), ..asked.clone() };
        let ack = item.json().and_then(|order| create(venue, account, order));
        orders.push(match ack {
            Ok(ack) => BatchCreated::Accepted(ack),
            Err(reply) => BatchCreated::Refused { client_order_id: name, error: error_of(&reply) },
        });
    }
    Ok(Reply::json(StatusCode::CREATED, &Batch { orders }))
}

fn cancel(venue: &mut Venue, account: AccountId, id: &str) -> Result<CancelAck, Reply> {
    let ticker = venue.desk().market_of(account, id)?.to_owned();
    Ok(venue.order(&ticker, |desk, market, facts| desk.cancel(market, account, id, facts))?)
}

fn cancel_many(venue: &mut Venue, account: AccountId, asked: &Asked) -> Answer {
    let batch: Batch<CancelOrder> = asked.json()?;
    let one = |order: CancelOrder| match cancel(venue, account, &order.order_id) {
        Ok(ack) => ack,
        Err(reply) => CancelAck {
            order_id: order.order_id,
            client_order_id: None,
            reduced_by: Qty::ZERO,
            ts_ms: None,
            error: Some(error_of(&reply)),
        },
    };
    Ok(Reply::ok(&Batch { orders: batch.orders.into_iter().map(one).collect::<Vec<_>>() }))
}

fn cancel_all(venue: &mut Venue, account: AccountId) -> Answer {
    for ticker in venue.desk().markets_with_orders(Some(account)) {
        venue.order(&ticker, |desk, market, facts| {
            desk.cancel_all(market, account, facts);
            Ok(())
        })?;
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn amend(venue: &mut Venue, account: AccountId, id: &str, change: AmendOrder) -> Answer {
    let ticker = venue.desk().market_of(account, id)?.to_owned();
    let expires_s = change.expiration_time.filter(|s| *s != 0);
    let ack = venue
        .order(&ticker, |desk, market, facts| desk.amend(market, account, id, change, facts))?;
    if let Some(at_s) = expires_s {
        venue.expires(&ticker, at_s);
    }
    Ok(Reply::ok(&ack))
}

fn decrease(venue: &mut Venue, account: AccountId, id: &str, change: DecreaseOrder) -> Answer {
    let ticker = venue.desk().market_of(account, id)?.to_owned();
    let ack = venue
        .order(&ticker, |desk, market, facts| desk.decrease(market, account, id, change, facts))?;
    Ok(Reply::ok(&ack))
}

/// The lists: orders, fills, positions, settlements, balance.
fn read(venue: &Venue, account: AccountId, asked: &Asked, list: &str) -> Answer {
    let (reading, filter) = (venue.desk().read(account), filter(asked)?);
    match list {
        "orders" => {
            let (orders, cursor) = page(reading.orders(&filter), asked, 100, 1_000)?;
            Ok(Reply::ok(&OrderPage { orders, cursor }))
        }
        "fills" => {
            let (fills, cursor) = page(reading.fills(&filter), asked, 100, 1_000)?;
            Ok(Reply::ok(&FillPage { fills, cursor }))
        }
        "positions" => {
            let (mut markets, event_positions) = reading.positions(&filter);
            let counts = asked.param("count_filter").unwrap_or_default();
            markets.retain(|position| counts.split(',').all(|word| counted(position, word)));
            let (market_positions, cursor) = page(markets, asked, 100, 1_000)?;
            Ok(Reply::ok(&PositionPage { market_positions, event_positions, cursor }))
        }
        "settlements" => {
            let (settlements, cursor) = page(reading.settlements(&filter), asked, 100, 1_000)?;
            Ok(Reply::ok(&SettlementPage { settlements, cursor }))
        }
        "balance" => {
            let touch =
                |ticker: &str| venue.exchange(ticker).map(|e| e.touch()).unwrap_or_default();
            Ok(Reply::ok(&reading.balance(venue.now().ms(), touch)))
        }
        _ => Err(not_found("no such endpoint")),
    }
}

/// `count_filter`: only positions where the named number is not zero.
fn counted(position: &MarketPosition, word: &str) -> bool {
    match word {
        "position" => position.position_fp != Qty::ZERO,
        "total_traded" => position.total_traded_dollars.0 != 0,
        "resting_order_count" => position.resting_orders_count > 0,
        _ => true,
    }
}

fn filter(asked: &Asked) -> Result<OrderFilter, Reply> {
    let text = |name: &str| asked.param(name).map(str::to_owned);
    let status = match asked.param("status") {
        None => None,
        Some("resting") => Some(OrderStatus::Resting),
        Some("canceled") => Some(OrderStatus::Canceled),
        Some("executed") => Some(OrderStatus::Executed),
        Some(_) => return Err(invalid("status")),
    };
    Ok(OrderFilter {
        ticker: text("ticker"),
        event_ticker: text("event_ticker"),
        status,
        client_order_id: text("client_order_id"),
        order_id: text("order_id"),
        min_ts: asked.number("min_ts")?,
        max_ts: asked.number("max_ts")?,
    })
}

fn queue_positions(venue: &Venue, account: AccountId, asked: &Asked) -> Answer {
    let wanted: Option<Vec<_>> = asked.param("market_tickers").map(|t| t.split(',').collect());
    let resting = venue.desk().read(account).places();
    let rows = resting
        .filter(|(_, ticker, _)| wanted.as_ref().is_none_or(|w| w.contains(ticker)))
        .filter_map(|(id, ticker, place)| {
            Some(QueuePosition {
                order_id: id.to_owned(),
                market_ticker: ticker.to_owned(),
                queue_position_fp: venue.exchange(ticker)?.ahead(place)?,
            })
        })
        .collect();
    Ok(Reply::ok(&QueuePositions { queue_positions: rows }))
}

fn queue_position(venue: &Venue, account: AccountId, id: &str) -> Answer {
    let mut resting = venue.desk().read(account).places();
    let place = resting.find(|(order, ..)| *order == id);
    let ahead = place.and_then(|(_, ticker, place)| venue.exchange(ticker)?.ahead(place));
    let ahead = ahead.ok_or_else(|| not_found("order not found"))?;
    Ok(Reply::ok(&json!({ "queue_position_fp": ahead.to_string() })))
}

/// The error inside an answer, for one item of a batch.
fn error_of(reply: &Reply) -> Problem {
    let body: Option<Value> = serde_json::from_str(&reply.body).ok();
    let error = body.and_then(|b| serde_json::from_value(b.get("error")?.clone()).ok());
    error.unwrap_or_else(|| Problem {
        code: "internal_error".into(),
        message: "internal error".into(),
        details: None,
    })
}
