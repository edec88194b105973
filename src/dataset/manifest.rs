//! The manifest: what is published, and how to check it with `sha256sum`.
//!
//! **Invariant:** written after every file that it names is on disk, by rename; a file that it does not name
//! is not part of the dataset. It holds no clock value: the same log gives the same manifest.

use super::{DatasetError, SCHEMA_VERSION, disk, publish};
use crate::digest::sha256_hex;
use crate::event::SessionMeta;
use crate::units::TsNs;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the manifest in the data directory.
pub const NAME: &str = "manifest.json";

/// Everything that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the column sets: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program that wrote it last.
    pub writer: String,
    /// Exported sessions, by id.
    pub sessions: Vec<SessionEntry>,
    /// Published files, by path.
    pub files: Vec<FileEntry>,
}

/// One exported session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// What was known at its start.
    pub meta: SessionMeta,
    /// Our wall clock at its end; `None` while it runs.
    pub ended: Option<TsNs>,
    /// Why it ended; empty while it runs.
    pub end_cause: String,
    /// Records in the log when it was exported, of every kind: tells whether it grew since.
    pub records: u64,
    /// First and last row; `None` without records.
    pub row_ids: Option<(u64, u64)>,
    /// Events exported.
    pub counts: Counts,
}

/// Events of a session, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Changes of one level.
    pub deltas: u64,
    /// Whole books (not rows: a book is one row per level).
    pub snapshots: u64,
    /// Public trades.
    pub trades: u64,
    /// Gaps (not rows: a gap is one row per market that it hits).
    pub gaps: u64,
    /// Gaps that nothing has healed.
    pub open_gaps: u64,
}

/// One published file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path in the data directory, with `/`.
    pub path: String,
    /// Table: `deltas`, `snapshots`, ...
    pub table: String,
    /// What a feature file was computed by and from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeatureOrigin>,
    /// Rows.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// Lowest `row_id`; `None` where the table has none.
    pub row_id_min: Option<i64>,
    /// Highest `row_id`.
    pub row_id_max: Option<i64>,
    /// Earliest time (`ts_recv`; of features `ts_event`), RFC 3339.
    pub ts_min: Option<String>,
    /// Latest time.
    pub ts_max: Option<String>,
    /// Sessions with rows in the file.
    pub sessions: Vec<String>,
}

/// What features were computed by and from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureOrigin {
    /// Observation layout.
    pub layout: String,
    /// SHA-256 of the layout, hex.
    pub layout_hash: String,
    /// [`Manifest::fingerprint`] of the events.
    pub events: String,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            schema_version: SCHEMA_VERSION,
            writer: publish::WRITER.to_owned(),
            sessions: Vec::new(),
            files: Vec::new(),
        }
    }
}

impl Manifest {
    /// Reads `data_dir/manifest.json`; `None` where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, is not a manifest, or is one of another version.
    pub fn read(data_dir: &Path) -> Result<Option<Manifest>, DatasetError> {
        let path = data_dir.join(NAME);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DatasetError::io("read", path)(e)),
        };
        let broken = |why: String| DatasetError::Manifest { path: path.clone(), why };
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|e| broken(format!("is not JSON: {e}")))?;
        let found = &value["schema_version"];
        if found != SCHEMA_VERSION {
            let found = found.to_string();
            return Err(DatasetError::Version { path, found, want: SCHEMA_VERSION });
        }
        let manifest: Manifest =
            serde_json::from_value(value).map_err(|e| broken(e.to_string()))?;
        match manifest.files.iter().find(|f| !disk::is_inside(&f.path)) {
            Some(f) => Err(broken(format!("names {:?}, outside the data directory", f.path))),
            None => Ok(Some(manifest)),
        }
    }

    /// The manifest of a dataset that must exist.
    ///
    /// # Errors
    /// As [`Manifest::read`]; [`DatasetError::Absent`] where there is none.
    pub fn existing(data_dir: &Path) -> Result<Manifest, DatasetError> {
        let absent = || DatasetError::Absent { data_dir: data_dir.to_owned() };
        Manifest::read(data_dir)?.ok_or_else(absent)
    }

    /// Publishes the manifest, sorted, by rename; then the staged files that it names get their names.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, data_dir: &Path) -> Result<(), DatasetError> {
        self.writer = publish::WRITER.to_owned();
        self.sessions.sort_by_key(|s| s.meta.id);
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        let path = data_dir.join(NAME);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| DatasetError::Manifest { path: path.clone(), why: e.to_string() })?;
        text.push('\n');
        disk::write_text(&path, &text)?;
        self.files.iter().try_for_each(|file| disk::unstage(&data_dir.join(&file.path)))
    }

    /// Files of `table`, in the order of their paths.
    pub fn table<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a FileEntry> + 'a {
        self.files.iter().filter(move |f| f.table == table)
    }

    /// SHA-256 over the list of all files but features, which follow from the others: identifies the
    /// data that a model was trained on.
    pub fn fingerprint(&self) -> String {
        let events = self.files.iter().filter(|f| f.features.is_none());
        sha256_hex(events.map(|f| format!("{} {}\n", f.sha256, f.path)).collect::<String>())
    }
}
