//! `kflow sim`: the built-in exchange.

mod calibrate;
mod replay;
mod run;
mod soak;

use super::exit::{Code, Failure};
use crate::sim::server::SimError;
use crate::sim::venue::VenueSpec;
use std::time::Duration;

/// Run the built-in exchange, or see how true it is.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Serve it on this machine, WebSocket and REST, until interrupted
    Run(run::Args),
    /// Collect from it for a while under random faults, and account for every message
    Soak(soak::Args),
    /// Compare its order flow with recorded markets
    Calibrate(calibrate::Args),
}

/// Runs the command.
///
/// # Errors
/// See the subcommands.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Run(args) => run::run(args),
        Command::Soak(args) => soak::run(&args),
        Command::Calibrate(args) => calibrate::run(args),
    }
}

/// What is simulated, as far as a person chooses it.
#[derive(clap::Args, Debug)]
struct MarketArgs {
    /// Same seed, same markets and order flow
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
    /// Markets open at the same time
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    markets: u32,
    /// Events per second, all markets together
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    rate: u32,
    /// Life of a market from opening to close
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = super::amount::duration)]
    lifetime: Duration,
}

impl MarketArgs {
    fn spec(&self) -> VenueSpec {
        let lifetime_ms = i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX / 1_000_000);
        VenueSpec {
            seed: self.seed,
            markets: self.markets,
            rate_per_s: self.rate,
            lifetime_ms: lifetime_ms.clamp(1_000, i64::MAX / 1_000_000),
            ..VenueSpec::default()
        }
    }
}

/// A thread pool for sockets and timers.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn failure(error: SimError) -> Failure {
    Failure::new(Code::Runtime, error)
}
