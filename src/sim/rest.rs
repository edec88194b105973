//! REST of the simulated exchange under `/trade-api/v2` (protocol notes 5, 6).
//!
//! ```text
//!  axum: bytes ─► Asked ─► gate (faults, keys, buckets, 15 s copies) ─► venue: answer ─► Reply ─► bytes
//! ```
//!
//! One task owns the [`gate::Gate`] and lets requests through one after the other; what they ask for is
//! computed by pure functions on the task that owns the venue.

mod account;
mod gate;
mod market;
mod message;

pub use gate::{Bucket, Failure, RestFault, RestTrouble};
pub(in crate::sim) use message::unauthorized;
pub use message::{Asked, Reply};

use super::keys::Keyring;
use super::server::{Clock, Stopped, VenueHandle};
use super::venue::Venue;
use crate::wire::auth::REST_PREFIX;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use gate::{Admission, Gate};
use message::{problem, route};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the gate; beyond that connections wait. A client has a handful in flight.
const WAITING_REQUESTS: usize = 256;

/// How the REST side behaves.
#[derive(Clone, Debug)]
pub struct RestSpec {
    /// Tokens for reads, per account.
    pub read: Bucket,
    /// Tokens for writes, per account.
    pub write: Bucket,
    /// How old an answer to an unsigned GET may be, milliseconds; 0 gives fresh ones.
    pub stale_ms: i64,
}

impl Default for RestSpec {
    /// The tier `Basic` as it was read in August 2026, and copies of up to 15 seconds.
    fn default() -> RestSpec {
        let (read, write) = (Bucket::new(200, 600), Bucket::new(100, 100));
        RestSpec { read, write, stale_ms: 15_000 }
    }
}

enum Job {
    Ask(Asked, oneshot::Sender<Reply>),
    Fail(RestFault),
}

/// Makes the REST side misbehave while it runs.
#[derive(Clone, Debug)]
pub struct RestControl(mpsc::Sender<Job>);

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Job::Ask(asked, _) => write!(f, "Ask({} {})", asked.method, asked.path),
            Job::Fail(fault) => write!(f, "Fail({fault:?})"),
        }
    }
}

impl RestControl {
    /// Adds a fault behind those that are waiting.
    ///
    /// # Errors
    /// When the exchange has stopped.
    pub async fn fail(&self, fault: RestFault) -> Result<(), Stopped> {
        self.0.send(Job::Fail(fault)).await.map_err(|_| Stopped)
    }

    /// The same without waiting; a gate that is that busy misses the fault, and the log says so.
    pub fn fail_now(&self, fault: RestFault) {
        if let Err(error) = self.0.try_send(Job::Fail(fault)) {
            tracing::warn!(%error, "a fault of the REST side is lost");
        }
    }
}

/// The routes, and the way to disturb them. The task behind them ends when both are dropped.
pub fn routes(
    venue: VenueHandle,
    keys: Keyring,
    clock: Clock,
    spec: RestSpec,
) -> (Router, RestControl) {
    let (jobs, inbox) = mpsc::channel(WAITING_REQUESTS);
    tokio::spawn(keep_gate(Gate::new(keys, spec), venue, clock, inbox));
    let path = format!("{REST_PREFIX}/{{*path}}");
    let router = Router::new().route(&path, any(receive)).with_state(jobs.clone());
    (router, RestControl(jobs))
}

async fn keep_gate(
    mut gate: Gate,
    venue: VenueHandle,
    clock: Clock,
    mut inbox: mpsc::Receiver<Job>,
) {
    while let Some(job) = inbox.recv().await {
        let (asked, to) = match job {
            Job::Ask(asked, to) => (asked, to),
            Job::Fail(fault) => {
                gate.fail(fault);
                continue;
            }
        };
        let now_ms = clock.now().ms();
        let (account, trouble) = match gate.admit(&asked, now_ms) {
            Admission::Answer(reply) => {
                // Whoever asked may be gone by now; so too below.
                let _ = to.send(reply);
                continue;
            }
            Admission::Enter { account, trouble } => (account, trouble),
        };
        let public = (account.is_none() && trouble.is_none()).then(|| asked.clone());
        let limits = gate.limits();
        let reply = match trouble {
            Some(RestTrouble::Before(_)) => Reply::empty(StatusCode::OK),
            _ => match venue
                .call(move |venue: &mut Venue| route(venue, account, &asked, &limits))
                .await
            {
                Ok(reply) => reply,
                Err(Stopped) => problem(503, "service_unavailable", "service unavailable", None),
            },
        };
        if let Some(asked) = public {
            gate.remember(&asked, &reply, now_ms);
        }
        match trouble.map(RestTrouble::failure) {
            None => drop(to.send(reply)),
            Some(failure) => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(failure.after_ms())).await;
                    let _ = to.send(failure.reply());
                });
            }
        }
    }
}

async fn receive(
    State(jobs): State<mpsc::Sender<Job>>,
    method: Method,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(Query(query)) = Query::<HashMap<String, String>>::try_from_uri(&uri) else {
        return problem(400, "invalid_parameters", "invalid query", None).into_response();
    };
    let asked = Asked {
        method: method.as_str().to_owned(),
        signed_path: uri.path().to_owned(),
        path,
        query,
        headers,
        body: body.to_vec(),
    };
    let (to, answer) = oneshot::channel();
    if jobs.send(Job::Ask(asked, to)).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match answer.await {
        Ok(reply) => reply.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let kind: (HeaderName, &str) = (header::CONTENT_TYPE, self.content_type);
        match self.body.is_empty() {
            true => self.status.into_response(),
            false => (self.status, [kind], self.body).into_response(),
        }
    }
}

#[cfg(test)]
mod tests;
