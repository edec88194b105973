//! The REST client: signed reads, paced by the account's own limits (protocol notes 3, 5, 6).
//!
//! Requests of an account are all signed, market data too: replies to unsigned ones come from a cache up to 15
//! seconds old, which matters to nothing that [`RestClient::unsigned`] is for.
//! What may pass by itself (a lost connection, a timeout, 429, 5xx) is tried again with a jittered wait, a few
//! times; what may not (a refused key, an unknown market, a server that is not Kalshi) is an error at once.
//!
//! **Invariant:** [`RestClient`] only reads. What changes something goes through [`OrderClient`], which exists
//! for the demo exchange and for this machine only, and is the one sender of anything but GET.

mod account;
mod courier;
mod error;
mod hosts;
mod orders;
mod refusal;

pub use account::Listing;
pub use error::RestError;
pub use hosts::{NotAllowed, check_orders_allowed};
pub use orders::{OrderClient, Write};
pub use refusal::{OrderError, Refusal};

use super::access::Access;
use super::backoff::{Backoff, Trouble};
use super::bucket::{COST_DEFAULT, Kind, Shared};
use super::skew::Skew;
use super::tls::TlsConfig;
use crate::config::Endpoint;
use crate::event::Snapshot;
use crate::rng::Rng;
use crate::wire::auth::Signer;
use crate::wire::rest::{
    AccountLimits, ExchangeStatus, MarketBody, MarketsPage, OrderbookBody, SeriesBody, SeriesObject,
};
use courier::{Courier, Reply};
use reqwest::{Client, Method, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;

/// Waits after 429 and after failures grow from here.
const BACKOFF_BASE_MS: u64 = 250;

/// How patient the client is.
#[derive(Clone, Copy, Debug)]
pub struct RestTiming {
    /// Milliseconds for TCP and TLS.
    pub connect_ms: u64,
    /// Milliseconds from request to the end of the reply.
    pub reply_ms: u64,
    /// Tries of one request, the first included.
    pub tries_max: u32,
    /// Longest `Retry-After` that is waited for, milliseconds.
    pub retry_after_max_ms: u64,
}

impl Default for RestTiming {
    fn default() -> RestTiming {
        RestTiming { connect_ms: 5_000, reply_ms: 10_000, tries_max: 5, retry_after_max_ms: 60_000 }
    }
}

/// One account's client. It keeps the account's token buckets: other clients of the account are made of it
/// ([`OrderClient::beside`]) and draw from the same.
#[derive(Debug)]
pub struct RestClient {
    courier: Courier,
    base: Url,
    timing: RestTiming,
    budget: Shared,
    skew: Skew,
    rng: Rng,
}

impl RestClient {
    /// A client that assumes the limits of a new account. Opens no connection. `seed` draws the jitter.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn new(access: &Access, timing: RestTiming, seed: u64) -> Result<RestClient, RestError> {
        RestClient::of(&access.endpoint, &access.tls, Some(access.signer.clone()), timing, seed)
    }

    /// A client without an account, for what is public and changes rarely. As [`RestClient::new`] otherwise.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn unsigned(
        endpoint: &Endpoint,
        tls: &TlsConfig,
        timing: RestTiming,
        seed: u64,
    ) -> Result<RestClient, RestError> {
        RestClient::of(endpoint, tls, None, timing, seed)
    }

    fn of(
        endpoint: &Endpoint,
        tls: &TlsConfig,
        signer: Option<Signer>,
        timing: RestTiming,
        seed: u64,
    ) -> Result<RestClient, RestError> {
        let address = endpoint.rest.clone();
        let http = Client::builder()
            .use_preconfigured_tls((**tls).clone())
            .connect_timeout(Duration::from_millis(timing.connect_ms))
            .timeout(Duration::from_millis(timing.reply_ms))
            .redirect(reqwest::redirect::Policy::none()) // a signature is for one host
            .no_proxy() // as the WebSocket
            .user_agent(concat!("kflow/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| RestError::Setup { address: address.clone(), why: e.to_string() })?;
        let base = Url::parse(&address)
            .map_err(|e| RestError::Setup { address: address.clone(), why: e.to_string() })?;
        if base.cannot_be_a_base() || base.host_str().is_none() {
            return Err(RestError::Setup { address, why: "it names no host".to_owned() });
        }
        let courier = Courier { http, env: endpoint.env, signer, reply_ms: timing.reply_ms };
        Ok(RestClient {
            courier,
            base,
            timing,
            budget: Shared::default(),
            skew: Skew::default(),
            rng: Rng::stream(seed, "rest", 0),
        })
    }

    /// A client with the account's own limits. An exchange that is there but does not tell them is worked with
    /// under those of a new account, and a warning says so.
    ///
    /// # Errors
    /// When the exchange cannot be reached, is none, or does not take our key.
    pub async fn connect(
        access: &Access,
        timing: RestTiming,
        seed: u64,
    ) -> Result<RestClient, RestError> {
        let mut client = RestClient::new(access, timing, seed)?;
        match client.account_limits().await {
            Ok(limits) => {
                tracing::info!(tier = limits.usage_tier, read = limits.read.refill_rate, "limits");
                client.assume_limits(&limits);
            }
            Err(error) if error.is_answered() => {
                tracing::warn!(%error, "the account's limits are unknown; those of a new one are kept");
            }
            Err(error) => return Err(error),
        }
        Ok(client)
    }

    /// Keeps to these limits from now on.
    pub fn assume_limits(&mut self, limits: &AccountLimits) {
        self.budget.set_limits(limits);
    }

    /// Whether the exchange works, and trades.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn exchange_status(&mut self) -> Result<ExchangeStatus, RestError> {
        self.get(&["exchange", "status"], &[]).await
    }

    /// The limits of our account.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn account_limits(&mut self) -> Result<AccountLimits, RestError> {
        self.get(&["account", "limits"], &[]).await
    }

    /// One page of markets under `query`, from `cursor` on (empty: the first).
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn markets_page(
        &mut self,
        query: &[(&str, String)],
        cursor: &str,
    ) -> Result<MarketsPage, RestError> {
        let mut query = query.to_vec();
        if !cursor.is_empty() {
            query.push(("cursor", cursor.to_owned()));
        }
        self.get(&["markets"], &query).await
    }

    /// One market's object.
    ///
    /// # Errors
    /// See [`RestError`]; an unknown market is [`RestError::Refused`] with status 404.
    pub async fn market(&mut self, ticker: &str) -> Result<Value, RestError> {
        self.get::<MarketBody>(&["markets", ticker], &[]).await.map(|body| body.market)
    }

    /// One series' object.
    ///
    /// # Errors
    /// See [`RestError`]; an unknown series is [`RestError::Refused`] with status 404.
    pub async fn series(&mut self, ticker: &str) -> Result<SeriesObject, RestError> {
        self.get::<SeriesBody>(&["series", ticker], &[]).await.map(|body| body.series)
    }

    /// One market's whole book.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn orderbook(&mut self, ticker: &str) -> Result<Snapshot, RestError> {
        let path = ["markets", ticker, "orderbook"];
        let body: OrderbookBody = self.get(&path, &[("depth", "0".to_owned())]).await?;
        body.snapshot().map_err(|e| RestError::NotKalshi {
            url: self.url(&path, &[]).to_string(),
            why: e.to_string(),
        })
    }

    /// Reads `path` below the base address, patiently.
    async fn get<T: DeserializeOwned>(
        &mut self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, RestError> {
        self.get_for(COST_DEFAULT, path, query).await
    }

    /// The same where a request costs another number of tokens.
    async fn get_for<T: DeserializeOwned>(
        &mut self,
        cost: u32,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, RestError> {
        let url = self.url(path, query);
        let stream = Rng::stream(self.rng.next_u64(), "rest-backoff", 0);
        let mut backoff = Backoff::with_base(stream, BACKOFF_BASE_MS);
        let mut resigned = false;
        let mut tries = 1;
        loop {
            sleep(self.budget.take(Kind::Read, cost)).await;
            let offset_ms = self.skew.offset_ms();
            let Reply { body, dated } =
                self.courier.carry(Method::GET, &url, None, offset_ms).await;
            courier::correct(&mut self.skew, dated.as_ref());
            let error = match body {
                Ok(body) => return read(&url, &body),
                Err(error) => error,
            };
            if matches!(error, RestError::RateLimited { .. }) {
                self.budget.drain(Kind::Read);
            }
            // The one refusal that time heals: it was signed by a wrong clock, which we now know.
            if matches!(error, RestError::Unauthorized { .. })
                && self.skew.offset_ms() != offset_ms
                && !resigned
            {
                resigned = true;
                continue;
            }
            let wait_ms = backoff.next_ms(Trouble::Transient).max(error.retry_after_ms());
            let hopeless = !error.is_transient() || wait_ms > self.timing.retry_after_max_ms;
            if hopeless || tries >= self.timing.tries_max {
                return Err(error);
            }
            tracing::warn!(path = url.path(), tries, wait_ms, %error, "trying again");
            sleep(Duration::from_millis(wait_ms)).await;
            tries += 1;
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        url(&self.base, path, query)
    }
}

/// `path` below `base`; a ticker with odd characters is escaped.
fn url(base: &Url, path: &[&str], query: &[(&str, String)]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

fn read<T: DeserializeOwned>(url: &Url, body: &[u8]) -> Result<T, RestError> {
    serde_json::from_slice(body).map_err(|error| RestError::not_json(url, body, &error))
}
