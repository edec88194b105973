//! The one writer of a log.
//!
//! Rows gather in a chunk of 1,024; packed chunks gather until the next commit, so that under load several
//! chunks share one sync of the disk. Full segments are sealed on a thread beside, one at a time.

use super::StoreError;
use super::chunk::{Builder, Head};
use super::column::{Effort, Packer};
use super::lock::Lock;
use super::recover::{Listing, TEXT_BYTES_MAX, parse_stem, recover_locked, seal, stem};
use super::segment::{Group, LocalMarket, Segment, SegmentEnd, SegmentHead};
use super::summary::{SegmentInfo, SessionSummary};
use crate::event::{MarketId, Record, SessionMeta, Tickers};
use crate::units::TsNs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Rows of a live chunk: what a crash may cost when nobody calls [`Writer::commit`].
const CHUNK_ROWS: usize = 1_024;
/// Full chunks wait this long for company before they are committed: a sync costs about 5 ms on a plain
/// disk, whatever it carries. A tenth of the 100 ms that may be lost.
const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// Receive time in one segment.
const SEGMENT_NS: u64 = 3_600 * 1_000_000_000;
/// Payload in one segment. redb's rounding and a last group still fit below 256 MiB.
const SEGMENT_BYTES: u64 = 160 << 20;
/// What a segment that cannot be read may have held at most: ids are not given out twice.
const ROWS_OF_A_LOST_SEGMENT: u64 = 1 << 32;

/// Appends one session to a log. Holds the log's lock until it is finished or dropped.
///
/// Dropping it without [`Writer::finish`] is what a crash does: the next writer seals what was committed.
pub struct Writer {
    dir: PathBuf,
    session: SessionMeta,
    live: Live,
    rows: Builder,
    packer: Packer,
    ready: Vec<(Head, Vec<u8>)>,
    next_row_id: u64,
    committed: u64,
    committed_at: Instant,
    sealing: Option<Sealing>,
    summary: SessionSummary,
    // Shared with the sealing thread: the lock is free when nobody touches the files any more.
    lock: Arc<Lock>,
}

/// The segment being written.
struct Live {
    file: Segment,
    head: SegmentHead,
    chunks: u32,
    rows: u64,
    bytes: u64,
    /// Receive time of the first row.
    started: Option<TsNs>,
    /// The segment's dictionary.
    markets: Vec<LocalMarket>,
    /// Local ids that the file does not know yet.
    unsaved: Vec<u32>,
    /// The caller's market id to local id + 1; 0 where the segment has no row of it.
    codes: Vec<u32>,
}

struct Sealing {
    path: PathBuf,
    thread: JoinHandle<Result<SegmentInfo, StoreError>>,
}

impl Writer {
    /// Starts the session `meta` in `data_dir/log`, after sealing what a crash left there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another writer is alive; IO errors; a full disk.
    pub fn open(data_dir: &Path, meta: SessionMeta) -> Result<Writer, StoreError> {
        let dir = data_dir.join("log");
        std::fs::create_dir_all(&dir).map_err(|e| StoreError::io(&dir, e))?;
        let lock = Lock::take(&dir)?;
        recover_locked(&dir)?;
        let (number, next_row_id) = next_place(&Listing::of(&dir)?)?;
        let head =
            SegmentHead { number, place: 0, first_row_id: next_row_id, session: meta.clone() };
        let packer = Packer::new(Effort::Live).map_err(|e| StoreError::io(&dir, e))?;
        Ok(Writer {
            live: Live::create(&dir, head)?,
            dir,
            rows: Builder::default(),
            packer,
            ready: Vec::new(),
            next_row_id,
            committed: next_row_id - 1,
            committed_at: Instant::now(),
            sealing: None,
            summary: SessionSummary::empty(meta.clone()),
            session: meta,
            lock: Arc::new(lock),
        })
    }

    /// Takes a record and gives it the next `row_id`, which is returned.
    ///
    /// `tickers` is the dictionary of the record's market id: the same one, growing, in every call.
    /// Full chunks are committed on the way, at most every 10 ms; the rest waits for [`Writer::commit`].
    ///
    /// # Errors
    /// When earlier records could not be committed. This one was then not taken.
    pub fn append(&mut self, tickers: &Tickers, mut record: Record) -> Result<u64, StoreError> {
        if self.rows.rows() >= CHUNK_ROWS || self.rows.text_bytes() >= TEXT_BYTES_MAX {
            self.pack()?;
            if self.committed_at.elapsed() >= COMMIT_EVERY {
                self.commit()?;
            }
        }
        if self.live.is_over(record.event.recv) {
            self.rotate()?;
        }
        let row_id = self.next_row_id;
        record.event.row_id = row_id;
        let code = self.live.code(tickers, record.event.market);
        self.live.started.get_or_insert(record.event.recv);
        self.live.rows += 1;
        self.rows.push(&record, u64::from(code));
        self.next_row_id += 1;
        Ok(row_id)
    }

    /// Puts everything appended so far on disk; the last committed `row_id` (0: the log is empty).
    ///
    /// # Errors
    /// IO errors; a full disk. What was committed before stays committed.
    pub fn commit(&mut self) -> Result<u64, StoreError> {
        self.pack()?;
        if !self.ready.is_empty() {
            self.commit_group(None)?;
        }
        Ok(self.committed)
    }

