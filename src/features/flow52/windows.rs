//! Exact integer sums over sliding windows of time, several widths at once.
//!
//! Each record keeps the running total *before* it, so the sum of a window is one subtraction and a
//! window advances by moving an index. Totals are 128 bits wide: no recording can overflow them, and
//! nothing drifts as a running float sum would.
//!
//! **Invariant:** keys (times) never decrease.

use std::collections::VecDeque;

/// Sums of `N` quantities over the windows `(now - width, now]` of `W` widths.
pub(super) struct Windows<const W: usize, const N: usize> {
    /// Narrowest first.
    widths: [i64; W],
    /// (key, totals before this record).
    records: VecDeque<(i64, [i128; N])>,
    totals: [i128; N],
    /// First record inside each window.
    starts: [usize; W],
}

impl<const W: usize, const N: usize> Windows<W, N> {
    /// No records; `widths` in units of the key, the widest last.
    pub(super) fn new(widths: [i64; W]) -> Self {
        Windows { widths, records: VecDeque::new(), totals: [0; N], starts: [0; W] }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.totals = [0; N];
        self.starts = [0; W];
    }

    /// Enters a record, and drops those that even the widest window has left: memory stays bounded
    /// where events come and no row is ever asked for.
    pub(super) fn push(&mut self, key: i64, values: [i64; N]) {
        let oldest = key - self.widths[W - 1];
        while self.records.front().is_some_and(|r| r.0 <= oldest) {
            self.records.pop_front();
            self.starts.iter_mut().for_each(|s| *s = s.saturating_sub(1));
        }
        self.records.push_back((key, self.totals));
        for (total, value) in self.totals.iter_mut().zip(values) {
            *total += i128::from(value);
        }
    }

    /// Moves all windows so that they end at `now`.
    pub(super) fn advance(&mut self, now: i64) {
        for (start, width) in self.starts.iter_mut().zip(self.widths) {
            while self.records.get(*start).is_some_and(|r| r.0 <= now - width) {
                *start += 1;
            }
        }
    }

    /// Sums over window `w`, as of the last [`Windows::advance`].
    pub(super) fn sums(&self, w: usize) -> [i128; N] {
        match self.records.get(self.starts[w]) {
            Some((_, before)) => std::array::from_fn(|i| self.totals[i] - before[i]),
            None => [0; N],
        }
    }

    /// Number of records in window `w`, as of the last [`Windows::advance`].
    pub(super) fn count(&self, w: usize) -> usize {
        self.records.len() - self.starts[w]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Sliding sums equal sums from scratch, whenever the windows are advanced.
        #[test]
        fn sums_equal_a_fresh_count(steps in prop::collection::vec((0i64..40, -9i64..9, any::<bool>()), 1..200)) {
            let mut windows = Windows::<2, 1>::new([10, 60]);
            let (mut now, mut all) = (0, Vec::new());
            for (dt, value, look) in steps {
                now += dt;
                windows.push(now, [value]);
                all.push((now, value));
                if !look { continue }
                windows.advance(now);
                for (w, width) in [10, 60].into_iter().enumerate() {
                    let inside = || all.iter().filter(|r| r.0 > now - width);
                    prop_assert_eq!(windows.sums(w)[0], inside().map(|r| i128::from(r.1)).sum::<i128>());
                    prop_assert_eq!(windows.count(w), inside().count());
                }
            }
            prop_assert!(windows.records.iter().all(|r| r.0 > now - 60));
        }
    }
}
