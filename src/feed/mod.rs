//! The exchange's live side: signed WebSocket and REST, and the protocol machine between bytes and records.
//!
//! ```text
//!  socket ─► session (pure: bytes and time in, actions out) ─► Batch ─► collect
//!                │ books, sequence numbers, healing             ◄─ Command
//! ```

pub mod access;
pub mod backoff;
pub mod bucket;
pub mod discover;
pub mod rest;
pub mod rotation;
mod skew;
pub mod tls;

use crate::event::{MarketId, Record, Snapshot};
use tokio::sync::oneshot;

/// Records in the order of the log, and the markets that they were the first to name.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Markets new to the dictionary, in order of their ids: ticker and the exchange's own id.
    pub markets: Vec<(MarketId, Box<str>, Option<[u8; 16]>)>,
    /// What came, gap rows in their places.
    pub records: Vec<Record>,
    /// The feed's counters after the last record.
    pub counters: Counters,
}

/// What the feed has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received, readable or not.
    pub received: u64,
    /// Sequence numbers that never came.
    pub missing: u64,
    /// Frames that came twice.
    pub duplicates: u64,
    /// Frames that could not be read.
    pub bad: u64,
    /// Gap rows.
    pub gaps: u64,
    /// Gap rows not healed yet.
    pub open_gaps: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Markets subscribed.
    pub markets: u64,
    /// Of these, markets without a valid book.
    pub stale: u64,
    /// True while subscribed.
    pub connected: bool,
}

/// What the collector asks of a running feed.
#[derive(Debug)]
pub enum Command {
    /// From now on exactly these markets are wanted.
    Markets(Vec<String>),
    /// The live book of a market, if it is valid.
    Book {
        /// Which.
        ticker: String,
        /// Where to send it.
        reply: oneshot::Sender<Option<Snapshot>>,
    },
}
