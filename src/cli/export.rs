//! `kflow export`: the log as Parquet files with manifest and data card.

use super::exit::{self, Code, Failure};
use super::printer;
use super::progress::Progress;
use crate::dataset::{self, DatasetError, ExportOptions, ExportSummary};
use crate::store::Log;
use std::path::PathBuf;

/// Options of `kflow export`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Data directory: its log is read, its Parquet files are written.
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Exports every session that changed since the last time.
///
/// # Errors
/// 3 without a log, 5 when log or dataset are damaged, 1 when a file cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let log = Log::open(&args.data).map_err(exit::store)?;
    let records = log.sessions().iter().map(|s| s.counts.records()).sum();
    let mut progress = Progress::start("export", records);
    let summary =
        dataset::export(&log, &args.data, ExportOptions::default(), &mut |n| progress.add(n));
    progress.finish();
    let summary = summary.map_err(failure)?;
    for market in &summary.unread_markets {
        printer::say(&format!("warning: the definition of {market}"));
    }
    if args.json {
        return printer::json("export", &summary);
    }
    printer::line(&table(&summary))?;
    let place = args.data.join("README.md");
    printer::line(&format!("data card: {}", place.display()))
}

fn table(summary: &ExportSummary) -> String {
    let rows: Vec<Vec<String>> =
        summary.rows.iter().map(|(table, n)| vec![table.clone(), n.to_string()]).collect();
    let ExportSummary { files, bytes, bytes_per_delta, sessions_written, .. } = summary;
    format!(
        "{}\n\n{files} files, {bytes} bytes, {bytes_per_delta:.2} bytes per delta, \
         {sessions_written} sessions written anew",
        printer::table(&["table", "rows"], &rows),
    )
}

/// Gives an error of the dataset its exit code and its hint.
pub fn failure(error: DatasetError) -> Failure {
    let (code, hint) = match &error {
        DatasetError::Absent { .. } => (Code::Config, Some("run: kflow export")),
        DatasetError::Version { .. } | DatasetError::Manifest { .. } => {
            (Code::Integrity, Some("move v1 and manifest.json away, then: kflow export"))
        }
        DatasetError::Checksum { .. }
        | DatasetError::Schema { .. }
        | DatasetError::Parquet { .. } => {
            (Code::Integrity, Some("delete the file, then: kflow export"))
        }
        DatasetError::Shrunk { .. } => {
            let hint = "kflow data verify says what is missing; to give it up, move v1 and manifest.json away";
            (Code::Integrity, Some(hint))
        }
        DatasetError::Pruned { .. } => {
            let hint = "put the archived segments back into log/ and remove log/pruned.json, then: kflow export";
            (Code::Integrity, Some(hint))
        }
        DatasetError::Stale { .. } => (Code::Integrity, Some("run: kflow features build")),
        e if e.is_integrity() => (Code::Integrity, None),
        _ => (Code::Runtime, None),
    };
    let failure = match error {
        DatasetError::Log(e) => return exit::store(e),
        error => Failure::new(code, error),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
