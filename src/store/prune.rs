//! Old segments taken out of a log on purpose: moved to an archive, or given up.
//!
//! `log/pruned.json` says how far: rows before its `next_row_id` are not missing. The archive is complete
//! before that is written, and the log's own files go only after it, so that a crash between any two steps
//! loses nothing and leaves nothing that the next run does not clear away.
//!
//! **Invariant:** only a beginning of the log is ever taken, so that what is left has no hole.

use super::StoreError;
use super::disk::Files;
use super::error::file_name;
use super::lock::Lock;
use super::recover::{Listing, parse_stem, recover_locked};
use super::segment::rename;
use super::summary::SegmentInfo;
use crate::digest;
use crate::event::SessionId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the record in the log's folder.
const NAME: &str = "pruned.json";

/// How much of a log was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The first segment that must still be there.
    pub next_number: u32,
    /// The first row that must still be there.
    pub next_row_id: u64,
    /// What went, by session.
    pub sessions: BTreeMap<String, PrunedSession>,
}

/// What was taken out of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedSession {
    /// Files.
    pub segments: u32,
    /// Rows in them.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
}

impl Default for Pruned {
    fn default() -> Pruned {
        Pruned { next_number: 1, next_row_id: 1, sessions: BTreeMap::new() }
    }
}

impl Pruned {
    /// Reads the record of the log folder `dir`; the default where nothing was ever taken.
    pub(super) fn read(dir: &Path) -> Result<Pruned, StoreError> {
        let path = dir.join(NAME);
        match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|e| StoreError::corrupt(&path, None, e))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Pruned::default()),
            Err(e) => Err(StoreError::io(&path, e)),
        }
    }

    /// Rows that were taken out of `session`.
    pub fn rows_of(&self, session: SessionId) -> u64 {
        self.sessions.get(&session.to_string()).map_or(0, |s| s.rows)
    }

    /// True for a file whose rows were taken out: a crash kept it from being removed.
    pub(super) fn covers(&self, path: &Path) -> bool {
        parse_stem(path).is_some_and(|(number, _)| number < self.next_number)
    }

    fn enter(&mut self, segment: &SegmentInfo) {
        self.next_number = segment.number + 1;
        self.next_row_id = segment.next_row_id();
        let session = self.sessions.entry(segment.session.id.to_string()).or_default();
        session.segments += 1;
        session.rows += segment.counts.records();
        session.bytes += segment.bytes;
    }

    fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(NAME);
        let half = path.with_extension("tmp");
        let text = serde_json::to_vec_pretty(self).map_err(|e| StoreError::io(&path, e.into()))?;
        write_durably(&half, &text).map_err(|e| StoreError::io(&half, e))?;
        rename(&half, &path)
    }
}

/// The right to take segments out of a log: that of its writer, or of who holds the lock alone.
pub struct Janitor {
    dir: PathBuf,
    _lock: Arc<Lock>,
}

impl Janitor {
    /// Takes the log of `data_dir`, where nobody writes it.
    ///
    /// # Errors
    /// [`StoreError::NoLog`]; [`StoreError::Locked`] while a writer is alive; IO errors.
    pub fn take(data_dir: &Path) -> Result<Janitor, StoreError> {
        let dir = data_dir.join("log");
        if !dir.is_dir() {
            return Err(StoreError::NoLog { dir });
        }
        let lock = Lock::take(&dir)?;
        recover_locked(&Files, &dir)?;
        Ok(Janitor::of(dir, Arc::new(lock)))
    }

    /// Beside the writer that holds `lock`.
    pub(super) fn of(dir: PathBuf, lock: Arc<Lock>) -> Janitor {
        Janitor { dir, _lock: lock }
    }

    /// Takes `segments`, the first of the log in order, out of it: into `archive` where one is given, else
    /// for good. Clears away what an earlier run was kept from removing. Gives the bytes freed.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if `segments` are not the beginning of the log; IO errors. What was not
    /// archived stays.
    pub fn prune(
        &self,
        segments: &[SegmentInfo],
        archive: Option<&Path>,
    ) -> Result<u64, StoreError> {
        let mut pruned = Pruned::read(&self.dir)?;
        if let Some(archive) = archive {
            refuse_own_folder(archive, &self.dir)?;
        }
        for segment in segments {
            if segment.first_row_id != pruned.next_row_id {
                let why = format!("it does not follow row {}", pruned.next_row_id - 1);
                return Err(StoreError::corrupt(&segment.path, None, why));
            }
            if let Some(archive) = archive {
                keep_copy(&segment.path, archive)?;
            }
            pruned.enter(segment);
        }
        if !segments.is_empty() {
            pruned.write(&self.dir)?;
        }
        let mut freed = 0;
        for path in Listing::of(&self.dir)?.sealed.iter().filter(|path| pruned.covers(path)) {
            freed += std::fs::metadata(path).map_err(|e| StoreError::io(path, e))?.len();
            std::fs::remove_file(path).map_err(|e| StoreError::io(path, e))?;
        }
        Ok(freed)
    }
}

/// A copy onto itself would be removed with the original.
fn refuse_own_folder(archive: &Path, dir: &Path) -> Result<(), StoreError> {
    let real = |path: &Path| std::fs::canonicalize(path).map_err(|e| StoreError::io(path, e));
    std::fs::create_dir_all(archive).map_err(|e| StoreError::io(archive, e))?;
    if real(archive)? == real(dir)? {
        let why = "is the log's own folder";
        return Err(StoreError::Archive { path: archive.to_owned(), why });
    }
    Ok(())
}

/// Puts the file into `archive` under its own name; it is on disk there when this returns.
fn keep_copy(path: &Path, archive: &Path) -> Result<(), StoreError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |e| StoreError::io(&path, e)
    };
    let to = archive.join(file_name(path));
    if to.exists() {
        // Ours, from a run that was cut off, or the segment of another log: all logs begin with one name.
        let digest = |path: &Path| File::open(path).and_then(digest::sha256_of).map_err(at(path));
        return match digest(&to)? == digest(path)? {
            true => Ok(()),
            false => Err(StoreError::Archive { path: to, why: "holds a segment of another log" }),
        };
    }
    let half = to.with_extension("tmp");
    let mut file = File::open(path).map_err(at(path))?;
    let mut copy = File::create(&half).map_err(at(&half))?;
    std::io::copy(&mut file, &mut copy).and_then(|_| copy.sync_all()).map_err(at(&half))?;
    rename(&half, &to)
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
