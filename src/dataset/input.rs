//! What an export is given, and what it gives back.

use crate::event::{SessionMeta, Tickers};
use crate::store::{Heals, SessionSummary};
use crate::units::TsNs;
use serde::Serialize;
use std::collections::BTreeMap;

/// How to export.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// Rows of one table after which a session goes on in the next file; bounds the memory.
    pub rows_per_file: usize,
}

impl Default for ExportOptions {
    /// 2 097 152 rows: 14 MB of deltas on disk, about 200 MB while they are gathered.
    fn default() -> ExportOptions {
        ExportOptions { rows_per_file: 1 << 21 }
    }
}

/// What the data directory holds after an export.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportSummary {
    /// Published files, features included.
    pub files: u64,
    /// Rows per table.
    pub rows: BTreeMap<String, u64>,
    /// Size of all files.
    pub bytes: u64,
    /// Bytes of the deltas table over its rows; 0 without deltas.
    pub bytes_per_delta: f64,
    /// Sessions that this export wrote; the others had not changed.
    pub sessions_written: u64,
    /// Market definitions that could not be read, with the reason; those markets have empty columns.
    pub unread_markets: Vec<String>,
}

/// One session to be exported.
#[derive(Clone, Copy)]
pub struct SessionInput<'a> {
    /// What was known at its start.
    pub meta: &'a SessionMeta,
    /// Our wall clock at its end; `None` while it runs.
    pub ended: Option<TsNs>,
    /// Why it ended; empty while it runs.
    pub end_cause: &'a str,
    /// Records in the log, of every kind.
    pub records: u64,
    /// Dictionary of the records' markets.
    pub tickers: &'a Tickers,
    /// What healed its gaps, those of rows that follow the exported ones included.
    pub heals: &'a Heals,
}

impl<'a> SessionInput<'a> {
    /// A session of a log, whose dictionary is `tickers`.
    pub(super) fn of(
        session: &'a SessionSummary,
        tickers: &'a Tickers,
        heals: &'a Heals,
    ) -> SessionInput<'a> {
        SessionInput {
            meta: &session.meta,
            ended: session.cause.as_ref().and(session.recv).map(|r| r.1),
            end_cause: session.cause.as_deref().unwrap_or_default(),
            records: session.records(),
            tickers,
            heals,
        }
    }
}
