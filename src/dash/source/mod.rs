//! Where news come from. Every source is a thread that ends when nobody listens any more.

pub mod attach;
pub mod files;
pub mod inside;
mod journal;
mod line;
mod reel;
mod registry;
mod rows;
mod runs;
pub mod tape;

pub(super) use runs::EQUITY;

pub use reel::{Reel, ReelError, Wound};

use crate::trade::risk::Trip;
use crate::units::TsNs;
use std::time::SystemTime;

/// What stopped trading, in words.
pub(super) fn words(trip: &Trip) -> String {
    format!("{} {}", trip.cause.word(), trip.detail).trim_end().to_owned()
}

/// Our wall clock.
fn now() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    TsNs(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}
