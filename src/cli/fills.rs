//! `kflow fills`: how far paper fills can be believed.

mod calibrate;
mod compare;
mod file;

use super::exit::{self, Code, Failure};
use crate::check::fills::source::{Source, SourceError};
use crate::intake::IntakeError;
use std::path::PathBuf;

/// Fit the queues of resting orders to a truth, or see what naive fills would claim.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Fit the queue exponent of each series where the true places in the queue are known
    Calibrate(calibrate::Args),
    /// Shadow orders over recorded markets: naive touch fills beside the bracket
    Compare(compare::Args),
}

/// Runs the command.
///
/// # Errors
/// See the subcommands.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Compare(args) => compare::run(&args),
    }
}

/// Where recorded markets are read from.
#[derive(clap::Args, Debug)]
struct SourceArgs {
    /// Recorded files of frames, or folders of them; without any, the log of `--data`
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
}

impl SourceArgs {
    fn source(&self) -> Source {
        match self.paths.as_slice() {
            [] => Source::Log(self.data.clone()),
            paths => Source::Files(paths.to_vec()),
        }
    }
}

fn source_failure(error: SourceError) -> Failure {
    match error {
        SourceError::Store(error) => exit::store(error),
        SourceError::Intake(error) => intake_failure(error),
    }
}

fn intake_failure(error: IntakeError) -> Failure {
    match error {
        IntakeError::Read { .. } | IntakeError::Nothing(_) => Failure::new(Code::Config, error)
            .hint("name files of JSON lines or folders that hold some"),
        _ => Failure::new(Code::Integrity, error).hint("fetch the file again"),
    }
}
