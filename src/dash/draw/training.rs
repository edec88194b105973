//! Training runs and their curves.

use super::chart::{Plot, Series};
use super::{Paint, cut, first_row};
use crate::dash::news::Run;
use crate::dash::panes::{Pane, Room};
use crate::view::text::{of_count, of_span};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Curves in the order in which they are looked at; shares of actions come after them.
const CURVES: [(&str, &str); 10] = [
    ("rollout/ep_rew_mean", "reward per episode"),
    ("train/explained_variance", "explained variance"),
    ("train/entropy_loss", "entropy loss"),
    ("train/approx_kl", "approx. KL"),
    ("train/value_loss", "value loss"),
    ("train/policy_gradient_loss", "policy loss"),
    ("train/clip_fraction", "clip fraction"),
    ("trade/equity", "equity"),
    ("time/fps", "steps per second"),
    ("rollout/ep_len_mean", "steps per episode"),
];
/// Weight of the past in the smoothed line.
const SMOOTH: f64 = 0.8;
/// A run whose files were written within this time is still going, seconds.
const GOING_S: f64 = 60.0;

/// The runs, newest first.
pub(super) fn runs(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let inner = p.frame(Pane::Runs, area, "m compares");
    if state.runs.is_empty() {
        return p.nothing(inner, &["no training run yet", "kflow train"]);
    }
    let shown = usize::from(inner.height.saturating_sub(1));
    let first = first_row(state.rows[0], shown, state.runs.len());
    let name = usize::from(inner.width.saturating_sub(43)).max(10);
    let head =
        format!("  {:<name$} {:>6} {:>7} {:>8}  {}", "run", "done", "speed", "reward", "left");
    p.put(inner, 0, 0, &head, p.theme.dim());
    for (i, (y, run)) in (1..inner.height).zip(&state.runs[first..]).enumerate() {
        one(p, inner, y, run, name);
        if first + i == state.rows[0] {
            p.choose(inner, y);
        }
    }
}

fn one(p: &mut Paint<'_>, area: Rect, y: u16, run: &Run, name: usize) {
    let status = &run.status;
    let share = status.steps as f64 / status.steps_total.max(1) as f64;
    let going = p.now.0 as f64 / 1e9 - status.written_unix_s < GOING_S;
    let left = match status.eta_s {
        Some(s) if going => of_span(s as i64),
        Some(_) => "stopped".to_owned(),
        None => "done".to_owned(),
    };
    let reward = status.latest.get("rollout/ep_rew_mean");
    let reward = reward.map_or_else(|| "-".to_owned(), |r| format!("{r:.3}"));
    let speed = format!("{}/s", of_count(status.steps_per_s));
    let text = format!(
        "{:<name$} {:>5.0}% {speed:>7} {reward:>8}  {left}",
        cut(&status.id, name),
        share * 100.0
    );
    let style = shown_index(p, run).map_or_else(Style::new, |i| p.theme.series(i));
    let mark = if p.state.marked.contains(&status.id) { "●" } else { " " };
    p.put(area, 0, y, mark, style);
    p.put(area, 2, y, &text, if going { style } else { p.theme.dim() });
}

/// The runs whose curves are drawn: those that are marked, or the chosen one.
fn overlaid<'a>(p: &Paint<'a>) -> Vec<&'a Run> {
    let state = p.state;
    let marked: Vec<&Run> =
        state.runs.iter().filter(|run| state.marked.contains(&run.status.id)).collect();
    if marked.is_empty() { state.runs.get(state.rows[0]).into_iter().collect() } else { marked }
}

fn shown_index(p: &Paint<'_>, run: &Run) -> Option<usize> {
    overlaid(p).iter().position(|shown| shown.status.id == run.status.id)
}

