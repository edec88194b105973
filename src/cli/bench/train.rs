//! `kflow bench train`: the learner on an environment that costs nothing, and on CartPole.
//!
//! The environments and the settings are those of the peer benchmark for Stable-Baselines3 (52
//! observations, 5 actions, two towers of 64-64 with tanh; rl-zoo's CartPole), and a run's keys are the
//! peer's, so that the figures compare line by line.

mod run;
mod single;

use crate::agent::config::{Algo, TrainConfig};
use crate::agent::device::DeviceName;
use crate::agent::engine::EngineName;
use crate::agent::schedule::Schedule;
use crate::agent::simd;
use crate::cli::device::device;
use crate::cli::exit::{Code, Failure};
use crate::cli::printer;
use crate::cli::progress::Progress;
use crate::cli::train::EngineChoice;
use crate::env::VecEnv;
use crate::env::toy::{CartPole, TableWalk};
use clap::ValueEnum;
use run::Run;
use serde::Serialize;
use serde_json::Value;

/// Options of `kflow bench train`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the tensors live: `cpu` (which is `flex`), `ndarray` or `wgpu`, which is then compared with the CPU
    #[arg(long, default_value = "cpu")]
    device: String,
    /// What computes
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    /// The instructions to use [default: the widest of this machine]
    #[arg(long, value_name = "avx2")]
    isa: Option<Isa>,
    /// Measure this one only [default: all, and one update, and one decision; with other sizes sb3-ppo, on a GPU
    /// puffer]
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Environments, instead of the preset's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    envs: Option<u32>,
    /// Steps per environment and rollout, instead of the preset's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    horizon: Option<u32>,
    /// Rows per minibatch, instead of the preset's
    #[arg(long, visible_alias = "batch", value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    minibatch: Option<u32>,
    /// Passes over a rollout, instead of the preset's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Widths of the hidden layers
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65_536))]
    hidden: Option<Vec<u32>>,
    /// Environment steps of each run [default: about a second's worth, one rollout at least]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Isa {
    Avx2,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// PPO, SB3's defaults: 8 environments, 2048 steps, minibatches of 64, 10 passes
    Sb3Ppo,
    /// A2C, SB3's defaults: 8 environments, 5 steps
    Sb3A2c,
    /// PPO as PufferLib runs it: 1024 environments, 64 steps, minibatches of 8192, 1 pass
    Puffer,
    /// `kflow train --preset throughput`
    Throughput,
    /// PPO on CartPole-v1 with rl-zoo's parameters: 8 environments, 32 steps, minibatches of 256, 20 passes
    Cartpole,
}

impl Preset {
    fn name(self) -> &'static str {
        match self {
            Preset::Sb3Ppo => "sb3-ppo",
            Preset::Sb3A2c => "sb3-a2c",
            Preset::Puffer => "puffer",
            Preset::Throughput => "throughput",
            Preset::Cartpole => "cartpole",
        }
    }

    /// The settings, and steps for about a second on one core.
    fn config(self) -> (TrainConfig, u64) {
        match self {
            Preset::Sb3Ppo => (TrainConfig::ppo(), 131_072),
            Preset::Sb3A2c => (TrainConfig::a2c(), 800_000),
            Preset::Puffer => {
                let clip_range = Schedule::Constant(0.2);
                let algo = Algo::Ppo { batch_size: 8192, n_epochs: 1, clip_range, target_kl: None };
                let config = TrainConfig { algo, n_envs: 1024, n_steps: 64, ..TrainConfig::ppo() };
                (config, 1_048_576)
            }
            Preset::Throughput => (TrainConfig::throughput(), 400_000),
            Preset::Cartpole => {
                let clip_range = Schedule::Linear(0.2);
                let algo = Algo::Ppo { batch_size: 256, n_epochs: 20, clip_range, target_kl: None };
                let config = TrainConfig {
                    algo,
                    n_steps: 32,
                    gamma: 0.98,
                    gae_lambda: 0.8,
                    learning_rate: Schedule::Linear(0.001),
                    ..TrainConfig::ppo()
                };
                (config, 100_000)
            }
        }
    }

    /// `n` environments, and the names of their actions.
    fn env(self, n: usize) -> (Box<dyn VecEnv>, Vec<String>) {
        match self {
            Preset::Cartpole => (Box::new(CartPole::new(n)), CartPole::actions()),
            _ => (Box::new(TableWalk::new(n)), TableWalk::actions()),
        }
    }

    /// True when the environment can be solved, so that what was learned is worth a look.
    fn is_game(self) -> bool {
        self == Preset::Cartpole
    }
}

impl Args {
    /// The preset's settings with what was asked for instead.
    fn config(&self, preset: Preset) -> Result<TrainConfig, Failure> {
        let (mut config, steps) = preset.config();
        let usual = run::flops_per_step(&config);
        config.n_envs = self.envs.map_or(config.n_envs, |n| n as usize);
        config.n_steps = self.horizon.map_or(config.n_steps, |n| n as usize);
        if let Some(hidden) = &self.hidden {
            config.net_arch = hidden.iter().map(|n| *n as usize).collect();
        }
        match &mut config.algo {
            Algo::Ppo { batch_size, n_epochs, .. } => {
                *batch_size = self.minibatch.map_or(*batch_size, |n| n as usize);
                *n_epochs = self.epochs.map_or(*n_epochs, |n| n as usize);
            }
            Algo::A2c { .. } if self.minibatch.is_some() || self.epochs.is_some() => {
                return Err(Failure::msg(Code::Config, "A2C learns once from a whole rollout")
                    .hint("drop --minibatch and --epochs, or choose --preset sb3-ppo"));
            }
            Algo::A2c { .. } => {}
        }
        let fewer = usual / run::flops_per_step(&config);
        config.total_timesteps = self.steps.unwrap_or((steps as f64 * fewer).ceil() as u64);
        let problems = config.problems();
        match problems.is_empty() {
            true => Ok(config),
            false => Err(Failure::msg(Code::Config, problems.join("; "))
                .hint("see kflow bench train --help")),
        }
    }

