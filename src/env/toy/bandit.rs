//! Four arms, one of them out of order.

use super::loaded;
use crate::env::{EpisodeEnd, StepBuf, VecEnv};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A slot machine with four arms that pay 0.1, 0.3, 0.9 and 1.0 on average, with noise. In every episode
/// (one pull) one arm is out of order: the observation shows which, the mask forbids it. Best play is
/// arm 3, or arm 2 when 3 is out: a mean of 0.975.
pub struct Bandit {
    pulls: Vec<Pull>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pull {
    broken: u64,
    rng: Rng,
}

impl Bandit {
    /// Mean payment of each arm.
    pub const ARMS: [f64; 4] = [0.1, 0.3, 0.9, 1.0];

    /// `n_envs` machines; [`VecEnv::reset`] comes first.
    pub fn new(n_envs: usize) -> Bandit {
        Bandit {
            pulls: (0..n_envs as u64)
                .map(|i| Pull { broken: 0, rng: Rng::stream(0, "bandit", i) })
                .collect(),
        }
    }

    /// Names of the actions.
    pub fn actions() -> Vec<String> {
        (0..4).map(|arm| format!("arm_{arm}")).collect()
    }

    fn write(&self, out: &mut StepBuf) {
        out.obs.fill(0.0);
        out.mask.fill(true);
        for (i, pull) in self.pulls.iter().enumerate() {
            out.obs[i * 4 + pull.broken as usize] = 1.0;
            out.mask[i * 4 + pull.broken as usize] = false;
        }
    }
}

impl VecEnv for Bandit {
    fn n_envs(&self) -> usize {
        self.pulls.len()
    }

    fn obs_len(&self) -> usize {
        4
    }

    fn n_actions(&self) -> usize {
        4
    }

    fn reset(&mut self, seed: u64, out: &mut StepBuf) {
        for (i, pull) in self.pulls.iter_mut().enumerate() {
            pull.rng = Rng::stream(seed, "bandit", i as u64);
            pull.broken = pull.rng.below(4);
        }
        self.write(out);
    }

    fn step(&mut self, actions: &[u32], out: &mut StepBuf) {
        out.final_obs.copy_from_slice(&out.obs);
        for (i, pull) in self.pulls.iter_mut().enumerate() {
            assert_ne!(u64::from(actions[i]), pull.broken, "this arm is out of order");
            let payment = Bandit::ARMS[actions[i] as usize] + 0.2 * pull.rng.normal();
            out.reward[i] = payment as f32;
            out.terminated[i] = true;
            out.truncated[i] = false;
            out.ended[i] = EpisodeEnd { ret: payment, len: 1 };
            pull.broken = pull.rng.below(4);
        }
        self.write(out);
    }

    fn save(&self) -> Value {
        serde_json::json!({ "bandit": self.pulls })
    }

    fn load(&mut self, state: &Value, out: &mut StepBuf) -> Result<(), String> {
        self.pulls = loaded(state, "bandit", self.pulls.len())?;
        self.write(out);
        Ok(())
    }
}