/// Curves of the runs, one above the other: dots as logged, and a smoothed line.
pub(super) fn curves(p: &mut Paint<'_>, area: Rect) {
    let runs = overlaid(p);
    let inner = p.frame(Pane::Curves, area, "←/→ turns");
    let known: Vec<(&str, &str)> = CURVES
        .into_iter()
        .filter(|(key, _)| runs.iter().any(|run| run.curves.contains_key(*key)))
        .collect();
    if known.is_empty() {
        return p.nothing(inner, &["no curve yet"]);
    }
    let alone = p.state.zoom || Room::of(p.state.size.0, p.state.size.1) <= Room::Small;
    let columns = if alone { 1 } else { (inner.width / 44).clamp(1, 3) };
    let shares = if inner.height >= 16 { 7 } else { 0 };
    let high = inner.height - shares;
    let rows = if alone { 1 } else { (high / 7).clamp(1, 5) };
    let (wide, tall) = (inner.width / columns, high / rows);
    for cell in 0..columns * rows {
        let at = usize::from(cell) + p.state.curve;
        if usize::from(cell) >= known.len() {
            break;
        }
        let (key, name) = known[at % known.len()];
        let (x, y) = (cell % columns * wide, cell / columns * tall);
        let place = Rect { x: inner.x + x, y: inner.y + y, width: wide - 1, height: tall };
        curve(p, place, &runs, (key, name));
    }
    let below = Rect { y: inner.y + high, height: shares, ..inner };
    action_shares(p, below, &runs);
}

fn curve(p: &mut Paint<'_>, area: Rect, runs: &[&Run], (key, name): (&str, &str)) {
    let newest = runs.first().and_then(|run| run.status.latest.get(key));
    let newest = newest.map_or(String::new(), |v| format!("  {v:.4}"));
    p.put(area, 0, 0, &format!("{name}{newest}"), p.theme.title());
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let raw: Vec<&[(f64, f64)]> =
        runs.iter().filter_map(|run| run.curves.get(key)).map(Vec::as_slice).collect();
    let smooth: Vec<Vec<(f64, f64)>> = raw.iter().map(|points| smoothed(points)).collect();
    let dim = p.theme.dim();
    let series: Vec<Series<'_>> = raw
        .iter()
        .map(|points| Series { points, style: dim })
        .chain(
            smooth
                .iter()
                .enumerate()
                .map(|(i, points)| Series { points, style: p.theme.series(i) }),
        )
        .collect();
    Plot { area: below, label: |v: f64| short(v) }.draw(p, &series);
}

fn short(v: f64) -> String {
    match v.abs() {
        0.0 => "0".to_owned(),
        1_000.0.. => of_count(v),
        10.0.. => format!("{v:.1}"),
        0.01.. => format!("{v:.3}"),
        _ => format!("{v:.1e}"),
    }
}

fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut mean = f64::NAN;
    let mut next = |y: f64| {
        mean = if mean.is_finite() { SMOOTH * mean + (1.0 - SMOOTH) * y } else { y };
        mean
    };
    points.iter().map(|(x, y)| (*x, next(*y))).collect()
}

/// How often each action was taken lately: a collapse shows here first.
fn action_shares(p: &mut Paint<'_>, area: Rect, runs: &[&Run]) {
    let Some(run) = runs.first() else { return };
    p.put(area, 0, 0, "shares of actions", p.theme.title());
    let shares = run
        .status
        .latest
        .iter()
        .filter_map(|(key, v)| Some((key.strip_prefix("action_share/")?, *v)));
    let room = f64::from(area.width.saturating_sub(28));
    for (y, (name, share)) in (1..area.height).zip(shares) {
        p.put(area, 1, y, &cut(name, 14), p.theme.dim());
        p.put_right(area, 22, y, &format!("{:.1}%", share * 100.0), Style::new());
        let collapsed = share > 0.9;
        let style = if collapsed { p.theme.warn() } else { p.theme.series(0) };
        p.put(area, 24, y, &"█".repeat((share * room) as usize), style);
    }
}
