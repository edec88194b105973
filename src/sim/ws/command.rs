//! Commands of clients: read, checked, and refused with the code that the protocol has for it.

use super::channel::Channel;
use serde_json::{Map, Value};

/// A command that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Subscribe(Subscribe),
    Unsubscribe(Vec<u32>),
    Update { sid: u32, action: String, tickers: Option<Vec<String>> },
    List,
}

/// What a client wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscribe {
    pub(super) channels: Vec<Channel>,
    /// `None`: all markets.
    pub(super) tickers: Option<Vec<String>>,
    pub(super) yes_scale: bool,
    pub(super) short_ok: bool,
    pub(super) initial_ticker: bool,
}

/// Why a command was refused: an error code of protocol notes 4.3.
pub(super) type Code = u32;

/// The words that the exchange has for a code.
pub(super) const fn words(code: Code) -> &'static str {
    match code {
        1 => "Unable to process message",
        2 => "Params required",
        3 => "Channels required",
        4 => "Subscription IDs required",
        5 => "Unknown command",
        7 => "Unknown subscription ID",
        8 => "Unknown channel name",
        9 => "Authentication required",
        10 => "Channel error",
        11 => "Invalid parameter",
        12 => "Exactly one subscription ID is required",
        13 => "Unsupported action",
        14 => "Market Ticker required",
        15 => "Action required",
        18 => "Command timeout",
        19 => "shard_factor must be > 0",
        20 => "shard_factor is required when shard_key is set",
        21 => "shard_key must be >= 0 and < shard_factor",
        22 => "shard_factor must be <= 100",
        23 => "Match IDs required",
        24 => "Index IDs required",
        25 => "Subscription buffer overflow",
        26 => "Subscription market limit exceeded",
        27 => "Too many requests",
        28 => "Underlying tickers required",
        _ => "Error",
    }
}

/// Reads a command: its id (0: none) and what it asks for, or the code of what is wrong with it.
pub(super) fn read(text: &str) -> (u64, Result<Ask, Code>) {
    let Ok(Value::Object(frame)) = serde_json::from_str(text) else { return (0, Err(1)) };
    let id = frame.get("id").and_then(Value::as_u64).unwrap_or(0);
    let Some(command) = frame.get("cmd").and_then(Value::as_str) else { return (id, Err(1)) };
    let none = Map::new();
    let params = frame.get("params").and_then(Value::as_object);
    let ask = match (command, params.filter(|p| !p.is_empty())) {
        ("list_subscriptions", _) => Ok(Ask::List),
        ("subscribe" | "unsubscribe" | "update_subscription", None) => Err(2),
        ("subscribe", Some(params)) => subscribe(params),
        ("unsubscribe", Some(params)) => unsubscribe(params),
        ("update_subscription", params) => update(params.unwrap_or(&none)),
        _ => Err(5),
    };
    (id, ask)
}

fn subscribe(params: &Map<String, Value>) -> Result<Ask, Code> {
    let names = params.get("channels").and_then(Value::as_array).filter(|c| !c.is_empty());
    let channels = names
        .ok_or(3u32)?
        .iter()
        .map(|name| name.as_str().and_then(Channel::named).ok_or(8))
        .collect::<Result<Vec<_>, Code>>()?;
    let tickers = tickers(params)?;
    let flag = |key: &str| match params.get(key) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or(11u32),
    };
    let by_id = params.contains_key("market_id") || params.contains_key("market_ids");
    if channels.contains(&Channel::OrderbookDelta) && tickers.is_none() {
        return Err(if by_id { 11 } else { 14 });
    }
    if by_id && channels != [Channel::Ticker] {
        return Err(11);
    }
    extras(&channels, params)?;
    Ok(Ask::Subscribe(Subscribe {
        channels,
        tickers,
        yes_scale: flag("use_yes_price")?,
        short_ok: flag("skip_ticker_ack")?,
        initial_ticker: flag("send_initial_snapshot")?,
    }))
}

