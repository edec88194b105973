//! How late the frames of a feed arrive, and trades after their book changes.
//!
//! Most frames take a dozen milliseconds; now and then the whole feed hangs for a second or two. The
//! tables are rounded quantiles over recorded markets.
//!
//! **Invariant:** pure and integer. Frames of one subscription never overtake each other: the caller
//! keeps their order, by holding each back until the one before it has arrived.

use super::draw;
use crate::rng::Rng;

/// Lateness of a stretch of the feed, microseconds.
const LATE_US: [i64; 33] = [
    1_000, 3_000, 5_000, 6_500, 8_000, 9_000, 10_000, 10_500, 11_000, 11_500, 12_000, 12_000,
    12_500, 12_500, 13_000, 13_000, 13_500, 13_500, 14_000, 14_500, 15_000, 16_000, 17_000, 18_000,
    20_000, 22_000, 24_000, 26_000, 29_000, 35_000, 60_000, 700_000, 2_400_000,
];
/// Mean length of a stretch, microseconds.
const STRETCH_US: i64 = 2_500_000;
/// A trade's frame after that of its book change, microseconds.
const TRADE_US: [i64; 17] =
    [-600, 20, 40, 60, 80, 110, 140, 180, 230, 280, 340, 420, 520, 660, 850, 1_300, 4_000];

/// Delays of one feed.
#[derive(Clone, Debug)]
pub struct Lag {
    rng: Rng,
    late_us: i64,
    until_us: i64,
}

impl Lag {
    /// A feed whose delays come from `rng`.
    pub fn new(rng: Rng) -> Lag {
        Lag { rng, late_us: 0, until_us: i64::MIN }
    }

    /// How long the book frame of a change at `now_us` takes, microseconds; positive.
    pub fn book_us(&mut self, now_us: i64) -> i64 {
        if now_us >= self.until_us {
            self.late_us = draw::between(&mut self.rng, &LATE_US);
            self.until_us = now_us + draw::wait(&mut self.rng, STRETCH_US);
        }
        self.late_us
    }

    /// How much later than the frame of its book change a trade's frame arrives, microseconds;
    /// negative when it arrives earlier.
    pub fn trade_us(&mut self) -> i64 {
        draw::between(&mut self.rng, &TRADE_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_frames_take_a_dozen_milliseconds_and_some_take_a_second() {
        let mut lag = Lag::new(Rng::stream(1, "lag", 0));
        let mut late: Vec<i64> = (0..2_000_000).map(|i| lag.book_us(i * 10_000)).collect();
        assert!(late.windows(2).filter(|w| w[0] != w[1]).count() < 20_000, "stretches, not noise");
        late.sort_unstable();
        let at = |share_e2: usize| late[late.len() * share_e2 / 100];
        assert!(late[0] > 0);
        assert!((10_000..16_000).contains(&at(50)), "{}", at(50));
        assert!((400_000..2_400_000).contains(&at(98)), "{}", at(98));
    }

    #[test]
    fn trades_mostly_follow_their_book_change() {
        let mut lag = Lag::new(Rng::stream(1, "lag", 0));
        let first = (0..10_000).filter(|_| lag.trade_us() < 0).count();
        assert!((300..900).contains(&first), "{first}");
    }
}
