//! From the event tables of a session to its [`Tape`].

use super::DatasetError;
use super::rows::{word_at, words};
use super::schema::Table;
use super::tape::{DELTA, EMPTY, GAP, LEVEL, NAMES, NO_TIME, TRADE, Tape};
use crate::event::{Gap, GapCause, SessionId};
use crate::units::TsNs;
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int8Array, Int32Array, Int64Array, PrimitiveArray,
    StringArray,
};
use arrow::datatypes::{
    DataType, Field, Int8Type, Int32Type, Int64Type, Schema, TimestampMicrosecondType,
    TimestampNanosecondType,
};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;

/// Gathers the batches of a session's event files.
#[derive(Default)]
pub(super) struct Builder {
    tickers: Vec<String>,
    ticker: Vec<i32>,
    bytes: [Vec<i8>; 3],
    ints: [Vec<i32>; 2],
    longs: [Vec<i64>; 7],
    gaps: Vec<Gap>,
}

/// The columns that every event table begins with.
struct Keys<'a> {
    row_id: &'a [i64],
    recv_ns: &'a [i64],
    ts_us: &'a PrimitiveArray<TimestampMicrosecondType>,
    sid: &'a [i32],
    seq: &'a [i64],
    /// Index into the builder's tickers; -1 for none.
    ticker: Vec<i32>,
}

/// What a row holds besides its keys.
#[derive(Default)]
struct What {
    kind: i8,
    side: i8,
    block: i8,
    price_e4: i32,
    qty_e2: i64,
    a: i64,
    b: i64,
}

impl Builder {
    /// Adds a batch whose columns were checked to be those of `table`.
    pub(super) fn add(&mut self, table: Table, batch: &RecordBatch) -> Result<(), DatasetError> {
        let keys = self.keys(batch);
        match table {
            Table::Deltas => self.deltas(&keys, batch),
            Table::Snapshots => self.snapshots(&keys, batch),
            Table::Trades => self.trades(&keys, batch),
            Table::Gaps => self.gaps(&keys, batch),
            Table::Sessions | Table::Markets | Table::Features => Ok(()),
        }
    }

    pub(super) fn finish(self, session: SessionId) -> Result<Tape, DatasetError> {
        let n = self.ticker.len();
        let id = session.to_string();
        let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let mut fields = vec![
            Field::new("session_id", text.clone(), false),
            Field::new("market_ticker", text, false),
        ];
        let names = Arc::new(StringArray::from(self.tickers));
        let mut columns: Vec<ArrayRef> = vec![
            words::<Int32Type>((0..n).map(|_| id.as_str())),
            Arc::new(DictionaryArray::new(Int32Array::from(self.ticker), names)),
        ];
        let bytes = self.bytes.into_iter().map(|v| Arc::new(Int8Array::from(v)) as ArrayRef);
        let ints = self.ints.into_iter().map(|v| Arc::new(Int32Array::from(v)) as ArrayRef);
        let longs = self.longs.into_iter().map(|v| Arc::new(Int64Array::from(v)) as ArrayRef);
        for (name, column) in NAMES.into_iter().zip(bytes.chain(ints).chain(longs)) {
            fields.push(Field::new(name, column.data_type().clone(), false));
            columns.push(column);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|source| DatasetError::Columns { table: "events".to_owned(), source })?;
        Ok(Tape { batch, gaps: self.gaps })
    }

