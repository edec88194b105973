//! How fast is the environment alone, with a random policy, on one thread, in CPU time?
//!
//! Sketch: a step copies 43 values, computes 9, tries four orders for the mask and books one of them;
//! at about 100 ns each that is half a microsecond, twice as fast as the million a second asked for.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use kalshiflow::agent::policy::{Policy, Random};
use kalshiflow::check::env::fair_episodes;
use kalshiflow::env::action::Placement;
use kalshiflow::env::{EnvConfig, Execution, StepBuf, TradingEnv, VecEnv};
use std::time::Duration;

const ENVS: usize = 8;

/// Time that this thread has been running, as the kernel counts it: another process on the same core
/// must not look like a slow environment. Zero where the kernel does not say.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

/// Marketable orders only, at once; and quotes that rest in three queues, behind real latencies.
fn env_step(c: &mut Criterion) {
    let mut takes = EnvConfig { execution: Execution::instant(), ..EnvConfig::default() };
    step(c, "step_random_policy", takes.clone());
    takes.execution = Execution::default();
    step(c, "step_random_policy_latency", takes.clone());
    takes.actions.quotes = vec![Placement::Join, Placement::Improve];
    step(c, "step_random_policy_quotes", takes);
}

fn step(c: &mut Criterion, name: &str, config: EnvConfig) {
    let actions_per_env = config.actions.len();
    let episodes = fair_episodes(config.layout, 60, 7);
    let mut env = TradingEnv::new(episodes.into(), config, ENVS).expect("playable");
    let mut out = StepBuf::for_env(&env);
    env.reset(1, &mut out);
    let mut policy = Random::default();
    policy.begin(1);
    let mut group = c.benchmark_group("env");
    // The kernel's clock ticks in milliseconds: equal, long samples.
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(ENVS as u64));
    group.bench_function(name, |b| {
        let mut actions = [0; ENVS];
        b.iter_custom(|rounds| {
            let start = cpu_time();
            for _ in 0..rounds {
                for (i, action) in actions.iter_mut().enumerate() {
                    *action = policy
                        .act(&out.obs, &out.mask[i * actions_per_env..(i + 1) * actions_per_env]);
                }
                env.step(&actions, &mut out);
            }
            cpu_time() - start
        });
    });
    group.finish();
}

criterion_group!(benches, env_step);
criterion_main!(benches);
