//! What the WebSocket tells one account (protocol notes 4.6): fills, orders, positions.

use super::frame::Fill;
use super::portfolio::OrderState;
use super::text;
use crate::units::{Money, Qty};
use serde::{Deserialize, Serialize};

/// `msg` of a `market_position` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionFrame {
    /// Whose.
    pub user_id: String,
    /// The market.
    pub market_ticker: String,
    /// Contracts: YES positive, NO negative.
    #[serde(with = "text")]
    pub position_fp: Qty,
    /// What the open position cost.
    #[serde(with = "text")]
    pub position_cost_dollars: Money,
    /// Profit of what was closed, before fees.
    #[serde(with = "text")]
    pub realized_pnl_dollars: Money,
    /// Fees paid in this market.
    #[serde(with = "text")]
    pub fees_paid_dollars: Money,
    /// Fees of the open position.
    #[serde(with = "text")]
    pub position_fee_cost_dollars: Money,
    /// Contracts traded.
    #[serde(with = "text")]
    pub volume_fp: Qty,
}

/// What a private channel tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Private {
    /// Channel `fill`.
    Fill(Box<Fill>),
    /// Channel `user_orders`.
    Order(Box<OrderState>),
    /// Channel `market_positions`.
    Position(Box<PositionFrame>),
}

impl Private {
    /// The `type` of its frame.
    pub const fn kind(&self) -> &'static str {
        match self {
            Private::Fill(_) => "fill",
            Private::Order(_) => "user_order",
            Private::Position(_) => "market_position",
        }
    }

    /// The `msg` of its frame.
    ///
    /// # Errors
    /// Never for these types: they are plain data with text keys.
    pub fn msg(&self) -> serde_json::Result<String> {
        match self {
            Private::Fill(fill) => serde_json::to_string(fill),
            Private::Order(order) => serde_json::to_string(order),
            Private::Position(position) => serde_json::to_string(position),
        }
    }
}
