//! One attempt to connect: address, TCP, TLS and the signed upgrade, each with its own error.

use super::FeedSpec;
use super::backoff::Trouble;
use super::skew::Skew;
use super::tls;
use crate::wire::auth::{AuthError, WS_PATH};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, handshake::client::Response};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// A connection that stands.
pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Room for one read: a few hundred frames.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// A snapshot of a full book is below 1 MiB; what is larger than this is garbage and ends the connection.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// Why an attempt to connect failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not an address.
    #[error("`{0}` is no WebSocket address: it must begin with ws:// or wss://")]
    Url(String),
    /// No such host.
    #[error("the host `{host}` cannot be found")]
    Dns {
        /// Its name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Nobody listens there, or nobody can be reached.
    #[error("{at} cannot be reached")]
    Tcp {
        /// Host and port.
        at: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No trust, or no TLS at all.
    #[error("no secure connection to {at}: {why}")]
    Tls {
        /// Host and port.
        at: String,
        /// What TLS objected to.
        why: String,
    },
    /// Too slow.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The key is unknown, expired, of the other environment, or signed with a wrong clock.
    #[error("the exchange does not accept the key (HTTP 401); demo and prod keys are separate")]
    Unauthorized,
    /// The key may not do this.
    #[error("the exchange forbids it (HTTP 403)")]
    Forbidden,
    /// Too many attempts.
    #[error("the exchange asks for fewer requests (HTTP 429)")]
    TooManyRequests,
    /// The exchange's own trouble, or maintenance.
    #[error("the exchange has trouble of its own (HTTP {0})")]
    Unavailable(u16),
    /// Another answer: some other server.
    #[error("not the exchange: HTTP {0} in place of a WebSocket")]
    Status(u16),
    /// Not HTTP, or not the protocol that was asked for.
    #[error("not the exchange: {0}")]
    Protocol(String),
    /// The connection broke during the upgrade.
    #[error("the connection broke during the upgrade")]
    Broken(#[source] io::Error),
    /// Our key could not sign.
    #[error("the upgrade cannot be signed")]
    Sign(#[from] AuthError),
}

impl ConnectError {
    /// True if trying again without a change somewhere cannot help.
    pub fn is_final(&self) -> bool {
        use ConnectError::{Forbidden, Protocol, Sign, Status, Tls, Unauthorized, Url};
        matches!(
            self,
            Url(_) | Tls { .. } | Unauthorized | Forbidden | Status(_) | Protocol(_) | Sign(_)
        )
    }

    /// How patient the next attempt has to be.
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            ConnectError::Unauthorized | ConnectError::Forbidden => Trouble::Unauthorized,
            _ => Trouble::Transient,
        }
    }
}

/// Connects once. `now_ms` is our wall clock; `skew` learns from the exchange's.
pub(super) async fn open(
    spec: &FeedSpec,
    skew: &mut Skew,
    now_ms: impl Fn() -> i64,
) -> Result<Socket, ConnectError> {
    let patience = spec.timing.connect;
    let attempt = attempt(spec, skew, now_ms);
    tokio::time::timeout(patience, attempt).await.unwrap_or(Err(ConnectError::Timeout(patience)))
}

async fn attempt(
    spec: &FeedSpec,
    skew: &mut Skew,
    now_ms: impl Fn() -> i64,
) -> Result<Socket, ConnectError> {
    let bad_url = || ConnectError::Url(spec.ws_url.clone());
    let uri: Uri = spec.ws_url.parse().map_err(|_| bad_url())?;
    let port = match uri.scheme_str() {
        Some("ws") => 80,
        Some("wss") => 443,
        _ => return Err(bad_url()),
    };
    let host = uri.host().ok_or_else(bad_url)?;
    let at = format!("{host}:{}", uri.port_u16().unwrap_or(port));
    let stream = reach(host, &at).await?;
    let sent_ms = now_ms();
    let request = request(spec, uri.clone(), sent_ms + skew.offset_ms())?;
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let connector = Connector::Rustls(spec.tls.clone());
    let upgrade = client_async_tls_with_config(request, stream, Some(limits), Some(connector));
    let result = upgrade.await;
    let response = match &result {
        Ok((_, response)) => Some(response),
        Err(tungstenite::Error::Http(response)) => Some(&**response),
        Err(_) => None,
    };
    let date = response.and_then(|r| r.headers().get("date")?.to_str().ok());
    if date.is_some_and(|date| skew.observe(date, sent_ms, now_ms())) {
        tracing::warn!(offset_ms = skew.offset_ms(), "our clock differs from the exchange's");
    }
    result.map(|(socket, _)| socket).map_err(|error| refusal(error, at))
}

async fn reach(host: &str, at: &str) -> Result<TcpStream, ConnectError> {
    let addresses = tokio::net::lookup_host(at).await;
    let addresses: Vec<_> =
        addresses.map_err(|source| ConnectError::Dns { host: host.to_owned(), source })?.collect();
    let reached = TcpStream::connect(&addresses[..]).await.and_then(|stream| {
        // Commands are small and wanted at once.
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    reached.map_err(|source| ConnectError::Tcp { at: at.to_owned(), source })
}

fn request(spec: &FeedSpec, uri: Uri, now_ms: i64) -> Result<Request<()>, ConnectError> {
    let mut request =
        uri.into_client_request().map_err(|_| ConnectError::Url(spec.ws_url.clone()))?;
    if let Some(signer) = &spec.signer {
        for (name, value) in signer.headers(now_ms, "GET", WS_PATH)? {
            let mut value = HeaderValue::from_str(&value)
                .expect("a visible key id, decimal digits and base64 are header values");
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
    }
    Ok(request)
}

fn refusal(error: tungstenite::Error, at: String) -> ConnectError {
    if let Some(why) = tls::objection(&error) {
        return ConnectError::Tls { at, why };
    }
    match error {
        tungstenite::Error::Http(response) => status(&response),
        tungstenite::Error::Io(source) => ConnectError::Broken(source),
        other => ConnectError::Protocol(other.to_string()),
    }
}

fn status(response: &Response) -> ConnectError {
    match response.status() {
        StatusCode::UNAUTHORIZED => ConnectError::Unauthorized,
        StatusCode::FORBIDDEN => ConnectError::Forbidden,
        StatusCode::TOO_MANY_REQUESTS => ConnectError::TooManyRequests,
        s if s.is_server_error() => ConnectError::Unavailable(s.as_u16()),
        s => ConnectError::Status(s.as_u16()),
    }
}
