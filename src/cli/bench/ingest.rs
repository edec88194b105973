//! `kflow bench ingest`: from the socket to the committed log, on loopback, beside a Python collector.

use super::beside::{Scratch, Server};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use crate::sim::blast::BlastReport;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a client gets to take in what was sent last.
const GRACE_S: f64 = 4.0;
/// The load at which delay and memory are measured, frames per second.
const PACED_PER_S: u64 = 20_000;
const MANY_MARKETS: u64 = 1_000;

/// Options of `kflow bench ingest`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// How long each load lasts.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Markets of the full load.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    markets: u64,
    /// A Python with the package `websockets`: runs `benches/peers/collector.py` on the same load.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Figures {
    /// Frames sent and committed per second under full load.
    frames_per_s: f64,
    /// Frames sent under full load.
    frames: u64,
    /// Of these, not received; must be 0.
    frames_lost: u64,
    /// Peak resident memory under full load.
    flood_rss_mib: f64,
    /// Receipt to disk at 20 000 frames per second.
    paced_commit_p50_ms: f64,
    /// The same, 99th percentile.
    paced_commit_p99_ms: f64,
    /// Frames lost at 20 000 frames per second; must be 0.
    paced_frames_lost: u64,
    /// Peak resident memory with 1 000 markets at 20 000 frames per second.
    thousand_markets_rss_mib: f64,
    /// The Python collector under the same full load.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_frames_per_s: Option<f64>,
    /// Ours over the peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    frames_vs_peer_ratio: Option<f64>,
}

/// Runs the benchmark.
///
/// # Errors
/// When a part of it cannot be started or does not answer.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let flood = measure(&Load { markets: args.markets, seconds: args.seconds, rate: None })?;
    let paced = Load { markets: args.markets, seconds: args.seconds, rate: Some(PACED_PER_S) };
    let paced = measure(&paced)?;
    let many = Load { markets: MANY_MARKETS, seconds: args.seconds, rate: Some(PACED_PER_S) };
    let many = measure(&many)?;
    let frames_per_s = flood.frames_per_s();
    let peer = args.peer.as_deref().map(|python| {
        run_peer(python, &Load { markets: args.markets, seconds: args.seconds, rate: None })
    });
    let peer_frames_per_s = peer.transpose()?;
    let figures = Figures {
        frames_per_s,
        frames: flood.sent.frames,
        frames_lost: flood.lost(),
        flood_rss_mib: flood.rss_mib,
        paced_commit_p50_ms: paced.number("/data/commit_ms/p50"),
        paced_commit_p99_ms: paced.number("/data/commit_ms/p99"),
        paced_frames_lost: paced.lost(),
        thousand_markets_rss_mib: many.rss_mib,
        peer_frames_per_s,
        frames_vs_peer_ratio: peer_frames_per_s.map(|peer| frames_per_s / peer),
    };
    if args.json { printer::json("bench ingest", &figures) } else { printer::fields(&figures) }
}

struct Load {
    markets: u64,
    seconds: f64,
    rate: Option<u64>,
}

impl Load {
    /// The load generator in a process of its own, as an exchange is.
    fn start(&self) -> Result<Server, Failure> {
        let (markets, seconds) = (self.markets.to_string(), self.seconds.to_string());
        let rate = self.rate.map(|rate| rate.to_string());
        let mut words = vec!["bench", "load", "--markets", &markets, "--seconds", &seconds];
        words.extend(rate.iter().flat_map(|rate| ["--rate", rate]));
        Server::start(&words)
    }
}

/// What the one client was sent.
fn report(server: &mut Server) -> Result<BlastReport, Failure> {
    Ok(serde_json::from_value(server.line()?["data"].take())?)
}

struct Outcome {
    sent: BlastReport,
    result: Value,
    rss_mib: f64,
}

impl Outcome {
    fn number(&self, path: &str) -> f64 {
        self.result.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    fn frames_per_s(&self) -> f64 {
        self.sent.events as f64 / self.sent.seconds
    }

    fn lost(&self) -> u64 {
        self.sent.frames.saturating_sub(self.number("/data/received") as u64)
    }
}

/// `kflow collect` under a load.
fn measure(load: &Load) -> Result<Outcome, Failure> {
    let mut server = load.start()?;
    let data = Scratch::new()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["collect", "--env", "sim", "--discover", "--json", "--url", &server.url]);
    command.args(["--limit", &load.markets.to_string()]);
    command.args(["--for", &format!("{}s", load.seconds + GRACE_S)]);
    command.arg("--data").arg(&data.0).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut rss_mib = 0.0_f64;
    while child.try_wait()?.is_none() {
        rss_mib = rss_mib.max(peak_rss_mib(child.id()).unwrap_or(0.0));
        std::thread::sleep(Duration::from_millis(200));
    }
    let output = child.wait_with_output()?;
    let hint = "run `kflow bench load` and `kflow collect --env sim --url URL --discover` by hand";
    let result: Value = serde_json::from_slice(&output.stdout).or_hint(Code::Runtime, hint)?;
    Ok(Outcome { sent: report(&mut server)?, result, rss_mib })
}

/// The peer under a load; frames per second that it took.
fn run_peer(python: &Path, load: &Load) -> Result<f64, Failure> {
    let mut server = load.start()?;
    let data = Scratch::new()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/collector.py");
    let mut command = Command::new(python);
    command.arg(script).arg(&server.url).arg(load.markets.to_string());
    command.arg((load.seconds + GRACE_S).to_string()).arg(data.0.join("peer.sqlite"));
    let status = command.stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(Failure::msg(Code::Runtime, "the peer failed")
            .hint("does that Python have the package `websockets`?"));
    }
    let sent = report(&mut server)?;
    Ok(sent.events as f64 / sent.seconds)
}

fn peak_rss_mib(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1_024.0)
}
