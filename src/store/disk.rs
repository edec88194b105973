//! How redb comes to the files that it writes.

use redb::{Builder, Database, DatabaseError};
use std::fs::File;
use std::path::Path;

/// The way from redb to a segment that is being written.
///
/// The program knows one, [`Files`]. A test of faults puts a [`redb::StorageBackend`] of its own in between, and
/// so cuts the power, fills the disk or slows it down below the very code that runs in earnest.
pub trait Disk: Send + Sync {
    /// redb over `file`, which was opened at `path` for reading and writing; an empty file becomes a new database.
    ///
    /// # Errors
    /// redb's own.
    fn database(
        &self,
        builder: &Builder,
        path: &Path,
        file: File,
    ) -> Result<Database, DatabaseError>;
}

/// The files themselves.
pub struct Files;

impl Disk for Files {
    fn database(
        &self,
        builder: &Builder,
        _path: &Path,
        file: File,
    ) -> Result<Database, DatabaseError> {
        builder.create_file(file)
    }
}
