//! A whole run in memory, its time split among its three parts.

use super::{Preset, single};
use crate::agent::config::{Algo, TrainConfig};
use crate::agent::device::DeviceName;
use crate::agent::engine::EngineName;
use crate::agent::model::{Choice, ModelPolicy};
use crate::agent::net::{Layer, NetShape};
use crate::agent::policy::Policy;
use crate::agent::trainer::Trainer;
use crate::cli::bench::CpuTimer;
use crate::cli::exit::Failure;
use crate::env::StepBuf;
use crate::env::toy::TableWalk;
use serde::Serialize;
use std::time::{Duration, Instant};

/// One run. Keys that `sb3.py` prints too mean the same there.
#[derive(Serialize)]
pub(super) struct Run {
    preset: &'static str,
    engine: String,
    algo: &'static str,
    envs: usize,
    n_steps: usize,
    batch: usize,
    epochs: usize,
    hidden: Vec<usize>,
    steps: u64,
    cpu_s: f64,
    pub(super) wall_s: f64,
    /// Environment steps per second of one core.
    pub(super) steps_per_cpu_s: f64,
    steps_per_s: f64,
    /// Share of the time spent acting.
    rollout_percent: f64,
    /// Share spent on advantages and returns.
    advantage_percent: f64,
    /// Share spent learning.
    update_percent: f64,
    /// The same as a fraction, advantages included, under the peer's name.
    rollout_frac: f64,
    updates_us_per_minibatch: f64,
    /// Multiplications and additions that a step needs: answers, gradients.
    flops_per_step: f64,
    /// The most that the arithmetic allows on one core.
    pub(super) floor_steps_per_s: f64,
    /// How much of that was reached.
    floor_percent: f64,
    /// Mean greedy return after the run, of an environment that can be solved; its time is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_mean: Option<f64>,
}

/// Seconds of learning that a run on a slow device may take; its figures do not get better by more.
const LEARNING_S: f64 = 30.0;

/// Episodes of `eval_mean`, and their chance: none of training's.
const GAMES: u32 = 50;
const GAMES_SEED: u64 = 10_000;

impl Run {
    pub(super) const HEAD: [&'static str; 11] = [
        "preset",
        "engine",
        "envs x horizon",
        "minibatch x passes",
        "steps/CPU s",
        "steps/s",
        "rollout %",
        "advantage %",
        "update %",
        "us/minibatch",
        "% of floor",
    ];

    pub(super) fn row(&self) -> Vec<String> {
        let percent = |share: f64| format!("{share:.1}");
        vec![
            self.preset.to_owned(),
            self.engine.clone(),
            format!("{} x {}", self.envs, self.n_steps),
            format!("{} x {}", self.batch, self.epochs),
            format!("{:.0}", self.steps_per_cpu_s),
            format!("{:.0}", self.steps_per_s),
            percent(self.rollout_percent),
            percent(self.advantage_percent),
            percent(self.update_percent),
            percent(self.updates_us_per_minibatch),
            percent(self.floor_percent),
        ]
    }
}

/// Trains in the preset's environment.
pub(super) fn measure(
    preset: Preset,
    config: &TrainConfig,
    engine_name: EngineName,
    device: DeviceName,
    gemm_gflops: f64,
) -> Result<Run, Failure> {
    let (mut env, actions) = preset.env(config.n_envs);
    let shape = config.shape(&*env);
    let (params, optimizer) = config.fresh(&shape);
    let mut engine = engine_name.build(device, shape.clone(), params, optimizer);
    let mut trainer = Trainer::start(config, &mut *env, &mut *engine, &actions);
    let (cpu, wall) = (CpuTimer::start(), Instant::now());
    let mut parts = [Duration::ZERO; 3];
    let mut iterations = 0;
    loop {
        let begun = Instant::now();
        trainer.collect()?;
        let collected = Instant::now();
        trainer.estimate()?;
        let estimated = Instant::now();
        let iteration = trainer.update()?;
        let ends = [begun, collected, estimated, Instant::now()];
        (0..3).for_each(|i| parts[i] += ends[i + 1] - ends[i]);
        iterations += 1;
        if iteration.ended.is_some() {
            break;
        }
    }
    let (cpu_s, wall_s, steps) = (cpu.seconds(), wall.elapsed().as_secs_f64(), trainer.steps());
    let [rollout, advantage, update] = parts.map(|part| part.as_secs_f64());
    let all = rollout + advantage + update;
    let rows = config.n_envs * config.n_steps;
    let (batch, epochs) = lessons(config);
    let flops_per_step = flops_of(&shape, epochs);
    let floor_steps_per_s = gemm_gflops * 1e9 / flops_per_step;
    let steps_per_cpu_s = steps as f64 / cpu_s;
    let eval_mean = preset.is_game().then(|| {
        let model = trainer.model(single::interface(actions));
        mean_return(ModelPolicy::new("bench", model, Choice::Greedy, device), preset)
    });
    Ok(Run {
        preset: preset.name(),
        engine: engine_name.to_string(),
        algo: config.algo_name(),
        envs: config.n_envs,
        n_steps: config.n_steps,
        batch,
        epochs,
        hidden: config.net_arch.clone(),
        steps,
        cpu_s,
        wall_s,
        steps_per_cpu_s,
        steps_per_s: steps as f64 / wall_s,
        rollout_percent: 100.0 * rollout / all,
        advantage_percent: 100.0 * advantage / all,
        update_percent: 100.0 * update / all,
        rollout_frac: (rollout + advantage) / all,
        updates_us_per_minibatch: 1e6 * update
            / f64::from(iterations * (rows.div_ceil(batch) * epochs) as u32),
        flops_per_step,
        floor_steps_per_s,
        floor_percent: 100.0 * steps_per_cpu_s / floor_steps_per_s,
        eval_mean,
    })
}

