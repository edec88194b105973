//! The journals that `kflow trade` writes: `trade/<id>/trade.json`, `decisions.jsonl` and
//! `fills.jsonl`.

use crate::actor::Filled;
use crate::dash::trading::{Deed, Opening};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A journal that may still grow.
pub(super) struct Journal {
    dir: PathBuf,
    /// Bytes read of decisions and fills.
    read: [u64; 2],
}

impl Journal {
    /// Those of `data_dir`, oldest first: their names are times.
    pub(super) fn all(data_dir: &Path) -> Vec<Journal> {
        let entries = std::fs::read_dir(data_dir.join("trade")).into_iter().flatten().flatten();
        let mut dirs: Vec<PathBuf> =
            entries.map(|e| e.path()).filter(|dir| dir.join("trade.json").is_file()).collect();
        dirs.sort();
        dirs.into_iter().map(|dir| Journal { dir, read: [0; 2] }).collect()
    }

    /// Where it lies.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was known before its first decision; what cannot be read is left empty.
    pub(super) fn opening(&self) -> Opening {
        let bytes = std::fs::read(self.dir.join("trade.json")).unwrap_or_default();
        let about: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = |key: &str| about[key].as_str().unwrap_or_default().to_owned();
        Opening {
            id: self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            policy: text("policy"),
            model_hash: text("model_hash"),
            elsewhere: about["spec"]["elsewhere"].as_bool().unwrap_or(false),
            start_cash_e6: about["spec"]["env"]["start_cash"].as_i64().unwrap_or(0),
        }
    }

    /// Decisions and fills written since the last time.
    pub(super) fn more(&mut self) -> (Vec<Deed>, Vec<Filled>) {
        let [decisions, fills] = &mut self.read;
        let deeds = lines(&self.dir.join("decisions.jsonl"), decisions);
        (deeds, lines(&self.dir.join("fills.jsonl"), fills))
    }
}

/// The lines of a file from byte `read` on. Half a line waits for its other half; one that cannot be read is
/// passed over.
fn lines<T: DeserializeOwned>(path: &Path, read: &mut u64) -> Vec<T> {
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    if file.seek(SeekFrom::Start(*read)).is_err() {
        return Vec::new();
    }
    let mut reader = BufReader::new(file);
    let (mut all, mut line) = (Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) && line.ends_with(b"\n") {
        *read += line.len() as u64;
        all.extend(serde_json::from_slice::<T>(&line).ok());
        line.clear();
    }
    all
}

/// The session, its decisions and its fills that acted on rows of the log from `first` to `last`.
pub(super) fn within(data_dir: &Path, first: u64, last: u64) -> (Opening, Vec<Deed>, Vec<Filled>) {
    for mut journal in Journal::all(data_dir).into_iter().rev() {
        let (mut deeds, mut fills) = journal.more();
        deeds.retain(|deed| (first..=last).contains(&deed.row_id));
        fills.retain(|fill| (first..=last).contains(&fill.row_id));
        if !deeds.is_empty() {
            return (journal.opening(), deeds, fills);
        }
    }
    Default::default()
}
