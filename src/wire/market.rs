//! The market object of the REST API as a [`MarketInfo`].

use super::convert;
use crate::market::{MarketInfo, TickRange};
use crate::units::{Price, TsUs};
use serde_json::Value;

/// Why a market object could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarketError {
    /// Without a ticker there is no market.
    #[error("market object without `ticker`")]
    NoTicker,
    /// A field holds something else than the protocol says.
    #[error("market {ticker}: field `{field}` is not readable: {why}")]
    Field {
        /// The market.
        ticker: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// All market objects in a JSON text of any of the shapes in use: a reply of `GET /markets`,
/// `GET /events/{ticker}` or `GET /markets/{ticker}`, such a reply under `response`, or the bare object.
pub fn market_objects(value: &Value) -> Vec<&Value> {
    if let Some(inner) = value.get("response") {
        return market_objects(inner);
    }
    if let Some(market) = value.get("market") {
        return vec![market];
    }
    let nested = value.get("event").and_then(|e| e.get("markets"));
    match value.get("markets").or(nested).or(Some(value)) {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) if one.get("ticker").is_some() => vec![one],
        _ => Vec::new(),
    }
}

/// Reads a market object.
///
/// # Errors
/// Names the field that does not fit. An absent field is no error.
pub fn market_info(value: &Value) -> Result<MarketInfo, MarketError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    let ticker = text("ticker").ok_or(MarketError::NoTicker)?.to_owned();
    let fail = |field, why: String| MarketError::Field { ticker: ticker.clone(), field, why };
    let time = |field: &'static str| -> Result<Option<TsUs>, MarketError> {
        text(field)
            .map(|t| convert::time(t.as_bytes()).map_err(|e| fail(field, e.to_string())))
            .transpose()
    };
    let volume = text("volume_fp")
        .map(|t| convert::qty(t.as_bytes()).map_err(|e| fail("volume_fp", e.to_string())))
        .transpose()?;
    let owned = |key: &str| text(key).unwrap_or_default().to_owned();
    Ok(MarketInfo {
        event_ticker: owned("event_ticker"),
        title: owned("title"),
        open: time("open_time")?,
        close: time("close_time")?,
        settled: time("settlement_ts")?,
        settlement: settlement(value)
            .map_err(|e| fail("settlement_value_dollars", e.to_string()))?,
        status: owned("status"),
        ticks: ticks(value).map_err(|e| fail("price_ranges", e.to_string()))?,
        volume,
        ticker,
    })
}

/// What YES paid: the settlement value where it is given, else a plain yes or no.
fn settlement(value: &Value) -> Result<Option<Price>, convert::ConvertError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match (text("result").unwrap_or_default(), text("settlement_value_dollars")) {
        ("", _) => Ok(None),
        (_, Some(paid)) => convert::price(paid.as_bytes()).map(Some),
        ("yes", None) => Ok(Some(Price::ONE)),
        ("no", None) => Ok(Some(Price::ZERO)),
        _ => Ok(None),
    }
}

fn ticks(value: &Value) -> Result<Vec<TickRange>, convert::ConvertError> {
    let ranges = value.get("price_ranges").and_then(Value::as_array);
    ranges
        .into_iter()
        .flatten()
        .map(|range| {
            let price = |key: &str| {
                let text = range.get(key).and_then(Value::as_str).unwrap_or_default();
                convert::price(text.as_bytes())
            };
            Ok(TickRange { start: price("start")?, end: price("end")?, step: price("step")? })
        })
        .collect()
}
