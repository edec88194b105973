//! One session from its first row to its end.

use super::board::Board;
use super::disk::Watch;
use super::log_thread::{self, Ended};
use super::ports::{Ask, LogState, OwnRow, Seen};
use super::report::CollectReport;
use super::retain::{self, Pruning};
use super::scout::Scout;
use super::share;
use super::{CollectError, CollectSpec, Collected, FeedIo, Notice, TICK, gap_of_all};
use crate::dataset::{DatasetError, ExportSummary};
use crate::event::{Body, GapCause};
use crate::feed::{Batch, FeedEnd, FeedError};
use crate::store::Janitor;
use crate::view::CollectStatus;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval_at, sleep_until};

/// When there is no end: tokio's own idea of far away.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);
/// How long the feed may take to say goodbye to the exchange.
const GOODBYE: Duration = Duration::from_secs(3);

/// Why a session ends.
enum Why {
    /// Asked to, or the time is over.
    Cause(&'static str),
    /// The feed ended.
    Fed(Fed),
    /// It cannot go on.
    Failure(&'static str, CollectError),
    /// The log thread ended by itself; `None`: it died.
    Log(Option<Box<Ended>>),
}

type Upkept = Result<(ExportSummary, Pruning), DatasetError>;

/// How the feed ended.
type Fed = Result<FeedEnd, FeedError>;

/// What ends a session, and what stood before it.
pub(super) struct Terms {
    /// Turns to the end's cause.
    pub(super) stop: watch::Receiver<Option<&'static str>>,
    /// When it is over.
    pub(super) ends: Option<Instant>,
    /// What kept the session before from going on.
    pub(super) resumed: Option<GapCause>,
}

/// Runs one session.
pub(super) async fn run<F>(
    spec: &CollectSpec,
    mut scout: Option<&mut Scout>,
    feed: &mut impl FnMut(FeedIo) -> F,
    terms: Terms,
    hear: &mut dyn FnMut(Notice),
) -> Collected
where
    F: Future<Output = Fed> + Send + 'static,
{
    let markets = match &mut scout {
        Some(scout) => scout.begin(),
        None => spec.markets.clone(),
    };
    let (session, opening, io, scout_io) = match Session::open(spec, markets, terms.resumed) {
        Ok(opened) => opened,
        Err(failure) => {
            return Collected { report: CollectReport::begin(spec, ""), failure: Some(failure) };
        }
    };
    hear(Notice::Started { session: session.report.session.clone() });
    opening.into_iter().for_each(&mut *hear);
    let scout = async {
        match scout {
            Some(scout) => scout.run(scout_io).await,
            None => std::future::pending().await,
        }
    };
    // On a thread of its own: the frames wait for nothing that happens here.
    session.run(tokio::spawn(feed(io)), scout, terms, hear).await
}

/// A session that runs.
pub(super) struct Session<'a> {
    pub(super) spec: &'a CollectSpec,
    pub(super) started: Instant,
    pub(super) log_dir: PathBuf,
    pub(super) janitor: Arc<Janitor>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) batches: mpsc::Sender<Batch>,
    pub(super) stop_feed: watch::Sender<bool>,
    pub(super) state: watch::Receiver<LogState>,
    pub(super) seen: mpsc::Receiver<Seen>,
    pub(super) ended: oneshot::Receiver<Ended>,
    pub(super) status: watch::Sender<CollectStatus>,
    pub(super) end: watch::Sender<String>,
    pub(super) sharing: Option<JoinHandle<()>>,
    pub(super) board: Board,
    pub(super) disk: Watch,
    pub(super) upkeep: Option<JoinHandle<Upkept>>,
    pub(super) report: CollectReport,
}

