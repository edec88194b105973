//! Bodies of the V2 order calls, in both directions (protocol notes 5, "Orders, V2").
//!
//! Prices are always YES prices: a `bid` buys YES, an `ask` sells YES, which is buying NO at the complement.
//! Unknown fields are ignored when reading.

use super::text;
use crate::units::{Money, Price, Qty, Side};
use serde::{Deserialize, Serialize};

/// Side of the one YES book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BookSide {
    /// Buys YES.
    Bid,
    /// Sells YES: buys NO at the complement.
    Ask,
}

impl BookSide {
    /// The contract that it buys.
    pub const fn outcome(self) -> Side {
        match self {
            BookSide::Bid => Side::Yes,
            BookSide::Ask => Side::No,
        }
    }

    /// The book side that buys `outcome`.
    pub const fn buying(outcome: Side) -> BookSide {
        match outcome {
            Side::Yes => BookSide::Bid,
            Side::No => BookSide::Ask,
        }
    }

    /// `bid` or `ask`.
    pub const fn word(self) -> &'static str {
        match self {
            BookSide::Bid => "bid",
            BookSide::Ask => "ask",
        }
    }

    /// A YES price as the price of what this side buys.
    pub const fn own_price(self, yes_price: Price) -> Price {
        match self {
            BookSide::Bid => yes_price,
            BookSide::Ask => yes_price.complement(),
        }
    }
}

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// At once and whole, or not at all.
    FillOrKill,
    /// Until filled, cancelled or expired.
    GoodTillCanceled,
    /// What trades at once; the rest is cancelled.
    ImmediateOrCancel,
}

/// What happens when an order meets one of the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfTradePrevention {
    /// The rest of the incoming order is cancelled; its fills so far stay.
    TakerAtCross,
    /// The resting order is cancelled and the incoming one goes on.
    Maker,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// `POST /portfolio/events/orders`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateOrder {
    /// The market.
    pub ticker: String,
    /// Our own name for it; can be used once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// Bid or ask.
    pub side: BookSide,
    /// Contracts.
    #[serde(with = "text")]
    pub count: Qty,
    /// Limit, on the YES scale for both sides.
    #[serde(with = "text")]
    pub price: Price,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// What happens when it meets an own order.
    pub self_trade_prevention_type: SelfTradePrevention,
    /// Seconds since the epoch; only for orders that are good till cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<i64>,
    /// Refused when it would trade at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub post_only: bool,
    /// Only takes off what is held; immediate or cancel only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reduce_only: bool,
    /// Cancelled when trading pauses.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancel_order_on_pause: bool,
    /// Group with a common limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_group_id: Option<String>,
    /// 0..=63; absent is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subaccount: Option<u8>,
    /// Exchange shard; -1 lets the exchange choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_index: Option<i32>,
}

/// The answer to a create or an amend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderAck {
    /// The exchange's name for the order.
    pub order_id: String,
    /// Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// Contracts filled at once.
    #[serde(with = "text")]
    pub fill_count: Qty,
    /// Contracts that rest now.
    #[serde(with = "text")]
    pub remaining_count: Qty,
    /// Average YES price of these fills, dollars; absent without fills. May be better than the limit.
    #[serde(default, with = "text::optional", skip_serializing_if = "Option::is_none")]
    pub average_fill_price: Option<Money>,
    /// Average fee per contract of these fills, dollars; absent without fills.
    #[serde(default, with = "text::optional", skip_serializing_if = "Option::is_none")]
    pub average_fee_paid: Option<Money>,
    /// Time of the matching engine, milliseconds since the epoch.
    pub ts_ms: i64,
}

/// `POST /portfolio/events/orders/{id}/amend`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendOrder {
    /// The order's market.
    pub ticker: String,
    /// The order's side.
    pub side: BookSide,
    /// Limit from now on, on the YES scale.
    #[serde(with = "text")]
    pub price: Price,
    /// Contracts filled already plus contracts that shall rest.
    #[serde(with = "text")]
    pub count: Qty,
    /// The order's present client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// Its client id from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_client_order_id: Option<String>,
    /// Seconds since the epoch; 0 clears it, absent leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<i64>,
}

/// `POST /portfolio/events/orders/{id}/decrease`: exactly one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecreaseOrder {
    /// Contracts to take off.
    #[serde(default, with = "text::optional", skip_serializing_if = "Option::is_none")]
    pub reduce_by: Option<Qty>,
    /// Contracts that shall rest.
    #[serde(default, with = "text::optional", skip_serializing_if = "Option::is_none")]
    pub reduce_to: Option<Qty>,
}

/// The answer to a decrease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecreaseAck {
    /// The order.
    pub order_id: String,
    /// Our name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// Contracts that rest now.
    #[serde(with = "text")]
    pub remaining_count: Qty,
    /// Time of the matching engine, milliseconds since the epoch.
    pub ts_ms: i64,
}

/// The answer to a cancel, and one item of the answer to a batch of cancels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelAck {
    /// The order.
    pub order_id: String,
    /// Our name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// Contracts that rested until now; zero with an error.
    #[serde(with = "text")]
    pub reduced_by: Qty,
    /// Time of the matching engine, milliseconds since the epoch; absent with an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts_ms: Option<i64>,
    /// Only in batches: why it was not cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// `POST` and `DELETE /portfolio/events/orders/batched`, and their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch<T> {
    /// One item per order, in the order of the request.
    pub orders: Vec<T>,
}

/// One order of a batch of cancels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    /// The exchange's name for it.
    pub order_id: String,
}

/// One item of the answer to a batch of creates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BatchCreated {
    /// Accepted.
    Accepted(OrderAck),
    /// Refused.
    Refused {
        /// Our name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_order_id: Option<String>,
        /// Why.
        error: Problem,
    },
}

/// The exchange's description of an error; alone or under `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A word for programs, such as `invalid_order`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}
