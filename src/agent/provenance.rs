//! What decides the bytes of a run, and one digest over it: the same digest, the same bytes.
//!
//! The program is named by the digest of its own file: the one name that no two builds share.

use super::checkpoint::{self, CheckpointError};
use super::simd;
use super::weights::Interface;
use crate::digest::{sha256_hex, sha256_of};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;

/// All that decides the bytes of one model's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Names the recorded data: SHA-256 over sessions and checksums of the log.
    pub data: String,
    /// SHA-256 over the markets learned from: ticker, session and decisions of each episode.
    pub markets: String,
    /// Observation layout and its hash.
    pub layout: String,
    /// Action set.
    pub actions: String,
    /// Reward.
    pub reward: String,
    /// SHA-256 over all rules of the environment.
    pub rules: String,
    /// SHA-256 over the configuration, seed apart.
    pub configuration: String,
    /// The seed.
    pub seed: u64,
    /// SHA-256 of the program's file.
    pub program: String,
    /// The instruction set: sums are rounded differently on another one.
    pub isa: String,
}

/// `provenance.json`.
#[derive(Serialize, Deserialize)]
struct Filed {
    digest: String,
    #[serde(flatten)]
    of: Provenance,
}

impl Provenance {
    /// The part that an [`Interface`] knows, and this process; the rest is empty.
    pub fn of(interface: &Interface) -> Provenance {
        Provenance {
            data: String::new(),
            markets: String::new(),
            layout: format!("{} {}", interface.layout, interface.layout_hash),
            actions: interface.actions.clone(),
            reward: interface.reward.clone(),
            rules: String::new(),
            configuration: String::new(),
            seed: 0,
            program: program_sha256().to_owned(),
            isa: simd::isa().to_owned(),
        }
    }

    /// SHA-256 over all of it.
    pub fn digest(&self) -> String {
        sha256_hex(json!(self).to_string())
    }

    /// Names of the parts in which `other` differs.
    pub fn differences(&self, other: &Provenance) -> Vec<String> {
        let (ours, theirs) = (json!(self), json!(other));
        let parts = ours.as_object().into_iter().flatten();
        parts
            .filter(|(name, value)| theirs[*name] != **value)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Reads `provenance.json` of a model's folder.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(dir: &Path) -> Result<Provenance, CheckpointError> {
        checkpoint::read_json::<Filed>(&dir.join(FILE)).map(|filed| filed.of)
    }

    /// Writes `provenance.json` into a model's folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), CheckpointError> {
        checkpoint::write_json(&dir.join(FILE), &Filed { digest: self.digest(), of: self.clone() })
    }
}

const FILE: &str = "provenance.json";

/// The digest noted in a model's folder, or in the run that the folder is part of.
pub fn digest_of(dir: &Path) -> Option<String> {
    dir.ancestors().take(2).find_map(|dir| Some(Provenance::read(dir).ok()?.digest()))
}

/// SHA-256 of the running program's file; `unknown` where the system does not say which that is.
pub fn program_sha256() -> &'static str {
    static SHA256: OnceLock<String> = OnceLock::new();
    SHA256.get_or_init(|| {
        let file = std::env::current_exe().and_then(File::open);
        file.and_then(sha256_of).unwrap_or_else(|_| "unknown".to_owned())
    })
}
