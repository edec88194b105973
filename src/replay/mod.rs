//! The log played back, market by market: the same events in the same order as when they came.
//!
//! **Invariant:** a gap of a whole subscription or connection reaches every market that it concerns.

use crate::event::{Body, Event, MarketId, SessionId, Tickers};
use crate::features::Layout;
use crate::features::episode::{Episode, EpisodeBuilder};
use crate::market::MarketInfo;
use crate::store::{Filter, Log, StoreError};
use crate::units::TsNs;
use crate::view::is_synthetic;
use crate::wire::market::market_info;
use std::collections::BTreeMap;
use std::path::Path;

/// What a model is trained or judged on.
#[derive(Debug)]
pub struct Recording {
    /// Episodes ordered by settlement, then ticker.
    pub episodes: Vec<Episode>,
    /// Names the recorded data: SHA-256 over the log's sessions and checksums.
    pub fingerprint: String,
    /// Labels of the sessions; synthetic ones start with `sim:`.
    pub sources: Vec<String>,
    /// Markets without a known definition: their episodes have no open, close or outcome.
    pub undefined: Vec<String>,
    /// Episodes left out because another session recorded the same market at the same time.
    pub repeated: usize,
}

impl Recording {
    /// Markets that an exchange told of: none of synthetic data.
    pub fn real_tickers(&self) -> impl Iterator<Item = &str> {
        let real = !self.sources.iter().all(|source| is_synthetic(source));
        self.episodes.iter().filter(move |_| real).map(|episode| &*episode.ticker)
    }
}

/// Reads every market of every session of the log in `data_dir` as episodes.
///
/// # Errors
/// When there is no log, or a part of it is damaged.
pub fn recording(data_dir: &Path, layout: Layout) -> Result<Recording, StoreError> {
    let log = Log::open(data_dir)?;
    let infos = definitions(&log)?;
    let mut episodes = Vec::new();
    for session in log.sessions() {
        episodes.extend(session_episodes(&log, session.id(), &infos, layout)?);
    }
    let (mut episodes, repeated) = without_repeats(episodes);
    episodes.sort_by(|a, b| (a.settled, &a.ticker).cmp(&(b.settled, &b.ticker)));
    let undefined = |e: &Episode| !infos.contains_key(&*e.ticker);
    let mut undefined: Vec<_> =
        episodes.iter().filter(|e| undefined(e)).map(|e| e.ticker.to_string()).collect();
    undefined.dedup();
    let mut sources: Vec<_> = log.sessions().into_iter().map(|s| s.meta.source).collect();
    sources.dedup();
    Ok(Recording { episodes, fingerprint: log.fingerprint(), sources, undefined, repeated })
}

/// One recording of each market and moment: where sessions overlap, the one with more decisions stays. A
/// market that counts twice would carry twice its weight in every result.
fn without_repeats(mut episodes: Vec<Episode>) -> (Vec<Episode>, usize) {
    let all = episodes.len();
    // Stable: of equally long recordings the earlier session stays.
    episodes.sort_by_key(|e| std::cmp::Reverse(e.len()));
    let mut kept: BTreeMap<Box<str>, Vec<(SessionId, i64, i64)>> = BTreeMap::new();
    episodes.retain(|e| {
        let (Some(first), Some(last)) = (e.decisions.first(), e.decisions.last()) else {
            return false;
        };
        let lives = kept.entry(e.ticker.clone()).or_default();
        let repeats = lives.iter().any(|(session, from, to)| {
            *session != e.session && *from <= last.ts_ms && first.ts_ms <= *to
        });
        if !repeats {
            lives.push((e.session, first.ts_ms, last.ts_ms));
        }
        !repeats
    });
    let repeated = all - episodes.len();
    (episodes, repeated)
}

/// What the exchange last said about each market, by ticker.
///
/// # Errors
/// When a part of the log is damaged.
pub fn definitions(log: &Log) -> Result<BTreeMap<String, MarketInfo>, StoreError> {
    let mut infos = BTreeMap::new();
    for row in log.markets()? {
        let parsed = serde_json::from_str(&row.json).ok().and_then(|v| market_info(&v).ok());
        if let Some(mut info) = parsed {
            if info.event_ticker.is_empty() {
                info.event_ticker = event_of(&info.ticker).to_owned();
            }
            infos.insert(info.ticker.clone(), info);
        }
    }
    Ok(infos)
}

fn session_episodes(
    log: &Log,
    session: SessionId,
    infos: &BTreeMap<String, MarketInfo>,
    layout: Layout,
) -> Result<Vec<Episode>, StoreError> {
    let mut builders: BTreeMap<MarketId, (BookLine, EpisodeBuilder)> = BTreeMap::new();
    let filter = Filter { sessions: Some(vec![session]), ..Filter::default() };
    let mut until = TsNs(0);
    for record in log.read(filter)? {
        let event = record?.event;
        until = until.max(event.recv);
        if event.market == MarketId::NONE {
            let concerned = builders.values_mut().filter(|(line, _)| line.is_told(&event));
            concerned.for_each(|(_, builder)| builder.push(&event));
            continue;
        }
        let (line, builder) = builders.entry(event.market).or_insert_with(|| {
            (
                BookLine::default(),
                EpisodeBuilder::new(layout, &info_of(event.market, log.tickers(), infos), session),
            )
        });
        line.note(&event);
        builder.push(&event);
    }
    Ok(builders.into_values().flat_map(|(_, b)| b.finish_at(until)).collect())
}

/// The subscription that brings a market's book. Trades come on one of their own; the book's is the one that
/// a gap breaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct BookLine {
    sid: u32,
}

impl BookLine {
    /// Takes note of an event of this market.
    pub fn note(&mut self, event: &Event) {
        if matches!(event.body, Body::Snapshot(_) | Body::Delta(_)) {
            self.sid = event.sid;
        }
    }

    /// True if an event without a market concerns this one: it is of its book's subscription, or of none.
    pub fn is_told(&self, event: &Event) -> bool {
        event.sid == 0 || event.sid == self.sid
    }
}

/// An event's ticker is that of its markets without their last part.
fn event_of(ticker: &str) -> &str {
    ticker.rsplit_once('-').map_or(ticker, |(event, _)| event)
}

fn info_of(
    market: MarketId,
    tickers: &Tickers,
    infos: &BTreeMap<String, MarketInfo>,
) -> MarketInfo {
    let ticker = tickers.name(market);
    let unknown = || MarketInfo {
        ticker: ticker.to_owned(),
        event_ticker: event_of(ticker).to_owned(),
        ..MarketInfo::default()
    };
    infos.get(ticker).cloned().unwrap_or_else(unknown)
}
