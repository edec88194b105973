//! Learning: it learns what is there, repeats itself bit for bit, continues where it stopped, and
//! refuses what does not fit.

#![cfg(feature = "learn")]

mod bad_input;
mod command;
mod engines;
mod logs;
mod wgpu;

use crate::python::read_by;
use kalshiflow::agent::checkpoint::{CheckpointError, Notes, RunDir};
use kalshiflow::agent::config::{Algo, TrainConfig};
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::model::{Choice, Model, ModelPolicy};
use kalshiflow::agent::net::NetShape;
use kalshiflow::agent::optimizer::{Optimizer, OptimizerKind};
use kalshiflow::agent::policy::Policy;
use kalshiflow::agent::schedule::Schedule;
use kalshiflow::agent::stop::StopRules;
use kalshiflow::agent::train::{Control, Job, Outcome, TrainError, train};
use kalshiflow::agent::trainer::Ended;
use kalshiflow::agent::weights::Interface;
use kalshiflow::env::toy::{Bandit, CartPole};
use kalshiflow::env::{StepBuf, VecEnv};
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

/// The network that a run saved, and an optimiser for it that has made no step.
struct Trained {
    shape: NetShape,
    params: Vec<f32>,
    optimizer: Optimizer,
}

impl Trained {
    fn load(path: &Path) -> Trained {
        let Model { card, params, .. } = Model::load(path).unwrap();
        let optimizer = Optimizer::new(OptimizerKind::Adam { eps: 1e-5 }, params.len());
        Trained { shape: card.shape, params, optimizer }
    }
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

/// A machine with one arm out of order per pull: needs the observation, the mask and both algorithms.
#[test]
fn both_algorithms_find_the_best_arm_that_works() {
    let ppo = TrainConfig {
        algo: Algo::Ppo {
            batch_size: 64,
            n_epochs: 10,
            clip_range: Schedule::Constant(0.2),
            target_kl: None,
        },
        n_steps: 64,
        learning_rate: Schedule::Constant(3e-3),
        total_timesteps: 20_000,
        ..TrainConfig::ppo()
    };
    let a2c = TrainConfig {
        n_steps: 16,
        learning_rate: Schedule::Constant(7e-3),
        total_timesteps: 60_000,
        ..TrainConfig::a2c()
    };
    for config in [ppo, a2c] {
        let dir = tempfile::tempdir().unwrap();
        let outcome =
            run(&mut Bandit::new(8), &config, Bandit::actions(), &dir.path().join("run"), false);
        assert_eq!(outcome.ended, Ended::Finished);
        let mut policy = ModelPolicy::new(
            "m",
            Model::load(&dir.path().join("run")).unwrap(),
            Choice::Greedy,
            DeviceName::Flex,
        );
        for broken in 0..4 {
            let mask: Vec<bool> = (0..4).map(|arm| arm != broken).collect();
            let obs: Vec<f32> = mask.iter().map(|works| f32::from(!works)).collect();
            let want = if broken == 3 { 2 } else { 3 };
            assert_eq!(
                policy.act(&obs, &mask),
                want,
                "{} with arm {broken} broken",
                config.algo_name()
            );
        }
    }
}

fn quick(algo: &str) -> TrainConfig {
    let base = match algo {
        "ppo" => TrainConfig { n_steps: 64, ..TrainConfig::ppo() },
        _ => TrainConfig { log_interval: 7, ..TrainConfig::a2c() },
    };
    TrainConfig { n_envs: 4, normalize_obs: true, ..base }
}

/// All files of a run whose bytes the seed decides.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let names = [
        "config.json",
        "progress.csv",
        "progress.jsonl",
        "diagnostics.jsonl",
        "last/model.safetensors",
        "last/optimizer.safetensors",
        "last/normalizer.json",
        "last/trainer.json",
    ];
    names.iter().map(|name| ((*name).to_owned(), std::fs::read(dir.join(name)).unwrap())).collect()
}

