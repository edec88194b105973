//! The journals that `kflow trade` writes: `trade/<id>/trade.json`, `decisions.jsonl`, `fills.jsonl`,
//! `verdicts.jsonl` and `turns.jsonl`.

use super::words;
use crate::actor::{Filled, Told, TurnLine, Verdict};
use crate::dash::trading::{Deed, Opening};
use crate::trade::risk::Trip;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A journal that may still grow.
pub(super) struct Journal {
    dir: PathBuf,
    /// Bytes read of decisions, fills, verdicts and turns.
    read: [u64; 4],
}

/// What a journal tells.
#[derive(Default)]
pub(super) struct Pages {
    /// What was decided.
    pub(super) deeds: Vec<Deed>,
    /// What filled.
    pub(super) fills: Vec<Filled>,
    /// What the desk or the exchange did not take.
    pub(super) verdicts: Vec<Verdict>,
    /// What was said to it.
    pub(super) turns: Vec<Told>,
}

impl Journal {
    /// Those of `data_dir`, oldest first: their names are times.
    pub(super) fn all(data_dir: &Path) -> Vec<Journal> {
        let entries = std::fs::read_dir(data_dir.join("trade")).into_iter().flatten().flatten();
        let mut dirs: Vec<PathBuf> =
            entries.map(|e| e.path()).filter(|dir| dir.join("trade.json").is_file()).collect();
        dirs.sort();
        dirs.into_iter().map(|dir| Journal { dir, read: [0; 4] }).collect()
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
        let spec = &about["spec"];
        Opening {
            id: self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            policy: text("policy"),
            model_hash: text("model_hash"),
            elsewhere: spec["elsewhere"].as_bool().unwrap_or(false),
            counts: Deserialize::deserialize(&spec["env"]["execution"]["counts"]).ok(),
            start_cash_e6: spec["env"]["start_cash"].as_i64().unwrap_or(0),
            stopped: Trip::deserialize(&spec["tripped"])
                .map_or_else(|_| String::new(), |t| words(&t)),
        }
    }

    /// What was written since the last time.
    pub(super) fn more(&mut self) -> Pages {
        let [decisions, fills, verdicts, turns] = &mut self.read;
        // Decisions last: an order whose fill or verdict is read is among them.
        let turns: Vec<TurnLine> = lines(&self.dir.join("turns.jsonl"), turns);
        let verdicts = lines(&self.dir.join("verdicts.jsonl"), verdicts);
        let fills = lines(&self.dir.join("fills.jsonl"), fills);
        let deeds = lines(&self.dir.join("decisions.jsonl"), decisions);
        Pages { deeds, fills, verdicts, turns: turns.into_iter().map(|line| line.told).collect() }
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

/// The session that acted on rows of the log from `first` to `last`, and what it tells of them.
pub(super) fn within(data_dir: &Path, first: u64, last: u64) -> (Opening, Pages) {
    for mut journal in Journal::all(data_dir).into_iter().rev() {
        let mut pages = journal.more();
        pages.deeds.retain(|deed| (first..=last).contains(&deed.row_id));
        pages.fills.retain(|fill| (first..=last).contains(&fill.row_id));
        pages.verdicts.retain(|verdict| (first..=last).contains(&verdict.row_id));
        // They came in the order of the answers.
        pages.verdicts.sort_by_key(|verdict| verdict.row_id);
        if !pages.deeds.is_empty() {
            return (journal.opening(), pages);
        }
    }
    Default::default()
}