/// What only some channels ask for.
fn extras(channels: &[Channel], params: &Map<String, Value>) -> Result<(), Code> {
    let list = |key: &str| params.get(key).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    if channels.contains(&Channel::CfbenchmarksValue) && !list("index_ids") {
        return Err(24);
    }
    if channels.contains(&Channel::PythValue) && !list("underlying_tickers") {
        return Err(28);
    }
    let number = |key: &str| params.get(key).and_then(Value::as_i64);
    match (number("shard_factor"), number("shard_key")) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(20),
        (Some(factor), _) if factor <= 0 => Err(19),
        (Some(factor), _) if factor > 100 => Err(22),
        (Some(factor), Some(key)) if !(0..factor).contains(&key) => Err(21),
        _ => Ok(()),
    }
}

fn unsubscribe(params: &Map<String, Value>) -> Result<Ask, Code> {
    sids(params).map(Ask::Unsubscribe)
}

fn update(params: &Map<String, Value>) -> Result<Ask, Code> {
    let sids = sids(params)?;
    let [sid] = sids[..] else { return Err(12) };
    let action = params.get("action").ok_or(15u32)?.as_str().ok_or(11u32)?.to_owned();
    Ok(Ask::Update { sid, action, tickers: tickers(params)? })
}

/// `sid` or `sids`, at least one.
fn sids(params: &Map<String, Value>) -> Result<Vec<u32>, Code> {
    let one = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or(11u32);
    match (params.get("sids"), params.get("sid")) {
        (Some(Value::Array(list)), _) if !list.is_empty() => list.iter().map(one).collect(),
        (None, Some(sid)) => Ok(vec![one(sid)?]),
        _ => Err(4),
    }
}

/// `market_ticker` or `market_tickers`, not both; an empty list is none.
fn tickers(params: &Map<String, Value>) -> Result<Option<Vec<String>>, Code> {
    let one = |v: &Value| v.as_str().map(str::to_owned).ok_or(11u32);
    match (params.get("market_ticker"), params.get("market_tickers")) {
        (Some(_), Some(_)) => Err(11),
        (Some(ticker), None) => Ok(Some(vec![one(ticker)?])),
        (None, Some(Value::Array(list))) if list.is_empty() => Ok(None),
        (None, Some(Value::Array(list))) => {
            list.iter().map(one).collect::<Result<_, _>>().map(Some)
        }
        (None, Some(_)) => Err(11),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_its_code() {
        let code = |text: &str| read(text).1.expect_err(text);
        for (want, text) in [
            (1, "nonsense"),
            (1, "{\"id\":1}"),
            (5, "{\"id\":1,\"cmd\":\"dance\"}"),
            (2, "{\"id\":1,\"cmd\":\"subscribe\"}"),
            (2, "{\"id\":1,\"cmd\":\"unsubscribe\",\"params\":{}}"),
            (3, "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"market_ticker\":\"A\"}}"),
            (8, "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"x\"]}}"),
            (
                14,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"orderbook_delta\"]}}",
            ),
            (
                11,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"orderbook_delta\"],\"market_ids\":[\"a\"]}}",
            ),
            (
                11,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"trade\"],\"market_ticker\":\"A\",\"market_tickers\":[\"A\"]}}",
            ),
            (
                24,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"cfbenchmarks_value\"]}}",
            ),
            (28, "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"pyth_value\"]}}"),
            (
                19,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"communications\"],\"shard_factor\":0}}",
            ),
            (
                20,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"communications\"],\"shard_key\":0}}",
            ),
            (
                21,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"communications\"],\"shard_key\":3,\"shard_factor\":3}}",
            ),
            (
                22,
                "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"communications\"],\"shard_factor\":101}}",
            ),
            (4, "{\"id\":1,\"cmd\":\"unsubscribe\",\"params\":{\"sids\":[]}}"),
            (
                4,
                "{\"id\":1,\"cmd\":\"update_subscription\",\"params\":{\"action\":\"add_markets\"}}",
            ),
            (
                12,
                "{\"id\":1,\"cmd\":\"update_subscription\",\"params\":{\"sids\":[1,2],\"action\":\"add_markets\"}}",
            ),
            (15, "{\"id\":1,\"cmd\":\"update_subscription\",\"params\":{\"sid\":1}}"),
        ] {
            assert_eq!(code(text), want, "{text}");
            assert_ne!(words(want), "Error");
        }
        assert_eq!(read("{\"id\":9,\"cmd\":\"list_subscriptions\"}"), (9, Ok(Ask::List)));
    }
}
