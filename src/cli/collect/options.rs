//! Options of `kflow collect`.

use crate::cli::amount;
use crate::cli::dash::Style;
use crate::cli::logging::LogArgs;
use crate::config::ExchangeEnv;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `kflow collect`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  kflow collect --env sim                          the built-in exchange, without credentials
  kflow collect --env demo --series KXHIGHNY       all open markets of a series
  kflow collect --market T1 --market T2 --for 1h   two markets for an hour
Ctrl-C ends cleanly; a second one within 3 s ends at once.")]
pub struct Args {
    /// Which exchange: sim, demo or prod
    #[arg(long, value_name = "ENV", default_value = "prod")]
    pub env: ExchangeEnv,
    /// Its address, for REST and WebSocket: http://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A market to collect; may be repeated
    #[arg(long = "market", value_name = "TICKER", help_heading = "Markets")]
    pub markets: Vec<String>,
    /// Collect the open markets of a series
    #[arg(long, value_name = "TICKER", help_heading = "Markets")]
    pub series: Option<String>,
    /// Collect what the exchange lists as open
    #[arg(long, help_heading = "Markets")]
    pub discover: bool,
    /// At most so many at a time, when they are found by the exchange's list
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Markets")]
    pub limit: u32,
    /// File with one ticker per line; `#` begins a remark
    #[arg(long, value_name = "FILE", help_heading = "Markets")]
    pub markets_file: Option<PathBuf>,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = amount::duration)]
    pub run_for: Option<Duration>,
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "datasets", help_heading = "Data")]
    pub data: PathBuf,
    /// Write Parquet this often while collecting, and at the end
    #[arg(long, value_name = "TIME", value_parser = amount::duration, help_heading = "Data")]
    pub export_every: Option<Duration>,
    /// Take exported segments out of the log that are older than so many days
    #[arg(long, value_name = "DAYS", requires = "export_every", help_heading = "Data")]
    pub retain_days: Option<u32>,
    /// Where they go; without it they are deleted
    #[arg(long, value_name = "DIR", requires = "retain_days", help_heading = "Data")]
    pub archive: Option<PathBuf>,
    /// Stop, with everything on disk, when less than this is free
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = amount::bytes, help_heading = "Data")]
    pub min_free: u64,
    /// Then wait for space and go on by itself
    #[arg(long, help_heading = "Data")]
    pub wait_for_space: bool,
    /// Keep only every Nth delta; books cannot be rebuilt from that
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Data")]
    pub sample: u64,
    /// Compare one live book with the exchange's by REST this often
    #[arg(long, value_name = "TIME", value_parser = amount::duration)]
    pub audit_every: Option<Duration>,
    /// Say what would be collected and taken out, and end
    #[arg(long)]
    pub dry_run: bool,
    /// Show the dashboard while recording
    #[arg(long, conflicts_with = "dry_run")]
    pub ui: bool,
    /// How it looks
    #[command(flatten)]
    pub style: Style,
    /// Print one JSON object at the end
    #[arg(long)]
    pub json: bool,
    /// Write that object into a file, beside what is printed
    #[arg(long, value_name = "FILE")]
    pub summary_json: Option<PathBuf>,
    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArgs,
}
