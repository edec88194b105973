//! The keeper: owns the writer, and puts accepted rows on disk.
//!
//! A sync of the disk costs about 5 ms whatever it carries. Who acts on a row must not wait for that, so rows
//! get their ids in the log thread and are kept here, behind a queue. When it is full the log thread waits,
//! then the feed, then the exchange: nothing is dropped.

use super::meter::Meter;
use super::ports::Kept;
use crate::event::{Record, Tickers};
use crate::store::{SessionSummary, StoreError, Writer};
use crate::units::TsNs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Batches on their way to the disk: as many as may wait for the log thread.
const QUEUE_BATCHES: usize = super::ports::QUEUE_BATCHES;
/// A row is on disk after this at most.
const COMMIT_WITHIN: Duration = Duration::from_millis(100);
/// Or with this many rows.
const COMMIT_ROWS: usize = 1_024;
/// But a sync costs about 5 ms whatever it carries: no two commits are closer than this.
const COMMIT_APART: Duration = Duration::from_millis(10);
/// How often the meter begins anew.
const TURN_EVERY: Duration = Duration::from_secs(2);
/// How often a sealing that somebody waits for is looked at.
const SEALING_EVERY: Duration = Duration::from_millis(20);

/// What the log thread hands over.
pub(super) enum Keep {
    /// Rows in the order of their ids, and the markets that were entered or named before them.
    Rows(Vec<Named>, Vec<Record>),
    /// Begin a new segment, and say when the old one is sealed.
    Roll(oneshot::Sender<()>),
    /// End the session with this cause.
    Finish(String),
}

/// A market entered into the dictionary, or the exchange's id of one.
pub(super) type Named = (Box<str>, Option<[u8; 16]>);

/// The keeper as the log thread sees it.
pub(super) struct Keeper {
    input: SyncSender<Keep>,
    kept: watch::Receiver<Kept>,
    thread: JoinHandle<Result<SessionSummary, StoreError>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(writer: Writer) -> std::io::Result<Keeper> {
        let (input, rows) = sync_channel(QUEUE_BATCHES);
        let (told, kept) = watch::channel(Kept::default());
        let keeping = Keeping {
            begin: writer.committed(),
            writer,
            tickers: Tickers::default(),
            told,
            commit: Meter::default(),
            waiting: Vec::new(),
            waiting_since: None,
            committed: 0,
            committed_at: Instant::now(),
            rolling: None,
            turned_at: Instant::now(),
        };
        let builder = std::thread::Builder::new().name("keeper".to_owned());
        let thread = builder.spawn(move || keeping.run(&rows))?;
        Ok(Keeper { input, kept, thread })
    }

    /// Hands over; waits while the queue is full. False when the keeper has given up: [`Keeper::end`] says why.
    pub(super) fn keep(&self, what: Keep) -> bool {
        self.input.send(what).is_ok()
    }

    /// True once the thread has ended, which it does by itself only when it failed.
    pub(super) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// How far it is.
    pub(super) fn kept(&self) -> Kept {
        self.kept.borrow().clone()
    }

    /// Waits for its end: the session's summary after [`Keep::Finish`].
    ///
    /// # Errors
    /// What made it give up.
    pub(super) fn end(self) -> Result<(SessionSummary, Kept), StoreError> {
        let Keeper { input, kept, thread } = self;
        drop(input);
        // A panic goes on in the log thread, whose end somebody awaits.
        let summary = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let kept = kept.borrow().clone();
        Ok((summary, kept))
    }
}

struct Keeping {
    /// The last row of the session before.
    begin: u64,
    writer: Writer,
    /// The log thread's dictionary, entered in the same order.
    tickers: Tickers,
    told: watch::Sender<Kept>,
    /// Receipt to disk.
    commit: Meter,
    /// Receive times of the rows that are not on disk.
    waiting: Vec<TsNs>,
    waiting_since: Option<Instant>,
    /// Rows of this session on disk.
    committed: u64,
    committed_at: Instant,
    rolling: Option<Rolling>,
    turned_at: Instant,
}

/// A new segment that was asked for.
struct Rolling {
    sealed: oneshot::Sender<()>,
    begun: bool,
}

impl Keeping {
    fn run(mut self, rows: &Receiver<Keep>) -> Result<SessionSummary, StoreError> {
        loop {
            match rows.recv_timeout(self.patience()) {
                Ok(Keep::Rows(named, rows)) => self.rows(&named, rows)?,
                Ok(Keep::Roll(sealed)) => self.rolling = Some(Rolling { sealed, begun: false }),
                Ok(Keep::Finish(cause)) => return self.finish(&cause),
                Err(RecvTimeoutError::Timeout) => {}
                // Whoever hands over is gone: what came so far is a session.
                Err(RecvTimeoutError::Disconnected) => return self.finish("error"),
            }
            self.settle();
            if self.is_due() {
                self.writer.commit()?;
                self.settle();
            }
            if !self.writer.is_sealing() {
                self.roll()?;
            }
        }
    }

    fn rows(&mut self, named: &[Named], rows: Vec<Record>) -> Result<(), StoreError> {
        for (ticker, uuid) in named {
            let id = self.tickers.intern(ticker);
            if let Some(uuid) = uuid {
                self.tickers.set_uuid(id, *uuid);
            }
        }
        for record in rows {
            self.waiting.push(record.event.recv);
            self.writer.append(&self.tickers, record)?;
        }
        if !self.waiting.is_empty() {
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// How long nothing need be done when nothing comes.
    fn patience(&self) -> Duration {
        let commit = self.waiting_since.map_or(COMMIT_WITHIN, |since| {
            COMMIT_WITHIN.saturating_sub(since.elapsed()).max(Duration::from_millis(1))
        });
        if self.rolling.is_some() { commit.min(SEALING_EVERY) } else { commit }
    }

    fn is_due(&self) -> bool {
        let many = self.waiting.len() >= COMMIT_ROWS && self.committed_at.elapsed() >= COMMIT_APART;
        many || self.waiting_since.is_some_and(|since| since.elapsed() >= COMMIT_WITHIN)
    }

    /// Begins the segment that was asked for, or says that the one before is sealed.
    fn roll(&mut self) -> Result<(), StoreError> {
        match self.rolling.take() {
            Some(Rolling { sealed, begun: false }) => {
                self.writer.roll()?;
                self.rolling = Some(Rolling { sealed, begun: true });
            }
            // Whoever asked may be gone.
            Some(Rolling { sealed, begun: true }) => drop(sealed.send(())),
            None => {}
        }
        Ok(())
    }

    /// Counts what is on disk by now: the writer commits full chunks by itself.
    fn settle(&mut self) {
        let committed = self.writer.committed() - self.begin;
        let rows = (committed - self.committed) as usize;
        if rows == 0 {
            return;
        }
        let now = super::log_thread::now();
        for recv in self.waiting.drain(..rows) {
            self.commit.record(recv, now);
        }
        self.committed = committed;
        self.committed_at = Instant::now();
        self.waiting_since = (!self.waiting.is_empty()).then_some(self.committed_at);
        if self.turned_at.elapsed() >= TURN_EVERY {
            self.commit.turn();
            self.turned_at = Instant::now();
        }
        self.tell();
    }

    fn tell(&self) {
        self.told.send_replace(Kept { committed: self.committed, commit: self.commit.clone() });
    }

    fn finish(mut self, cause: &str) -> Result<SessionSummary, StoreError> {
        self.writer.commit()?;
        self.settle();
        self.commit.turn();
        self.tell();
        self.writer.finish(cause)
    }
}
