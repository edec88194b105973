//! Routes, and the upgrade of a signed request to a WebSocket.

use super::clock::Clock;
use super::floor::Ask;
use super::link::Link;
use super::tap::Control;
use crate::sim::keys::Keyring;
use crate::sim::rest::unauthorized;
use crate::sim::ws::Out;
use crate::wire::auth::WS_PATH;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, StatusCode, header};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What an upgrade needs.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) floor: mpsc::Sender<Ask>,
    pub(super) keys: Keyring,
    pub(super) clock: Clock,
    pub(super) heartbeat: Duration,
}

/// Somebody who came in and whose connection is being upgraded.
pub(super) struct Passed {
    number: usize,
    frames: mpsc::Receiver<Vec<Out>>,
    upgrade: OnUpgrade,
    door: Door,
}

impl Passed {
    /// Talks over the upgraded connection until it ends.
    pub(super) async fn talk(self, control: Control) {
        let Passed { number, frames, upgrade, door } = self;
        let link = Link { number, frames, floor: door.floor, control, heartbeat: door.heartbeat };
        match upgrade.await {
            Ok(upgraded) => link.run(upgraded).await,
            Err(error) => {
                tracing::debug!(connection = number, %error, "upgrade failed");
                link.leave().await;
            }
        }
    }
}

/// The route of the WebSocket.
pub(super) fn router(door: Door) -> Router {
    Router::new().route(WS_PATH, get(upgrade)).with_state(door)
}

/// 401 for whoever did not sign, whatever channels they are after; 101 for the others.
async fn upgrade(
    State(door): State<Door>,
    Extension(pass): Extension<mpsc::Sender<Passed>>,
    mut request: Request,
) -> Response {
    let now_ms = door.clock.now().ms();
    let account = match door.keys.check(request.headers(), "GET", WS_PATH, now_ms) {
        Ok(account) => account.0,
        Err(why) => return unauthorized(why).into_response(),
    };
    let Some(key) = websocket_key(request.headers()) else {
        return answer(StatusCode::BAD_REQUEST, "not a websocket upgrade");
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    let (reply, knocked) = oneshot::channel();
    // A floor that is gone answers nobody.
    let _ = door.floor.send(Ask::Knock(Some(account), reply)).await;
    let (number, frames) = match knocked.await {
        Ok(Ok(entered)) => entered,
        Ok(Err(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return answer(status, "refused");
        }
        Err(_) => return answer(StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    if pass.try_send(Passed { number, frames, upgrade, door }).is_err() {
        return answer(StatusCode::BAD_REQUEST, "this connection is upgraded already");
    }
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty());
    response.unwrap_or_default()
}

/// The key of a WebSocket upgrade (RFC 6455, 4.2.1), if this is one.
fn websocket_key(headers: &HeaderMap) -> Option<String> {
    let has = |name: header::HeaderName, word: &str| {
        let text = headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let upgrade = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    let version = has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?;
    (upgrade && version).then(|| key.to_owned())
}

fn answer(status: StatusCode, code: &str) -> Response {
    let body = serde_json::json!({"error": {"code": code, "message": status.canonical_reason()}});
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()));
    response.unwrap_or_default()
}
