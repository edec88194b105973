//! The pace of a crowd: weather of half a minute, calm and hectic stretches of a second, bursts.

use crate::rng::Rng;
use crate::sim::draw;

/// Events per second of the recorded markets, thousandths: the tables of the crowd hold at this pace.
pub(super) const PACE_E3: i64 = 81_000;

/// Pace of a stretch, thousandths of the weather's; mean one thousand.
const STRETCH_E3: [i64; 12] = [20, 60, 130, 220, 340, 480, 650, 860, 1_120, 1_500, 2_200, 4_400];
/// Mean length of a stretch, microseconds.
const STRETCH_US: i64 = 1_100_000;
/// One in so many stretches brings new weather.
const WEATHER_STRETCHES: u64 = 20;
/// Pace of a weather, thousandths of the market's own; mean one thousand.
const WEATHER_E3: [i64; 8] = [350, 500, 640, 780, 930, 1_130, 1_450, 2_200];
/// Takers of a weather, thousandths of the usual number.
const TAKERS_E3: [i64; 9] = [250, 400, 600, 800, 1_000, 1_300, 1_700, 2_400, 4_000];
/// Probes among the quotes of a weather, thousandths.
const PROBES_E3: [i64; 12] = [10, 30, 60, 90, 110, 140, 170, 200, 230, 270, 320, 400];

/// Makers who come in a burst, right after another, of a thousand.
const BURST_E3: i64 = 740;
/// Waits within a burst, microseconds.
const BURST_US: [i64; 9] = [60, 150, 230, 300, 380, 430, 600, 900, 2_500];
/// Events for each maker who comes, thousandths: it comes, re-quotes, leaves, and others follow.
const EVENTS_PER_MAKER_E3: i64 = 4_100;
/// Takers per second in a market of one event per second, thousandths. Their number grows with the
/// square root of the events: busy markets are busy with quotes.
const TAKERS_PER_S_E3: i64 = 138;

/// What the pace is now.
#[derive(Clone, Debug)]
pub(super) struct Tempo {
    rate_e3: i64,
    stretch_e3: i64,
    weather_e3: i64,
    takers_e3: i64,
    probes_e3: i64,
}

impl Tempo {
    /// The pace of a market with so many thousandths of an event per second.
    pub(super) fn new(rate_e3: i64, rng: &mut Rng) -> Tempo {
        let mut tempo =
            Tempo { rate_e3, stretch_e3: 1_000, weather_e3: 0, takers_e3: 0, probes_e3: 0 };
        tempo.turn(rng);
        tempo
    }

    /// Begins a stretch; returns its length.
    pub(super) fn change(&mut self, rng: &mut Rng) -> i64 {
        if rng.below(WEATHER_STRETCHES) == 0 {
            self.turn(rng);
        }
        self.stretch_e3 = draw::one_of(rng, &STRETCH_E3);
        draw::wait(rng, STRETCH_US)
    }

    /// Until the next maker comes, after one who just did.
    pub(super) fn next_maker_us(&self, rng: &mut Rng) -> i64 {
        match draw::chance(rng, BURST_E3) {
            true => draw::between(rng, &BURST_US),
            false => self.burst_us(rng),
        }
    }

    /// Until the first maker of a burst comes.
    pub(super) fn burst_us(&self, rng: &mut Rng) -> i64 {
        let pace_e3 = (self.rate_e3 * self.stretch_e3 / 1_000 * self.weather_e3 / 1_000).max(1);
        // Bursts are rarer than makers by the number of makers in a burst.
        let maker_us = EVENTS_PER_MAKER_E3 * 1_000_000 / pace_e3;
        draw::wait(rng, maker_us * 1_000 / (1_000 - BURST_E3))
    }

    /// Until the next taker comes.
    pub(super) fn taker_us(&self, rng: &mut Rng) -> i64 {
        let events_e6 = self.rate_e3 * self.weather_e3;
        let per_s_e6 = TAKERS_PER_S_E3 * self.takers_e3 / 1_000 * events_e6.isqrt();
        draw::wait(rng, 1_000_000_000_000 / per_s_e6.max(1))
    }

    /// True when the next quote is a probe.
    pub(super) fn probes(&self, rng: &mut Rng) -> bool {
        draw::chance(rng, self.probes_e3)
    }

    /// What takes people `us` at the recorded pace: longer in a slower market.
    pub(super) fn people_us(&self, us: i64) -> i64 {
        us * PACE_E3 / self.rate_e3
    }

    /// What takes machines `us` at the recorded pace: longer in a slower market, but not as much.
    pub(super) fn machines_us(&self, us: i64) -> i64 {
        us * 1_000 / (self.rate_e3 * 1_000_000 / PACE_E3).isqrt().max(1)
    }

    /// New weather.
    fn turn(&mut self, rng: &mut Rng) {
        self.weather_e3 = draw::one_of(rng, &WEATHER_E3);
        self.takers_e3 = draw::between(rng, &TAKERS_E3);
        self.probes_e3 = draw::between(rng, &PROBES_E3);
    }
}
