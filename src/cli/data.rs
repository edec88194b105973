//! `kflow data`: what was recorded, and whether it is whole.

use super::exit::{self, Code, Failure};
use super::{export, follow, printer, prune};
use crate::dataset::{self, Manifest};
use crate::event::SessionId;
use crate::store::{Log, SessionSummary, StoreError, Verify, check_free};
use crate::units::{TsNs, TsUs};
use crate::wire::convert::time_text;
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of `kflow data`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the recorded sessions
    Ls(Options),
    /// Read every byte of the log and name what is damaged or missing
    Verify(Options),
    /// Show what the running collector does, from its live.sock
    Follow(follow::Args),
    /// Take old, exported segments out of the log
    Prune(prune::Args),
    /// Write the data card of the exported dataset anew, and print it
    Card(Options),
}

#[derive(clap::Args, Debug)]
struct Options {
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Exit 3 without a log (`card`: without a dataset), 5 when `verify` finds problems or the log cannot be read.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Ls(options) => ls(&options),
        Command::Verify(options) => verify(&options),
        Command::Card(options) => card(&options),
        Command::Follow(args) => follow::run(&args),
        Command::Prune(args) => prune::run(&args),
    }
}

/// One line of `kflow data ls`.
#[derive(Serialize)]
struct Row {
    id: String,
    source: String,
    /// First and last receive time, RFC 3339.
    start: String,
    end: String,
    /// `null` while the session is being written.
    cause: Option<String>,
    records: u64,
    deltas: u64,
    trades: u64,
    gaps: u64,
    /// Gaps that nothing has healed; `null` while the log is damaged.
    open_gaps: Option<u64>,
    markets: usize,
    bytes: u64,
}

impl Row {
    fn of(session: &SessionSummary, open: Option<&BTreeMap<SessionId, u64>>) -> Row {
        let (start, end) = session.recv.unwrap_or((session.meta.started, session.meta.started));
        Row {
            id: session.id().to_string(),
            source: session.meta.source.clone(),
            start: time(start),
            end: time(end),
            cause: session.cause.clone(),
            records: session.counts.records(),
            deltas: session.counts.deltas,
            trades: session.counts.trades,
            gaps: session.counts.gaps,
            open_gaps: open.map(|open| open.get(&session.id()).copied().unwrap_or(0)),
            markets: session.markets.len(),
            bytes: session.bytes,
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.source.clone(),
            self.start.clone(),
            self.end.clone(),
            self.cause.clone().unwrap_or_else(|| "(open)".to_owned()),
            self.records.to_string(),
            self.deltas.to_string(),
            self.trades.to_string(),
            self.gaps.to_string(),
            self.open_gaps.map_or_else(|| "?".to_owned(), |n| n.to_string()),
            self.markets.to_string(),
            self.bytes.to_string(),
        ]
    }
}

/// A receive time to the second: nobody reads a table for more.
fn time(t: TsNs) -> String {
    time_text(TsUs(t.0.div_euclid(1_000_000_000) * 1_000_000))
}

fn ls(options: &Options) -> Result<(), Failure> {
    let log = Log::open(&options.data).map_err(exit::store)?;
    if let Some(first) = log.problems().first() {
        printer::say(&format!("not all is here: {first} (kflow data verify lists everything)"));
    }
    say_if_written(options);
    let open = open_gaps(&log);
    let rows: Vec<Row> = log.sessions().iter().map(|s| Row::of(s, open.as_ref())).collect();
    if options.json {
        return printer::json("data ls", &serde_json::json!({ "sessions": rows }));
    }
    let head = [
        "session", "source", "start", "end", "cause", "records", "deltas", "trades", "gaps",
        "open", "markets", "bytes",
    ];
    let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    printer::line(&printer::table(&head, &cells))
}

/// Gaps not healed, per session; `None` where the log cannot be read.
fn open_gaps(log: &Log) -> Option<BTreeMap<SessionId, u64>> {
    let mut open = BTreeMap::new();
    for row in log.gaps().ok()?.iter().filter(|row| row.gap.healed_by.is_empty()) {
        *open.entry(row.session).or_default() += 1;
    }
    Some(open)
}

fn verify(options: &Options) -> Result<(), Failure> {
    let log = Log::open(&options.data).map_err(exit::store)?;
    let Verify { segments, records, mut problems } = log.verify();
    problems.extend(lost_since_export(&log, &options.data)?);
    say_if_written(options);
    if options.json {
        let data = serde_json::json!({
            "segments": segments, "records": records, "problems": &problems
        });
        printer::json("data verify", &data)?;
    } else {
        printer::line(&format!("{segments} segments, {records} records read back"))?;
        for problem in &problems {
            printer::line(&format!("problem: {problem}"))?;
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let text = format!("the log has {} problems", problems.len());
    Err(Failure::msg(Code::Integrity, text)
        .hint("everything else can be read and exported as it is; what the damaged files held is lost unless you have a copy"))
}

/// Sessions of which fewer rows are there than were exported: the last segments of a log leave no hole.
fn lost_since_export(log: &Log, data_dir: &Path) -> Result<Vec<String>, Failure> {
    let Some(manifest) = Manifest::read(data_dir).map_err(export::failure)? else {
        return Ok(Vec::new());
    };
    let sessions = log.sessions();
    let lost = manifest.sessions.iter().filter_map(|exported| {
        let here = sessions.iter().find(|s| s.id() == exported.meta.id);
        let here = here.map_or(0, |s| s.counts.records()) + log.pruned().rows_of(exported.meta.id);
        let (id, before) = (exported.meta.id, exported.records);
        (here < before)
            .then(|| format!("session {id}: {before} rows were exported, {here} are here"))
    });
    Ok(lost.collect())
}

/// What is being written is read when it is sealed.
fn say_if_written(options: &Options) {
    if let Err(StoreError::Locked { pid, .. }) = check_free(&options.data) {
        printer::say(&format!(
            "process {pid} is writing this log; its last rows are not counted here (kflow data follow)"
        ));
    }
}

fn card(options: &Options) -> Result<(), Failure> {
    let manifest = Manifest::existing(&options.data).map_err(export::failure)?;
    let path = dataset::write_card(&options.data, &manifest).map_err(export::failure)?;
    if options.json {
        let (files, sessions) = (manifest.files.len(), manifest.sessions.len());
        let data = serde_json::json!({ "path": path, "files": files, "sessions": sessions });
        return printer::json("data card", &data);
    }
    printer::line(dataset::card(&manifest).trim_end())
}
