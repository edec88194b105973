//! History of the best bid and ask: means, changes and ranges over time.
//!
//! An entry is written when the touch prices change, not per event, so the history stays short. Each
//! entry carries the integrals of mid and spread up to its time: a time-weighted mean is one
//! subtraction.

use std::collections::VecDeque;

const WIDTHS_MS: [i64; 3] = [1_000, 10_000, 60_000];
const MEAN_MS: i64 = WIDTHS_MS[2];
const RANGE_MS: i64 = 300_000;

/// Best bid and ask from `t` on, and what was integrated before.
#[derive(Clone, Copy)]
struct Quote {
    t: i64,
    bid: i64,
    ask: i64,
    mid2: i64,
    /// Sum of mid2 x ms from the first quote to `t`.
    mid2_ms: i128,
    /// Sum of spread x ms from the first quote to `t`.
    spread_ms: i128,
}

impl Quote {
    /// Both integrals up to `t`, this quote being in force.
    fn integrals(&self, t: i64) -> (i128, i128) {
        let ms = i128::from(t - self.t);
        let spread = (self.ask - self.bid).max(0);
        (self.mid2_ms + i128::from(self.mid2) * ms, self.spread_ms + i128::from(spread) * ms)
    }
}

/// The quotes since the last reset, as far back as a window reaches.
#[derive(Default)]
pub(super) struct Quotes {
    quotes: VecDeque<Quote>,
    /// For each width, the quote in force that long ago (or the oldest).
    in_force: [usize; 3],
    /// Monotonic (time, mid2): the front is the lowest of the last 300 s.
    lows: VecDeque<(i64, i64)>,
    highs: VecDeque<(i64, i64)>,
}

impl Quotes {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.quotes.clear();
        self.in_force = [0; 3];
        self.lows.clear();
        self.highs.clear();
    }

    /// Notes the touch at the close of a group; an unchanged touch leaves no trace.
    pub(super) fn note(&mut self, t: i64, bid: i64, ask: i64, mid2: i64) {
        let (mid2_ms, spread_ms) = match self.quotes.back() {
            Some(last) if (last.bid, last.ask) == (bid, ask) => return,
            Some(last) => last.integrals(t),
            None => (0, 0),
        };
        self.quotes.push_back(Quote { t, bid, ask, mid2, mid2_ms, spread_ms });
        push_extreme(&mut self.lows, t, mid2, |old, new| old >= new);
        push_extreme(&mut self.highs, t, mid2, |old, new| old <= new);
        self.advance(t);
    }

    /// Moves all windows so that they end at `t`.
    pub(super) fn advance(&mut self, t: i64) {
        for (at, width) in self.in_force.iter_mut().zip(WIDTHS_MS) {
            while self.quotes.get(*at + 1).is_some_and(|q| q.t <= t - width) {
                *at += 1;
            }
        }
        let gone = self.in_force[2];
        self.quotes.drain(..gone);
        self.in_force.iter_mut().for_each(|at| *at -= gone);
        for extremes in [&mut self.lows, &mut self.highs] {
            while extremes.len() > 1 && extremes[0].0 <= t - RANGE_MS {
                extremes.pop_front();
            }
        }
    }

    /// mid2 in force 1, 10 and 60 seconds before the last [`Quotes::advance`], or the oldest known.
    pub(super) fn mid2_before(&self, width: usize) -> i64 {
        self.quotes.get(self.in_force[width]).map_or(0, |q| q.mid2)
    }

    /// Time-weighted means of mid2 and of the spread (1e-4 dollars) over the last 60 s or since the
    /// first quote; `None` while no time has passed.
    pub(super) fn means(&self, t: i64) -> Option<(f64, f64)> {
        let (first, last) = (self.quotes.front()?, self.quotes.back()?);
        let from = first.t.max(t - MEAN_MS);
        let span = t - from;
        if span <= 0 {
            return None;
        }
        let ((mid2_to, spread_to), (mid2_from, spread_from)) =
            (last.integrals(t), first.integrals(from));
        let mean = |sum: i128| sum as f64 / span as f64;
        Some((mean(mid2_to - mid2_from), mean(spread_to - spread_from)))
    }

    /// Lowest and highest mid2 of the last 300 s, the current one included.
    pub(super) fn range(&self) -> (i64, i64) {
        let front = |extremes: &VecDeque<(i64, i64)>| extremes.front().map_or(0, |e| e.1);
        (front(&self.lows), front(&self.highs))
    }

    /// Since when the touch prices have stood.
    pub(super) fn since(&self, t: i64) -> i64 {
        self.quotes.back().map_or(t, |q| q.t)
    }
}

/// Appends to a monotonic queue: what the new value beats can never be the extreme again.
fn push_extreme(
    extremes: &mut VecDeque<(i64, i64)>,
    t: i64,
    mid2: i64,
    beaten: fn(i64, i64) -> bool,
) {
    while extremes.back().is_some_and(|e| beaten(e.1, mid2)) {
        extremes.pop_back();
    }
    extremes.push_back((t, mid2));
}
