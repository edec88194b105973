//! Files on disk: complete under their names or not there, with their checksums.

use super::manifest::FileEntry;
use super::{DatasetError, VERSION_DIR};
use crate::digest::{hex, sha256_of};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Suffix of a file that is being written; no reader's `*.parquet` matches it.
const TMP: &str = ".tmp";

/// Writes a small text file by way of a temporary one.
pub(super) fn write_text(path: &Path, text: &str) -> Result<(), DatasetError> {
    let tmp = tmp_path(path);
    let write = || {
        let mut file = File::create(&tmp)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(DatasetError::io("write", &tmp))?;
    rename(&tmp, path)
}

/// The right to write into the dataset of `data_dir`, until dropped or until the process dies. Waits for who
/// has it: exports end.
pub(super) fn lock(data_dir: &Path) -> Result<File, DatasetError> {
    let folder = data_dir.join(VERSION_DIR);
    fs::create_dir_all(&folder).map_err(DatasetError::io("create", &folder))?;
    let path = folder.join("LOCK");
    let open = File::options().write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(DatasetError::io("open", &path))?;
    file.lock().map_err(DatasetError::io("lock", &path))?;
    Ok(file)
}

/// Completes what a crashed export had published, and removes what it had not: staged files below the version
/// directory that `files` names with their very bytes get their names, others go.
pub(super) fn settle(data_dir: &Path, files: &[FileEntry]) -> Result<(), DatasetError> {
    let mut folders = vec![data_dir.join(VERSION_DIR)];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(DatasetError::io("list", folder)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(DatasetError::io("list", &folder))?;
            let staged = entry.path();
            if staged.is_dir() {
                folders.push(staged);
            } else if staged.to_string_lossy().ends_with(".parquet.tmp") {
                let path = staged.with_extension("");
                match files.iter().find(|f| data_dir.join(&f.path) == path) {
                    Some(file) if is_staged(&path, file)? => unstage(&path)?,
                    _ => fs::remove_file(&staged).map_err(DatasetError::io("remove", &staged))?,
                }
            }
        }
    }
    Ok(())
}

/// True if the bytes of `file`, whose place is `path`, still stand beside that place.
pub(super) fn is_staged(path: &Path, file: &FileEntry) -> Result<bool, DatasetError> {
    let staged = tmp_path(path);
    match File::open(&staged).and_then(sha256_of) {
        Ok(found) => Ok(found == file.sha256),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(DatasetError::io("read", staged)(e)),
    }
}

/// Gives a staged file its name, if it is still staged.
pub(super) fn unstage(path: &Path) -> Result<(), DatasetError> {
    let staged = tmp_path(path);
    if staged.exists() { rename(&staged, path) } else { Ok(()) }
}

/// Removes a file that is no longer part of the dataset; one that is gone already is fine.
pub(super) fn remove(data_dir: &Path, path: &str) -> Result<(), DatasetError> {
    let path = data_dir.join(path);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(DatasetError::io("remove", path)(e))
        }
        _ => Ok(()),
    }
}

/// True if a manifest's path stays below the version directory.
pub(super) fn is_inside(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some(VERSION_DIR) && parts.all(|p| !matches!(p, "" | "." | ".."))
}

/// Where a file is written before it has its name.
pub(super) fn tmp_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TMP);
    name.into()
}

/// Renames, then flushes the directory, so that the new name outlives a power cut.
pub(super) fn rename(tmp: &Path, path: &Path) -> Result<(), DatasetError> {
    fs::rename(tmp, path).map_err(DatasetError::io("rename", tmp))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let flush = || File::open(folder)?.sync_all();
    flush().map_err(DatasetError::io("flush", folder))
}

/// Hashes and counts what passes through.
pub(super) struct Hashing<W> {
    inner: W,
    sha: Sha256,
    bytes: u64,
}

impl<W> Hashing<W> {
    pub(super) fn new(inner: W) -> Hashing<W> {
        Hashing { inner, sha: Sha256::new(), bytes: 0 }
    }

    /// The writer below, the bytes that passed, and their SHA-256 in hex.
    pub(super) fn finish(self) -> (W, u64, String) {
        (self.inner, self.bytes, hex(self.sha.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sha.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
