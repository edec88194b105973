//! A few small records under names, in one redb file: facts that must outlive the files they speak of.
//!
//! **Invariant:** [`Cabinet::put`] changes all of its records or none, and they are on disk when it returns.
//! **Invariant:** one process has the file at a time; another one waits for it.
//! **Invariant:** a file gets its name when it is whole: whoever is killed while making it leaves none.

use super::StoreError;
use super::guard::{Guarded, guarded};
use super::segment::rename;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("records");
/// The record that holds the version of the file's form.
const FORMAT_KEY: &str = "format";
/// The version that this program reads and writes.
const FORMAT: u32 = 1;
/// Memory for pages: the records are few.
const CACHE_BYTES: usize = 1 << 20;
/// How often, and after which pause, a file that another process has is tried again: 30 s, while nobody
/// holds it for longer than a commit takes, and disks that are slow to sync make queues.
const TRIES: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(10);

/// Entries by name.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// An open file of records.
pub struct Cabinet {
    path: PathBuf,
    db: Guarded<Database>,
}

impl Cabinet {
    /// Opens the file `path`, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened, is damaged, is of another format, or another process keeps it for 30 s.
    pub fn open(path: &Path) -> Result<Cabinet, StoreError> {
        let open = || if path.exists() { open(path) } else { create(path) };
        let mut tries = TRIES;
        let db = loop {
            match guarded(path, open) {
                Err(StoreError::Io { source, .. })
                    if source.kind() == ErrorKind::ResourceBusy && tries > 0 =>
                {
                    tries -= 1;
                    std::thread::sleep(PAUSE);
                }
                db => break Guarded::new(db?),
            }
        };
        let cabinet = Cabinet { path: path.to_owned(), db };
        cabinet.check_format()?;
        Ok(cabinet)
    }

    /// All records.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn entries(&self) -> Result<Entries, StoreError> {
        let mut entries = self.everything()?;
        entries.remove(FORMAT_KEY);
        Ok(entries)
    }

    /// Writes the records that have bytes, and removes those that have none.
    ///
    /// # Errors
    /// When they cannot be written; then none of them is.
    pub fn put(&self, changes: &BTreeMap<String, Option<Vec<u8>>>) -> Result<(), StoreError> {
        let fail = |e: redb::Error| StoreError::redb(&self.path, e);
        guarded(&self.path, || {
            let txn = self.db.begin_write().map_err(|e| fail(e.into()))?;
            {
                let mut table = txn.open_table(TABLE).map_err(|e| fail(e.into()))?;
                for (name, bytes) in changes {
                    let done = match bytes {
                        Some(bytes) => table.insert(name.as_str(), bytes.as_slice()).map(drop),
                        None => table.remove(name.as_str()).map(drop),
                    };
                    done.map_err(|e| fail(e.into()))?;
                }
            }
            txn.commit().map_err(|e| fail(e.into()))
        })
    }

    fn everything(&self) -> Result<Entries, StoreError> {
        let fail = |e: redb::Error| StoreError::redb(&self.path, e);
        guarded(&self.path, || {
            let txn = self.db.begin_read().map_err(|e| fail(e.into()))?;
            let table = match txn.open_table(TABLE) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Entries::new()),
                table => table.map_err(|e| fail(e.into()))?,
            };
            let mut entries = Entries::new();
            for row in table.iter().map_err(|e| fail(e.into()))? {
                let (name, bytes) = row.map_err(|e| fail(e.into()))?;
                entries.insert(name.value().to_owned(), bytes.value().to_owned());
            }
            Ok(entries)
        })
    }

    /// A new file is given its format; an old one must have ours.
    fn check_format(&self) -> Result<(), StoreError> {
        let ours = FORMAT.to_le_bytes().to_vec();
        match self.everything()?.get(FORMAT_KEY) {
            None => self.put(&BTreeMap::from([(FORMAT_KEY.to_owned(), Some(ours))])),
            Some(found) if *found == ours => Ok(()),
            Some(found) => Err(StoreError::Format {
                segment: super::error::file_name(&self.path),
                found: found.first().copied().unwrap_or(0).into(),
                known: FORMAT,
            }),
        }
    }
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let file = File::options().read(true).write(true).open(path);
    database(path, file.map_err(|e| StoreError::io(path, e))?)
}

