//! The example frames of the exchange, each through the real decoder.

use crate::shared::shared;
use kalshiflow::event::{Body, Event};
use kalshiflow::units::{Price, Qty, Side, TsNs};
use kalshiflow::wire::frame::{ClientFrame, ServerBody, ServerFrame};
use kalshiflow::wire::market::{market_info, market_objects};
use kalshiflow::wire::rest::{ErrorBody, OrderbookBody};
use kalshiflow::wire::{Decoder, frame_value};
use serde_json::Value;
use std::path::Path;

fn json_files(dir: &Path) -> Vec<(String, Value)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    let name = |p: &Path| p.file_name().expect("name").to_string_lossy().into_owned();
    let read = |p: &Path| serde_json::from_str(&std::fs::read_to_string(p).expect("text"));
    files.iter().map(|p| (name(p), read(p).expect("JSON"))).collect()
}

#[test]
fn every_current_server_frame_reads_and_writes_back_equal() {
    let Some(dir) = shared("kalshi-messages/ws") else { return };
    let files = json_files(&dir);
    assert!(files.len() > 30);
    for (name, value) in files {
        let frame = ServerFrame::from_value(&value).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(frame.to_value(), value, "{name}");
    }
}

#[test]
fn every_client_command_reads_and_writes_back_equal() {
    let Some(dir) = shared("kalshi-messages/ws_commands") else { return };
    for (name, value) in json_files(&dir) {
        let frame: ClientFrame =
            serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(serde_json::to_value(&frame).expect("JSON"), value, "{name}");
    }
}

#[test]
fn every_frame_is_kept_without_loss_by_the_decoder() {
    let Some(dir) = shared("kalshi-messages") else { return };
    for folder in ["ws", "legacy"] {
        for (name, value) in json_files(&dir.join(folder)) {
            let mut decoder = Decoder::default();
            let record = decoder.decode(value.to_string().as_bytes(), TsNs(0));
            assert_eq!(frame_value(&record, &decoder.tickers), Some(value), "{name}");
            assert!(decoder.counts.bad.is_empty(), "{name}: {:?}", decoder.counts.bad);
        }
    }
}

fn legacy(name: &str) -> Option<Event> {
    let path = shared(&format!("kalshi-messages/legacy/{name}.2026-03-01.spec.json"))?;
    let bytes = std::fs::read(path).expect("file");
    Some(Decoder::default().decode(&bytes, TsNs(0)).event)
}

#[test]
fn legacy_cents_and_three_decimals_are_read() {
    let Some(delta) = legacy("orderbook_delta") else { return };
    let Body::Delta(d) = delta.body else { panic!("{delta:?}") };
    assert_eq!((d.side, d.price.e4(), d.qty), (Side::Yes, 9_600, Qty::contracts(-54)));
    assert_eq!(delta.ts, None, "the legacy delta had no time");
    let Some(snapshot) = legacy("orderbook_snapshot") else { return };
    let Body::Snapshot(s) = snapshot.body else { panic!("{snapshot:?}") };
    assert_eq!(s.yes, [(price(800), Qty::contracts(300)), (price(2_200), Qty::contracts(333))]);
    let Some(trade) = legacy("trade") else { return };
    let Body::Trade(t) = trade.body else { panic!("{trade:?}") };
    assert_eq!((t.taker, t.yes_price, t.qty), (Side::No, price(3_600), Qty::contracts(136)));
}

#[test]
fn integer_cents_alone_are_enough() {
    let frame = r#"{"type":"orderbook_snapshot","sid":2,"seq":2,"msg":{"market_ticker":"A","yes":[[8,300]]}}"#;
    let record = Decoder::default().decode(frame.as_bytes(), TsNs(0));
    let Body::Snapshot(s) = record.event.body else { panic!("{:?}", record.event) };
    assert_eq!((s.yes, s.no), (vec![(price(800), Qty::contracts(300))], vec![]));
    let frame = r#"{"type":"orderbook_delta","sid":2,"seq":3,"msg":{"market_ticker":"A","price":29,"delta":-54,"side":"no"}}"#;
    let record = Decoder::default().decode(frame.as_bytes(), TsNs(0));
    let Body::Delta(d) = record.event.body else { panic!("{:?}", record.event) };
    assert_eq!((d.price, d.qty), (price(2_900), Qty::contracts(-54)));
}

fn price(e4: i64) -> Price {
    Price::new(e4).expect("in range")
}

#[test]
fn fills_are_typed_to_the_micro_dollar() {
    let Some(path) = shared("kalshi-messages/ws/fill.real.json") else { return };
    let frame = ServerFrame::parse(&std::fs::read(path).expect("file")).expect("frame");
    let ServerBody::Fill(fill) = frame.body else { panic!("no fill") };
    assert_eq!(fill.fee_cost.map(|f| f.e6()), Some(54_600));
    assert_eq!((fill.count_fp, fill.yes_price_dollars), (Qty(552), price(1_700)));
    assert!(fill.extra.contains_key("purchased_side"), "deprecated fields are kept");
}

#[test]
fn every_recorded_rest_body_of_market_data_and_errors_is_read() {
    let Some(dir) = shared("kalshi-messages/rest") else { return };
    for (name, value) in json_files(&dir) {
        if name.contains("orderbook") {
            let body: OrderbookBody = serde_json::from_value(value.clone()).expect("book");
            let book = body.snapshot().expect("levels");
            assert!(!book.yes.is_empty() && !book.no.is_empty());
            let back = serde_json::to_value(OrderbookBody::of(&book)).expect("JSON");
            assert_eq!(back, value, "{name}");
        } else if name.starts_with("error_") {
            let body = ErrorBody::parse(value.to_string().as_bytes()).expect("error body");
            assert!(!body.message.is_empty(), "{name}");
            assert_eq!(body.to_value(), value, "{name}");
        } else if name.contains("market") || name.contains("events_ticker") {
            for market in market_objects(&value) {
                assert!(market_info(market).expect("market").settlement.is_some(), "{name}");
            }
        }
    }
}