impl Session<'_> {
    async fn run(
        mut self,
        mut feed: JoinHandle<Fed>,
        scout: impl Future<Output = ()>,
        mut terms: Terms,
        hear: &mut dyn FnMut(Notice),
    ) -> Collected {
        tokio::pin!(scout);
        let why = self.attend(&mut feed, scout, &mut terms, hear).await;
        self.stop_feed.send_replace(true);
        // The queue is still being emptied: a feed that waits for it comes through.
        if !matches!(why, Why::Fed(_)) && tokio::time::timeout(GOODBYE, &mut feed).await.is_err() {
            feed.abort();
        }
        let (cause, failure, ended) = match why {
            Why::Cause(cause) => (cause, None, None),
            Why::Fed(Ok(_)) => ("finished", None, None),
            Why::Fed(Err(e)) => ("feed_failed", Some(CollectError::Feed(e)), None),
            Why::Failure(cause, failure) => (cause, Some(failure), None),
            Why::Log(ended) => ("error", None, Some(ended.map(|ended| *ended))),
        };
        self.finish(cause, failure, ended, hear).await
    }

    /// Everything that happens while frames come in; why that ends.
    async fn attend(
        &mut self,
        feed: &mut JoinHandle<Fed>,
        mut scout: Pin<&mut impl Future<Output = ()>>,
        terms: &mut Terms,
        hear: &mut dyn FnMut(Notice),
    ) -> Why {
        let mut tick = every(TICK);
        let mut export = every(self.spec.export_every.unwrap_or(FAR));
        let over = terms.ends.unwrap_or(self.started + FAR);
        loop {
            tokio::select! {
                biased;
                ended = &mut self.ended => return Why::Log(ended.ok().map(Box::new)),
                Ok(cause) = terms.stop.wait_for(Option::is_some) => {
                    return Why::Cause(cause.unwrap_or("error"));
                }
                done = &mut *feed => return match done {
                    Ok(done) => Why::Fed(done),
                    Err(_) => Why::Failure("error", CollectError::Thread),
                },
                // Every market is over, and no new ones are looked for.
                () = &mut scout => return Why::Cause("finished"),
                () = sleep_until(over.into()) => return Why::Cause("finished"),
                Some(seen) = self.seen.recv() => self.seen(seen, hear),
                done = upkept(&mut self.upkeep) => self.upkept(done, hear),
                _ = tick.tick() => {
                    if let Some(why) = self.look_around(hear) {
                        return why;
                    }
                }
                _ = export.tick(), if self.spec.export_every.is_some() && self.upkeep.is_none() => {
                    self.upkeep = Some(self.start_upkeep());
                }
            }
        }
    }

    /// One look at log and disk, told to everybody; a reason to end.
    fn look_around(&mut self, hear: &mut dyn FnMut(Notice)) -> Option<Why> {
        let now = Instant::now();
        let dir = self.log_dir.clone();
        let why = match self.disk.look(now) {
            Err(source) => {
                self.board.disk(Err(format!("the log is lost: {source}")));
                Some(Why::Failure("error", CollectError::LogLost { dir, source }))
            }
            Ok(space) => {
                self.board.disk(Ok(space));
                let (free_bytes, min_free_bytes) = (space.free_bytes, self.spec.min_free_bytes);
                let full = CollectError::DiskFull { dir, free_bytes, min_free_bytes };
                (free_bytes < min_free_bytes).then_some(Why::Failure("disk_full", full))
            }
        };
        let queue = self.batches.max_capacity() - self.batches.capacity();
        let status = self.board.log(&self.state.borrow(), queue, now).clone();
        self.status.send_replace(status.clone());
        hear(Notice::Status(Box::new(status)));
        why
    }

    fn seen(&mut self, seen: Seen, hear: &mut dyn FnMut(Notice)) {
        match seen {
            Seen::Gap(gap) => hear(Notice::Gap(gap)),
            Seen::Healed(gap) => hear(Notice::Healed(gap)),
        }
    }

    /// Seals what there is, then exports and prunes beside the collecting.
    fn start_upkeep(&self) -> JoinHandle<Upkept> {
        let (asks, janitor) = (self.asks.clone(), Arc::clone(&self.janitor));
        let (data_dir, retention) = (self.spec.data_dir.clone(), self.spec.retention.clone());
        tokio::spawn(async move {
            let (sealed, is_sealed) = oneshot::channel();
            // A session that ends meanwhile seals by itself.
            if asks.send(Ask::Roll(sealed)).await.is_ok() {
                let _ = is_sealed.await;
            }
            let work = move || retain::upkeep(&data_dir, &janitor, retention.as_ref());
            match tokio::task::spawn_blocking(work).await {
                Ok(upkept) => upkept,
                Err(died) => std::panic::resume_unwind(died.into_panic()),
            }
        })
    }

    fn upkept(&mut self, done: Upkept, hear: &mut dyn FnMut(Notice)) {
        match done {
            Ok((exported, pruned)) => {
                let (files, sessions) = (exported.files, exported.sessions_written);
                self.report.exported_files = files;
                hear(Notice::Exported { files, sessions });
                if !pruned.segments.is_empty() {
                    hear(Notice::Pruned(pruned));
                }
            }
            Err(e) => hear(Notice::Warning(format!("the log goes on, but was not exported: {e}"))),
        }
    }

    /// Ends the log thread (unless it has `ended`), then everything around it.
    async fn finish(
        mut self,
        cause: &'static str,
        mut failure: Option<CollectError>,
        ended: Option<Option<Ended>>,
        hear: &mut dyn FnMut(Notice),
    ) -> Collected {
        let begun = Instant::now();
        self.end.send_replace(cause.to_owned());
        let ended = match ended {
            Some(ended) => ended,
            None => {
                let waiting = self.state.borrow().accepted - self.state.borrow().kept.committed;
                hear(Notice::Flushing(waiting));
                // Behind everything that is still queued: from there on nothing is recorded.
                let last = (cause == GapCause::DiskFull.word()).then(|| {
                    let gap = gap_of_all(GapCause::DiskFull, log_thread::now());
                    OwnRow::of_all(Body::Gap(Box::new(gap)))
                });
                let _ = self.asks.send(Ask::Finish(cause.to_owned(), last)).await;
                (&mut self.ended).await.ok()
            }
        };
        self.report.cause = cause.to_owned();
        self.report.log(&self.state.borrow());
        match ended {
            Some(Ok((summary, state))) => {
                self.report.log(&state);
                self.report.sealed(&summary);
                hear(Notice::Flushed(begun.elapsed()));
            }
            lost => {
                self.report.cause = "error".to_owned();
                if let Err(source) = self.disk.look(Instant::now()) {
                    // Whatever was committed, its files are not there any more.
                    self.report.committed = 0;
                    failure = Some(CollectError::LogLost { dir: self.log_dir.clone(), source });
                }
                let error = lost.map_or(CollectError::Thread, |ended| match ended {
                    Err(e) => CollectError::Store(e),
                    Ok(_) => CollectError::Thread,
                });
                failure.get_or_insert(error);
            }
        }
        failure = self.last_upkeep(failure, hear).await;
        self.report.seconds = self.started.elapsed().as_secs_f64();
        if let Ok(space) = self.disk.look(Instant::now()) {
            self.board.disk(Ok(space));
        }
        self.board.log(&self.state.borrow(), 0, Instant::now());
        let status = self.board.stopped().clone();
        hear(Notice::Status(Box::new(status)));
        if let Some(sharing) = self.sharing.take() {
            let _ = sharing.await;
            share::unbind(&self.log_dir);
        }
        Collected { report: self.report, failure }
    }

    /// Waits for an export that is under way, and exports the rest, where that is wanted and can succeed.
    async fn last_upkeep(
        &mut self,
        failure: Option<CollectError>,
        hear: &mut dyn FnMut(Notice),
    ) -> Option<CollectError> {
        if self.upkeep.is_some() {
            let done = upkept(&mut self.upkeep).await;
            self.upkept(done, hear);
        }
        let hopeless = matches!(
            failure,
            Some(
                CollectError::LogLost { .. }
                    | CollectError::DiskFull { .. }
                    | CollectError::Store(_)
            )
        );
        if self.spec.export_every.is_none() || hopeless {
            return failure;
        }
        self.upkeep = Some(self.start_upkeep());
        match upkept(&mut self.upkeep).await {
            Err(e) => failure.or(Some(CollectError::Export(e))),
            done => {
                self.upkept(done, hear);
                failure
            }
        }
    }
}

/// A beat that skips what it missed: after a suspended minute there is one, not sixty.
fn every(period: Duration) -> Interval {
    let mut interval = interval_at((Instant::now() + period).into(), period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The result of the upkeep under way; never, while there is none.
async fn upkept(upkeep: &mut Option<JoinHandle<Upkept>>) -> Upkept {
    let Some(task) = upkeep else { return std::future::pending().await };
    let done = task.await;
    *upkeep = None;
    match done {
        Ok(upkept) => upkept,
        Err(died) => std::panic::resume_unwind(died.into_panic()),
    }
}
