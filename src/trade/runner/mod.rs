//! Runs a desk: a thread of its own between who decides and an exchange.
//!
//! ```text
//!  actor ─ DeskLine::ask ─► [asks] ─► Desk ─► [tasks] ─► gateway ─► exchange
//!    ▲                                 │ ▲ ◄─ [reports] ───┘  REST      │
//!    └──────── [outcomes] ◄────────────┘ └─── private channels ◄────────┘  WebSocket
//! ```
//!
//! **Invariant:** nobody waits for the desk: a full queue refuses, and says so.
//! **Invariant:** what cannot be written down is not ordered; the desk then cancels what is open and ends.
//! **Invariant:** the exchange is checked before anything else: the demo, or this machine.

mod clock;
mod private;
mod work;

use super::desk::{Ask, Outcome, Refusal};
use super::gateway::GatewayError;
use super::journal::JournalError;
use super::kill::{KillError, KillFile};
use super::risk::{Cause, Trip};
use super::standing::StandingError;
use crate::broker::MarketFees;
use crate::config::Limits;
use crate::event::SessionId;
use crate::feed::access::Access;
use crate::feed::rest::{RestTiming, check_orders_allowed};
use crate::feed::{FeedError, Timing};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use work::Runner;

/// What is asked and not yet looked at: seconds of quotes and orders. When it is full the order is refused.
const ASKS: usize = 4_096;
/// Outcomes on their way; what comes while it is full waits here.
const OUTCOMES: usize = 1_024;

/// What to run.
#[derive(Clone, Debug)]
pub struct RunnerSpec {
    /// The run: part of every client id.
    pub run: SessionId,
    /// Data directory: kill switch and standing.
    pub data: PathBuf,
    /// Folder of the session: its journal.
    pub folder: PathBuf,
    /// The exchange that takes the orders.
    pub access: Access,
    /// Limits of trading.
    pub limits: Limits,
    /// What fills cost where the exchange does not say.
    pub fees: MarketFees,
    /// True if the markets that are told of are those of this exchange.
    pub own_markets: bool,
    /// Patience with REST.
    pub rest: RestTiming,
    /// Patience with the private channels.
    pub timing: Timing,
    /// Seed of all jitter.
    pub seed: u64,
}

/// Why a desk cannot be run, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The exchange takes no orders of ours.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The private channels cannot be heard.
    #[error("the account's own channels cannot be heard")]
    Private(#[from] FeedError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The kill switch.
    #[error(transparent)]
    Kill(#[from] KillError),
    /// The standing.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// The system gives no thread.
    #[error("the desk's thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// A part of the desk ended by itself.
    #[error("a part of the desk has died")]
    Died,
}

/// The end of a desk for who decides.
#[derive(Debug)]
pub struct DeskLine {
    asks: mpsc::Sender<Ask>,
    /// What became of it.
    pub outcomes: mpsc::Receiver<Outcome>,
}

impl DeskLine {
    /// Says something to the desk, without waiting.
    ///
    /// # Errors
    /// [`Refusal::QueueFull`] or [`Refusal::Gone`]: it was not heard.
    pub fn ask(&self, ask: Ask) -> Result<(), Refusal> {
        self.asks.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::QueueFull,
            mpsc::error::TrySendError::Closed(_) => Refusal::Gone,
        })
    }

    /// True while the queue is less than half full: what can wait, as quotes can, leaves the rest to orders.
    pub fn has_room(&self) -> bool {
        self.asks.capacity() > ASKS / 2
    }
}

/// How to end.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Cancel what is open.
    pub cancels: bool,
    /// For so long at most.
    pub patience: Duration,
}

/// The end of a desk for who started it.
#[derive(Debug)]
pub struct DeskRun {
    kill: KillFile,
    end: watch::Sender<Option<End>>,
    thread: JoinHandle<Closed>,
}

/// How a desk ended.
#[derive(Debug, Default)]
pub struct Closed {
    /// What is left open, one sentence each.
    pub left: Vec<String>,
    /// Why it ended before it was told to.
    pub failure: Option<RunnerError>,
}

impl DeskRun {
    /// Stops trading, for this run and those after it; the desk sees it within 10 ms.
    ///
    /// # Errors
    /// When the kill file cannot be written.
    pub fn kill(&self, cause: Cause, detail: String) -> Result<(), KillError> {
        self.kill.write(&Trip { cause, at: clock::wall(), detail })
    }

    /// Ends it, and waits until it has ended. An [`End`] without cancels leaves resting orders to the exchange;
    /// the next run cancels them.
    pub fn close(self, end: End) -> Closed {
        self.end.send_replace(Some(end));
        let died = || Closed { failure: Some(RunnerError::Died), ..Closed::default() };
        self.thread.join().unwrap_or_else(|_| died())
    }
}

/// Opens a desk; returns when the exchange has let it in.
///
/// # Errors
/// When the exchange takes no orders of ours or cannot be reached, or a file cannot be used.
pub fn open(spec: RunnerSpec) -> Result<(DeskLine, DeskRun), RunnerError> {
    // Before a thread, a file or a connection.
    let endpoint = &spec.access.endpoint;
    check_orders_allowed(endpoint.env, &endpoint.rest).map_err(GatewayError::from)?;
    let (asks, asked) = mpsc::channel(ASKS);
    let (told, outcomes) = mpsc::channel(OUTCOMES);
    let (end, ends) = watch::channel(None);
    let (opened, is_open) = std::sync::mpsc::channel();
    let kill = KillFile::at(&spec.data);
    let thread = std::thread::Builder::new().name("orders".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(why) => return refuse(&opened, RunnerError::Thread(why)),
        };
        runtime.block_on(async {
            match Runner::new(spec, told).await {
                Ok(runner) => {
                    // Whoever opened it waits for this word.
                    let _ = opened.send(Ok(()));
                    runner.run(asked, ends).await
                }
                Err(why) => refuse(&opened, why),
            }
        })
    });
    let thread = thread.map_err(RunnerError::Thread)?;
    is_open.recv().unwrap_or(Err(RunnerError::Died))?;
    Ok((DeskLine { asks, outcomes }, DeskRun { kill, end, thread }))
}

fn refuse(opened: &std::sync::mpsc::Sender<Result<(), RunnerError>>, why: RunnerError) -> Closed {
    let _ = opened.send(Err(why));
    Closed::default()
}
