//! WebSocket frames of both directions, field by field as the protocol has them.
//!
//! Frames about order books are read tolerantly (legacy integer cents, `*_dollars` with three decimals)
//! and written in today's shape. Frames that only later rooms interpret keep their `msg` as JSON.

mod read;
mod write;

use super::convert::ConvertError;
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
                channel: read::string(object()?, "channel")?.to_owned(),
                sid: read::number(object()?, "sid")?,
            },
            "unsubscribed" if msg.is_none() => ServerBody::Unsubscribed,
            "ok" => ServerBody::Ok(msg.cloned().ok_or(FrameError::Field("msg"))?),
            "error" => {
                ServerBody::Error { code: read::number(object()?, "code")?, msg: object()?.clone() }
            }
            "orderbook_snapshot" => ServerBody::Snapshot(read::snapshot(object()?)?),
            "orderbook_delta" => ServerBody::Delta(read::delta(object()?)?),
            "trade" => ServerBody::Trade(read::trade(object()?)?),
            "fill" => {
                let fill = Fill::deserialize(Value::Object(object()?.clone()));
                ServerBody::Fill(Box::new(fill.map_err(|e| FrameError::Body(e.to_string()))?))
            }
            other => ServerBody::Other { kind: other.to_owned(), msg: msg.cloned() },
        };
        let top = value.as_object().ok_or(FrameError::Field("type"))?;
        Ok(ServerFrame {
            id: read::optional(top, "id")?,
            sid: read::optional(top, "sid")?,
            seq: read::optional(top, "seq")?,
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
            ServerBody::Snapshot(f) => ("orderbook_snapshot", Some(write::snapshot(f))),
            ServerBody::Delta(f) => ("orderbook_delta", Some(write::delta(f))),
            ServerBody::Trade(f) => ("trade", Some(write::trade(f))),
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
