//! Why a request has no answer, told apart by what a person can do about it.

use crate::config::ExchangeEnv;
use crate::feed::tls;
use crate::wire::auth::AuthError;
use crate::wire::rest::ErrorBody;
use reqwest::Url;

/// Text of a server is quoted up to this many characters.
const QUOTE_CHARS_MAX: usize = 200;

/// hyper's words for a server that speaks before it is asked, as SSH and SMTP do; it has no predicate for it.
const SPOKE_FIRST: &str = "received unexpected message from connection";

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The address cannot be used.
    #[error("`{address}` cannot be used as REST address: {why}")]
    Setup {
        /// As configured.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// The request could not be signed.
    #[error("the request could not be signed: {0}")]
    Sign(#[from] AuthError),
    /// The host has no address.
    #[error("the name `{host}` cannot be resolved: {why}")]
    Dns {
        /// The host.
        host: String,
        /// What the system says.
        why: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {host}: {why}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        why: String,
    },
    /// No trust in who answers.
    #[error("no TLS connection to {host}: {why}")]
    Tls {
        /// Host and port.
        host: String,
        /// What TLS says.
        why: String,
    },
    /// The connection ended before the reply did.
    #[error("the connection to {host} was lost: {why}")]
    Lost {
        /// Host and port.
        host: String,
        /// What happened.
        why: String,
    },
    /// No reply in time.
    #[error("{host} did not answer within {after_ms} ms")]
    Timeout {
        /// Host and port.
        host: String,
        /// Milliseconds waited.
        after_ms: u64,
    },
    /// 401 or 403.
    #[error("{host} ({env}) does not accept our key: HTTP {status}{said}")]
    Unauthorized {
        /// Host and port.
        host: String,
        /// Which exchange it should be.
        env: ExchangeEnv,
        /// 401 or 403.
        status: u16,
        /// The server's words, with a colon before them.
        said: String,
    },
    /// 429, more often than we have patience for.
    #[error("{host} says that we ask too often (HTTP 429)")]
    RateLimited {
        /// Host and port.
        host: String,
        /// How long it asked us to wait, milliseconds; 0 when it did not say.
        retry_after_ms: u64,
    },
    /// 5xx: the exchange's own trouble, or its maintenance.
    #[error("{host} failed: HTTP {status}{said}")]
    Server {
        /// Host and port.
        host: String,
        /// 500 and above.
        status: u16,
        /// The server's words, with a colon before them.
        said: String,
        /// How long it asked us to wait, milliseconds; 0 when it did not say.
        retry_after_ms: u64,
    },
    /// The exchange understood and refused.
    #[error("{path} was refused: HTTP {status}{said}")]
    Refused {
        /// Path of the request.
        path: String,
        /// Another 4xx.
        status: u16,
        /// The server's words, with a colon before them.
        said: String,
        /// The same, word by word.
        body: Box<ErrorBody>,
    },
    /// Something else than Kalshi's API answers there.
    #[error("{url} is not Kalshi's API: {why}")]
    NotKalshi {
        /// What was asked.
        url: String,
        /// What came instead.
        why: String,
    },
    /// A reply without end.
    #[error("the reply of {url} is larger than {bytes_max} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// Bytes taken at most.
        bytes_max: usize,
    },
}

