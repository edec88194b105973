//! Learning: it learns what is there, repeats itself bit for bit, continues where it stopped, and
//! refuses what does not fit.

#![cfg(feature = "learn")]

use kalshiflow::agent::burn_engine::BurnEngine;
use kalshiflow::agent::checkpoint::{CheckpointError, Notes, RunDir};
use kalshiflow::agent::config::{Algo, StopRules, TrainConfig};
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::engine::Engine;
use kalshiflow::agent::loss::{Minibatch, Objective, Rule};
use kalshiflow::agent::model::{Choice, Model, ModelPolicy};
use kalshiflow::agent::net::NetShape;
use kalshiflow::agent::optimizer::{Optimizer, OptimizerKind};
use kalshiflow::agent::policy::Policy;
use kalshiflow::agent::schedule::Schedule;
use kalshiflow::agent::train::{Control, Job, Outcome, TrainError, train};
use kalshiflow::agent::trainer::Ended;
use kalshiflow::agent::weights::Interface;
use kalshiflow::env::toy::{Bandit, CartPole};
use kalshiflow::env::{StepBuf, VecEnv};
use kalshiflow::rng::Rng;
use std::path::Path;

fn interface(action_names: Vec<String>) -> Interface {
    Interface {
        layout: "toy-v1".into(),
        layout_hash: "1234567890".into(),
        actions: action_names.join("+"),
        action_names,
        reward: "toy-v1".into(),
    }
}

fn run(
    env: &mut dyn VecEnv,
    config: &TrainConfig,
    actions: Vec<String>,
    dir: &Path,
    resume: bool,
) -> Outcome {
    try_run(env, config, actions, dir, resume, &mut |_| Control::Continue).unwrap()
}

fn try_run(
    env: &mut dyn VecEnv,
    config: &TrainConfig,
    actions: Vec<String>,
    dir: &Path,
    resume: bool,
    watch: &mut dyn FnMut(u64) -> Control,
) -> Result<Outcome, TrainError> {
    let run =
        if resume { RunDir::open(dir)?.0 } else { RunDir::create(dir, config, &Notes::default())? };
    let interface = interface(actions);
    let job = Job { config, interface: &interface, device: DeviceName::Flex, run: &run, resume };
    train(env, &job, &mut |steps, _| watch(steps))
}

/// rl-zoo's parameters for CartPole-v1 (`hyperparams/ppo.yml`).
fn cartpole_ppo(seed: u64, steps: u64) -> TrainConfig {
    TrainConfig {
        algo: Algo::Ppo {
            batch_size: 256,
            n_epochs: 20,
            clip_range: Schedule::Linear(0.2),
            target_kl: None,
        },
        seed,
        total_timesteps: steps,
        n_steps: 32,
        gamma: 0.98,
        gae_lambda: 0.8,
        learning_rate: Schedule::Linear(0.001),
        ..TrainConfig::ppo()
    }
}

/// Mean return of the saved model, greedy, over `episodes` episodes.
fn evaluate(env: &mut dyn VecEnv, dir: &Path, episodes: usize) -> f64 {
    let mut policy =
        ModelPolicy::new("model", Model::load(dir).unwrap(), Choice::Greedy, DeviceName::Flex);
    policy.begin(0);
    let mut buf = StepBuf::for_env(env);
    env.reset(777, &mut buf);
    let mut returns = Vec::new();
    while returns.len() < episodes {
        let action = policy.act(&buf.obs, &buf.mask);
        env.step(&[action], &mut buf);
        if buf.ended[0].len > 0 {
            returns.push(buf.ended[0].ret);
        }
    }
    returns.iter().sum::<f64>() / episodes as f64
}

fn cartpole_return(config: &TrainConfig) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let run_dir = dir.path().join("run");
    let outcome = run(&mut CartPole::new(8), config, CartPole::actions(), &run_dir, false);
    let mean = evaluate(&mut CartPole::new(1), &run_dir, 20);
    eprintln!(
        "{} seed {}: {mean} at {:.0} steps/s",
        config.algo_name(),
        config.seed,
        outcome.steps_per_second
    );
    mean
}

fn long() -> bool {
    let long = std::env::var("KFLOW_LONG").is_ok_and(|v| v == "1");
    if !long {
        eprintln!("SKIPPED: takes minutes; set KFLOW_LONG=1");
    }
    long
}

#[test]
fn ppo_balances_the_pole() {
    let mean = cartpole_return(&cartpole_ppo(0, 100_000));
    assert!(mean >= 475.0, "mean return {mean}");
}

#[test]
fn ppo_balances_the_pole_on_every_seed() {
    if long() {
        let means: Vec<f64> =
            (0..3).map(|seed| cartpole_return(&cartpole_ppo(seed, 100_000))).collect();
        assert!(means.iter().all(|m| *m >= 475.0), "{means:?}");
    }
}

#[test]
fn a2c_balances_the_pole_on_every_seed() {
    if long() {
        let config = |seed| TrainConfig { seed, total_timesteps: 500_000, ..TrainConfig::a2c() };
        let means: Vec<f64> = (0..3).map(|seed| cartpole_return(&config(seed))).collect();
        assert!(means.iter().all(|m| *m >= 475.0), "{means:?}");
    }
}
