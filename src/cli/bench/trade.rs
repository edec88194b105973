//! `kflow bench trade`: from the receipt of a frame to the order at the paper gateway.
//!
//! The whole path is the real one: `kflow trade` in a process of its own receives frames by WebSocket, its log
//! accepts them, its actor observes, decides, asks the limits and hands the order to the paper gateway. The frames
//! are synthetic: those of `kflow sim run`, which shares the machine.

use super::beside::{Scratch, Server};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};

/// Options of `kflow bench trade`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Events per second at the exchange, each a frame or two; what came is measured.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// How long it is traded.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Markets, all of them traded.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    markets: u64,
    /// A model that decides, in place of the hard-coded policy.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was measured. A time is that from the receipt of the frame that made a decision due until what was decided,
/// an order or none, had passed the limits and reached the paper gateway.
#[derive(Serialize)]
struct Figures {
    /// What the frames were: synthetic ones.
    source: String,
    policy: String,
    /// Frames received, and per second over the whole session.
    frames: u64,
    frames_per_s: f64,
    /// Frames that never came; must be 0.
    frames_missing: u64,
    decisions: u64,
    orders: u64,
    frame_to_order_p50_us: u64,
    frame_to_order_p99_us: u64,
    frame_to_order_p999_us: u64,
    /// Decisions that took so long at most, and longer than the bound before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    histogram: Vec<Times>,
}

/// What `kflow trade --json` says of it.
#[derive(Deserialize)]
struct Traded {
    policy: String,
    decisions: u64,
    orders: u64,
    decision_us: DecisionUs,
    collected: Collected,
}

#[derive(Deserialize)]
struct DecisionUs {
    p50: u64,
    p99: u64,
    p999: u64,
    histogram: Vec<Times>,
}

#[derive(Serialize, Deserialize)]
struct Times {
    up_to_us: u64,
    count: u64,
}

#[derive(Deserialize)]
struct Collected {
    source: String,
    received: u64,
    missing: u64,
}

#[derive(Deserialize)]
struct Said {
    data: Traded,
}

/// Runs the benchmark.
///
/// # Errors
/// When the exchange or the trading session cannot be started, or does not say what it did.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let traded = measure(args)?;
    let Traded { policy, decisions, orders, decision_us, collected } = traded;
    let figures = Figures {
        source: collected.source,
        policy,
        frames: collected.received,
        frames_per_s: collected.received as f64 / args.seconds as f64,
        frames_missing: collected.missing,
        decisions,
        orders,
        frame_to_order_p50_us: decision_us.p50,
        frame_to_order_p99_us: decision_us.p99,
        frame_to_order_p999_us: decision_us.p999,
        histogram: decision_us.histogram,
    };
    if args.json {
        return printer::json("bench trade", &figures);
    }
    let rows: Vec<_> = figures
        .histogram
        .iter()
        .filter(|times| times.count > 0)
        .map(|times| vec![(times.up_to_us + 1).to_string(), times.count.to_string()])
        .collect();
    printer::fields(&Figures { histogram: Vec::new(), ..figures })?;
    printer::line(&printer::table(&["below, us", "decisions"], &rows))
}

/// `kflow trade` at an exchange that sends as many frames as were asked for.
fn measure(args: &Args) -> Result<Traded, Failure> {
    let (rate, markets) = (args.rate.to_string(), args.markets.to_string());
    let words = ["sim", "run", "--bind", "127.0.0.1:0", "--rate", &rate, "--markets", &markets];
    let (server, data) = (Server::start(&words)?, Scratch::new()?);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["trade", "--env", "sim", "--discover", "--select", "all", "--json"]);
    command.args(["--url", &server.url, "--limit", &markets]);
    command.args(["--for", &format!("{}s", args.seconds), "--data"]).arg(&data.0);
    match &args.model {
        Some(model) => command.args(["--model", model]),
        None => command.args(["--policy", "hardcoded"]),
    };
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
    let hint = "run `kflow sim run` and `kflow trade --env sim --url URL --discover` by hand";
    let said = serde_json::from_slice::<Said>(&output.stdout).or_hint(Code::Runtime, hint);
    said.map(|said| said.data).map_err(|failure| {
        failure.context(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    })
}
