//! What a run came to: counted from the rows on disk where they tell it, else from the feed's counters.

use super::CollectSpec;
use super::meter::Meter;
use super::ports::LogState;
use crate::store::{Counts, SessionSummary};
use crate::view::Quantiles;
use serde::Serialize;

/// The figures of one run of the collector: of its one session, or of all where it had to wait for space.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CollectReport {
    /// The last session.
    pub session: String,
    /// Sessions of this run.
    pub sessions: u64,
    /// Where the events come from; synthetic data start with `sim:`.
    pub source: String,
    /// `prod`, `demo` or `sim`.
    pub exchange_env: String,
    /// Why the last session ended.
    pub cause: String,
    /// Markets with rows.
    pub markets: u64,
    /// Frames received.
    pub received: u64,
    /// Rows on disk: frames, gap rows, market definitions and remarks of our own.
    pub committed: u64,
    /// Sequence numbers that never came.
    pub missing: u64,
    /// Frames that came twice.
    pub duplicates: u64,
    /// Frames that came after their number was given up (kept as bytes).
    pub late: u64,
    /// Frames that could not be read (kept as bytes).
    pub bad: u64,
    /// Gap rows.
    pub gaps: u64,
    /// Gap rows that nothing has healed.
    pub open_gaps: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Rows on disk by kind.
    pub rows: Counts,
    /// Exchange's stamp to our receipt, milliseconds.
    pub lag_ms: Quantiles,
    /// The shortest of these.
    pub lag_min_ms: f64,
    /// Receipt to disk, milliseconds.
    pub commit_ms: Quantiles,
    /// Size of the sealed files.
    pub log_bytes: u64,
    /// Differences that the audit found between live books and REST.
    pub drift: u64,
    /// Parquet files published when the run ended; 0 without an export.
    pub exported_files: u64,
    /// Seconds from the start to the end.
    pub seconds: f64,
    #[serde(skip)]
    lag: Meter,
    #[serde(skip)]
    commit: Meter,
}

impl CollectReport {
    /// Nothing collected yet.
    pub(super) fn begin(spec: &CollectSpec, session: &str) -> CollectReport {
        CollectReport {
            session: session.to_owned(),
            sessions: 1,
            source: spec.source.clone(),
            exchange_env: spec.exchange_env.clone(),
            cause: "error".to_owned(),
            ..CollectReport::default()
        }
    }

    /// Takes over what the log thread knew at its end.
    pub(super) fn log(&mut self, state: &LogState) {
        let counters = state.counters;
        self.received = counters.received;
        self.committed = state.kept.committed;
        self.missing = counters.missing;
        self.duplicates = counters.duplicates;
        self.late = counters.late;
        self.drift = state.drift;
        self.bad = counters.bad;
        self.gaps = counters.gaps + state.own_gaps;
        self.open_gaps = counters.open_gaps + state.own_gaps;
        self.reconnects = counters.reconnects;
        self.markets = counters.markets;
        (self.lag, self.commit) = (state.lag.clone(), state.kept.commit.clone());
        self.figures();
    }

    /// Takes over what the sealed session holds.
    pub(super) fn sealed(&mut self, summary: &SessionSummary) {
        self.rows = summary.counts;
        self.committed = summary.counts.records();
        self.gaps = summary.counts.gaps;
        self.markets = summary.markets.len() as u64;
        self.log_bytes = summary.bytes;
    }

    /// This run, and `later` after it.
    #[must_use]
    pub(super) fn and(self, later: CollectReport) -> CollectReport {
        let mut sum = CollectReport {
            sessions: self.sessions + later.sessions,
            markets: self.markets.max(later.markets),
            received: self.received + later.received,
            committed: self.committed + later.committed,
            missing: self.missing + later.missing,
            duplicates: self.duplicates + later.duplicates,
            late: self.late + later.late,
            bad: self.bad + later.bad,
            gaps: self.gaps + later.gaps,
            open_gaps: self.open_gaps + later.open_gaps,
            reconnects: self.reconnects + later.reconnects,
            log_bytes: self.log_bytes + later.log_bytes,
            drift: self.drift + later.drift,
            seconds: self.seconds + later.seconds,
            ..later
        };
        sum.rows += self.rows;
        sum.lag.add(&self.lag);
        sum.commit.add(&self.commit);
        sum.figures();
        sum
    }

    fn figures(&mut self) {
        self.lag_ms = self.lag.overall();
        self.lag_min_ms = self.lag.least_ms();
        self.commit_ms = self.commit.overall();
    }
}
