//! `kflow train`: learn a policy from the recorded markets.

pub(super) mod plan;
mod show;
mod work;

pub(super) use show::{checkpoint_failure, train_failure as failure};

use super::exit::{self, Code, Failure, OrFail};
use super::filters::{self, Filters};
use super::front::{Front, Show, Work};
use super::logging::{self, LogArgs};
use super::rules::Rules;
use super::{dash, device, printer};
use crate::agent::device::DeviceName;
use crate::agent::engine::EngineName;
use crate::agent::fit::{Course, MarketJob};
use crate::agent::markets::{Left, MarketFilter};
use crate::agent::split::{Plan, Rule};
use crate::features::Layout;
use crate::replay::{self, Recording};
use clap::ValueEnum;
use plan::RunPlan;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs of a training: what one seed shows may be luck, and two give no spread to speak of.
const SEEDS: u64 = 3;

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
    /// Train this many runs with consecutive seeds, side by side; `kflow eval` judges them together
    #[arg(long, value_name = "N", default_value_t = SEEDS, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// Environments stepped in lockstep [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    envs: Option<u32>,
    /// A parameter by SB3's name, e.g. `-p learning_rate=lin_0.001`
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// End early by a rule: `max_kl=0.1`, or after ROWS progress rows (5) with `collapse`, `no_reward`,
    /// `low_entropy`, `large_steps`, `frozen`, `blind_value` or `flat_observation`; `collapse=ROWS@SHARE` also says
    /// above which share one action is a collapse (0.9)
    #[arg(long, value_name = "RULE[=ROWS]")]
    stop: Vec<String>,
    /// Which markets come first: a third of them, then two, then all
    #[arg(long, value_name = "uniform|liquidity|spread")]
    curriculum: Option<String>,
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
    #[command(flatten)]
    filters: Filters,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where run folders are made and looked for
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// Continue this run (its id or its folder) to its last step, or to --steps
    #[arg(long, value_name = "RUN", conflicts_with_all = ["algo", "seed", "seeds", "envs", "params", "stop", "curriculum", "preset", "split", "Rules", "Filters"])]
    resume: Option<String>,
    /// Models trained at a time; no result depends on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Show which markets would be learned from and how, and end
    #[arg(long)]
    dry_run: bool,
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
/// Exit 2 for a dashboard without a terminal, 3 for settings that do not work, 5 for unusable data or checkpoints, 1 when training broke down, 130 or 143
/// after a signal, with everything saved.
pub fn run(args: Args) -> Result<(), Failure> {
    if args.ui {
        // Before anything long.
        dash::need_terminal()?;
    }
    let device = device::device(&args.device)?;
    let plans = match &args.resume {
        Some(name) => vec![plan::resumed(&args, name, device)?],
        None => plan::fresh(&args, device)?,
    };
    let (recording, left) = load(&args.data, plans[0].rules.layout, &plans[0].filter)?;
    super::rules::say_assumed(plans[0].rules.fees_assumed(recording.real_tickers()).as_ref());
    let split = match &args.resume {
        Some(_) => Plan::of_run(&plans[0].dir, &recording.episodes).map_err(checkpoint_failure)?,
        None => Plan::by(args.split, &recording.episodes)
            .or_hint(Code::Config, "record more markets, or divide them otherwise: --split auto")?,
    };
    if args.dry_run {
        return dry_run(&args, &plans, &recording, &split, &left);
    }
    let course = Course::new(&recording, &split);
    let mut jobs: Vec<MarketJob> = plans.iter().flat_map(|p| course.jobs(&p.job(device))).collect();
    let begun = Instant::now();
    let front = if args.ui { Some(front(&args)?) } else { None };
    let done = work::train(&args, &plans, &mut jobs, front.as_ref());
    if let Some(front) = front {
        front.close("training has ended");
    }
    let done = done?;
    let seconds = begun.elapsed().as_secs_f64().max(1e-9);
    show::show(&args, &plans, &jobs, &done.outcomes, seconds)?;
    match done.signal {
        None => Ok(()),
        Some(signal) => {
            let each: Vec<String> =
                plans.iter().map(|plan| format!("kflow train --resume {}", plan.id)).collect();
            let text = format!("stopped; continue with: {}", each.join(" && "));
            Err(Failure::msg(signal.code(), text))
        }
    }
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
    front.watch_signals()?;
    // What training finds odd stands on the log screen.
    logging::begin(LogArgs::default(), logging::lines(printer::say));
    Ok(front)
}

/// The recorded markets that the filter keeps, and what each of its conditions left.
pub(super) fn load(
    data: &Path,
    layout: Layout,
    filter: &MarketFilter,
) -> Result<(Recording, Vec<Left>), Failure> {
    let mut recording = replay::recording(data, layout).map_err(exit::store)?;
    let nothing = |text: String, hint: &str| Failure::msg(Code::Integrity, text).hint(hint);
    if recording.episodes.is_empty() {
        let what = format!("no market in {} has enough decisions", data.display());
        return Err(nothing(what, "kflow data card shows what was recorded"));
    }
    let left;
    (recording.episodes, left) = filter.keep(recording.episodes);
    if recording.episodes.is_empty() {
        let steps: Vec<String> =
            left.iter().map(|l| format!("{} after `{}`", l.markets, l.after)).collect();
        let what = format!("the filters leave no market: {}", steps.join(", "));
        let failure = Failure::msg(Code::Config, what);
        return Err(
            failure.hint("widen them; kflow train --dry-run shows what each of them leaves")
        );
    }
    Ok((recording, left))
}

/// What would be learned from, and with what.
fn dry_run(
    args: &Args,
    plans: &[RunPlan],
    recording: &Recording,
    split: &Plan,
    left: &[Left],
) -> Result<(), Failure> {
    let config = &plans[0].config;
    let splits: Vec<[usize; 3]> =
        split.splits.iter().map(|s| [s.train.len(), s.validation.len(), s.test.len()]).collect();
    if args.json {
        let data = json!({
            "left": left, "protocol": split.protocol, "runs": plans.len(), "config": config,
            "splits": splits.iter().map(|[train, validation, test]| {
                json!({"train": train, "validation": validation, "test": test})
            }).collect::<Vec<_>>(),
        });
        return printer::json("train", &data);
    }
    filters::preview(left, &recording.episodes)?;
    for (i, [train, validation, test]) in splits.iter().enumerate() {
        printer::line(&format!(
            "model {i}: learns from {train} episodes, is chosen by {validation}, judged on {test}"
        ))?;
    }
    printer::line(&format!(
        "{} run(s) of {} model(s), {} steps each; nothing was trained",
        plans.len(),
        splits.len(),
        config.total_timesteps
    ))
}
