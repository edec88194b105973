//! The journal of a search: one line for each trial and rung, appended when it is scored.
//!
//! **Invariant:** lines stand in the order of rungs and of trials in them; a line that was cut by the death
//! of the process is taken off and written again.

use super::{Brief, SearchError};
use crate::agent::checkpoint;
use crate::agent::tries::Tries;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) const BRIEF: &str = "search.json";
const TRIES: &str = "tries.json";
const JOURNAL: &str = "trials.jsonl";

/// A trial after a rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the trial.
    pub trial: usize,
    /// Number of the rung; always 0 in a random search.
    pub rung: usize,
    /// Environment steps that each of its models was to do.
    pub steps: u64,
    /// What was drawn for it.
    pub params: Map<String, Value>,
    /// Why it could not be trained to the end; then it counts as a try that earned nothing.
    pub failed: Option<String>,
    /// What it earned on the validation markets.
    #[serde(flatten)]
    pub score: Score,
}

/// What a trial earned on the validation markets, mean over its seeds, pessimistic fills.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Validation markets.
    pub markets: usize,
    /// Mean return per market.
    #[serde(rename = "return")]
    pub mean_return: f64,
    /// Its 95 % interval over seeds and events.
    pub ci95: Option<[f64; 2]>,
    /// Mean / standard deviation of the events' returns: what is chosen by; `null` without deviation.
    pub sharpe: Option<f64>,
    /// Each event's return, in order of settlement.
    pub results: Vec<f64>,
}

/// The open journal.
pub(super) struct Journal {
    dir: PathBuf,
    file: File,
    records: Vec<Record>,
}

impl Journal {
    /// Begins the search of `brief` in `dir`, or takes it up again.
    pub(super) fn open(dir: &Path, brief: &Brief) -> Result<Journal, SearchError> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let path = dir.join(JOURNAL);
        if dir.join(BRIEF).exists() {
            if Brief::read(dir)? != *brief {
                return Err(SearchError::Exists(dir.to_owned()));
            }
        } else {
            checkpoint::write_json(&dir.join(BRIEF), brief)?;
        }
        // From the first trial on: whoever judges one meanwhile must know that it is one of many.
        let tries = Tries { tries: brief.trials, sharpe_variance: None, overfitting: None };
        checkpoint::write_json(&dir.join(TRIES), &tries)?;
        let records = read(&path)?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(at(&path))?;
        Ok(Journal { dir: dir.to_owned(), file, records })
    }

    pub(super) fn append(&mut self, record: Record) -> Result<(), SearchError> {
        let path = self.dir.join(JOURNAL);
        let line = self.records.len() + 1;
        let fail = |source| SearchError::Record { path: path.clone(), line, source };
        let text = serde_json::to_string(&record).map_err(fail)?;
        // As it will be read: a number may lose its last bit on the way, and a search that goes on must see
        // the same as one that was never interrupted.
        let record = serde_json::from_str(&text).map_err(fail)?;
        let written = self.file.write_all(format!("{text}\n").as_bytes());
        written.and_then(|()| self.file.sync_data()).map_err(at(&path))?;
        self.records.push(record);
        Ok(())
    }

    /// Notes how often was tried, for whoever judges one of the trials.
    pub(super) fn note(&self, tries: &Tries) -> Result<(), SearchError> {
        Ok(checkpoint::write_json(&self.dir.join(TRIES), tries)?)
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn into_records(self) -> Vec<Record> {
        self.records
    }

    pub(super) fn find(&self, trial: usize, rung: usize) -> Option<&Record> {
        self.records.iter().find(|r| (r.trial, r.rung) == (trial, rung))
    }

    /// The newest line of a trial.
    pub(super) fn last_of(&self, trial: usize) -> Option<&Record> {
        self.records.iter().rev().find(|r| r.trial == trial)
    }

    /// The `keep` best trials of a rung, by number.
    pub(super) fn best_of(&self, rung: usize, keep: usize) -> Vec<usize> {
        let mut trials: Vec<usize> =
            self.ranked(rung).into_iter().take(keep).map(|r| r.trial).collect();
        trials.sort_unstable();
        trials
    }

    /// The best of the last rung.
    pub(super) fn winner(&self) -> Option<&Record> {
        let last = self.records.iter().map(|r| r.rung).max()?;
        self.ranked(last).into_iter().next()
    }

    /// The best first, of equals the earlier; what failed last.
    fn ranked(&self, rung: usize) -> Vec<&Record> {
        let mut all: Vec<&Record> = self.records.iter().filter(|r| r.rung == rung).collect();
        let worth = |r: &Record| match r.failed {
            Some(_) => f64::NEG_INFINITY,
            None => r.score.sharpe.unwrap_or(0.0),
        };
        all.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.trial.cmp(&b.trial)));
        all
    }
}

/// The whole lines of the journal; what stands behind the last one is cut off.
fn read(path: &Path) -> Result<Vec<Record>, SearchError> {
    let text = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(at(path))?,
    };
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    if whole < text.len() {
        let file = OpenOptions::new().write(true).open(path).map_err(at(path))?;
        file.set_len(whole as u64).map_err(at(path))?;
    }
    let lines = text[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let parse = |(i, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|source| SearchError::Record {
            path: path.to_owned(),
            line: i + 1,
            source,
        })
    };
    lines.enumerate().map(parse).collect()
}

fn at(path: &Path) -> impl Fn(io::Error) -> SearchError {
    let path = path.to_owned();
    move |source| SearchError::Io { path: path.clone(), source }
}
