//! What passes between the session and whoever drives it.

use crate::units::TsNs;
use std::time::Duration;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic; deadlines are measured on it.
    pub mono_ns: u64,
    /// Our wall clock; it may jump.
    pub wall: TsNs,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this text frame.
    Send(String),
    /// Send a ping.
    Ping,
    /// Drop the connection and make another one. The session has written its gap row already.
    Reconnect(Lost),
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The exchange said good-bye.
    #[error("closed by the exchange: {code} {reason}")]
    Closed {
        /// Close code (RFC 6455); 1005 if it gave none.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The transport failed.
    #[error("{0}")]
    Broken(String),
    /// Nothing came for [`super::Timing::silence`].
    #[error("nothing was heard for too long")]
    Silence,
    /// Our own queue stayed full for [`super::Timing::queue_patience`].
    #[error("our own queue stayed full")]
    QueueFull,
    /// A subscription's numbering began again or cannot be believed.
    #[error("the numbering of subscription {0} began again")]
    Rewind(u32),
    /// A new subscription did not bring the books back.
    #[error("a new subscription did not bring all books back")]
    Unhealed,
    /// Commands were not answered.
    #[error("commands were not answered")]
    NoReply,
    /// The exchange does not accept our credentials any more.
    #[error("the exchange no longer accepts the credentials")]
    Refused,
}

/// A duration in nanoseconds; saturates.
pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
