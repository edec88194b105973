//! Rows of the event tables in memory, and the Arrow batches that they become.

use super::DatasetError;
use super::schema::Table;
use crate::event::{Delta, Event, Gap, MarketId, SessionId, Snapshot, Tickers, Trade};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use crate::wire::convert::time_text;
use arrow::array::{
    ArrayRef, AsArray, BooleanArray, DictionaryArray, Int16Array, Int32Array, Int64Array,
    StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{ArrowDictionaryKeyType, ArrowNativeType, Int8Type, Int32Type};
use arrow::record_batch::RecordBatch;
use std::cmp::Reverse;
use std::sync::Arc;

/// Time zone of every time column.
pub(super) const UTC: &str = "UTC";

/// Rows of the four event tables that go into one file each, in order of `row_id`.
#[derive(Default)]
pub(super) struct Rows {
    deltas: Vec<Row<(Delta, Option<Qty>)>>,
    snapshots: Vec<Row<Option<Level>>>,
    trades: Vec<Row<Trade>>,
    gaps: Vec<Row<Gap>>,
}

/// What every event row has, and `what` only its table has.
struct Row<T> {
    row_id: i64,
    recv_ns: i64,
    ts_us: Option<i64>,
    market: MarketId,
    sid: i32,
    seq: i64,
    what: T,
}

/// One level of a snapshot.
struct Level {
    side: Side,
    /// 0 is the best bid of its side.
    rank: i16,
    price: Price,
    size: Qty,
}

impl<T> Row<T> {
    fn new(event: &Event, market: MarketId, what: T) -> Row<T> {
        Row {
            row_id: event.row_id as i64,
            recv_ns: event.recv.0,
            ts_us: event.ts.map(|t| t.0),
            market,
            // Bit patterns: the reader turns them back into the unsigned number.
            sid: event.sid as i32,
            seq: event.seq as i64,
            what,
        }
    }
}

impl Rows {
    /// Rows of the fullest table.
    pub(super) fn longest(&self) -> usize {
        let lengths = [self.deltas.len(), self.snapshots.len(), self.trades.len(), self.gaps.len()];
        lengths.into_iter().max().unwrap_or(0)
    }

    pub(super) fn delta(&mut self, event: &Event, delta: Delta, size_after: Option<Qty>) {
        self.deltas.push(Row::new(event, event.market, (delta, size_after)));
    }

    pub(super) fn trade(&mut self, event: &Event, trade: Trade) {
        self.trades.push(Row::new(event, event.market, trade));
    }

    /// A gap as it concerns `market`, which the event names or its subscription implies.
    pub(super) fn gap(&mut self, event: &Event, market: MarketId, gap: &Gap) {
        self.gaps.push(Row::new(event, market, gap.clone()));
    }

    /// One row per level in the order sent; one row without a level for an empty book.
    pub(super) fn snapshot(&mut self, event: &Event, snapshot: &Snapshot) {
        let mut push = |level| self.snapshots.push(Row::new(event, event.market, level));
        if snapshot.yes.is_empty() && snapshot.no.is_empty() {
            push(None);
        }
        for (side, levels) in [(Side::Yes, &snapshot.yes), (Side::No, &snapshot.no)] {
            let ranks = ranks(levels);
            for (&(price, size), rank) in levels.iter().zip(ranks) {
                push(Some(Level { side, rank, price, size }));
            }
        }
    }

    /// The rows of `table`, sorted by market and row, as a batch; `None` without rows.
    pub(super) fn batch(
        &mut self,
        table: Table,
        session: SessionId,
        tickers: &Tickers,
    ) -> Result<Option<RecordBatch>, DatasetError> {
        let context = Context { session: session.to_string(), tickers };
        let columns = match table {
            Table::Deltas => delta_columns(&mut self.deltas, &context),
            Table::Snapshots => snapshot_columns(&mut self.snapshots, &context),
            Table::Trades => trade_columns(&mut self.trades, &context),
            Table::Gaps => gap_columns(&mut self.gaps, &context),
            Table::Sessions | Table::Markets | Table::Features => return Ok(None),
        };
        if columns.first().is_none_or(|c| c.is_empty()) {
            return Ok(None);
        }
        batch(table, columns).map(Some)
    }
}

/// Columns of `table` as a batch.
pub(super) fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch, DatasetError> {
    RecordBatch::try_new(table.schema(), columns)
        .map_err(|source| DatasetError::Columns { table: table.name().to_owned(), source })
}

/// Text of few distinct values.
pub(super) fn words<'a, K: ArrowDictionaryKeyType>(
    values: impl Iterator<Item = &'a str>,
) -> ArrayRef {
    Arc::new(values.collect::<DictionaryArray<K>>())
}

/// The words of a column without nulls, by row: the inverse of [`words`].
pub(super) fn word_at<'a, K: ArrowDictionaryKeyType>(
    column: &'a ArrayRef,
) -> impl Fn(usize) -> &'a str {
    let column = column.as_dictionary::<K>();
    let words = column.values().as_string::<i32>();
    move |row| words.value(column.keys().value(row).as_usize())
}

struct Context<'a> {
    session: String,
    tickers: &'a Tickers,
}

