//! Models: what there is, where it comes from, and two of them side by side.

use super::{Paint, cut, ends, first_row, top_row};
use crate::dash::panes::Pane;
use crate::dash::state::State;
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

/// A row of the facts: its name, what it says, and, of a row of the lineage, whether it is the model itself.
type Row = (String, String, Option<bool>);

/// Rows of a model: those of the facts, and, where there is room for them beside, those of its lineage.
fn rows_of(models: &[ModelStatus], model: &ModelStatus, wide: bool) -> (Vec<Row>, Vec<Row>) {
    let kin = lineage(models, model).into_iter().enumerate();
    let named = |i: usize| if i == 0 { "lineage".to_owned() } else { String::new() };
    let kin: Vec<Row> = kin.map(|(i, (text, is_it))| (named(i), text, Some(is_it))).collect();
    let reward = model.reward.map(|reward| ("training reward".to_owned(), format!("{reward:.4}")));
    let facts = model.facts.keys().map(|key| (key.clone(), fact(model, key)));
    let facts = reward.into_iter().chain(facts).map(|(name, text)| (name, text, None));
    match wide {
        true => (facts.collect(), kin),
        false => (kin.into_iter().chain([Row::default()]).chain(facts).collect(), Vec::new()),
    }
}

/// Rows that the facts take in this area, seen or not.
pub(in crate::dash) fn facts_rows(state: &State, area: Rect) -> usize {
    match state.looked_at()[..] {
        [a, b] => 1 + differences(a, b).len(),
        [model] => {
            rows_of(&state.status.models, model, is_wide(area.width.saturating_sub(2))).0.len()
        }
        _ => 0,
    }
}

/// True where lineage stands beside the facts, and not before them.
fn is_wide(width: u16) -> bool {
    width >= WIDE
}

fn one(p: &mut Paint<'_>, area: Rect, model: &ModelStatus) {
    let inner = p.frame(Pane::ModelFacts, area, &called(model));
    let wide = is_wide(inner.width);
    let (facts, kin) = rows_of(&p.state.status.models, model, wide);
    let half = if wide { inner.width / 2 } else { inner.width };
    let right = Rect { x: inner.x + half, width: inner.width - half, ..inner };
    put_rows(p, right, &kin);
    let first = seen_from(p, inner, facts.len());
    put_rows(p, Rect { width: half, ..inner }, &facts[first..]);
}

/// The first row that is seen of so many, and a word on those below.
fn seen_from(p: &mut Paint<'_>, inner: Rect, rows: usize) -> usize {
    let first = top_row(p.state.rows[6], inner, rows);
    p.more_below(inner, (rows - first).saturating_sub(usize::from(inner.height)));
    first
}

fn put_rows(p: &mut Paint<'_>, area: Rect, rows: &[Row]) {
    let width = usize::from(area.width);
    for (y, (name, text, kin)) in (0..area.height).zip(rows) {
        let (text, style) = match kin {
            Some(is_it) => {
                let style = if *is_it { p.theme.title() } else { Style::new() };
                (ends(text, width.saturating_sub(18)), style)
            }
            None => (cut(text, width.saturating_sub(19)), Style::new()),
        };
        p.put(area, 0, y, &cut(name, 17), p.theme.dim());
        p.put(area, 18, y, &text, style);
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
    let row = |p: &mut Paint<'_>, y: u16, [key, left, right]: [&str; 3], style: Style| {
        p.put(inner, 0, y, &cut(key, 18), p.theme.dim());
        p.put(inner, 20, y, &cut(left, room), style);
        p.put(inner, 20 + half, y, &cut(right, room), style);
    };
    row(p, 0, ["", &ends(&a.id, room), &ends(&b.id, room)], p.theme.title());
    let all = differences(a, b);
    let first = seen_from(p, inner, 1 + all.len());
    for (y, [key, left, right]) in (1..inner.height).zip(&all[first..]) {
        row(p, y, [key, left, right], Style::new());
    }
}

/// What is known of both and need not be the same: how they did, and the facts in which they differ.
fn differences(a: &ModelStatus, b: &ModelStatus) -> Vec<[String; 3]> {
    let number = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.4}"));
    let judged = |m: &ModelStatus| {
        let ci95 = m.ci95.map_or_else(String::new, |(a, b)| format!(" ({a:.4} to {b:.4})"));
        number(m.mean_return) + &ci95
    };
    let did = [
        ["reward".to_owned(), number(a.reward), number(b.reward)],
        ["return".to_owned(), judged(a), judged(b)],
        ["verdict".to_owned(), a.verdict.clone(), b.verdict.clone()],
    ];
    let mut keys: Vec<&String> = a.facts.keys().chain(b.facts.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let told = keys.into_iter().map(|key| [key.clone(), fact(a, key), fact(b, key)]);
    did.into_iter().chain(told.filter(|[_, left, right]| left != right)).collect()
}
