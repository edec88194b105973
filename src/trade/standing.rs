//! The file `ACCOUNT` in the data directory: where the account stood when it was read last. A restart goes on with
//! the day that it names, so that no loss is forgotten; `kflow risk show` shows it.

use super::desk::Standing;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the data directory.
pub const STANDING_FILE: &str = "ACCOUNT";

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the account's standing in {} cannot be used", path.display())]
pub struct StandingError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub why: io::Error,
}

/// The file of one data directory.
#[derive(Clone, Debug)]
pub struct StandingFile {
    path: PathBuf,
}

impl StandingFile {
    /// The one in `data`.
    pub fn at(data: &Path) -> StandingFile {
        StandingFile { path: data.join(STANDING_FILE) }
    }

    /// What it holds; `None` when there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read: to go on without it would forget what was lost today.
    pub fn read(&self) -> Result<Option<Standing>, StandingError> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|why| self.error(why))?,
        };
        let standing = serde_json::from_slice(&text);
        standing.map(Some).map_err(|why| self.error(why.into()))
    }

    /// Replaces it, whole or not at all, safe from power loss when it returns.
    ///
    /// # Errors
    /// When it cannot be written; the old one stays.
    pub fn write(&self, standing: &Standing) -> Result<(), StandingError> {
        let write = || -> io::Result<()> {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            let draft = self.path.with_extension("part");
            let mut file = File::create(&draft)?;
            serde_json::to_writer_pretty(&mut file, standing)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&draft, &self.path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|why| self.error(why))
    }

    /// Takes it away: the day begins anew at the next look.
    ///
    /// # Errors
    /// When it is there and stays.
    pub fn forget(&self) -> Result<(), StandingError> {
        match fs::remove_file(&self.path) {
            Err(why) if why.kind() != ErrorKind::NotFound => Err(self.error(why)),
            _ => Ok(()),
        }
    }

    fn error(&self, why: io::Error) -> StandingError {
        StandingError { path: self.path.clone(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_read_as_it_was_written_and_a_damaged_one_is_no_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = StandingFile::at(&dir.path().join("new"));
        assert_eq!(file.read().unwrap(), None);
        let first = Standing { account: "sim".into(), day: 3, ..Standing::default() };
        let second = Standing { open: vec!["an order".into()], ..first.clone() };
        for standing in [first, second] {
            file.write(&standing).unwrap();
            assert_eq!(file.read().unwrap(), Some(standing));
        }
        for damage in ["", "{", "nonsense", "{\"account\":1}"] {
            fs::write(&file.path, damage).unwrap();
            assert!(file.read().is_err(), "{damage}");
        }
        file.forget().unwrap();
        file.forget().unwrap();
        assert_eq!(file.read().unwrap(), None);
    }
}
