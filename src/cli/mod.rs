//! The composition root: one file per command, each a function of resolved settings.
//!
//! **Invariant:** stdout is data, stderr is talk. With `--json` stdout is one object and nothing else.

pub mod amount;
pub mod bench;
pub mod collect;
pub mod conformance;
pub mod dash;
pub mod data;
#[cfg(feature = "learn")]
mod device;
#[cfg(all(feature = "frames", feature = "learn"))]
pub mod demo;
pub mod env;
#[cfg(feature = "learn")]
pub mod eval;
pub mod exit;
pub mod export;
#[cfg(feature = "frames")]
pub mod features;
pub mod fees;
pub mod fills;
#[cfg(feature = "learn")]
mod filters;
pub mod follow;
mod front;
pub mod import;
#[cfg(feature = "learn")]
mod judged;
pub mod logging;
#[cfg(feature = "learn")]
pub mod models;
pub mod printer;
pub mod progress;
pub mod prune;
pub mod risk;
mod rules;
#[cfg(feature = "learn")]
pub mod runs;
#[cfg(feature = "learn")]
pub mod search;
mod series_file;
pub mod signals;
pub mod sim;
pub mod trade;
#[cfg(feature = "learn")]
pub mod train;

use crate::units::TsNs;
use clap::{Parser, Subcommand};
use exit::Failure;
use std::time::SystemTime;

/// Record Kalshi order books, learn a trading policy from them, and find out honestly whether it has an edge.
#[derive(Parser, Debug)]
#[command(name = "kflow", version, after_help = exit::CODES_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// See everything once: a synthetic tape becomes a trained and honestly judged policy
    #[cfg(all(feature = "frames", feature = "learn"))]
    Demo(demo::Args),
    /// Record live order books until told to stop
    Collect(Box<collect::Args>),
    /// Import recorded files into the log
    Import(import::Args),
    /// List and check what was recorded
    Data(data::Args),
    /// Write the log as Parquet files with manifest and data card
    Export(export::Args),
    /// Compute observations of the exported markets, and profile them
    #[cfg(feature = "frames")]
    Features(features::Args),
    /// Check the trading environment, and look for exploits
    Env(Box<env::Args>),
    /// Learn a policy from the recorded markets
    #[cfg(feature = "learn")]
    Train(Box<train::Args>),
    /// Judge a trained policy on markets that it never saw
    #[cfg(feature = "learn")]
    Eval(eval::Args),
    /// List what was trained, look at it, and train it again to the same bytes
    #[cfg(feature = "learn")]
    Runs(runs::Args),
    /// Name trained models, see where they come from, and say which one trades
    #[cfg(feature = "learn")]
    Models(models::Args),
    /// Try many settings, and judge the best one as the best of so many tries
    #[cfg(feature = "learn")]
    Search(Box<search::Args>),
    /// Record live markets and let a policy trade them on paper
    Trade(Box<trade::Args>),
    /// Show what runs, or what was recorded, on a terminal
    Dash(dash::Args),
    /// Show the limits of trading, stop it, or let it go on
    Risk(risk::Args),
    /// Replay a golden file through the real code and compare
    Conformance(conformance::Args),
    /// Ask the exchange what fills cost in each series
    Fees(fees::Args),
    /// Fit the queues of resting orders to a truth, or see what naive fills would claim
    Fills(fills::Args),
    /// Run the built-in exchange, or see how true it is
    Sim(sim::Args),
    /// Measure how fast the parts are on this machine
    Bench(bench::Args),
}

/// Our wall clock: the edge at which time enters what is pure below.
fn now() -> Result<TsNs, Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(TsNs(i64::try_from(now.as_nanos())?))
}

/// Parses the process's arguments and runs the command.
///
/// # Errors
/// The failure carries the exit code, the error chain and a hint.
pub fn run() -> Result<(), Failure> {
    match Cli::parse().command {
        #[cfg(all(feature = "frames", feature = "learn"))]
        Command::Demo(args) => demo::run(args),
        Command::Collect(args) => collect::run(*args),
        Command::Import(args) => import::run(args),
        Command::Data(args) => data::run(args),
        Command::Export(args) => export::run(args),
        #[cfg(feature = "frames")]
        Command::Features(args) => features::run(args),
        Command::Env(args) => env::run(*args),
        #[cfg(feature = "learn")]
        Command::Train(args) => train::run(*args),
        #[cfg(feature = "learn")]
        Command::Eval(args) => eval::run(args),
        #[cfg(feature = "learn")]
        Command::Runs(args) => runs::run(args),
        #[cfg(feature = "learn")]
        Command::Models(args) => models::run(args),
        #[cfg(feature = "learn")]
        Command::Search(args) => search::run(*args),
        Command::Trade(args) => trade::run(*args),
        Command::Dash(args) => dash::run(args),
        Command::Risk(args) => risk::run(args),
        Command::Conformance(args) => conformance::run(args),
        Command::Fees(args) => fees::run(args),
        Command::Fills(args) => fills::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Bench(args) => bench::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Two options of one name are found by clap only when somebody uses the command.
    #[test]
    fn no_command_contradicts_itself() {
        Cli::command().debug_assert();
    }
}
