//! `kflow train`: learn a policy from the recorded markets.

use super::exit::{self, Code, Failure, OrFail};
use super::front::{Front, Show, Work};
use super::progress::Progress;
use super::rules::Rules;
use super::{dash, device, printer};
use crate::agent::checkpoint::{CheckpointError, Notes, RunDir};
use crate::agent::config::TrainConfig;
use crate::agent::device::DeviceName;
use crate::agent::engine::EngineName;
use crate::agent::fit::{self, Course, MarketJob};
use crate::agent::split::{Plan, Rule};
use crate::agent::train::{Control, Outcome, TrainError};
use crate::agent::trainer::Ended;
use crate::env::EnvConfig;
use crate::features::Layout;
use crate::replay::{self, Recording};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Instant, SystemTime};

/// Options of `kflow train`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The algorithm
    #[arg(long, value_name = "ppo|a2c", default_value = "ppo")]
    algo: String,
    /// Environment steps of each model, rounded up to whole rollouts [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// All chance of the run comes from it
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Train this many runs with consecutive seeds, side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// Environments stepped in lockstep [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    envs: Option<u32>,
    /// A parameter by SB3's name, e.g. `-p learning_rate=lin_0.001`
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Where the tensors live
    #[arg(long, value_name = "cpu|wgpu", default_value = "cpu")]
    device: String,
    /// What computes
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    /// Where the parameters start from, before --envs and --param
    #[arg(long, value_enum, default_value_t = Preset::Default)]
    preset: Preset,
    /// Which markets are held out: `auto` or `time` (the last by settlement), `walk-forward:N`, `sessions`, `markets`
    #[arg(long, value_name = "RULE", default_value_t)]
    split: Rule,
    #[command(flatten)]
    rules: Rules,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where run folders are made and looked for
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// Continue this run (its id or its folder) to its last step, or to --steps
    #[arg(long, value_name = "RUN", conflicts_with_all = ["algo", "seed", "seeds", "envs", "params", "preset", "split", "Rules"])]
    resume: Option<String>,
    /// Show the dashboard while training; q there ends it after the present update, with everything saved
    #[arg(long)]
    ui: bool,
    /// How it looks
    #[command(flatten)]
    style: dash::Style,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EngineChoice {
    /// The fastest one for the device; with --resume, the run's own
    Auto,
    /// Formulas written out for the CPU
    Fused,
    /// burn: any device
    Burn,
}

