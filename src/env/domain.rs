//! Domain randomisation: what a policy must not rely on is drawn anew for each training episode, so that it
//! learns what holds under all of it (Tobin et al. 2017).
//!
//! **Invariant:** the draws come from the environment's own stream of chance; the same seed draws the same.

use crate::broker::matching::{Bound, Rules};
use crate::broker::{Delay, Exponent, QueueModel, fees};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// Quarters of the configured delay.
const LATENCY_QUARTERS: [u32; 4] = [2, 4, 8, 16];
/// Maker coefficients that Kalshi's series have, 1e-4.
const MAKER_K_E4: [i64; 2] = [0, fees::MAKER_K_E4];
/// Multipliers that Kalshi's series have, 1e-4.
const MULT_E4: [i64; 2] = [5_000, 10_000];
/// Exponents of the fitted queue: the uniform model, ours, and hftbacktest's example.
const EXPONENTS: [Exponent; 3] = [Exponent::ONE, Exponent::TWO, Exponent::THREE];
/// The queue that counts; never the optimistic one.
const COUNTS: [Bound; 2] = [Bound::Pessimistic, Bound::Fitted];

/// Something that is drawn for each episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Orders take half, once, twice or four times as long as configured.
    Latency,
    /// Multiplier 0.5 or 1, maker coefficient 0 or 0.0175.
    Fees,
    /// Exponent 1, 2 or 3; the pessimistic or the fitted queue counts.
    Queue,
}

impl Domain {
    /// All of them.
    pub const ALL: [Domain; 3] = [Domain::Latency, Domain::Fees, Domain::Queue];

    /// Its name, as options and checkpoints have it.
    pub const fn word(self) -> &'static str {
        match self {
            Domain::Latency => "latency",
            Domain::Fees => "fees",
            Domain::Queue => "queue",
        }
    }
}

/// `base` with everything that `domains` name drawn anew.
pub fn draw(domains: &[Domain], base: Rules, rng: &mut Rng) -> Rules {
    let mut rules = base;
    for domain in domains {
        match domain {
            Domain::Latency => {
                let quarters = pick(&LATENCY_QUARTERS, rng);
                let latency = &mut rules.latency;
                for delay in [&mut latency.submit, &mut latency.cancel, &mut latency.amend] {
                    *delay = scaled(*delay, quarters);
                }
            }
            Domain::Fees => {
                rules.fees.mult_e4 = pick(&MULT_E4, rng);
                rules.fees.maker_k_e4 = pick(&MAKER_K_E4, rng);
            }
            Domain::Queue => {
                rules.fitted = QueueModel::Power(pick(&EXPONENTS, rng));
                rules.counts = pick(&COUNTS, rng);
            }
        }
    }
    rules
}

fn pick<T: Copy>(from: &[T], rng: &mut Rng) -> T {
    from[rng.below(from.len() as u64) as usize]
}

fn scaled(delay: Delay, quarters: u32) -> Delay {
    let scale = |us: u32| (us / 4).saturating_mul(quarters);
    match delay {
        Delay::Fixed(us) => Delay::Fixed(scale(us)),
        Delay::Table(points) => Delay::Table(points.map(scale)),
        Delay::Never => Delay::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_domain_draws_its_own_part_and_the_same_seed_draws_the_same() {
        let base = Rules::default();
        let drawn =
            |domains: &[Domain], seed| draw(domains, base, &mut Rng::stream(seed, "domains", 0));
        assert_eq!(drawn(&[], 1), base);
        for (domain, most) in Domain::ALL.into_iter().zip([4, 4, 6]) {
            let all: Vec<Rules> = (0..200).map(|seed| drawn(&[domain], seed)).collect();
            let different: BTreeSet<String> = all.iter().map(|r| format!("{r:?}")).collect();
            assert_eq!(different.len(), most, "{domain:?}");
            assert!((0..200).all(|seed| all[seed as usize] == drawn(&[domain], seed)));
            assert!(all.iter().all(|r| r.counts != Bound::Optimistic && r.close == base.close));
            let others = |r: &Rules| match domain {
                Domain::Latency => (r.fees, r.fitted) == (base.fees, base.fitted),
                Domain::Fees => (r.latency, r.fitted) == (base.latency, base.fitted),
                Domain::Queue => (r.latency, r.fees) == (base.latency, base.fees),
            };
            assert!(all.iter().all(others), "{domain:?} changes what is not its own");
        }
    }
}
