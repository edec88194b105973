//! Rate limits as the exchange counts them: two buckets of tokens (protocol notes 6). Pure, but for
//! [`Shared`], which puts the one clock and the one set of an account in the hands of all its clients.
//!
//! **Invariant:** in any span of time a bucket hands out at most its capacity and what came back in that
//! span.

use crate::wire::rest::{AccountLimits, BucketLimit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Tokens that a request costs unless the table says otherwise.
pub const COST_DEFAULT: u32 = 10;
/// Tokens of a cancel, or of reading one order.
pub const COST_CANCEL: u32 = 2;

/// The limits of a new account: what is assumed until the exchange has told.
pub const LIMITS_BASIC: [BucketLimit; 2] = [
    BucketLimit { refill_rate: 200, bucket_capacity: 200 },
    BucketLimit { refill_rate: 100, bucket_capacity: 100 },
];

/// One bucket. It is full at first, and may be drawn into debt, which the drawer then waits for: requests
/// leave in the order in which they asked.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Tokens per second, at least 1.
    rate: i64,
    /// In billionths of a token, so that a nanosecond brings back a whole number.
    capacity_e9: i64,
    /// What is there at `at_ns`, in billionths; negative while in debt.
    level_e9: i64,
    at_ns: u64,
}

impl Bucket {
    /// A full bucket at `now_ns` of a monotonic clock.
    pub fn new(limit: BucketLimit, now_ns: u64) -> Bucket {
        let capacity_e9 = i64::from(limit.bucket_capacity.max(1)) * 1_000_000_000;
        let rate = i64::from(limit.refill_rate.max(1));
        Bucket { rate, capacity_e9, level_e9: capacity_e9, at_ns: now_ns }
    }

    /// Takes `cost` tokens and says for how many nanoseconds to wait before using them.
    pub fn take(&mut self, cost: u32, now_ns: u64) -> u64 {
        self.refill(now_ns);
        self.level_e9 = self.level_e9.saturating_sub(i64::from(cost) * 1_000_000_000);
        // Rounded up: a nanosecond too early is too early.
        let debt_e9 = self.level_e9.min(0).unsigned_abs();
        debt_e9.div_ceil(self.rate.unsigned_abs())
    }

    /// The exchange says that there is nothing left, whatever we counted.
    pub fn drain(&mut self, now_ns: u64) {
        self.refill(now_ns);
        self.level_e9 = self.level_e9.min(0);
    }

    /// Other limits from now on; what was saved up or owed stays, as far as it fits.
    pub fn set_limit(&mut self, limit: BucketLimit, now_ns: u64) {
        self.refill(now_ns);
        let level_e9 = self.level_e9;
        *self = Bucket::new(limit, now_ns);
        self.level_e9 = self.capacity_e9.min(level_e9);
    }

    fn refill(&mut self, now_ns: u64) {
        let elapsed_ns = i64::try_from(now_ns.saturating_sub(self.at_ns)).unwrap_or(i64::MAX);
        let back_e9 = elapsed_ns.saturating_mul(self.rate);
        self.level_e9 = self.level_e9.saturating_add(back_e9).min(self.capacity_e9);
        self.at_ns = self.at_ns.max(now_ns);
    }
}

/// Both buckets of one account.
#[derive(Clone, Debug)]
pub struct Budget {
    /// For requests that read.
    pub read: Bucket,
    /// For requests that change something.
    pub write: Bucket,
}

impl Budget {
    /// Full buckets under [`LIMITS_BASIC`].
    pub fn basic(now_ns: u64) -> Budget {
        let [read, write] = LIMITS_BASIC.map(|limit| Bucket::new(limit, now_ns));
        Budget { read, write }
    }

    fn bucket(&mut self, kind: Kind) -> &mut Bucket {
        match kind {
            Kind::Read => &mut self.read,
            Kind::Write => &mut self.write,
        }
    }

    /// The limits that the exchange told.
    pub fn set_limits(&mut self, limits: &AccountLimits, now_ns: u64) {
        self.read.set_limit(limits.read, now_ns);
        self.write.set_limit(limits.write, now_ns);
    }
}

/// Which bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For requests that read.
    Read,
    /// For requests that change something.
    Write,
}