fn assert_same(a: &Path, b: &Path) {
    for ((name, a), (_, b)) in files(a).into_iter().zip(files(b)) {
        assert!(a == b, "{name} differs");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    for algo in ["ppo", "a2c"] {
        let config = TrainConfig { total_timesteps: 2_000, seed: 4, ..quick(algo) };
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
        run(&mut CartPole::new(4), &config, CartPole::actions(), &a, false);
        run(&mut CartPole::new(4), &config, CartPole::actions(), &b, false);
        assert_same(&a, &b);
        run(
            &mut CartPole::new(4),
            &TrainConfig { seed: 5, ..config },
            CartPole::actions(),
            &c,
            false,
        );
        assert_ne!(files(&a)[4], files(&c)[4]);
    }
}

/// A run is stopped somewhere between two progress rows; the process that takes it up knows only the files.
#[test]
fn a_resumed_run_continues_bit_for_bit() {
    for algo in ["ppo", "a2c"] {
        let mut config = TrainConfig { total_timesteps: 3_000, ..quick(algo) };
        config.learning_rate = Schedule::Linear(1e-3);
        let dir = tempfile::tempdir().unwrap();
        let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
        run(&mut CartPole::new(4), &config, CartPole::actions(), &whole, false);
        let mut stop = |steps| if steps >= 1_100 { Control::Stop } else { Control::Continue };
        let outcome =
            try_run(&mut CartPole::new(4), &config, CartPole::actions(), &parts, false, &mut stop)
                .unwrap();
        assert_eq!(outcome.ended, Ended::Asked);
        assert!(outcome.steps < 3_000);
        run(&mut CartPole::new(4), &config, CartPole::actions(), &parts, true);
        assert_same(&whole, &parts);
    }
}

/// A kill in the instant between the two renamings of a save leaves `last.old` and a complete `last.new`.
#[test]
fn a_run_killed_while_saving_still_has_a_state() {
    let config = TrainConfig { total_timesteps: 300, ..quick("ppo") };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run(&mut CartPole::new(4), &config, CartPole::actions(), &path, false);
    std::fs::rename(path.join("last"), path.join("last.old")).unwrap();
    std::fs::create_dir(path.join("last.new")).unwrap();
    let more = TrainConfig { total_timesteps: 600, ..config };
    let outcome = run(&mut CartPole::new(4), &more, CartPole::actions(), &path, true);
    assert_eq!(outcome.ended, Ended::Finished);
    assert!(
        path.join("last").exists()
            && !path.join("last.old").exists()
            && !path.join("last.new").exists()
    );
}

#[test]
fn a_model_of_another_interface_is_refused_by_name() {
    let config = TrainConfig { total_timesteps: 300, ..quick("ppo") };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run(&mut CartPole::new(4), &config, CartPole::actions(), &path, false);
    let model = Model::load(&path).unwrap();
    let here = interface(CartPole::actions());
    model.fits(&here).unwrap();

    let layout = model.fits(&Interface { layout: "flow52-v1".into(), ..here.clone() }).unwrap_err();
    assert!(matches!(layout, CheckpointError::Layout { .. }));
    assert!(
        layout.to_string().contains("`toy-v1`") && layout.to_string().contains("`flow52-v1`"),
        "{layout}"
    );
    let hash = model.fits(&Interface { layout_hash: "ffff".into(), ..here.clone() }).unwrap_err();
    assert!(matches!(hash, CheckpointError::Layout { .. }));
    let actions = model.fits(&interface(Bandit::actions())).unwrap_err();
    assert!(
        actions.to_string().contains("left+right") && actions.to_string().contains("arm_0"),
        "{actions}"
    );
    let reward = model.fits(&Interface { reward: "other-v2".into(), ..here.clone() }).unwrap_err();
    assert!(matches!(reward, CheckpointError::Reward { .. }));

    let (run_dir, config) = RunDir::open(&path).unwrap();
    let job = Job {
        config: &TrainConfig { total_timesteps: 600, ..config },
        interface: &Interface { reward: "other-v2".into(), ..here },
        device: DeviceName::Flex,
        run: &run_dir,
        resume: true,
    };
    let resumed = train(&mut CartPole::new(4), &job, &mut |_, _| Control::Continue);
    assert!(matches!(resumed, Err(TrainError::Checkpoint(CheckpointError::Reward { .. }))));
}

#[test]
fn a_damaged_checkpoint_is_an_error_and_not_a_crash() {
    let config = TrainConfig { total_timesteps: 300, ..quick("ppo") };
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Model::load(dir.path()), Err(CheckpointError::Nothing(_))));
    for name in ["model.safetensors", "optimizer.safetensors", "normalizer.json", "trainer.json"] {
        let path = dir.path().join(name);
        run(&mut CartPole::new(4), &config, CartPole::actions(), &path, false);
        let file = path.join("last").join(name);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let more = TrainConfig { total_timesteps: 600, ..config.clone() };
        let result =
            try_run(&mut CartPole::new(4), &more, CartPole::actions(), &path, true, &mut |_| {
                Control::Continue
            });
        assert!(matches!(result, Err(TrainError::Checkpoint(_))), "{name}: {result:?}");
    }
    let again = RunDir::create(&dir.path().join("trainer.json"), &config, &Notes::default());
    assert!(matches!(again, Err(CheckpointError::Exists(_))), "a run is never overwritten");
}

