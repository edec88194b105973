//! `kflow conformance`: golden files through the real code, and sessions of trading from the log.

use super::exit::{Code, Failure};
use super::printer;
use crate::check::{self, CheckError, Outcome};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// Replay a golden file, or a session of trading, through the real code and compare.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What the file holds.
    kind: Kind,
    /// The golden file; for `trade` the session's folder, `DATA/trade/ID`.
    file: PathBuf,
    /// Folder with `events/` and `metadata/` (for `session`: with `session.jsonl`; for `trade`: with the log);
    /// default: the shared test data, when present, and the folder that the session lies in.
    #[arg(long)]
    tape: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Kalshiflow52,
    Flow52,
    Books,
    Fees,
    Ledger,
    Session,
    Attribution,
    Trade,
}

/// Runs the command.
///
/// # Errors
/// 3 the tape is absent, 5 the file is not of this kind, 6 a case differs.
pub fn run(args: Args) -> Result<(), Failure> {
    let folder = match args.kind {
        Kind::Session => "data/demo-session",
        _ => "data/gold15m",
    };
    let default = || default_tape(folder).filter(|_| !matches!(args.kind, Kind::Trade));
    let tape = args.tape.or_else(default);
    let outcome = compare(args.kind, &args.file, tape.as_deref()).map_err(failure)?;
    if args.json {
        printer::json("conformance", &outcome)?;
    } else {
        printer::line(&format!(
            "{}: {} of {} cases equal, largest difference {:e}",
            outcome.kind, outcome.passed, outcome.cases, outcome.max_abs_diff
        ))?;
    }
    if outcome.failed == 0 && outcome.cases > 0 {
        return Ok(());
    }
    let why = outcome.first_failure.unwrap_or_else(|| "the file holds no case".into());
    Err(Failure::msg(Code::Check, format!("{} cases differ; the first: {why}", outcome.failed)))
}

fn compare(kind: Kind, file: &Path, tape: Option<&Path>) -> Result<Outcome, CheckError> {
    match kind {
        Kind::Kalshiflow52 => check::kalshiflow52::run(file),
        Kind::Flow52 => check::flow52::run(file, tape),
        Kind::Books => check::books::run(file, tape),
        Kind::Fees => check::fees::run(file),
        Kind::Ledger => check::ledger::run(file),
        Kind::Session => check::session::run(file, tape),
        Kind::Attribution => check::attribution::run(file, tape),
        Kind::Trade => check::trade::run(file, tape),
    }
}

/// The shared test data: where `KFLOW_SHARED` says, else beside the working directory.
fn default_tape(folder: &str) -> Option<PathBuf> {
    let root = crate::config::env::shared();
    Some(root.join(folder)).filter(|p| p.is_dir())
}

fn failure(error: CheckError) -> Failure {
    match error {
        CheckError::NoTape(_) => Failure::new(Code::Config, error)
            .hint("name the folder of the recordings with --tape DIR"),
        CheckError::Log(error) => super::exit::store(error),
        CheckError::Read { .. } | CheckError::Form { .. } | CheckError::Tape(_) => {
            Failure::new(Code::Integrity, error)
                .hint("golden files are described in their README; KIND must fit the file")
        }
    }
}
