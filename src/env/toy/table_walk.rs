//! Numbers from a table.

use super::loaded;
use crate::env::{EpisodeEnd, StepBuf, VecEnv};
use crate::rng::Rng;
use serde_json::Value;

/// An environment that costs nothing, to time a trainer: 52 numbers looked up in a table of 4096 rows, five
/// actions, episodes of 1000 steps. The reward is the row's first number times the action minus two.
pub struct TableWalk {
    table: Vec<f32>,
    at: Vec<usize>,
    steps: Vec<u32>,
    returns: Vec<f64>,
}

impl TableWalk {
    const OBS: usize = 52;
    const ROWS: usize = 4096;
    const STEPS: u32 = 1000;

    /// `n_envs` walkers through one table of standard normal numbers.
    pub fn new(n_envs: usize) -> TableWalk {
        let mut rng = Rng::stream(1234, "table", 0);
        TableWalk {
            table: (0..Self::ROWS * Self::OBS).map(|_| rng.normal() as f32).collect(),
            at: (0..n_envs).map(|i| i * 131).collect(),
            steps: vec![0; n_envs],
            returns: vec![0.0; n_envs],
        }
    }

    /// Names of the actions.
    pub fn actions() -> Vec<String> {
        (-2..=2).map(|i: i32| i.to_string()).collect()
    }

    fn row(&self, env: usize) -> &[f32] {
        let row = self.at[env] % Self::ROWS;
        &self.table[row * Self::OBS..(row + 1) * Self::OBS]
    }

    fn write(&self, out: &mut StepBuf) {
        for (env, obs) in out.obs.chunks_exact_mut(Self::OBS).enumerate() {
            obs.copy_from_slice(self.row(env));
        }
        out.mask.fill(true);
    }
}

impl VecEnv for TableWalk {
    fn n_envs(&self) -> usize {
        self.at.len()
    }

    fn obs_len(&self) -> usize {
        Self::OBS
    }

    fn n_actions(&self) -> usize {
        5
    }

    fn reset(&mut self, _seed: u64, out: &mut StepBuf) {
        self.steps.fill(0);
        self.returns.fill(0.0);
        self.write(out);
    }

    fn step(&mut self, actions: &[u32], out: &mut StepBuf) {
        for env in 0..self.at.len() {
            let reward = self.row(env)[0] * (actions[env] as f32 - 2.0);
            self.at[env] += 1;
            self.steps[env] += 1;
            self.returns[env] += f64::from(reward);
            out.reward[env] = reward;
            out.truncated[env] = self.steps[env] == Self::STEPS;
            out.ended[env] = EpisodeEnd::default();
            if out.truncated[env] {
                out.ended[env] = EpisodeEnd { ret: self.returns[env], len: Self::STEPS };
                out.final_obs[env * Self::OBS..(env + 1) * Self::OBS]
                    .copy_from_slice(self.row(env));
                (self.steps[env], self.returns[env]) = (0, 0.0);
            }
        }
        self.write(out);
    }

    fn save(&self) -> Value {
        let returns: Vec<u64> = self.returns.iter().map(|r| r.to_bits()).collect();
        serde_json::json!({ "table_walk": self.at.iter().zip(&self.steps).zip(&returns).collect::<Vec<_>>() })
    }

    fn load(&mut self, state: &Value, out: &mut StepBuf) -> Result<(), String> {
        let saved: Vec<((usize, u32), u64)> = loaded(state, "table_walk", self.at.len())?;
        for (env, ((at, steps), bits)) in saved.into_iter().enumerate() {
            (self.at[env], self.steps[env], self.returns[env]) = (at, steps, f64::from_bits(bits));
        }
        self.write(out);
        Ok(())
    }
}
