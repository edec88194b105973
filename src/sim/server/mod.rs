//! The served exchange: WebSocket and REST on one listener.
//!
//! ```text
//!  client ◄─TCP─► tap ◄─► link (frames, heartbeats) ◄─► floor (owns venue, sessions, script, truth)
//!         ◄─HTTP─► REST ─────────── VenueHandle ───────►
//! ```
//!
//! **Invariant:** one task owns the exchange ([`floor`]); everybody else sends it messages.
//! **Invariant:** the caller brings the listener and the stop; when [`run`] returns, nothing of it is left.

mod clock;
mod door;
mod floor;
mod handle;
mod link;
mod tap;

pub use clock::Clock;
#[cfg(test)]
pub(in crate::sim) use handle::Call;
pub use handle::{Stopped, VenueHandle};

use super::keys::Keyring;
use super::replay::Replay;
use super::rest::{self, RestSpec};
use super::script::Script;
use super::truth::Truth;
use super::venue::{Venue, VenueSpec};
use super::ws::WsSpec;
use crate::event::Snapshot;
use crate::units::Money;
use door::Door;
use floor::Floor;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tap::Tap;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Calls and messages that wait for the floor: a turn's worth of a thousand connections.
const INBOX: usize = 1_024;
/// Sockets of vanished peers that are kept open.
const GRAVE: usize = 1_024;

/// Time for the last frames to leave and for connections to be closed.
const GOODBYE: Duration = Duration::from_millis(250);

/// What to serve.
#[derive(Debug)]
pub struct SimSpec {
    /// The markets; its start is replaced by the server's clock.
    pub venue: VenueSpec,
    /// The WebSocket side.
    pub ws: WsSpec,
    /// Time between two pings.
    pub heartbeat: Duration,
    /// Who may come in.
    pub keys: Keyring,
    /// The REST side.
    pub rest: RestSpec,
    /// Cash of every account at the start.
    pub cash: Money,
    /// Faults.
    pub script: Script,
    /// Where it is kept what was issued.
    pub truth: Truth,
    /// A recording to be told instead of a simulation.
    pub replay: Option<Replay>,
}

impl Default for SimSpec {
    fn default() -> Self {
        SimSpec {
            venue: VenueSpec::default(),
            ws: WsSpec::default(),
            heartbeat: Duration::from_secs(10),
            keys: Keyring::default(),
            rest: RestSpec::default(),
            cash: Money::dollars(10_000),
            script: Script::default(),
            truth: Truth::counting(),
            replay: None,
        }
    }
}

/// What is left of a run.
#[derive(Debug)]
pub struct SimReport {
    /// What was issued.
    pub truth: Truth,
    /// The public book of every market at the end.
    pub books: Vec<(String, Snapshot)>,
    /// WebSocket connections that were opened.
    pub connections: usize,
}

/// The exchange could not be served.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The listener failed.
    #[error("the simulated exchange cannot accept connections")]
    Accept(#[source] std::io::Error),
    /// The task that owns the exchange ended by itself.
    #[error("the simulated exchange broke down")]
    Floor(#[source] tokio::task::JoinError),
}

/// Serves until `stop` says true or its sender is gone.
///
/// # Errors
/// When the listener fails or the exchange breaks down.
pub async fn run(
    listener: TcpListener,
    spec: SimSpec,
    mut stop: watch::Receiver<bool>,
) -> Result<SimReport, SimError> {
    let clock = Clock::start();
    let (call_to, calls) = mpsc::channel(INBOX);
    let (ask_to, asks) = mpsc::channel(INBOX);
    let (down, is_down) = watch::channel(false);
    let (grave, mut graves) = mpsc::channel(GRAVE);
    let venue_spec = VenueSpec { start: clock.begin(), ..spec.venue };
    let (mut replay, mut venue) = (spec.replay, Venue::silent(venue_spec.clone()));
    match &mut replay {
        Some(replay) => replay.list(&mut venue),
        None => venue = Venue::new(venue_spec),
    }
    for _ in 0..spec.keys.accounts() {
        venue.open_account(spec.cash);
    }
    let venue_handle = VenueHandle::new(call_to);
    let (routes, trouble) = rest::routes(venue_handle, spec.keys.clone(), clock, spec.rest);
    let mut floor = Floor::new(venue, spec.ws, spec.script, spec.truth, clock, down);
    floor.replay = replay;
    floor.rest = Some(trouble);
    let (close, closed) = watch::channel(false);
    let floor = tokio::spawn(floor.run(calls, asks, closed));
    let door = Door { floor: ask_to, keys: spec.keys, clock, heartbeat: spec.heartbeat };
    let app = TowerToHyperService::new(door::router(door).merge(routes));
    let mut connections = JoinSet::new();
    let accepted = loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break Ok(()),
            accepted = listener.accept() => match accepted {
                Err(error) if is_passing(&error) => tracing::warn!(%error, "cannot accept"),
                Err(error) => break Err(SimError::Accept(error)),
                // What is down answers nobody: the client sees a reset.
                Ok((stream, _)) if *is_down.borrow() => drop(stream.set_zero_linger()),
                Ok((stream, _)) => {
                    let (tap, control) = Tap::new(stream, grave.clone());
                    connections.spawn(serve(tap, control, app.clone()));
                }
            },
            Some(_) = connections.join_next() => {}
        }
    };
    close.send_replace(true);
    let left = floor.await.map_err(SimError::Floor)?;
    let goodbyes = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GOODBYE, goodbyes).await.is_err() {
        connections.shutdown().await;
    }
    // Vanished peers are buried when nobody can be waiting for them any more.
    graves.close();
    while graves.recv().await.is_some() {}
    accepted?;
    Ok(SimReport { truth: left.truth, books: left.books, connections: left.connections })
}

/// Errors of a connection that ended before it was accepted, and of a moment without file handles.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    const TOO_MANY_FILES: i32 = 24;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
        || error.raw_os_error() == Some(TOO_MANY_FILES)
}

/// One TCP connection: HTTP, and after an upgrade the WebSocket, all in one task.
async fn serve(tap: Tap, control: tap::Control, app: TowerToHyperService<axum::Router>) {
    let (pass, mut passed) = mpsc::channel::<door::Passed>(1);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(pass.clone());
        app.call(request)
    });
    let http = http1::Builder::new().serve_connection(TokioIo::new(tap), service);
    if let Err(error) = http.with_upgrades().await {
        tracing::debug!(%error, "connection failed");
    }
    if let Ok(passed) = passed.try_recv() {
        passed.talk(control).await;
    }
}
