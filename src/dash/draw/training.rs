//! Training runs and their curves.

use super::chart::{Plot, Series};
use super::{Paint, cut, ends, first_row};
use crate::dash::learned::Curve;
use crate::dash::news::Run;
use crate::dash::panes::{Pane, Room};
use crate::dash::source::EQUITY;
use crate::view::text::{of_count, of_span};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Curves in the order in which they are looked at; shares of actions come after them.
const CURVES: [(&str, &str); 13] = [
    ("rollout/ep_rew_mean", "reward per episode"),
    (EQUITY, "equity after an episode"),
    ("train/explained_variance", "explained variance"),
    ("train/entropy_loss", "entropy loss"),
    ("train/approx_kl", "approx. KL"),
    ("train/value_loss", "value loss"),
    ("train/policy_gradient_loss", "policy loss"),
    ("train/loss", "loss"),
    ("train/clip_fraction", "clip fraction"),
    ("time/fps", "steps per second"),
    ("rollout/nonzero_reward_share", "share of steps with a reward"),
    ("train/grad_norm", "gradient norm"),
    ("rollout/ep_len_mean", "steps per episode"),
];
/// A share of one action above this stands out as a collapse: what diagnosis warns of while a run trains.
const COLLAPSE_SHARE: f64 = 0.9;
/// Rows from which on shares of actions have a table; below it, a line.
const TABLE_FROM: u16 = 16;
/// Rows of that table, title included, that are always taken where it is so long.
const TABLE_MIN: u16 = 7;
/// A run whose files were written within this time is still going, seconds.
const GOING_S: f64 = 60.0;

/// The runs, newest first.
pub(super) fn runs(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let inner = p.frame(Pane::Runs, area, "m overlays");
    if state.runs.is_empty() {
        return p.nothing(inner, &["no training run yet", "kflow train"]);
    }
    let shown = usize::from(inner.height.saturating_sub(1));
    let first = first_row(state.rows[0], shown, state.runs.len());
    let columns = Columns::of(inner.width);
    p.put(
        inner,
        2,
        0,
        &columns.row(["run", "", "done", "steps", "speed", "reward", "left"]),
        p.theme.dim(),
    );
    for (i, (y, run)) in (1..inner.height).zip(&state.runs[first..]).enumerate() {
        one(p, inner, y, run, &columns);
        if first + i == state.rows[0] {
            p.choose(inner, y);
        }
    }
}

/// Widths of the columns that differ with the room.
struct Columns {
    name: usize,
    bar: usize,
    /// True where there is room for the steps, too: else they are left out, not the end of a row.
    steps: bool,
}

impl Columns {
    /// Columns of all but these.
    const OTHERS: usize = 38;
    const NAME: [usize; 2] = [16, 56];
    const STEPS: usize = 18;

    fn of(width: u16) -> Columns {
        let room = usize::from(width).saturating_sub(Columns::OTHERS);
        let bar = usize::from(width.saturating_sub(92)).min(24);
        let [least, most] = Columns::NAME;
        let steps = room > Columns::STEPS + least;
        let taken = bar + if steps { Columns::STEPS + 1 } else { 0 };
        Columns { name: room.saturating_sub(taken).clamp(least, most), bar, steps }
    }

    fn row(&self, [run, bar, done, steps, speed, reward, left]: [&str; 7]) -> String {
        let (name, width, room) = (self.name, self.bar, Columns::STEPS + 1);
        let run = ends(run, name);
        let steps = if self.steps { format!("{steps:>room$}") } else { String::new() };
        format!("{run:<name$} {bar:<width$} {done:>5}{steps} {speed:>9} {reward:>9}  {left}")
    }
}

