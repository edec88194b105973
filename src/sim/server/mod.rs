//! The served exchange: one task owns the venue; WebSocket connections and REST requests reach it through
//! messages.

mod handle;

#[cfg(test)]
pub(in crate::sim) use handle::Call;
pub use handle::{Stopped, VenueHandle};
