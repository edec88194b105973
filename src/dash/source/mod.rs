//! Where news come from. Every source is a thread that ends when nobody listens any more.

pub mod attach;
pub mod files;
pub mod inside;
mod journal;
mod line;
mod reel;
mod runs;
pub mod tape;

pub use reel::{Reel, ReelError, Wound};

use crate::units::TsNs;
use std::time::SystemTime;

/// Our wall clock.
fn now() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    TsNs(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}
