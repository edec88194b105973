//! The collector: feed, log thread, status, and what happens when something of it fails.
//!
//! ```text
//!  feed ─ Batch ─► log thread ─► redb
//!   ▲                 │ └ Tap ─► share ─► log/live.sock
//!   │ Command         ▼ LogState, Seen, lifecycle frames
//!   ├── scout      which markets: new ones in, settled ones out; audit against REST
//!   └──────────── session ─► board ─► CollectStatus ─► status line, --json, live.sock
//!                     ├ disk     space left, log still there
//!                     ├ retain   Parquet while collecting, old segments out
//!                     └ report   what the session came to
//! ```
//!
//! **Invariant:** what is said to be committed is on disk; what is missing is a row.
//! **Invariant:** a session ends with a cause: `finished`, `sigint`, `sigterm`, `disk_full`, `feed_failed`, or `error`;
//! one without was killed, and the next session opens with a gap row that says so.
//! **Invariant:** `log/LOCK` is taken before anything else happens, so that a second collector is refused at once.

mod audit;
mod board;
mod disk;
mod follow;
mod keeper;
mod log_thread;
mod meter;
mod opening;
mod ports;
mod report;
mod retain;
mod scout;
mod session;
mod share;
mod tap;

pub use audit::Audit;
pub use disk::free_bytes;
pub use follow::{Accepted, Follower, Following, NewMarket};
pub use meter::Meter;
pub use ports::QUEUE_BATCHES;
pub use report::CollectReport;
pub use retain::{Pruning, Retention, plan};
pub use scout::Scout;
pub use share::{NAME as LIVE_SOCKET, VERSION as LIVE_VERSION};

use crate::dataset::DatasetError;
use crate::event::{Gap, GapCause};
use crate::feed::{Batch, Command, FeedEnd, FeedError};
use crate::store::StoreError;
use crate::units::TsNs;
use crate::view::CollectStatus;
use session::Terms;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How often the disk is looked at and the status told.
const TICK: Duration = Duration::from_secs(1);

/// What to collect, and under which conditions.
#[derive(Clone, Debug)]
pub struct CollectSpec {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where the events come from: `live`, or `sim:seed=7`.
    pub source: String,
    /// `prod`, `demo` or `sim`.
    pub exchange_env: String,
    /// Remarks that qualify the data.
    pub flags: Vec<String>,
    /// Markets with their definitions, as the exchange's JSON objects, where no [`Scout`] finds them.
    pub markets: Vec<Definition>,
    /// Ends the session after this.
    pub run_for: Option<Duration>,
    /// With less space than this nothing more is taken.
    pub min_free_bytes: u64,
    /// Wait for space and go on, rather than end.
    pub wait_for_space: bool,
    /// Of the deltas only every so manyth is kept; 1 keeps all.
    pub sample: u64,
    /// Seal and export this often.
    pub export_every: Option<Duration>,
    /// Take old segments out after each export.
    pub retention: Option<Retention>,
    /// Hears every accepted record.
    pub follower: Option<Follower>,
}

/// A market and what the exchange says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its ticker.
    pub ticker: String,
    /// The market object of the REST API.
    pub json: Box<str>,
}

/// What a feed is connected to.
pub struct FeedIo {
    /// The markets wanted at the start.
    pub markets: Vec<String>,
    /// Where its batches go. Full: it waits.
    pub out: mpsc::Sender<Batch>,
    /// What is asked of it.
    pub commands: mpsc::Receiver<Command>,
    /// True: end.
    pub stop: watch::Receiver<bool>,
}

