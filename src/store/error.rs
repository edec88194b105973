//! What can go wrong with the log, with the evidence.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why the log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Only one process may write a log.
    #[error("{} is being written by process {pid}", dir.display())]
    Locked {
        /// The log's folder.
        dir: PathBuf,
        /// Who holds the lock; 0 if it did not say.
        pid: u32,
    },
    /// Nothing was ever recorded here.
    #[error("there is no log at {}", dir.display())]
    NoLog {
        /// The folder that was looked for.
        dir: PathBuf,
    },
    /// No space is left. What was committed stays; what was not has to be appended again.
    #[error("no space left on the disk of {}", path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The archive cannot take a segment without losing something.
    #[error("the archive {} {why}", path.display())]
    Archive {
        /// The archive, or the file in it.
        path: PathBuf,
        /// What is in the way.
        why: &'static str,
    },
    /// Stored bytes are not what was written.
    #[error("segment {segment}{}: {why}", chunk.map_or(String::new(), |c| format!(", chunk {c}")))]
    Corrupt {
        /// File name of the segment.
        segment: String,
        /// Number of the chunk, where one chunk is concerned.
        chunk: Option<u32>,
        /// What does not fit.
        why: String,
    },
    /// The segment was written by a program of another format version.
    #[error("segment {segment} has format {found}; this program reads format {known}")]
    Format {
        /// File name of the segment.
        segment: String,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The thread that seals segments ended without an answer.
    #[error("sealing {} was abandoned", path.display())]
    SealAbandoned {
        /// The live segment that is still there; the next writer seals it.
        path: PathBuf,
    },
}

impl StoreError {
    /// An IO error with its place; a full disk gets its own kind.
    pub(super) fn io(path: &Path, source: std::io::Error) -> StoreError {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { path },
            _ => StoreError::Io { path, source },
        }
    }

    /// A redb error with its place.
    pub(super) fn redb(path: &Path, error: impl Into<redb::Error>) -> StoreError {
        match error.into() {
            // That is how redb says that a file is not one of its own.
            redb::Error::Io(e)
                if matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                StoreError::corrupt(path, None, e)
            }
            redb::Error::Io(source) => StoreError::io(path, source),
            // Not damage: the file must not be set aside.
            e @ redb::Error::DatabaseAlreadyOpen => {
                StoreError::io(path, std::io::Error::new(ErrorKind::ResourceBusy, e))
            }
            redb::Error::PreviousIo => StoreError::io(
                path,
                std::io::Error::other("an earlier write failed; open the log again"),
            ),
            other => StoreError::corrupt(path, None, other),
        }
    }

    /// Damage, with its place.
    pub(super) fn corrupt(
        path: &Path,
        chunk: Option<u32>,
        why: impl std::fmt::Display,
    ) -> StoreError {
        StoreError::Corrupt { segment: file_name(path), chunk, why: why.to_string() }
    }
}

/// The last part of `path` as text.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}
