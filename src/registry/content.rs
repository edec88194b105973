//! The files of a model, wherever they lie, and the one digest that names what they do.

use super::RegistryError;
use crate::agent::checkpoint;
use crate::agent::fit;
use crate::digest::{sha256_hex, sha256_of};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What decides how a model acts: the digest is over these.
const ACTING: [&str; 3] = ["model.safetensors", "normalizer.json", "rules.json"];
/// What tells where it comes from: copied along.
const TELLING: [&str; 6] =
    ["config.json", "dataset.json", "filter.json", "legs.json", "provenance.json", "env.json"];
/// The search that it was chosen in: whoever judges it must know the tries.
const TRIES: &str = "tries.json";

/// The files of one model, or of all models of a run.
#[derive(Clone, Debug)]
pub struct Content {
    /// Name in a version's folder, and where the file lies now.
    pub files: Vec<(String, PathBuf)>,
    /// SHA-256 and name of each file that acts, in the form of `sha256sum`.
    pub sums: String,
    /// Folders of the models, in the order of the run's splits.
    pub models: Vec<PathBuf>,
}

impl Content {
    /// Of a run folder, a model folder, a version's folder, or a model file.
    ///
    /// # Errors
    /// When there is no model or a file cannot be read.
    pub fn of(path: &Path) -> Result<Content, RegistryError> {
        let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
        let models = fit::model_dirs(folder);
        let mut content = Content { files: Vec::new(), sums: String::new(), models };
        for (i, model) in content.models.iter().enumerate() {
            let prefix =
                if content.models.len() > 1 { format!("fold_{i}/") } else { String::new() };
            let state = checkpoint::state_dir(model)?;
            for name in ACTING.iter().chain(&TELLING).chain([&TRIES]) {
                // What a run tells stands above its saved state; a search also above trial and seed.
                let depth = if *name == TRIES { 5 } else { 3 };
                let mut places = state.ancestors().take(depth).map(|place| place.join(name));
                let Some(file) = places.find(|file| file.is_file()) else { continue };
                if ACTING.contains(name) {
                    let sum = File::open(&file).and_then(sha256_of).map_err(io_at(&file))?;
                    content.sums += &format!("{sum}  {prefix}{name}\n");
                }
                content.files.push((format!("{prefix}{name}"), file));
            }
        }
        Ok(content)
    }

    /// The digest over all that acts.
    pub fn sha256(&self) -> String {
        sha256_hex(&self.sums)
    }
}

pub(super) fn io_at(path: &Path) -> impl Fn(std::io::Error) -> RegistryError {
    let path = path.to_owned();
    move |source| RegistryError::Io { path: path.clone(), source }
}
