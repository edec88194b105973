//! Why an order call did nothing, or why nobody knows what it did (protocol notes 5, table of errors).

use super::{NotAllowed, RestError};
use crate::wire::rest::ErrorBody;

/// Why an order call has no answer. Only [`OrderError::Unknown`] leaves open what happened.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The address takes no orders; nothing was sent.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The exchange understood and refused: nothing happened.
    #[error("the exchange refused: {0}")]
    Refused(Refusal),
    /// It never reached the matching engine: no connection, no key, too fast.
    #[error("the order call was not taken")]
    NotTaken(#[source] RestError),
    /// It may or may not have been carried out: the answer is lost, or is none.
    #[error("it is unknown what became of the order call")]
    Unknown(#[source] RestError),
}

/// The exchange's reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account cannot pay for it.
    #[error("insufficient balance")]
    InsufficientBalance,
    /// A post-only order would trade at once.
    #[error("a post-only order would cross")]
    PostOnlyCross,
    /// Fill-or-kill, and not enough volume; the client id is used up.
    #[error("fill or kill: not enough resting volume")]
    Killed,
    /// Immediate-or-cancel, and no volume at all.
    #[error("immediate or cancel: no resting volume")]
    NoVolume,
    /// The client id was used before: the order may well stand there.
    #[error("an order with this client id exists")]
    AlreadyExists,
    /// The market takes no orders: not yet open, closed, deactivated.
    #[error("the market is not open")]
    MarketClosed,
    /// Trading is paused.
    #[error("trading is paused")]
    Paused,
    /// No such market, or no such order any more.
    #[error("not found")]
    NotFound,
    /// The price is off the market's tick grid.
    #[error("the price is not on the market's price levels")]
    OffTick,
    /// Another rule of orders is broken.
    #[error("invalid order: {0}")]
    Invalid(String),
    /// Anything else, in the exchange's words.
    #[error("HTTP {status} {code}: {message}")]
    Other {
        /// HTTP status.
        status: u16,
        /// Its word for programs.
        code: String,
        /// Its sentence for people.
        message: String,
    },
}

impl Refusal {
    /// Reads the reason from an answer.
    pub fn of(status: u16, body: &ErrorBody) -> Refusal {
        let details = body.details.to_ascii_lowercase();
        match body.code.as_str() {
            "insufficient_balance" => Refusal::InsufficientBalance,
            "fill_or_kill_insufficient_resting_volume" => Refusal::Killed,
            "immediate_or_cancel_insufficient_resting_volume" => Refusal::NoVolume,
            "order_already_exists" => Refusal::AlreadyExists,
            "market_inactive" | "market_closed" => Refusal::MarketClosed,
            "trading_is_paused" => Refusal::Paused,
            _ if status == 404 => Refusal::NotFound,
            "invalid_order" if details.contains("post only cross") => Refusal::PostOnlyCross,
            "invalid_order" if details.contains("price level") => Refusal::OffTick,
            "invalid_order" => Refusal::Invalid(body.details.clone()),
            _ => Refusal::Other { status, code: body.code.clone(), message: body.message.clone() },
        }
    }

    /// One word for the log.
    pub const fn word(&self) -> &'static str {
        match self {
            Refusal::InsufficientBalance => "insufficient_balance",
            Refusal::PostOnlyCross => "post_only_cross",
            Refusal::Killed => "killed",
            Refusal::NoVolume => "no_volume",
            Refusal::AlreadyExists => "already_exists",
            Refusal::MarketClosed => "market_closed",
            Refusal::Paused => "paused",
            Refusal::NotFound => "not_found",
            Refusal::OffTick => "off_tick",
            Refusal::Invalid(_) => "invalid",
            Refusal::Other { .. } => "refused",
        }
    }
}

impl From<RestError> for OrderError {
    /// In doubt it is unknown: a call wrongly taken for dead could be made twice.
    fn from(error: RestError) -> OrderError {
        match error {
            // A server that gave up waiting for the request may have read all of it.
            RestError::Refused { status: 408, .. } => OrderError::Unknown(error),
            RestError::Refused { status, body, .. } => {
                OrderError::Refused(Refusal::of(status, &body))
            }
            RestError::Setup { .. }
            | RestError::Sign(_)
            | RestError::Dns { .. }
            | RestError::Connect { .. }
            | RestError::Unauthorized { .. }
            | RestError::RateLimited { .. } => OrderError::NotTaken(error),
            // TLS may fail before the request or in the middle of the reply.
            RestError::Tls { .. }
            | RestError::Lost { .. }
            | RestError::Timeout { .. }
            | RestError::Server { .. }
            | RestError::NotKalshi { .. }
            | RestError::TooLarge { .. } => OrderError::Unknown(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, want: Refusal) {
        let body = ErrorBody::parse(body.as_bytes()).unwrap();
        assert_eq!(Refusal::of(status, &body), want);
    }

    #[test]
    fn each_reason_of_the_exchange_has_its_name() {
        let wrapped = |code: &str, details: &str| {
            format!(r#"{{"error":{{"code":"{code}","message":"m","details":"{details}"}}}}"#)
        };
        check(400, &wrapped("insufficient_balance", ""), Refusal::InsufficientBalance);
        check(400, &wrapped("invalid_order", "Post Only Cross"), Refusal::PostOnlyCross);
        check(409, &wrapped("fill_or_kill_insufficient_resting_volume", ""), Refusal::Killed);
        check(409, r#"{"code":"order_already_exists","message":"m"}"#, Refusal::AlreadyExists);
        check(409, &wrapped("market_inactive", ""), Refusal::MarketClosed);
        check(409, &wrapped("trading_is_paused", ""), Refusal::Paused);
        check(404, &wrapped("not_found", "order not found"), Refusal::NotFound);
        check(400, &wrapped("invalid_order", "count"), Refusal::Invalid("count".to_owned()));
        let other = Refusal::Other { status: 410, code: "gone".into(), message: "m".into() };
        check(410, &wrapped("gone", ""), other);
    }
}
