//! Book and trade frames as the exchange writes them today.

use super::BookFrame;
use crate::event::{Delta, Snapshot, Trade};
use crate::units::Side;
use crate::wire::convert;
use serde_json::{Map, Value, json};

fn put_market(msg: &mut Map<String, Value>, ticker: &str, market_id: Option<[u8; 16]>) {
    msg.insert("market_ticker".into(), ticker.into());
    if let Some(id) = market_id {
        msg.insert("market_id".into(), convert::uuid_text(id).into());
    }
}

pub(super) fn snapshot(f: &BookFrame<Snapshot>) -> Value {
    let mut msg = Map::new();
    put_market(&mut msg, &f.ticker, f.market_id);
    for (key, side) in [("yes_dollars_fp", &f.what.yes), ("no_dollars_fp", &f.what.no)] {
        // A side without levels is an absent key.
        if !side.is_empty() {
            let levels = side.iter().map(|(p, q)| json!([p.to_string(), q.to_string()])).collect();
            msg.insert(key.into(), Value::Array(levels));
        }
    }
    Value::Object(msg)
}

pub(super) fn delta(f: &BookFrame<Delta>) -> Value {
    let mut msg = Map::new();
    put_market(&mut msg, &f.ticker, f.market_id);
    msg.insert("price_dollars".into(), f.what.price.to_string().into());
    msg.insert("delta_fp".into(), f.what.qty.to_string().into());
    msg.insert("side".into(), f.what.side.word().into());
    if let Some(ts) = f.ts {
        msg.insert("ts".into(), convert::time_text(ts).into());
        msg.insert("ts_ms".into(), ts.ms().into());
    }
    Value::Object(msg)
}

pub(super) fn trade(f: &BookFrame<Trade>) -> Value {
    let trade = &f.what;
    let side = trade.taker.word();
    let book_side = if trade.taker == Side::Yes { "bid" } else { "ask" };
    let mut msg = Map::new();
    msg.insert("trade_id".into(), convert::uuid_text(trade.id).into());
    put_market(&mut msg, &f.ticker, f.market_id);
    msg.insert("yes_price_dollars".into(), trade.yes_price.to_string().into());
    msg.insert("no_price_dollars".into(), trade.yes_price.complement().to_string().into());
    msg.insert("count_fp".into(), trade.qty.to_string().into());
    msg.insert("taker_side".into(), side.into());
    msg.insert("taker_outcome_side".into(), side.into());
    msg.insert("taker_book_side".into(), book_side.into());
    if let Some(block) = trade.block {
        msg.insert("is_block_trade".into(), block.into());
    }
    if let Some(ts) = f.ts {
        msg.insert("ts".into(), ts.ms().div_euclid(1_000).into());
        msg.insert("ts_ms".into(), ts.ms().into());
    }
    Value::Object(msg)
}
