//! One market of one session in memory: what an environment steps through.
//!
//! A decision row holds the market part of the observation, the visible top of both ladders, and the
//! slice of market events until the next decision, so that fills between decisions can be computed.
//!
//! **Invariant:** built by one fold over the market's events through [`crate::book::Book`] and
//! [`crate::features::Observer`]; an episode never spans a gap and never passes the close.

use crate::event::SessionId;
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