/// Place of each level in its side, 0 the best; equal prices keep their order.
fn ranks(levels: &[(Price, Qty)]) -> Vec<i16> {
    let mut order: Vec<usize> = (0..levels.len()).collect();
    order.sort_by_key(|&i| Reverse(levels[i].0));
    let mut ranks = vec![0; levels.len()];
    for (rank, i) in order.into_iter().enumerate() {
        ranks[i] = i16::try_from(rank).unwrap_or(i16::MAX);
    }
    ranks
}

/// Sorts by market, keeping the order of rows, and gives the columns that all event tables begin with.
fn keys<T>(rows: &mut [Row<T>], context: &Context<'_>) -> Vec<ArrayRef> {
    let name = |market| match market {
        MarketId::NONE => None,
        market => Some(context.tickers.name(market)),
    };
    // A gap of no known market comes last, as null does in the declared sort order.
    rows.sort_by_key(|r| (r.market == MarketId::NONE, name(r.market)));
    let recv = rows.iter().map(|r| r.recv_ns);
    let ts = rows.iter().map(|r| r.ts_us);
    let tickers: DictionaryArray<Int32Type> = rows.iter().map(|r| name(r.market)).collect();
    vec![
        longs(rows, |r| r.row_id),
        words::<Int32Type>(rows.iter().map(|_| context.session.as_str())),
        Arc::new(TimestampNanosecondArray::from_iter_values(recv).with_timezone(UTC)),
        Arc::new(ts.collect::<TimestampMicrosecondArray>().with_timezone(UTC)),
        Arc::new(tickers),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.sid))),
        longs(rows, |r| r.seq),
    ]
}

fn longs<T>(rows: &[Row<T>], value: impl Fn(&Row<T>) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(value)))
}

fn prices<T>(rows: &[Row<T>], value: impl Fn(&Row<T>) -> Price) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| value(r).e4() as i32)))
}

fn delta_columns(rows: &mut [Row<(Delta, Option<Qty>)>], context: &Context<'_>) -> Vec<ArrayRef> {
    let mut columns = keys(rows, context);
    let after = rows.iter().map(|r| r.what.1.map(Qty::e2));
    columns.extend([
        words::<Int8Type>(rows.iter().map(|r| r.what.0.side.word())),
        prices(rows, |r| r.what.0.price),
        longs(rows, |r| r.what.0.qty.e2()),
        Arc::new(after.collect::<Int64Array>()),
    ]);
    columns
}

fn snapshot_columns(rows: &mut [Row<Option<Level>>], context: &Context<'_>) -> Vec<ArrayRef> {
    let mut columns = keys(rows, context);
    let levels = || rows.iter().map(|r| r.what.as_ref());
    let sides: DictionaryArray<Int8Type> = levels().map(|l| l.map(|l| l.side.word())).collect();
    columns.extend([
        Arc::new(sides) as ArrayRef,
        Arc::new(levels().map(|l| l.map(|l| l.rank)).collect::<Int16Array>()),
        Arc::new(levels().map(|l| l.map(|l| l.price.e4() as i32)).collect::<Int32Array>()),
        Arc::new(levels().map(|l| l.map(|l| l.size.e2())).collect::<Int64Array>()),
    ]);
    columns
}

fn trade_columns(rows: &mut [Row<Trade>], context: &Context<'_>) -> Vec<ArrayRef> {
    let mut columns = keys(rows, context);
    let ids = rows.iter().map(|r| uuid::Uuid::from_bytes(r.what.id).to_string());
    let block = rows.iter().map(|r| r.what.block);
    columns.extend([
        Arc::new(StringArray::from_iter_values(ids)) as ArrayRef,
        words::<Int8Type>(rows.iter().map(|r| r.what.taker.word())),
        prices(rows, |r| r.what.yes_price),
        longs(rows, |r| r.what.qty.e2()),
        Arc::new(block.collect::<BooleanArray>()),
    ]);
    columns
}

fn gap_columns(rows: &mut [Row<Gap>], context: &Context<'_>) -> Vec<ArrayRef> {
    let mut columns = keys(rows, context);
    let since = rows.iter().map(|r| Some(r.what.since.0).filter(|&ns| ns != 0));
    let until = rows.iter().map(|r| r.what.until.0);
    columns.extend([
        longs(rows, |r| r.what.from as i64),
        longs(rows, |r| r.what.to as i64),
        Arc::new(since.collect::<TimestampNanosecondArray>().with_timezone(UTC)),
        Arc::new(TimestampNanosecondArray::from_iter_values(until).with_timezone(UTC)),
        words::<Int8Type>(rows.iter().map(|r| r.what.cause.word())),
        words::<Int32Type>(rows.iter().map(|r| r.what.healed_by.as_str())),
    ]);
    columns
}

/// UTC days since the epoch.
pub(super) fn day_number(ts: TsNs) -> i64 {
    ts.0.div_euclid(86_400_000_000_000)
}

/// `2026-08-10`, the UTC day of a time: the partition that a row belongs to.
pub(super) fn day(ts: TsNs) -> String {
    instant(ts).split('T').next().unwrap_or_default().to_owned()
}

/// RFC 3339, to the microsecond.
pub(super) fn instant(ts: TsNs) -> String {
    time_text(TsUs(ts.0.div_euclid(1_000)))
}
