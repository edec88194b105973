//! One writer per log.

use super::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Fails if a process writes the log of `data_dir`; takes nothing.
///
/// # Errors
/// [`StoreError::Locked`]; IO errors.
pub fn check_free(data_dir: &Path) -> Result<(), StoreError> {
    let dir = data_dir.join("log");
    if dir.is_dir() { Lock::take(&dir).map(drop) } else { Ok(()) }
}

/// The right to write the log; given back when dropped or when the process dies.
pub(super) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Closing the file is not enough: a child that this process is just about to start holds it open too, until
    /// it runs another program.
    fn drop(&mut self) {
        // If this fails, the end of the process does it.
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Takes `dir/LOCK`, or says at once which process holds it.
    ///
    /// The kernel holds the lock, the pid in the file is for people: a lock whose process died is free.
    pub(super) fn take(dir: &Path) -> Result<Lock, StoreError> {
        let path = dir.join("LOCK");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| StoreError::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Without the pid the refusal is still right.
                let _ = file.read_to_string(&mut pid);
                let pid = pid.trim().parse().unwrap_or(0);
                return Err(StoreError::Locked { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(e)) => return Err(StoreError::io(&path, e)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| StoreError::io(&path, e))?;
        Ok(Lock { file })
    }
}
