//! What is to be trained: a run for each seed, or one that is taken up again.

use super::{Args, Preset};
use crate::agent::among::Among;
use crate::agent::checkpoint::{Notes, RunDir};
use crate::agent::config::TrainConfig;
use crate::agent::device::DeviceName;
use crate::agent::engine::EngineName;
use crate::agent::fit::{self, MarketJob};
use crate::agent::markets::MarketFilter;
use crate::cli::exit::{Code, Failure};
use crate::env::EnvConfig;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// One run as it is asked for.
pub(in crate::cli) struct RunPlan {
    pub(in crate::cli) id: String,
    /// The runs of the same training, this one among them.
    pub(in crate::cli) seeds: Vec<String>,
    pub(in crate::cli) dir: PathBuf,
    pub(in crate::cli) config: TrainConfig,
    pub(in crate::cli) rules: EnvConfig,
    pub(in crate::cli) filter: MarketFilter,
    pub(in crate::cli) resume: bool,
}

impl RunPlan {
    /// What the folder of a run says.
    pub(in crate::cli) fn read(dir: &Path) -> Result<RunPlan, Failure> {
        // The folds of a run share everything but their markets.
        let first = &fit::model_dirs(dir)[0];
        let (run, config) = RunDir::open(first).map_err(super::show::checkpoint_failure)?;
        let rules = run.rules().map_err(super::show::checkpoint_failure)?;
        let filter = run.filter().map_err(super::show::checkpoint_failure)?;
        let id = dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let Among { seeds, .. } = Among::read(first).map_err(super::show::checkpoint_failure)?;
        Ok(RunPlan { id, seeds, dir: dir.to_owned(), config, rules, filter, resume: true })
    }

    /// The job that [`fit::Course::jobs`] multiplies by the splits.
    pub(in crate::cli) fn job(&self, device: DeviceName) -> MarketJob {
        MarketJob {
            markets: [].into(),
            rules: self.rules.clone(),
            config: self.config.clone(),
            device,
            dir: self.dir.clone(),
            notes: Notes {
                command: std::env::args().collect::<Vec<_>>().join(" "),
                env: circumstances(&self.id, &self.seeds, device),
                filter: self.filter.clone(),
                ..Notes::default()
            },
            resume: self.resume,
        }
    }
}

/// New runs, one per seed.
pub(super) fn fresh(args: &Args, device: DeviceName) -> Result<Vec<RunPlan>, Failure> {
    let engine = args.engine.engine(None, device)?;
    let config = config(args, engine)
        .map_err(|e| Failure::msg(Code::Config, e).hint("see kflow train --help"))?;
    let (rules, filter) = (args.rules.config()?, args.filters.filter());
    let stamp = uuid::Uuid::now_v7();
    let seeds = || (0..args.seeds).map(|i| args.seed.wrapping_add(i));
    let id = |seed: u64| format!("{}-s{seed}-{stamp}", args.algo);
    let plan = |seed: u64| RunPlan {
        dir: args.run_dir.join(id(seed)),
        id: id(seed),
        seeds: seeds().map(id).collect(),
        config: TrainConfig { seed, ..config.clone() },
        rules: rules.clone(),
        filter: filter.clone(),
        resume: false,
    };
    Ok(seeds().map(plan).collect())
}

fn config(args: &Args, engine: EngineName) -> Result<TrainConfig, String> {
    let mut config = TrainConfig { engine, ..TrainConfig::of(&args.algo)? };
    if let Preset::Throughput = args.preset {
        if args.algo != "ppo" {
            return Err("the preset `throughput` is one of PPO".to_owned());
        }
        config = TrainConfig { engine, ..TrainConfig::throughput() };
    }
    // Entries of an observation live on different scales: normalise unless told otherwise.
    config.normalize_obs = true;
    for param in &args.params {
        config.assign(param)?;
    }
    for rule in &args.stop {
        config.stop.set(rule)?;
    }
    if let Some(curriculum) = &args.curriculum {
        config.set("curriculum", curriculum)?;
    }
    config.n_envs = args.envs.map_or(config.n_envs, |n| n as usize);
    config.total_timesteps = args.steps.unwrap_or(config.total_timesteps);
    let problems = config.problems();
    if problems.is_empty() { Ok(config) } else { Err(problems.join("; ")) }
}

/// The run called `name`, to be continued.
pub(super) fn resumed(args: &Args, name: &str, device: DeviceName) -> Result<RunPlan, Failure> {
    let mut plan = RunPlan::read(&folder(&args.run_dir, name))?;
    if let Some(steps) = args.steps {
        let trained = trained(&plan.dir)?;
        // What was asked for is rounded up to whole rollouts: asking for the same again is no step back.
        if steps < trained.min(plan.config.total_timesteps) {
            let what = format!("the run has {trained} steps: it cannot be trained to {steps}");
            return Err(Failure::msg(Code::Config, what)
                .hint("--steps counts all steps of a run, those that are done among them"));
        }
        plan.config.total_timesteps = steps;
    }
    plan.config.engine = args.engine.engine(Some(plan.config.engine), device)?;
    Ok(plan)
}

/// Environment steps of the run in `dir`, of that of its models which has the most.
fn trained(dir: &Path) -> Result<u64, Failure> {
    let steps = |model: &PathBuf| RunDir::open(model)?.0.saved_steps();
    let steps = fit::model_dirs(dir).iter().map(steps).collect::<Result<Vec<_>, _>>();
    let steps = steps.map_err(super::show::checkpoint_failure)?;
    Ok(steps.into_iter().max().unwrap_or(0))
}

/// The folder of the run called `name`: a path, or an id.
pub(in crate::cli) fn folder(run_dir: &Path, name: &str) -> PathBuf {
    if Path::new(name).is_dir() { PathBuf::from(name) } else { run_dir.join(name) }
}

fn circumstances(run_id: &str, seeds: &[String], device: DeviceName) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    json!({
        "run_id": run_id,
        "seeds": seeds,
        "program": concat!("kflow ", env!("CARGO_PKG_VERSION")),
        "device": device.to_string(),
        "isa": crate::agent::simd::isa(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "started_unix_s": now.map_or(0, |d| d.as_secs()),
    })
}
