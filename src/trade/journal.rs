//! The order journal: `orders.jsonl` beside the decisions of a session, one line per [`Entry`].

use super::desk::Entry;
use crate::units::TsNs;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Name of the file in a session's folder.
pub const JOURNAL_FILE: &str = "orders.jsonl";

/// The journal cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the order journal {} cannot be written", path.display())]
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
    path: PathBuf,
    lines: BufWriter<File>,
}

impl OrderJournal {
    /// Begins one in `folder`, or goes on with the one that is there.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(folder: &Path) -> Result<OrderJournal, JournalError> {
        let path = folder.join(JOURNAL_FILE);
        let open = || {
            fs::create_dir_all(folder)?;
            File::options().append(true).create(true).open(&path)
        };
        match open() {
            Ok(file) => Ok(OrderJournal { path, lines: BufWriter::new(file) }),
            Err(why) => Err(JournalError { path, why }),
        }
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
        let OrderJournal { path, lines } = self;
        let write = || -> io::Result<()> {
            for entry in entries {
                serde_json::to_writer(&mut *lines, &Line { at_ns: now.0, entry })?;
                lines.write_all(b"\n")?;
            }
            lines.flush()
        };
        write().map_err(|why| JournalError { path: path.clone(), why })
    }
}
