//! The exchange's clock: the wall's at the start, and steady from there on.

use crate::units::TsUs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: TsUs,
    started: Instant,
}

impl Clock {
    /// A clock that shows the wall's time now.
    pub fn start() -> Clock {
        // A wall clock before 1970 is off in any case: the epoch is as good as any time.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: TsUs(wall.as_micros() as i64), started: Instant::now() }
    }

    /// What it showed at the start.
    pub fn begin(&self) -> TsUs {
        self.start
    }

    /// The time now.
    pub fn now(&self) -> TsUs {
        TsUs(self.start.0 + self.started.elapsed().as_micros() as i64)
    }

    /// Milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}