impl EngineChoice {
    /// The engine that was named, else `own`, else the fastest one on `device`.
    ///
    /// # Errors
    /// 3 when the engine that was named does not run there.
    pub(super) fn engine(
        self,
        own: Option<EngineName>,
        device: DeviceName,
    ) -> Result<EngineName, Failure> {
        let engine = match self {
            EngineChoice::Auto => own.unwrap_or_else(|| EngineName::best(device)),
            EngineChoice::Fused => EngineName::Fused,
            EngineChoice::Burn => EngineName::Burn,
        };
        match engine {
            EngineName::Fused if device.is_apart() => Err(Failure::msg(
                Code::Config,
                format!("the engine `fused` does not run on {device}"),
            )
            .hint("add --engine burn, or use --device cpu")),
            engine => Ok(engine),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// Stable-Baselines3's defaults
    Default,
    /// PPO with larger minibatches and fewer passes: a third of the time per step
    Throughput,
}

/// Trains and prints where the models are and the figures of the last update.
///
/// # Errors
/// Exit 3 for settings that do not work, 5 for unusable data or checkpoints, 1 when training broke down.
pub fn run(args: Args) -> Result<(), Failure> {
    let device = device::device(&args.device)?;
    let plans = match &args.resume {
        Some(name) => vec![resumed(&args, name, device)?],
        None => fresh(&args, device)?,
    };
    let layout = plans[0].rules.layout;
    let recording = load(&args.data, layout)?;
    let plan = match &args.resume {
        Some(_) => Plan::of_run(&plans[0].dir, &recording.episodes).map_err(checkpoint_failure)?,
        None => Plan::by(args.split, &recording.episodes)
            .or_hint(Code::Config, "record more markets, or divide them otherwise: --split auto")?,
    };
    let course = Course::new(&recording, &plan);
    let jobs: Vec<MarketJob> = plans.iter().flat_map(|p| course.jobs(&p.job(device))).collect();
    let begun = Instant::now();
    let front = if args.ui { Some(front(&args)?) } else { None };
    let outcomes = train_all(&jobs, front.as_ref());
    if let Some(front) = front {
        front.close("training has ended");
    }
    let outcomes = outcomes?;
    let seconds = begun.elapsed().as_secs_f64().max(1e-9);
    show(&args, &plans, &jobs, &outcomes, seconds)
}

/// The dashboard in front of the training.
fn front(args: &Args) -> Result<Front, Failure> {
    let front = Front::open(
        &Show {
            data_dir: &args.data,
            work: Work { name: "training", run_dir: &args.run_dir, kill: None },
            screen: crate::dash::Screen::Training,
            style: args.style,
            stay: true,
        },
        None,
    )?;
    dash::watch_signals(&front.handle)?;
    Ok(front)
}

/// One run as it is asked for.
struct RunPlan {
    id: String,
    dir: PathBuf,
    config: TrainConfig,
    rules: EnvConfig,
    resume: bool,
}

impl RunPlan {
    /// The job that [`Course::jobs`] multiplies by the splits.
    fn job(&self, device: DeviceName) -> MarketJob {
        MarketJob {
            markets: [].into(),
            rules: self.rules.clone(),
            config: self.config.clone(),
            device,
            dir: self.dir.clone(),
            notes: Notes {
                command: command_line(),
                env: circumstances(&self.id, device),
                ..Notes::default()
            },
            resume: self.resume,
        }
    }
}

/// New runs, one per seed.
fn fresh(args: &Args, device: DeviceName) -> Result<Vec<RunPlan>, Failure> {
    let config_error = |e: String| Failure::msg(Code::Config, e).hint("see kflow train --help");
    let mut config = TrainConfig::of(&args.algo).map_err(config_error)?;
    config.engine = args.engine.engine(None, device)?;
    if let Preset::Throughput = args.preset {
        if args.algo != "ppo" {
            return Err(config_error("the preset `throughput` is one of PPO".to_owned()));
        }
        config = TrainConfig { engine: config.engine, ..TrainConfig::throughput() };
    }
    // Entries of an observation live on different scales: normalise unless told otherwise.
    config.normalize_obs = true;
    for param in &args.params {
        let (name, value) = param
            .split_once('=')
            .ok_or_else(|| config_error(format!("`{param}` is not NAME=VALUE")))?;
        config.set(name, value).map_err(config_error)?;
    }
    config.n_envs = args.envs.map_or(config.n_envs, |n| n as usize);
    config.total_timesteps = args.steps.unwrap_or(config.total_timesteps);
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(config_error(problems.join("; ")));
    }
    let rules = args.rules.config()?;
    let stamp = uuid::Uuid::now_v7();
    let plan = |seed: u64| {
        let id = format!("{}-s{seed}-{stamp}", args.algo);
        RunPlan {
            dir: args.run_dir.join(&id),
            id,
            config: TrainConfig { seed, ..config.clone() },
            rules: rules.clone(),
            resume: false,
        }
    };
    Ok((0..args.seeds).map(|i| plan(args.seed.wrapping_add(i))).collect())
}

/// The run called `name`, to be continued.
fn resumed(args: &Args, name: &str, device: DeviceName) -> Result<RunPlan, Failure> {
    let dir = if Path::new(name).is_dir() { PathBuf::from(name) } else { args.run_dir.join(name) };
    // The folds of a run share everything but their markets.
    let first = &fit::model_dirs(&dir)[0];
    let (run, mut config) = RunDir::open(first).map_err(checkpoint_failure)?;
    config.total_timesteps = args.steps.unwrap_or(config.total_timesteps);
    config.engine = args.engine.engine(Some(config.engine), device)?;
    let rules = run.rules().map_err(checkpoint_failure)?;
    let id = dir.file_name().map_or_else(|| name.to_owned(), |n| n.to_string_lossy().into_owned());
    Ok(RunPlan { id, dir, config, rules, resume: true })
}

fn load(data: &Path, layout: Layout) -> Result<Recording, Failure> {
    let recording = replay::recording(data, layout).map_err(exit::store)?;
    if recording.episodes.is_empty() {
        let what = format!("no market in {} has enough decisions", data.display());
        return Err(
            Failure::msg(Code::Integrity, what).hint("kflow data card shows what was recorded")
        );
    }
    Ok(recording)
}

/// Trains all models on all cores, with the dashboard or one progress bar.
fn train_all(jobs: &[MarketJob], front: Option<&Front>) -> Result<Vec<Outcome>, Failure> {
    let total = jobs.iter().map(|job| job.config.total_timesteps).sum();
    let mut progress = front.is_none().then(|| Progress::start("train", total));
    let stop = front.map(|front| front.stop.clone());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = mpsc::channel();
    let results = std::thread::scope(|scope| {
        let training = scope.spawn(move || {
            fit::run_all(jobs, threads, &|job, steps, _| {
                // A display that is gone is no reason to stop training.
                let _ = sender.send((job, steps));
                let asked = stop.as_ref().is_some_and(|stop| *stop.borrow());
                if asked { Control::Stop } else { Control::Continue }
            })
        });
        let mut done = vec![0; jobs.len()];
        for (job, steps) in receiver {
            done[job] = steps.min(jobs[job].config.total_timesteps);
            if let Some(progress) = &mut progress {
                progress.set(done.iter().sum());
            }
        }
        training.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    if let Some(progress) = progress {
        progress.finish();
    }
    results.into_iter().collect::<Result<_, _>>().map_err(train_failure)
}

fn show(
    args: &Args,
    plans: &[RunPlan],
    jobs: &[MarketJob],
    outcomes: &[Outcome],
    seconds: f64,
) -> Result<(), Failure> {
    let models: Vec<Value> = jobs
        .iter()
        .zip(outcomes)
        .map(|(job, outcome)| {
            json!({
                "dir": job.dir, "seed": job.config.seed, "steps": outcome.steps,
                "ended": ended(&outcome.ended), "final": outcome.last.to_json(),
            })
        })
        .collect();
    let first = &plans[0];
    let steps: u64 = outcomes.iter().map(|o| o.steps).sum();
    let new_steps: u64 = outcomes.iter().map(|o| o.new_steps).sum();
    let data = json!({
        "run_id": first.id,
        "run_dir": first.dir,
        "steps": steps,
        "steps_per_second": new_steps as f64 / seconds,
        "final": outcomes[0].last.to_json(),
        "runs": plans.iter().map(|p| json!({"run_id": p.id, "run_dir": p.dir})).collect::<Vec<_>>(),
        "models": models,
    });
    if args.json {
        return printer::json("train", &data);
    }
    for (key, value) in &outcomes[0].last.entries {
        let text = value.map_or_else(|| "-".to_owned(), |v| format!("{v:.6}"));
        printer::line(&format!("{key:<32} {text:>14}"))?;
    }
    for (job, outcome) in jobs.iter().zip(outcomes) {
        printer::line(&format!(
            "{}: {} steps, {}",
            job.dir.display(),
            outcome.steps,
            ended(&outcome.ended)
        ))?;
    }
    // All seeds at once: the best of them would be a choice.
    let dirs: Vec<String> = plans.iter().map(|plan| plan.dir.display().to_string()).collect();
    printer::say(&format!("next: kflow eval {}", dirs.join(" ")));
    Ok(())
}

fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Finished => "finished".to_owned(),
        Ended::Asked => "stopped on request".to_owned(),
        Ended::Rule(why) => format!("stopped by rule: {why}"),
    }
}

fn train_failure(error: TrainError) -> Failure {
    match error {
        TrainError::Checkpoint(error) => checkpoint_failure(error),
        TrainError::Config(_) => Failure::new(Code::Config, error).hint("see kflow train --help"),
        TrainError::Rules(_) | TrainError::Environment(_) => Failure::new(Code::Integrity, error)
            .hint("a run continues only on the data it began with; train a new one"),
        TrainError::NotFinite(_) => Failure::new(Code::Runtime, error)
            .hint("the state saved last is whole; try a smaller learning_rate: kflow train -p learning_rate=1e-4"),
        TrainError::Progress(_) => Failure::new(Code::Runtime, error),
    }
}

fn checkpoint_failure(error: CheckpointError) -> Failure {
    let hint = error.hint();
    Failure::new(Code::Integrity, error).hint(hint)
}

fn command_line() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

fn circumstances(run_id: &str, device: DeviceName) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    json!({
        "run_id": run_id,
        "program": concat!("kflow ", env!("CARGO_PKG_VERSION")),
        "device": device.to_string(),
        "isa": crate::agent::simd::isa(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "started_unix_s": now.map_or(0, |d| d.as_secs()),
    })
}
