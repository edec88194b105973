//! What belongs to an account: orders, fills, positions, settlements, balance, places in the queue.
//!
//! REST bodies (protocol notes 5, "Reads"); [`super::private`] holds what the WebSocket tells an account.

use super::orders::{BookSide, SelfTradePrevention};
use super::text;
use crate::units::{Money, Price, Qty, Side};
use serde::{Deserialize, Serialize};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// In the book.
    Resting,
    /// Ended before it was filled.
    Canceled,
    /// Filled.
    Executed,
}

/// Why an order changed last (since 2026-10-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the exchange's own words")]
pub enum UpdateReason {
    Decrease,
    Amend,
    MarginCancel,
    SelfTradeCancel,
    ExpiryCancel,
    CloseCancel,
    HaltCancel,
    Trade,
    PostOnlyCrossCancel,
    ReduceOnlyCancel,
}

/// One order in `GET /portfolio/orders` and the `msg` of a `user_order` frame: they share these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// The exchange's name for it.
    pub order_id: String,
    /// Whose.
    pub user_id: String,
    /// The market.
    pub ticker: String,
    /// Our name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// Where it stands.
    pub status: OrderStatus,
    /// What it buys.
    pub outcome_side: Side,
    /// Bid or ask.
    pub book_side: BookSide,
    /// Limit on the YES scale.
    #[serde(with = "text")]
    pub yes_price_dollars: Price,
    /// Contracts wanted.
    #[serde(with = "text")]
    pub initial_count_fp: Qty,
    /// Contracts filled.
    #[serde(with = "text")]
    pub fill_count_fp: Qty,
    /// Contracts that rest.
    #[serde(with = "text")]
    pub remaining_count_fp: Qty,
    /// Cost of its fills as taker, on its own side.
    #[serde(with = "text")]
    pub taker_fill_cost_dollars: Money,
    /// Cost of its fills as maker, on its own side.
    #[serde(with = "text")]
    pub maker_fill_cost_dollars: Money,
    /// Fees of its fills as taker.
    #[serde(with = "text")]
    pub taker_fees_dollars: Money,
    /// Fees of its fills as maker.
    #[serde(with = "text")]
    pub maker_fees_dollars: Money,
    /// Its rule for meeting own orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_trade_prevention_type: Option<SelfTradePrevention>,
    /// Why it changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_reason: Option<UpdateReason>,
    /// RFC 3339.
    pub created_time: String,
    /// RFC 3339; absent when it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<String>,
    /// REST only: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<String>,
    /// WebSocket only: milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ts_ms: Option<i64>,
    /// WebSocket only: milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_ts_ms: Option<i64>,
    /// WebSocket only: milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_ts_ms: Option<i64>,
    /// Exchange shard.
    #[serde(default)]
    pub exchange_index: i32,
    /// 0 is the primary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subaccount_number: Option<u8>,
}

/// `GET /portfolio/orders`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPage {
    /// Newest first.
    pub orders: Vec<OrderState>,
    /// Empty at the end.
    pub cursor: String,
}

/// `GET /portfolio/orders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOrder {
    /// The order.
    pub order: OrderState,
}

/// One fill in `GET /portfolio/fills`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillRow {
    /// The trade.
    pub trade_id: String,
    /// Our order.
    pub order_id: String,
    /// The market.
    pub ticker: String,
    /// True when we took.
    pub is_taker: bool,
    /// What we bought.
    pub outcome_side: Side,
    /// Bid or ask.
    pub book_side: BookSide,
    /// YES price.
    #[serde(with = "text")]
    pub yes_price_dollars: Price,
    /// NO price.
    #[serde(with = "text")]
    pub no_price_dollars: Price,
    /// Contracts.
    #[serde(with = "text")]
    pub count_fp: Qty,
    /// Fee.
    #[serde(with = "text")]
    pub fee_cost: Money,
    /// RFC 3339.
    pub created_time: String,
    /// Seconds since the epoch.
    pub ts: i64,
}

