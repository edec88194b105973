//! From live to sealed, and what a crash left behind.
//!
//! Sealing reads the live file, writes a dense `.tmp` beside it, makes it durable, renames it to `.redb` and
//! only then removes the live file. A kill between any two steps leaves either the live file (sealed again
//! by the next writer) or both (the live file is removed): never neither.

use super::StoreError;
use super::chunk::{Builder, Head, ROWS_MAX};
use super::column::{Effort, Packer};
use super::disk::{Disk, Files};
use super::lock::Lock;
use super::reader::{LiveReader, SealedReader};
use super::segment::{Group, Segment, SegmentEnd, rename};
use super::summary::SegmentInfo;
use crate::event::MarketId;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The cause of a session whose process died.
pub(super) const CRASH: &str = "crash";

/// A chunk is packed before its verbatim text grows past this.
pub(super) const TEXT_BYTES_MAX: usize = 4 << 20;

/// The files of a log folder, in order.
#[derive(Default)]
pub(super) struct Listing {
    /// Sealed segments.
    pub(super) sealed: Vec<PathBuf>,
    /// Segments being written, or left by a crash.
    pub(super) live: Vec<PathBuf>,
    /// Half-written sealed segments: worthless.
    pub(super) half: Vec<PathBuf>,
    /// Live segments that could not be read any more, set aside.
    pub(super) bad: Vec<PathBuf>,
}

impl Listing {
    /// Lists `dir`.
    pub(super) fn of(dir: &Path) -> Result<Listing, StoreError> {
        let fail = |e| StoreError::io(dir, e);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(fail)? {
            files.push(entry.map_err(fail)?.path());
        }
        files.sort();
        let mut listing = Listing::default();
        for file in files {
            match file.extension().and_then(|e| e.to_str()) {
                Some("redb") => listing.sealed.push(file),
                Some("live") => listing.live.push(file),
                Some("tmp") => listing.half.push(file),
                Some("bad") => listing.bad.push(file),
                _ => {}
            }
        }
        Ok(listing)
    }
}

/// The file name, without extension, of segment `number`, whose first row is `first_row_id`.
pub(super) fn stem(number: u32, first_row_id: u64) -> String {
    format!("{number:06}-{first_row_id:012}")
}

/// The inverse of [`stem`], for a path; `None` for a stranger.
pub(super) fn parse_stem(path: &Path) -> Option<(u32, u64)> {
    let (number, first_row_id) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((number.parse().ok()?, first_row_id.parse().ok()?))
}

/// Seals what a crash left in the log of `data_dir`; its sessions end with the cause `crash`.
///
/// A live segment that redb cannot open any more is set aside as `.bad` and never blocks the start.
///
/// # Errors
/// [`StoreError::Locked`] while a writer is alive; IO errors; a full disk.
pub fn recover(data_dir: &Path) -> Result<(), StoreError> {
    let dir = data_dir.join("log");
    let _lock = Lock::take(&dir)?;
    recover_locked(&Files, &dir)
}

/// [`recover`] for who holds the lock.
pub(super) fn recover_locked(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    reopen(disk, dir)?.into_iter().try_for_each(|live| seal_leftover(disk, live))
}

/// Removes what is worth nothing, and opens the live segments that a crash left, in order.
pub(super) fn reopen(disk: &dyn Disk, dir: &Path) -> Result<Vec<LiveReader>, StoreError> {
    let listing = Listing::of(dir)?;
    // A log that a later program wrote is left alone.
    if let Some(Err(e @ StoreError::Format { .. })) =
        listing.sealed.last().map(|l| SealedReader::open(l))
    {
        return Err(e);
    }
    for half in &listing.half {
        remove(half)?;
    }
    let mut left = Vec::new();
    for live in &listing.live {
        if live.with_extension("redb").exists() {
            remove(live)?;
            continue;
        }
        // What cannot be sealed must be found now: whoever writes next counts on where it ends.
        let readable = |reader: LiveReader| reader.chunks().map(|_| reader);
        match Segment::reopen(disk, live).and_then(readable) {
            Ok(reader) => left.push(reader),
            Err(StoreError::Corrupt { .. }) => set_aside(live)?,
            Err(other) => return Err(other),
        }
    }
    Ok(left)
}

