//! The two engines learn the same, the quick preset learns no less, and threads change nothing.

use super::{Trained, cartpole_ppo, files, interface, long};
use kalshiflow::agent::checkpoint::{Notes, RunDir};
use kalshiflow::agent::config::TrainConfig;
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::engine::EngineName;
use kalshiflow::agent::fit::{self, MarketJob};
use kalshiflow::agent::train::{Control, Job, train};
use kalshiflow::env::toy::CartPole;
use kalshiflow::env::{EnvConfig, TradingEnv, VecEnv};
use kalshiflow::event::{Event, SessionId};
use kalshiflow::features::episode::{Episode, EpisodeBuilder};
use kalshiflow::sim::tape::{Edge, TapeSpec, synthesize};
use std::path::Path;
use std::sync::Arc;

const SEEDS: u64 = 5;

/// Mean return of the last 100 episodes of training.
fn last_return(env: &mut dyn VecEnv, config: &TrainConfig, actions: Vec<String>) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(&dir.path().join("run"), config, &Notes::default()).unwrap();
    let interface = interface(actions);
    let job =
        Job { config, interface: &interface, device: DeviceName::Flex, run: &run, resume: false };
    let outcome = train(env, &job, &mut |_, _| Control::Continue).unwrap();
    outcome.last.get("rollout/ep_rew_mean").unwrap()
}

/// A third of the demo's tape with the planted edge: the larger touch knows the outcome.
pub(super) fn planted() -> Arc<[Episode]> {
    let rules = EnvConfig::default();
    let edge = Edge::TouchImbalance { per_mille: 300 };
    let spec = TapeSpec { markets: 60, spread_e3: 400, edge, ..TapeSpec::default() };
    let tape = synthesize(&spec);
    let mut by_market: Vec<Vec<Event>> = vec![Vec::new(); tape.infos.len()];
    for event in tape.events {
        by_market[event.market.0 as usize].push(event);
    }
    let episodes = |(info, events): (_, Vec<Event>)| {
        let mut builder = EpisodeBuilder::new(rules.layout, info, SessionId::default());
        events.iter().for_each(|e| builder.push(e));
        builder.finish()
    };
    tape.infos.iter().zip(by_market).flat_map(episodes).collect()
}

fn planted_return(markets: &Arc<[Episode]>, config: &TrainConfig) -> f64 {
    let rules = EnvConfig::default();
    let actions = fit::interface(&rules).action_names;
    let mut env = TradingEnv::new(markets.clone(), rules, config.n_envs).unwrap();
    last_return(&mut env, config, actions)
}

