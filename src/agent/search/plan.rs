//! How steps are spent on trials.

use serde::{Deserialize, Serialize};

/// Of the trials of a rung one in so many goes on.
const ETA: usize = 3;

/// How steps are spent on trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every trial gets all steps.
    Random,
    /// Successive halving: thrice the steps for the best third, again and again.
    Halving,
}

/// Trials that train up to the same number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    /// How many.
    pub(super) keep: usize,
    /// Environment steps of each model, from its beginning.
    pub(super) steps: u64,
}

impl Method {
    /// The rungs for `trials` trials of `steps` steps at the end.
    pub(super) fn rungs(self, trials: usize, steps: u64) -> Vec<Rung> {
        if self == Method::Random {
            return vec![Rung { keep: trials, steps }];
        }
        // As many thirds as leave one trial at the end.
        let cuts = trials.max(1).ilog(ETA);
        let rung = |cut: u32| Rung {
            keep: (trials / ETA.pow(cut)).max(1),
            steps: (steps / (ETA as u64).pow(cuts - cut)).max(1),
        };
        (0..=cuts).map(rung).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thirds_go_on_until_one_is_left() {
        let rungs = Method::Halving.rungs(20, 90_000);
        let pairs: Vec<_> = rungs.iter().map(|r| (r.keep, r.steps)).collect();
        assert_eq!(pairs, [(20, 10_000), (6, 30_000), (2, 90_000)]);
        assert_eq!(Method::Random.rungs(20, 90_000), [Rung { keep: 20, steps: 90_000 }]);
        assert_eq!(Method::Halving.rungs(2, 500), [Rung { keep: 2, steps: 500 }]);
    }

    proptest! {
        #[test]
        fn rungs_shrink_and_end_with_all_steps(trials in 1usize..2_000, steps in 1u64..10_000_000) {
            let rungs = Method::Halving.rungs(trials, steps);
            prop_assert_eq!(rungs[0].keep, trials);
            prop_assert_eq!(rungs[rungs.len() - 1].steps, steps);
            for pair in rungs.windows(2) {
                prop_assert!(pair[1].keep < pair[0].keep && pair[1].steps >= pair[0].steps);
            }
        }
    }
}
