//! How long to wait before trying again: exponential with full jitter (protocol notes 4.1 and 6). Pure.
//!
//! **Invariant:** a refused key is never tried again within 30 seconds, whatever else happens.

use crate::rng::Rng;

/// No wait is longer, but that after a refused key.
pub const CAP_MS: u64 = 30_000;
/// A refused key is tried again after this long at the earliest.
pub const UNAUTHORIZED_MIN_MS: u64 = 30_000;
/// A connection that lived this long was a good one: the next failure is a first one.
const STABLE_MS: u64 = 60_000;
/// Never at once: a server that accepts and closes would be hammered.
const FLOOR_MS: u64 = 100;

/// Why another try is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Lost, refused, late, or the exchange's own fault.
    Transient,
    /// The exchange does not take our key.
    Unauthorized,
}

/// The waits of one connection, or of one request.
#[derive(Clone, Debug)]
pub struct Backoff {
    rng: Rng,
    base_ms: u64,
    failures: u32,
}

impl Backoff {
    /// For reconnecting: waits grow from half a second.
    pub fn new(rng: Rng) -> Backoff {
        Backoff::with_base(rng, 500)
    }

    /// Waits that grow from `base_ms`.
    pub fn with_base(rng: Rng, base_ms: u64) -> Backoff {
        Backoff { rng, base_ms, failures: 0 }
    }

    /// Milliseconds until the next try: uniform up to a bound that doubles with every failure.
    pub fn next_ms(&mut self, trouble: Trouble) -> u64 {
        let grown = self.base_ms.saturating_mul(1u64 << self.failures.min(32));
        self.failures = self.failures.saturating_add(1);
        match trouble {
            Trouble::Transient => {
                let bound = grown.clamp(FLOOR_MS + 1, CAP_MS);
                FLOOR_MS + self.rng.below(bound - FLOOR_MS + 1)
            }
            Trouble::Unauthorized => UNAUTHORIZED_MIN_MS + self.rng.below(UNAUTHORIZED_MIN_MS),
        }
    }

    /// The last connection worked for `ms`.
    pub fn lived(&mut self, ms: u64) {
        if ms >= STABLE_MS {
            self.failures = 0;
        }
    }

    /// It worked: the next failure is a first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds(
            seed: u64, base_ms in 1u64..100_000,
            steps in prop::collection::vec((any::<bool>(), 0u64..120_000), 1..200),
        ) {
            let mut backoff = Backoff::with_base(Rng::stream(seed, "backoff", 0), base_ms);
            for (refused, lived_ms) in steps {
                backoff.lived(lived_ms);
                if refused {
                    let wait = backoff.next_ms(Trouble::Unauthorized);
                    prop_assert!((UNAUTHORIZED_MIN_MS..=2 * UNAUTHORIZED_MIN_MS).contains(&wait));
                } else {
                    let wait = backoff.next_ms(Trouble::Transient);
                    prop_assert!((FLOOR_MS..=CAP_MS).contains(&wait), "{wait}");
                }
            }
        }
    }

    fn mean_of_nth(n: u32) -> u64 {
        let mean = |seed| {
            let mut backoff = Backoff::new(Rng::stream(seed, "backoff", 0));
            for _ in 0..n {
                backoff.next_ms(Trouble::Transient);
            }
            backoff.next_ms(Trouble::Transient)
        };
        (0..500).map(mean).sum::<u64>() / 500
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let means: Vec<_> = [0, 1, 2, 3, 12].map(mean_of_nth).to_vec();
        for pair in means.windows(2).take(3) {
            assert!(pair[1] * 10 > pair[0] * 15 && pair[1] * 10 < pair[0] * 25, "{means:?}");
        }
        assert!((13_000..17_000).contains(&means[4]), "{means:?}");
    }

    #[test]
    fn clients_that_fail_together_do_not_return_together() {
        let waits: std::collections::BTreeSet<_> = (0..100)
            .map(|i| {
                let mut backoff = Backoff::new(Rng::stream(7, "backoff", i));
                for _ in 0..5 {
                    backoff.next_ms(Trouble::Transient);
                }
                backoff.next_ms(Trouble::Transient)
            })
            .collect();
        assert!(waits.len() > 90, "{} of 100 differ", waits.len());
    }

    #[test]
    fn only_a_minute_of_life_forgives_earlier_failures() {
        let after = |lived_ms| {
            let sum = |seed| {
                let mut backoff = Backoff::new(Rng::stream(seed, "backoff", 0));
                for _ in 0..10 {
                    backoff.next_ms(Trouble::Transient);
                }
                backoff.lived(lived_ms);
                backoff.next_ms(Trouble::Transient)
            };
            (0..200).map(sum).max().unwrap()
        };
        assert!(after(59_999) > 20_000);
        assert!(after(60_000) <= 500);
    }
}