/// CartPole whose steps are tampered with from the `at`-th on.
struct Poisoned {
    inner: CartPole,
    at: u32,
    poison: fn(&mut StepBuf),
}

impl VecEnv for Poisoned {
    fn n_envs(&self) -> usize {
        self.inner.n_envs()
    }
    fn obs_len(&self) -> usize {
        self.inner.obs_len()
    }
    fn n_actions(&self) -> usize {
        self.inner.n_actions()
    }
    fn reset(&mut self, seed: u64, out: &mut StepBuf) {
        self.inner.reset(seed, out);
    }
    fn step(&mut self, actions: &[u32], out: &mut StepBuf) {
        self.inner.step(actions, out);
        self.at = self.at.saturating_sub(1);
        if self.at == 0 {
            (self.poison)(out);
        }
    }
    fn save(&self) -> serde_json::Value {
        self.inner.save()
    }
    fn load(&mut self, state: &serde_json::Value, out: &mut StepBuf) -> Result<(), String> {
        self.inner.load(state, out)
    }
}

#[test]
fn a_number_that_is_none_ends_the_run_by_name_and_spares_the_saved_state() {
    type Poison = fn(&mut StepBuf);
    let poisons: [(Poison, &str); 2] = [
        (|b| b.reward[1] = f32::INFINITY, "a reward (place 1) is inf"),
        (|b| b.obs[6] = f32::NAN, "an observation (place 6) is NaN"),
    ];
    for (poison, words) in poisons {
        let config = TrainConfig { total_timesteps: 2_000, save_freq: 256, ..quick("ppo") };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let mut env = Poisoned { inner: CartPole::new(4), at: 200, poison };
        let result = try_run(&mut env, &config, CartPole::actions(), &path, false, &mut |_| {
            Control::Continue
        });
        let Err(TrainError::NotFinite(what)) = result else { panic!("{result:?}") };
        assert!(what.to_string().starts_with(words), "{what}");
        let dump = std::fs::read_to_string(path.join("broken.json")).unwrap();
        assert!(dump.contains(words.split(" is ").next().unwrap()), "{dump}");
        let model = Model::load(&path).unwrap();
        assert_eq!(model.card.steps, 3 * 256);
        assert!(model.params.iter().all(|p| p.is_finite()));
    }
}

#[test]
fn stop_rules_end_a_run_with_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let stopped = |name: &str, stop: StopRules, env: &mut dyn VecEnv, actions: Vec<String>| {
        let config = TrainConfig { stop, total_timesteps: 50_000, ..quick("ppo") };
        run(env, &config, actions, &dir.path().join(name), false)
    };
    let kl = StopRules { max_kl: Some(1e-9), ..StopRules::default() };
    let Ended::Rule(why) = stopped("kl", kl, &mut CartPole::new(4), CartPole::actions()).ended
    else {
        panic!()
    };
    assert!(why.contains("approx_kl"), "{why}");
    let rows = StopRules { collapse_rows: Some(3), ..StopRules::default() };
    let outcome = stopped("collapse", rows, &mut leftwards(), CartPole::actions());
    let Ended::Rule(why) = outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(why.contains("`left`") && why.contains("3 progress rows"), "{why}");
    assert!(why.contains("the rules allow nothing else"), "the cause is named: {why}");
    assert_eq!(outcome.steps, 3 * 4 * 64);
}

/// CartPole in which pushing right is always forbidden.
fn leftwards() -> Poisoned {
    fn forbid(out: &mut StepBuf) {
        out.mask.iter_mut().skip(1).step_by(2).for_each(|right| *right = false);
    }
    Poisoned { inner: CartPole::new(4), at: 0, poison: forbid }
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_all_its_problems() {
    let dir = tempfile::tempdir().unwrap();
    let config = TrainConfig { gamma: 2.0, n_steps: 0, n_envs: 5, ..TrainConfig::ppo() };
    let path = dir.path().join("run");
    let result =
        try_run(&mut CartPole::new(4), &config, CartPole::actions(), &path, false, &mut |_| {
            Control::Continue
        });
    let Err(TrainError::Config(problems)) = result else { panic!("{result:?}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
}

/// The real TensorBoard, and pandas, read what a run leaves.
#[test]
fn python_reads_events_and_progress() {
    let config = TrainConfig { total_timesteps: 512, ..quick("ppo") };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let outcome = run(&mut CartPole::new(4), &config, CartPole::actions(), &path, false);
    let expected =
        serde_json::json!({ "loss": outcome.last.get("train/loss"), "steps": outcome.steps });
    let expected = expected.to_string();
    if let Some(text) = read_by("read_run.py", &[path.as_os_str(), expected.as_ref()]) {
        eprintln!("{text}");
    }
}
