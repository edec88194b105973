//! One market of one session in memory: what an environment steps through.
//!
//! A decision row holds the market part of the observation, the visible top of both ladders, and the
//! slice of market events until the next decision, so that fills between decisions can be computed.
//!
//! **Invariant:** built by one fold over the market's events through [`crate::book::Book`] and
//! [`crate::features::Observer`]; an episode never spans a gap and never passes the close.

use super::{Layout, Observer, Row};
use crate::broker::matching::Phase;
use crate::event::{Body, Delta, Event, SessionId, Snapshot};
use crate::market::{MarketInfo, TickRange};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use crate::wire::market::market_info;

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
    /// Market events in recorded order, from the snapshot that opened the book on: what orders meet.
    pub events: Vec<TapeEvent>,
    /// The books of the snapshots among `events`, in their order.
    pub books: Vec<Snapshot>,
    /// The prices that orders may have; empty where unknown.
    pub ticks: Vec<TickRange>,
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
    /// When we knew that it had closed, and could act: receipt of the event that closed it.
    pub recv: TsNs,
    /// The last event that the observation has seen.
    pub row_id: u64,
    /// Bid + ask in 1e-4 dollars (twice the mid), held over an empty book as the layout says.
    pub mid2: i32,
    /// Best-first bids: `[YES, NO]`.
    pub bids: [TopLevels; 2],
    /// Index into [`Episode::events`] of the first event after this decision.
    pub next_event: u32,
}

impl Decision {
    /// Best ask - best bid, 0 for a crossed book; nothing where a side is empty.
    pub fn spread_e4(&self) -> Option<i64> {
        let [yes, no] = self.bids.each_ref().map(|side| side[0]);
        let two_sided = yes.1 > Qty::ZERO && no.1 > Qty::ZERO;
        two_sided.then(|| (no.0.complement().e4() - yes.0.e4()).max(0))
    }
}

/// A market event in 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeEvent {
    /// When it was received.
    pub recv: TsNs,
    /// The exchange's stamp; the receipt where the message has none.
    pub ts: TsUs,
    /// What it is.
    pub kind: TapeKind,
}

/// What a [`TapeEvent`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeKind {
    /// A level changed.
    Delta(Delta),
    /// A public trade.
    Trade {
        /// What the taker bought.
        taker: Side,
        /// Price of YES.
        yes_price: Price,
        /// Contracts.
        qty: Qty,
    },
    /// The whole book was replaced, by [`Episode::books`] of this number.
    Snapshot(u32),
    /// The exchange said, on being asked, whether the market trades.
    Phase(Phase),
}

impl TapeEvent {
    /// The compact form of what can change a book, fill an order or end it; block trades can do neither. A
    /// snapshot is given the number `book`.
    pub fn of(event: &Event, book: u32) -> Option<TapeEvent> {
        let kind = match &event.body {
            Body::Delta(d) if d.qty != Qty::ZERO => TapeKind::Delta(*d),
            Body::Trade(t) if t.block != Some(true) && t.qty > Qty::ZERO => {
                TapeKind::Trade { taker: t.taker, yes_price: t.yes_price, qty: t.qty }
            }
            Body::Snapshot(_) => TapeKind::Snapshot(book),
            Body::Market(object) => TapeKind::Phase(phase(object)?),
            _ => return None,
        };
        let ts = event.ts.unwrap_or(TsUs(event.recv.0.div_euclid(1_000)));
        Some(TapeEvent { recv: event.recv, ts, kind })
    }
}

/// The phase that a definition tells.
fn phase(object: &str) -> Option<Phase> {
    let value = serde_json::from_str(object).ok()?;
    Phase::of_status(&market_info(&value).ok()?.status)
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
    last_recv: TsNs,
    /// The market was deactivated when that was last told.
    inactive: bool,
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
            last_recv: TsNs(0),
            inactive: false,
            done: Vec::new(),
        };
        builder.open = builder.blank();
        builder
    }

    /// Takes the next event of this market, in recorded order.
    pub fn push(&mut self, event: &Event) {
        let was_valid = self.observer.book().is_valid();
        if let Some(row) = self.observer.push(event) {
            add_decision(&mut self.open, &row, event.recv);
        }
        self.last_recv = event.recv;
        self.last_ts = event.ts.map_or(self.last_ts, |ts| ts.max(self.last_ts));
        if self.observer.book().is_valid() {
            self.add_event(event);
        } else if was_valid {
            self.cut();
        }
        if let Body::Market(object) = &event.body {
            // That it is over counts where it is told: an import tells it before the first book.
            self.inactive = phase(object).map_or(self.inactive, |phase| phase == Phase::Inactive);
        }
    }

    /// Ends a recording that was stopped at `until`: a market that was to close later was left before its outcome,
    /// and what happened to an order until then nobody saw.
    pub fn finish_at(mut self, until: TsNs) -> Vec<Episode> {
        // The earlier one: a market may be decided before the close that was announced.
        let end = self.market.close.into_iter().chain(self.market.settled).min();
        if end.is_some_and(|end| until.0.div_euclid(1_000) < end.0) {
            self.market.settlement = None;
        }
        self.finish()
    }

    /// Ends a recording that reaches the end of its market; the episodes in time order.
    pub fn finish(mut self) -> Vec<Episode> {
        if let Some(row) = self.observer.finish() {
            add_decision(&mut self.open, &row, self.last_recv);
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
            ticks: self.market.ticks.clone(),
            ..Episode::default()
        }
    }

    /// Notes an event before the close.
    fn add_event(&mut self, event: &Event) {
        if is_over(self.observer.clock_ms(), self.market.close) {
            return;
        }
        let open = &mut self.open;
        if self.inactive && open.events.is_empty() {
            let kind = TapeKind::Phase(Phase::Inactive);
            open.events.extend(TapeEvent::of(event, 0).map(|first| TapeEvent { kind, ..first }));
        }
        open.events.extend(TapeEvent::of(event, open.books.len() as u32));
        if let Body::Snapshot(book) = &event.body {
            open.books.push((**book).clone());
        }
    }
}

/// True once a market's clock has reached its close: what comes then meets no order.
pub fn is_over(clock_ms: Option<i64>, close: Option<TsUs>) -> bool {
    clock_ms.zip(close).is_some_and(|(now_ms, close)| now_ms >= close.ms())
}

fn add_decision(episode: &mut Episode, row: &Row<'_>, recv: TsNs) {
    episode.rows.extend_from_slice(row.market);
    episode.decisions.push(Decision {
        ts_ms: row.ts_ms,
        recv,
        row_id: row.row_id,
        mid2: row.mid2,
        bids: *row.bids,
        next_event: episode.events.len() as u32,
    });
}

#[cfg(test)]
mod tests;
