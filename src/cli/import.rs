//! `kflow import`: recorded files into the log.

use super::exit::{self, Code, Failure};
use super::printer;
use super::progress::Progress;
use crate::book::SequencePolicy;
use crate::intake::{self, Format, ImportOptions, ImportReport, IntakeError, Target};
use clap::ValueEnum;
use std::path::PathBuf;

/// Import recorded frames (or the predecessor's rows) as one session of the log.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: kflow import recordings/events --metadata recordings/metadata")]
pub struct Args {
    /// Files or folders: JSON lines, gzip or plain; a folder's `metadata/` is found by itself.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Files or folders with market objects (definition, close, settlement).
    #[arg(long)]
    metadata: Vec<PathBuf>,
    /// `partial`: holes in the numbering mean nothing; `complete`: every hole is a gap.
    #[arg(long, default_value = "partial")]
    sequence: Sequence,
    /// What the lines are.
    #[arg(long, default_value = "auto")]
    format: FormatArg,
    /// Label of where the data come from; synthetic data start with `sim:`.
    #[arg(long)]
    source: Option<String>,
    /// Import files that the log holds already once more.
    #[arg(long)]
    again: bool,
    /// Data directory.
    #[arg(long, default_value = "datasets")]
    data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sequence {
    Partial,
    Complete,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Auto,
    Frames,
    KalshiflowRows,
}

/// Runs the command.
///
/// # Errors
/// 1 run time (full disk), 3 log in use, 5 unreadable or damaged input.
pub fn run(args: Args) -> Result<(), Failure> {
    let json = args.json;
    let data_dir = args.data.clone();
    let options = ImportOptions {
        paths: args.paths,
        metadata: args.metadata,
        sequence: match args.sequence {
            Sequence::Partial => SequencePolicy::Partial,
            Sequence::Complete => SequencePolicy::Complete,
        },
        format: match args.format {
            FormatArg::Auto => Format::Auto,
            FormatArg::Frames => Format::Frames,
            FormatArg::KalshiflowRows => Format::KalshiflowRows,
        },
        source: args.source,
        again: args.again,
    };
    let report = import(&options, &data_dir)?;
    if json {
        printer::json("import", &report)?;
    } else {
        printer::line(&text(&report))?;
    }
    for file in &report.skipped {
        printer::say(&format!(
            "already in the log, left out: {file} (--again imports it once more)"
        ));
    }
    match report.damaged.first() {
        None => Ok(()),
        Some(first) => Err(Failure::msg(Code::Integrity, first).hint(
            "everything before the damage was imported; fetch the file again and use --again",
        )),
    }
}

/// Imports with a progress display, from now.
///
/// # Errors
/// As [`run`].
pub fn import(
    options: &ImportOptions,
    data_dir: &std::path::Path,
) -> Result<ImportReport, Failure> {
    let target = Target { data_dir, now: super::now()? };
    let mut progress: Option<Progress> = None;
    let report = intake::import(options, &target, |done, total| {
        progress.get_or_insert_with(|| Progress::start("import", total)).set(done);
    });
    if let Some(progress) = progress {
        progress.finish();
    }
    report.map_err(failure)
}

fn failure(error: IntakeError) -> Failure {
    let hint = match error {
        IntakeError::Store(e) => return exit::store(e),
        IntakeError::Read { ref source, .. } if source.kind() != std::io::ErrorKind::NotFound => {
            let hint = "check the permissions; nothing was imported";
            return Failure::new(Code::Runtime, error).hint(hint);
        }
        IntakeError::Read { .. } | IntakeError::Nothing(_) => {
            let hint = "name a file of JSON lines or a folder that holds some";
            return Failure::new(Code::Config, error).hint(hint);
        }
        IntakeError::Metadata { .. } => {
            "expected a market object of the REST API, or a list of them"
        }
        IntakeError::Damaged { .. } => "fetch the file again",
    };
    Failure::new(Code::Integrity, error).hint(hint)
}

fn text(report: &ImportReport) -> String {
    let rows: Vec<_> = report
        .markets
        .iter()
        .map(|m| {
            vec![
                m.ticker.clone(),
                m.deltas.to_string(),
                m.trades.to_string(),
                m.snapshots.to_string(),
                if m.settled { "yes" } else { "no" }.to_owned(),
                if m.issues.is_empty() { "-".to_owned() } else { m.issues.join(", ") },
            ]
        })
        .collect();
    let head = ["market", "deltas", "trades", "snapshots", "settled", "issues"];
    let mut text =
        if rows.is_empty() { String::new() } else { printer::table(&head, &rows) + "\n\n" };
    text += &format!(
        "{} frames: {} deltas, {} snapshots, {} trades, {} other, {} bad; {} gaps\nlog: {} bytes, {:.2} per delta",
        report.frames,
        report.deltas,
        report.snapshots,
        report.trades,
        report.other,
        report.bad,
        report.gaps,
        report.log_bytes,
        report.bytes_per_delta,
    );
    for (what, n) in &report.oddities {
        text += &format!("\n{n} x {what}");
    }
    text
}
