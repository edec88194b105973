//! The predecessor's tables as JSON lines: `rl_orderbook_snapshots` and `rl_orderbook_deltas`.
//!
//! Until 17 December 2025 its parser put prices up to 50 cents into the bids and the rest into the asks,
//! for both arrays, though the exchange sends bids only. Such a snapshot is recognised and put together
//! again; what its deltas lost is not recoverable and is counted where it shows.

use crate::event::{Body, Delta, Event, Record, Snapshot, Tickers};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One row of either table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Session number of the predecessor; used as the subscription, so that a change of it is a gap.
    pub session: u32,
    /// Wall clock of the predecessor, milliseconds: it dropped the exchange's stamp.
    pub ts_ms: i64,
    /// Sequence number.
    pub seq: u64,
    /// The market.
    pub ticker: String,
    /// Snapshot or delta.
    pub body: Body,
    /// True when the snapshot had been split at 50 cents and was put together again.
    pub repaired: bool,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    session_id: u32,
    market_ticker: String,
    timestamp_ms: i64,
    sequence_number: u64,
}

#[derive(Deserialize)]
struct DeltaRow {
    side: Side,
    price: i64,
    #[serde(default)]
    old_size: Option<i64>,
    new_size: i64,
}

/// Price in cents to contracts.
type CentSide = BTreeMap<i64, i64>;

/// True when a line has the columns of one of the two tables.
pub fn is_row(value: &Value) -> bool {
    let has = |key: &str| value.get(key).is_some();
    has("market_ticker") && has("sequence_number") && (has("yes_bids") || has("new_size"))
}

/// Reads a row of either table.
///
/// # Errors
/// A sentence that names the column.
pub fn parse(value: &Value) -> Result<Row, String> {
    let head = Head::deserialize(value).map_err(|e| e.to_string())?;
    let (body, repaired) =
        if value.get("new_size").is_some() { (delta(value)?, false) } else { snapshot(value)? };
    Ok(Row {
        session: head.session_id,
        ts_ms: head.timestamp_ms,
        seq: head.sequence_number,
        ticker: head.market_ticker,
        body,
        repaired,
    })
}

fn delta(value: &Value) -> Result<Body, String> {
    let row = DeltaRow::deserialize(value).map_err(|e| e.to_string())?;
    if row.new_size < 0 || row.old_size.is_some_and(|s| s < 0) {
        return Err("negative size in a delta row".into());
    }
    let change = row.new_size.checked_sub(row.old_size.unwrap_or(0));
    let qty = change.and_then(|c| c.checked_mul(100)).ok_or("size out of range")?;
    Ok(Body::Delta(Delta { side: row.side, price: price_of(row.price)?, qty: Qty(qty) }))
}

fn price_of(cents: i64) -> Result<Price, String> {
    let price = cents.checked_mul(100).and_then(Price::new);
    price.ok_or_else(|| format!("price {cents} is not in 0..=100 cents"))
}

/// A side as JSON object, as text that holds one, or absent.
fn side(value: &Value, key: &str) -> Result<CentSide, String> {
    let parsed;
    let object: &Map<String, Value> = match value.get(key) {
        None | Some(Value::Null) => return Ok(CentSide::new()),
        Some(Value::Object(o)) => o,
        Some(Value::String(text)) => {
            parsed = serde_json::from_str::<Map<String, Value>>(text)
                .map_err(|e| format!("column {key}: {e}"))?;
            &parsed
        }
        Some(_) => return Err(format!("column {key} is no object")),
    };
    let level = |(price, size): (&String, &Value)| {
        let cents = price.parse::<i64>().map_err(|_| format!("column {key}: price `{price}`"))?;
        let size = size.as_i64().filter(|s| *s >= 0);
        Ok((cents, size.ok_or_else(|| format!("column {key}: size at {price}"))?))
    };
    object.iter().map(level).collect()
}

fn snapshot(value: &Value) -> Result<(Body, bool), String> {
    let (yes_bids, yes_asks) = (side(value, "yes_bids")?, side(value, "yes_asks")?);
    let (no_bids, no_asks) = (side(value, "no_bids")?, side(value, "no_asks")?);
    let broken = is_split(&yes_bids, &yes_asks, &no_bids, &no_asks);
    let raw = |bids: &CentSide, asks: &CentSide| -> Result<Vec<(Price, Qty)>, String> {
        let asks = asks.iter().filter(|_| broken);
        let levels = bids.iter().chain(asks).filter(|(_, size)| **size > 0);
        levels
            .map(|(cents, size)| {
                let e2 = size.checked_mul(100).ok_or("size out of range")?;
                Ok((price_of(*cents)?, Qty(e2)))
            })
            .collect()
    };
    let snapshot = Snapshot { yes: raw(&yes_bids, &yes_asks)?, no: raw(&no_bids, &no_asks)? };
    Ok((Body::Snapshot(Box::new(snapshot)), broken))
}

