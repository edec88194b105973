//! What sources and people say to the dashboard, and the one queue that carries it.

use super::learned::Curve;
use super::log_lines::Line;
use super::trading::{Deed, Opening};
use crate::actor::{Filled, Verdict};
use crate::event::{Event, GapCause, MarketId};
use crate::units::TsNs;
use crate::view::{CollectStatus, ModelStatus, RunStatus, SessionStatus};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Something typed, clicked or resized.
pub use crossterm::event::Event as Input;

/// Messages (a batch of up to 1,024 records is one) that wait to be shown: what the state takes in far less than
/// the 50 ms within which a key is answered.
pub(super) const INBOX: usize = 64;

/// What the dashboard hears.
#[derive(Debug)]
pub enum Msg {
    /// From the person.
    Input(Input),
    /// From a source.
    News(News),
    /// The process was asked to end: the word of the signal.
    Stop(&'static str),
}

/// What a source says.
#[derive(Debug)]
pub enum News {
    /// How the running work is reached from now on.
    Reach(Reach),
    /// The collector, about once a second.
    Status(Box<CollectStatus>),
    /// Accepted records.
    Heard(Heard),
    /// A trading session begins.
    Trading(Opening),
    /// Its next decisions.
    Deeds(Vec<Deed>),
    /// Its orders filled.
    Fills(Vec<Filled>),
    /// The desk or the exchange did not take orders of it.
    Verdicts(Vec<Verdict>),
    /// All its orders are stopped, why: nothing but its end undoes that.
    TradingStopped(String),
    /// It has ended.
    TradingEnded,
    /// All training runs, newest first.
    Runs(Vec<Run>),
    /// All models, newest first.
    Models(Vec<ModelStatus>),
    /// What the log holds, and what is wrong with it; empty where nothing is.
    Sessions(Vec<SessionStatus>, String),
    /// All orders are stopped: why; empty: they are not any more.
    Stopped(String),
    /// A line for the log screen.
    Line(Line),
    /// A tape was opened, or cannot be.
    Tape(Result<Box<super::source::tape::Tape>, String>),
    /// The tape was moved: everything known at `at`, in place of what was known before.
    Wound(Heard, TsNs),
    /// The tape has run on to `at`.
    Ran(Heard, TsNs),
    /// The tape stands still, or runs at `speed` again.
    Pace {
        /// True while it runs.
        playing: bool,
        /// Recorded seconds per second.
        speed: f64,
    },
    /// The tape was moved for the sake of this market.
    Look(String),
    /// The work of this process has ended: why.
    Ended(String),
}

/// Records, and what is needed to read them.
#[derive(Debug, Default)]
pub struct Heard {
    /// A dictionary begins: ids told before mean nothing any more, and no book is known.
    pub began: bool,
    /// Markets new to the dictionary.
    pub markets: Vec<(MarketId, Box<str>)>,
    /// Events in their order.
    pub events: Vec<Event>,
    /// Records left out before these: books do not hold any more.
    pub skipped: u64,
}

impl Heard {
    /// True if nothing was heard: the source only asks whether somebody listens.
    pub(super) fn is_empty(&self) -> bool {
        let Heard { began, markets, events, skipped } = self;
        !began && markets.is_empty() && events.is_empty() && *skipped == 0
    }
}

/// How the running work is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Nobody writes the log: only what was recorded can be seen.
    #[default]
    Alone,
    /// Another process writes it, and tells.
    Attached,
    /// This process does the work.
    Inside,
    /// Another process told, and has fallen silent: why.
    Lost(String),
}

/// A training run with its curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Its figures.
    pub status: RunStatus,
    /// Per key; shared, as those of a run that does not change are told again with every one that does.
    pub curves: Arc<BTreeMap<String, Curve>>,
    /// Where the events that it learns from come from; empty where that is not known.
    pub sources: Vec<String>,
}

/// A hole that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapSeen {
    /// When it was noticed.
    pub at: TsNs,
    /// Why.
    pub cause: GapCause,
    /// Numbers missing; 0 where unknown.
    pub missing: u64,
    /// Nanoseconds without data; 0 where unknown.
    pub quiet_ns: i64,
    /// True for the row that says that it is healed.
    pub healed: bool,
}

/// The end of the queue for a source.
#[derive(Clone, Debug)]
pub struct Handle(SyncSender<Msg>);

/// The dashboard is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A queue, and the end for its sources.
pub fn inbox() -> (Handle, Receiver<Msg>) {
    let (sender, receiver) = sync_channel(INBOX);
    (Handle(sender), receiver)
}

impl Handle {
    /// Says something, waiting for room.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn tell(&self, msg: Msg) -> Result<(), Gone> {
        self.0.send(msg).map_err(|_| Gone)
    }

    /// Says news, waiting for room.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn news(&self, news: News) -> Result<(), Gone> {
        self.tell(Msg::News(news))
    }

    /// Says news if there is room: for those who must not wait. False when nobody listens any more.
    pub fn offer(&self, news: News) -> bool {
        !matches!(self.0.try_send(Msg::News(news)), Err(TrySendError::Disconnected(_)))
    }
}
