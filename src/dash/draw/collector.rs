//! How the recording goes, how late frames come, what was recorded, what is missing.

use super::chart::{Plot, Series};
use super::{Paint, clock, cut, first_row, top, top_row};
use crate::dash::lags::LAG_BOUNDS_MS;
use crate::dash::panes::Pane;
use crate::units::TsUs;
use crate::view::CollectStatus;
use crate::view::text::{of_bytes, of_count, of_seconds, of_span};
use crate::wire::convert::time_text;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// The collector's figures and the rate of frames.
pub(super) fn figures(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let Some(status) = &state.status.collect else {
        let inner = p.frame(Pane::Figures, area, "");
        return p.nothing(inner, &["no collector is running", "kflow collect"]);
    };
    let inner = p.frame(Pane::Figures, area, &format!("{} {}", status.exchange_env, status.source));
    let current = p.trouble.is_none();
    let style = if current { Style::new() } else { p.theme.dim() };
    let rows = table(status, top::word(p));
    let wide = inner.width >= 76;
    let per_column = if wide { rows.len().div_ceil(2) } else { rows.len() };
    for (i, (name, text)) in rows.iter().enumerate() {
        let (x, y) = ((i / per_column) as u16 * 38, (i % per_column) as u16);
        p.put(inner, x, y, name, p.theme.dim());
        p.put(inner, x + 12, y, text, style);
    }
    let table = per_column as u16;
    let below = Rect {
        y: inner.y + table.min(inner.height),
        height: inner.height.saturating_sub(table),
        ..inner
    };
    let rates: Vec<(f64, f64)> =
        state.rates.iter().enumerate().map(|(i, (rate, _))| (i as f64, *rate)).collect();
    let line = if current { p.theme.series(0) } else { p.theme.dim() };
    let series = [Series::new(&rates, line)];
    Plot { area: below, label: |v: f64| format!("{}/s", of_count(v)) }.draw(p, &series);
}

/// Rows of the table, what matters most first; `word` is the state of the collector, and whether all is well.
fn table(s: &CollectStatus, (word, well): (&str, bool)) -> Vec<(&'static str, String)> {
    let days = s.disk_days.map_or(String::new(), |days| format!(", ~{days:.0} days"));
    let growth = of_bytes(s.log_bytes_per_min);
    // The smallest screen shows the first ten.
    let mut rows = vec![
        (
            "state",
            format!("{word}{} {}", if well { " for" } else { ", was up" }, of_seconds(s.uptime_s)),
        ),
        ("markets", format!("{} ({} unknown)", s.markets, s.stale)),
        ("frames", format!("{} ({}/s)", of_count(s.received as f64), of_count(s.frames_per_s))),
        (
            "on disk",
            format!("{} of {} rows", of_count(s.committed as f64), of_count(s.accepted as f64)),
        ),
        ("queue", format!("{} of {} batches", s.queue, s.queue_max)),
        ("lag", format!("p50 {:.1} ms, p99 {:.1} ms", s.lag_ms.p50, s.lag_ms.p99)),
        ("gaps", format!("{} ({} open), {} missing", s.gaps, s.open_gaps, s.missing)),
        ("reconnects", s.reconnects.to_string()),
        ("log", format!("{} (+{growth}/min)", of_bytes(s.log_bytes as f64))),
        ("disk", format!("{} free{days}", of_bytes(s.disk_free_bytes as f64))),
        ("to disk", format!("p50 {:.1} ms, p99 {:.1} ms", s.commit_ms.p50, s.commit_ms.p99)),
        (
            "odd",
            format!("{} bad, {} double, {} late, {} drift", s.bad, s.duplicates, s.late, s.drift),
        ),
        ("session", s.session.clone()),
    ];
    if !s.problem.is_empty() {
        // In place of what can be missed first among the first ten.
        let minor = rows.iter().position(|(name, _)| *name == "reconnects");
        let minor: Vec<_> = minor.map(|at| rows.remove(at)).into_iter().collect();
        rows.insert(0, ("problem", s.problem.clone()));
        rows.extend(minor);
    }
    rows
}

/// Frames by how late they came.
pub(super) fn lags(p: &mut Paint<'_>, area: Rect) {
    let inner = p.frame(Pane::LagClasses, area, "last minute");
    let classes = p.state.live.lags.classes();
    if classes.iter().all(|count| *count == 0) {
        return p.nothing(inner, &["no stamped frame"]);
    }
    let classes = folded(&classes, usize::from(inner.height));
    let max = classes.iter().copied().max().unwrap_or(0);
    let room = f64::from(inner.width.saturating_sub(20));
    let bars = if p.trouble.is_none() { p.theme.series(0) } else { p.theme.dim() };
    for (i, count) in classes.iter().enumerate() {
        let y = i as u16;
        let name = match LAG_BOUNDS_MS.get(i).filter(|_| i + 1 < classes.len()) {
            Some(bound @ 0..1_000) => format!("to {bound} ms"),
            Some(bound) => format!("to {} s", bound / 1_000),
            None => "more".to_owned(),
        };
        p.put_right(inner, 10, y, &name, p.theme.dim());
        let bar = (*count as f64 / max as f64 * room).ceil() as usize;
        p.put(inner, 11, y, &"█".repeat(bar), bars);
        p.put_right(inner, inner.width, y, &of_count(*count as f64), Style::new());
    }
}