fn one(p: &mut Paint<'_>, area: Rect, y: u16, run: &Run, columns: &Columns) {
    let status = &run.status;
    let share = (status.steps as f64 / status.steps_total.max(1) as f64).min(1.0);
    let going = p.now.0 as f64 / 1e9 - status.written_unix_s < GOING_S;
    let left = match status.eta_s {
        Some(s) if going => of_span(s as i64),
        Some(_) => "stopped".to_owned(),
        None => "done".to_owned(),
    };
    let reward = status.latest.get("rollout/ep_rew_mean");
    let reward = reward.map_or_else(|| "-".to_owned(), |r| format!("{r:.3}"));
    let full = (share * columns.bar as f64).round() as usize;
    let text = columns.row([
        &status.id,
        &("█".repeat(full) + &"░".repeat(columns.bar - full)),
        &format!("{:.0}%", share * 100.0),
        &format!("{} of {}", of_count(status.steps as f64), of_count(status.steps_total as f64)),
        &format!("{}/s", of_count(status.steps_per_s)),
        &reward,
        &left,
    ]);
    let style = shown_index(p, run).map_or_else(Style::new, |i| p.theme.series(i));
    let marked = p.state.marked.contains(&status.id);
    let mark = shown_index(p, run).filter(|_| marked).and_then(digit).unwrap_or(' ');
    p.put(area, 0, y, &mark.to_string(), style);
    p.put(area, 2, y, &text, if going { style } else { p.theme.dim() });
}

/// What stands in the list and at the end of the curves of the `i`th overlaid run.
fn digit(i: usize) -> Option<char> {
    char::from_digit(i as u32 + 1, 36)
}

fn shown_index(p: &Paint<'_>, run: &Run) -> Option<usize> {
    p.state.overlaid().iter().position(|shown| shown.status.id == run.status.id)
}

/// Curves of the runs side by side: dots as logged, and a smoothed line.
pub(super) fn curves(p: &mut Paint<'_>, area: Rect) {
    let runs = p.state.overlaid();
    let known: Vec<(&str, &str)> = CURVES
        .into_iter()
        .filter(|(key, _)| runs.iter().any(|run| run.curves.contains_key(*key)))
        .collect();
    let steps = runs.iter().map(|run| run.status.steps).max().unwrap_or(0);
    let remark = format!("to {} steps, {} curves, ←/→ turns", of_count(steps as f64), known.len());
    let inner = p.frame(Pane::Curves, area, &remark);
    if known.is_empty() {
        return p.nothing(inner, &["no curve yet"]);
    }
    let narrow = Room::of(p.state.size.0, p.state.size.1) <= Room::Narrow;
    let alone = p.state.zoom || narrow;
    let columns = if alone { 1 } else { (inner.width / 38).clamp(1, 5) };
    let shares = shares(runs[0]);
    let table = share_rows(shares.len(), inner.height);
    let high = inner.height - table;
    // Five rows are enough for a curve where the line of shares takes the sixth.
    let rows = if alone { 1 } else { ((high + 1) / 6).clamp(1, 5) };
    let rows = rows.min((known.len() as u16).div_ceil(columns));
    let (wide, tall) = (inner.width / columns, high / rows);
    for cell in (0..columns * rows).take(known.len()) {
        let at = usize::from(cell) + p.state.curve;
        let (x, y) = (cell % columns * wide, cell / columns * tall);
        let place = Rect { x: inner.x + x, y: inner.y + y, width: wide - 1, height: tall };
        curve(p, place, &runs, known[at % known.len()]);
    }
    let below = Rect { y: inner.y + high, height: table, ..inner };
    match table {
        1 => share_line(p, below, &shares),
        _ => share_table(p, below, &shares),
    }
}

