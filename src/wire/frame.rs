//! WebSocket frames of both directions, field by field as the protocol has them.
//!
//! Frames about order books are read tolerantly (legacy integer cents, `*_dollars` with three decimals)
//! and written in today's shape. Frames that only later rooms interpret keep their `msg` as JSON.

use super::convert::{self, ConvertError};
use super::text;
use crate::event::{Delta, Snapshot, Trade};
use crate::units::{Money, Price, Qty, Side, TsUs};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the exchange sends.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerFrame {
    /// The command that this answers.
    pub id: Option<u64>,
    /// Subscription.
    pub sid: Option<u32>,
    /// Number inside the subscription.
    pub seq: Option<u64>,
    /// What it says.
    pub body: ServerBody,
}

/// What a frame of the exchange says.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerBody {
    /// A channel was opened under this subscription id.
    Subscribed {
        /// Channel name.
        channel: String,
        /// Its subscription.
        sid: u32,
    },
    /// A subscription ended.
    Unsubscribed,
    /// A command was carried out; `msg` is the market list or the list of subscriptions.
    Ok(Value),
    /// A command or a subscription failed.
    Error {
        /// Number, see the protocol's table.
        code: u32,
        /// The whole `msg` object.
        msg: Map<String, Value>,
    },
    /// A whole book.
    Snapshot(BookFrame<Snapshot>),
    /// A change of one level.
    Delta(BookFrame<Delta>),
    /// A public trade.
    Trade(BookFrame<Trade>),
    /// A fill of our own order.
    Fill(Box<Fill>),
    /// Any other type; known ones stand in [`KNOWN_TYPES`].
    Other {
        /// The frame's `type`.
        kind: String,
        /// Its `msg`, if any.
        msg: Option<Value>,
    },
}

/// Types that the protocol names and that are kept as JSON until a room needs them.
pub const KNOWN_TYPES: [&str; 10] = [
    "ticker",
    "user_order",
    "market_position",
    "market_lifecycle_v2",
    "event_lifecycle",
    "event_fee_update",
    "multivariate_market_lifecycle",
    "order_group_updates",
    "cfbenchmarks_value",
    "pyth_value",
];

/// A book or trade frame of one market.
#[derive(Clone, Debug, PartialEq)]
pub struct BookFrame<T> {
    /// The market.
    pub ticker: String,
    /// The exchange's id of the market (snapshots and deltas).
    pub market_id: Option<[u8; 16]>,
    /// Exchange time; `None` in snapshots and in legacy deltas.
    pub ts: Option<TsUs>,
    /// What happened.
    pub what: T,
}