/// Classes for so many rows: the last one has all that the others leave.
fn folded(classes: &[u64], rows: usize) -> Vec<u64> {
    let (shown, rest) = classes.split_at(rows.saturating_sub(1).min(classes.len() - 1));
    shown.iter().copied().chain([rest.iter().sum()]).collect()
}

/// What is said of a recording that has just begun.
const UNSEALED: [&str; 2] =
    ["the session that runs is not sealed yet:", "done hourly, each 64 MiB, and at its end"];

/// Recorded sessions, newest first: as far as they are sealed.
pub(super) fn sessions(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let inner = p.frame(Pane::Sessions, area, "Enter replays");
    let (problem, rest) =
        (&state.status.log_problem, u16::from(!state.status.log_problem.is_empty()));
    p.put(inner, 0, 0, problem, p.theme.warn());
    let inner = Rect { y: inner.y + rest, height: inner.height.saturating_sub(rest), ..inner };
    if state.status.sessions.is_empty() {
        return match problem.is_empty() {
            _ if state.records_unsealed() => p.nothing(inner, &UNSEALED),
            true => p.nothing(inner, &["nothing is recorded yet", "kflow collect"]),
            false => p.nothing(inner, &["none can be read"]),
        };
    }
    let shown = usize::from(inner.height.saturating_sub(1));
    let first = first_row(state.rows[2], shown, state.status.sessions.len());
    // The year only where there is room.
    let date = if inner.width >= 70 { 0 } else { 5 };
    let started = 16 - date;
    let head =
        format!("{:<started$} for      rows    gaps  ended      size      source", "started");
    p.put(inner, 0, 0, &head, p.theme.dim());
    for (i, (y, session)) in (1..inner.height).zip(&state.status.sessions[first..]).enumerate() {
        let began = time_text(TsUs(session.from.0.div_euclid(1_000_000_000) * 1_000_000));
        let text = format!(
            "{:<started$} {:<8} {:<7} {:<5} {:<10} {:<9} {}",
            began.get(date..16).unwrap_or_default().replace('T', " "),
            of_span((session.to.0 - session.from.0) / 1_000_000_000),
            of_count(session.records as f64),
            session.gaps,
            match session.cause.as_str() {
                "" if state.records(&session.id) => "so far",
                "" => "(open)",
                cause => cause,
            },
            of_bytes(session.bytes as f64),
            session.source,
        );
        p.put(inner, 0, y, &text, Style::new());
        if first + i == state.rows[2] && state.focus() == Pane::Sessions {
            p.choose(inner, y);
        }
    }
}

/// Gaps and what healed them, newest first.
pub(super) fn gaps(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let gaps = &state.live.gaps;
    let inner = p.frame(Pane::Gaps, area, "seen here");
    if gaps.is_empty() {
        return p.nothing(inner, &["none seen"]);
    }
    let first = top_row(state.rows[5], inner, gaps.len());
    for (y, gap) in (0..inner.height).zip(gaps.iter().rev().skip(first)) {
        let missing =
            if gap.missing > 0 { format!(" {} frames", gap.missing) } else { String::new() };
        let quiet = match gap.quiet_ns {
            0 => String::new(),
            ns => format!(" {:.1} s", ns as f64 / 1e9),
        };
        let (sign, style) =
            if gap.healed { ("healed", p.theme.dim()) } else { ("× gap ", p.theme.warn()) };
        let text = format!("{} {sign} {}{missing}{quiet}", clock(gap.at), gap.cause.word());
        p.put(inner, 0, y, &cut(&text, usize::from(inner.width)), style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_few_rows_there_are_every_frame_is_counted() {
        let classes = [1, 2, 3, 4, 5];
        assert_eq!(folded(&classes, 5), classes);
        assert_eq!(folded(&classes, 9), classes);
        assert_eq!(folded(&classes, 3), [1, 2, 12]);
        assert_eq!(folded(&classes, 1), [15]);
    }

    #[test]
    fn a_problem_stands_first_and_the_disk_still_among_the_first_ten() {
        let status = CollectStatus { problem: "the disk is full".into(), ..Default::default() };
        let rows = table(&status, ("SILENT", false));
        let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
        assert_eq!((names[0], names.len()), ("problem", 14));
        assert!(names[..10].contains(&"disk") && names.contains(&"reconnects"), "{names:?}");
        assert_eq!(rows[1].1, "SILENT, was up 00:00:00");
    }
}
