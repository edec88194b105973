//! The folder of a run, and how a state gets into it and out again.
//!
//! ```text
//! <run_id>/
//!   config.json            the resolved configuration         command.txt   the command line
//!   rules.json             the rules of the environment       dataset.json  what it was trained on
//!   env.json               program, machine, when
//!   progress.csv, progress.jsonl, timing.jsonl, events.out.tfevents.*
//!   last/                  the newest saved state
//!     model.safetensors      parameters, and what they fit to
//!     optimizer.safetensors  moments and step count
//!     normalizer.json        statistics of the observations, when the run normalises
//!     trainer.json           counters, random streams, environments
//! ```
//!
//! **Invariant:** `last` is replaced as a whole, by renaming. Whatever moment the process dies at,
//! a complete state remains: `last`, or `last.old` in the instant between two renamings.

use super::config::TrainConfig;
use super::model::Model;
use super::trainer::Snapshot;
use super::weights::{self, Interface, ModelCard, WeightsError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A checkpoint cannot be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system said no.
    #[error("{}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A weights file is damaged or foreign.
    #[error("{}", path.display())]
    Weights {
        /// Where.
        path: PathBuf,
        /// Why.
        source: WeightsError,
    },
    /// A JSON file is damaged or foreign.
    #[error("{}", path.display())]
    Json {
        /// Where.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no saved state in this folder.
    #[error("no saved model in {}", .0.display())]
    Nothing(PathBuf),
    /// A run of this name exists.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The model sees another observation.
    #[error("the model was trained on layout `{model}` ({}), not `{here}` ({})", brief(.model_hash), brief(.here_hash))]
    Layout {
        /// The model's layout.
        model: String,
        /// Its hash.
        model_hash: String,
        /// The layout asked for.
        here: String,
        /// Its hash.
        here_hash: String,
    },
    /// The model chooses among other actions.
    #[error("the model was trained with actions `{model}`, not `{here}`")]
    Actions {
        /// The model's actions.
        model: String,
        /// The actions asked for.
        here: String,
    },
    /// The model was trained for another reward.
    #[error("the model was trained for reward `{model}`, not `{here}`")]
    Reward {
        /// The model's reward.
        model: String,
        /// The reward asked for.
        here: String,
    },
    /// The network does not fit the environment.
    #[error("the model has {model} {what}, the environment {here}")]
    Size {
        /// What is counted.
        what: &'static str,
        /// In the model.
        model: usize,
        /// In the environment.
        here: usize,
    },
}

impl CheckpointError {
    /// The next step for the person.
    pub fn hint(&self) -> &'static str {
        match self {
            CheckpointError::Layout { .. } => {
                "build features of the model's layout, or train a new model"
            }
            CheckpointError::Actions { .. } | CheckpointError::Size { .. } => {
                "use the action sizes that the model was trained with, or train a new model"
            }
            CheckpointError::Reward { .. } => {
                "use the program version that trained the model, or train a new model"
            }
            CheckpointError::Exists(_) => "choose another --run-dir, or continue with --resume",
            CheckpointError::Nothing(_) => {
                "pass a run folder below `checkpoints`, or train first: kflow train"
            }
            _ => "the folder may be incomplete; train again or restore it from a backup",
        }
    }
}

fn brief(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

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
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

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
        run.write_config(config)?;
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

    /// Writes the configuration: a resumed run may have been given more steps.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(&self, config: &TrainConfig) -> Result<(), CheckpointError> {
        let path = self.path.join("config.json");
        let bytes = pretty(&path, config)?;
        write(&path, &bytes)
    }

    /// The rules of the environment.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn rules<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        read_json(&self.path.join("rules.json"))
    }

    /// Replaces `last` by this state.
    ///
    /// # Errors
    /// When it cannot be written; the former state then remains.
    pub fn save(&self, card: &ModelCard, snapshot: &Snapshot) -> Result<(), CheckpointError> {
        let [last, new, old] = ["last", "last.new", "last.old"].map(|name| self.path.join(name));
        remove_dir(&new)?;
        fs::create_dir_all(&new).map_err(io_at(&new))?;
        let packed = |result: Result<Vec<u8>, WeightsError>| result.map_err(weights_at(&new));
        let file = |name: &str, bytes: &[u8]| write(&new.join(name), bytes);
        file("model.safetensors", &packed(weights::model_bytes(card, &snapshot.params))?)?;
        file(
            "optimizer.safetensors",
            &packed(weights::optimizer_bytes(&card.shape, &snapshot.optimizer))?,
        )?;
        if let Some(normalizer) = &snapshot.normalizer {
            file("normalizer.json", &pretty(&new, normalizer)?)?;
        }
        file("trainer.json", &pretty(&new, &snapshot.progress)?)?;
        if last.exists() {
            remove_dir(&old)?;
            fs::rename(&last, &old).map_err(io_at(&last))?;
        }
        fs::rename(&new, &last).map_err(io_at(&new))?;
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
        let progress = read_json(&dir.join("trainer.json"))?;
        Ok(Snapshot { params: model.params, optimizer, normalizer: model.normalizer, progress })
    }
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
    fs::create_dir_all(dir).map_err(io_at(dir))?;
    let bytes = weights::model_bytes(&model.card, &model.params).map_err(weights_at(dir))?;
    write(&dir.join("model.safetensors"), &bytes)?;
    if let Some(normalizer) = &model.normalizer {
        write_json(&dir.join("normalizer.json"), normalizer)?;
    }
    write_json(&dir.join("rules.json"), rules)?;
    write_json(&dir.join("env.json"), env)
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

pub(super) fn io_at(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { path: path.clone(), source }
}

pub(super) fn weights_at(path: &Path) -> impl Fn(WeightsError) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Weights { path: path.clone(), source }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(io_at(path))
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, CheckpointError> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|source| CheckpointError::Json { path: path.to_owned(), source })
}

/// Writes a JSON file as a whole.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CheckpointError> {
    write(path, &pretty(path, value)?)
}

fn pretty(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, CheckpointError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|t| format!("{t}\n").into_bytes())
        .map_err(|source| CheckpointError::Json { path: path.to_owned(), source })
}

/// Writes a file as a whole: under another name first, and to the disk before it gets its own.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let new = path.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(io_at(path))
}

fn remove_dir(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_at(path)(e)),
        _ => Ok(()),
    }
}
