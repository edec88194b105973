//! One process at a time trains a run.

use super::{CheckpointError, RunDir, io_at, sync_dir};
use std::fs::{self, File, TryLockError};
use std::path::Path;

const LOCK: &str = "LOCK";

/// The right to train a run, as long as it is held.
#[derive(Debug)]
pub struct Claim {
    file: File,
}

impl Drop for Claim {
    /// Closing the file is not enough: a child that this process is just about to start holds it open too, until
    /// it runs another program.
    fn drop(&mut self) {
        // If this fails, the end of the process does it.
        let _ = self.file.unlock();
    }
}

impl RunDir {
    /// Takes the right to train in the folder `path`, which is made if need be. The system takes it back when the
    /// process ends, however it ends.
    ///
    /// # Errors
    /// [`CheckpointError::Busy`] when another process has it.
    pub fn claim(path: &Path) -> Result<Claim, CheckpointError> {
        fs::create_dir_all(path).map_err(io_at(path))?;
        let lock = path.join(LOCK);
        let file = File::create(&lock).map_err(io_at(&lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Claim { file }),
            Err(TryLockError::WouldBlock) => Err(CheckpointError::Busy(path.to_owned())),
            Err(TryLockError::Error(e)) => Err(io_at(&lock)(e)),
        }
    }

    /// True while a process trains in the folder `path`.
    pub fn is_claimed(path: &Path) -> bool {
        let Ok(file) = File::open(path.join(LOCK)) else { return false };
        let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        // As for a claim: what was taken to look must not outlive the look in a child.
        let _ = file.unlock();
        held
    }

    /// Gives a run folder that was made as `staged` its name.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn publish(staged: &Path, path: &Path) -> Result<(), CheckpointError> {
        fs::rename(staged, path).map_err(io_at(staged))?;
        sync_dir(path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new(".")))
    }
}
