//! The pace of a crowd: calm and hectic stretches, and bursts within them.

use crate::sim::draw;
use crate::rng::Rng;

/// Events per second of the recorded markets, thousandths: the tables hold at this pace.
pub(super) const PACE_E3: i64 = 81_000;
/// Pace of a stretch, thousandths of the market's own; mean one thousand.
const FAST_E3: [i64; 12] = [20, 60, 130, 220, 340, 480, 650, 860, 1_120, 1_500, 2_200, 4_400];
const SLOW_E3: [i64; 8] = [350, 500, 640, 780, 930, 1_130, 1_450, 2_200];
/// Mean length of a stretch, microseconds.
const FAST_US: i64 = 1_100_000;
/// Of so many stretches one begins a new weather.
const SLOW_STRETCHES: u64 = 20;
/// Makers who come in a burst right after another, of a thousand.
const BURST_E3: i64 = 720;
/// Waits within a burst, microseconds.
const BURST_US: [i64; 9] = [60, 150, 250, 350, 420, 600, 900, 2_000, 5_000];
/// Events that a maker causes on average, thousandths: it comes, re-quotes, leaves.
const EVENTS_PER_MAKER_E3: i64 = 4_100;
/// Takers per second and per square root of the events per second, thousandths.
const TAKERS_E3: i64 = 110;

#[derive(Clone, Debug)]
pub(super) struct Tempo {
    rate_e3: i64,
    fast_e3: i64,
    slow_e3: i64,
    probes_e3: i64,
    takers_e3: i64,
}
const TAKER_MOOD_E3: [i64; 9] = [250, 400, 600, 800, 1000, 1300, 1700, 2_400, 4_000];
const PROBES_E3: [i64; 12] = [10, 30,60,90,110,140,170,200,230,270,320,400];

impl Tempo {
    pub(super) fn new(rate_e3: i64, rng: &mut Rng) -> Tempo {
        let slow_e3 = draw::one_of(rng, &SLOW_E3);
        let probes_e3 = draw::one_of(rng, &PROBES_E3);Tempo { rate_e3, fast_e3: 1_000, slow_e3, probes_e3, takers_e3: 1_000 }
    }

    /// True when the next quote is a probe.
    pub(super) fn probes(&self, rng: &mut Rng) -> bool {
        draw::chance(rng, self.probes_e3)
    }

    /// What takes `us` at the recorded pace takes longer in a slower market.
    pub(super) fn slowed(&self, us: i64) -> i64 {
        us * PACE_E3 / self.rate_e3
    }

    /// A new stretch; returns its length.
    pub(super) fn change(&mut self, rng: &mut Rng) -> i64 {
        if rng.below(SLOW_STRETCHES) == 0 {
            self.slow_e3 = draw::one_of(rng, &SLOW_E3);self.takers_e3 = draw::between(rng, &TAKER_MOOD_E3);self.probes_e3 = draw::between(rng, &PROBES_E3);
        }
        self.fast_e3 = draw::one_of(rng, &FAST_E3);
        draw::wait(rng, FAST_US)
    }

    /// Until the next maker comes.
    pub(super) fn come_us(&self, rng: &mut Rng) -> i64 {
        if draw::chance(rng, BURST_E3) {
            return draw::between(rng, &BURST_US);
        }
        let pace_e3 = (self.rate_e3 * self.fast_e3 / 1_000 * self.slow_e3 / 1_000).max(1);
        // A burst holds 1 / (1 - BURST) makers, so bursts are that much rarer than makers.
        let mean_us = EVENTS_PER_MAKER_E3 * 1_000_000 / pace_e3 * 1_000 / (1_000 - BURST_E3);
        draw::wait(rng, mean_us)
    }

    /// Until the next taker comes.
    pub(super) fn take_us(&self, rng: &mut Rng) -> i64 {
        let per_s_e6 = TAKERS_E3 * self.takers_e3/1_000 * (self.rate_e3 * self.slow_e3).isqrt();
        draw::wait(rng, 1_000_000_000_000 / per_s_e6.max(1))
    }
}