/// Mean return of [`GAMES`] episodes.
fn mean_return(mut policy: ModelPolicy, preset: Preset) -> f64 {
    let (mut env, _) = preset.env(1);
    let mut buf = StepBuf::for_env(&*env);
    env.reset(GAMES_SEED, &mut buf);
    let (mut games, mut sum) = (0, 0.0);
    while games < GAMES {
        let action = policy.act(&buf.obs, &buf.mask);
        env.step(&[action], &mut buf);
        if buf.ended[0].len > 0 {
            games += 1;
            sum += buf.ended[0].ret;
        }
    }
    sum / f64::from(GAMES)
}

/// Shortens a run that would take much longer than [`LEARNING_S`] where one update takes `update_s`, to one minibatch
/// at least: a GPU that the processor pretends to be is a hundred times slower than one.
pub(super) fn shorten(config: &mut TrainConfig, update_s: f64) {
    let (batch, epochs) = lessons(config);
    let minibatches = (LEARNING_S / update_s / epochs as f64).max(1.0) as usize;
    let rows = minibatches.saturating_mul(batch);
    if rows < config.n_envs * config.n_steps && rows.is_multiple_of(config.n_envs) {
        config.n_steps = rows / config.n_envs;
    }
    config.total_timesteps = config.total_timesteps.min(rows as u64);
}

/// Rows per minibatch and passes over a rollout.
pub(super) fn lessons(config: &TrainConfig) -> (usize, usize) {
    let rows = config.n_envs * config.n_steps;
    match config.algo {
        Algo::Ppo { batch_size, n_epochs, .. } => (batch_size.min(rows), n_epochs),
        Algo::A2c { .. } => (rows, 1),
    }
}

/// Operations that a step in the free environment needs.
pub(super) fn flops_per_step(config: &TrainConfig) -> f64 {
    flops_of(&config.shape(&TableWalk::new(1)), lessons(config).1)
}

/// Two operations per weight for an answer; twice that for its gradients, less those with respect to the
/// observation, which nobody asks for.
fn flops_of(shape: &NetShape, epochs: usize) -> f64 {
    let (policy, value) = shape.towers();
    let size = |layer: &Layer| layer.weight.len();
    let answer: usize = policy.iter().chain(&value).map(size).sum();
    let bottom: usize = [&policy, &value].map(|tower| size(&tower[0])).iter().sum();
    (2 * (answer + epochs * (3 * answer - bottom))) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::schedule::Schedule;

    #[test]
    fn a_slow_device_gets_fewer_minibatches_of_the_same_size() {
        let clip_range = Schedule::Constant(0.2);
        let algo = Algo::Ppo { batch_size: 8192, n_epochs: 1, clip_range, target_kl: None };
        let asked = TrainConfig {
            algo,
            n_envs: 1024,
            n_steps: 64,
            total_timesteps: 1 << 20,
            ..TrainConfig::ppo()
        };
        for (update_s, n_steps, steps) in
            [(1e-3, 64, 1 << 20), (0.5, 64, 60 * 8192), (10.0, 24, 3 * 8192), (1e9, 8, 8192)]
        {
            let mut config = asked.clone();
            shorten(&mut config, update_s);
            assert_eq!((config.n_steps, config.total_timesteps), (n_steps, steps), "{update_s}");
            assert!(config.problems().is_empty(), "{:?}", config.problems());
        }
    }

    #[test]
    fn operations_are_those_of_the_notes() {
        let shape = NetShape::mlp(52, vec![64, 64], 5);
        let kflop = |epochs| flops_of(&shape, epochs) / 1e3;
        assert!((kflop(10) - 811.0).abs() < 1.0 && (kflop(1) - 108.6).abs() < 0.1);
    }
}
