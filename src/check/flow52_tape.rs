//! Rows of layout `flow52-v1` sampled from the recorded tape.
//!
//! A row can only be had by replaying its whole window, so each window is replayed once and its
//! sampled rows, their number, times and column means are compared.

use super::golden::{compare, form, parse};
use super::{CheckError, Outcome, tape};
use crate::features::account::{AccountView, write_account};
use crate::features::{Layout, Observer, Row};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

const LAYOUT: Layout = Layout::Flow52V1;
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Header {
    layout: String,
    decision_interval_ms: Option<i64>,
    windows: BTreeMap<String, Window>,
}

/// What is known of all rows of a window; what is absent is not compared.
#[derive(Deserialize)]
struct Window {
    decisions: Option<usize>,
    ts_ms_sum: Option<i64>,
    #[serde(default)]
    column_means: Vec<f64>,
}

#[derive(Deserialize)]
struct Sample {
    window: String,
    index: usize,
    ts_ms: i64,
    market: Vec<f64>,
    #[serde(default)]
    account: Vec<f64>,
}

/// One row of the replay: its time, and all 52 values with a flat account.
type Replayed = (i64, Vec<f32>);

/// Replays every window that the header names and compares the rows that follow it.
pub(super) fn check(
    path: &Path,
    lines: &[(usize, String)],
    tape: Option<&Path>,
    outcome: &mut Outcome,
) -> Result<(), CheckError> {
    let Some(tape) = tape else {
        return Err(CheckError::NoTape(path.display().to_string()));
    };
    let header: Header = parse(path, &lines[0])?;
    if header.layout != LAYOUT.name() {
        return Err(form(path, &format!("layout `{}` instead of `{LAYOUT}`", header.layout)));
    }
    let interval_ms =
        header.decision_interval_ms.unwrap_or(crate::features::flow52::DECISION_INTERVAL_MS);
    let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for line in &lines[1..] {
        let sample: Sample = parse(path, line)?;
        if !header.windows.contains_key(&sample.window) {
            return Err(form(path, &format!("window {} is not in the header", sample.window)));
        }
        samples.entry(sample.window.clone()).or_default().push(sample);
    }
    for (name, window) in &header.windows {
        let rows = replayed(tape, name, interval_ms)?;
        for sample in samples.get(name).map_or(&[][..], |list| list) {
            let result = check_sample(sample, &rows, outcome);
            outcome.case(result.map_err(|why| format!("{name} row {}: {why}", sample.index)));
        }
        // Cases are rows; what is true of a whole window is counted only when it is not.
        if let Err(why) = check_window(window, &rows) {
            outcome.case(Err(format!("{name}: {why}")));
        }
    }
    Ok(())
}

fn replayed(tape: &Path, window: &str, interval_ms: i64) -> Result<Vec<Replayed>, CheckError> {
    let info = tape::market_info(tape, window)?;
    let mut observer = Observer::flow52_every(interval_ms, info.open, info.close);
    let mut rows = Vec::new();
    tape::replay(tape, window, |event| rows.extend(observer.push(event).map(|row| full(&row))))?;
    rows.extend(observer.finish().map(|row| full(&row)));
    Ok(rows)
}

fn full(row: &Row<'_>) -> Replayed {
    let account = AccountView {
        t_ms: row.ts_ms,
        bid: row.bid(),
        ask: row.ask(),
        mid2: row.mid2.into(),
        ..AccountView::flat(1_000_000)
    };
    let mut values = row.market.to_vec();
    values.resize(LAYOUT.len(), 0.0);
    write_account(LAYOUT, &account, &mut values[LAYOUT.market_len()..]);
    (row.ts_ms, values)
}

fn check_sample(sample: &Sample, rows: &[Replayed], outcome: &mut Outcome) -> Result<(), String> {
    let (ts_ms, got) = rows.get(sample.index).ok_or("missing")?;
    if *ts_ms != sample.ts_ms {
        return Err(format!("at {ts_ms} instead of {}", sample.ts_ms));
    }
    let want = [&sample.market[..], &sample.account[..]].concat();
    // A file may leave out the account part, but nothing else.
    let given = if sample.account.is_empty() { LAYOUT.market_len() } else { LAYOUT.len() };
    compare(outcome, got[..given].iter().map(|v| f64::from(*v)), &want, TOLERANCE)
}

fn check_window(window: &Window, rows: &[Replayed]) -> Result<(), String> {
    if let Some(decisions) = window.decisions.filter(|n| *n != rows.len()) {
        return Err(format!("{} decisions instead of {decisions}", rows.len()));
    }
    let sum: i64 = rows.iter().map(|row| row.0).sum();
    if let Some(want) = window.ts_ms_sum.filter(|want| *want != sum) {
        return Err(format!("times add up to {sum} instead of {want}"));
    }
    for (i, want) in window.column_means.iter().enumerate().take(LAYOUT.market_len()) {
        let mean = rows.iter().map(|row| f64::from(row.1[i])).sum::<f64>() / rows.len() as f64;
        // A mean over nothing is NaN, which must not pass.
        if mean.is_nan() || (mean - want).abs() > TOLERANCE {
            return Err(format!("mean of value {i} is {mean} instead of {want}"));
        }
    }
    Ok(())
}
