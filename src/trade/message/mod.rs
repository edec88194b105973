//! The words between who decides, the blotter that keeps the orders, and the gateway that sends them.
//!
//! Prices are YES prices, as in the exchange's one book: a bid buys YES, an ask sells YES, which is buying NO.

mod said;

pub use said::{FillFact, Over, Truth, View};

use crate::event::SessionId;
use crate::feed::rest::Refusal;
use crate::units::{Price, Qty};
use crate::wire::orders::{BookSide, CreateOrder, SelfTradePrevention, TimeInForce};

/// What all client ids of this program begin with.
const OURS: &str = "kflow-";

/// Our own name for an order: `kflow-`, the run, and a number that the run uses once. The exchange takes a
/// client id once, so the same order can never be placed twice, whatever is sent again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// The `number`-th order of a run.
    pub fn new(run: SessionId, number: u64) -> ClientId {
        ClientId(format!("{OURS}{run}-{number}"))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A client id that the exchange told; `None` when another program made it.
    pub fn of_ours(text: &str) -> Option<ClientId> {
        text.starts_with(OURS).then(|| ClientId(text.to_owned()))
    }
}

impl std::fmt::Display for ClientId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An order as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The market.
    pub ticker: String,
    /// Bid or ask.
    pub side: BookSide,
    /// Limit, YES scale.
    pub price: Price,
    /// Contracts, above zero.
    pub count: Qty,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// It never takes; good till cancelled only.
    pub post_only: bool,
    /// It only takes off what is held; immediate or cancel only.
    pub reduce_only: bool,
    /// Seconds since the epoch; good till cancelled only.
    pub expires_s: Option<i64>,
}

impl Wanted {
    /// The body of the call that places it. Meeting an own order cancels the rest of the incoming one, so that
    /// no order of ours trades with another.
    pub fn body(&self, id: &ClientId) -> CreateOrder {
        CreateOrder {
            ticker: self.ticker.clone(),
            client_order_id: Some(id.0.clone()),
            side: self.side,
            count: self.count,
            price: self.price,
            time_in_force: self.time_in_force,
            self_trade_prevention_type: SelfTradePrevention::TakerAtCross,
            expiration_time: self.expires_s,
            post_only: self.post_only,
            reduce_only: self.reduce_only,
            cancel_order_on_pause: false,
            order_group_id: None,
            subaccount: None,
            exchange_index: None,
        }
    }
}

/// What the blotter asks of a gateway. Each is answered by one [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Place an order; said once per client id.
    Submit {
        /// Its name.
        id: ClientId,
        /// The order.
        order: Wanted,
    },
    /// Change or end an order.
    Change {
        /// Our name for it.
        id: ClientId,
        /// The exchange's.
        order_id: String,
        /// Its market.
        ticker: String,
        /// Its side.
        side: BookSide,
        /// How.
        change: Change,
    },
    /// Look an order up by our name among all orders of the market since then, and read its fills after that.
    Query {
        /// Our name for it.
        id: ClientId,
        /// Its market.
        ticker: String,
        /// Where to begin, seconds since the epoch.
        since_s: i64,
    },
    /// Cancel an order that the blotter does not keep: one of an earlier run.
    CancelOrphan {
        /// The exchange's name for it.
        order_id: String,
    },
}

/// A change of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The end of what rests.
    Cancel,
    /// Another limit and size.
    Amend {
        /// YES price.
        price: Price,
        /// Contracts filled already plus contracts that shall rest.
        count: Qty,
    },
    /// Less of it, which keeps its place in the queue.
    Decrease {
        /// Contracts that shall rest.
        to: Qty,
    },
}

/// What an answer is an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The submit.
    Submit,
    /// A change.
    Change(Change),
}

/// What an exchange, or its silence, said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A submit is on its way.
    Sent(ClientId),
    /// The answer to a submit or a change.
    Answer {
        /// Our name for the order.
        id: ClientId,
        /// What it answers.
        to: Request,
        /// What came back.
        answer: Answer,
    },
    /// The answer to a query.
    Queried {
        /// Our name for the order.
        id: ClientId,
        /// The order and its fills, or that there is none, or that there was no answer.
        found: Found,
    },
    /// A fill, by whatever channel, as often as it is told.
    Fill(FillFact),
    /// An order's state, by whatever channel.
    Order {
        /// Our name for it.
        id: ClientId,
        /// What was said.
        view: View,
    },
    /// A market was paid out.
    Settled {
        /// The market.
        ticker: String,
        /// What one YES paid.
        value: Price,
    },
    /// An order of an earlier run was cancelled, or not; reconciliation looks again.
    OrphanCancelled {
        /// The exchange's name for it.
        order_id: String,
    },
}

/// What came back for a submit or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done(View),
    /// Refused by the exchange: nothing happened.
    Refused(Refusal),
    /// Never reached the exchange; the reason in words.
    NotTaken(String),
    /// Nobody knows; the reason in words.
    Unknown(String),
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The order, and its fills as read after it.
    Order(View, Vec<FillFact>),
    /// No such order.
    Nothing,
    /// No answer.
    Unknown(String),
}