fn curve(p: &mut Paint<'_>, area: Rect, runs: &[&Run], (key, name): (&str, &str)) {
    let newest = runs.first().and_then(|run| run.status.latest.get(key));
    let newest = newest.map_or(String::new(), |v| format!("  {}", short(*v)));
    p.put(area, 0, 0, &cut(&format!("{name}{newest}"), usize::from(area.width)), p.theme.title());
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let known: Vec<(usize, &Curve)> =
        runs.iter().enumerate().filter_map(|(i, run)| Some((i, run.curves.get(key)?))).collect();
    let dim = p.theme.dim();
    let dots = known.iter().map(|(_, curve)| Series::new(&curve.raw, dim));
    let lines = known.iter().map(|(i, curve)| Series {
        mark: digit(*i).filter(|_| runs.len() > 1),
        ..Series::new(&curve.smooth, p.theme.series(*i))
    });
    let series: Vec<Series<'_>> = dots.chain(lines).collect();
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

/// How often each action was taken lately, the most frequent first: a collapse shows here before anywhere else.
fn shares(run: &Run) -> Vec<(&str, f64)> {
    let latest = run.status.latest.iter();
    let mut shares: Vec<(&str, f64)> =
        latest.filter_map(|(key, v)| Some((key.strip_prefix("action_share/")?, *v))).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

/// Rows for the shares of so many actions among `height` rows: all of them, as long as most is left for curves.
fn share_rows(actions: usize, height: u16) -> u16 {
    match (actions, height) {
        (0, _) => 0,
        (_, ..TABLE_FROM) => 1.min(height),
        _ => (actions as u16 + 1).min((height * 2 / 5).max(TABLE_MIN)),
    }
}

/// Their table, with what had no room in its title.
fn share_table(p: &mut Paint<'_>, area: Rect, shares: &[(&str, f64)]) {
    let rows = usize::from(area.height.saturating_sub(1));
    p.put(area, 0, 0, "shares of actions", p.theme.title());
    if let Some(more) = shares.len().checked_sub(rows).filter(|more| *more > 0) {
        p.put(area, 19, 0, &format!("{more} more"), p.theme.dim());
    }
    let room = f64::from(area.width.saturating_sub(28));
    for (y, (name, share)) in (1..area.height).zip(shares) {
        p.put(area, 1, y, &cut(name, 14), p.theme.dim());
        p.put_right(area, 22, y, &of_share(*share), Style::new());
        p.put(area, 24, y, &"█".repeat((share * room) as usize), of_collapse(p, *share));
    }
}

/// The first of them in a line, each whole, and how many are not.
fn share_line(p: &mut Paint<'_>, area: Rect, shares: &[(&str, f64)]) {
    let title = "shares of actions";
    p.put(area, 0, 0, title, p.theme.title());
    let mut x = title.len() as u16 + 2;
    for (i, (name, share)) in shares.iter().enumerate() {
        let (text, left) = (format!("{name} {}", of_share(*share)), shares.len() - i);
        let more = format!("{left} more");
        let end = x + text.len() as u16;
        let behind = if left > 1 { more.len() as u16 + 2 } else { 0 };
        if end + behind > area.width {
            return p.put(area, x, 0, &more, p.theme.dim());
        }
        let style = if *share > COLLAPSE_SHARE { p.theme.warn() } else { Style::new() };
        p.put(area, x, 0, &text, style);
        x = end + 2;
    }
}

fn of_share(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn of_collapse(p: &Paint<'_>, share: f64) -> Style {
    if share > COLLAPSE_SHARE { p.theme.warn() } else { p.theme.series(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_run_is_whole_at_every_width() {
        let id = "ppo-s0-01a1fd73-8342-76ec-b82a-dea2dd33be26/fold_4";
        for width in 58..=240 {
            let columns = Columns::of(width);
            let bar = "█".repeat(columns.bar);
            let steps = "983.0 k of 999.4 k";
            let row = columns.row([id, &bar, "100%", steps, "21.2 k/s", "-12.345", "stopped"]);
            assert!(row.chars().count() + 2 <= usize::from(width), "{width}: {row}");
            assert!(row.starts_with("ppo-s0-") && row.contains("/fold_4"), "{width}: {row}");
            assert_eq!(row.contains(steps), width >= 73, "{width}: {row}");
        }
    }
}
