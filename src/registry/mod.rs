//! The registry: which models there are, where each comes from, how it did, and which one may trade.
//!
//! ```text
//! checkpoints/                          one folder of runs, one registry
//!   registry.redb                       the truth
//!   registry.json                       the same as text; the truth is made anew from it where that is gone
//!   RUN/                                a run: see `agent::checkpoint`
//!   models/NAME/v3/                     a version: a copy that no training touches again
//!     model.safetensors, normalizer.json, config.json, rules.json, dataset.json, provenance.json
//!     fold_0/ ..                        the same for each model, where a run made several
//!     version.json, MODEL.md            its record as text, and its card
//!     SHA256SUMS                        of what acts; `sha256sum -c` checks them
//! ```
//!
//! A **run** is one training; a **version** is a run's result under a name, numbered from 1; an **alias** is a
//! name that a person moves from version to version: `champion` is the one that trades.
//!
//! **Invariant:** what is recorded of a run, a version or an evaluation is written once, by the program, and
//! never changed; status and aliases move as [`book`] allows.
//! **Invariant:** a version is found by the digest of its files, so a changed file is no longer that version.

pub mod book;
mod card;
pub mod content;
pub mod find;
pub mod shelf;

pub use book::Book;
pub use content::Content;
pub use shelf::Registry;

use crate::agent::checkpoint::CheckpointError;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;

/// The alias of the version that trades. It needs an evaluation on held-out markets.
pub const CHAMPION: &str = "champion";

/// Where a run or a version stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being trained, or interrupted while it was.
    Training,
    /// Trained.
    Ready,
    /// The champion of its name.
    Deployed,
    /// Kept, and no longer to be used.
    Archived,
}

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id, which is its folder's name.
    pub id: String,
    /// The algorithm.
    pub algo: String,
    /// The seed.
    pub seed: u64,
    /// SHA-256 over all that decides its bytes, of each of its models.
    pub digests: Vec<String>,
    /// Where it stands.
    pub status: Status,
    /// Start, seconds since the epoch.
    pub started_unix_s: u64,
    /// End, once there is one.
    pub ended_unix_s: Option<u64>,
    /// What came out, one for each model; empty until the first end.
    pub results: Vec<Trained>,
}

/// What training made of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Environment steps.
    pub steps: u64,
    /// Why it ended.
    pub ended: String,
    /// The last progress row.
    pub metrics: Value,
}

/// A run's result under a name; where it stands is [`Book::status`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The name.
    pub name: String,
    /// Numbered from 1.
    pub version: u32,
    /// The run, or the path, that it was registered from.
    pub source: String,
    /// The version that it goes on from: an earlier state of the same run, or what a person named.
    pub parent: Option<String>,
    /// The algorithm.
    pub algo: String,
    /// Environment steps of training.
    pub steps: u64,
    /// How many models it holds: one for each block of markets that was held out.
    pub models: usize,
    /// Runs that were trained together from seeds of its recipe, its own among them: it was chosen among so many.
    #[serde(default = "one")]
    pub seeds: usize,
    /// Observation layout and its hash.
    pub layout: String,
    /// SHA-256 of the layout.
    pub layout_hash: String,
    /// Action set.
    pub actions: String,
    /// Reward.
    pub reward: String,
    /// SHA-256 over all that decided its bytes, of each model; empty where that is not known.
    pub digests: Vec<String>,
    /// SHA-256 over the files that act; see [`Content`].
    pub content_sha256: String,
    /// The last progress row of each model.
    pub metrics: Value,
    /// When it was registered, seconds since the epoch.
    pub registered_unix_s: u64,
    /// The program that registered it.
    pub program: String,
}

/// What an evaluation found out about models of one content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// [`Version::content_sha256`] of what was judged.
    pub content_sha256: String,
    /// SHA-256 that names the data.
    pub data_sha256: String,
    /// Runs that were judged together, as seeds of one recipe: the figures are of all of them.
    #[serde(default = "one")]
    pub seeds: usize,
    /// Settings that were tried before this one was chosen; the verdict counts them.
    #[serde(default = "one")]
    pub tries: usize,
    /// Markets held out from them; 0 where what they learned from is not known.
    pub markets: usize,
    /// Mean return per held-out market, under the pessimistic fills; nothing without one.
    pub mean_return: Option<f64>,
    /// Its 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// The verdict in words.
    pub verdict: String,
    /// When, seconds since the epoch.
    pub unix_s: u64,
}

/// What somebody did to an alias or a status, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, seconds since the epoch.
    pub unix_s: u64,
    /// The version.
    pub version: String,
    /// What was done.
    pub what: String,
    /// Who: the number of the user that ran the program.
    pub uid: u32,
    /// Why, in that person's words, where the program asked for it.
    pub reason: Option<String>,
}

impl Version {
    /// `NAME:3`.
    pub fn id(&self) -> String {
        id(&self.name, self.version)
    }
}

/// Records of a time that knew one seed, or one try, only.
fn one() -> usize {
    1
}

/// `NAME:3`.
pub fn id(name: &str, version: u32) -> String {
    format!("{name}:{version}")
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Training => "training",
            Status::Ready => "ready",
            Status::Deployed => "deployed",
            Status::Archived => "archived",
        })
    }
}

/// What the registry cannot do.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file of the registry.
    #[error("the registry cannot be read or written")]
    Store(#[from] StoreError),
    /// A model's files.
    #[error("the model cannot be read")]
    Model(#[from] CheckpointError),
    /// The file system said no.
    #[error("{}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record that this program does not understand.
    #[error("record `{name}` of the registry is not one that this program understands")]
    Record {
        /// Its name.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Nothing has this name.
    #[error("no run, version or alias is called `{0}`")]
    Unknown(String),
    /// A run or a model where a version is asked for.
    #[error("`{0}` is a run or a model, and no version of the registry")]
    NoVersion(String),
    /// A name whose versions were all put away.
    #[error("every version of `{name}` is archived: {}", versions.join(", "))]
    AllArchived {
        /// The name.
        name: String,
        /// Its versions.
        versions: Vec<String>,
    },
    /// More than one thing has this name.
    #[error("`{name}` may be {}", found.join(" or "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it may be.
        found: Vec<String>,
    },
    /// A name that cannot be one.
    #[error(
        "`{0}` is no name: letters, digits, `_`, `-` and `.`, beginning with a letter, at most 64"
    )]
    Name(String),
    /// A move that a life does not make.
    #[error("{version} is {status}: it cannot {what}")]
    Move {
        /// The version.
        version: String,
        /// Where it stands.
        status: Status,
        /// What was asked for.
        what: &'static str,
    },
    /// The gate of deployment.
    #[error("{version} may not be `{CHAMPION}`: {why}")]
    Gate {
        /// The version.
        version: String,
        /// What is missing.
        why: &'static str,
    },
    /// A record that stands already.
    #[error("{0} is recorded already, and records do not change")]
    Recorded(String),
    /// Files of a version that are not what was registered.
    #[error("the files of {version} were changed: {} instead of {}", &found[..8], &recorded[..8])]
    Altered {
        /// The version.
        version: String,
        /// Their digest when they were registered.
        recorded: String,
        /// Their digest now.
        found: String,
    },
}
