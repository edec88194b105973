//! What goes into the log thread and what comes out of it, and how much of that may wait.

use super::Definition;
use super::meter::Meter;
use super::tap::Tap;
use crate::event::{Body, Gap};
use crate::feed::{Batch, Counters};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Batches of at most 1,024 records: half a second at 100,000 frames a second, which rides out a slow sync of
/// the disk, in about 10 MB.
pub const QUEUE_BATCHES: usize = 64;
/// Commands that wait for the feed.
pub(super) const QUEUE_COMMANDS: usize = 16;
/// Rows of our own (definitions, gaps) that wait; they come by the thousand only at the start.
pub(super) const QUEUE_ASKS: usize = 4_096;
/// Lifecycle frames, and gaps, that wait for the collector; when it cannot follow, its timers find the rest.
pub(super) const QUEUE_SEEN: usize = 4_096;

/// What the collector asks of its log thread.
#[derive(Debug)]
pub(super) enum Ask {
    /// Write a row of our own.
    Row(OwnRow),
    /// Begin a new segment, and say when the old one is sealed.
    Roll(oneshot::Sender<()>),
    /// Take what is queued, write this row behind it, end the session with this cause, and stop.
    Finish(String, Option<OwnRow>),
}

/// A row that no frame brought.
#[derive(Debug)]
pub(super) struct OwnRow {
    /// Whose; empty for nobody's.
    pub(super) ticker: String,
    /// What.
    pub(super) body: Body,
    /// Its JSON, where the body does not hold it.
    pub(super) raw: Option<Box<[u8]>>,
}

impl OwnRow {
    /// A market's definition.
    pub(super) fn definition(Definition { ticker, json }: Definition) -> OwnRow {
        OwnRow { ticker, body: Body::Market(json), raw: None }
    }

    /// What concerns no market alone.
    pub(super) fn of_all(body: Body) -> OwnRow {
        OwnRow { ticker: String::new(), body, raw: None }
    }
}

/// What passed by and concerns the collector.
#[derive(Debug)]
pub(super) enum Seen {
    /// A hole.
    Gap(Gap),
    /// A hole that is healed.
    Healed(Gap),
}

/// How far the log is.
#[derive(Clone, Debug, Default)]
pub(super) struct LogState {
    /// Rows of this session that have a row id.
    pub(super) accepted: u64,
    /// What of them is on disk.
    pub(super) kept: Kept,
    /// Gap rows of our own.
    pub(super) own_gaps: u64,
    /// Differences that the audit found.
    pub(super) drift: u64,
    /// The feed's counters.
    pub(super) counters: Counters,
    /// Exchange's stamp to receipt.
    pub(super) lag: Meter,
    /// When the last frame came.
    pub(super) last_frame: Option<Instant>,
}

/// How far the keeper is.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Rows of this session on disk.
    pub(super) committed: u64,
    /// Receipt to disk.
    pub(super) commit: Meter,
}

/// What the thread is connected to.
pub(super) struct Ports {
    pub(super) batches: mpsc::Receiver<Batch>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) seen: mpsc::Sender<Seen>,
    /// Frames about markets' lives.
    pub(super) lifecycle: mpsc::Sender<Box<[u8]>>,
    pub(super) state: watch::Sender<LogState>,
    pub(super) tap: Tap,
    /// Of the deltas only every so manyth is kept; 1 keeps all.
    pub(super) sample: u64,
}
