//! All events of a session as one flat table of integers: what stands between files and events.
//!
//! The four event tables differ in their columns; here a row is a delta, a level of a snapshot, a
//! trade or a gap, with the same columns for all. It is an in-memory view, never a file: the polars
//! plan filters, joins, orders and groups it, and [`events`] turns ordered rows into [`Event`]s, for
//! the plan and for [`super::read_events`] alike.

use super::DatasetError;
use crate::event::{Body, Delta, Event, Gap, MarketId, Snapshot, Trade};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;

/// A session's events as one table.
pub struct Tape {
    /// Columns as in [`Columns`], after `session_id` and `market_ticker`; nothing is null.
    ///
    /// Rows are in the order of the files. A stable sort by `row_id` restores the recorded order,
    /// levels of a snapshot included.
    pub batch: RecordBatch,
    /// What a row of kind [`GAP`] points to with its column `a`.
    pub gaps: Vec<Gap>,
}

/// Kind of a row: a delta.
pub const DELTA: i8 = 0;
/// Kind of a row: one level of a snapshot.
pub const LEVEL: i8 = 1;
/// Kind of a row: a snapshot without levels.
pub const EMPTY: i8 = 2;
/// Kind of a row: a trade.
pub const TRADE: i8 = 3;
/// Kind of a row: a gap.
pub const GAP: i8 = 4;

/// Stands for a missing exchange time, so that the column has no nulls.
pub const NO_TIME: i64 = i64::MIN;

/// The integer columns of a tape, all of the same length.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    /// [`DELTA`], [`LEVEL`], [`EMPTY`], [`TRADE`] or [`GAP`].
    pub kind: &'a [i8],
    /// Side of a level, taker of a trade: 0 YES, 1 NO.
    pub side: &'a [i8],
    /// Block trade: 1 yes, 0 no, -1 not said.
    pub block: &'a [i8],
    /// Subscription.
    pub sid: &'a [i32],
    /// Price in 1e-4 dollars.
    pub price_e4: &'a [i32],
    /// Position in the log.
    pub row_id: &'a [i64],
    /// Receive time in nanoseconds.
    pub ts_recv_ns: &'a [i64],
    /// Exchange time in microseconds, or [`NO_TIME`].
    pub ts_event_us: &'a [i64],
    /// Sequence number.
    pub seq: &'a [i64],
    /// Change, size or traded contracts in 1e-2 contracts.
    pub qty_e2: &'a [i64],
    /// First half of a trade id; index of a gap in [`Tape::gaps`].
    pub a: &'a [i64],
    /// Second half of a trade id.
    pub b: &'a [i64],
}

/// Names of the Int8, Int32 and Int64 columns of a tape in the order of [`Columns`].
pub const NAMES: [&str; 12] = [
    "kind",
    "side",
    "block",
    "sid",
    "price_e4",
    "row_id",
    "ts_recv_ns",
    "ts_event_us",
    "seq",
    "qty_e2",
    "a",
    "b",
];

impl Tape {
    /// The integer columns.
    pub fn columns(&self) -> Columns<'_> {
        let bytes = |i: usize| &**self.batch.column(i + 2).as_primitive::<Int8Type>().values();
        let ints = |i: usize| &**self.batch.column(i + 2).as_primitive::<Int32Type>().values();
        let longs = |i: usize| &**self.batch.column(i + 2).as_primitive::<Int64Type>().values();
        Columns {
            kind: bytes(0),
            side: bytes(1),
            block: bytes(2),
            sid: ints(3),
            price_e4: ints(4),
            row_id: longs(5),
            ts_recv_ns: longs(6),
            ts_event_us: longs(7),
            seq: longs(8),
            qty_e2: longs(9),
            a: longs(10),
            b: longs(11),
        }
    }

    /// Ticker of every row, as an index into the list of tickers.
    pub fn tickers(&self) -> (&[i32], Vec<&str>) {
        let column = self.batch.column(1).as_dictionary::<Int32Type>();
        let names = column.values().as_string::<i32>();
        (column.keys().values(), names.iter().flatten().collect())
    }
}

/// The events of one market from rows of a tape in recorded order.
///
/// # Errors
/// [`DatasetError::Value`] for a row that no writer of ours produces.
pub fn events(
    columns: &Columns<'_>,
    gaps: &[Gap],
    market: MarketId,
    rows: impl Iterator<Item = usize>,
) -> Result<Vec<Event>, DatasetError> {
    let mut events: Vec<Event> = Vec::new();
    for i in rows {
        let row = Row { columns, i };
        if columns.kind[i] == LEVEL
            && let Some(Event { row_id, body: Body::Snapshot(snapshot), .. }) = events.last_mut()
            && *row_id == columns.row_id[i] as u64
        {
            row.level(snapshot)?;
            continue;
        }
        events.push(Event {
            row_id: columns.row_id[i] as u64,
            recv: TsNs(columns.ts_recv_ns[i]),
            ts: (columns.ts_event_us[i] != NO_TIME).then(|| TsUs(columns.ts_event_us[i])),
            market,
            sid: columns.sid[i] as u32,
            seq: columns.seq[i] as u64,
            body: row.body(gaps)?,
        });
    }
    Ok(events)
}

/// One row of a tape.
struct Row<'a, 'b> {
    columns: &'b Columns<'a>,
    i: usize,
}

impl Row<'_, '_> {
    fn body(&self, gaps: &[Gap]) -> Result<Body, DatasetError> {
        let (c, i) = (self.columns, self.i);
        let qty = Qty(c.qty_e2[i]);
        Ok(match c.kind[i] {
            DELTA => Body::Delta(Delta { side: self.side(), price: self.price()?, qty }),
            LEVEL => {
                let mut snapshot = Snapshot::default();
                self.level(&mut snapshot)?;
                Body::Snapshot(Box::new(snapshot))
            }
            EMPTY => Body::Snapshot(Box::default()),
            TRADE => {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&c.a[i].to_be_bytes());
                id[8..].copy_from_slice(&c.b[i].to_be_bytes());
                let block = (c.block[i] >= 0).then_some(c.block[i] == 1);
                let (taker, yes_price) = (self.side(), self.price()?);
                Body::Trade(Box::new(Trade { taker, yes_price, qty, block, id }))
            }
            GAP => match gaps.get(c.a[i] as usize) {
                Some(gap) => Body::Gap(Box::new(gap.clone())),
                None => return Err(self.bad(format!("points to gap {}", c.a[i]))),
            },
            kind => return Err(self.bad(format!("has kind {kind}"))),
        })
    }

    fn level(&self, snapshot: &mut Snapshot) -> Result<(), DatasetError> {
        let level = (self.price()?, Qty(self.columns.qty_e2[self.i]));
        match self.side() {
            Side::Yes => snapshot.yes.push(level),
            Side::No => snapshot.no.push(level),
        }
        Ok(())
    }

    fn side(&self) -> Side {
        if self.columns.side[self.i] == 0 { Side::Yes } else { Side::No }
    }

    fn price(&self) -> Result<Price, DatasetError> {
        let e4 = self.columns.price_e4[self.i];
        Price::new(e4.into()).ok_or_else(|| self.bad(format!("price is {e4} of 1e-4 dollars")))
    }

    fn bad(&self, why: String) -> DatasetError {
        DatasetError::Value { table: "events", row_id: self.columns.row_id[self.i], why }
    }
}