/// `GET /portfolio/fills`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillPage {
    /// Newest first.
    pub fills: Vec<FillRow>,
    /// Empty at the end.
    pub cursor: String,
}

/// One market in `GET /portfolio/positions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketPosition {
    /// The market.
    pub ticker: String,
    /// Contracts: YES positive, NO negative.
    #[serde(with = "text")]
    pub position_fp: Qty,
    /// What the open position cost.
    #[serde(with = "text")]
    pub market_exposure_dollars: Money,
    /// What was spent on this market in all.
    #[serde(with = "text")]
    pub total_traded_dollars: Money,
    /// Profit of what was closed, before fees.
    #[serde(with = "text")]
    pub realized_pnl_dollars: Money,
    /// Fees paid.
    #[serde(with = "text")]
    pub fees_paid_dollars: Money,
    /// Orders in the book.
    pub resting_orders_count: u64,
    /// RFC 3339.
    pub last_updated_ts: String,
}

/// One event in `GET /portfolio/positions`: the sums over its markets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPosition {
    /// The event.
    pub event_ticker: String,
    /// What the open positions cost.
    #[serde(with = "text")]
    pub event_exposure_dollars: Money,
    /// What was spent in all.
    #[serde(with = "text")]
    pub total_cost_dollars: Money,
    /// Contracts traded.
    #[serde(with = "text")]
    pub total_cost_shares_fp: Qty,
    /// Profit of what was closed, before fees.
    #[serde(with = "text")]
    pub realized_pnl_dollars: Money,
    /// Fees paid.
    #[serde(with = "text")]
    pub fees_paid_dollars: Money,
}

/// `GET /portfolio/positions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionPage {
    /// By ticker.
    pub market_positions: Vec<MarketPosition>,
    /// By event.
    pub event_positions: Vec<EventPosition>,
    /// Empty at the end.
    #[serde(default)]
    pub cursor: String,
}

/// One settled market in `GET /portfolio/settlements`; `revenue` and `value` are still in cents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The market.
    pub ticker: String,
    /// Its event.
    pub event_ticker: String,
    /// `yes`, `no` or `scalar`.
    pub market_result: String,
    /// YES contracts held.
    #[serde(with = "text")]
    pub yes_count_fp: Qty,
    /// What they cost.
    #[serde(with = "text")]
    pub yes_total_cost_dollars: Money,
    /// NO contracts held.
    #[serde(with = "text")]
    pub no_count_fp: Qty,
    /// What they cost.
    #[serde(with = "text")]
    pub no_total_cost_dollars: Money,
    /// Cents paid out, rounded down.
    pub revenue: i64,
    /// Cents that one YES paid, rounded down.
    pub value: i64,
    /// Fees paid in this market.
    #[serde(with = "text")]
    pub fee_cost: Money,
    /// RFC 3339.
    pub settled_time: String,
}

/// `GET /portfolio/settlements`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementPage {
    /// Newest first.
    pub settlements: Vec<Settlement>,
    /// Empty at the end.
    pub cursor: String,
}

/// `GET /portfolio/balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Cents that can be spent, rounded down.
    pub balance: i64,
    /// The same, exactly.
    #[serde(with = "text")]
    pub balance_dollars: Money,
    /// Cents that the open positions are worth, rounded down.
    pub portfolio_value: i64,
    /// Seconds since the epoch.
    pub updated_ts: i64,
}

/// One order's place, in `GET /portfolio/orders/queue_positions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePosition {
    /// The order.
    pub order_id: String,
    /// Its market.
    pub market_ticker: String,
    /// Contracts that trade before it does.
    #[serde(with = "text")]
    pub queue_position_fp: Qty,
}

/// `GET /portfolio/orders/queue_positions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePositions {
    /// One row per order that rests.
    pub queue_positions: Vec<QueuePosition>,
}
