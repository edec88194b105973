//! The house language: what happened in a market, in our units.
//!
//! Everything below the wire speaks [`Event`]: the book, the log, the dataset, the observer, the
//! environment and the actor. A live session, an import and a replay differ only in who makes them.
//!
//! **Invariant:** order is [`Event::row_id`]; wall clocks may jump, exchange stamps may tie.

use crate::units::{Price, Qty, Side, TsNs, TsUs};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Index of a market in the [`Tickers`] dictionary that came with the event.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct MarketId(pub u32);

impl MarketId {
    /// For what belongs to no market: acknowledgements, unknown frames, a gap of a whole connection.
    pub const NONE: MarketId = MarketId(u32::MAX);
}

/// One thing that happened, as recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Position in the log: the total order over everything recorded.
    pub row_id: u64,
    /// When we received it, by our wall clock.
    pub recv: TsNs,
    /// The exchange's stamp; `None` where the frame has none (snapshots).
    pub ts: Option<TsUs>,
    /// Whose market; [`MarketId::NONE`] where it is nobody's.
    pub market: MarketId,
    /// Subscription id, the scope of `seq`; 0 where the frame has none.
    pub sid: u32,
    /// Sequence number inside `sid`; 0 where the frame has none (the exchange counts from 1).
    pub seq: u64,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A whole book: replaces what was there.
    Snapshot(Box<Snapshot>),
    /// A signed change of one bid level, on that side's own price axis.
    Delta(Delta),
    /// A public trade. Does not touch the book: the matching deltas come by themselves.
    Trade(Box<Trade>),
    /// Something is missing before this point. The book of the market (of every market of `sid`
    /// when the market is [`MarketId::NONE`]) is invalid until its next snapshot.
    Gap(Box<Gap>),
    /// A gap told of before is healed: the same `sid`, `from` and `to`, now with `healed_by`. Changes no
    /// book: the snapshot that healed it did.
    Healed(Box<Gap>),
    /// A frame that we keep but do not interpret; the raw bytes stand in the [`Record`].
    Other(Box<str>),
    /// A frame that could not be read; the raw bytes stand in the [`Record`], this is the reason.
    Bad(Box<str>),
    /// Definition, close or settlement of a market became known: the exchange's JSON object.
    Market(Box<str>),
}

/// All bids of one market. A missing side is an empty list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// YES bids in the order sent: (price, size).
    pub yes: Vec<(Price, Qty)>,
    /// NO bids in the order sent, on the NO price axis.
    pub no: Vec<(Price, Qty)>,
}

/// A signed change of one bid level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Which ladder.
    pub side: Side,
    /// The level, on that side's own axis.
    pub price: Price,
    /// Contracts added (positive) or taken away.
    pub qty: Qty,
}

/// A public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// What the taker bought: `Yes` lifts YES asks, `No` hits YES bids.
    pub taker: Side,
    /// Price of YES; NO traded at the complement.
    pub yes_price: Price,
    /// Contracts.
    pub qty: Qty,
    /// `Some(true)` for a block trade; `None` where the frame did not say.
    pub block: Option<bool>,
    /// The exchange's trade id (UUID bytes).
    pub id: [u8; 16],
}

/// A hole in what was recorded, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why.
    pub cause: GapCause,
    /// First missing sequence number (0: unknown).
    pub from: u64,
    /// Last missing sequence number (0: unknown).
    pub to: u64,
    /// Receive time of the last frame before the hole (0: unknown).
    pub since: TsNs,
    /// Receive time of what showed the hole.
    pub until: TsNs,
    /// What healed it: `snapshot`, `resubscribe`, `reconnect`, or empty while open.
    pub healed_by: String,
}

