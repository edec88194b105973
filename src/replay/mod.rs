//! Plays what was recorded: one call per event, in recorded order, each with the market it concerns.
//!
//! **Invariant:** a gap reaches every market whose rows may be missing: its own, or all those that the
//! broken subscription carried.

use crate::event::{Body, Event, MarketId, SessionId};
use crate::market::MarketInfo;
use crate::store::{Filter, Log, StoreError};
use crate::wire::market::{MarketError, market_info};
use std::collections::BTreeMap;
use std::path::Path;

/// Recorded data cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// A field of a market's definition makes no sense.
    #[error("a market's definition cannot be read")]
    Market(#[from] MarketError),
    /// A market's definition is no JSON.
    #[error("the definition of market {ticker} is no JSON")]
    Json {
        /// Whose.
        ticker: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// One market of one session.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The session.
    pub session: SessionId,
    /// The market's number, the same in all sessions.
    pub id: MarketId,
    /// What is known about it by now, its settlement included.
    pub market: &'a MarketInfo,
}

/// Plays the log in `data` from beginning to end.
///
/// # Errors
/// When the log or a market's definition cannot be read.
pub fn play(data: &Path, mut each: impl FnMut(Place, &Event)) -> Result<(), ReplayError> {
    let log = Log::open(data)?;
    let markets = definitions(&log)?;
    for session in log.sessions() {
        let session = session.id();
        // The subscription that last spoke of each market.
        let mut carried: BTreeMap<MarketId, u32> = BTreeMap::new();
        for record in log.read(Filter { sessions: Some(vec![session]), ..Filter::default() })? {
            let event = record?.event;
            let mut tell = |id: MarketId| {
                if let Some(market) = markets.get(id.0 as usize) {
                    each(Place { session, id, market }, &event);
                }
            };
            if event.market != MarketId::NONE {
                carried.insert(event.market, event.sid);
                tell(event.market);
            } else if matches!(event.body, Body::Gap(_)) {
                let concerned = |sid: u32| event.sid == 0 || sid == event.sid;
                carried.iter().filter(|(_, sid)| concerned(**sid)).for_each(|(id, _)| tell(*id));
            }
        }
    }
    Ok(())
}

/// What is known about each market, by its number; a market that was never described has a name only.
fn definitions(log: &Log) -> Result<Vec<MarketInfo>, ReplayError> {
    let mut markets: Vec<MarketInfo> = (0..log.tickers().len() as u32)
        .map(|id| nameless(log.tickers().name(MarketId(id))))
        .collect();
    for row in log.markets()? {
        let known = &mut markets[row.market.0 as usize];
        let ticker = known.ticker.clone();
        let value = serde_json::from_str(&row.json);
        let value = value.map_err(|source| ReplayError::Json { ticker, source })?;
        *known = market_info(&value)?;
    }
    Ok(markets)
}

/// The event's ticker is the market's without its last part.
fn nameless(ticker: &str) -> MarketInfo {
    let event = ticker.rsplit_once('-').map_or(ticker, |(event, _)| event);
    MarketInfo {
        ticker: ticker.to_owned(),
        event_ticker: event.to_owned(),
        ..MarketInfo::default()
    }
}
