//! What a training run is asked to do: SB3's names and defaults.

use super::engine::EngineName;
use super::markets::Curriculum;
use super::optimizer::OptimizerKind;
use super::schedule::Schedule;
use super::stop::StopRules;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Steps of one rollout over all environments that are kept in memory at most.
const ROLLOUT_MAX: usize = 10_000_000;
/// The widest layer.
const WIDTH_MAX: usize = 65_536;
/// Weights between hidden layers: with gradients, two moments and two towers 3 GB.
const WEIGHTS_MAX: usize = 100_000_000;

/// A complete, resolved configuration; `config.json` of a run is exactly this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// The algorithm and what only it knows.
    #[serde(flatten)]
    pub algo: Algo,
    /// What computes. Runs from before there was a choice were burn's.
    #[serde(default = "burn")]
    pub engine: EngineName,
    /// All chance of the run comes from it.
    pub seed: u64,
    /// Environment steps to do, all environments together; whole rollouts are done, so it may be passed a little.
    pub total_timesteps: u64,
    /// Environments stepped in lockstep.
    pub n_envs: usize,
    /// Steps per environment and rollout.
    pub n_steps: usize,
    /// Discount factor per step.
    pub gamma: f32,
    /// GAE's trade of bias against variance; 1 means plain returns.
    pub gae_lambda: f32,
    /// Weight of the entropy bonus.
    pub ent_coef: f32,
    /// Weight of the value loss.
    pub vf_coef: f32,
    /// Limit of the gradients' 2-norm.
    pub max_grad_norm: f32,
    /// Step size of the optimiser.
    pub learning_rate: Schedule,
    /// Normalise advantages within each minibatch.
    pub normalize_advantage: bool,
    /// Widths of the hidden layers.
    pub net_arch: Vec<usize>,
    /// Normalise observations by running statistics, as `VecNormalize` does.
    pub normalize_obs: bool,
    /// Rollouts per row of the progress files.
    pub log_interval: u64,
    /// Environment steps between two saved states.
    pub save_freq: u64,
    /// Which markets come first.
    #[serde(default)]
    pub curriculum: Curriculum,
    /// When to give up.
    pub stop: StopRules,
}

fn burn() -> EngineName {
    EngineName::Burn
}

/// The algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algo", rename_all = "lowercase")]
pub enum Algo {
    /// Proximal policy optimisation, clipped (Schulman et al. 2017).
    Ppo {
        /// Rows per minibatch.
        batch_size: usize,
        /// Passes over each rollout.
        n_epochs: usize,
        /// Clip range of the probability ratio.
        clip_range: Schedule,
        /// Ends an update early once `approx_kl` passes 1.5 times this.
        target_kl: Option<f32>,
    },
    /// Advantage actor-critic, synchronous (Mnih et al. 2016), with RMSprop.
    A2c {
        /// Added to RMSprop's root.
        rms_prop_eps: f64,
    },
}

impl TrainConfig {
    /// SB3's defaults for PPO.
    pub fn ppo() -> TrainConfig {
        TrainConfig {
            algo: Algo::Ppo {
                batch_size: 64,
                n_epochs: 10,
                clip_range: Schedule::Constant(0.2),
                target_kl: None,
            },
            engine: EngineName::Fused,
            seed: 0,
            total_timesteps: 100_000,
            n_envs: 8,
            n_steps: 2048,
            gamma: 0.99,
            gae_lambda: 0.95,
            ent_coef: 0.0,
            vf_coef: 0.5,
            max_grad_norm: 0.5,
            learning_rate: Schedule::Constant(3e-4),
            normalize_advantage: true,
            net_arch: vec![64, 64],
            normalize_obs: false,
            log_interval: 1,
            save_freq: 100_000,
            curriculum: Curriculum::Uniform,
            stop: StopRules::default(),
        }
    }

    /// SB3's defaults for A2C.
    pub fn a2c() -> TrainConfig {
        TrainConfig {
            algo: Algo::A2c { rms_prop_eps: 1e-5 },
            n_steps: 5,
            gae_lambda: 1.0,
            learning_rate: Schedule::Constant(7e-4),
            normalize_advantage: false,
            log_interval: 100,
            ..TrainConfig::ppo()
        }
    }

