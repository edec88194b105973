//! How late frames come.

use crate::event::Event;
use crate::units::TsNs;

/// Upper bounds of the lag classes, milliseconds; what is longer is in one more.
pub const LAG_BOUNDS_MS: [i64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];
/// Lags are counted in two spans of this, so that what is shown covers one to two of them.
const LAG_SPAN_NS: i64 = 30_000_000_000;

/// How late stamped frames came lately.
#[derive(Clone, Debug, Default)]
pub struct Lags {
    spans: [[u64; LAG_BOUNDS_MS.len() + 1]; 2],
    began: TsNs,
}

impl Lags {
    /// Counts a frame; one without the exchange's stamp is not counted.
    pub(super) fn enter(&mut self, event: &Event) {
        let Some(ts) = event.ts else { return };
        if event.recv.0 - self.began.0 >= LAG_SPAN_NS {
            self.spans = [Default::default(), self.spans[0]];
            self.began = event.recv;
        }
        let lag_ms = event.recv.ms() - ts.ms();
        let class = LAG_BOUNDS_MS.iter().position(|bound| lag_ms <= *bound);
        self.spans[0][class.unwrap_or(LAG_BOUNDS_MS.len())] += 1;
    }

    /// Frames per class.
    pub fn classes(&self) -> [u64; LAG_BOUNDS_MS.len() + 1] {
        std::array::from_fn(|i| self.spans[0][i] + self.spans[1][i])
    }
}
