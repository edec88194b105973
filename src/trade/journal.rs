//! What a desk writes down beside the decisions of a session, as JSON lines: `orders.jsonl`, one line per [`Entry`],
//! and `queue_positions.jsonl`, one per place that an order was seen at.

use super::desk::{Entry, QueueLine};
use crate::units::TsNs;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Name of the file in a session's folder.
pub const JOURNAL_FILE: &str = "orders.jsonl";

/// Name of the file of places in the queue; there is none before the first place.
pub const QUEUE_FILE: &str = "queue_positions.jsonl";

/// A journal cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the journal {} cannot be written", path.display())]
pub struct JournalError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub why: io::Error,
}

#[derive(Serialize)]
struct Line<'a> {
    at_ns: i64,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// Writes entries down.
#[derive(Debug)]
pub struct OrderJournal {
    lines: Lines,
}

impl OrderJournal {
    /// Begins one in `folder`, or goes on with the one that is there.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(folder: &Path) -> Result<OrderJournal, JournalError> {
        Ok(OrderJournal { lines: Lines::open(folder, JOURNAL_FILE)? })
    }

    /// Adds entries and hands them to the system: they outlive this process.
    ///
    /// # Errors
    /// When they cannot be written, all or in part.
    pub fn write<'a>(
        &mut self,
        now: TsNs,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<(), JournalError> {
        self.lines.write(entries.into_iter().map(|entry| Line { at_ns: now.0, entry }))
    }
}

/// Writes places in the queue down.
#[derive(Debug)]
pub struct QueueJournal {
    folder: PathBuf,
    lines: Option<Lines>,
}

impl QueueJournal {
    /// One in `folder`, once there is something to write.
    pub fn at(folder: &Path) -> QueueJournal {
        QueueJournal { folder: folder.to_path_buf(), lines: None }
    }

    /// Adds places.
    ///
    /// # Errors
    /// When they cannot be written, all or in part.
    pub fn write(&mut self, places: &[QueueLine]) -> Result<(), JournalError> {
        if places.is_empty() {
            return Ok(());
        }
        let lines = match &mut self.lines {
            Some(lines) => lines,
            none => none.insert(Lines::open(&self.folder, QUEUE_FILE)?),
        };
        lines.write(places)
    }
}

/// A file of JSON lines that only grows.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Lines {
    fn open(folder: &Path, name: &str) -> Result<Lines, JournalError> {
        let path = folder.join(name);
        let open = || {
            fs::create_dir_all(folder)?;
            File::options().append(true).create(true).open(&path)
        };
        match open() {
            Ok(file) => Ok(Lines { path, file: BufWriter::new(file) }),
            Err(why) => Err(JournalError { path, why }),
        }
    }

    fn write<L: Serialize>(
        &mut self,
        lines: impl IntoIterator<Item = L>,
    ) -> Result<(), JournalError> {
        let Lines { path, file } = self;
        let write = || -> io::Result<()> {
            for line in lines {
                serde_json::to_writer(&mut *file, &line)?;
                file.write_all(b"\n")?;
            }
            file.flush()
        };
        write().map_err(|why| JournalError { path: path.clone(), why })
    }
}