    fn keys<'a>(&mut self, batch: &'a RecordBatch) -> Keys<'a> {
        let column = batch.column(4).as_dictionary::<Int32Type>();
        let names: Vec<i32> =
            column.values().as_string::<i32>().iter().map(|n| self.intern(n)).collect();
        let of = |key: Option<i32>| key.and_then(|k| names.get(k as usize)).map_or(-1, |i| *i);
        Keys {
            row_id: batch.column(0).as_primitive::<Int64Type>().values(),
            recv_ns: batch.column(2).as_primitive::<TimestampNanosecondType>().values(),
            ts_us: batch.column(3).as_primitive(),
            sid: batch.column(5).as_primitive::<Int32Type>().values(),
            seq: batch.column(6).as_primitive::<Int64Type>().values(),
            ticker: column.keys().iter().map(of).collect(),
        }
    }

    fn intern(&mut self, name: Option<&str>) -> i32 {
        let name = name.unwrap_or_default();
        let known = self.tickers.iter().position(|t| t == name);
        known.unwrap_or_else(|| {
            self.tickers.push(name.to_owned());
            self.tickers.len() - 1
        }) as i32
    }

    /// Adds one row; a gap that concerns no market of the tape is left out.
    fn push(&mut self, keys: &Keys<'_>, i: usize, what: What) {
        if keys.ticker[i] < 0 {
            return;
        }
        self.ticker.push(keys.ticker[i]);
        let ts_us = if keys.ts_us.is_valid(i) { keys.ts_us.value(i) } else { NO_TIME };
        let bytes = [what.kind, what.side, what.block];
        let ints = [keys.sid[i], what.price_e4];
        let (row_id, recv_ns, seq) = (keys.row_id[i], keys.recv_ns[i], keys.seq[i]);
        let longs = [row_id, recv_ns, ts_us, seq, what.qty_e2, what.a, what.b];
        self.bytes.iter_mut().zip(bytes).for_each(|(column, v)| column.push(v));
        self.ints.iter_mut().zip(ints).for_each(|(column, v)| column.push(v));
        self.longs.iter_mut().zip(longs).for_each(|(column, v)| column.push(v));
    }

    fn deltas(&mut self, keys: &Keys<'_>, batch: &RecordBatch) -> Result<(), DatasetError> {
        let side = sides(batch.column(7), "deltas")?;
        let price = batch.column(8).as_primitive::<Int32Type>().values();
        let qty = batch.column(9).as_primitive::<Int64Type>().values();
        let rows = side.into_iter().zip(price).zip(qty).enumerate();
        for (i, ((side, &price_e4), &qty_e2)) in rows {
            self.push(keys, i, What { kind: DELTA, side, price_e4, qty_e2, ..What::default() });
        }
        Ok(())
    }

    fn snapshots(&mut self, keys: &Keys<'_>, batch: &RecordBatch) -> Result<(), DatasetError> {
        let side = sides(batch.column(7), "snapshots")?;
        let price = batch.column(9).as_primitive::<Int32Type>();
        let size = batch.column(10).as_primitive::<Int64Type>().values();
        for (i, ((side, price), &qty_e2)) in side.into_iter().zip(price).zip(size).enumerate() {
            let what = match price {
                Some(price_e4) => What { kind: LEVEL, side, price_e4, qty_e2, ..What::default() },
                None => What { kind: EMPTY, ..What::default() },
            };
            self.push(keys, i, what);
        }
        Ok(())
    }

    fn trades(&mut self, keys: &Keys<'_>, batch: &RecordBatch) -> Result<(), DatasetError> {
        let id = batch.column(7).as_string::<i32>();
        let side = sides(batch.column(8), "trades")?;
        let price = batch.column(9).as_primitive::<Int32Type>().values();
        let qty = batch.column(10).as_primitive::<Int64Type>().values();
        let block = batch.column(11).as_boolean();
        let rows = side.into_iter().zip(price).zip(qty).zip(block).enumerate();
        for (i, (((side, &price_e4), &qty_e2), block)) in rows {
            let uuid = uuid::Uuid::parse_str(id.value(i)).map_err(|e| DatasetError::Value {
                table: "trades",
                row_id: keys.row_id[i],
                why: format!("trade_id {:?}: {e}", id.value(i)),
            })?;
            let (a, b) = uuid.as_u64_pair();
            let (a, b) = (a as i64, b as i64);
            let block = block.map_or(-1, i8::from);
            self.push(keys, i, What { kind: TRADE, side, block, price_e4, qty_e2, a, b });
        }
        Ok(())
    }

    fn gaps(&mut self, keys: &Keys<'_>, batch: &RecordBatch) -> Result<(), DatasetError> {
        let from = batch.column(7).as_primitive::<Int64Type>().values();
        let to = batch.column(8).as_primitive::<Int64Type>().values();
        let since = batch.column(9).as_primitive::<TimestampNanosecondType>();
        let until = batch.column(10).as_primitive::<TimestampNanosecondType>().values();
        let cause = word_at::<Int8Type>(batch.column(11));
        let healed_by = word_at::<Int32Type>(batch.column(12));
        for (i, (from, to)) in from.iter().zip(to).enumerate() {
            let cause = cause_of(cause(i)).ok_or_else(|| DatasetError::Value {
                table: "gaps",
                row_id: keys.row_id[i],
                why: format!("cause is {:?}", cause(i)),
            })?;
            let a = self.gaps.len() as i64;
            self.push(keys, i, What { kind: GAP, a, ..What::default() });
            let (from, to) = (*from as u64, *to as u64);
            let since = TsNs(if since.is_valid(i) { since.value(i) } else { 0 });
            let (until, healed_by) = (TsNs(until[i]), healed_by(i).to_owned());
            self.gaps.push(Gap { cause, from, to, since, until, healed_by });
        }
        Ok(())
    }
}

/// 0 for `yes`, 1 for `no`, 0 for null. Words that no row uses do not matter: a column of nulls comes
/// back from Parquet with a dictionary of one empty word.
fn sides(column: &ArrayRef, table: &'static str) -> Result<Vec<i8>, DatasetError> {
    let column = column.as_dictionary::<Int8Type>();
    let words = column.values().as_string::<i32>();
    let code = |key: Option<i8>| match key.map(|k| words.value(k as usize)) {
        None | Some("yes") => Ok(0),
        Some("no") => Ok(1),
        Some(other) => {
            let why = format!("a side is {other:?}, not yes or no");
            Err(DatasetError::Value { table, row_id: -1, why })
        }
    };
    column.keys().iter().map(code).collect()
}

/// Inverse of [`GapCause::word`].
fn cause_of(word: &str) -> Option<GapCause> {
    use GapCause::{BadFrame, Crash, DiskFull, NegativeLevel, QueueFull, Reconnect, SeqGap};
    [SeqGap, Reconnect, NegativeLevel, BadFrame, QueueFull, Crash, DiskFull]
        .into_iter()
        .find(|c| c.word() == word)
}
