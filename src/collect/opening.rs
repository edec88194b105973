//! How a session begins: the log taken, its thread started, the first rows, the socket.

use super::board::Board;
use super::disk::Watch;
use super::log_thread;
use super::ports::{
    LogState, OwnRow, Ports, QUEUE_ASKS, QUEUE_BATCHES, QUEUE_COMMANDS, QUEUE_SEEN,
};
use super::report::CollectReport;
use super::scout::ScoutIo;
use super::session::Session;
use super::share;
use super::tap::{Onlookers, Tap};
use super::{CollectError, CollectSpec, Definition, FeedIo, Notice, gap_of_all};
use crate::event::{Body, GapCause, SessionId, SessionMeta};
use crate::store::{Predecessor, Writer};
use crate::units::TsNs;
use crate::view::CollectStatus;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

impl<'a> Session<'a> {
    /// Takes the log, starts its thread, writes the first rows, opens the socket.
    pub(super) fn open(
        spec: &'a CollectSpec,
        markets: Vec<Definition>,
        resumed: Option<GapCause>,
    ) -> Result<(Session<'a>, Vec<Notice>, FeedIo, ScoutIo), CollectError> {
        let meta = meta_of(spec);
        let writer = Writer::open(&spec.data_dir, meta.clone())?;
        let log_dir = spec.data_dir.join("log");
        let lost = |source| CollectError::LogLost { dir: log_dir.clone(), source };
        let disk = Watch::begin(&log_dir).map_err(lost)?;
        let opening = opening_gap(writer.predecessor(), &meta, resumed);
        let notices = first_notices(opening.as_ref(), &writer);
        let (onlookers, looking) = watch::channel(Onlookers::default());
        let (tap, shown) = Tap::new(looking, spec.follower.clone());
        let (batches, batches_in) = mpsc::channel(QUEUE_BATCHES);
        let (asks, asks_in) = mpsc::channel(QUEUE_ASKS);
        let (seen_out, seen) = mpsc::channel(QUEUE_SEEN);
        let (lifecycle_out, lifecycle) = mpsc::channel(QUEUE_SEEN);
        let (state_out, state) = watch::channel(LogState::default());
        let (status, status_out) = watch::channel(CollectStatus::default());
        let (end, ending) = watch::channel(String::new());
        let (commands, commands_in) = mpsc::channel(QUEUE_COMMANDS);
        let (stop_feed, stop) = watch::channel(false);
        let janitor = Arc::new(writer.janitor());
        let ports = Ports {
            batches: batches_in,
            asks: asks_in,
            seen: seen_out,
            lifecycle: lifecycle_out,
            state: state_out,
            tap,
            sample: spec.sample,
        };
        let wanted = markets.iter().map(|m| m.ticker.clone()).collect();
        let first =
            opening.into_iter().chain(markets.into_iter().map(OwnRow::definition)).collect();
        let ended = log_thread::start(writer, first, ports, Handle::current())
            .map_err(|_| CollectError::Thread)?;
        let session = meta.id.to_string();
        let from = share::Source { session: session.clone(), status: status_out, shown, onlookers };
        let io = FeedIo { markets: wanted, out: batches.clone(), commands: commands_in, stop };
        let scout = ScoutIo { asks: asks.clone(), commands, lifecycle };
        let session = Session {
            spec,
            started: Instant::now(),
            janitor,
            asks,
            batches,
            stop_feed,
            state,
            seen,
            ended,
            status,
            end,
            sharing: sharing(&log_dir, from, ending),
            log_dir,
            board: Board::new(&meta, Instant::now()),
            disk,
            upkeep: None,
            report: CollectReport::begin(spec, &session),
        };
        Ok((session, notices, io, scout))
    }
}

/// What is told of a session that begins now.
fn meta_of(spec: &CollectSpec) -> SessionMeta {
    SessionMeta {
        id: SessionId(uuid::Uuid::now_v7().into_bytes()),
        source: spec.source.clone(),
        exchange_env: spec.exchange_env.clone(),
        started: log_thread::now(),
        flags: spec.flags.clone(),
        inputs: Vec::new(),
    }
}

/// What a person has to know of the log before the first row.
fn first_notices(opening: Option<&OwnRow>, writer: &Writer) -> Vec<Notice> {
    let damaged = writer.unread().map(|segment| {
        Notice::Warning(format!(
            "the last segment {} of the log is damaged: row ids go on far behind it (kflow data verify)",
            segment.display()
        ))
    });
    opening.and_then(notice_of).into_iter().chain(damaged).collect()
}

/// Serves the socket; without one the collector still collects.
fn sharing(
    log_dir: &Path,
    from: share::Source,
    ending: watch::Receiver<String>,
) -> Option<JoinHandle<()>> {
    let bound = share::bind(log_dir).inspect_err(|e| tracing::warn!(error = %e, "no live.sock"));
    Some(tokio::spawn(share::serve(bound.ok()?, from, ending)))
}

fn notice_of(row: &OwnRow) -> Option<Notice> {
    match &row.body {
        Body::Gap(gap) => Some(Notice::Gap((**gap).clone())),
        _ => None,
    }
}

/// The gap row that a session opens with: after a crash of the one before, or after a `resumed` one.
fn opening_gap(
    before: Option<&Predecessor>,
    meta: &SessionMeta,
    resumed: Option<GapCause>,
) -> Option<OwnRow> {
    let before = before.filter(|p| {
        // A hole in an import is none of the collector's, nor one at another exchange.
        p.session.exchange_env == meta.exchange_env && p.session.inputs.is_empty()
    })?;
    let crashed = before.cause.as_deref() == Some(GapCause::Crash.word());
    let cause = resumed.or(crashed.then_some(GapCause::Crash))?;
    let gap = gap_of_all(cause, before.last_recv.unwrap_or(TsNs(0)));
    Some(OwnRow::of_all(Body::Gap(Box::new(gap))))
}
