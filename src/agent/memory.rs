//! What a model was trained on: `dataset.json` of its run.
//!
//! The markets themselves are noted, not the rule that chose them: whoever judges the model later holds
//! out what was held out then, whatever was filtered and however this program divides markets by then.

use super::checkpoint::{self, CheckpointError};
use super::fit;
use super::split::{Plan, Protocol, Split};
use crate::features::episode::Episode;
use crate::replay::Recording;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// The data of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// SHA-256 over the log's sessions and checksums.
    pub fingerprint_sha256: String,
    /// Labels of the sessions; synthetic ones start with `sim:`.
    pub sources: Vec<String>,
    /// The sessions.
    pub sessions: BTreeSet<String>,
    /// Episodes there were.
    pub episodes: usize,
    /// How the markets were divided.
    pub protocol: Protocol,
    /// Which of the run's models this is.
    pub split: usize,
    /// Markets that it learned from.
    pub train: BTreeSet<String>,
    /// Markets that it was or may have been chosen by.
    pub validation: BTreeSet<String>,
    /// Markets held out from it.
    pub test: BTreeSet<String>,
}

impl Memory {
    /// What the model of split `index` is given.
    pub fn of(recording: &Recording, plan: &Plan, index: usize) -> Memory {
        let (episodes, split) = (&recording.episodes, &plan.splits[index]);
        let names = |part: &[usize]| part.iter().map(|e| episodes[*e].ticker.to_string()).collect();
        Memory {
            fingerprint_sha256: recording.fingerprint.clone(),
            sources: recording.sources.clone(),
            sessions: episodes.iter().map(|e| e.session.to_string()).collect(),
            episodes: episodes.len(),
            protocol: plan.protocol,
            split: index,
            train: names(&split.train),
            validation: names(&split.validation),
            test: names(&split.test),
        }
    }

    /// That of the model in `dir`, which may lie up to two folders below its run; `None` without a note.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub fn read(dir: &Path) -> Result<Option<Memory>, CheckpointError> {
        checkpoint::note(dir, "dataset.json")
    }

    /// True when the model knows the market called `ticker`.
    pub fn knows(&self, ticker: &str) -> bool {
        self.train.contains(ticker) || self.validation.contains(ticker)
    }
}

impl Plan {
    /// The plan by which the models of the run folder `run` are trained; [`Plan::new`] where it says nothing.
    ///
    /// # Errors
    /// When its notes cannot be read.
    pub fn of_run(run: &Path, episodes: &[Episode]) -> Result<Plan, CheckpointError> {
        let dirs = fit::model_dirs(run);
        let known = dirs.iter().map(|dir| Memory::read(dir)).collect::<Result<Vec<_>, _>>()?;
        let known: Option<Vec<Memory>> = known.into_iter().collect();
        Ok(known.map_or_else(|| Plan::new(episodes), |known| Plan::recorded(&known, episodes)))
    }

    /// What the models of `memories` may be judged on: on the data of their training (`here` is the fingerprint)
    /// what was held out then, on other data what was never seen. `None` for several models on other data.
    pub fn to_judge(memories: &[Memory], episodes: &[Episode], here: &str) -> Option<Plan> {
        if memories.iter().all(|memory| memory.fingerprint_sha256 == here) {
            return Some(Plan::recorded(memories, episodes));
        }
        let [memory] = memories else { return None };
        Some(Plan::unseen(episodes, |ticker| memory.knows(ticker)))
    }

    /// The plan by which the models of `memories` were trained, on the same data.
    pub fn recorded(memories: &[Memory], episodes: &[Episode]) -> Plan {
        let split = |memory: &Memory| {
            let mut split = Split::default();
            for (i, episode) in episodes.iter().enumerate() {
                let ticker = &*episode.ticker;
                let side = match () {
                    () if memory.train.contains(ticker) => &mut split.train,
                    () if memory.validation.contains(ticker) => &mut split.validation,
                    () if memory.test.contains(ticker) => &mut split.test,
                    () => &mut split.embargoed,
                };
                side.push(i);
            }
            split
        };
        let protocol = memories.first().map_or(Protocol::Chronological, |m| m.protocol);
        Plan { protocol, splits: memories.iter().map(split).collect() }
    }
}
