//! `kflow data follow`: what the running collector does, read from its `live.sock`.

use super::exit::{Code, Failure, OrFail};
use super::printer;
use crate::collect::{LIVE_SOCKET, LIVE_VERSION};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Options of `kflow data follow`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Data directory of the collector
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Print every line as it comes: status and accepted records, one JSON object each
    #[arg(long)]
    json: bool,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
}

/// Prints until the collector ends.
///
/// # Errors
/// 3 when no collector runs there, or one of another version; 1 when it vanishes.
pub fn run(args: &Args) -> Result<(), Failure> {
    let path = args.data.join("log").join(LIVE_SOCKET);
    let stream = UnixStream::connect(&path).or_fail(Code::Config).map_err(|f| {
        f.context(format!("no collector is running on {}", args.data.display()))
            .hint("start one: `kflow collect`; a recorded log is listed by `kflow data ls`")
    })?;
    let mut left = args.lines.unwrap_or(u64::MAX);
    for line in BufReader::new(stream).lines() {
        let line = line.or_fail(Code::Runtime)?;
        let value: Value = serde_json::from_str(&line).or_fail(Code::Integrity)?;
        if let Some(version) = value.get("version")
            && *version != LIVE_VERSION
        {
            let text =
                format!("the collector speaks version {version}, this program {LIVE_VERSION}");
            return Err(Failure::msg(Code::Config, text).hint("use the collector's own program"));
        }
        let shown = if args.json { Some(line) } else { shown(&value) };
        if let Some(text) = shown {
            printer::line(&text)?;
            left -= 1;
        }
        if left == 0 || value.get("end").is_some() {
            return Ok(());
        }
    }
    Err(Failure::msg(
        Code::Runtime,
        "the collector has gone without a word: it was killed, or dropped us",
    )
    .hint("what it had committed is in the log; its next session says what is missing"))
}

/// A line for people; records are for machines.
fn shown(value: &Value) -> Option<String> {
    if let Some(status) = value.get("status") {
        let number = |key: &str| status[key].as_u64().unwrap_or(0);
        return Some(format!(
            "{} {} mkts  {} received  {} committed  {} gaps  {} missing  up {} s",
            status["link"].as_str().unwrap_or_default(),
            number("markets"),
            number("received"),
            number("committed"),
            number("gaps"),
            number("missing"),
            number("uptime_s"),
        ));
    }
    Some(format!("ended: {}", value.get("end")?.as_str()?))
}