/// Makes the file under another name. redb writes its mark last: a file that it was killed over is none to it.
fn create(path: &Path) -> Result<Database, StoreError> {
    let new = path.with_extension("new");
    let fail = |e| StoreError::io(&new, e);
    let mut options = File::options();
    let file =
        options.read(true).write(true).create(true).truncate(false).open(&new).map_err(fail)?;
    // The lock that redb takes: whoever has it makes the file, and others wait as they do for the finished one.
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(fail(ErrorKind::ResourceBusy.into())),
        Err(TryLockError::Error(e)) => return Err(fail(e)),
    }
    if path.exists() {
        // Another process was faster. What it left of the other name, if anything, is of no use.
        drop(file);
        let _ = std::fs::remove_file(&new);
        return open(path);
    }
    file.set_len(0).map_err(fail)?;
    let db = database(&new, file)?;
    rename(&new, path)?;
    Ok(db)
}

fn database(path: &Path, file: File) -> Result<Database, StoreError> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder.create_file(file).map_err(|e| StoreError::redb(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, bytes: Option<&[u8]>) -> BTreeMap<String, Option<Vec<u8>>> {
        BTreeMap::from([(name.to_owned(), bytes.map(<[u8]>::to_vec))])
    }

    #[test]
    fn what_was_put_is_there_after_opening_again() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("r.redb");
        let cabinet = Cabinet::open(&path).expect("open");
        assert_eq!(cabinet.entries().expect("read"), Entries::new());
        cabinet.put(&one("a", Some(b"1"))).expect("put");
        cabinet.put(&one("b", Some(b"2"))).expect("put");
        cabinet.put(&one("a", None)).expect("put");
        drop(cabinet);
        let again = Cabinet::open(&path).expect("open").entries().expect("read");
        assert_eq!(again, Entries::from([("b".to_owned(), b"2".to_vec())]));
    }

    #[test]
    fn a_second_hand_waits_until_the_first_lets_go() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("r.redb");
        let first = Cabinet::open(&path).expect("open");
        let (path, started) = (path.clone(), std::sync::Arc::new(std::sync::Barrier::new(2)));
        let second = std::thread::spawn({
            let started = started.clone();
            move || {
                started.wait();
                Cabinet::open(&path).and_then(|c| c.entries())
            }
        });
        started.wait();
        first.put(&one("a", Some(b"1"))).expect("put");
        drop(first);
        assert_eq!(second.join().expect("thread").expect("read").len(), 1);
    }

    /// redb gives a new file its size first and its mark last. A training that was killed between the two left a
    /// registry that nobody could open again.
    #[test]
    fn who_is_killed_while_making_the_file_leaves_none() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("r.redb");
        std::fs::write(path.with_extension("new"), vec![0u8; 4_096]).expect("write");
        assert!(database(&path, File::open(path.with_extension("new")).expect("open")).is_err());
        let cabinet = Cabinet::open(&path).expect("open");
        cabinet.put(&one("a", Some(b"1"))).expect("put");
        assert!(path.is_file() && !path.with_extension("new").exists());
    }

    #[test]
    fn many_who_make_the_file_at_once_have_one() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("r.redb");
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let path = &path;
                scope.spawn(move || {
                    Cabinet::open(path).and_then(|c| c.put(&one(name, Some(b"1")))).expect("put");
                });
            }
        });
        assert_eq!(Cabinet::open(&path).and_then(|c| c.entries()).expect("read").len(), 4);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_an_error() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("r.redb");
        std::fs::write(&path, vec![7u8; 9_000]).expect("write");
        assert!(matches!(Cabinet::open(&path), Err(StoreError::Corrupt { .. })));
    }
}
