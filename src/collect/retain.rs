//! Periodic upkeep of a log: Parquet files are written, and old segments make room.

use crate::dataset::{self, DatasetError, ExportOptions, ExportSummary};
use crate::store::{Janitor, Log, SegmentInfo};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long segments are kept in the log.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Days after which a sealed segment may go.
    pub days: u32,
    /// Where it goes; `None`: it is deleted.
    pub archive: Option<PathBuf>,
}

/// What was taken out of a log, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pruning {
    /// Names of the segments.
    pub segments: Vec<String>,
    /// Rows in them.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
}

/// The segments that `retention` lets go at `now`: the oldest, up to the first that is younger or that is not
/// exported for good.
///
/// # Errors
/// When the manifest of the dataset cannot be read, or a file is not the one that it lists: the log may then
/// be the last copy.
pub fn plan(
    log: &Log,
    data_dir: &Path,
    retention: &Retention,
    now: SystemTime,
) -> Result<Vec<SegmentInfo>, DatasetError> {
    let needed_from = dataset::needed_from(log, data_dir)?;
    let age = Duration::from_secs(u64::from(retention.days) * 24 * 3_600);
    let may_go = |segment: &&SegmentInfo| {
        // Sealed files are never written again: their time is that of the sealing.
        let sealed = std::fs::metadata(&segment.path).and_then(|m| m.modified());
        let old = sealed.is_ok_and(|t| now.duration_since(t).is_ok_and(|passed| passed >= age));
        let needed = needed_from.iter().find(|(session, _)| *session == segment.session.id);
        old && needed.is_some_and(|(_, row_id)| segment.next_row_id() <= *row_id)
    };
    let segments: Vec<_> = log.segments().iter().take_while(may_go).cloned().collect();
    let mut sessions: Vec<_> = segments.iter().map(|segment| segment.session.id).collect();
    sessions.dedup();
    if !sessions.is_empty() {
        dataset::check_files(data_dir, &sessions)?;
    }
    Ok(segments)
}

impl Pruning {
    /// What `segments` amount to.
    pub fn of(segments: &[SegmentInfo]) -> Pruning {
        let name = |s: &SegmentInfo| s.path.file_name().map(|n| n.to_string_lossy().into_owned());
        Pruning {
            segments: segments.iter().filter_map(name).collect(),
            rows: segments.iter().map(|s| s.counts.records()).sum(),
            bytes: segments.iter().map(|s| s.bytes).sum(),
        }
    }
}

/// Exports what is sealed, then takes out what may go.
///
/// # Errors
/// As [`dataset::export`]; nothing is taken out of the log that was not exported.
pub(super) fn upkeep(
    data_dir: &Path,
    janitor: &Janitor,
    retention: Option<&Retention>,
) -> Result<(ExportSummary, Pruning), DatasetError> {
    let log = Log::open(data_dir)?;
    let exported = dataset::export(&log, data_dir, ExportOptions::default(), &mut |_| {})?;
    let Some(retention) = retention else { return Ok((exported, Pruning::default())) };
    let segments = plan(&log, data_dir, retention, SystemTime::now())?;
    janitor.prune(&segments, retention.archive.as_deref())?;
    Ok((exported, Pruning::of(&segments)))
}
