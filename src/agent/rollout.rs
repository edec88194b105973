//! Collecting experience: the policy acts in all environments for a number of steps.
//!
//! Arrays are time-major, `[steps, envs, ..]`. Observations are stored as the network saw them, that
//! is normalised when the run normalises.

use super::dist;
use super::engine::Engine;
use super::gae::{self, Trace};
use super::loss::Minibatch;
use super::normalizer::Normalizer;
use super::tally::Tally;
use crate::env::{StepBuf, VecEnv};
use crate::rng::Rng;

/// A number that is not finite, by name: training on it would spoil every parameter.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{what} is {value} at step {step}")]
pub struct NotFinite {
    /// What it is.
    pub what: String,
    /// NaN or an infinity.
    pub value: f32,
    /// Environment steps done by then, all environments together.
    pub step: u64,
}

/// Experience of one rollout, `rows = steps * envs`.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// `[rows, obs_len]`.
    pub obs: Vec<f32>,
    /// `[rows, n_actions]`.
    pub mask: Vec<bool>,
    /// `[rows]`.
    pub actions: Vec<u32>,
    /// `[rows]`: log-probabilities of `actions`.
    pub log_probs: Vec<f32>,
    /// `[rows]`: values of `obs`.
    pub values: Vec<f32>,
    /// `[rows]`: rewards; a cut episode's last one includes `gamma * value(final_obs)`, as in SB3.
    pub rewards: Vec<f32>,
    /// `[rows]`: the episode ended with this step.
    pub dones: Vec<bool>,
    /// `[rows]`.
    pub advantages: Vec<f32>,
    /// `[rows]`: advantages + values.
    pub returns: Vec<f32>,
}

impl Rollout {
    fn clear(&mut self) {
        self.obs.clear();
        self.mask.clear();
        self.actions.clear();
        self.log_probs.clear();
        self.values.clear();
        self.rewards.clear();
        self.dones.clear();
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// True before the first collection.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// All rows in order.
    pub fn as_minibatch(&self) -> Minibatch<'_> {
        Minibatch {
            obs: &self.obs,
            mask: &self.mask,
            actions: &self.actions,
            log_probs: &self.log_probs,
            advantages: &self.advantages,
            returns: &self.returns,
        }
    }

    /// `1 - var(returns - values) / var(returns)`; nothing when the returns do not vary.
    pub fn explained_variance(&self) -> Option<f64> {
        let var = |xs: &mut dyn Iterator<Item = f64>| {
            let (mut n, mut mean, mut m2) = (0.0, 0.0, 0.0);
            for x in xs {
                n += 1.0;
                let delta = x - mean;
                mean += delta / n;
                m2 += delta * (x - mean);
            }
            m2 / n
        };
        let returns = || self.returns.iter().map(|&r| f64::from(r));
        let of_returns = var(&mut returns());
        let of_misses = var(&mut returns().zip(&self.values).map(|(r, &v)| r - f64::from(v)));
        (of_returns > 0.0).then(|| 1.0 - of_misses / of_returns)
    }
}

/// Acts in the environments and remembers where they stand.
pub struct Collector {
    /// Statistics of the observations, when the run normalises.
    pub normalizer: Option<Normalizer>,
    /// Draws the actions.
    pub rng: Rng,
    buf: StepBuf,
    /// The current observations as the network sees them, `[envs, obs_len]`.
    seen: Vec<f32>,
    /// The last observation of an episode that was cut, likewise.
    last: Vec<f32>,
    logits: Vec<f32>,
    values: Vec<f32>,
    log_probs: Vec<f32>,
    actions: Vec<u32>,
}

impl Collector {
    /// Starts fresh episodes everywhere.
    pub fn start(env: &mut dyn VecEnv, normalize: bool, seed: u64) -> Collector {
        let normalizer = normalize.then(|| Normalizer::new(env.obs_len()));
        let mut collector = Collector::new(env, normalizer, Rng::stream(seed, "actions", 0));
        env.reset(seed, &mut collector.buf);
        collector.look(true);
        collector
    }

    /// Continues where a saved run stood.
    ///
    /// # Errors
    /// What of the environments' state does not fit.
    pub fn resume(
        env: &mut dyn VecEnv,
        state: &serde_json::Value,
        normalizer: Option<Normalizer>,
        rng: Rng,
    ) -> Result<Collector, String> {
        let mut collector = Collector::new(env, normalizer, rng);
        env.load(state, &mut collector.buf)?;
        collector.look(false);
        Ok(collector)
    }

    fn new(env: &dyn VecEnv, normalizer: Option<Normalizer>, rng: Rng) -> Collector {
        let (n, n_actions) = (env.n_envs(), env.n_actions());
        Collector {
            normalizer,
            rng,
            buf: StepBuf::for_env(env),
            seen: vec![0.0; n * env.obs_len()],
            last: vec![0.0; env.obs_len()],
            logits: vec![0.0; n * n_actions],
            values: vec![0.0; n],
            log_probs: vec![0.0; n_actions],
            actions: vec![0; n],
        }
    }

