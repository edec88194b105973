//! One redb file: writing it chunk by chunk, and reading it back. The only place that knows redb.
//!
//! **Invariant:** redb gives a value a whole power of two of 4 KiB pages; payloads are therefore cut into
//! parts that just fit four pages, else a third of the file would be empty.
//! **Invariant:** redb may panic on a file whose inner pages were changed; every call of it is
//! [`guarded`].

use super::StoreError;
use super::chunk::Head;
use super::codec::{self, Malformed};
use super::error::file_name;
use super::guard::guarded;
use super::unpack::unpack;
use crate::event::{MarketId, Record, SessionMeta};
use redb::{Builder, Database, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Version of everything in this folder. A program reads its own version only.
pub(super) const FORMAT: u32 = 1;

type Key = (u8, u64);
const TABLE: TableDefinition<Key, &[u8]> = TableDefinition::new("segment");
const HEAD: u8 = 0;
const END: u8 = 1;
const MARKET: u8 = 2;
const CHUNK: u8 = 3;
const PART: u8 = 4;

/// Four pages less the page's own header, key and lengths.
const PART_BYTES: usize = 4 * 4_096 - 32;
/// Parts per chunk: room for a gigabyte.
const PARTS_MAX: u64 = 1 << 16;
/// Pages that redb keeps in memory per open file.
const CACHE_BYTES: usize = 32 << 20;

/// The first row of a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SegmentHead {
    /// Place in the log, from 1.
    pub(super) number: u32,
    /// Place in its session, from 0.
    pub(super) place: u32,
    /// `row_id` of its first row.
    pub(super) first_row_id: u64,
    /// The session.
    pub(super) session: SessionMeta,
}

/// The last row of a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SegmentEnd {
    /// Chunks in it.
    pub(super) chunks: u32,
    /// Rows in it.
    pub(super) rows: u64,
    /// Why the session ended here; `None` if the next segment goes on.
    pub(super) cause: Option<String>,
}

/// An entry of the segment's dictionary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LocalMarket {
    /// Its ticker.
    pub(super) ticker: String,
    /// The exchange's own id, once a frame has shown it.
    pub(super) uuid: Option<[u8; 16]>,
}

/// A segment that is being written.
pub(super) struct Segment {
    path: PathBuf,
    db: Database,
}

/// What one commit adds.
#[derive(Default)]
pub(super) struct Group<'a> {
    /// New or changed dictionary entries with their local ids.
    pub(super) markets: Vec<(u32, &'a LocalMarket)>,
    /// Chunks with their numbers.
    pub(super) chunks: Vec<(u32, &'a Head, &'a [u8])>,
    /// Set by the last commit.
    pub(super) end: Option<SegmentEnd>,
}

impl Segment {
    /// A new file with its head, committed; what had the name before is overwritten.
    pub(super) fn create(path: &Path, head: &SegmentHead) -> Result<Segment, StoreError> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(|e| StoreError::io(path, e))?;
        guarded(path, || {
            let db = Builder::new()
                .set_cache_size(CACHE_BYTES)
                .create_file(file)
                .map_err(|e| StoreError::redb(path, e))?;
            let segment = Segment { path: path.to_owned(), db };
            segment.insert([((HEAD, 0), codec::seal(&FORMAT)), ((HEAD, 1), codec::seal(head))])?;
            Ok(segment)
        })
    }

    /// Opens a file that a crash left behind; redb mends its own structures.
    pub(super) fn reopen(path: &Path) -> Result<Segment, StoreError> {
        guarded(path, || {
            let db = Builder::new()
                .set_cache_size(CACHE_BYTES)
                .open(path)
                .map_err(|e| StoreError::redb(path, e))?;
            Ok(Segment { path: path.to_owned(), db })
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file another name.
    pub(super) fn rename(&mut self, to: &Path) -> Result<(), StoreError> {
        rename(&self.path, to)?;
        self.path = to.to_owned();
        Ok(())
    }

    /// Adds a group; all of it is on disk when this returns, or none of it.
    pub(super) fn commit(&self, group: &Group<'_>) -> Result<(), StoreError> {
        let markets = group
            .markets
            .iter()
            .map(|(id, market)| ((MARKET, u64::from(*id)), codec::seal(market)));
        let heads =
            group.chunks.iter().map(|(i, head, _)| ((CHUNK, u64::from(*i)), codec::seal(head)));
        let parts = group.chunks.iter().flat_map(|(i, _, payload)| {
            let first = u64::from(*i) * PARTS_MAX;
            let cuts = payload.chunks(PART_BYTES).enumerate();
            cuts.map(move |(part, bytes)| ((PART, first + part as u64), bytes.to_vec()))
        });
        let end = group.end.iter().map(|end| ((END, 0), codec::seal(end)));
        guarded(&self.path, || self.insert(markets.chain(heads).chain(parts).chain(end)))
    }

    fn insert(&self, rows: impl IntoIterator<Item = (Key, Vec<u8>)>) -> Result<(), StoreError> {
        let fail = |e: redb::Error| StoreError::redb(&self.path, e);
        let txn = self.db.begin_write().map_err(|e| fail(e.into()))?;
        {
            let mut table = txn.open_table(TABLE).map_err(|e| fail(e.into()))?;
            for (key, bytes) in rows {
                table.insert(key, bytes.as_slice()).map_err(|e| fail(e.into()))?;
            }
        }
        txn.commit().map_err(|e| fail(e.into()))
    }

    /// Gives free pages back and closes the file.
    pub(super) fn compact(mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        guarded(&path, move || {
            self.db.compact().map_err(|e| StoreError::redb(&self.path, e))?;
            Ok(())
        })
    }

    /// Reads what was committed.
    pub(super) fn into_reader(self) -> Result<LiveReader, StoreError> {
        Reader::new(self.path, self.db)
    }
}

/// A live segment that is being read, to seal it.
pub(super) type LiveReader = Reader<Database>;
/// A sealed segment that is being read.
pub(super) type SealedReader = Reader<ReadOnlyDatabase>;

/// A segment that is being read.
pub(super) struct Reader<D> {
    path: PathBuf,
    // Before `db`: redb wants its readers gone first.
    table: ReadOnlyTable<Key, &'static [u8]>,
    _db: D,
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
        Reader::new(path.to_owned(), db)
    }
}

impl<D: ReadableDatabase> Reader<D> {
    fn new(path: PathBuf, db: D) -> Result<Self, StoreError> {
        let table = guarded(&path, || {
            let txn = db.begin_read().map_err(|e| StoreError::redb(&path, e))?;
            txn.open_table(TABLE).map_err(|e| StoreError::redb(&path, e))
        })?;
        let reader = Reader { path, table, _db: db };
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

/// Renames a file; the new name is on disk when this returns.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|e| StoreError::io(from, e))?;
    let dir = to.parent().unwrap_or(to);
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::io(dir, e))
}
