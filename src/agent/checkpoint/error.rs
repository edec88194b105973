//! What can be wrong with a run's folder, with the evidence.

use super::super::weights::WeightsError;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

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
    /// A file of a later program.
    #[error("{} has format {found}; this program reads format {known}", path.display())]
    Format {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Another process trains this run.
    #[error("{} is being trained by another process", .0.display())]
    Busy(PathBuf),
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
            CheckpointError::Busy(_) => {
                "wait until it has ended; two would spoil each other's files"
            }
            CheckpointError::Format { .. }
            | CheckpointError::Weights { source: WeightsError::Card(_), .. } => {
                "use the program version that wrote it, or train a new model"
            }
            CheckpointError::Io { .. } if self.is_full() => {
                "free some space and continue with --resume: the state saved last is whole"
            }
            CheckpointError::Io { source, .. }
                if [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem]
                    .contains(&source.kind()) =>
            {
                "give yourself the right to write there, or name another --run-dir"
            }
            _ => "the folder may be incomplete; train again or restore it from a backup",
        }
    }

    /// True when the disk had no space left.
    pub fn is_full(&self) -> bool {
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
        matches!(self, CheckpointError::Io { source, .. } if full.contains(&source.kind()))
    }
}

fn brief(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}
