//! What is said to the desk, and what it says.

use super::entry::Entry;
use super::queues::QueueLine;
use super::standing::Standing;
use crate::broker::{Intent, Role, Verb};
use crate::market::MarketInfo;
use crate::trade::blotter::{Difference, Order, State};
use crate::trade::message::{Change, Command, FillFact, Wanted};
use crate::trade::risk::{Refused, Trip};
use crate::units::{Money, Price, Qty, TsNs};
use crate::wire::orders::{BookSide, TimeInForce};

/// What is said to the desk from this side.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// An order is wanted.
    Place(Placed),
    /// An order is wanted no more; harmless when it is over or was never let through.
    Cancel {
        /// The caller's number of it.
        number: u64,
    },
    /// A resting order shall have another limit (YES scale) or size. One change at a time.
    Change {
        /// The caller's number of it.
        number: u64,
        /// How.
        change: Change,
    },
    /// A market's definition became known, or changed.
    Market(Box<MarketInfo>),
    /// A market's book changed.
    Quote(Quote),
    /// Market data have come as far as this moment, by the exchange's clock or ours, whichever says less: books that
    /// were whole still were then.
    Heard(TsNs),
}

/// An order as who decides wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The caller's number of it; used once.
    pub number: u64,
    /// The record of the log that it was decided on.
    pub row_id: u64,
    /// The market.
    pub ticker: String,
    /// What is bought or sold.
    pub intent: Intent,
    /// Limit, on the scale of `intent.side`.
    pub price: Price,
    /// Contracts.
    pub qty: Qty,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// It never takes.
    pub post_only: bool,
}

impl Placed {
    /// The same as the exchange's one book of YES takes it.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            ticker: self.ticker.clone(),
            side: if self.intent.adds_yes() { BookSide::Bid } else { BookSide::Ask },
            price: self.intent.yes_price(self.price),
            count: self.qty,
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            reduce_only: false,
            expires_s: None,
        }
    }
}

/// What a market's book shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The market.
    pub ticker: String,
    /// When it was so, as [`Ask::Heard`] counts.
    pub at: TsNs,
    /// False from a gap until the next snapshot.
    pub whole: bool,
    /// Best YES bid.
    pub bid: Option<Price>,
    /// Best YES ask.
    pub ask: Option<Price>,
}

/// Why an order is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Risk says so.
    Risk(Refused),
    /// The account was not read yet, or not for too long.
    NotRead,
    /// Nobody told what this market is.
    UnknownMarket,
    /// Its number was used before.
    UsedNumber,
    /// The session ends.
    Ending,
    /// Too much is waiting to be looked at.
    QueueFull,
    /// The desk has ended.
    Gone,
}

impl Refusal {
    /// One word for the action row.
    pub const fn word(self) -> &'static str {
        match self {
            Refusal::Risk(refused) => refused.word(),
            Refusal::NotRead => "account_not_read",
            Refusal::UnknownMarket => "unknown_market",
            Refusal::UsedNumber => "used_number",
            Refusal::Ending => "ending",
            Refusal::QueueFull => "queue_full",
            Refusal::Gone => "desk_gone",
        }
    }
}

/// What became of orders, for who decided on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The account was read and nothing of an earlier run is left: orders can be placed.
    Ready,
    /// An order was not sent.
    Refused {
        /// The caller's number of it.
        number: u64,
        /// Why.
        why: Refusal,
    },
    /// The exchange has an order, and it rests.
    Resting {
        /// The caller's number of it.
        number: u64,
    },
    /// Contracts traded: once per trade.
    Filled(OrderFill),
    /// A change was answered, one way or the other: the order rests so.
    Changed {
        /// The caller's number of it.
        number: u64,
        /// Its limit now, on the scale of its intent's side.
        price: Price,
        /// Contracts that may still be filled.
        left: Qty,
    },
    /// A change was not sent: the order is what it was.
    Unchanged {
        /// The caller's number of it.
        number: u64,
        /// Why, in words.
        why: String,
    },
    /// All about an order is known, and nothing more comes.
    Ended {
        /// The caller's number of it; `None` for one of the desk's own (a forced exit).
        number: Option<u64>,
        /// Its market.
        ticker: String,
        /// How it ended.
        state: State,
        /// Why the exchange did not take it, in words.
        why: Option<String>,
    },
    /// The exchange holds another position than the fills of this run make: from before it, or traded by
    /// somebody else, or paid out.
    Position {
        /// The market.
        ticker: String,
        /// Contracts now, +YES and -NO.
        position: Qty,
    },
    /// Trading was stopped; open orders are being cancelled.
    Tripped(Trip),
}

/// A fill in the words of the order that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFill {
    /// The caller's number of the order; `None` for one of the desk's own.
    pub number: Option<u64>,
    /// The market.
    pub ticker: String,
    /// What was bought or sold.
    pub intent: Intent,
    /// On the scale of `intent.side`.
    pub price: Price,
    /// Contracts.
    pub qty: Qty,
    /// What it cost; the published formula where the exchange did not say.
    pub fee: Money,
    /// Whether we took.
    pub role: Role,
    /// The exchange's time, milliseconds since the epoch.
    pub at_ms: i64,
}

impl OrderFill {
    pub(super) fn new(
        number: Option<u64>,
        intent: Intent,
        fill: &FillFact,
        fee: Money,
    ) -> OrderFill {
        OrderFill {
            number,
            ticker: fill.ticker.clone(),
            intent,
            price: intent.yes_price(fill.yes_price),
            qty: fill.qty,
            fee,
            role: role(fill.is_taker),
            at_ms: fill.at_ms,
        }
    }
}

pub(super) const fn role(is_taker: bool) -> Role {
    if is_taker { Role::Taker } else { Role::Maker }
}

/// What an order of the desk's own means: buying what its side of the book buys.
pub(super) const fn buying(side: BookSide) -> Intent {
    Intent { side: side.outcome(), verb: Verb::Buy }
}

/// An order that may still be filled, for a person.
pub(super) fn open(order: &Order) -> String {
    let wanted = &order.wanted;
    let (side, left, state) = (wanted.side.word(), order.left(), order.state().word());
    format!("{}: {side} {left} at {} ({state}, {})", wanted.ticker, order.price(), order.id)
}

/// What a reading found, for a person.
pub(super) fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::Orphan { order_id, client_id } => {
            format!("order {order_id} ({client_id}) of an earlier run rests: it is being cancelled")
        }
        Difference::Foreign { order_id } => {
            format!("order {order_id} is not ours: it is left alone")
        }
        Difference::Order { id, ours, theirs } => {
            format!("order {id} rests with {theirs} contracts, not {ours}")
        }
        Difference::Gone { id } => format!("order {id} does not rest: it is being looked up"),
        Difference::Fill { id, trade_id } => format!("fill {trade_id} of order {id} was not told"),
        Difference::Position { ticker, ours, theirs } => {
            format!("{ticker}: {theirs} contracts held, not {ours}")
        }
    }
}

/// What whoever runs the desk has to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Write this down before anything that follows.
    Write(Entry),
    /// A gateway has to do this.
    Do(Command),
    /// The account has to be read.
    Read {
        /// Fills from then on, seconds since the epoch.
        since_s: i64,
        /// Our clock now.
        asked: TsNs,
    },
    /// The places of our orders in their queues have to be read.
    LookAtQueues {
        /// Markets in which orders rest.
        tickers: Vec<String>,
    },
    /// Write this place down.
    Stands(QueueLine),
    /// Keep the stop over a restart.
    Latch(Trip),
    /// Keep this over a restart.
    Keep(Standing),
    /// Tell who decides.
    Tell(Outcome),
}
