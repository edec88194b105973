//! `kflow bench`: how fast the parts are on this machine, in CPU seconds of one thread.

mod beside;
mod ingest;
mod load;
mod reopen;
mod replay;
mod trade;
#[cfg(feature = "learn")]
mod train;

use super::exit::Failure;
use std::time::{Duration, Instant};

/// Options of `kflow bench`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// From recorded files, frames and events to books, each beside a baseline.
    Replay(replay::Args),
    /// The collector on loopback: frames per second, delay to disk, memory, beside a Python collector.
    Ingest(ingest::Args),
    /// An exchange that only talks, to measure collectors against.
    Load(load::Args),
    /// Starting to record after a kill: how long a full live segment keeps the next session waiting.
    Reopen(reopen::Args),
    /// From the receipt of a frame to the order at the paper gateway, under a steady load of synthetic frames.
    Trade(trade::Args),
    /// The learner: PPO and A2C at SB3's settings, one update, one decision.
    #[cfg(feature = "learn")]
    Train(train::Args),
}

/// Runs one benchmark and prints its figures.
///
/// # Errors
/// When the benchmark cannot run.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Replay(args) => replay::run(args),
        What::Reopen(args) => reopen::run(args),
        What::Ingest(args) => ingest::run(args),
        What::Load(args) => load::run(args),
        What::Trade(args) => trade::run(&args),
        #[cfg(feature = "learn")]
        What::Train(args) => train::run(args),
    }
}

/// Measures the CPU time of the calling thread, which other programs on the machine do not lengthen.
/// Where the system does not tell it (only Linux does here), elapsed time stands in.
struct CpuTimer {
    cpu: Option<Duration>,
    wall: Instant,
}

impl CpuTimer {
    fn start() -> CpuTimer {
        CpuTimer { cpu: thread_cpu(), wall: Instant::now() }
    }

    fn seconds(&self) -> f64 {
        let cpu = self.cpu.zip(thread_cpu()).map(|(from, to)| to.saturating_sub(from));
        cpu.unwrap_or_else(|| self.wall.elapsed()).as_secs_f64().max(1e-9)
    }
}

fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
