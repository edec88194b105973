//! `kflow search`: try many settings, count the tries, and judge the best one after counting them.

mod winner;

use super::eval::{self, text};
use super::exit::{Code, Failure};
use super::progress::Progress;
use super::rules::{self, Rules};
use super::{device, printer, train};
use crate::agent::config::TrainConfig;
use crate::agent::engine::EngineName;
use crate::agent::judge::{self, Evaluation, Question};
use crate::agent::markets::MarketFilter;
use crate::agent::parallel;
use crate::agent::score::Part;
use crate::agent::search::{self, Brief, Found, Method, Record, SearchError, Space};
use crate::agent::split::Rule;
use crate::features::Layout;
use crate::replay::Recording;
use clap::ValueEnum;
use serde_json::json;
use std::path::{Path, PathBuf};
use winner::Shelf;

/// Options of `kflow search`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples: kflow search --trials 30 --steps 300000\n          \
                  kflow search --method halving --space learning_rate=log:1e-5..1e-3 --space n_epochs=\n          \
                  kflow search --resume checkpoints/search-ppo-s0-STAMP")]
pub struct Args {
    /// The algorithm
    #[arg(long, value_name = "ppo|a2c", default_value = "ppo")]
    algo: String,
    /// Settings to try; every one counts when the best is judged
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    trials: u32,
    /// Models of each setting, from consecutive seeds; a setting is worth their mean
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Environment steps of each model
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// How steps are spent
    #[arg(long, value_enum, default_value_t = MethodName::Random)]
    method: MethodName,
    /// A range to search instead of the usual one: `NAME=a|b|c`, `NAME=lin:LOW..HIGH`, `NAME=log:LOW..HIGH`; `NAME=`
    /// leaves the parameter alone
    #[arg(short = 's', long = "space", value_name = "NAME=RANGE")]
    space: Vec<String>,
    /// A parameter that is the same in all trials, e.g. `-p n_envs=16`; it is not searched then
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// How markets are divided: `time` (60/20/20) or `walk-forward:N`; settings are chosen by the validation markets
    #[arg(long, value_name = "RULE", default_value_t = Rule::Time)]
    split: Rule,
    /// Chance of the draws and the first seed of each setting
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Where the tensors live
    #[arg(long, value_name = "cpu|wgpu", default_value = "cpu")]
    device: String,
    #[command(flatten)]
    rules: Rules,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where the search's folder is made
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// Trials side by side; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Go on with this search, as it was begun
    #[arg(long, value_name = "DIR", conflicts_with_all = ["algo", "trials", "seeds", "steps", "method", "space", "params", "split", "seed", "device", "Rules"])]
    resume: Option<PathBuf>,
    /// The name that the best setting's models get in the registry [default: that of the search's folder]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Also write one self-contained HTML page about the best setting
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodName {
    /// Every setting gets all steps
    Random,
    /// Few steps for all, three times as many for the best third, and so on
    Halving,
}

/// Searches, judges the best setting on the held-out markets, enters it in the registry, and prints what may be
/// said about it.
///
/// # Errors
/// 3 for settings that do not work, 5 for unusable data or a damaged search, 1 when a file cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let (dir, brief, recording) = match &args.resume {
        Some(dir) => {
            let brief = Brief::read(dir).map_err(failure)?;
            let recording = recorded(&args.data, brief.rules.layout)?;
            (dir.clone(), brief, recording)
        }
        None => fresh(&args)?,
    };
    let shelf = Shelf::of(&dir, args.name.as_deref())?;
    let place = dir.display();
    printer::say(&format!(
        "search in {place}; to go on if interrupted: kflow search --resume {place}"
    ));
    let threads = args.threads.map_or_else(parallel::cores, usize::from);
    let mut progress = Progress::start("search", 0);
    let found = search::run(&brief, &recording, &dir, threads, |done, of| {
        progress.set_total(of as u64);
        progress.set(done as u64);
    });
    progress.finish();
    let found = found.map_err(failure)?;
    let question = Question { threads, ..Question::new(&found.runs, &args.data, brief.base.seed) };
    let evaluation = judge::judge(&question, |_, _, _| ()).map_err(eval::failure)?;
    rules::say_assumed(evaluation.fees_assumed.as_ref());
    eval::save(&dir.join("evaluation.json"), &serde_json::to_string_pretty(&evaluation)?)?;
    let models = shelf.enter(&found, &evaluation)?;
    if let Some(file) = &args.report {
        eval::save(file, &eval::page(&evaluation))?;
    }
    show(&args, &found, &evaluation, &models)
}

