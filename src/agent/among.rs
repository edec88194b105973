//! What a run is one of: seeds of one training, tries of a search. Who takes one of them has chosen it.
//!
//! Noted in the run's `env.json`, which goes along wherever the run or one of its models is copied or registered.

use super::checkpoint::{self, CheckpointError};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The part of `env.json` that says so; empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Among {
    /// The run's own id; in a search that of trial and seed, `trial_0003/seed_1`.
    pub run_id: String,
    /// Ids of the runs that were trained together from seeds of one recipe, this one among them.
    pub seeds: Vec<String>,
    /// Configurations of the search that it is a trial of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<usize>,
}

impl Among {
    /// What is noted of the model in `dir`, which may lie up to two folders below its run.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub fn read(dir: &Path) -> Result<Among, CheckpointError> {
        // Runs that say nothing of their circumstances hold `null`.
        let noted: Option<Option<Among>> = checkpoint::note(dir, "env.json")?;
        Ok(noted.flatten().unwrap_or_default())
    }

    /// The runs that were trained with it and are not in `judged`.
    pub fn others(&self, judged: &[&str]) -> Vec<&str> {
        self.seeds.iter().map(String::as_str).filter(|id| !judged.contains(id)).collect()
    }
}
