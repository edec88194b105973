//! `kflow sim`: the built-in exchange.

mod calibrate;

use super::exit::Failure;

/// Run the built-in exchange, or see how true it is.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Compare its order flow with recorded markets
    Calibrate(calibrate::Args),
}

/// Runs the command.
///
/// # Errors
/// See the subcommands.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Calibrate(args) => calibrate::run(args),
    }
}
