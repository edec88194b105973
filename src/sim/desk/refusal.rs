//! Why an order call is refused, in the exchange's words (protocol notes 5, table of errors).

use crate::units::Money;
use crate::wire::orders::Problem;

/// A refused order call. Nothing has happened, except that a killed order has used its client id up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A field contradicts another one or the market.
    #[error("invalid order: {0}")]
    Invalid(&'static str),
    /// A post-only order would trade at once.
    #[error("post only cross")]
    PostOnlyCross,
    /// A fill-or-kill order cannot be filled whole.
    #[error("fill or kill insufficient resting volume")]
    Killed,
    /// The client id was used before.
    #[error("order already exists")]
    ClientIdUsed,
    /// The account cannot pay for it.
    #[error("insufficient balance: short by {0}")]
    InsufficientBalance(Money),
    /// No such order, or it rests no more.
    #[error("order not found")]
    NotFound,
    /// No such market.
    #[error("market not found")]
    NoMarket,
    /// The market is not open.
    #[error("market is not open")]
    MarketClosed,
    /// Trading is paused.
    #[error("trading is paused")]
    Paused,
}

impl OrderError {
    /// HTTP status of the answer. Those of closed and paused markets are our assumption.
    pub const fn status(&self) -> u16 {
        match self {
            OrderError::Invalid(_)
            | OrderError::PostOnlyCross
            | OrderError::InsufficientBalance(_) => 400,
            OrderError::Killed
            | OrderError::ClientIdUsed
            | OrderError::MarketClosed
            | OrderError::Paused => 409,
            OrderError::NotFound | OrderError::NoMarket => 404,
        }
    }

    /// Body of the answer.
    pub fn problem(&self) -> Problem {
        let (code, message, details) = match self {
            OrderError::Invalid(why) => ("invalid_order", "invalid order", Some(*why)),
            OrderError::PostOnlyCross => {
                ("invalid_order", "invalid order", Some("post only cross"))
            }
            OrderError::Killed => (
                "fill_or_kill_insufficient_resting_volume",
                "fill or kill insufficient resting volume",
                None,
            ),
            OrderError::ClientIdUsed => ("order_already_exists", "order already exists", None),
            OrderError::InsufficientBalance(_) => {
                ("insufficient_balance", "insufficient balance", None)
            }
            OrderError::NotFound => ("not_found", "not found", Some("order not found")),
            OrderError::NoMarket => ("not_found", "not found", Some("market not found")),
            OrderError::MarketClosed => ("market_inactive", "market is not active", None),
            OrderError::Paused => ("trading_is_paused", "trading is paused", None),
        };
        Problem { code: code.into(), message: message.into(), details: details.map(str::to_owned) }
    }
}
