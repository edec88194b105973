//! What a segment and a session hold, in numbers.

use super::StoreError;
use super::chunk::{self, Head};
use super::reader::SealedReader;
use super::recover::parse_stem;
use super::segment::{LocalMarket, SegmentHead};
use crate::event::{SessionId, SessionMeta};
use crate::units::TsNs;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Rows per kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Changes of a level.
    pub deltas: u64,
    /// Whole books.
    pub snapshots: u64,
    /// Public trades.
    pub trades: u64,
    /// Holes.
    pub gaps: u64,
    /// Rows that say that a hole was healed.
    pub healed: u64,
    /// Frames kept uninterpreted.
    pub other: u64,
    /// Frames that could not be read.
    pub bad: u64,
    /// Market definitions and settlements.
    pub markets: u64,
}

impl Counts {
    fn of(head: &Head) -> Counts {
        let count = |kind: usize| u64::from(head.counts[kind]);
        Counts {
            deltas: count(chunk::DELTA),
            snapshots: count(chunk::SNAPSHOT),
            trades: count(chunk::TRADE),
            gaps: count(chunk::GAP),
            healed: count(chunk::HEALED),
            other: count(chunk::OTHER),
            bad: count(chunk::BAD),
            markets: count(chunk::MARKET),
        }
    }

    /// Rows of all kinds.
    pub fn records(&self) -> u64 {
        self.deltas
            + self.snapshots
            + self.trades
            + self.gaps
            + self.healed
            + self.other
            + self.bad
            + self.markets
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, o: Counts) {
        self.deltas += o.deltas;
        self.snapshots += o.snapshots;
        self.trades += o.trades;
        self.gaps += o.gaps;
        self.healed += o.healed;
        self.other += o.other;
        self.bad += o.bad;
        self.markets += o.markets;
    }
}

/// One sealed file of the log.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    /// The file.
    pub path: PathBuf,
    /// Its size on disk.
    pub bytes: u64,
    /// Place in the log, from 1.
    pub number: u32,
    /// Place in its session, from 0.
    pub place: u32,
    /// The session that it belongs to.
    pub session: SessionMeta,
    /// `row_id` of its first row; the others follow without a hole.
    pub first_row_id: u64,
    /// Rows per kind.
    pub counts: Counts,
    /// Earliest and latest receive time; `None` without rows.
    pub recv: Option<(TsNs, TsNs)>,
    /// Why the session ended here; `None` if it goes on in the next segment.
    pub cause: Option<String>,
    /// The segment's own dictionary.
    pub(super) markets: Vec<LocalMarket>,
    /// Its chunks.
    pub(super) chunks: Vec<Head>,
}

impl SegmentInfo {
    /// Reads everything but the chunks' payloads of a sealed file.
    pub(super) fn read(path: &Path) -> Result<SegmentInfo, StoreError> {
        let bytes = std::fs::metadata(path).map_err(|e| StoreError::io(path, e))?.len();
        let reader = SealedReader::open(path)?;
        let SegmentHead { number, place, first_row_id, session } = reader.head()?;
        if parse_stem(path) != Some((number, first_row_id)) {
            let why =
                format!("it is segment {number} from row {first_row_id}, not what its name says");
            return Err(StoreError::corrupt(path, None, why));
        }
        let end =
            reader.end()?.ok_or_else(|| StoreError::corrupt(path, None, "it was never sealed"))?;
        let chunks = reader.chunks()?;
        let rows: u64 = chunks.iter().map(Head::rows).sum();
        if (chunks.len() as u64, rows) != (u64::from(end.chunks), end.rows) {
            let why = format!(
                "{} chunks with {rows} rows, sealed with {} and {}",
                chunks.len(),
                end.chunks,
                end.rows
            );
            return Err(StoreError::corrupt(path, None, why));
        }
        let mut counts = Counts::default();
        chunks.iter().for_each(|head| counts += Counts::of(head));
        let from = chunks.iter().map(|head| head.recv_min).min();
        let to = chunks.iter().map(|head| head.recv_max).max();
        Ok(SegmentInfo {
            path: path.to_owned(),
            bytes,
            number,
            place,
            session,
            first_row_id,
            counts,
            recv: from.zip(to),
            cause: end.cause,
            markets: reader.markets()?,
            chunks,
        })
    }

    /// The `row_id` after its last row.
    pub fn next_row_id(&self) -> u64 {
        self.first_row_id + self.counts.records()
    }
}

/// One run of the collector or one import.
#[derive(Clone, Debug)]
pub struct SessionSummary {
    /// What was known at its start.
    pub meta: SessionMeta,
    /// Earliest and latest receive time; `None` without rows.
    pub recv: Option<(TsNs, TsNs)>,
    /// Why it ended (`done`, `crash`, ...); `None` while it is being written.
    pub cause: Option<String>,
    /// Rows per kind.
    pub counts: Counts,
    /// Markets of which it has rows.
    pub markets: Vec<String>,
    /// Sealed files.
    pub segments: u32,
    /// Their size on disk.
    pub bytes: u64,
    /// Rows that were taken out of the log on purpose: `counts` is without them.
    pub pruned: u64,
}

impl SessionSummary {
    /// Identity of the session.
    pub fn id(&self) -> SessionId {
        self.meta.id
    }

    /// Rows that it ever had in the log.
    pub fn records(&self) -> u64 {
        self.pruned + self.counts.records()
    }

    /// A session of which no segment is counted yet.
    pub(super) fn empty(meta: SessionMeta) -> SessionSummary {
        SessionSummary {
            meta,
            recv: None,
            cause: None,
            counts: Counts::default(),
            markets: Vec::new(),
            segments: 0,
            bytes: 0,
            pruned: 0,
        }
    }

    /// Counts the session's next segment.
    pub(super) fn add(&mut self, segment: &SegmentInfo) {
        self.recv = match (self.recv, segment.recv) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
        self.cause.clone_from(&segment.cause);
        self.counts += segment.counts;
        for market in &segment.markets {
            if !self.markets.contains(&market.ticker) {
                self.markets.push(market.ticker.clone());
            }
        }
        self.segments += 1;
        self.bytes += segment.bytes;
    }
}
