//! When the next picture is drawn.
//!
//! **Invariant:** no more than the chosen number of pictures in a second for news, and no more than fifty for keys;
//! without either, one for each time that the last one says how long it stays true.

use std::time::{Duration, Instant};

/// A key is answered within this time, whatever the rate.
const KEY: Duration = Duration::from_millis(20);

/// The pictures drawn, and the next one.
pub(super) struct Pace {
    /// Time between two pictures of news.
    period: Duration,
    drawn: Option<Instant>,
    due: Instant,
}

impl Pace {
    /// The first picture is due at once.
    pub(super) fn new(rate_hz: u16, now: Instant) -> Pace {
        let period = Duration::from_secs(1) / u32::from(rate_hz.max(1));
        Pace { period, drawn: None, due: now }
    }

    /// Time until the next picture is due.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now)
    }

    /// Something has changed: news wait for their turn, what was typed does not.
    pub(super) fn changed(&mut self, typed: bool, now: Instant) {
        let apart = if typed { KEY.min(self.period) } else { self.period };
        self.due = self.due.min(self.drawn.map_or(now, |at| at + apart));
    }

    /// A picture was drawn; if nothing changes it stays true for `stays`.
    pub(super) fn drew(&mut self, stays: Duration, now: Instant) {
        self.drawn = Some(now);
        self.due = now + stays.max(self.period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Pictures drawn while `count` messages come, one every `apart`; the first typed, if any is.
    fn drawn(pace: &mut Pace, count: u32, apart: Duration, typed: bool, begun: Instant) -> u32 {
        let mut pictures = 0;
        for i in 1..=count {
            let now = begun + apart * i;
            pace.changed(typed, now);
            if pace.left(now).is_zero() {
                pace.drew(SECOND, now);
                pictures += 1;
            }
        }
        pictures
    }

    #[test]
    fn a_burst_is_drawn_at_the_chosen_rate_and_keys_a_little_faster() {
        let begun = Instant::now();
        let burst = Duration::from_micros(200);
        for rate_hz in [1, 10, 60] {
            let news = drawn(&mut Pace::new(rate_hz, begun), 10_000, burst, false, begun);
            let most = 2 * u32::from(rate_hz);
            assert!((most - most / 10 - 1..=most + 1).contains(&news), "{rate_hz}: {news}");
            let keys = drawn(&mut Pace::new(rate_hz, begun), 10_000, burst, true, begun);
            assert!((99..=most.max(101) + 1).contains(&keys), "{rate_hz}: {keys}");
        }
    }

    #[test]
    fn without_a_change_there_is_a_picture_only_when_the_last_one_is_not_true_any_more() {
        let begun = Instant::now();
        let mut pace = Pace::new(60, begun);
        let (mut now, mut pictures) = (begun, 0);
        while now - begun < 10 * SECOND {
            pace.drew(SECOND, now);
            pictures += 1;
            now += pace.left(now);
        }
        assert_eq!(pictures, 10);
    }

    #[test]
    fn a_key_is_answered_at_once_after_a_pause_and_soon_behind_a_picture() {
        let begun = Instant::now();
        for rate_hz in [1, 10, 60] {
            let mut pace = Pace::new(rate_hz, begun);
            pace.drew(SECOND, begun);
            pace.changed(true, begun);
            assert!(pace.left(begun) <= KEY, "{rate_hz}");
            pace.drew(SECOND, begun);
            let later = begun + 2 * KEY;
            pace.changed(true, later);
            assert!(pace.left(later).is_zero(), "{rate_hz}");
        }
    }
}