/// The broken parser's mark: asks that do not mirror the opposite bids, all bids up to 50 cents and all
/// asks above.
fn is_split(
    yes_bids: &CentSide,
    yes_asks: &CentSide,
    no_bids: &CentSide,
    no_asks: &CentSide,
) -> bool {
    let mirror = |side: &CentSide| side.iter().map(|(p, q)| (100 - p, *q)).collect::<CentSide>();
    let mirrored = *yes_asks == mirror(no_bids) && *no_asks == mirror(yes_bids);
    let bids_low = yes_bids.keys().chain(no_bids.keys()).all(|p| *p <= 50);
    let asks_high = yes_asks.keys().chain(no_asks.keys()).all(|p| *p > 50);
    !mirrored && bids_low && asks_high
}

impl Row {
    /// The row as a record of the log.
    pub fn record(self, tickers: &mut Tickers) -> Record {
        let event = Event {
            row_id: 0,
            recv: TsNs(self.ts_ms.saturating_mul(1_000_000)),
            ts: Some(TsUs(self.ts_ms.saturating_mul(1_000))),
            market: tickers.intern(&self.ticker),
            sid: self.session,
            seq: self.seq,
            body: self.body,
        };
        Record { event, raw: None }
    }

    /// Order of rows from several files: as the predecessor's loader sorted them.
    pub fn sort_key(&self) -> (u32, i64, u64, bool) {
        (self.session, self.ts_ms, self.seq, matches!(self.body, Body::Delta(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(yes_bids: Value, yes_asks: Value, no_bids: Value, no_asks: Value) -> Row {
        let value = json!({"session_id": 12, "market_ticker": "KX-A", "timestamp_ms": 1_765_000_000_000i64,
            "sequence_number": 3, "yes_bids": yes_bids, "yes_asks": yes_asks, "no_bids": no_bids, "no_asks": no_asks});
        assert!(is_row(&value));
        parse(&value).expect("row")
    }

    fn cents(row: &Row) -> (Vec<i64>, Vec<i64>) {
        let Body::Snapshot(s) = &row.body else { panic!("snapshot") };
        let side = |s: &[(Price, Qty)]| s.iter().map(|(p, _)| p.e4() / 100).collect();
        (side(&s.yes), side(&s.no))
    }

    #[test]
    fn snapshot_split_at_fifty_cents_is_put_together_again() {
        // The book was yes 45 70 72, no 20 27: the old parser took what stood above 50 for asks.
        let r =
            row(json!({"45": 5}), json!({"70": 10, "72": 1}), json!({"20": 3, "27": 4}), json!({}));
        assert!(r.repaired);
        assert_eq!(cents(&r), (vec![45, 70, 72], vec![20, 27]));
    }

    #[test]
    fn mirrored_snapshot_is_right_as_it_is() {
        let r = row(json!({"45": 5}), json!({"80": 3}), json!({"20": 3}), json!({"55": 5}));
        assert!(!r.repaired, "asks mirror the opposite bids, though all lie above 50");
        assert_eq!(cents(&r), (vec![45], vec![20]));
    }

    #[test]
    fn snapshot_with_a_bid_above_fifty_was_made_by_the_right_parser() {
        let r = row(json!({"70": 5}), json!({"75": 3}), json!({"20": 3}), json!({}));
        assert!(!r.repaired);
        assert_eq!(cents(&r), (vec![70], vec![20]));
    }

    #[test]
    fn sides_may_be_texts_and_bad_columns_are_named() {
        let r = row(json!("{\"45\": 5}"), json!(null), json!({}), json!({}));
        assert_eq!(cents(&r).0, [45]);
        let bad = json!({"session_id": 1, "market_ticker": "A", "timestamp_ms": 1, "sequence_number": 1,
            "yes_bids": {"45": -5}});
        assert!(parse(&bad).expect_err("negative").contains("yes_bids"));
    }

    #[test]
    fn delta_row_is_the_difference_of_its_sizes() {
        let value = json!({"session_id": 1, "market_ticker": "A", "timestamp_ms": 1, "sequence_number": 9,
            "side": "no", "action": "update", "price": 27, "old_size": 10, "new_size": 4});
        let want =
            Delta { side: Side::No, price: Price::new(2_700).expect("price"), qty: Qty(-600) };
        assert_eq!(parse(&value).expect("row").body, Body::Delta(want));
    }
}
