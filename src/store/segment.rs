//! One redb file and how it is written, chunk by chunk. [`super::reader`] reads it back.
//!
//! **Invariant:** a commit is said to be done only while the file still has its name: a file that somebody
//! deleted takes writes and syncs like any other, and is gone with the process.
//! **Invariant:** redb gives a value a whole power of two of 4 KiB pages; payloads are therefore cut into
//! parts that just fit four pages, else a third of the file would be empty.
//! **Invariant:** redb may panic on a file whose inner pages were changed; every call of it is
//! [`guarded`].

use super::StoreError;
use super::chunk::Head;
use super::codec;
use super::disk::Disk;
use super::guard::{Guarded, guarded};
use super::reader::{LiveReader, Reader};
use crate::event::SessionMeta;
use redb::{Builder, Database, TableDefinition};
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Version of everything in this folder. A program reads its own version only.
pub(super) const FORMAT: u32 = 1;

pub(super) type Key = (u8, u64);
pub(super) const TABLE: TableDefinition<Key, &[u8]> = TableDefinition::new("segment");
pub(super) const HEAD: u8 = 0;
pub(super) const END: u8 = 1;
pub(super) const MARKET: u8 = 2;
pub(super) const CHUNK: u8 = 3;
pub(super) const PART: u8 = 4;

/// Four pages less the page's own header, key and lengths.
const PART_BYTES: usize = 4 * 4_096 - 32;
/// Parts per chunk: room for a gigabyte.
pub(super) const PARTS_MAX: u64 = 1 << 16;
/// Pages that redb keeps in memory per open file.
pub(super) const CACHE_BYTES: usize = 32 << 20;

/// How often, and after which pause, a file that is still open elsewhere is tried again.
const LET_GO_TRIES: usize = 100;
const LET_GO_PAUSE: Duration = Duration::from_millis(10);

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
    /// Which file it is, whatever its name.
    inode: Inode,
    db: Guarded<Database>,
}

/// Device and number of a file.
type Inode = (u64, u64);

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
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        head: &SegmentHead,
    ) -> Result<Segment, StoreError> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(path);
        let fail = |e| StoreError::io(path, e);
        let file = file.map_err(fail)?;
        let inode = inode(&file.metadata().map_err(fail)?);
        guarded(path, || {
            let db = disk.database(&builder(), path, file);
            let db = Guarded::new(db.map_err(|e| StoreError::redb(path, e))?);
            let segment = Segment { path: path.to_owned(), inode, db };
            segment.insert([((HEAD, 0), codec::seal(&FORMAT)), ((HEAD, 1), codec::seal(head))])?;
            Ok(segment)
        })
    }

    /// Opens a file that a crash left behind, to read it; redb mends its own structures.
    pub(super) fn reopen(disk: &dyn Disk, path: &Path) -> Result<LiveReader, StoreError> {
        let fail = |e| StoreError::io(path, e);
        let open = || {
            let file = File::options().read(true).write(true).open(path).map_err(fail)?;
            if file.metadata().map_err(fail)?.len() == 0 {
                return Err(StoreError::corrupt(path, None, "it is empty"));
            }
            disk.database(&builder(), path, file).map_err(|e| StoreError::redb(path, e))
        };
        // A process that was killed a moment ago lets go of its files one after the other.
        let mut tries = LET_GO_TRIES;
        loop {
            match guarded(path, open) {
                Err(StoreError::Io { source, .. })
                    if source.kind() == ErrorKind::ResourceBusy && tries > 0 =>
                {
                    tries -= 1;
                    std::thread::sleep(LET_GO_PAUSE);
                }
                db => return Reader::new(path.to_owned(), Guarded::new(db?)),
            }
        }
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
        guarded(&self.path, || self.insert(markets.chain(heads).chain(parts).chain(end)))?;
        self.still_there()
    }

    fn still_there(&self) -> Result<(), StoreError> {
        let found = std::fs::metadata(&self.path).map_err(|e| StoreError::io(&self.path, e))?;
        if inode(&found) == self.inode {
            return Ok(());
        }
        let why = "another file has taken its name; what was written to it is lost";
        Err(StoreError::io(&self.path, std::io::Error::new(ErrorKind::NotFound, why)))
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

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn inode(file: &Metadata) -> Inode {
    (file.dev(), file.ino())
}

/// Renames a file; the new name is on disk when this returns.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|e| StoreError::io(from, e))?;
    let dir = to.parent().unwrap_or(to);
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::io(dir, e))
}