/// The demo's settings.
fn planted_ppo(seed: u64) -> TrainConfig {
    let n_steps = 256;
    TrainConfig {
        seed,
        total_timesteps: 30_000,
        n_steps,
        normalize_obs: true,
        ..TrainConfig::ppo()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// From the worst seed to the best.
fn spread(values: &[f64]) -> f64 {
    let worst = values.iter().copied().fold(f64::INFINITY, f64::min);
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - worst
}

/// The engines' means over the seeds lie closer together than the seeds of either.
#[track_caller]
fn check_alike(train: impl Fn(u64, EngineName) -> f64) {
    let [fused, burn] = [EngineName::Fused, EngineName::Burn]
        .map(|engine| (0..SEEDS).map(|seed| train(seed, engine)).collect::<Vec<_>>());
    eprintln!("fused {fused:?}\nburn  {burn:?}");
    let apart = (mean(&fused) - mean(&burn)).abs();
    assert!(apart < spread(&fused).max(spread(&burn)), "{apart}: {fused:?} {burn:?}");
}

#[test]
fn both_engines_balance_the_pole_as_well() {
    check_alike(|seed, engine| {
        // Stopped on the way up, where a difference would show.
        let config = TrainConfig { engine, ..cartpole_ppo(seed, 20_000) };
        last_return(&mut CartPole::new(8), &config, CartPole::actions())
    });
}

#[test]
fn both_engines_find_as_much_of_the_planted_edge() {
    let markets = planted();
    check_alike(|seed, engine| {
        planted_return(&markets, &TrainConfig { engine, ..planted_ppo(seed) })
    });
}

#[test]
fn the_throughput_preset_earns_no_less_on_the_planted_edge() {
    let markets = planted();
    let steps = if long() { 120_000 } else { 60_000 };
    let over_seeds = |config: &dyn Fn(u64) -> TrainConfig| {
        let train = |seed| {
            planted_return(&markets, &TrainConfig { total_timesteps: steps, ..config(seed) })
        };
        (0..SEEDS).map(train).collect::<Vec<_>>()
    };
    let default = over_seeds(&|seed| TrainConfig { n_steps: 2048, ..planted_ppo(seed) });
    let quick =
        over_seeds(&|seed| TrainConfig { seed, normalize_obs: true, ..TrainConfig::throughput() });
    eprintln!("default    {default:?}\nthroughput {quick:?}");
    assert!(mean(&quick) >= mean(&default), "{quick:?} {default:?}");
    assert!(mean(&quick) > 0.0, "{quick:?}");
}

/// What one engine saved, the other takes up: to resume, and to judge.
#[test]
fn a_checkpoint_of_one_engine_serves_the_other() {
    let dir = tempfile::tempdir().unwrap();
    for (name, from, to) in
        [("a", EngineName::Fused, EngineName::Burn), ("b", EngineName::Burn, EngineName::Fused)]
    {
        let path = dir.path().join(name);
        let config = TrainConfig { engine: from, ..super::quick("ppo") };
        let first = TrainConfig { total_timesteps: 1_000, ..config.clone() };
        super::run(&mut CartPole::new(4), &first, CartPole::actions(), &path, false);
        let more = TrainConfig { engine: to, total_timesteps: 2_000, ..config };
        let outcome = super::run(&mut CartPole::new(4), &more, CartPole::actions(), &path, true);
        assert_eq!(outcome.new_steps, 1_024);
        let answers = [DeviceName::Flex, DeviceName::Ndarray].map(|device| answer(&path, device));
        for (a, b) in answers[0].iter().zip(&answers[1]) {
            assert!((a - b).abs() < 1e-5, "{answers:?}");
        }
    }
}

/// Logits and value of the saved network, by the engine that `device` gets.
fn answer(path: &Path, device: DeviceName) -> Vec<f32> {
    let Trained { shape, params, optimizer } = Trained::load(path);
    let mut engine = EngineName::best(device).build(device, shape, params, optimizer);
    let (mut logits, mut value) = (vec![0.0; 2], [0.0]);
    engine.infer(&[0.1, -0.2, 0.3, -0.4], &mut logits, &mut value);
    logits.extend(value);
    logits
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let markets: Arc<[Episode]> = planted().iter().take(12).cloned().collect();
    let dir = tempfile::tempdir().unwrap();
    let train = |threads: usize| {
        let job = |seed: u64| MarketJob {
            markets: markets.clone(),
            rules: EnvConfig::default(),
            config: TrainConfig { total_timesteps: 2_000, seed, n_steps: 64, ..planted_ppo(seed) },
            device: DeviceName::Flex,
            dir: dir.path().join(format!("{threads}-{seed}")),
            notes: Notes::default(),
            resume: false,
        };
        let jobs: Vec<MarketJob> = (0..4).map(job).collect();
        let outcomes = fit::run_all(&jobs, threads, &|_, _, _| Control::Continue);
        assert!(outcomes.iter().all(Result::is_ok));
        jobs.iter().map(|job| files(&job.dir)).collect::<Vec<_>>()
    };
    let alone = train(1);
    assert!(alone == train(4), "four threads");
    assert_ne!(alone[0], alone[1], "seeds differ");
}
