//! The journals that `kflow trade` writes: `trade/<id>/trade.json` and `decisions.jsonl`.

use crate::dash::trading::{Deed, Opening};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A journal that may still grow.
pub(super) struct Journal {
    dir: PathBuf,
    /// Bytes read.
    read: u64,
}

impl Journal {
    /// Those of `data_dir`, oldest first: their names are times.
    pub(super) fn all(data_dir: &Path) -> Vec<Journal> {
        let entries = std::fs::read_dir(data_dir.join("trade")).into_iter().flatten().flatten();
        let mut dirs: Vec<PathBuf> =
            entries.map(|e| e.path()).filter(|dir| dir.join("trade.json").is_file()).collect();
        dirs.sort();
        dirs.into_iter().map(|dir| Journal { dir, read: 0 }).collect()
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
            start_cash_e6: about["spec"]["env"]["start_cash"].as_i64().unwrap_or(0),
        }
    }

    /// Decisions written since the last time. Half a line waits for its other half; a line that cannot be read is
    /// passed over.
    pub(super) fn more(&mut self) -> Vec<Deed> {
        let Ok(mut file) = File::open(self.dir.join("decisions.jsonl")) else { return Vec::new() };
        if file.seek(SeekFrom::Start(self.read)).is_err() {
            return Vec::new();
        }
        let mut reader = BufReader::new(file.take(u64::MAX));
        let (mut deeds, mut line) = (Vec::new(), Vec::new());
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) && line.ends_with(b"\n") {
            self.read += line.len() as u64;
            deeds.extend(serde_json::from_slice::<Deed>(&line).ok());
            line.clear();
        }
        deeds
    }
}

/// The session and its decisions that acted on rows of the log from `first` to `last`.
pub(super) fn within(data_dir: &Path, first: u64, last: u64) -> (Opening, Vec<Deed>) {
    for mut journal in Journal::all(data_dir).into_iter().rev() {
        let mut deeds = journal.more();
        deeds.retain(|deed| (first..=last).contains(&deed.row_id));
        if !deeds.is_empty() {
            return (journal.opening(), deeds);
        }
    }
    (Opening::default(), Vec::new())
}