/// A new search: its folder, its question and its data.
fn fresh(args: &Args) -> Result<(PathBuf, Brief, Recording), Failure> {
    let config_error = |e: String| Failure::msg(Code::Config, e).hint("see kflow search --help");
    let device = device::device(&args.device)?;
    let mut base = TrainConfig::of(&args.algo).map_err(config_error)?;
    let mut space = Space::usual(&args.algo);
    // Entries of an observation live on different scales.
    base.normalize_obs = true;
    base.engine = EngineName::best(device);
    (base.seed, base.total_timesteps) = (args.seed, args.steps);
    for param in &args.params {
        let name = base.assign(param).map_err(config_error)?;
        space.leave(name);
    }
    for range in &args.space {
        space.set(range).map_err(|e| config_error(e.to_string()))?;
    }
    let rules = args.rules.config()?;
    let recording = recorded(&args.data, rules.layout)?;
    let brief = Brief {
        base,
        rules,
        space,
        method: match args.method {
            MethodName::Random => Method::Random,
            MethodName::Halving => Method::Halving,
        },
        trials: args.trials as usize,
        seeds: args.seeds,
        split: args.split.to_string(),
        device: device.to_string(),
        fingerprint_sha256: recording.fingerprint.clone(),
    };
    let name = format!("search-{}-s{}-{}", args.algo, args.seed, uuid::Uuid::now_v7());
    Ok((args.run_dir.join(name), brief, recording))
}

/// All recorded markets: a search knows no filter.
fn recorded(data: &Path, layout: Layout) -> Result<Recording, Failure> {
    Ok(train::load(data, layout, &MarketFilter::default())?.0)
}

fn show(
    args: &Args,
    found: &Found,
    evaluation: &Evaluation,
    models: &[String],
) -> Result<(), Failure> {
    if args.json {
        let data = json!({
            "dir": found.dir,
            "tries": found.tries.tries,
            "sharpe_variance": found.tries.sharpe_variance,
            "overfitting": found.tries.overfitting,
            "winner": found.winner,
            "runs": found.runs,
            "models": models,
            "trials": found.trials,
            "eval": evaluation,
        });
        return printer::json("search", &data);
    }
    let rows: Vec<Vec<String>> = best_first(found).into_iter().take(SHOWN).map(row).collect();
    printer::line(&format!("the best of {} settings, by validation markets", found.tries.tries))?;
    printer::line(&printer::table(&["settings", "trial", "steps", "return", "Sharpe"], &rows))?;
    if let Some(share) = found.tries.overfitting {
        printer::line(&format!(
            "probability of backtest overfitting: {:.0} % (the best on half of the validation events is below \
             the median on the other half)",
            100.0 * share
        ))?;
    }
    printer::line(&format!("\ntrial {}, judged on the held-out markets:", found.winner.trial))?;
    printer::line(&text(evaluation, &[Part::Test]))?;
    printer::line(&format!("\nregistered, one version for each seed: {}", models.join(" ")))?;
    printer::say(&format!("again: kflow eval {}", models.join(" ")));
    Ok(())
}

/// Trials in the table.
const SHOWN: usize = 10;

/// The last line of each trial, those that got furthest and earned most first.
fn best_first(found: &Found) -> Vec<&Record> {
    let mut last: Vec<&Record> = Vec::new();
    for record in found.trials.iter().rev() {
        if last.iter().all(|r| r.trial != record.trial) {
            last.push(record);
        }
    }
    let worth = |r: &Record| r.score.sharpe.unwrap_or(0.0);
    last.sort_by(|a, b| {
        b.rung.cmp(&a.rung).then(worth(b).total_cmp(&worth(a))).then(a.trial.cmp(&b.trial))
    });
    last
}

fn row(record: &Record) -> Vec<String> {
    let settings: Vec<String> =
        record.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let failed = record.failed.as_ref().map(|why| format!("failed: {why}; "));
    vec![
        format!("{}{}", failed.unwrap_or_default(), settings.join(" ")),
        record.trial.to_string(),
        record.steps.to_string(),
        format!("{:+.2} %", 100.0 * record.score.mean_return),
        record.score.sharpe.map_or("-".to_owned(), |s| format!("{s:.2}")),
    ]
}

fn failure(error: SearchError) -> Failure {
    let (code, hint) = match error {
        SearchError::Checkpoint(e) => return train::checkpoint_failure(e),
        SearchError::Train(e) => return train::failure(e),
        SearchError::Config(_) => (Code::Config, "see kflow search --help"),
        SearchError::Split(_) | SearchError::NothingToChooseBy(_) => {
            (Code::Config, "record more markets, or divide them otherwise: --split time")
        }
        SearchError::Exists(_) => {
            (Code::Config, "go on with it as it was begun: kflow search --resume DIR")
        }
        SearchError::OtherData(_) => {
            (Code::Integrity, "a search goes on with the data it began with; begin a new one")
        }
        SearchError::Record { .. } => {
            (Code::Integrity, "remove the damaged line and those after it, then --resume again")
        }
        SearchError::Io { .. } => (Code::Runtime, "what was found remains: go on with --resume"),
    };
    Failure::new(code, error).hint(hint)
}
