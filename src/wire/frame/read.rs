//! Fields of a frame of the exchange: today's texts, and the whole numbers that came before them.

use super::{BookFrame, FrameError};
use crate::event::{Delta, Snapshot, Trade};
use crate::units::{Price, Qty, Side, TsUs};
use crate::wire::convert::{self, ConvertError};
use serde_json::{Map, Value};

pub(super) fn string<'a>(
    m: &'a Map<String, Value>,
    key: &'static str,
) -> Result<&'a str, FrameError> {
    m.get(key).and_then(Value::as_str).ok_or(FrameError::Field(key))
}

pub(super) fn optional<T: TryFrom<u64>>(
    m: &Map<String, Value>,
    key: &'static str,
) -> Result<Option<T>, FrameError> {
    match m.get(key) {
        None => Ok(None),
        Some(v) => {
            let n = v.as_u64().ok_or(FrameError::Field(key))?;
            T::try_from(n).map(Some).map_err(|_| FrameError::Field(key))
        }
    }
}

pub(super) fn number<T: TryFrom<u64>>(
    m: &Map<String, Value>,
    key: &'static str,
) -> Result<T, FrameError> {
    optional(m, key)?.ok_or(FrameError::Field(key))
}

fn convert_field<T>(field: &'static str, result: Result<T, ConvertError>) -> Result<T, FrameError> {
    result.map_err(|source| FrameError::Convert { field, source })
}

/// A price from its decimal text, else from legacy integer cents.
fn price(
    m: &Map<String, Value>,
    key: &'static str,
    cents: &'static str,
) -> Result<Price, FrameError> {
    match (m.get(key), m.get(cents).and_then(Value::as_i64)) {
        (Some(Value::String(t)), _) => convert_field(key, convert::price(t.as_bytes())),
        (None, Some(c)) => c.checked_mul(100).and_then(Price::new).ok_or(FrameError::Field(cents)),
        _ => Err(FrameError::Field(key)),
    }
}

/// A size from its decimal text, else from a legacy whole number of contracts.
fn qty(m: &Map<String, Value>, key: &'static str, whole: &'static str) -> Result<Qty, FrameError> {
    match (m.get(key), m.get(whole).and_then(Value::as_i64)) {
        (Some(Value::String(t)), _) => convert_field(key, convert::qty(t.as_bytes())),
        (None, Some(n)) => n.checked_mul(100).map(Qty).ok_or(FrameError::Field(whole)),
        _ => Err(FrameError::Field(key)),
    }
}

fn side(m: &Map<String, Value>, key: &'static str) -> Result<Side, FrameError> {
    match string(m, key)? {
        "yes" => Ok(Side::Yes),
        "no" => Ok(Side::No),
        _ => Err(FrameError::Field(key)),
    }
}

fn market_id(m: &Map<String, Value>) -> Result<Option<[u8; 16]>, FrameError> {
    match m.get("market_id") {
        None => Ok(None),
        Some(Value::String(t)) => convert_field("market_id", convert::uuid(t.as_bytes())).map(Some),
        Some(_) => Err(FrameError::Field("market_id")),
    }
}

/// `ts_ms` refined by the microseconds of a textual `ts` that agrees with it.
fn time(m: &Map<String, Value>) -> Result<Option<TsUs>, FrameError> {
    let ms = match m.get("ts_ms") {
        None => None,
        Some(v) => Some(v.as_i64().ok_or(FrameError::Field("ts_ms"))?),
    };
    match (m.get("ts"), ms) {
        (Some(Value::String(t)), ms) => {
            let ts = convert_field("ts", convert::time(t.as_bytes()))?;
            Ok(Some(if ms.is_none_or(|ms| ts.ms() == ms) {
                ts
            } else {
                TsUs::from_ms(ms.unwrap_or_default())
            }))
        }
        (_, Some(ms)) => Ok(Some(TsUs::from_ms(ms))),
        (Some(Value::Number(n)), None) => {
            Ok(n.as_i64().and_then(|s| s.checked_mul(1_000)).map(TsUs::from_ms))
        }
        _ => Ok(None),
    }
}

/// Levels under the first of `keys` that is present; no key at all is an empty side.
fn levels(
    m: &Map<String, Value>,
    keys: [&'static str; 3],
) -> Result<Vec<(Price, Qty)>, FrameError> {
    let Some((key, value)) = keys.iter().find_map(|k| Some((*k, m.get(*k)?))) else {
        return Ok(Vec::new());
    };
    let list = value.as_array().ok_or(FrameError::Field(key))?;
    list.iter().map(|level| level_of(level, key)).collect()
}

fn level_of(level: &Value, key: &'static str) -> Result<(Price, Qty), FrameError> {
    let part = |i: usize| level.get(i).ok_or(FrameError::Field(key));
    let price = match part(0)? {
        Value::String(t) => convert_field(key, convert::price(t.as_bytes()))?,
        v => v
            .as_i64()
            .and_then(|c| c.checked_mul(100))
            .and_then(Price::new)
            .ok_or(FrameError::Field(key))?,
    };
    let size = match part(1)? {
        Value::String(t) => convert_field(key, convert::qty(t.as_bytes()))?,
        v => v.as_i64().and_then(|n| n.checked_mul(100)).map(Qty).ok_or(FrameError::Field(key))?,
    };
    if size < Qty::ZERO {
        return Err(FrameError::NegativeSize(key));
    }
    Ok((price, size))
}

pub(super) fn snapshot(m: &Map<String, Value>) -> Result<BookFrame<Snapshot>, FrameError> {
    Ok(BookFrame {
        ticker: string(m, "market_ticker")?.to_owned(),
        market_id: market_id(m)?,
        ts: None,
        what: Snapshot {
            yes: levels(m, ["yes_dollars_fp", "yes_dollars", "yes"])?,
            no: levels(m, ["no_dollars_fp", "no_dollars", "no"])?,
        },
    })
}

pub(super) fn delta(m: &Map<String, Value>) -> Result<BookFrame<Delta>, FrameError> {
    Ok(BookFrame {
        ticker: string(m, "market_ticker")?.to_owned(),
        market_id: market_id(m)?,
        ts: time(m)?,
        what: Delta {
            side: side(m, "side")?,
            price: price(m, "price_dollars", "price")?,
            qty: qty(m, "delta_fp", "delta")?,
        },
    })
}

pub(super) fn trade(m: &Map<String, Value>) -> Result<BookFrame<Trade>, FrameError> {
    let count = qty(m, "count_fp", "count")?;
    if count < Qty::ZERO {
        return Err(FrameError::NegativeSize("count_fp"));
    }
    let id = match m.get("trade_id") {
        None => [0; 16], // the legacy stream had no trade ids
        Some(_) => convert_field("trade_id", convert::uuid(string(m, "trade_id")?.as_bytes()))?,
    };
    let block = match m.get("is_block_trade") {
        None => None,
        Some(v) => Some(v.as_bool().ok_or(FrameError::Field("is_block_trade"))?),
    };
    let taker = match m.get("taker_outcome_side") {
        Some(_) => side(m, "taker_outcome_side")?,
        None => side(m, "taker_side")?,
    };
    let yes_price = price(m, "yes_price_dollars", "yes_price")?;
    Ok(BookFrame {
        ticker: string(m, "market_ticker")?.to_owned(),
        market_id: None,
        ts: time(m)?,
        what: Trade { taker, yes_price, qty: count, block, id },
    })
}
