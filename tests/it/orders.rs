//! Captured bodies and frames of orders and portfolios decode into the typed ones, value by value.

use crate::shared::shared;
use kalshiflow::units::{Money, Qty};
use kalshiflow::wire::orders::{CancelAck, OrderAck, Problem};
use kalshiflow::wire::portfolio::{OrderState, OrderStatus, PositionPage};
use kalshiflow::wire::private::PositionFrame;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn read(path: &str) -> Option<Value> {
    let text = std::fs::read_to_string(shared("kalshi-messages")?.join(path)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// Decodes and writes again: nothing that was said may come back as something else, and (where `whole`)
/// nothing may be left out.
#[track_caller]
fn check<T: DeserializeOwned + Serialize>(value: &Value, whole: bool) -> T {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    let again = serde_json::to_value(&typed).unwrap();
    let (said, written) = (value.as_object().unwrap(), again.as_object().unwrap());
    for (key, was) in said {
        match written.get(key) {
            Some(is) if was.is_string() => {
                // The same number may be written with more or fewer zeros behind the point.
                let plain = |v: &Value| {
                    let text = v.as_str().unwrap_or_default().to_owned();
                    match text.contains('.') {
                        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                        false => text,
                    }
                };
                assert_eq!(plain(is), plain(was), "{key}");
            }
            Some(is) => assert_eq!(is, was, "{key}"),
            None => assert!(!whole, "`{key}` got lost"),
        }
    }
    typed
}

#[test]
fn captured_answers_to_orders_decode() {
    let Some(created) = read("rest/POST_events_orders.201.resting.json") else { return };
    let ack: OrderAck = check(&created, true);
    assert_eq!((ack.remaining_count, ack.average_fill_price), (Qty::contracts(1), None));
    let gone: CancelAck = check(&read("rest/DELETE_events_orders_id.200.json").unwrap(), true);
    assert_eq!((gone.reduced_by, gone.error), (Qty::contracts(1), None));
    for (file, code) in [
        ("error_400_invalid_order", "invalid_order"),
        ("error_409_fok_kill", "fill_or_kill_insufficient_resting_volume"),
        ("error_410_v1_orders", "deprecated_v1_order_endpoint"),
    ] {
        let body = read(&format!("rest/{file}.json")).unwrap();
        assert_eq!(check::<Problem>(&body["error"], true).code, code);
    }
}

#[test]
fn captured_positions_decode() {
    let Some(page) = read("rest/GET_positions.real.json") else { return };
    let page: PositionPage = check(&page, true);
    assert_eq!((page.market_positions.len(), page.event_positions.len()), (4, 4));
    assert_eq!(page.market_positions[0].realized_pnl_dollars, Money(50_000));
    assert_eq!(page.event_positions[0].total_cost_shares_fp, Qty::contracts(10));
}

#[test]
fn private_frames_decode() {
    let Some(frame) = read("ws/user_order.spec.json") else { return };
    let order: OrderState = check(&frame["msg"], false);
    assert_eq!((order.status, order.remaining_count_fp), (OrderStatus::Resting, Qty(1_000)));
    assert_eq!(order.expiration_ts_ms, Some(1_733_050_800_000));
    let frame = read("ws/market_position.spec.json").unwrap();
    let position: PositionFrame = check(&frame["msg"], true);
    assert_eq!(position.position_cost_dollars, Money::dollars(50));
}
