//! The one writer of a log.
//!
//! Rows gather in a chunk of 1,024; packed chunks gather until the next commit, so that under load several
//! chunks share one sync of the disk. Full segments, and those that a crash left, are sealed on a thread
//! beside, one at a time: a start after a kill waits for no packing.

use super::StoreError;
use super::chunk::{Builder, Head};
use super::column::{Effort, Packer};
use super::disk::{Disk, Files};
use super::live::{CHUNK_ROWS, Live};
use super::lock::Lock;
use super::prune::{Janitor, Pruned};
use super::reader::LiveReader;
use super::recover::{CRASH, Listing, TEXT_BYTES_MAX, parse_stem, reopen, seal, seal_leftover};
use super::segment::{Group, SegmentEnd, SegmentHead};
use super::summary::{SegmentInfo, SessionSummary};
use crate::event::{Record, SessionMeta, Tickers};
use crate::units::TsNs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Full chunks wait this long for company before they are committed: a sync costs about 5 ms on a plain
/// disk, whatever it carries. A tenth of the 100 ms that may be lost.
const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// What a segment that cannot be read may have held at most: ids are not given out twice.
pub(super) const ROWS_OF_A_LOST_SEGMENT: u64 = 1 << 32;

/// Appends one session to a log. Holds the log's lock until it is finished or dropped.
///
/// Dropping it without [`Writer::finish`] is what a crash does: the next writer seals what was committed.
pub struct Writer {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
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
    predecessor: Option<Predecessor>,
    unread: Option<PathBuf>,
    // Shared with the sealing thread: the lock is free when nobody touches the files any more.
    lock: Arc<Lock>,
}

/// How the session before a new one ended.
#[derive(Clone, Debug)]
pub struct Predecessor {
    /// What was known at its start.
    pub session: SessionMeta,
    /// Receive time of the last row in its last file; `None` if that has no row.
    pub last_recv: Option<TsNs>,
    /// Why it ended; `None` if its last file is missing.
    pub cause: Option<String>,
}

struct Sealing {
    path: PathBuf,
    /// A segment of this session, unless it was a crash's leftovers that were sealed.
    thread: Option<JoinHandle<Result<Option<SegmentInfo>, StoreError>>>,
}

impl Drop for Sealing {
    /// Whoever drops the writer may open the log again at once.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its result is for who finishes the session; what was not sealed, the next writer seals.
            let _ = thread.join();
        }
    }
}

impl Writer {
    /// Starts the session `meta` in `data_dir/log`, behind what a crash left there, which is sealed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another writer is alive; IO errors; a full disk.
    pub fn open(data_dir: &Path, meta: SessionMeta) -> Result<Writer, StoreError> {
        Writer::open_on(Arc::new(Files), data_dir, meta)
    }

