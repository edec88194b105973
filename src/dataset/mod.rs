//! Dataset: the log as Parquet files that polars, pandas and DuckDB open without our help.
//!
//! ```text
//! DIR/README.md                      data card, generated from the manifest
//! DIR/manifest.json                  every published file with its rows, ranges and SHA-256; written last
//! DIR/v1/deltas/date=2026-08-10/deltas-20260810T214608Z-5f3a9c02-0001.parquet
//! DIR/v1/{snapshots,trades,gaps}/date=..           one file per session, UTC day of receipt and roll
//! DIR/v1/sessions/sessions.parquet, DIR/v1/markets/markets.parquet
//! DIR/v1/features/<layout>/date=..                 market columns of an observation layout
//! DIR/v1/resume/<session>.json                     where the export of a running session goes on
//! ```
//!
//! A column set is frozen per version directory; [`schema`] describes every column. Rows of a file
//! are sorted by `(market_ticker, row_id)`; `row_id` alone restores the order over everything recorded.
//!
//! **Invariant:** an export counts from the moment at which its manifest appears. Every file that a manifest
//! names is complete and on disk by then: with `.tmp` behind its name until the renames that follow are
//! done, which a reader knows and the next export makes up for. The same log gives the same bytes.
//! **Invariant:** what the exchange said about a market (book, trades, gaps) comes back from the files
//! as the same events ([`read_events`] inverts [`export`]).
//! **Invariant:** `arrow` and `parquet` are named nowhere else; polars only meets them in `bridge`.

#[cfg(feature = "frames")]
pub mod bridge;
mod card;
mod disk;
pub mod experience;
mod export;
mod features;
mod fold;
mod gather;
mod input;
mod load;
pub mod manifest;
pub mod played;
mod publish;
mod read;
mod reference;
mod resume;
mod rows;
pub mod schema;
mod staged;
pub mod tape;

pub use crate::store::Filter;
pub use card::{card, write_card};
pub use export::{Exporter, export};
pub use features::{FeatureRows, FeatureSet, FeatureWriter, read_features};
pub use input::{ExportOptions, ExportSummary, SessionInput};
pub use manifest::Manifest;
pub use read::{MarketEvents, read_events, read_markets, read_table, read_tape, wants_session};
pub use resume::{check_files, needed_from};

use std::path::PathBuf;

/// Version of the column sets, the `v1` of the directory and `kflow.schema_version` of every file.
pub const SCHEMA_VERSION: u32 = 1;

/// Name of the directory that holds the files of [`SCHEMA_VERSION`].
pub const VERSION_DIR: &str = "v1";

/// Why a dataset could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The log holds less of a session than was exported: the dataset may be its last copy.
    #[error("session {session} has {now} records in the log, but {before} were exported")]
    Shrunk {
        /// Which session.
        session: String,
        /// Records in the log.
        now: u64,
        /// Records when it was exported.
        before: u64,
    },
    /// The session was not exported whole before its first rows were taken out of the log.
    #[error("session {session} cannot be exported: its first rows were pruned from the log")]
    Pruned {
        /// Which session.
        session: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `rename`, ...
        doing: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not readable as Parquet, or could not be written as such.
    #[error("parquet file {}", path.display())]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Columns could not be put together.
    #[error("cannot build columns of table {table}")]
    Columns {
        /// Which table.
        table: String,
        /// Why.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// The file was written for another version of the column sets.
    #[error("{} has schema version {found}, this program reads version {want}", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version in its metadata, `none` when absent.
        found: String,
        /// The version that this program reads.
        want: u32,
    },
    /// The file's columns are not those of its table.
    #[error("{} does not hold table {table}: {why}", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// The table that it should hold.
        table: String,
        /// The first difference.
        why: String,
    },
    /// The file's bytes are not those that the manifest lists.
    #[error("{} is not the file of the manifest: SHA-256 {found}, listed {want}", path.display())]
    Checksum {
        /// Which file.
        path: PathBuf,
        /// SHA-256 of the bytes found.
        found: String,
        /// SHA-256 in the manifest.
        want: String,
    },
    /// There is no dataset.
    #[error("nothing was exported to {}", data_dir.display())]
    Absent {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The manifest cannot be used.
    #[error("manifest {}: {why}", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A value that no writer of ours produces.
    #[error("table {table}, row_id {row_id}: {why}")]
    Value {
        /// Which table.
        table: &'static str,
        /// Which row.
        row_id: i64,
        /// What is wrong.
        why: String,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] crate::store::StoreError),
    /// There are no features of this layout that fit the events.
    #[error("features of layout {layout} cannot be used: {why}")]
    Stale {
        /// The layout.
        layout: String,
        /// What does not fit.
        why: &'static str,
    },
    /// polars refused columns that crossed the bridge.
    #[error("columns cannot cross to polars: {0}")]
    Bridge(String),
}

impl DatasetError {
    fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> DatasetError {
        let path = path.into();
        move |source| DatasetError::Io { doing, path, source }
    }

    /// True when the data are at fault (exit code 5), not the machine or the caller.
    pub fn is_integrity(&self) -> bool {
        use crate::store::StoreError::{Corrupt, Format};
        match self {
            DatasetError::Log(e) => matches!(e, Corrupt { .. } | Format { .. }),
            DatasetError::Io { .. } | DatasetError::Absent { .. } | DatasetError::Bridge(_) => {
                false
            }
            _ => true,
        }
    }
}
