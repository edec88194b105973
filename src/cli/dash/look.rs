//! What there is to look at, before a screen is taken.

use super::Args;
use crate::cli::exit::{self, Code, Failure};
use crate::store::{Log, StoreError};
use std::path::Path;

/// What lies in the directories.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Nobody writes the log.
    pub(super) alone: bool,
    /// The session to begin a replay with; empty: the newest.
    pub(super) session: String,
}

/// Looks around.
///
/// # Errors
/// 3 where there is nothing to look at, or not the market that is wanted; 5 for a log that cannot be read.
pub(super) fn look(args: &Args) -> Result<Found, Failure> {
    if args.data.is_file() {
        let text = format!("{} is a file; --data names a data directory", args.data.display());
        return Err(Failure::msg(Code::Config, text)
            .hint("`kflow import FILE --data DIR` takes a recording into one"));
    }
    let attached = args.data.join("log").join(crate::collect::LIVE_SOCKET);
    let running = std::os::unix::net::UnixStream::connect(attached).is_ok();
    let runs = std::fs::read_dir(&args.run_dir).is_ok_and(|mut entries| entries.next().is_some());
    match Log::open(&args.data) {
        // A market that is not there may come.
        _ if running => Ok(Found::default()),
        Ok(log) if log.segments().is_empty() && !runs => Err(match log.problems().first() {
            Some(problem) => {
                Failure::msg(Code::Integrity, format!("{problem}; nothing else is there"))
                    .hint("`kflow data verify` says what can be read")
            }
            None => nothing(&args.data),
        }),
        Ok(log) => Ok(Found { alone: true, session: with_market(args, &log)? }),
        Err(StoreError::NoLog { .. }) if runs => Ok(Found { alone: true, session: String::new() }),
        Err(StoreError::NoLog { .. }) => Err(nothing(&args.data)),
        Err(e) => Err(exit::store(e)),
    }
}

/// The newest session with the market that is wanted; empty where none is.
fn with_market(args: &Args, log: &Log) -> Result<String, Failure> {
    let Some(ticker) = &args.market else { return Ok(String::new()) };
    let sessions = log.sessions();
    let has = |session: &&crate::store::SessionSummary| {
        session.counts.snapshots > 0 && session.markets.iter().any(|market| market == ticker)
    };
    if let Some(session) = sessions.iter().rev().find(has) {
        return Ok(session.id().to_string());
    }
    let known = sessions.iter().rev().find_map(|session| session.markets.first());
    let hint = match known {
        Some(known) => {
            format!("names are whole, as {known}; without --market the screen lists all")
        }
        None => "no market was recorded there".to_owned(),
    };
    let text = format!("no session in {} has the market {ticker}", args.data.display());
    Err(Failure::msg(Code::Config, text).hint(hint))
}

fn nothing(data_dir: &Path) -> Failure {
    let text = format!("there is nothing to look at in {}", data_dir.display());
    Failure::msg(Code::Config, text).hint(
        "record something: `kflow collect --env sim --ui`, or `kflow import PATH`, or `kflow demo`",
    )
}
