//! The exchange's live side: signed WebSocket and REST, and the protocol machine between bytes and records.
//!
//! ```text
//!  socket ─► session (pure: bytes and time in, records and actions out) ─► Batch ─► collect
//!                │ books, sequence numbers (intake::Accountant)          ◄─ Command
//!                ├ subscriptions: what is asked of the exchange and how it answered
//!                └ healing: which books are unknown, which gaps are open, what to try next
//! ```
//!
//! **Invariant:** per connection and subscription, received + missing = issued; every hole is one gap row.
//! **Invariant:** nothing is applied to a book between a gap and its market's next snapshot.
//! **Invariant:** only `ws` and `connect` touch a socket or a clock; [`session`] decides.

pub mod access;
pub mod backoff;
pub mod bucket;
mod connect;
pub mod discover;
mod healing;
mod link;
mod read;
pub mod rest;
pub mod rotation;
pub mod session;
mod skew;
mod subscriptions;
pub mod tls;
mod ws;

#[cfg(test)]
mod tests;

pub use connect::ConnectError;
pub use link::{Action, Lost, Now};
pub use session::Session;
pub use ws::run;

use crate::event::{MarketId, Record, Snapshot};
use crate::wire::auth::Signer;
use std::time::Duration;
use tls::TlsConfig;
use tokio::sync::oneshot;

/// Where to connect, as whom, and what to ask for.
#[derive(Clone)]
pub struct FeedSpec {
    /// `ws://127.0.0.1:7007/trade-api/ws/v2`. Without credentials in it: it stands in the log.
    pub ws_url: String,
    /// Signs the upgrade; `None` sends it unsigned.
    pub signer: Option<Signer>,
    /// How `wss://` is spoken.
    pub tls: TlsConfig,
    /// The channels to subscribe.
    pub channels: Vec<Channel>,
    /// How NO levels are asked for: on the YES scale, or on their own (the exchange's default today).
    /// Events carry NO on its own axis either way.
    pub use_yes_price: bool,
    /// Deadlines.
    pub timing: Timing,
    /// Seed of the jitter.
    pub seed: u64,
}

/// A channel of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Snapshots and deltas of the wanted markets.
    OrderbookDelta,
    /// Public trades of the wanted markets.
    Trade,
    /// Lifecycle of all markets; the exchange knows no filter here.
    MarketLifecycle,
    /// Our own fills in all markets. Its frames have no numbers: what is lost with a connection is read again.
    Fill,
    /// Our own orders in all markets; as [`Channel::Fill`].
    UserOrders,
}

impl Channel {
    /// The exchange's name for it.
    pub const fn word(self) -> &'static str {
        match self {
            Channel::OrderbookDelta => "orderbook_delta",
            Channel::Trade => "trade",
            Channel::MarketLifecycle => "market_lifecycle_v2",
            Channel::Fill => "fill",
            Channel::UserOrders => "user_orders",
        }
    }

    /// True if it is subscribed market by market.
    pub const fn by_market(self) -> bool {
        matches!(self, Channel::OrderbookDelta | Channel::Trade)
    }
}

/// All deadlines of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For DNS, TCP, TLS and the upgrade together.
    pub connect: Duration,
    /// How long to keep trying before the first connection has stood; zero: one attempt. What no second
    /// attempt can change (a wrong key, another kind of server) ends it at once.
    pub first_connect: Duration,
    /// Without any frame for this long we send a ping of our own.
    pub ping_after: Duration,
    /// Without any frame for this long (pings and pongs are frames) the connection is dead.
    pub silence: Duration,
    /// For the answer to a command.
    pub reply: Duration,
    /// For the snapshots that heal a gap (protocol notes 4.4: about 5 s).
    pub snapshot: Duration,
    /// Between two rounds of asking for snapshots, so that no fault makes a storm of commands.
    pub ask_pause: Duration,
    /// Between two attempts at what the exchange refused, and at markets that never sent a snapshot.
    pub slow_retry: Duration,
    /// How long a full queue holds up the socket before the connection is given up on purpose.
    pub queue_patience: Duration,
    /// For writing one command: a peer that does not read is gone.
    pub write: Duration,
    /// Bound of the first wait before another connection; later ones grow ([`backoff`]).
    pub backoff: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            connect: Duration::from_secs(10),
            first_connect: Duration::ZERO,
            ping_after: Duration::from_secs(8),
            silence: Duration::from_secs(15),
            reply: Duration::from_secs(5),
            snapshot: Duration::from_secs(5),
            ask_pause: Duration::from_millis(200),
            slow_retry: Duration::from_secs(30),
            queue_patience: Duration::from_secs(10),
            write: Duration::from_secs(5),
            backoff: Duration::from_millis(500),
        }
    }
}

/// Records in the order of the log, and what they added to the dictionary of markets.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Markets new to the dictionary, in order of their ids: ticker and the exchange's own id. A market
    /// stands here again when its exchange's id became known later.
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
    /// Sequence numbers that never came, or came too late.
    pub missing: u64,
    /// Frames that came twice.
    pub duplicates: u64,
    /// Frames that came after their number was given up: kept as bytes, their numbers stay missing.
    pub late: u64,
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
    /// Wanted markets without a valid book, subscribed or not; markets that the exchange refused are not
    /// waited for.
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

/// How a feed ended that was told to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedEnd {
    /// The counters at the end.
    pub counters: Counters,
    /// Records that the queue did not take any more: its reader had gone.
    pub undelivered: u64,
}

/// Why a feed could not go on.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// No connection has stood yet.
    #[error("cannot connect to {url}")]
    Connect {
        /// Where.
        url: String,
        /// Why the last attempt failed.
        #[source]
        source: ConnectError,
    },
}
