//! The desk's clock: it must not run backwards.

use crate::units::TsNs;
use std::time::{Instant, SystemTime};

/// Our wall clock as it was at the start, and steady from there on.
pub(super) struct Clock {
    wall: TsNs,
    started: Instant,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock { wall: wall(), started: Instant::now() }
    }

    pub(super) fn now(&self) -> TsNs {
        let since = i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX);
        TsNs(self.wall.0.saturating_add(since))
    }
}

/// Our wall clock.
pub(super) fn wall() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    TsNs(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