impl Gap {
    /// A hole without numbers, seen at `until`.
    pub fn unnumbered(cause: GapCause, until: TsNs) -> Gap {
        Gap { cause, from: 0, to: 0, since: TsNs(0), until, healed_by: String::new() }
    }
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// Sequence numbers were skipped.
    SeqGap,
    /// The connection (or the subscription) was replaced.
    Reconnect,
    /// A delta would have made a level negative: an earlier message is missing.
    NegativeLevel,
    /// A frame of this market could not be read.
    BadFrame,
    /// Our own queue was given up on purpose.
    QueueFull,
    /// The process ended before its last records were committed.
    Crash,
    /// The disk had too little space left: nothing was recorded from here on, or since.
    DiskFull,
}

impl GapCause {
    /// The word used in tables and files.
    pub const fn word(self) -> &'static str {
        match self {
            GapCause::SeqGap => "seq_gap",
            GapCause::Reconnect => "reconnect",
            GapCause::NegativeLevel => "negative_level",
            GapCause::BadFrame => "bad_frame",
            GapCause::QueueFull => "queue_full",
            GapCause::Crash => "crash",
            GapCause::DiskFull => "disk_full",
        }
    }
}

/// An event together with the frame's bytes where the event alone could not give them back.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The event.
    pub event: Event,
    /// The frame as received; `None` when re-encoding `event` gives the same JSON value.
    pub raw: Option<Box<[u8]>>,
}

/// The dictionary from [`MarketId`] to ticker and the exchange's own market id.
#[derive(Clone, Debug, Default)]
pub struct Tickers {
    names: Vec<Box<str>>,
    uuids: Vec<Option<[u8; 16]>>,
    by_name: HashMap<Box<str>, MarketId>,
    last: u32,
}

impl Tickers {
    /// The id of `ticker`, entered if new. Repeating the last ticker asked for costs one compare.
    pub fn intern(&mut self, ticker: &str) -> MarketId {
        if self.names.get(self.last as usize).is_some_and(|n| &**n == ticker) {
            return MarketId(self.last);
        }
        let id = match self.by_name.get(ticker) {
            Some(id) => *id,
            None => {
                let id = MarketId(self.names.len() as u32);
                self.names.push(ticker.into());
                self.uuids.push(None);
                self.by_name.insert(ticker.into(), id);
                id
            }
        };
        self.last = id.0;
        id
    }

    /// The id of `ticker` if it was entered.
    pub fn find(&self, ticker: &str) -> Option<MarketId> {
        self.by_name.get(ticker).copied()
    }

    /// The ticker of `id`; empty for [`MarketId::NONE`] and strangers.
    pub fn name(&self, id: MarketId) -> &str {
        self.names.get(id.0 as usize).map_or("", |n| n)
    }

    /// The exchange's `market_id` (UUID bytes), once a frame has shown it.
    pub fn uuid(&self, id: MarketId) -> Option<[u8; 16]> {
        self.uuids.get(id.0 as usize).copied().flatten()
    }

    /// Remembers the exchange's `market_id` of a market.
    pub fn set_uuid(&mut self, id: MarketId, uuid: [u8; 16]) {
        if let Some(slot) = self.uuids.get_mut(id.0 as usize) {
            *slot = Some(uuid);
        }
    }

    /// Number of markets.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True before the first market.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All tickers in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (MarketId, &str)> {
        self.names.iter().enumerate().map(|(i, n)| (MarketId(i as u32), &**n))
    }
}

/// One run of the collector or one import. UUIDv7: sorts by its start.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SessionId(pub [u8; 16]);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl std::str::FromStr for SessionId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, uuid::Error> {
        Ok(SessionId(uuid::Uuid::parse_str(s)?.into_bytes()))
    }
}

/// What is known about a session when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMeta {
    /// Its identity.
    pub id: SessionId,
    /// Where the events come from: `import:FILE`, `live`, `sim:seed=7`. Synthetic data start with `sim:`.
    pub source: String,
    /// `prod`, `demo`, `sim` or `none`.
    pub exchange_env: String,
    /// Our wall clock at the start.
    pub started: TsNs,
    /// Remarks that qualify the data, e.g. `recv_time_from_exchange_time`, `sequence=partial`.
    pub flags: Vec<String>,
    /// SHA-256 (hex) of the files that were imported; guards against importing one twice.
    pub inputs: Vec<String>,
}