    /// Turns the raw observations into those that the network sees, learning from them when they are new.
    fn look(&mut self, new: bool) {
        match &mut self.normalizer {
            Some(normalizer) => {
                if new {
                    normalizer.observe(&self.buf.obs);
                }
                normalizer.apply(&self.buf.obs, &mut self.seen);
            }
            None => self.seen.copy_from_slice(&self.buf.obs),
        }
    }

    /// Fills `out` with `n_steps` steps of every environment, but for what [`Collector::estimate`] adds.
    ///
    /// # Errors
    /// [`NotFinite`] names the observation, reward or value.
    pub fn collect(
        &mut self,
        env: &mut dyn VecEnv,
        engine: &mut dyn Engine,
        (n_steps, gamma): (usize, f32),
        out: &mut Rollout,
        tally: &mut Tally,
    ) -> Result<(), NotFinite> {
        out.clear();
        for _ in 0..n_steps {
            self.act(engine, tally.steps, out)?;
            tally.see(env, &self.buf, &self.actions);
            env.step(&self.actions, &mut self.buf);
            tally.count(&self.actions, &self.buf);
            check_finite("a reward", &self.buf.reward, tally.steps)?;
            check_finite("an observation", &self.buf.obs, tally.steps)?;
            let base = out.rewards.len();
            out.rewards.extend_from_slice(&self.buf.reward);
            out.dones
                .extend(self.buf.terminated.iter().zip(&self.buf.truncated).map(|(a, b)| *a || *b));
            self.bootstrap_cut_episodes(engine, gamma, &mut out.rewards[base..]);
            self.look(true);
        }
        Ok(())
    }

    /// Advantages and returns of what was just collected; `step` is for the error.
    ///
    /// # Errors
    /// [`NotFinite`] when a value is broken.
    pub fn estimate(
        &mut self,
        engine: &mut dyn Engine,
        (gamma, lambda): (f32, f32),
        out: &mut Rollout,
        step: u64,
    ) -> Result<(), NotFinite> {
        engine.infer(&self.seen, &mut self.logits, &mut self.values);
        check_finite("a value", &self.values, step)?;
        out.advantages.resize(out.len(), 0.0);
        let trace = Trace {
            rewards: &out.rewards,
            values: &out.values,
            dones: &out.dones,
            last_values: &self.values,
        };
        gae::advantages(&trace, gamma, lambda, &mut out.advantages);
        out.returns.clear();
        out.returns.extend(out.advantages.iter().zip(&out.values).map(|(a, v)| a + v));
        Ok(())
    }

    /// Chooses and records one action per environment.
    fn act(
        &mut self,
        engine: &mut dyn Engine,
        step: u64,
        out: &mut Rollout,
    ) -> Result<(), NotFinite> {
        engine.infer(&self.seen, &mut self.logits, &mut self.values);
        let n_actions = self.log_probs.len();
        for (i, action) in self.actions.iter_mut().enumerate() {
            let at = i * n_actions..(i + 1) * n_actions;
            dist::log_softmax(&self.logits[at.clone()], &self.buf.mask[at], &mut self.log_probs);
            *action = dist::sample(&self.log_probs, &mut self.rng);
            out.log_probs.push(self.log_probs[*action as usize]);
        }
        check_finite("a logit", &self.logits, step)?;
        out.obs.extend_from_slice(&self.seen);
        out.mask.extend_from_slice(&self.buf.mask);
        out.actions.extend_from_slice(&self.actions);
        out.values.extend_from_slice(&self.values);
        Ok(())
    }

    /// Where an episode was cut rather than over, the value of its last observation follows the reward.
    fn bootstrap_cut_episodes(&mut self, engine: &mut dyn Engine, gamma: f32, rewards: &mut [f32]) {
        let obs_len = self.seen.len() / rewards.len();
        for (i, reward) in rewards.iter_mut().enumerate() {
            if self.buf.terminated[i] || !self.buf.truncated[i] {
                continue;
            }
            let last = &self.buf.final_obs[i * obs_len..(i + 1) * obs_len];
            match &self.normalizer {
                Some(normalizer) => normalizer.apply(last, &mut self.last),
                None => self.last.copy_from_slice(last),
            }
            let mut value = [0.0];
            engine.infer(&self.last, &mut self.log_probs, &mut value);
            *reward += gamma * value[0];
        }
    }
}

fn check_finite(what: &str, values: &[f32], step: u64) -> Result<(), NotFinite> {
    // Zero times a broken number is NaN, and stays it: a sum without branches for what is nearly always
    // the case. Only then is the place looked for.
    let mut sums = [0.0f32; 16];
    let chunks = values.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|v| v * 0.0).sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, v)| *sum += v * 0.0);
    }
    if rest + sums.iter().sum::<f32>() == 0.0 {
        return Ok(());
    }
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(NotFinite { what: format!("{what} (place {i})"), value: values[i], step }),
    }
}
