//! The small tables: sessions and markets, and markets read back.

use super::DatasetError;
use super::manifest::SessionEntry;
use super::rows::{UTC, batch, word_at, words};
use super::schema::Table;
use crate::market::{MarketInfo, TickRange};
use crate::units::{Price, Qty, TsUs};
use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{Int8Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;

/// Table `sessions`.
pub(super) fn session_batch(sessions: &[SessionEntry]) -> Result<RecordBatch, DatasetError> {
    let ids: Vec<String> = sessions.iter().map(|s| s.meta.id.to_string()).collect();
    let flags: Vec<String> = sessions.iter().map(|s| s.meta.flags.join(" ")).collect();
    let text = |value: fn(&SessionEntry) -> &str| words::<Int32Type>(sessions.iter().map(value));
    let started = sessions.iter().map(|s| s.meta.started.0);
    let ended = sessions.iter().map(|s| s.ended.map(|t| t.0));
    let maybe = |value: fn(&SessionEntry) -> Option<u64>| -> ArrayRef {
        let values = sessions.iter().map(|s| value(s).map(|n| n as i64));
        Arc::new(values.collect::<Int64Array>())
    };
    let count = |value: fn(&SessionEntry) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(sessions.iter().map(|s| value(s) as i64)))
    };
    let columns = vec![
        words::<Int32Type>(ids.iter().map(String::as_str)),
        text(|s| &s.meta.source),
        words::<Int8Type>(sessions.iter().map(|s| s.meta.exchange_env.as_str())),
        Arc::new(TimestampNanosecondArray::from_iter_values(started).with_timezone(UTC)),
        Arc::new(ended.collect::<TimestampNanosecondArray>().with_timezone(UTC)),
        text(|s| &s.end_cause),
        words::<Int32Type>(flags.iter().map(String::as_str)),
        maybe(|s| s.row_ids.map(|r| r.0)),
        maybe(|s| s.row_ids.map(|r| r.1)),
        count(|s| s.counts.deltas),
        count(|s| s.counts.snapshots),
        count(|s| s.counts.trades),
        count(|s| s.counts.gaps),
    ];
    batch(Table::Sessions, columns)
}

/// Table `markets`.
pub(super) fn market_batch(markets: &[MarketInfo]) -> Result<RecordBatch, DatasetError> {
    let name = |value: fn(&MarketInfo) -> &str| words::<Int32Type>(markets.iter().map(value));
    let time = |value: fn(&MarketInfo) -> Option<TsUs>| -> ArrayRef {
        let times = markets.iter().map(|m| value(m).map(|t| t.0));
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone(UTC))
    };
    let titles = markets.iter().map(|m| m.title.as_str());
    let settlements = markets.iter().map(|m| m.settlement.map(|p| p.e4() as i32));
    let volumes = markets.iter().map(|m| m.volume.map(Qty::e2));
    let columns = vec![
        name(|m| &m.ticker),
        name(|m| &m.event_ticker),
        Arc::new(StringArray::from_iter_values(titles)),
        time(|m| m.open),
        time(|m| m.close),
        time(|m| m.settled),
        Arc::new(settlements.collect::<Int32Array>()),
        name(|m| &m.status),
        Arc::new(StringArray::from_iter_values(markets.iter().map(|m| ticks_text(&m.ticks)))),
        Arc::new(volumes.collect::<Int64Array>()),
    ];
    batch(Table::Markets, columns)
}

/// The rows of a `markets` batch: the inverse of [`market_batch`].
pub(super) fn markets(batch: &RecordBatch) -> Result<Vec<MarketInfo>, DatasetError> {
    let time = |i: usize, row: usize| {
        let column = batch.column(i).as_primitive::<TimestampMicrosecondType>();
        column.is_valid(row).then(|| TsUs(column.value(row)))
    };
    let text = |i: usize, row: usize| batch.column(i).as_string::<i32>().value(row);
    let word = |i: usize| word_at::<Int32Type>(batch.column(i));
    let (ticker, event_ticker, status) = (word(0), word(1), word(7));
    let settlement = batch.column(6).as_primitive::<Int32Type>();
    let volume = batch.column(9).as_primitive::<Int64Type>();
    (0..batch.num_rows())
        .map(|row| {
            let bad = |why| DatasetError::Value { table: "markets", row_id: row as i64, why };
            let price = |e4: i32| {
                Price::new(e4.into()).ok_or_else(|| bad(format!("settlement_e4 is {e4}")))
            };
            Ok(MarketInfo {
                ticker: ticker(row).to_owned(),
                event_ticker: event_ticker(row).to_owned(),
                title: text(2, row).to_owned(),
                open: time(3, row),
                close: time(4, row),
                settled: time(5, row),
                settlement: match settlement.is_valid(row) {
                    true => Some(price(settlement.value(row))?),
                    false => None,
                },
                status: status(row).to_owned(),
                ticks: ticks(text(8, row)).map_err(bad)?,
                volume: volume.is_valid(row).then(|| Qty(volume.value(row))),
            })
        })
        .collect()
}

/// `[[start,end,step],..]` in 1e-4 dollars.
fn ticks_text(ticks: &[TickRange]) -> String {
    let ticks: Vec<_> = ticks.iter().map(|t| [t.start.e4(), t.end.e4(), t.step.e4()]).collect();
    serde_json::Value::from(ticks.iter().map(|t| t.to_vec()).collect::<Vec<_>>()).to_string()
}

fn ticks(text: &str) -> Result<Vec<TickRange>, String> {
    let bad = || format!("ticks are {text:?}");
    let ranges: Vec<[i64; 3]> = serde_json::from_str(text).map_err(|_| bad())?;
    let price = |e4| Price::new(e4).ok_or_else(bad);
    let range = |[start, end, step]: [i64; 3]| {
        Ok(TickRange { start: price(start)?, end: price(end)?, step: price(step)? })
    };
    ranges.into_iter().map(range).collect()
}
