//! From a word to a model: what `kflow eval`, `kflow trade` and `kflow models` accept.
//!
//! | word | means |
//! |---|---|
//! | a path that exists | that run folder, model folder or model file |
//! | a run's id | the run's newest saved state |
//! | `NAME:3` | version 3 |
//! | `NAME@ALIAS` | the version that the alias points to |
//! | `NAME` | the champion, else the newest version that is not archived |
//! | `ALIAS` | likewise, where only one name has such an alias |

use super::{CHAMPION, Registry, RegistryError, Version};
use std::path::{Path, PathBuf};

/// What a word means.
#[derive(Clone, Debug)]
pub enum Found {
    /// A path or a run.
    Path(PathBuf),
    /// A version of the registry.
    Version(Box<Version>),
}

impl Registry {
    /// The folder or file that `word` means; a version's files are checked.
    ///
    /// # Errors
    /// When nothing is called so, several things are, or a version's files were changed.
    pub fn path_of(&self, word: &str) -> Result<PathBuf, RegistryError> {
        match self.find(word)? {
            Found::Path(path) => Ok(path),
            Found::Version(version) => self.checked(&version),
        }
    }

    /// What `word` means.
    ///
    /// # Errors
    /// When nothing is called so, or several things are.
    pub fn find(&self, word: &str) -> Result<Found, RegistryError> {
        match self.place(word) {
            Some(path) => Ok(Found::Path(path)),
            None => self.version(word).map(|version| Found::Version(Box::new(version))),
        }
    }

    /// The run or model that `word` leads to as a path.
    fn place(&self, word: &str) -> Option<PathBuf> {
        let places = [PathBuf::from(word), self.run_dir().join(word)];
        // A folder without a model, as `datasets` or `models`, is none that could be meant.
        places.into_iter().find(|path| path.is_file() || holds_model(path))
    }

    /// The version that `word` means.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn version(&self, word: &str) -> Result<Version, RegistryError> {
        let book = self.book()?;
        let unknown = || RegistryError::Unknown(word.to_owned());
        if let Some((name, number)) = word.rsplit_once(':') {
            let number = number.trim_start_matches('v').parse().map_err(|_| unknown())?;
            return book.version(name, number).cloned();
        }
        if let Some((name, alias)) = word.split_once('@') {
            let number = book.aliased(name, alias).ok_or_else(unknown)?;
            return book.version(name, number).cloned();
        }
        if let Some(number) = book.aliased(word, CHAMPION) {
            return book.version(word, number).cloned();
        }
        if let Some(newest) = book.newest(word) {
            return Ok(newest.clone());
        }
        let named: Vec<(&str, u32)> = book
            .aliases()
            .filter(|(_, alias, _)| *alias == word)
            .map(|(name, _, number)| (name, number))
            .collect();
        match named[..] {
            [] => Err(match book.missing(word) {
                RegistryError::Unknown(word) if self.place(&word).is_some() => {
                    RegistryError::NoVersion(word)
                }
                error => error,
            }),
            [(name, number)] => book.version(name, number).cloned(),
            _ => Err(RegistryError::Ambiguous {
                name: word.to_owned(),
                found: named.iter().map(|(name, _)| format!("{name}@{word}")).collect(),
            }),
        }
    }
}

/// True for a folder that a model can be loaded from, or a run that has none yet.
fn holds_model(dir: &Path) -> bool {
    let files = ["config.json", "fold_0", "last", "last.old", "model.safetensors"];
    files.iter().any(|name| dir.join(name).exists())
}