/// Seals what [`reopen`] opened; what turns out to be damaged is set aside.
pub(super) fn seal_leftover(disk: &dyn Disk, live: LiveReader) -> Result<(), StoreError> {
    let path = live.path().to_owned();
    match seal(disk, live) {
        Ok(_) => Ok(()),
        Err(StoreError::Corrupt { .. }) => set_aside(&path),
        Err(other) => Err(other),
    }
}

fn set_aside(live: &Path) -> Result<(), StoreError> {
    rename(live, &live.with_extension("bad"))
}

/// Turns a live segment into a sealed one. A segment without an end ended in a crash.
pub(super) fn seal(disk: &dyn Disk, live: LiveReader) -> Result<SegmentInfo, StoreError> {
    let live_path = live.path().to_owned();
    let half = live_path.with_extension("tmp");
    let sealed = live_path.with_extension("redb");
    // Half a segment is worth nothing, and on a full disk it would keep the disk full.
    let written = write_dense(disk, &live, &half)
        .and_then(|rows| read_back(&half, rows))
        .inspect_err(|_| drop(remove(&half)))?;
    drop(live);
    File::open(&half).and_then(|f| f.sync_all()).map_err(|e| StoreError::io(&half, e))?;
    rename(&half, &sealed)?;
    remove(&live_path)?;
    Ok(SegmentInfo { path: sealed, ..written })
}

/// Writes all rows of `live` into the new file `path`; how many there were.
fn write_dense(disk: &dyn Disk, live: &LiveReader, path: &Path) -> Result<u64, StoreError> {
    let heads = live.chunks()?;
    let markets = live.markets()?;
    let rows = heads.iter().map(Head::rows).sum();
    let chunks = merge(live, &heads, markets.len() as u32)?;
    let cause = live.end()?.map_or(Some(CRASH.to_owned()), |end| end.cause);
    let dense = Segment::create(disk, path, &live.head()?)?;
    dense.commit(&Group {
        markets: (0..).zip(&markets).collect(),
        chunks: (0..).zip(&chunks).map(|(i, (head, bytes))| (i, head, &bytes[..])).collect(),
        end: Some(SegmentEnd { chunks: chunks.len() as u32, rows, cause }),
    })?;
    dense.compact()?;
    Ok(rows)
}

/// What was just written, if it can be read. If not, the disk failed while redb closed the file, which redb
/// does not tell: an error of the disk, and no damage of the live segment.
fn read_back(half: &Path, rows: u64) -> Result<SegmentInfo, StoreError> {
    let why = match SegmentInfo::read(half) {
        Ok(info) if info.counts.records() == rows => return Ok(info),
        Ok(info) => format!("{rows} rows became {}", info.counts.records()),
        Err(StoreError::Corrupt { why, .. }) => why,
        Err(other) => return Err(other),
    };
    let why = format!("it cannot be read back after sealing: {why}");
    Err(StoreError::io(half, std::io::Error::other(why)))
}

/// The rows in full chunks.
fn merge(
    live: &LiveReader,
    heads: &[Head],
    n_markets: u32,
) -> Result<Vec<(Head, Vec<u8>)>, StoreError> {
    let local: Vec<MarketId> = (0..n_markets).map(MarketId).collect();
    let fail = |e| StoreError::io(live.path(), e);
    let mut packer = Packer::new(Effort::Sealed).map_err(fail)?;
    let mut builder = Builder::default();
    let mut merged = Vec::new();
    for (i, head) in (0..).zip(heads) {
        for record in live.records(i, head, &local)? {
            let market = record.event.market;
            let code = if market == MarketId::NONE { 0 } else { u64::from(market.0) + 1 };
            builder.push(&record, code);
            if builder.rows() == ROWS_MAX || builder.text_bytes() >= TEXT_BYTES_MAX {
                merged.push(builder.pack(&mut packer).map_err(fail)?);
            }
        }
    }
    if builder.rows() > 0 {
        merged.push(builder.pack(&mut packer).map_err(fail)?);
    }
    Ok(merged)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    std::fs::remove_file(path).map_err(|e| StoreError::io(path, e))
}