    /// PPO for real training in a third of the default's time per step: larger minibatches, which the
    /// processor likes, gone through fewer times, each with a larger step to make up for it.
    pub fn throughput() -> TrainConfig {
        TrainConfig {
            algo: Algo::Ppo {
                batch_size: 256,
                n_epochs: 3,
                clip_range: Schedule::Constant(0.2),
                target_kl: None,
            },
            n_envs: 32,
            n_steps: 64,
            learning_rate: Schedule::Constant(1e-3),
            ..TrainConfig::ppo()
        }
    }

    /// The defaults of the algorithm called `name`.
    ///
    /// # Errors
    /// When there is no such algorithm.
    pub fn of(name: &str) -> Result<TrainConfig, String> {
        match name {
            "ppo" => Ok(TrainConfig::ppo()),
            "a2c" => Ok(TrainConfig::a2c()),
            _ => Err(format!("no algorithm is called `{name}`; there are `ppo` and `a2c`")),
        }
    }

    /// The algorithm's name.
    pub fn algo_name(&self) -> &'static str {
        match self.algo {
            Algo::Ppo { .. } => "ppo",
            Algo::A2c { .. } => "a2c",
        }
    }

    /// The optimiser that SB3 gives to the algorithm.
    pub fn optimizer(&self) -> OptimizerKind {
        match self.algo {
            Algo::Ppo { .. } => OptimizerKind::Adam { eps: 1e-5 },
            Algo::A2c { rms_prop_eps } => OptimizerKind::RmsProp { eps: rms_prop_eps },
        }
    }

    /// Sets one field by `NAME=VALUE`, and returns its name; see [`TrainConfig::set`].
    ///
    /// # Errors
    /// As [`TrainConfig::set`], and when there is no `=`.
    pub fn assign<'a>(&mut self, param: &'a str) -> Result<&'a str, String> {
        let (name, value) =
            param.split_once('=').ok_or_else(|| format!("`{param}` is not NAME=VALUE"))?;
        self.set(name, value)?;
        Ok(name)
    }

    /// Sets one field by its name, its value written as in JSON or as bare text (`lin_0.001`).
    ///
    /// # Errors
    /// Says that the field does not exist, or why the value does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let mut tree = serde_json::to_value(&*self).map_err(|e| e.to_string())?;
        let Some(field) = tree.get_mut(name) else {
            let names = tree.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>().join(", "));
            return Err(format!(
                "no parameter is called `{name}`; there are: {}",
                names.unwrap_or_default()
            ));
        };
        *field = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        *self = serde_json::from_value(tree).map_err(|e| format!("`{name}={value}`: {e}"))?;
        Ok(())
    }

    /// Every problem of this configuration; empty when there is none.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut demand = |ok: bool, text: &str| {
            if !ok {
                problems.push(text.to_owned());
            }
        };
        demand(self.n_envs > 0, "n_envs must be positive");
        demand(self.n_steps > 0, "n_steps must be positive");
        demand(
            self.n_steps.saturating_mul(self.n_envs) <= ROLLOUT_MAX,
            "n_steps x n_envs must not exceed 10 million: a rollout is kept in memory",
        );
        demand(self.total_timesteps > 0, "steps must be positive");
        demand(!self.net_arch.contains(&0), "net_arch must not hold a zero");
        let between = self.net_arch.windows(2).map(|pair| pair[0].saturating_mul(pair[1]));
        demand(
            self.net_arch.iter().all(|width| *width <= WIDTH_MAX)
                && between.fold(0, usize::saturating_add) <= WEIGHTS_MAX,
            "net_arch must not be wider than 65536, nor need more than 100 million weights between its layers",
        );
        demand(self.log_interval > 0, "log_interval must be positive");
        demand(self.save_freq > 0, "save_freq must be positive");
        demand((0.0..=1.0).contains(&self.gamma), "gamma must lie in 0..=1");
        demand((0.0..=1.0).contains(&self.gae_lambda), "gae_lambda must lie in 0..=1");
        demand(self.max_grad_norm > 0.0, "max_grad_norm must be positive");
        let rate = self.learning_rate.initial();
        demand(rate.is_finite() && rate > 0.0, "learning_rate must be positive");
        demand(
            self.ent_coef.is_finite() && self.vf_coef.is_finite(),
            "ent_coef and vf_coef must be finite",
        );
        if let Algo::A2c { rms_prop_eps } = self.algo {
            demand(rms_prop_eps > 0.0, "rms_prop_eps must be positive");
        }
        if let Algo::Ppo { batch_size, n_epochs, clip_range, target_kl } = self.algo {
            demand(target_kl.is_none_or(|kl| kl > 0.0), "target_kl must be positive");
            demand(
                batch_size > 1 || !self.normalize_advantage,
                "batch_size must be above 1 to normalise advantages",
            );
            demand(batch_size > 0, "batch_size must be positive");
            demand(n_epochs > 0, "n_epochs must be positive");
            demand(clip_range.initial() > 0.0, "clip_range must be positive");
            problems.extend(self.leftover(batch_size));
        }
        problems
    }

    /// A batch that does not divide the rollout, with the nearest that do: the last minibatch of each pass would be
    /// smaller, and its rows weigh more than the others.
    fn leftover(&self, batch_size: usize) -> Option<String> {
        let rows = self.n_steps.saturating_mul(self.n_envs);
        if batch_size == 0 || rows == 0 || rows > ROLLOUT_MAX || rows.is_multiple_of(batch_size) {
            return None;
        }
        let below = (1..batch_size).rev().find(|size| rows.is_multiple_of(*size));
        let above = (batch_size..=rows).find(|size| rows.is_multiple_of(*size));
        let near: Vec<String> =
            below.into_iter().chain(above).map(|size| size.to_string()).collect();
        Some(format!(
            "batch_size {batch_size} does not divide n_steps x n_envs = {rows}; the nearest that do: {}",
            near.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_set_by_sb3s_names() {
        let mut config = TrainConfig::ppo();
        for (name, value) in [
            ("learning_rate", "lin_0.001"),
            ("n_epochs", "20"),
            ("net_arch", "[32,32]"),
            ("target_kl", "0.03"),
        ] {
            config.set(name, value).unwrap();
        }
        assert_eq!(config.learning_rate, Schedule::Linear(0.001));
        assert_eq!(config.net_arch, [32, 32]);
        assert!(matches!(
            config.algo,
            Algo::Ppo { n_epochs: 20, target_kl: Some(_), batch_size: 64, .. }
        ));
        let before = config.clone();
        assert!(config.set("n_epoch", "3").unwrap_err().contains("n_epochs"));
        assert!(config.set("n_epochs", "many").is_err());
        assert!(TrainConfig::a2c().set("batch_size", "64").is_err(), "A2C has no minibatches");
        assert_eq!(config, before);
    }

    #[test]
    fn a_configuration_survives_its_file() {
        for config in [TrainConfig::ppo(), TrainConfig::a2c(), TrainConfig::throughput()] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), config);
            assert_eq!(config.problems(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_batch_that_does_not_divide_is_refused_with_those_that_do() {
        let config = TrainConfig { n_steps: 25, n_envs: 4, ..TrainConfig::ppo() };
        let problems = config.problems();
        assert!(problems.len() == 1 && problems[0].ends_with("50, 100"), "{problems:?}");
        let config = TrainConfig { n_steps: 50, n_envs: 1, ..TrainConfig::ppo() };
        assert!(config.problems()[0].ends_with("50"), "{:?}", config.problems());
    }

    /// A network of a trillion weights ended the process instead of being refused.
    #[test]
    fn what_no_memory_holds_and_what_no_run_survives_is_refused() {
        let refused = |mut config: TrainConfig, name: &str, value: &str| {
            config.set(name, value).unwrap();
            let problems = config.problems();
            assert!(problems.len() == 1 && problems[0].starts_with(name), "{problems:?}");
        };
        refused(TrainConfig::ppo(), "net_arch", "[1000000,1000000]");
        refused(TrainConfig::ppo(), "net_arch", "[60000,60000]");
        refused(TrainConfig::ppo(), "target_kl", "0");
        refused(TrainConfig::a2c(), "rms_prop_eps", "-1e-5");
        let wide = TrainConfig { net_arch: vec![4_096; 3], ..TrainConfig::ppo() };
        assert!(wide.problems().is_empty());
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let config = TrainConfig { n_steps: 0, n_envs: 0, gamma: 1.5, ..TrainConfig::ppo() };
        assert_eq!(config.problems().len(), 3);
    }
}
