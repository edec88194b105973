//! What other processes write beside the log: journals of trading, runs and models, and which sessions the log
//! holds. Looked at once a second; read only where something changed.

use super::journal::{Journal, Pages};
use super::now;
use super::runs;
use super::words;
use crate::actor::Told;
use crate::dash::log_lines::{Level, Line};
use crate::dash::news::{Gone, Handle, News};
use crate::store::{Log, StoreError};
use crate::trade::kill::KillFile;
use crate::units::TsNs;
use crate::view::SessionStatus;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Decisions told at once.
const DEEDS: usize = 4_096;

/// Tells what is written below `data_dir` and `run_dir`, for as long as somebody listens.
///
/// # Errors
/// When nobody listens any more.
pub fn watch(data_dir: &Path, run_dir: &Path, handle: &Handle) -> Result<(), Gone> {
    let mut files = Files::new(data_dir, run_dir);
    loop {
        files.look(handle)?;
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What is known of the files.
pub struct Files {
    data_dir: PathBuf,
    run_dir: PathBuf,
    journal: Option<Journal>,
    runs: runs::Folder,
    /// Names and sizes of the log's files.
    log: Option<Vec<(PathBuf, u64)>>,
    /// What was wrong with the log when it was last looked at.
    problem: String,
    kill: KillFile,
    /// What stopped trading when it was last looked at.
    stopped: String,
}

impl Files {
    /// Nothing is known yet.
    pub fn new(data_dir: &Path, run_dir: &Path) -> Files {
        Files {
            data_dir: data_dir.to_owned(),
            run_dir: run_dir.to_owned(),
            journal: None,
            runs: runs::Folder::default(),
            log: None,
            problem: String::new(),
            kill: KillFile::at(data_dir),
            stopped: String::new(),
        }
    }

    /// Tells what changed since the last look.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn look(&mut self, handle: &Handle) -> Result<(), Gone> {
        self.trading(handle)?;
        self.kill_switch(handle)?;
        if let Some((runs, models)) = self.runs.look(&self.run_dir, now()) {
            handle.news(News::Runs(runs))?;
            handle.news(News::Models(models))?;
        }
        self.sessions(handle)
    }

    /// The newest journal: the names of their folders are times.
    fn trading(&mut self, handle: &Handle) -> Result<(), Gone> {
        if let Some(newest) = Journal::all(&self.data_dir).pop()
            && self.journal.as_ref().is_none_or(|known| known.dir() != newest.dir())
        {
            handle.news(News::Trading(newest.opening()))?;
            self.journal = Some(newest);
        }
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let Pages { mut deeds, fills, verdicts, turns } = journal.more();
        while !deeds.is_empty() {
            let rest = deeds.split_off(deeds.len().min(DEEDS));
            handle.news(News::Deeds(std::mem::replace(&mut deeds, rest)))?;
        }
        if !fills.is_empty() {
            handle.news(News::Fills(fills))?;
        }
        if !verdicts.is_empty() {
            handle.news(News::Verdicts(verdicts))?;
        }
        let said = turns.into_iter().filter_map(|turn| match turn {
            Told::Trip(trip) => Some(News::TradingStopped(words(&trip))),
            Told::End => Some(News::TradingEnded),
            Told::Begin | Told::Swap { .. } => None,
        });
        for news in said {
            handle.news(news)?;
        }
        Ok(())
    }

    fn kill_switch(&mut self, handle: &Handle) -> Result<(), Gone> {
        let stopped = self.kill.read().map_or_else(String::new, |trip| words(&trip));
        if stopped == self.stopped {
            return Ok(());
        }
        self.stopped.clone_from(&stopped);
        handle.news(News::Stopped(stopped))
    }

    /// What the log holds, when a file of it is new, gone or sealed.
    fn sessions(&mut self, handle: &Handle) -> Result<(), Gone> {
        let found = segments(&self.data_dir.join("log"));
        if self.log.as_ref() == Some(&found) {
            return Ok(());
        }
        let gone = found.is_empty() && self.log.as_ref().is_some_and(|before| !before.is_empty());
        self.log = Some(found);
        let (sessions, problem) = match Log::open(&self.data_dir) {
            Ok(log) => (log.sessions().iter().rev().map(row).collect(), log.problems().join("; ")),
            Err(StoreError::NoLog { .. }) if gone => (Vec::new(), "the log is gone".to_owned()),
            Err(StoreError::NoLog { .. }) => (Vec::new(), String::new()),
            Err(e) => (Vec::new(), e.to_string()),
        };
        if problem != self.problem && !problem.is_empty() {
            let text = format!("the log in {}: {problem}", self.data_dir.display());
            handle.news(News::Line(Line { at: now(), level: Level::Error, text }))?;
        }
        self.problem.clone_from(&problem);
        handle.news(News::Sessions(sessions, problem))
    }
}

/// The sealed files of a log; a live one changes all the time.
fn segments(dir: &Path) -> Vec<(PathBuf, u64)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<(PathBuf, u64)> = entries
        .map(|entry| (entry.path(), entry.metadata().map_or(0, |m| m.len())))
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "redb"))
        .collect();
    files.sort();
    files
}

fn row(session: &crate::store::SessionSummary) -> SessionStatus {
    let (from, to) = session.recv.unwrap_or((session.meta.started, session.meta.started));
    SessionStatus {
        id: session.id().to_string(),
        source: session.meta.source.clone(),
        from,
        to,
        cause: session.cause.clone().unwrap_or_default(),
        records: session.counts.records(),
        gaps: session.counts.gaps,
        markets: session.markets.len() as u64,
        bytes: session.bytes,
    }
}

/// When a file was last written, seconds since 1970; 0 where that is not known.
pub(super) fn written_s(path: &Path) -> f64 {
    let written = std::fs::metadata(path).and_then(|m| m.modified());
    let since = written.ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0.0, |d| d.as_secs_f64())
}

/// Seconds since 1970.
pub(super) fn seconds(at: TsNs) -> f64 {
    at.0 as f64 / 1e9
}
