//! Models: what there is, where it comes from, and two of them side by side.

use super::{Paint, cut, ends, first_row};
use crate::dash::panes::Pane;
use crate::units::TsNs;
use crate::view::ModelStatus;
use crate::view::text::{of_count, of_span};
use ratatui::layout::Rect;
use ratatui::style::Style;
use serde_json::Value;

/// From this width on the figures of training and the interval have columns, and lineage stands beside the facts.
const WIDE: u16 = 110;
/// Ancestors and descendants told.
const KIN: usize = 6;

/// Registered versions, then models that lie in run folders; each newest first.
pub(super) fn list(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let inner = p.frame(Pane::ModelList, area, "m compares two");
    if state.status.models.is_empty() {
        return p.nothing(inner, &["no model yet", "kflow train"]);
    }
    let wide = inner.width >= WIDE;
    let room = usize::from(inner.width).saturating_sub(if wide { 91 } else { 55 }).clamp(14, 60);
    let head = if wide { "algo  steps     reward  return  95 % interval    " } else { "return  " };
    let head = format!("  {:<room$} {:<9} {head}saved    verdict", "model", "status");
    p.put(inner, 0, 0, &head, p.theme.dim());
    let shown = usize::from(inner.height.saturating_sub(1));
    let first = first_row(state.rows[1], shown, state.status.models.len());
    for (i, (y, model)) in (1..inner.height).zip(&state.status.models[first..]).enumerate() {
        let mark = if state.marked.contains(&model.id) { "●" } else { " " };
        p.put(inner, 0, y, mark, p.theme.title());
        p.put(inner, 2, y, &row(model, (room, wide), p.now), life(p, &model.status));
        if first + i == state.rows[1] {
            p.choose(inner, y);
        }
    }
}

fn row(model: &ModelStatus, (room, wide): (usize, bool), now: TsNs) -> String {
    let number = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:+.3}"));
    let interval = model.ci95.map_or_else(String::new, |(a, b)| format!("{a:+.3} to {b:+.3}"));
    let mean = number(model.mean_return);
    let figures = match wide {
        true => format!(
            "{:<4} {:>8} {:>8} {mean:>7}  {interval:<16} ",
            fact(model, "algo"),
            of_count(model.steps as f64),
            number(model.reward),
        ),
        false => format!("{mean:>6}  "),
    };
    format!(
        "{:<room$} {:<9} {figures}{:<8} {}",
        ends(&called(model), room),
        if model.status.is_empty() { "-" } else { &model.status },
        of_span((now.0 as f64 / 1e9 - model.saved_unix_s) as i64),
        if model.verdict.is_empty() { "not judged" } else { &model.verdict },
    )
}

/// What stands in its life as the word says: what trades stands out, what is put away does not.
fn life(p: &Paint<'_>, status: &str) -> Style {
    match status {
        "deployed" => p.theme.title(),
        "archived" => p.theme.dim(),
        _ => Style::new(),
    }
}

/// `gold:3 @champion`.
fn called(model: &ModelStatus) -> String {
    let aliases: String = model.aliases.iter().map(|alias| format!(" @{alias}")).collect();
    model.id.clone() + &aliases
}

/// The fact in words; empty where it is not known.
fn fact(model: &ModelStatus, key: &str) -> String {
    match model.facts.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(value) => value.to_string(),
    }
}

/// All facts of the chosen model, or what two marked ones differ in.
pub(super) fn facts(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    match state.looked_at()[..] {
        [a, b] => compare(p, area, a, b),
        [model] => one(p, area, model),
        _ => {
            let inner = p.frame(Pane::ModelFacts, area, "");
            p.nothing(inner, &["no model is chosen"]);
        }
    }
}

fn one(p: &mut Paint<'_>, area: Rect, model: &ModelStatus) {
    let inner = p.frame(Pane::ModelFacts, area, &called(model));
    let kin = lineage(&p.state.status.models, model);
    let (left, right) = if inner.width >= WIDE {
        let half = inner.width / 2;
        let right = Rect { x: inner.x + half, width: inner.width - half, ..inner };
        (Rect { width: half, ..inner }, right)
    } else {
        let top = (kin.len() as u16 + 1).min(inner.height);
        let below = Rect { y: inner.y + top, height: inner.height - top, ..inner };
        (below, Rect { height: top, ..inner })
    };
    p.put(right, 0, 0, "lineage", p.theme.dim());
    for (y, (text, is_it)) in (0..right.height).zip(&kin) {
        let text = ends(text, usize::from(right.width.saturating_sub(18)));
        p.put(right, 18, y, &text, if *is_it { p.theme.title() } else { Style::new() });
    }
    let reward = model.reward.map(|reward| ("training reward", format!("{reward:.4}")));
    let facts = model.facts.keys().map(|key| (key.as_str(), fact(model, key)));
    for (y, (key, value)) in (0..left.height).zip(reward.into_iter().chain(facts)) {
        p.put(left, 0, y, &cut(key, 17), p.theme.dim());
        p.put(left, 18, y, &cut(&value, usize::from(left.width).saturating_sub(19)), Style::new());
    }
}

/// What a model came from, itself (true), and what came from it, one below the other.
fn lineage(models: &[ModelStatus], model: &ModelStatus) -> Vec<(String, bool)> {
    let find = |id: &str| models.iter().find(|m| m.id == id);
    let mut line = vec![(called(model), true)];
    let mut parent = model.parent.as_str();
    // A registry that tells a circle must not turn us.
    while !parent.is_empty() && line.len() <= KIN {
        let known = find(parent);
        line.push((known.map_or_else(|| parent.to_owned(), called), false));
        parent = known.map_or("", |m| m.parent.as_str());
    }
    line.reverse();
    let depth = line.len();
    let children = models.iter().filter(|m| m.parent == model.id).take(KIN);
    let all = line.into_iter().enumerate().chain(children.map(|m| (depth, (called(m), false))));
    all.map(|(depth, (text, is_it))| match depth {
        0 => (text, is_it),
        _ => (format!("{}└ {text}", "  ".repeat(depth - 1)), is_it),
    })
    .collect()
}

fn compare(p: &mut Paint<'_>, area: Rect, a: &ModelStatus, b: &ModelStatus) {
    let inner = p.frame(Pane::ModelFacts, area, "what differs");
    let half = inner.width.saturating_sub(20) / 2;
    let room = usize::from(half.saturating_sub(1));
    let rows = |p: &mut Paint<'_>, y: u16, key: &str, left: &str, right: &str, style: Style| {
        p.put(inner, 0, y, &cut(key, 18), p.theme.dim());
        p.put(inner, 20, y, &cut(left, room), style);
        p.put(inner, 20 + half, y, &cut(right, room), style);
    };
    rows(p, 0, "", &ends(&a.id, room), &ends(&b.id, room), p.theme.title());
    let number = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.4}"));
    let judged = |m: &ModelStatus| {
        let ci95 = m.ci95.map_or_else(String::new, |(a, b)| format!(" ({a:.4} to {b:.4})"));
        number(m.mean_return) + &ci95
    };
    rows(p, 1, "reward", &number(a.reward), &number(b.reward), Style::new());
    rows(p, 2, "return", &judged(a), &judged(b), Style::new());
    rows(p, 3, "verdict", &a.verdict, &b.verdict, Style::new());
    let mut keys: Vec<&String> = a.facts.keys().chain(b.facts.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differ = keys.into_iter().filter(|key| fact(a, key) != fact(b, key));
    for (y, key) in (4..inner.height).zip(differ) {
        rows(p, y, key, &fact(a, key), &fact(b, key), Style::new());
    }
}