/// A fill of our own order, `msg` of type `fill`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// The trade.
    pub trade_id: String,
    /// Our order, the exchange's name for it.
    pub order_id: String,
    /// The market.
    pub market_ticker: String,
    /// True when we took.
    pub is_taker: bool,
    /// YES price.
    #[serde(with = "text")]
    pub yes_price_dollars: Price,
    /// Contracts.
    #[serde(with = "text")]
    pub count_fp: Qty,
    /// Fee in dollars; absent before March 2026.
    #[serde(default, with = "text::optional", skip_serializing_if = "Option::is_none")]
    pub fee_cost: Option<Money>,
    /// Milliseconds since the epoch; absent before March 2026.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts_ms: Option<i64>,
    /// Position after the fill.
    #[serde(with = "text")]
    pub post_position_fp: Qty,
    /// What we bought on the outcome scale; the deprecated `side` and `action` stay in `extra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome_side: Option<Side>,
    /// `bid` or `ask` on the YES book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book_side: Option<String>,
    /// Every other field, as sent.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Why a frame could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// A field is missing or has another type.
    #[error("field `{0}` is missing or has the wrong type")]
    Field(&'static str),
    /// A text is no such number.
    #[error("field `{field}`: {source}")]
    Convert {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        source: ConvertError,
    },
    /// A size that cannot be negative is.
    #[error("negative size in field `{0}`")]
    NegativeSize(&'static str),
    /// A typed body does not fit.
    #[error("{0}")]
    Body(String),
}

impl ServerFrame {
    /// Reads a frame.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn parse(bytes: &[u8]) -> Result<ServerFrame, FrameError> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|e| FrameError::Json(e.to_string()))?;
        Self::from_value(&value)
    }

    /// Reads a frame that is already JSON.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn from_value(value: &Value) -> Result<ServerFrame, FrameError> {
        let kind = value.get("type").and_then(Value::as_str).ok_or(FrameError::Field("type"))?;
        let msg = value.get("msg");
        let object = || msg.and_then(Value::as_object).ok_or(FrameError::Field("msg"));
        let body = match kind {
            "subscribed" => ServerBody::Subscribed {
                channel: string(object()?, "channel")?.to_owned(),
                sid: number(object()?, "sid")?,
            },
            "unsubscribed" if msg.is_none() => ServerBody::Unsubscribed,
            "ok" => ServerBody::Ok(msg.cloned().ok_or(FrameError::Field("msg"))?),
            "error" => {
                ServerBody::Error { code: number(object()?, "code")?, msg: object()?.clone() }
            }
            "orderbook_snapshot" => ServerBody::Snapshot(snapshot(object()?)?),
            "orderbook_delta" => ServerBody::Delta(delta(object()?)?),
            "trade" => ServerBody::Trade(trade(object()?)?),
            "fill" => {
                let fill = Fill::deserialize(Value::Object(object()?.clone()));
                ServerBody::Fill(Box::new(fill.map_err(|e| FrameError::Body(e.to_string()))?))
            }
            other => ServerBody::Other { kind: other.to_owned(), msg: msg.cloned() },
        };
        let top = value.as_object().ok_or(FrameError::Field("type"))?;
        Ok(ServerFrame {
            id: optional(top, "id")?,
            sid: optional(top, "sid")?,
            seq: optional(top, "seq")?,
            body,
        })
    }

    /// The frame as JSON, in today's shape.
    pub fn to_value(&self) -> Value {
        let (kind, msg) = match &self.body {
            ServerBody::Subscribed { channel, sid } => {
                ("subscribed", Some(json!({"channel": channel, "sid": sid})))
            }
            ServerBody::Unsubscribed => ("unsubscribed", None),
            ServerBody::Ok(msg) => ("ok", Some(msg.clone())),
            ServerBody::Error { msg, .. } => ("error", Some(Value::Object(msg.clone()))),
            ServerBody::Snapshot(f) => ("orderbook_snapshot", Some(snapshot_value(f))),
            ServerBody::Delta(f) => ("orderbook_delta", Some(delta_value(f))),
            ServerBody::Trade(f) => ("trade", Some(trade_value(f))),
            ServerBody::Fill(fill) => ("fill", serde_json::to_value(fill).ok()),
            ServerBody::Other { kind, msg } => (kind.as_str(), msg.clone()),
        };
        let mut top = Map::new();
        top.insert("type".into(), kind.into());
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                top.insert(key.into(), value);
            }
        };
        put("id", self.id.map(Value::from));
        put("sid", self.sid.map(Value::from));
        put("seq", self.seq.map(Value::from));
        put("msg", msg);
        Value::Object(top)
    }
}

fn string<'a>(m: &'a Map<String, Value>, key: &'static str) -> Result<&'a str, FrameError> {
    m.get(key).and_then(Value::as_str).ok_or(FrameError::Field(key))
}

fn optional<T: TryFrom<u64>>(
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

fn number<T: TryFrom<u64>>(m: &Map<String, Value>, key: &'static str) -> Result<T, FrameError> {
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

fn snapshot(m: &Map<String, Value>) -> Result<BookFrame<Snapshot>, FrameError> {
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

fn delta(m: &Map<String, Value>) -> Result<BookFrame<Delta>, FrameError> {
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

fn trade(m: &Map<String, Value>) -> Result<BookFrame<Trade>, FrameError> {
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

fn put_market(msg: &mut Map<String, Value>, ticker: &str, market_id: Option<[u8; 16]>) {
    msg.insert("market_ticker".into(), ticker.into());
    if let Some(id) = market_id {
        msg.insert("market_id".into(), convert::uuid_text(id).into());
    }
}

fn snapshot_value(f: &BookFrame<Snapshot>) -> Value {
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

fn delta_value(f: &BookFrame<Delta>) -> Value {
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

fn trade_value(f: &BookFrame<Trade>) -> Value {
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

/// What a client sends: `{"id":..,"cmd":..,"params":..}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientFrame {
    /// Unique per connection, from 1.
    pub id: u64,
    /// What is asked for.
    #[serde(flatten)]
    pub command: Command,
}

/// A command and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cmd", content = "params", rename_all = "snake_case")]
pub enum Command {
    /// Open channels.
    Subscribe(Map<String, Value>),
    /// Close subscriptions.
    Unsubscribe {
        /// Which.
        sids: Vec<u32>,
    },
    /// Add or remove markets, or ask for snapshots.
    UpdateSubscription(Map<String, Value>),
    /// List open subscriptions.
    ListSubscriptions,
}
