//! Which decreases of a market's book are trades.
//!
//! A trade and the delta of the level that it consumed carry the same exchange millisecond, side, price
//! and size; the k-th trade of such a key is its k-th decrease. Frames of the two subscriptions arrive
//! in either order, so each waits for its counterpart for a while; a decrease that waited in vain was
//! a cancel.

use crate::units::{Price, Qty, Side};
use std::collections::{HashMap, VecDeque};

/// A frame waits at least this many later frames of its market ..
const WAIT_FRAMES: u64 = 64;
/// .. and at least this long by the receive clock. On the recorded tape 38 frames and 671 ms are the
/// most that was ever needed.
const WAIT_MS: i64 = 1_000;

/// What a trade has in common with the decrease that it caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Exchange time in milliseconds.
    pub ts_ms: i64,
    /// The bids that were consumed.
    pub side: Side,
    /// Their price, on that side's own axis.
    pub price: Price,
    /// Contracts; positive.
    pub qty: Qty,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    frame: u64,
    recv_ms: i64,
}

/// Pairs the trades and decreases of one market as their frames arrive.
#[derive(Clone, Debug, Default)]
pub struct Pairing {
    /// Decreases and trades that wait for a counterpart, oldest first in each key.
    waiting: [HashMap<Key, VecDeque<Waiting>>; 2],
    arrivals: VecDeque<(usize, Key, Waiting)>,
    frames: u64,
}

impl Pairing {
    /// A level lost size; returns by how many milliseconds the frame of its trade arrived later
    /// (negative: earlier), when that is known now.
    pub fn decrease(&mut self, key: Key, recv_ms: i64) -> Option<i64> {
        self.arrive(0, key, recv_ms).map(|trade_ms| trade_ms - recv_ms)
    }

    /// A trade was told; returns by how many milliseconds its frame arrived later than that of its
    /// decrease, when that is known now.
    pub fn trade(&mut self, key: Key, recv_ms: i64) -> Option<i64> {
        self.arrive(1, key, recv_ms).map(|delta_ms| recv_ms - delta_ms)
    }

    /// The receive time of the counterpart, if it waits; else this frame waits.
    fn arrive(&mut self, kind: usize, key: Key, recv_ms: i64) -> Option<i64> {
        self.frames += 1;
        self.give_up(recv_ms);
        let found = Self::take(&mut self.waiting[1 - kind], &key, None);
        if found.is_none() {
            let waiting = Waiting { frame: self.frames, recv_ms };
            self.waiting[kind].entry(key).or_default().push_back(waiting);
            self.arrivals.push_back((kind, key, waiting));
        }
        found.map(|w| w.recv_ms)
    }

    /// Drops what has waited long enough.
    fn give_up(&mut self, now_ms: i64) {
        while let Some(&(kind, key, first)) = self.arrivals.front() {
            if self.frames <= first.frame + WAIT_FRAMES || now_ms <= first.recv_ms + WAIT_MS {
                break;
            }
            Self::take(&mut self.waiting[kind], &key, Some(first.frame));
            self.arrivals.pop_front();
        }
    }

    /// Takes the oldest that waits under `key`; with `frame`, only if it is that very one.
    fn take(
        waiting: &mut HashMap<Key, VecDeque<Waiting>>,
        key: &Key,
        frame: Option<u64>,
    ) -> Option<Waiting> {
        let queue = waiting.get_mut(key)?;
        if frame.is_some_and(|f| queue.front().is_none_or(|w| w.frame != f)) {
            return None;
        }
        let first = queue.pop_front();
        if queue.is_empty() {
            waiting.remove(key);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ts_ms: i64) -> Key {
        Key { ts_ms, side: Side::No, price: Price::ONE, qty: Qty(100) }
    }

    #[test]
    fn frames_pair_one_to_one_in_either_order() {
        let mut p = Pairing::default();
        assert_eq!(p.decrease(key(5), 10), None);
        assert_eq!(p.decrease(key(5), 11), None);
        assert_eq!(p.trade(key(5), 13), Some(3), "the older decrease");
        assert_eq!(p.trade(key(5), 13), Some(2));
        assert_eq!(p.trade(key(5), 14), None);
        assert_eq!(p.decrease(key(5), 20), Some(-6), "the trade came first");
        assert_eq!(p.decrease(key(6), 20), None, "another millisecond");
    }

    #[test]
    fn a_decrease_that_waited_in_vain_is_a_cancel_and_takes_no_memory() {
        let mut p = Pairing::default();
        p.decrease(key(0), 0);
        for i in 1..=200 {
            p.decrease(key(i), i * 100);
        }
        assert_eq!(p.trade(key(0), 20_001), None);
        assert!(p.arrivals.len() <= 70 && p.waiting[0].len() <= 70, "{}", p.arrivals.len());
        assert_eq!(p.trade(key(200), 20_002), Some(2));
    }
}