    /// [`Writer::open`] with `disk` between redb and the files.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        meta: SessionMeta,
    ) -> Result<Writer, StoreError> {
        let dir = data_dir.join("log");
        std::fs::create_dir_all(&dir).map_err(|e| StoreError::io(&dir, e))?;
        let lock = Lock::take(&dir)?;
        let left = reopen(&*disk, &dir)?;
        let Place { number, next_row_id, predecessor, unread } = Place::next(&dir, &left)?;
        let head =
            SegmentHead { number, place: 0, first_row_id: next_row_id, session: meta.clone() };
        let packer = Packer::new(Effort::Live).map_err(|e| StoreError::io(&dir, e))?;
        let mut writer = Writer {
            live: Live::create(&*disk, &dir, head)?,
            dir,
            disk,
            rows: Builder::default(),
            packer,
            ready: Vec::new(),
            next_row_id,
            committed: next_row_id - 1,
            committed_at: Instant::now(),
            sealing: None,
            summary: SessionSummary::empty(meta.clone()),
            predecessor,
            unread,
            session: meta,
            lock: Arc::new(lock),
        };
        if let Some(first) = left.first() {
            let path = first.path().to_owned();
            writer.seal_beside(path, move |disk| {
                left.into_iter().try_for_each(|live| seal_leftover(disk, live)).map(|()| None)
            });
        }
        Ok(writer)
    }

    /// The session before this one. `None` for the first of a log, and where its end cannot be read.
    pub fn predecessor(&self) -> Option<&Predecessor> {
        self.predecessor.as_ref()
    }

    /// The last segment before this session, if it could not be read: what rows it held is not known, and row
    /// ids go on [`ROWS_OF_A_LOST_SEGMENT`] behind its first.
    pub fn unread(&self) -> Option<&Path> {
        self.unread.as_deref()
    }

    /// The last row that is on disk (0: none).
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The right to take old segments out while this writer lives.
    pub fn janitor(&self) -> Janitor {
        Janitor::of(self.dir.clone(), Arc::clone(&self.lock))
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
        let live = self.live.file.into_reader()?;
        let info = seal(&*self.disk, live)?;
        self.summary.add(&info);
        Ok(self.summary)
    }

    /// Goes on in a new segment, so that everything appended so far will be sealed soon; waits for the
    /// segment before that. Without rows since the last time nothing happens.
    ///
    /// # Errors
    /// As [`Writer::commit`]; and when the segment before could not be sealed.
    pub fn roll(&mut self) -> Result<(), StoreError> {
        if self.live.rows > 0 { self.rotate() } else { Ok(()) }
    }

    /// True while the segment before is being sealed.
    pub fn is_sealing(&self) -> bool {
        let thread = self.sealing.as_ref().and_then(|s| s.thread.as_ref());
        thread.is_some_and(|thread| !thread.is_finished())
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
        let old = std::mem::replace(&mut self.live, Live::create(&*self.disk, &self.dir, head)?);
        let end = SegmentEnd { chunks: old.chunks, rows: old.rows, cause: None };
        old.file.commit(&Group { end: Some(end), ..Group::default() })?;
        self.seal_beside(old.file.path().to_owned(), move |disk| {
            old.file.into_reader().and_then(|live| seal(disk, live)).map(Some)
        });
        Ok(())
    }

    fn seal_beside(
        &mut self,
        path: PathBuf,
        work: impl FnOnce(&dyn Disk) -> Result<Option<SegmentInfo>, StoreError> + Send + 'static,
    ) {
        let (lock, disk) = (Arc::clone(&self.lock), Arc::clone(&self.disk));
        let thread = std::thread::spawn(move || {
            let sealed = work(&*disk);
            drop(lock);
            sealed
        });
        self.sealing = Some(Sealing { path, thread: Some(thread) });
    }

    fn await_sealing(&mut self) -> Result<(), StoreError> {
        let Some(mut sealing) = self.sealing.take() else { return Ok(()) };
        if let Some(thread) = sealing.thread.take() {
            let path = sealing.path.clone();
            let sealed = thread.join().map_err(|_| StoreError::SealAbandoned { path })??;
            sealed.iter().for_each(|info| self.summary.add(info));
        }
        Ok(())
    }
}

/// Where a new session begins.
struct Place {
    number: u32,
    next_row_id: u64,
    predecessor: Option<Predecessor>,
    /// The last segment, if it cannot be read.
    unread: Option<PathBuf>,
}

impl Place {
    /// Behind everything in `dir`; `left` are live segments that are not sealed yet.
    fn next(dir: &Path, left: &[LiveReader]) -> Result<Place, StoreError> {
        let pruned = Pruned::read(dir)?;
        let listing = Listing::of(dir)?;
        let names = listing.sealed.iter().chain(&listing.bad).filter(|path| !pruned.covers(path));
        let last = names.filter_map(|path| Some((parse_stem(path)?, path))).max();
        if let Some(left) = left.last() {
            let head = left.head()?;
            if last.is_none_or(|((number, _), _)| number < head.number) {
                return Place::behind_leftover(left, head);
            }
        }
        let Some(((number, first_row_id), path)) = last else {
            let Pruned { next_number: number, next_row_id, .. } = pruned;
            return Ok(Place { number, next_row_id, predecessor: None, unread: None });
        };
        let number = number + 1;
        match SegmentInfo::read(path) {
            Ok(info) => Ok(Place {
                number,
                next_row_id: info.next_row_id(),
                predecessor: Some(Predecessor::of(info)),
                unread: None,
            }),
            Err(StoreError::Corrupt { .. }) => Ok(Place {
                number,
                next_row_id: first_row_id + ROWS_OF_A_LOST_SEGMENT,
                predecessor: None,
                unread: Some(path.clone()),
            }),
            Err(e) => Err(e),
        }
    }

    fn behind_leftover(left: &LiveReader, head: SegmentHead) -> Result<Place, StoreError> {
        let chunks = left.chunks()?;
        let rows: u64 = chunks.iter().map(Head::rows).sum();
        let predecessor = Predecessor {
            session: head.session,
            last_recv: chunks.iter().map(|chunk| chunk.recv_max).max(),
            cause: left.end()?.map_or_else(|| Some(CRASH.to_owned()), |end| end.cause),
        };
        Ok(Place {
            number: head.number + 1,
            next_row_id: head.first_row_id + rows,
            predecessor: Some(predecessor),
            unread: None,
        })
    }
}

impl Predecessor {
    fn of(info: SegmentInfo) -> Predecessor {
        let last_recv = info.recv.map(|(_, last)| last);
        Predecessor { session: info.session, last_recv, cause: info.cause }
    }
}