/// What the collector has to say while it runs.
#[derive(Debug)]
pub enum Notice {
    /// A session has begun.
    Started {
        /// Its id.
        session: String,
    },
    /// The status, every second.
    Status(Box<CollectStatus>),
    /// Something is missing.
    Gap(Gap),
    /// What was missing is healed.
    Healed(Gap),
    /// Parquet files were written.
    Exported {
        /// Published files.
        files: u64,
        /// Sessions written anew.
        sessions: u64,
    },
    /// Old segments were taken out.
    Pruned(Pruning),
    /// Something goes wrong that does not end the session.
    Warning(String),
    /// The session ends; so many rows are not on disk yet.
    Flushing(u64),
    /// They are.
    Flushed(Duration),
}

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The log could not be opened, written or ended.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too little space is left. Everything before is on disk.
    #[error(
        "{free_bytes} bytes are free on the disk of {}, the least is {min_free_bytes}",
        dir.display()
    )]
    DiskFull {
        /// The log's folder.
        dir: PathBuf,
        /// Bytes free.
        free_bytes: u64,
        /// Bytes that must be free.
        min_free_bytes: u64,
    },
    /// The log's folder is gone or may not be written any more.
    #[error("the log at {} is lost", dir.display())]
    LogLost {
        /// The folder.
        dir: PathBuf,
        /// What was seen.
        #[source]
        source: std::io::Error,
    },
    /// The exchange could not be reached, or the feed gave up.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The last export did not succeed. The log is complete.
    #[error("the log is complete, but was not exported")]
    Export(#[from] DatasetError),
    /// A thread could not be started, or died.
    #[error("the log thread died")]
    Thread,
}

/// What came of it, whatever happened.
#[derive(Debug)]
pub struct Collected {
    /// Figures of all sessions of this run.
    pub report: CollectReport,
    /// Why it ended before it should.
    pub failure: Option<CollectError>,
}

/// Collects until told to stop, until the time is over, or until it cannot go on.
///
/// `scout` keeps the set of markets right; without one those of `spec` are all. `feed` starts a feed for one
/// session; `stop` turns to the session's end cause (`sigint`, `sigterm`);
/// `hear` is told what happens.
///
/// # Errors
/// None: [`Collected::failure`] stands beside what was collected before.
pub async fn run<F>(
    spec: &CollectSpec,
    mut scout: Option<Scout>,
    mut feed: impl FnMut(FeedIo) -> F,
    mut stop: watch::Receiver<Option<&'static str>>,
    hear: &mut dyn FnMut(Notice),
) -> Collected
where
    F: Future<Output = Result<FeedEnd, FeedError>> + Send + 'static,
{
    let ends = spec.run_for.map(|time| Instant::now() + time);
    let mut before: Option<CollectReport> = None;
    loop {
        let resumed = before.as_ref().map(|_| GapCause::DiskFull);
        let terms = Terms { stop: stop.clone(), ends, resumed };
        let Collected { report, failure } =
            session::run(spec, scout.as_mut(), &mut feed, terms, hear).await;
        let report = match before.take() {
            Some(before) => before.and(report),
            None => report,
        };
        let full = matches!(
            failure,
            Some(CollectError::DiskFull { .. } | CollectError::Store(StoreError::Full { .. }))
        );
        if !(full && spec.wait_for_space) {
            return Collected { report, failure };
        }
        if !wait_for_space(spec, &mut stop, ends, hear).await {
            // Asked to end while nothing was open: that is a clean end.
            let mut report = report;
            report.cause = stop.borrow().unwrap_or("finished").to_owned();
            return Collected { report, failure: None };
        }
        before = Some(report);
    }
}

/// Waits until the disk has space again; false if told to stop before, or if the time is over.
async fn wait_for_space(
    spec: &CollectSpec,
    stop: &mut watch::Receiver<Option<&'static str>>,
    ends: Option<Instant>,
    hear: &mut dyn FnMut(Notice),
) -> bool {
    // Some more than the least, so that it does not end again at once.
    let enough = spec.min_free_bytes.saturating_add(spec.min_free_bytes / 8);
    let dir = spec.data_dir.display();
    hear(Notice::Warning(format!(
        "nothing is recorded until {enough} bytes are free on the disk of {dir}"
    )));
    loop {
        if disk::free_bytes(&spec.data_dir).is_ok_and(|free| free >= enough) {
            return true;
        }
        if ends.is_some_and(|ends| Instant::now() >= ends) {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = stop.wait_for(Option::is_some) => return false,
        }
    }
}

/// A hole of everything, seen now.
fn gap_of_all(cause: GapCause, since: TsNs) -> Gap {
    Gap { since, ..Gap::unnumbered(cause, log_thread::now()) }
}
