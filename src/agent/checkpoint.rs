//! The folder of a run, and how a state gets into it and out again.
//!
//! ```text
//! <run_id>/
//!   config.json            the resolved configuration         command.txt   the command line
//!   rules.json             the rules of the environment       dataset.json  what it was trained on
//!   filter.json            which of the recorded markets were let in
//!   env.json               program, machine, when         LOCK          held by who trains
//!   provenance.json        what decides the bytes, and its digest
//!   legs.json              the configurations that it was trained with, one after the other
//!   progress.csv, progress.jsonl, diagnostics.jsonl, timing.jsonl, events.out.tfevents.*
//!   last/                  the newest saved state
//!     model.safetensors      parameters, and what they fit to
//!     optimizer.safetensors  moments and step count
//!     normalizer.json        statistics of the observations, when the run normalises
//!     trainer.json           counters, random streams, environments
//! ```
//!
//! **Invariant:** `last` is replaced as a whole, by renaming. Whatever moment the process dies at,
//! a complete state remains: `last`, or `last.old` in the instant between two renamings. A run that died
//! before its first save begins anew, to the same end.

mod claim;
mod error;
mod files;

pub use claim::Claim;
pub use error::CheckpointError;
pub(super) use files::{io_at, read, read_json, sync_dir, weights_at, write_json};

use super::config::TrainConfig;
use super::markets::MarketFilter;
use super::model::Model;
use super::normalizer::Normalizer;
use super::provenance::program_sha256;
use super::trainer::{Progress, Snapshot};
use super::weights::{self, Interface, ModelCard};
use files::{pretty, remove_dir, write};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The version of `trainer.json` that this program reads and writes.
const FORMAT: u32 = 4;

/// What a run notes about its circumstances; no part of the same-seed-same-bytes promise.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The command line.
    pub command: String,
    /// The rules of the environment; evaluation plays by the same.
    pub rules: serde_json::Value,
    /// Program, machine, when.
    pub env: serde_json::Value,
    /// Fingerprint of the data and the sessions in them.
    pub dataset: serde_json::Value,
    /// Which of the recorded markets were let in.
    pub filter: MarketFilter,
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// A part of a run that was trained with one configuration by one program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Environment steps that were done before it.
    pub from_step: u64,
    /// Its configuration.
    pub config: TrainConfig,
    /// SHA-256 of the program.
    pub program: String,
}

/// Files of a model whose bytes follow from what `provenance.json` lists.
pub const REPEATABLE: [&str; 7] = [
    "progress.csv",
    "progress.jsonl",
    "diagnostics.jsonl",
    "last/model.safetensors",
    "last/optimizer.safetensors",
    "last/normalizer.json",
    "last/trainer.json",
];

impl RunDir {
    /// Creates the folder with its configuration and notes.
    ///
    /// # Errors
    /// When it exists already or cannot be written.
    pub fn create(
        path: &Path,
        config: &TrainConfig,
        notes: &Notes,
    ) -> Result<RunDir, CheckpointError> {
        if path.join("config.json").exists() {
            return Err(CheckpointError::Exists(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(io_at(path))?;
        let run = RunDir { path: path.to_owned() };
        write(&path.join("command.txt"), format!("{}\n", notes.command).as_bytes())?;
        write(&path.join("rules.json"), &pretty(path, &notes.rules)?)?;
        write(&path.join("env.json"), &pretty(path, &notes.env)?)?;
        write(&path.join("dataset.json"), &pretty(path, &notes.dataset)?)?;
        write_json(&path.join(FILTER), &notes.filter)?;
        run.write_config(config, 0)?;
        Ok(run)
    }

    /// Opens an existing run and reads its configuration.
    ///
    /// # Errors
    /// When there is no run, or its configuration cannot be read.
    pub fn open(path: &Path) -> Result<(RunDir, TrainConfig), CheckpointError> {
        let config = path.join("config.json");
        if !config.exists() {
            return Err(CheckpointError::Nothing(path.to_owned()));
        }
        Ok((RunDir { path: path.to_owned() }, read_json(&config)?))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the configuration that holds from `from_step` on: a resumed run may have been given more steps.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(
        &self,
        config: &TrainConfig,
        from_step: u64,
    ) -> Result<(), CheckpointError> {
        let mut legs = if self.path.join(LEGS).exists() { self.legs()? } else { Vec::new() };
        let (config_now, program) = (config.clone(), program_sha256().to_owned());
        // What was trained after the saved state is lost, and its legs with it.
        legs.retain(|leg| leg.from_step < from_step);
        if legs.last().is_none_or(|leg| (&leg.config, &leg.program) != (config, &program)) {
            legs.push(Leg { from_step, config: config_now, program });
        }
        write_json(&self.path.join(LEGS), &legs)?;
        // Last: a folder with a configuration is a run.
        write_json(&self.path.join("config.json"), config)
    }

    /// The configurations that it was trained with, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn legs(&self) -> Result<Vec<Leg>, CheckpointError> {
        read_json(&self.path.join(LEGS))
    }

    /// Environment steps of the saved state; 0 when there is none yet.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn saved_steps(&self) -> Result<u64, CheckpointError> {
        match Model::load(&self.path) {
            Ok(model) => Ok(model.card.steps),
            Err(CheckpointError::Nothing(_)) => Ok(0),
            Err(e) => Err(e),
        }
    }

    /// The rules of the environment.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn rules<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        read_json(&self.path.join("rules.json"))
    }

    /// Which of the recorded markets were let in.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn filter(&self) -> Result<MarketFilter, CheckpointError> {
        Ok(note(&self.path, FILTER)?.unwrap_or_default())
    }

