//! What can be asked of the matcher, and what it answers.

use crate::broker::{FeeSchedule, Intent, Latency, QueueModel, Role};
use crate::units::{Money, Price, Qty, TsNs};
use crate::wire::orders::{SelfTradePrevention, TimeInForce};
use serde::{Deserialize, Serialize};

/// The caller's name of an order: unique among the orders of a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderId(pub u64);

/// A limit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// What it buys or sells.
    pub intent: Intent,
    /// Its limit, on the scale of `intent.side`; strictly between 0 and 1 dollar.
    pub price: Price,
    /// Contracts; positive.
    pub qty: Qty,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// When it expires, exchange time; only with good till cancelled.
    pub expires: Option<TsNs>,
    /// Refused when it would trade at once.
    pub post_only: bool,
    /// Only takes off what is held; only with immediate or cancel (protocol notes 5).
    pub reduce_only: bool,
    /// What happens when it meets an own order.
    pub self_trade: SelfTradePrevention,
}

/// What an amend asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amend {
    /// Other limit, size (already filled plus wanted remaining) and expiry. The place in the queue is kept
    /// when the price stays and the size does not grow.
    Replace {
        /// Limit from now on.
        price: Price,
        /// Contracts filled already plus contracts that shall rest.
        count: Qty,
        /// Expiry from now on.
        expires: Option<TsNs>,
    },
    /// That many contracts fewer. Keeps the place.
    ReduceBy(Qty),
    /// So many contracts shall rest, if more do. Keeps the place.
    ReduceTo(Qty),
}

/// The three queues in which every order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Cancels stood behind us wherever that is possible; an undecided decrease is one.
    Pessimistic,
    /// Cancels are shared by the fitted model; an undecided decrease waits.
    Fitted,
    /// Cancels stood before us wherever that is possible; an undecided decrease is one.
    Optimistic,
}

impl Bound {
    /// All three, from the worst to the best.
    pub const ALL: [Bound; 3] = [Bound::Pessimistic, Bound::Fitted, Bound::Optimistic];
}

/// One value per queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bracket<T>(pub [T; 3]);

impl<T: Copy> Bracket<T> {
    /// The same value in all three.
    pub const fn all(value: T) -> Bracket<T> {
        Bracket([value; 3])
    }
}

impl<T> std::ops::Index<Bound> for Bracket<T> {
    type Output = T;
    fn index(&self, bound: Bound) -> &T {
        &self.0[bound as usize]
    }
}

/// Contracts of an order traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Whose.
    pub order: OrderId,
    /// What was bought or sold.
    pub intent: Intent,
    /// At what price, on the scale of `intent.side`.
    pub price: Price,
    /// Whether we took or were taken.
    pub role: Role,
    /// Contracts, by queue: at least one of the three is positive.
    pub qty: Bracket<Qty>,
    /// Net fees, by queue.
    pub fee: Bracket<Money>,
    /// When it happened at the exchange.
    pub at: TsNs,
    /// The row at which it happened: the decrease that we stood in, the order that crossed us; for a taker
    /// the last row before it arrived.
    pub exchange_row: u64,
    /// The row by which it is known.
    pub known_row: u64,
    /// The order rested over a gap: its place in the queue is not known.
    pub uncertain: bool,
}

/// What became of an order, apart from fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Whose.
    pub order: OrderId,
    /// When, exchange time.
    pub at: TsNs,
    /// The last row before it.
    pub row: u64,
    /// What.
    pub state: State,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It rests, with so many contracts of others before it.
    Resting {
        /// Contracts of others before it, by queue.
        ahead: Bracket<Qty>,
    },
    /// It is over.
    Ended {
        /// Why.
        why: End,
        /// What was not filled in the queue that counts.
        left: Qty,
    },
    /// A request about it was refused; nothing changed.
    Refused(Refusal),
}

/// Why an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Everything traded.
    Filled,
    /// We cancelled it.
    Cancelled,
    /// An amend or a decrease left nothing to fill.
    Reduced,
    /// Immediate or cancel, and this did not trade.
    Immediate,
    /// It expired.
    Expired,
    /// It met an own order, or an own order met it.
    SelfTrade,
    /// A post-only order was amended to a price at which it would trade.
    PostOnlyCross,
    /// The market was halted.
    Halted,
    /// The market closed.
    Closed,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Prices are strictly between 0 and 1 dollar.
    #[error("price is not between 0 and 1 dollar")]
    Price,
    /// Sizes are positive, and at most 10 billion contracts.
    #[error("size is not positive or absurd")]
    Size,
    /// The name is taken.
    #[error("an order of this name exists")]
    Duplicate,
    /// More orders or requests than a matcher holds.
    #[error("too many orders at once")]
    TooMany,
    /// No such order is working.
    #[error("no such order is working")]
    Unknown,
    /// Expiry, reduce-only or post-only contradict the time in force.
    #[error("the order's flags contradict each other")]
    Flags,
    /// A post-only order would trade.
    #[error("post only cross")]
    PostOnly,
    /// A fill-or-kill order cannot trade whole.
    #[error("fill or kill insufficient resting volume")]
    FillOrKill,
    /// A reduce-only order has nothing to reduce.
    #[error("there is no position to reduce")]
    NothingToReduce,
    /// The market does not take orders.
    #[error("the market does not take orders")]
    NotActive,
}

/// Whether the market trades (protocol notes 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It trades.
    #[default]
    Active,
    /// A trading pause: orders rest, cancels are taken.
    Paused,
    /// Deactivated: as paused, but resting orders are cancelled when it trades again.
    Inactive,
    /// It trades no more.
    Closed,
}

impl Phase {
    /// The phase that the `status` of a market object tells. `None` for a market that is not open yet, because
    /// nothing is told when it opens, and for words that are not known.
    pub fn of_status(status: &str) -> Option<Phase> {
        match status {
            "active" | "open" => Some(Phase::Active),
            "inactive" | "paused" => Some(Phase::Inactive),
            "closed" | "determined" | "disputed" | "amended" | "finalized" | "settled" => {
                Some(Phase::Closed)
            }
            _ => None,
        }
    }
}

/// How a matcher matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The model of the fitted queue.
    pub fitted: QueueModel,
    /// The queue that decides when an order is filled and what is held; the other two are reported.
    pub counts: Bound,
    /// How long requests take.
    pub latency: Latency,
    /// What fills cost.
    pub fees: FeeSchedule,
    /// When trading ends, exchange time.
    pub close: Option<TsNs>,
}

impl Default for Rules {
    /// Fills that do not flatter: the pessimistic queue counts.
    fn default() -> Rules {
        Rules {
            fitted: QueueModel::Power(crate::broker::Exponent::TWO),
            counts: Bound::Pessimistic,
            latency: Latency::default(),
            fees: FeeSchedule::default(),
            close: None,
        }
    }
}

/// Where a matcher puts what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// Fills, in the order in which they became known.
    pub fills: Vec<Fill>,
    /// Everything else that happened to orders.
    pub updates: Vec<Update>,
}

impl Reports {
    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.fills.clear();
        self.updates.clear();
    }
}
