//! One request, one reply: signed now, sent once, judged by its status. What to do about a failure is decided
//! above.

use super::RestError;
use crate::config::ExchangeEnv;
use crate::feed::skew::Skew;
use crate::wire::auth::Signer;
use reqwest::header::{AGE, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url};
use std::time::SystemTime;

/// Largest reply taken: a page of 1 000 markets with long rules is about 5 MB.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Carries requests to one exchange in one name. Cheap to clone: all clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Courier {
    pub(super) http: Client,
    pub(super) env: ExchangeEnv,
    /// `None`: only what is public is asked for, and nothing is signed.
    pub(super) signer: Option<Signer>,
    /// How long a reply may take, milliseconds; only for the text of the error.
    pub(super) reply_ms: u64,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Reply {
    /// The body of a success.
    pub(super) body: Result<Vec<u8>, RestError>,
    /// The exchange's clock, where the reply showed it.
    pub(super) dated: Option<Dated>,
}

/// A `Date` header and when we asked and heard, by our clock, milliseconds since the epoch.
#[derive(Debug)]
pub(super) struct Dated {
    pub(super) date: String,
    pub(super) sent_ms: i64,
    pub(super) got_ms: i64,
}

impl Courier {
    /// Sends one request; `offset_ms` is added to our clock in the signature. `json` is its body.
    pub(super) async fn carry(
        &self,
        method: Method,
        url: &Url,
        json: Option<Vec<u8>>,
        offset_ms: i64,
    ) -> Reply {
        let sent_ms = unix_ms();
        let headers = match self.headers(sent_ms + offset_ms, &method, url) {
            Ok(headers) => headers,
            Err(error) => return Reply { body: Err(error), dated: None },
        };
        let mut request = self.http.request(method, url.clone()).headers(headers);
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        let reply = match request.send().await {
            Ok(reply) => reply,
            Err(error) => return Reply { body: Err(self.lost(url, &error)), dated: None },
        };
        let (status, headers) = (reply.status(), reply.headers().clone());
        let body = self.body(url, reply).await;
        tracing::debug!(path = url.path(), status = status.as_u16(), "reply");
        let body = body.and_then(|body| match status.is_success() {
            true => Ok(body),
            false => {
                let retry_after = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
                let status = status.as_u16();
                Err(RestError::of_reply(url, self.env, status, retry_after, &body))
            }
        });
        Reply { body, dated: dated(&headers, sent_ms) }
    }

    fn headers(&self, now_ms: i64, method: &Method, url: &Url) -> Result<HeaderMap, RestError> {
        let mut headers = HeaderMap::new();
        let Some(signer) = &self.signer else { return Ok(headers) };
        for (name, value) in signer.headers(now_ms, method.as_str(), url.path())? {
            let mut value = HeaderValue::try_from(value)
                .expect("key id, decimal number and base64 are visible ASCII");
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    async fn body(&self, url: &Url, mut reply: Response) -> Result<Vec<u8>, RestError> {
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(|error| self.lost(url, &error))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(RestError::TooLarge {
                    url: url.to_string(),
                    bytes_max: BODY_BYTES_MAX,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn lost(&self, url: &Url, error: &reqwest::Error) -> RestError {
        RestError::transport(url, self.reply_ms, error)
    }
}

fn dated(headers: &HeaderMap, sent_ms: i64) -> Option<Dated> {
    // A reply from a cache has an old date.
    let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE))?;
    Some(Dated { date: date.to_str().ok()?.to_owned(), sent_ms, got_ms: unix_ms() })
}

/// Corrects our clock by the exchange's, where a reply showed it.
pub(super) fn correct(skew: &mut Skew, dated: Option<&Dated>) {
    let Some(Dated { date, sent_ms, got_ms }) = dated else { return };
    if skew.observe(date, *sent_ms, *got_ms) {
        let skew_ms = skew.offset_ms();
        tracing::warn!(skew_ms, "our clock is off; signatures are corrected by the exchange's");
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