    /// What to measure: the one preset that was named or changed, else all of them.
    fn presets(&self, device: DeviceName) -> Vec<Preset> {
        let sizes = [self.envs, self.horizon, self.minibatch, self.epochs];
        let changed = sizes.iter().any(Option::is_some) || self.hidden.is_some();
        match self.preset {
            Some(preset) => vec![preset],
            // Eight environments leave a GPU idle, however large the batch.
            None if changed && device.is_apart() => vec![Preset::Puffer],
            None if changed => vec![Preset::Sb3Ppo],
            None => Preset::value_variants().to_vec(),
        }
    }
}

#[derive(Default, Serialize)]
struct Figures {
    device: String,
    engine: String,
    isa: &'static str,
    /// Measured speed of a product of 64 x 64 matrices on one core, in 10^9 operations per second.
    gemm_gflops: f64,
    /// Of the preset `sb3-ppo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ppo_steps_per_cpu_s: Option<f64>,
    /// Of the preset `sb3-a2c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    a2c_steps_per_cpu_s: Option<f64>,
    /// Of the preset `puffer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    large_batch_steps_per_cpu_s: Option<f64>,
    /// Of the preset `throughput`.
    #[serde(skip_serializing_if = "Option::is_none")]
    throughput_steps_per_cpu_s: Option<f64>,
    /// One PPO update on 64 rows, median.
    #[serde(skip_serializing_if = "Option::is_none")]
    update_us: Option<f64>,
    /// One greedy decision, median.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_us: Option<f64>,
    /// Arithmetic alone allows this much in the first run: `gemm_gflops` over its operations per step.
    floor_steps_per_s: f64,
    runs: Vec<Run>,
    /// The same runs by the fused engine on one core, when `runs` were not made there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpu_runs: Vec<Run>,
    /// Elapsed time of the first of `cpu_runs` over that of the first of `runs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_to_cpu: Option<f64>,
}

/// Measures and prints.
///
/// # Errors
/// When the device is not in this binary, or the settings do not work.
pub fn run(args: Args) -> Result<(), Failure> {
    let device = device(&args.device)?;
    let engine = args.engine.engine(None, device)?;
    if args.isa.is_some() {
        simd::hold_to_avx2().map_err(|e| Failure::msg(Code::Config, e))?;
    }
    let presets = args.presets(device);
    let mut configs = presets.iter().map(|p| args.config(*p)).collect::<Result<Vec<_>, _>>()?;
    let mut progress = Progress::start("bench train", configs.len() as u64 + 1);
    let mut figures = Figures {
        device: device.hardware().map_or_else(|| device.to_string(), str::to_owned),
        engine: engine.to_string(),
        isa: simd::isa(),
        gemm_gflops: single::gemm_gflops(),
        ..Figures::default()
    };
    for (preset, config) in presets.iter().zip(&mut configs) {
        if device.is_apart() {
            let update_s = single::warm_update_s(config, run::lessons(config).0, engine, device);
            if args.horizon.is_none() && args.steps.is_none() {
                run::shorten(config, update_s);
            }
        }
        let run = run::measure(*preset, config, engine, device, figures.gemm_gflops)?;
        let speed = Some(run.steps_per_cpu_s);
        match preset {
            Preset::Sb3Ppo => figures.ppo_steps_per_cpu_s = speed,
            Preset::Sb3A2c => figures.a2c_steps_per_cpu_s = speed,
            Preset::Puffer => figures.large_batch_steps_per_cpu_s = speed,
            Preset::Throughput => figures.throughput_steps_per_cpu_s = speed,
            Preset::Cartpole => {}
        }
        figures.runs.push(run);
        if device.is_apart() {
            let (fused, cpu) = (EngineName::Fused, DeviceName::Flex);
            let run = run::measure(*preset, config, fused, cpu, figures.gemm_gflops)?;
            figures.cpu_runs.push(run);
        }
        progress.set(figures.runs.len() as u64);
    }
    figures.floor_steps_per_s = figures.runs[0].floor_steps_per_s;
    figures.ratio_to_cpu = figures.cpu_runs.first().map(|cpu| cpu.wall_s / figures.runs[0].wall_s);
    if presets.len() > 1 {
        figures.update_us = Some(single::update_us(engine, device));
        figures.decision_us = Some(single::decision_us(device));
    }
    progress.finish();
    if args.json { printer::json("bench train", &figures) } else { show(&figures) }
}

/// One table of the runs, one of the rest.
fn show(figures: &Figures) -> Result<(), Failure> {
    let mut rest = Vec::new();
    if let Ok(Value::Object(map)) = serde_json::to_value(figures) {
        let rows = map.iter().filter(|(_, value)| !value.is_array());
        rest.extend(rows.map(|(key, value)| vec![key.clone(), shown(value)]));
    }
    let runs = figures.runs.iter().chain(&figures.cpu_runs);
    let rows: Vec<Vec<String>> = runs.map(Run::row).collect();
    printer::line(&printer::table(&Run::HEAD, &rows))?;
    printer::line(&printer::table(&["figure", "value"], &rest))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // A ratio may be small.
        number => match number.as_f64().unwrap_or(f64::NAN) {
            small if small < 10.0 => format!("{small:.3}"),
            number => format!("{number:.1}"),
        },
    }
}