    /// Commits, writes the session's end with its `cause`, seals its segments.
    ///
    /// # Errors
    /// As [`Writer::commit`]; and when sealing fails: the session is then complete but for its last file,
    /// which the next writer seals.
    pub fn finish(mut self, cause: &str) -> Result<SessionSummary, StoreError> {
        self.pack()?;
        self.commit_group(Some(cause))?;
        self.await_sealing()?;
        let info = self.live.file.into_reader().and_then(seal)?;
        self.summary.add(&info);
        Ok(self.summary)
    }

    fn pack(&mut self) -> Result<(), StoreError> {
        if self.rows.rows() > 0 {
            let chunk = self.rows.pack(&mut self.packer);
            self.ready.push(chunk.map_err(|e| StoreError::io(self.live.file.path(), e))?);
        }
        Ok(())
    }

    fn commit_group(&mut self, cause: Option<&str>) -> Result<(), StoreError> {
        let live = &mut self.live;
        let chunks = live.chunks + self.ready.len() as u32;
        let end = cause.map(|cause| SegmentEnd {
            chunks,
            rows: live.rows,
            cause: Some(cause.to_owned()),
        });
        live.save(&self.ready, end)?;
        live.chunks = chunks;
        live.bytes += self.ready.iter().map(|(_, payload)| payload.len() as u64).sum::<u64>();
        self.ready.clear();
        self.committed = self.next_row_id - 1;
        self.committed_at = Instant::now();
        Ok(())
    }

    /// Goes on in a new segment. The old one learns that it is not the last only when the new one exists,
    /// so that a crash in between is still seen as one.
    fn rotate(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        self.await_sealing()?;
        let head = SegmentHead {
            number: self.live.head.number + 1,
            place: self.live.head.place + 1,
            first_row_id: self.next_row_id,
            session: self.session.clone(),
        };
        let old = std::mem::replace(&mut self.live, Live::create(&self.dir, head)?);
        let end = SegmentEnd { chunks: old.chunks, rows: old.rows, cause: None };
        old.file.commit(&Group { end: Some(end), ..Group::default() })?;
        let path = old.file.path().to_owned();
        let lock = Arc::clone(&self.lock);
        let thread = std::thread::spawn(move || {
            let sealed = old.file.into_reader().and_then(seal);
            drop(lock);
            sealed
        });
        self.sealing = Some(Sealing { path, thread });
        Ok(())
    }

    fn await_sealing(&mut self) -> Result<(), StoreError> {
        if let Some(Sealing { path, thread }) = self.sealing.take() {
            let info = thread.join().map_err(|_| StoreError::SealAbandoned { path })??;
            self.summary.add(&info);
        }
        Ok(())
    }
}

impl Live {
    fn create(dir: &Path, head: SegmentHead) -> Result<Live, StoreError> {
        // Complete with its head before it is called live: a crash leaves no file without one.
        let path = dir.join(stem(head.number, head.first_row_id));
        let mut file = Segment::create(&path.with_extension("tmp"), &head)?;
        file.rename(&path.with_extension("live"))?;
        Ok(Live {
            file,
            head,
            chunks: 0,
            rows: 0,
            bytes: 0,
            started: None,
            markets: Vec::new(),
            unsaved: Vec::new(),
            codes: Vec::new(),
        })
    }

    /// True if a row of time `recv` belongs into another segment. A clock that jumps to and fro must not
    /// make a file per row, hence the least number of rows.
    fn is_over(&self, recv: TsNs) -> bool {
        let span = self.started.map_or(0, |first| first.0.abs_diff(recv.0));
        self.bytes >= SEGMENT_BYTES || (span >= SEGMENT_NS && self.rows >= CHUNK_ROWS as u64)
    }

    /// The market's local id + 1; 0 for nobody.
    fn code(&mut self, tickers: &Tickers, id: MarketId) -> u32 {
        if id == MarketId::NONE {
            return 0;
        }
        let index = id.0 as usize;
        if self.codes.len() <= index {
            self.codes.resize(index + 1, 0);
        }
        let code = self.codes[index];
        if code == 0 {
            let ticker = tickers.name(id).to_owned();
            self.unsaved.push(self.markets.len() as u32);
            self.markets.push(LocalMarket { ticker, uuid: tickers.uuid(id) });
            self.codes[index] = self.markets.len() as u32;
            return self.codes[index];
        }
        let market = &mut self.markets[code as usize - 1];
        if market.uuid.is_none() && tickers.uuid(id).is_some() {
            market.uuid = tickers.uuid(id);
            self.unsaved.push(code - 1);
        }
        code
    }

    fn save(
        &mut self,
        chunks: &[(Head, Vec<u8>)],
        end: Option<SegmentEnd>,
    ) -> Result<(), StoreError> {
        let numbered = (self.chunks..).zip(chunks);
        self.file.commit(&Group {
            markets: self.unsaved.iter().map(|&i| (i, &self.markets[i as usize])).collect(),
            chunks: numbered.map(|(i, (head, bytes))| (i, head, &bytes[..])).collect(),
            end,
        })?;
        self.unsaved.clear();
        Ok(())
    }
}

/// Number and first `row_id` of the next segment.
fn next_place(listing: &Listing) -> Result<(u32, u64), StoreError> {
    let names = listing.sealed.iter().chain(&listing.bad);
    let last = names.filter_map(|path| Some((parse_stem(path)?, path))).max();
    let Some(((number, first_row_id), path)) = last else { return Ok((1, 1)) };
    let next_row_id = match SegmentInfo::read(path) {
        Ok(info) => info.next_row_id(),
        Err(StoreError::Corrupt { .. }) => first_row_id + ROWS_OF_A_LOST_SEGMENT,
        Err(e) => return Err(e),
    };
    Ok((number + 1, next_row_id))
}
