//! One redb file read back: a live one to seal it, a sealed one for everybody.

use super::StoreError;
use super::chunk::Head;
use super::codec::{self, Malformed};
use super::error::file_name;
use super::guard::{Guarded, guarded};
use super::segment::{
    CACHE_BYTES, CHUNK, END, FORMAT, HEAD, Key, LocalMarket, MARKET, PART, PARTS_MAX, SegmentEnd,
    SegmentHead, TABLE,
};
use super::unpack::unpack;
use crate::event::{MarketId, Record};
use redb::{Builder, Database, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase};
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// A live segment that is being read, to seal it.
pub(super) type LiveReader = Reader<Database>;
/// A sealed segment that is being read.
pub(super) type SealedReader = Reader<ReadOnlyDatabase>;

/// A segment that is being read.
pub(super) struct Reader<D> {
    path: PathBuf,
    // Before `db`: redb wants its readers gone first.
    table: Guarded<ReadOnlyTable<Key, &'static [u8]>>,
    _db: Guarded<D>,
}

impl SealedReader {
    /// Opens a sealed file.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let db = guarded(path, || {
            Builder::new()
                .set_cache_size(CACHE_BYTES)
                .open_read_only(path)
                .map_err(|e| StoreError::redb(path, e))
        })?;
        Reader::new(path.to_owned(), Guarded::new(db))
    }
}

impl<D: ReadableDatabase> Reader<D> {
    /// Reads what `db`, the opened file `path`, holds by now.
    pub(super) fn new(path: PathBuf, db: Guarded<D>) -> Result<Self, StoreError> {
        let table = guarded(&path, || {
            let txn = db.begin_read().map_err(|e| StoreError::redb(&path, e))?;
            txn.open_table(TABLE).map_err(|e| StoreError::redb(&path, e))
        })?;
        let reader = Reader { path, table: Guarded::new(table), _db: db };
        let found = reader.row::<u32>((HEAD, 0))?.unwrap_or(0);
        if found == FORMAT {
            Ok(reader)
        } else {
            let segment = file_name(&reader.path);
            Err(StoreError::Format { segment, found, known: FORMAT })
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Session, place and first row.
    pub(super) fn head(&self) -> Result<SegmentHead, StoreError> {
        self.row((HEAD, 1))?.ok_or_else(|| self.corrupt(None, "it has no head"))
    }

    /// How it ended; `None` if it was not.
    pub(super) fn end(&self) -> Result<Option<SegmentEnd>, StoreError> {
        self.row((END, 0))
    }

    /// Its dictionary; the local id is the index.
    pub(super) fn markets(&self) -> Result<Vec<LocalMarket>, StoreError> {
        self.list(MARKET)
    }

    /// All chunks; the chunk number is the index.
    pub(super) fn chunks(&self) -> Result<Vec<Head>, StoreError> {
        let chunks: Vec<Head> = self.list(CHUNK)?;
        let mut due = self.head()?.first_row_id;
        for (i, head) in chunks.iter().enumerate() {
            if head.first_row_id != due {
                let why = format!("it starts at row {}, due is {due}", head.first_row_id);
                return Err(self.corrupt(Some(i as u32), why));
            }
            due += head.rows();
        }
        Ok(chunks)
    }

    /// The rows of one chunk; `markets` maps local ids to the reader's.
    pub(super) fn records(
        &self,
        chunk: u32,
        head: &Head,
        markets: &[MarketId],
    ) -> Result<Vec<Record>, StoreError> {
        let first = u64::from(chunk) * PARTS_MAX;
        let mut payload = Vec::with_capacity(head.len as usize);
        self.each((PART, first)..=(PART, first + PARTS_MAX - 1), |_, bytes| {
            payload.extend_from_slice(bytes);
            Ok(())
        })?;
        unpack(head, &payload, markets).map_err(|why| self.corrupt(Some(chunk), why))
    }

    fn row<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, StoreError> {
        let mut row = None;
        self.each(key..=key, |_, bytes| {
            row = Some(codec::unseal(bytes)?);
            Ok(())
        })?;
        Ok(row)
    }

    fn list<T: DeserializeOwned>(&self, what: u8) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        self.each((what, 0)..=(what, u64::MAX), |index, bytes| {
            if index != rows.len() as u64 {
                return Err(Malformed("a row is missing"));
            }
            rows.push(codec::unseal(bytes)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn each(
        &self,
        keys: RangeInclusive<Key>,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), Malformed>,
    ) -> Result<(), StoreError> {
        guarded(&self.path, || {
            let rows = self.table.range(keys).map_err(|e| StoreError::redb(&self.path, e))?;
            for row in rows {
                let (key, bytes) = row.map_err(|e| StoreError::redb(&self.path, e))?;
                visit(key.value().1, bytes.value()).map_err(|why| self.corrupt(None, why))?;
            }
            Ok(())
        })
    }

    fn corrupt(&self, chunk: Option<u32>, why: impl std::fmt::Display) -> StoreError {
        StoreError::corrupt(&self.path, chunk, why)
    }
}