impl RestError {
    /// True if the same request may succeed later by itself.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            RestError::Dns { .. }
                | RestError::Connect { .. }
                | RestError::Lost { .. }
                | RestError::Timeout { .. }
                | RestError::RateLimited { .. }
                | RestError::Server { .. }
        )
    }

    /// True if an exchange is there and knows us, though it did not tell what we asked.
    pub(super) fn is_answered(&self) -> bool {
        matches!(
            self,
            RestError::RateLimited { .. } | RestError::Server { .. } | RestError::Refused { .. }
        )
    }

    /// Milliseconds that the server asked us to wait.
    pub(super) fn retry_after_ms(&self) -> u64 {
        match self {
            RestError::RateLimited { retry_after_ms, .. }
            | RestError::Server { retry_after_ms, .. } => *retry_after_ms,
            _ => 0,
        }
    }

    /// The error of a reply with a status that is no success.
    pub(super) fn of_reply(
        url: &Url,
        env: ExchangeEnv,
        status: u16,
        retry_after: Option<&str>,
        body: &[u8],
    ) -> RestError {
        let parsed = ErrorBody::parse(body);
        let said = parsed.as_ref().map(said).unwrap_or_default();
        let host = host(url);
        let seconds = retry_after.and_then(|s| s.trim().parse::<u64>().ok());
        let retry_after_ms = seconds.unwrap_or(0).saturating_mul(1_000);
        match (status, parsed) {
            (401 | 403, _) => RestError::Unauthorized { host, env, status, said },
            (429, _) => RestError::RateLimited { host, retry_after_ms },
            (500.., _) => RestError::Server { host, status, said, retry_after_ms },
            (400.., Some(body)) => {
                let path = url.path().to_owned();
                RestError::Refused { path, status, said, body: Box::new(body) }
            }
            (status, _) => {
                let why = format!("HTTP {status} with {}", kind_of(body));
                RestError::NotKalshi { url: url.to_string(), why }
            }
        }
    }

    /// The error of a reply that should have been JSON of a known shape.
    pub(super) fn not_json(url: &Url, body: &[u8], error: &serde_json::Error) -> RestError {
        let why = match error.classify() {
            serde_json::error::Category::Data => quote(&error.to_string()),
            _ => format!("it answers with {}", kind_of(body)),
        };
        RestError::NotKalshi { url: url.to_string(), why }
    }

    /// The error of a request that got no whole reply.
    pub(super) fn transport(url: &Url, reply_ms: u64, error: &reqwest::Error) -> RestError {
        let host = host(url);
        let chain = chain(error);
        let why = quote(chain.last().map_or("", String::as_str));
        let other_protocol = chain_find(error, |e: &hyper::Error| e.is_parse())
            || chain.iter().any(|text| text == SPOKE_FIRST);
        if let Some(why) = tls::objection(error) {
            RestError::Tls { host, why }
        } else if error.is_timeout() {
            RestError::Timeout { host, after_ms: reply_ms }
        } else if chain.iter().any(|text| text == "dns error") {
            RestError::Dns { host: url.host_str().unwrap_or_default().to_owned(), why }
        } else if error.is_connect() {
            RestError::Connect { host, why }
        } else if other_protocol {
            RestError::NotKalshi { url: url.to_string(), why: "it does not speak HTTP".to_owned() }
        } else {
            RestError::Lost { host, why }
        }
    }
}

fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

fn chain(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect()
}

fn chain_find<E: std::error::Error + 'static>(
    error: &(dyn std::error::Error + 'static),
    test: impl Fn(&E) -> bool,
) -> bool {
    std::iter::successors(Some(error), |e| e.source())
        .any(|e| e.downcast_ref::<E>().is_some_and(&test))
}

/// The server's words, ready to stand behind a status.
fn said(body: &ErrorBody) -> String {
    let parts = [&body.code, &body.message, &body.details];
    let words: Vec<_> = parts.into_iter().filter(|p| !p.is_empty()).map(String::as_str).collect();
    format!(": {}", quote(&words.join(", ")))
}

/// What a body that is not the expected JSON seems to be.
fn kind_of(body: &[u8]) -> &'static str {
    match body.trim_ascii_start().first() {
        None => "an empty reply",
        Some(b'<') => "a web page (HTML)",
        Some(b'{' | b'[') => "other JSON",
        Some(_) => "a text that is not JSON",
    }
}

/// A foreign text, short and on one line.
fn quote(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(QUOTE_CHARS_MAX).collect()
}
