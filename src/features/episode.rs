//! One market of one session in memory: what an environment steps through.
//!
//! A decision row holds the market part of the observation, the visible top of both ladders, and the
//! slice of market events until the next decision, so that fills between decisions can be computed.
//!
//! **Invariant:** built by one fold over the market's events through [`crate::book::Book`] and
//! [`crate::features::Observer`]; an episode never spans a gap and never passes the close.

use super::{Layout, Observer, Row};
use crate::event::{Body, Event, SessionId};
use crate::market::MarketInfo;
use crate::units::{Price, Qty, Side, TsUs};

/// Levels per side that an order can walk, and that a decision row keeps. The same number in
/// training, evaluation and paper trading, so that fills agree.
pub const FILL_LEVELS: usize = 10;

/// Best-first bids of one side at a decision; unused places hold a size of zero.
pub type TopLevels = [(Price, Qty); FILL_LEVELS];

/// One market of one session between two gaps.
#[derive(Clone, Debug, Default)]
pub struct Episode {
    /// The market.
    pub ticker: Box<str>,
    /// The event that the market belongs to: the cluster of the bootstrap.
    pub event_ticker: Box<str>,
    /// The session that recorded it.
    pub session: SessionId,
    /// Width of the market part: 43 (`flow52-v1`) or 36 (`kalshiflow52-v2`).
    pub market_len: usize,
    /// Market parts: `[decisions, market_len]` f32.
    pub rows: Vec<f32>,
    /// Decisions in time order.
    pub decisions: Vec<Decision>,
    /// Market events after the first decision, in recorded order.
    pub events: Vec<TapeEvent>,
    /// What a YES contract paid, when the tape reaches the settlement of this market.
    pub settlement: Option<Price>,
    /// Trading ends.
    pub close: Option<TsUs>,
    /// When the outcome was known, else the close, else the last event: orders the splits.
    pub settled: TsUs,
}

/// One moment at which the policy may act.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// Exchange time of the group of events that closed here, milliseconds.
    pub ts_ms: i64,
    /// The last event that the observation has seen.
    pub row_id: u64,
    /// Bid + ask in 1e-4 dollars (twice the mid), held over an empty book as the layout says.
    pub mid2: i32,
    /// Best-first bids: `[YES, NO]`.
    pub bids: [TopLevels; 2],
    /// Index into [`Episode::events`] of the first event after this decision.
    pub next_event: u32,
}

/// A market event in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeEvent {
    /// Signed change (delta) or traded contracts (trade), 1e-2 contracts, saturating.
    pub qty_e2: i32,
    /// Milliseconds since the episode's first decision.
    pub dt_ms: u32,
    /// The level (delta: own axis of `side`; trade: YES price).
    pub price: Price,
    /// Ladder of a delta, taker of a trade.
    pub side: Side,
    /// What it is.
    pub kind: TapeKind,
}

/// What a [`TapeEvent`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeKind {
    /// A level changed.
    Delta,
    /// A public trade.
    Trade,
    /// The whole book was replaced; the next decision shows it.
    Snapshot,
}

impl Episode {
    /// Market part of decision `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.market_len..(i + 1) * self.market_len]
    }

    /// Number of decisions.
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    /// True without a decision.
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }
}

/// Decisions that an episode must have to be worth stepping through.
const MIN_DECISIONS: usize = 3;

/// Folds the events of one market of one session into episodes.
///
/// A gap, or a book that became invalid, ends an episode; the next snapshot starts another. Only the
/// episode that no gap cut short knows the settlement: from the others it cannot be reached.
pub struct EpisodeBuilder {
    layout: Layout,
    market: MarketInfo,
    session: SessionId,
    observer: Observer,
    open: Episode,
    /// Exchange time of the last event, for markets that say neither close nor settlement.
    last_ts: TsUs,
    done: Vec<Episode>,
}

impl EpisodeBuilder {
    /// A builder without an event yet.
    pub fn new(layout: Layout, market: &MarketInfo, session: SessionId) -> EpisodeBuilder {
        let mut builder = EpisodeBuilder {
            layout,
            market: market.clone(),
            session,
            observer: Observer::new(layout, market.open, market.close),
            open: Episode::default(),
            last_ts: TsUs(0),
            done: Vec::new(),
        };
        builder.open = builder.blank();
        builder
    }

    /// Takes the next event of this market, in recorded order.
    pub fn push(&mut self, event: &Event) {
        let was_valid = self.observer.book().is_valid();
        if let Some(row) = self.observer.push(event) {
            add_decision(&mut self.open, &row);
        }
        self.last_ts = event.ts.map_or(self.last_ts, |ts| ts.max(self.last_ts));
        if self.observer.book().is_valid() {
            self.add_event(event);
        } else if was_valid {
            self.cut();
        }
    }

    /// Ends the recording; the episodes in time order.
    pub fn finish(mut self) -> Vec<Episode> {
        if let Some(row) = self.observer.finish() {
            add_decision(&mut self.open, &row);
        }
        self.open.settlement = self.market.settlement;
        self.cut();
        self.done
    }

    /// Keeps the open episode if it is long enough, and starts another.
    fn cut(&mut self) {
        let blank = self.blank();
        let mut episode = std::mem::replace(&mut self.open, blank);
        if episode.len() >= MIN_DECISIONS {
            episode.settled = self.market.settled.or(self.market.close).unwrap_or(self.last_ts);
            self.done.push(episode);
        }
    }

    fn blank(&self) -> Episode {
        Episode {
            ticker: self.market.ticker.as_str().into(),
            event_ticker: self.market.event_ticker.as_str().into(),
            session: self.session,
            market_len: self.layout.market_len(),
            close: self.market.close,
            ..Episode::default()
        }
    }

    /// Notes an event after the first decision and before the close.
    fn add_event(&mut self, event: &Event) {
        let (Some(first), Some(now)) = (self.open.decisions.first(), self.observer.clock_ms())
        else {
            return;
        };
        if self.market.close.is_some_and(|close| now >= close.ms()) {
            return;
        }
        let dt_ms = u32::try_from(now - first.ts_ms).unwrap_or(u32::MAX);
        self.open.events.extend(tape_event(event, dt_ms));
    }
}

fn add_decision(episode: &mut Episode, row: &Row<'_>) {
    episode.rows.extend_from_slice(row.market);
    episode.decisions.push(Decision {
        ts_ms: row.ts_ms,
        row_id: row.row_id,
        mid2: row.mid2,
        bids: *row.bids,
        next_event: episode.events.len() as u32,
    });
}

/// The compact form of what can change a book or fill an order; block trades can do neither.
pub fn tape_event(event: &Event, dt_ms: u32) -> Option<TapeEvent> {
    let (qty, price, side, kind) = match &event.body {
        Body::Delta(d) if d.qty != Qty::ZERO => (d.qty, d.price, d.side, TapeKind::Delta),
        Body::Trade(t) if t.block != Some(true) => (t.qty, t.yes_price, t.taker, TapeKind::Trade),
        Body::Snapshot(_) => (Qty::ZERO, Price::ZERO, Side::Yes, TapeKind::Snapshot),
        _ => return None,
    };
    let qty_e2 = qty.e2().clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    Some(TapeEvent { qty_e2, dt_ms, price, side, kind })
}

#[cfg(test)]
mod tests;
