//! `kflow env check`: may this environment be trained in?

use super::exit::{self, Code, Failure, OrFail};
use super::printer;
use super::rules::Rules;
use crate::check::env::{self, EnvCheck, Tape, fair_episodes};
use crate::replay;
use crate::store::StoreError;
use clap::Subcommand;
use std::path::{Path, PathBuf};

/// Markets of the synthetic tape; each is traded twice, as it is and mirrored.
const FAIR_MARKETS: u32 = 100;

/// Arguments of `kflow env`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check the contract of the environment, and that no scripted policy gains where nothing can be gained
    Check(Check),
}

#[derive(clap::Args, Debug)]
struct Check {
    /// Also play the recorded markets of this data directory; default: `datasets`, if there is one
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    rules: Rules,
    /// Seed of the synthetic tape and of everything drawn
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// 6 when a promise is broken or the exploit alarm goes off; 3 without a log, 5 when it is damaged.
pub fn run(args: Args) -> Result<(), Failure> {
    let Command::Check(args) = args.command;
    let config = args.rules.config()?;
    let episodes = fair_episodes(config.layout, FAIR_MARKETS, args.seed).into();
    let mut tapes = vec![Tape { name: "fair", fair: true, episodes }];
    let data = args.data.as_deref().unwrap_or(Path::new("datasets"));
    let episodes = match (&args.data, replay::recording(data, config.layout)) {
        (None, Err(StoreError::NoLog { .. })) => Vec::new(),
        (_, read) => read.map_err(exit::store)?.episodes,
    };
    if !episodes.is_empty() {
        tapes.push(Tape { name: "recorded", fair: false, episodes: episodes.into() });
    }
    let found = env::run(&tapes, &config, args.seed).or_fail(Code::Integrity)?;
    if args.json {
        printer::json("env check", &found)?;
    } else {
        show(&found)?;
    }
    if found.passed() {
        return Ok(());
    }
    let hint = "train nothing in this environment until each line above is understood";
    Err(Failure::msg(Code::Check, "the environment check failed").hint(hint))
}

fn show(found: &EnvCheck) -> Result<(), Failure> {
    for check in &found.contract {
        let verdict = if check.ok { "ok" } else { "BROKEN" };
        let why = check.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        printer::line(&format!("{verdict:<6}  {}{why}", check.name))?;
    }
    let percent = |share: f64| format!("{:+.3} %", 100.0 * share);
    let rows: Vec<Vec<String>> = found
        .policies
        .iter()
        .map(|probe| {
            let [low, high] =
                probe.ci95.map_or(["-".into(), "-".into()], |interval| interval.map(percent));
            let (name, tape) = (probe.name.clone(), probe.tape.to_owned());
            vec![name, tape, probe.episodes.to_string(), percent(probe.mean_return), low, high]
        })
        .collect();
    let head = ["policy", "tape", "episodes", "mean return", "95 % from", "to"];
    printer::line(&format!("\n{}\n", printer::table(&head, &rows)))?;
    for warning in &found.warnings {
        printer::line(&format!("warning: {warning}"))?;
    }
    for alarm in &found.alarms {
        printer::line(&format!("ALARM: {alarm}"))?;
    }
    printer::line(if found.alarm {
        "EXPLOIT ALARM: money can be made here that is not there"
    } else {
        "no exploit found"
    })
}
