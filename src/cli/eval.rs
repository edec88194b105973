//! `kflow eval`: what a trained policy earns on markets that it never saw.

use super::exit::{self, Code, Failure, OrFail};
use super::progress::Progress;
use super::{judged, models, printer};
use crate::agent::device::DeviceName;
use crate::agent::judge::{self, Evaluation, JudgeError};
use crate::agent::score::{Part, Row};
use crate::registry::Registry;
use crate::report::{self, Origin};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Options of `kflow eval`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: kflow eval checkpoints/RUN --report report.html")]
pub struct Args {
    /// A run (its id or its folder), a model of the registry (NAME, NAME:3, NAME@ALIAS), or a model file
    #[arg(value_name = "RUN|MODEL")]
    run: String,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where runs are looked for by their id
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// Chance of the random policies and of the bootstrap
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Where the tensors live
    #[arg(long, value_name = "cpu|wgpu", default_value = "cpu")]
    device: String,
    /// Also write one self-contained HTML page with pictures
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Evaluates and prints the table and the verdict; a run folder also gets `evaluation.json`.
///
/// # Errors
/// 3 for settings that do not work, 5 when model or data are missing, damaged or do not fit, 1 when a
/// file cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let device: DeviceName = args.device.parse().or_hint(Code::Config, "use --device cpu")?;
    let path = Registry::at(&args.run_dir).path_of(&args.run).map_err(models::failure)?;
    let mut progress = None;
    let mut watch = |done: usize, total: usize| {
        progress.get_or_insert_with(|| Progress::start("evaluate", total as u64)).set(done as u64);
    };
    let evaluation = judge::judge(&path, &args.data, args.seed, device, &mut watch);
    if let Some(bar) = progress {
        bar.finish();
    }
    let evaluation = evaluation.map_err(failure)?;
    if path.is_dir() {
        let text = serde_json::to_string_pretty(&evaluation)?;
        save(&path.join("evaluation.json"), &text)?;
    }
    judged::record(&path, &evaluation)?;
    if let Some(file) = &args.report {
        save(file, &page(&evaluation))?;
    }
    if args.json {
        return printer::json("eval", &evaluation);
    }
    printer::line(&text(&evaluation, &[Part::Test, Part::Validation, Part::Train]))?;
    if let Some(file) = &args.report {
        printer::say(&format!("report: {}", file.display()));
    }
    Ok(())
}

/// A table for each of `parts`, the verdict and its reservations.
pub(super) fn text(evaluation: &Evaluation, parts: &[Part]) -> String {
    let result = &evaluation.result;
    let mut text = String::new();
    for part in parts {
        let rows: Vec<Vec<String>> =
            result.policies.iter().filter(|r| r.split == *part).map(row).collect();
        if !rows.is_empty() {
            text.push_str(&format!("{}\n{}\n\n", title(*part), printer::table(&HEAD, &rows)));
        }
    }
    let (name, verdict) = (&result.evaluated, result.verdict.words());
    text.push_str(&format!("{name}: {verdict} ({})", result.reason));
    let judged = result.policies.iter().find(|r| r.name == *name && r.split == Part::Test);
    if let Some(execution) = judged.and_then(|row| row.execution()) {
        text.push_str(&format!("\nfills: {execution}"));
    }
    for warning in &result.warnings {
        text.push_str(&format!("\nnote: {warning}"));
    }
    if let Some(source) = evaluation.synthetic() {
        text.push_str(&format!(
            "\nnote: synthetic data ({source}): no evidence about real markets"
        ));
    }
    text
}

const HEAD: [&str; 10] = [
    "policy",
    "markets",
    "equity",
    "return",
    "95 % interval",
    "fees",
    "trades",
    "drawdown",
    "Sharpe",
    "win rate",
];

fn title(part: Part) -> &'static str {
    match part {
        Part::Test => "held-out markets",
        Part::Validation => "validation markets",
        Part::Train => "in-sample markets: what the model learned from, no evidence of anything",
    }
}

fn row(row: &Row) -> Vec<String> {
    let percent = |v: f64| format!("{:+.2} %", 100.0 * v);
    let or_dash = |v: Option<String>| v.unwrap_or_else(|| "-".to_owned());
    vec![
        row.name.clone(),
        row.markets.to_string(),
        format!("{:.2}", row.equity),
        percent(row.mean_return),
        or_dash(row.ci95.map(|[l, h]| format!("{} .. {}", percent(l), percent(h)))),
        format!("{:.2}", row.fees),
        row.trades.to_string(),
        format!("{:.2}", row.max_drawdown),
        or_dash(row.sharpe.map(|s| format!("{s:.2}"))),
        or_dash(row.win_rate.map(|w| format!("{:.0} %", 100.0 * w))),
    ]
}

/// The evaluation as one HTML page.
pub(super) fn page(evaluation: &Evaluation) -> String {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let origin = Origin {
        run: evaluation.run.clone(),
        synthetic: evaluation.synthetic().map(str::to_owned),
        facts: vec![
            fact("layout", evaluation.layout.clone()),
            fact("sources", evaluation.sources.join(", ")),
            fact("data (SHA-256)", evaluation.data_sha256.clone()),
        ],
    };
    report::evaluation(&evaluation.result, &origin)
}

/// Writes a file as a whole: under another name first.
pub(super) fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let written = || -> io::Result<()> {
        fs::write(&new, text)?;
        fs::rename(&new, path)
    };
    written().map_err(|e| Failure::from(e).context(format!("cannot write {}", path.display())))
}

pub(super) fn failure(error: JudgeError) -> Failure {
    let hint = match error {
        JudgeError::Data(e) => return exit::store(e),
        JudgeError::Model(ref e) => e.hint(),
        JudgeError::NoEpisode => "kflow data card shows what was recorded",
        JudgeError::Layout(_) => "use the program version that trained the model",
        JudgeError::Blocks { .. } => {
            "train again on these data, or evaluate one of its models: RUN/fold_0"
        }
        JudgeError::Several { .. } => "name one of its models: RUN/fold_0",
    };
    Failure::new(Code::Integrity, error).hint(hint)
}
