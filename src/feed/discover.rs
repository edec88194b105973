//! Which markets there are: named ones looked up, others found by filter, page after page.

use super::rest::{RestClient, RestError};
use crate::units::TsUs;
use crate::wire::market::market_info;
use crate::wire::rest::{MARKETS_PAGE_MAX, StatusFilter};
use serde_json::Value;
use std::collections::BTreeMap;

/// Tickers in one query: keeps the address below 8 KB, which every server takes.
const TICKERS_PER_QUERY: usize = 100;
/// Pages of one sweep. A server whose cursor never ends would otherwise keep us for ever.
const PAGES_MAX: usize = 1_000;

/// Which markets are wanted. Combos (`mve`) never are: they are most of the listing and no order book of
/// their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketFilter {
    /// Of this series.
    pub series: Option<String>,
    /// Of this event.
    pub event: Option<String>,
    /// In this state; `None`: in any.
    pub status: Option<StatusFilter>,
    /// Closing at this time or later.
    pub min_close: Option<TsUs>,
    /// Closing at this time or earlier.
    pub max_close: Option<TsUs>,
    /// At most so many.
    pub limit: usize,
}

/// Why there are no markets to follow.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The exchange could not be asked.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// Markets that it does not list.
    #[error("unknown market: {}", .0.join(", "))]
    Unknown(Vec<String>),
    /// Markets whose trading is over: ticker and status.
    #[error("market is closed: {}", list(.0))]
    Closed(Vec<(String, String)>),
    /// No market fits.
    #[error("no market fits {0}")]
    Nothing(String),
    /// A cursor that goes on and on.
    #[error("the exchange's list of markets does not end after {PAGES_MAX} pages")]
    Endless,
}

/// The market objects of `tickers`, in their order; all of them must exist and still trade, now or later.
///
/// # Errors
/// Names every market that is unknown, or else every one that is closed.
pub async fn named(
    client: &mut RestClient,
    tickers: &[String],
) -> Result<Vec<Value>, DiscoverError> {
    let mut found = lookup(client, tickers).await?;
    let unknown: Vec<_> = tickers.iter().filter(|t| !found.contains_key(*t)).cloned().collect();
    if !unknown.is_empty() {
        return Err(DiscoverError::Unknown(unknown));
    }
    let closed = found.iter().filter_map(|(ticker, market)| {
        let status = market.get("status").and_then(Value::as_str).unwrap_or_default();
        let over = StatusFilter::of_field(status);
        matches!(over, Some(StatusFilter::Closed | StatusFilter::Settled))
            .then(|| (ticker.clone(), status.to_owned()))
    });
    let closed: Vec<_> = closed.collect();
    if closed.len() == tickers.len() {
        return Err(DiscoverError::Closed(closed));
    }
    // A service that starts again after one of its markets has ended goes on with the others.
    for (ticker, status) in closed {
        tracing::warn!(target: "kflow", "{ticker} is {status}: left out");
        found.remove(&ticker);
    }
    Ok(tickers.iter().filter_map(|ticker| found.remove(ticker)).collect())
}

/// The market objects of `tickers` as far as the exchange lists them, by ticker.
///
/// # Errors
/// When the exchange cannot be asked.
pub async fn lookup(
    client: &mut RestClient,
    tickers: &[String],
) -> Result<BTreeMap<String, Value>, DiscoverError> {
    let mut found = BTreeMap::new();
    for chunk in tickers.chunks(TICKERS_PER_QUERY) {
        let query = [("tickers", chunk.join(",")), ("limit", MARKETS_PAGE_MAX.to_string())];
        let keep = |market: &Value| ticker(market).is_some_and(|t| chunk.iter().any(|c| c == t));
        for market in pages(client, &query, keep, chunk.len()).await? {
            found.insert(ticker(&market).unwrap_or_default().to_owned(), market);
        }
    }
    Ok(found)
}

/// The market objects that fit `filter`, in the exchange's order.
///
/// # Errors
/// When the exchange cannot be asked, or nothing fits.
pub async fn sweep(
    client: &mut RestClient,
    filter: &MarketFilter,
) -> Result<Vec<Value>, DiscoverError> {
    let markets = pages(client, &filter.query(), |m| filter.fits(m), filter.limit).await?;
    if markets.is_empty() {
        return Err(DiscoverError::Nothing(filter.describe()));
    }
    Ok(markets)
}

/// Reads pages until the cursor ends or `enough` markets were kept.
async fn pages(
    client: &mut RestClient,
    query: &[(&str, String)],
    keep: impl Fn(&Value) -> bool,
    enough: usize,
) -> Result<Vec<Value>, DiscoverError> {
    let mut kept = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page = client.markets_page(query, &cursor).await?;
        kept.extend(page.markets.into_iter().filter(|market| keep(market)));
        if kept.len() >= enough || page.cursor.is_empty() {
            kept.truncate(enough);
            return Ok(kept);
        }
        cursor = page.cursor;
    }
    Err(DiscoverError::Endless)
}

impl MarketFilter {
    /// What the exchange filters for us. Close times it takes only together with some states, so those are
    /// ours to check.
    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query =
            vec![("limit", MARKETS_PAGE_MAX.to_string()), ("mve_filter", "exclude".to_owned())];
        query.extend(self.series.clone().map(|series| ("series_ticker", series)));
        query.extend(self.event.clone().map(|event| ("event_ticker", event)));
        query.extend(self.status.map(|status| ("status", status.word().to_owned())));
        query
    }

    fn fits(&self, market: &Value) -> bool {
        let Ok(info) = market_info(market) else {
            tracing::warn!(ticker = ticker(market), "passed over: its definition is not readable");
            return false;
        };
        let from = self.min_close.is_none_or(|min| info.close.is_some_and(|close| close >= min));
        let to = self.max_close.is_none_or(|max| info.close.is_some_and(|close| close <= max));
        from && to
    }

    fn describe(&self) -> String {
        let words: Vec<_> =
            self.query().into_iter().skip(2).map(|(k, v)| format!("{k}={v}")).collect();
        let range = if self.min_close.or(self.max_close).is_some() { " in that range" } else { "" };
        match words.is_empty() {
            true => format!("the filter (any market{range})"),
            false => format!("the filter {}{range}", words.join(" ")),
        }
    }
}

fn ticker(market: &Value) -> Option<&str> {
    market.get("ticker").and_then(Value::as_str)
}

fn list(markets: &[(String, String)]) -> String {
    let words: Vec<_> = markets.iter().map(|(t, status)| format!("{t} ({status})")).collect();
    words.join(", ")
}