    /// Replaces `last` by this state.
    ///
    /// # Errors
    /// When it cannot be written; the former state then remains, and what was written of this one is gone.
    pub fn save(&self, card: &ModelCard, snapshot: &Snapshot) -> Result<(), CheckpointError> {
        let [last, new, old] = ["last", "last.new", "last.old"].map(|name| self.path.join(name));
        remove_dir(&new)?;
        if let Err(e) = write_state(&new, card, snapshot) {
            // A full disk has the more room; that this may fail too changes nothing.
            let _ = remove_dir(&new);
            return Err(e);
        }
        if last.exists() {
            remove_dir(&old)?;
            fs::rename(&last, &old).map_err(io_at(&last))?;
        }
        fs::rename(&new, &last).map_err(io_at(&new))?;
        sync_dir(&self.path)?;
        remove_dir(&old)
    }

    /// The saved state, after checking that it fits to `interface`.
    ///
    /// # Errors
    /// When it is missing, damaged, or of another interface.
    pub fn load(
        &self,
        config: &TrainConfig,
        interface: &Interface,
    ) -> Result<Snapshot, CheckpointError> {
        let dir = state_dir(&self.path)?;
        let model = Model::load(&dir)?;
        model.fits(interface)?;
        let path = dir.join("optimizer.safetensors");
        let optimizer =
            weights::read_optimizer(&model.card.shape, config.optimizer(), &read(&path)?)
                .map_err(weights_at(&path))?;
        let progress = read_progress(&dir.join("trainer.json"))?;
        Ok(Snapshot { params: model.params, optimizer, normalizer: model.normalizer, progress })
    }
}

const LEGS: &str = "legs.json";
const FILTER: &str = "filter.json";

/// `trainer.json`.
#[derive(Serialize)]
struct Filed<'a> {
    format: u32,
    #[serde(flatten)]
    progress: &'a Progress,
}

/// What every version of `trainer.json` begins with; the first had no number.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    format: u32,
}

/// Writes all files of a state into the new folder `dir`.
fn write_state(dir: &Path, card: &ModelCard, snapshot: &Snapshot) -> Result<(), CheckpointError> {
    write_network(dir, card, &snapshot.params, snapshot.normalizer.as_ref())?;
    let optimizer = weights::optimizer_bytes(&card.shape, &snapshot.optimizer);
    write(&dir.join("optimizer.safetensors"), &optimizer.map_err(weights_at(dir))?)?;
    write_json(&dir.join("trainer.json"), &Filed { format: FORMAT, progress: &snapshot.progress })?;
    sync_dir(dir)
}

fn read_progress(path: &Path) -> Result<Progress, CheckpointError> {
    let Head { format: found } = read_json(path)?;
    if found != FORMAT {
        return Err(CheckpointError::Format { path: path.to_owned(), found, known: FORMAT });
    }
    read_json(path)
}

/// Writes a model that no run of ours made into the new folder `dir`: its weights, the rules that it plays by,
/// and in `env.json` where it comes from.
///
/// # Errors
/// When it cannot be written.
pub fn write_model(
    dir: &Path,
    model: &Model,
    rules: &impl Serialize,
    env: &impl Serialize,
) -> Result<(), CheckpointError> {
    write_network(dir, &model.card, &model.params, model.normalizer.as_ref())?;
    write_json(&dir.join("rules.json"), rules)?;
    write_json(&dir.join("env.json"), env)
}

/// Writes what a model needs to act into the folder `dir`, which is made.
pub(super) fn write_network(
    dir: &Path,
    card: &ModelCard,
    params: &[f32],
    normalizer: Option<&Normalizer>,
) -> Result<(), CheckpointError> {
    fs::create_dir_all(dir).map_err(io_at(dir))?;
    let bytes = weights::model_bytes(card, params).map_err(weights_at(dir))?;
    write(&dir.join("model.safetensors"), &bytes)?;
    normalizer.map_or(Ok(()), |n| write_json(&dir.join("normalizer.json"), n))
}

/// The folder that holds the model of `path`: a run's newest state, or `path` itself.
pub(crate) fn state_dir(path: &Path) -> Result<PathBuf, CheckpointError> {
    let places = [path.join("last"), path.join("last.old"), path.to_owned()];
    let found = places.into_iter().find(|dir| dir.join("model.safetensors").exists());
    found.ok_or_else(|| CheckpointError::Nothing(path.to_owned()))
}

/// The run's file `name` for the model in `dir`, which may lie up to two folders below it: `RUN/last`.
/// `None` when there is no such file.
pub(super) fn note<T: DeserializeOwned>(
    dir: &Path,
    name: &str,
) -> Result<Option<T>, CheckpointError> {
    note_within(dir, name, 2)
}

/// [`note`] up to `above` folders above `dir`.
pub(super) fn note_within<T: DeserializeOwned>(
    dir: &Path,
    name: &str,
    above: usize,
) -> Result<Option<T>, CheckpointError> {
    let mut places = dir.ancestors().take(above + 1).map(|place| place.join(name));
    places.find(|file| file.is_file()).map(|file| read_json(&file)).transpose()
}
