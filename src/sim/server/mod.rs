//! The served exchange: one task owns the venue; WebSocket connections and REST requests reach it through
//! messages.

mod handle;

pub use handle::{Stopped, VenueHandle};
