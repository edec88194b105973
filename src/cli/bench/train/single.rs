//! Single acts, timed one by one: a matrix product, an update, a decision.

use crate::agent::config::TrainConfig;
use crate::agent::device::DeviceName;
use crate::agent::engine::EngineName;
use crate::agent::fused::{Left, Start, product};
use crate::agent::loss::{Minibatch, Objective, Rule};
use crate::agent::model::{Choice, Model, ModelPolicy};
use crate::agent::policy::Policy;
use crate::agent::weights::Interface;
use crate::env::toy::TableWalk;
use crate::env::{StepBuf, VecEnv};
use crate::rng::Rng;
use std::hint::black_box;
use std::time::Instant;

/// Rows of the minibatch, and side of the matrices.
const ROWS: usize = 64;

/// Speed of the fused engine's product of two square matrices, in 10^9 operations per second of one core.
pub(super) fn gemm_gflops() -> f64 {
    const REPEATS: usize = 50;
    let (a, b) = (vec![0.5; ROWS * ROWS], vec![0.25; ROWS * ROWS]);
    let mut out = vec![0.0; ROWS * ROWS];
    let us = median_us(200, || {
        for _ in 0..REPEATS {
            product(Left::Rows(&a, ROWS), (black_box(&b), ROWS), Start::Zero, &mut out);
        }
        black_box(&out);
    });
    (2 * ROWS * ROWS * ROWS * REPEATS) as f64 / us / 1e3
}

/// Median time of one PPO update on 64 rows.
pub(super) fn update_us(engine: EngineName, device: DeviceName) -> f64 {
    median_us(1000, lesson(&TrainConfig::ppo(), ROWS, engine, device))
}

/// Seconds of one update on `rows` rows, once a first one has had its programs compiled: what a GPU's driver does
/// at their first use in a process.
pub(super) fn warm_update_s(
    config: &TrainConfig,
    rows: usize,
    engine: EngineName,
    device: DeviceName,
) -> f64 {
    let mut learn = lesson(config, rows, engine, device);
    learn();
    median_us(1, learn) / 1e6
}

/// A PPO update of a fresh network on `rows` rows.
fn lesson(
    config: &TrainConfig,
    rows: usize,
    engine: EngineName,
    device: DeviceName,
) -> impl FnMut() + use<> {
    let shape = config.shape(&TableWalk::new(1));
    let (params, optimizer) = config.fresh(&shape);
    let mut rng = Rng::stream(7, "bench", 0);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
    let (obs, advantages, returns) = (draw(rows * shape.obs_len), draw(rows), draw(rows));
    let actions: Vec<u32> = (0..rows).map(|i| (i % shape.n_actions) as u32).collect();
    let (mask, log_probs) = (vec![true; rows * shape.n_actions], vec![-(5f32.ln()); rows]);
    let rule = Rule {
        objective: Objective::Clipped { clip_range: 0.2 },
        ent_coef: 0.0,
        vf_coef: 0.5,
        max_grad_norm: 0.5,
        learning_rate: 3e-4,
        normalize_advantage: true,
        kl_limit: None,
    };
    let mut engine = engine.build(device, shape, params, optimizer);
    move || {
        let batch = Minibatch {
            obs: &obs,
            mask: &mask,
            actions: &actions,
            log_probs: &log_probs,
            advantages: &advantages,
            returns: &returns,
        };
        black_box(engine.update(&batch, &rule));
    }
}

/// Median time of one greedy decision.
pub(super) fn decision_us(device: DeviceName) -> f64 {
    let config = TrainConfig::ppo();
    let mut env = TableWalk::new(1);
    let mut buf = StepBuf::for_env(&env);
    env.reset(0, &mut buf);
    let model = Model::untrained(&config, config.shape(&env), interface(TableWalk::actions()));
    let mut policy = ModelPolicy::new("bench", model, Choice::Greedy, device);
    median_us(2000, || {
        black_box(policy.act(&buf.obs, &buf.mask));
    })
}

/// What goes in and out of a network that meets no market.
pub(super) fn interface(action_names: Vec<String>) -> Interface {
    let [layout, layout_hash, actions, reward] = ["bench"; 4].map(str::to_owned);
    Interface { layout, layout_hash, actions, action_names, reward }
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
