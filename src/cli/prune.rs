//! `kflow data prune`: old, exported segments out of the log.

use super::amount::of_bytes;
use super::exit::{self, Code, Failure};
use super::{export, printer};
use crate::collect::{Pruning, Retention, plan};
use crate::store::{Janitor, Log};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::SystemTime;

/// Options of `kflow data prune`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Only segments whose rows all stand in Parquet files that will not change are taken."
)]
pub struct Args {
    /// Take out what was sealed longer ago than this
    #[arg(long, value_name = "DAYS")]
    retain_days: u32,
    /// Move them there; without it they are deleted
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    yes: bool,
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// 2 without `--yes` where nobody can be asked, 3 without a log or while it is written, 5 when it is damaged.
pub fn run(args: &Args) -> Result<(), Failure> {
    let retention = Retention { days: args.retain_days, archive: args.archive.clone() };
    let janitor = match args.dry_run {
        true => None,
        // Before the log is read, so that nothing changes under the plan.
        false => Some(Janitor::take(&args.data).map_err(writing)?),
    };
    let log = Log::open(&args.data).map_err(exit::store)?;
    let segments =
        plan(&log, &args.data, &retention, SystemTime::now()).map_err(export::failure)?;
    let pruning = Pruning::of(&segments);
    if let Some(janitor) = janitor {
        if !args.yes && !segments.is_empty() {
            agreed(&pruning, &retention)?;
        }
        janitor.prune(&segments, retention.archive.as_deref()).map_err(exit::store)?;
    }
    if args.json {
        let mut data = serde_json::to_value(&pruning)?;
        data["dry_run"] = args.dry_run.into();
        return printer::json("data prune", &data);
    }
    for name in &pruning.segments {
        printer::line(name)?;
    }
    let would = if args.dry_run { "would be " } else { "" };
    printer::line(&format!("{} {would}freed", sum(&pruning)))
}

fn sum(pruning: &Pruning) -> String {
    let Pruning { segments, rows, bytes } = pruning;
    format!("{} segments with {rows} rows, {}", segments.len(), of_bytes(*bytes as f64))
}

/// Asks a person; where there is none, `--yes` has to say it.
fn agreed(pruning: &Pruning, retention: &Retention) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::msg(Code::Usage, format!("{} would be taken out", sum(pruning)))
            .hint("--yes does it, --dry-run lists them"));
    }
    let fate = match &retention.archive {
        Some(archive) => format!("moved to {}", archive.display()),
        None => "deleted".to_owned(),
    };
    printer::say(&format!("{} will be {fate}. Go on? [y/N]", sum(pruning)));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::msg(Code::Usage, "nothing was taken out")
            .hint("--dry-run lists what would go")),
    }
}

fn writing(error: crate::store::StoreError) -> Failure {
    let failure = exit::store(error);
    match failure.code {
        Code::Config => failure
            .hint("a running collector does it by itself: `kflow collect --export-every 10m --retain-days N`"),
        _ => failure,
    }
}
