//! `kflow bench train`: the learner on an environment that costs nothing.
//!
//! The environment and the settings are those of the peer benchmark for Stable-Baselines3, so that
//! the figures compare: 52 observations, 5 actions, two towers of 64-64 with tanh.

use super::CpuTimer;
use crate::agent::burn_engine::BurnEngine;
use crate::agent::config::{Algo, TrainConfig};
use crate::agent::device::{self, DeviceName};
use crate::agent::engine::Engine;
use crate::agent::loss::{Minibatch, Objective, Rule};
use crate::agent::model::{Choice, Model, ModelPolicy};
use crate::agent::policy::Policy;
use crate::agent::schedule::Schedule;
use crate::agent::trainer::Trainer;
use crate::agent::weights::Interface;
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use crate::cli::progress::Progress;
use crate::env::toy::TableWalk;
use crate::env::{StepBuf, VecEnv};
use crate::rng::Rng;
use serde::Serialize;
use std::time::Instant;

/// Options of `kflow bench train`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the tensors live: `cpu` (which is `flex`) or `ndarray`.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Environment steps of each run.
    #[arg(long, default_value_t = 32_768)]
    steps: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Figures {
    device: String,
    isa: &'static str,
    /// PPO: 8 environments, 2048 steps, batches of 64, 10 passes.
    ppo_steps_per_cpu_s: f64,
    /// A2C: 8 environments, 5 steps.
    a2c_steps_per_cpu_s: f64,
    /// PPO: 256 environments, 64 steps, batches of 2048, 4 passes.
    large_batch_steps_per_cpu_s: f64,
    /// One PPO update on 64 rows, median.
    update_us: f64,
    /// One greedy decision, median.
    decision_us: f64,
    /// The environment alone, 8 of them.
    floor_steps_per_s: f64,
}

/// Measures and prints.
///
/// # Errors
/// When the device is not in this binary.
pub fn run(args: Args) -> Result<(), Failure> {
    let device: DeviceName = args.device.parse().or_fail(Code::Config)?;
    let mut progress = Progress::start("bench train", 6);
    let mut done = 0;
    let mut measure = |f: &mut dyn FnMut() -> Result<f64, Failure>| {
        let figure = f();
        done += 1;
        progress.set(done);
        figure
    };
    let figures = Figures {
        device: device.to_string(),
        isa: device::isa(),
        ppo_steps_per_cpu_s: measure(&mut || {
            steps_per_cpu_s(&TrainConfig::ppo(), args.steps, device)
        })?,
        a2c_steps_per_cpu_s: measure(&mut || {
            steps_per_cpu_s(&TrainConfig::a2c(), args.steps, device)
        })?,
        large_batch_steps_per_cpu_s: measure(&mut || {
            steps_per_cpu_s(&large_batch(), 4 * args.steps, device)
        })?,
        update_us: measure(&mut || Ok(update_us(device)))?,
        decision_us: measure(&mut || Ok(decision_us(device)))?,
        floor_steps_per_s: measure(&mut || Ok(floor_steps_per_s()))?,
    };
    progress.finish();
    if args.json {
        return printer::json("bench train", &figures);
    }
    let rows: Vec<Vec<String>> = match serde_json::to_value(&figures) {
        Ok(serde_json::Value::Object(map)) => {
            map.iter().map(|(k, v)| vec![k.clone(), shown(v)]).collect()
        }
        _ => Vec::new(),
    };
    printer::line(&printer::table(&["figure", "value"], &rows))
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        number => format!("{:.1}", number.as_f64().unwrap_or(f64::NAN)),
    }
}

fn large_batch() -> TrainConfig {
    let clip_range = Schedule::Constant(0.2);
    let algo = Algo::Ppo { batch_size: 2048, n_epochs: 4, clip_range, target_kl: None };
    TrainConfig { algo, n_envs: 256, n_steps: 64, ..TrainConfig::ppo() }
}

/// A whole run in memory: rollouts, advantages, updates.
fn steps_per_cpu_s(config: &TrainConfig, steps: u64, device: DeviceName) -> Result<f64, Failure> {
    let config = TrainConfig { total_timesteps: steps, ..config.clone() };
    let mut env = TableWalk::new(config.n_envs);
    let shape = config.shape(&env);
    let (params, optimizer) = config.fresh(&shape);
    let mut engine = BurnEngine::new(device, shape, params, optimizer);
    let mut trainer = Trainer::start(&config, &mut env, &mut engine, &TableWalk::actions());
    let timer = CpuTimer::start();
    while trainer.iterate()?.ended.is_none() {}
    Ok(trainer.steps() as f64 / timer.seconds())
}

/// Median time of one update on 64 rows.
fn update_us(device: DeviceName) -> f64 {
    const ROWS: usize = 64;
    let config = TrainConfig::ppo();
    let env = TableWalk::new(1);
    let shape = config.shape(&env);
    let (params, optimizer) = config.fresh(&shape);
    let mut rng = Rng::stream(7, "bench", 0);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
    let (obs, advantages, returns) = (draw(ROWS * shape.obs_len), draw(ROWS), draw(ROWS));
    let actions: Vec<u32> = (0..ROWS).map(|i| (i % shape.n_actions) as u32).collect();
    let batch = Minibatch {
        obs: &obs,
        mask: &vec![true; ROWS * shape.n_actions],
        actions: &actions,
        log_probs: &[-(5f32.ln()); ROWS],
        advantages: &advantages,
        returns: &returns,
    };
    let rule = Rule {
        objective: Objective::Clipped { clip_range: 0.2 },
        ent_coef: 0.0,
        vf_coef: 0.5,
        max_grad_norm: 0.5,
        learning_rate: 3e-4,
        normalize_advantage: true,
        kl_limit: None,
    };
    let mut engine = BurnEngine::new(device, shape, params, optimizer);
    median_us(1000, || {
        std::hint::black_box(engine.update(&batch, &rule));
    })
}

/// Median time of one greedy decision.
fn decision_us(device: DeviceName) -> f64 {
    let config = TrainConfig::ppo();
    let mut env = TableWalk::new(1);
    let mut buf = StepBuf::for_env(&env);
    env.reset(0, &mut buf);
    let action_names = TableWalk::actions();
    let [layout, layout_hash, actions, reward] = ["table-walk"; 4].map(str::to_owned);
    let interface = Interface { layout, layout_hash, actions, action_names, reward };
    let model = Model::untrained(&config, config.shape(&env), interface);
    let mut policy = ModelPolicy::new("bench", model, Choice::Greedy, device);
    median_us(2000, || {
        std::hint::black_box(policy.act(&buf.obs, &buf.mask));
    })
}

/// The environment alone: what no trainer can be faster than.
fn floor_steps_per_s() -> f64 {
    let mut env = TableWalk::new(8);
    let mut buf = StepBuf::for_env(&env);
    env.reset(0, &mut buf);
    let (timer, mut steps) = (CpuTimer::start(), 0.0);
    // The system counts CPU time in ticks of some milliseconds: a quarter of a second is many of them.
    while timer.seconds() < 0.25 {
        for i in 0..10_000 {
            env.step(&[i % 5; 8], &mut buf);
            steps += 8.0;
        }
    }
    steps / timer.seconds()
}

fn median_us(rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}