/// The buckets of one account, drawn from by all its clients, on whatever thread they are. A lock and no task:
/// it is held for a few additions, and a call must know at once how long it has to wait.
#[derive(Clone, Debug)]
pub struct Shared {
    budget: Arc<Mutex<Budget>>,
    started: Instant,
}

impl Default for Shared {
    /// Full buckets of a new account.
    fn default() -> Shared {
        Shared { budget: Arc::new(Mutex::new(Budget::basic(0))), started: Instant::now() }
    }
}

impl Shared {
    /// Takes `cost` tokens and says how long to wait before using them.
    pub fn take(&self, kind: Kind, cost: u32) -> Duration {
        let now_ns = self.now_ns();
        Duration::from_nanos(self.lock().bucket(kind).take(cost, now_ns))
    }

    /// The exchange says that there is nothing left.
    pub fn drain(&self, kind: Kind) {
        let now_ns = self.now_ns();
        self.lock().bucket(kind).drain(now_ns);
    }

    /// The limits that the exchange told.
    pub fn set_limits(&self, limits: &AccountLimits) {
        let now_ns = self.now_ns();
        self.lock().set_limits(limits, now_ns);
    }

    fn lock(&self) -> MutexGuard<'_, Budget> {
        // Integers that somebody stopped adding up are still integers.
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whoever waits as told never makes the exchange's own bucket run dry.
        #[test]
        fn an_exchange_with_the_same_bucket_never_refuses(
            rate in 1u32..5_000, capacity in 50u32..10_000,
            asks in prop::collection::vec((1u32..50, 0u64..2_000_000_000), 1..100),
        ) {
            let limit = BucketLimit { refill_rate: rate, bucket_capacity: capacity };
            let mut ours = Bucket::new(limit, 0);
            // The exchange's bucket in exact arithmetic, in billionths of a token.
            let (mut level, mut at, mut now) = (i128::from(capacity) * 1_000_000_000, 0u64, 0u64);
            for (cost, idle_ns) in asks {
                now += idle_ns;
                now += ours.take(cost, now);
                level = (level + i128::from(now - at) * i128::from(rate))
                    .min(i128::from(capacity) * 1_000_000_000);
                at = now;
                level -= i128::from(cost) * 1_000_000_000;
                prop_assert!(level >= 0, "refused: {level}");
            }
        }

        #[test]
        fn no_time_or_limit_overflows(
            rate: u32, capacity: u32, times in prop::collection::vec(any::<u64>(), 1..20), cost: u32,
        ) {
            let limit = BucketLimit { refill_rate: rate, bucket_capacity: capacity };
            let mut bucket = Bucket::new(limit, 0);
            for now in times {
                bucket.take(cost, now);
                bucket.drain(now);
                bucket.set_limit(limit, now);
            }
        }
    }

    #[test]
    fn a_new_account_reads_twenty_times_a_second() {
        let mut bucket = Budget::basic(0).read;
        let waits: Vec<_> = (0..40).map(|_| bucket.take(COST_DEFAULT, 0)).collect();
        assert!(waits[..20].iter().all(|w| *w == 0));
        assert_eq!(waits[20], 50_000_000);
        assert_eq!(waits[39], 1_000_000_000);
    }

    #[test]
    fn what_one_client_takes_the_others_wait_for() {
        let (one, other) = (Shared::default(), Shared::default());
        let same = one.clone();
        for _ in 0..10 {
            assert_eq!(one.take(Kind::Write, COST_DEFAULT), Duration::ZERO);
        }
        assert!(same.take(Kind::Write, COST_DEFAULT) > Duration::ZERO);
        assert_eq!(same.take(Kind::Read, COST_DEFAULT), Duration::ZERO, "reads have their own");
        assert_eq!(other.take(Kind::Write, COST_DEFAULT), Duration::ZERO, "another account");
    }

    #[test]
    fn a_refusal_empties_the_bucket_and_new_limits_do_not_fill_it() {
        let mut bucket = Budget::basic(0).write;
        bucket.drain(0);
        bucket.set_limit(BucketLimit { refill_rate: 1_000, bucket_capacity: 1_000 }, 0);
        assert_eq!(bucket.take(10, 0), 10_000_000);
    }
}
