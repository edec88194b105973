//! The session's summary, as a table for people.

use crate::cli::amount::{of_bytes, of_seconds};
use crate::cli::printer;
use crate::collect::CollectReport;

/// One line per figure.
pub(super) fn table(report: &CollectReport) -> String {
    let rows = [
        ("session", report.session.clone()),
        ("source", report.source.clone()),
        ("ended", report.cause.clone()),
        ("time", of_seconds(report.seconds as u64)),
        ("markets", report.markets.to_string()),
        ("messages", report.received.to_string()),
        ("deltas", report.rows.deltas.to_string()),
        ("snapshots", report.rows.snapshots.to_string()),
        ("trades", report.rows.trades.to_string()),
        ("rows committed", report.committed.to_string()),
        ("missing", report.missing.to_string()),
        ("gaps", format!("{} ({} open)", report.gaps, report.open_gaps)),
        ("reconnects", report.reconnects.to_string()),
        ("bad", report.bad.to_string()),
        ("duplicates", report.duplicates.to_string()),
        (
            "lag ms",
            format!(
                "min {:.1}, median {:.1}, p99 {:.1}",
                report.lag_min_ms, report.lag_ms.p50, report.lag_ms.p99
            ),
        ),
        (
            "to disk ms",
            format!("median {:.1}, p99 {:.1}", report.commit_ms.p50, report.commit_ms.p99),
        ),
        ("log", of_bytes(report.log_bytes as f64)),
        ("export files", report.exported_files.to_string()),
    ];
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(what, text)| vec![what.to_owned(), text]).collect();
    printer::table(&["figure", "value"], &rows)
}
