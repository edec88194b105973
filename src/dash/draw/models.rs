//! Models: what there is, where it comes from, and two of them side by side.

use super::{Paint, cut, first_row};
use crate::dash::news::Model;
use crate::dash::panes::Pane;
use crate::view::text::{of_count, of_span};
use ratatui::layout::Rect;
use ratatui::style::Style;
use serde_json::Value;

/// Models, newest first.
pub(super) fn list(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let inner = p.frame(Pane::ModelList, area, "m compares two");
    if state.models.is_empty() {
        return p.nothing(inner, &["no model yet", "kflow train"]);
    }
    let name = usize::from(inner.width.saturating_sub(56)).max(12);
    let head = format!(
        "  {:<name$} {:<5} {:>8} {:>9}  {:<8} {}",
        "model", "algo", "steps", "reward", "saved", "verdict"
    );
    p.put(inner, 0, 0, &head, p.theme.dim());
    let shown = usize::from(inner.height.saturating_sub(1));
    let first = first_row(state.rows[1], shown, state.models.len());
    for (i, (y, model)) in (1..inner.height).zip(&state.models[first..]).enumerate() {
        let age_s = (p.now.0 as f64 / 1e9 - model.saved_unix_s) as i64;
        let text = format!(
            "{:<name$} {:<5} {:>8} {:>9}  {:<8} {}",
            cut(&model.id, name),
            fact(model, "algo"),
            of_count(model.steps as f64),
            model.reward.map_or_else(|| "-".to_owned(), |r| format!("{r:.3}")),
            of_span(age_s),
            if model.verdict.is_empty() { "not judged" } else { &model.verdict },
        );
        let mark = if state.marked.contains(&model.id) { "●" } else { " " };
        p.put(inner, 0, y, mark, p.theme.title());
        p.put(inner, 2, y, &text, Style::new());
        if first + i == state.rows[1] {
            p.choose(inner, y);
        }
    }
}

/// The fact in words; empty where it is not known.
fn fact(model: &Model, key: &str) -> String {
    match model.facts.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(value) => value.to_string(),
    }
}

/// All facts of the chosen model, or what two marked ones differ in.
pub(super) fn facts(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let marked: Vec<&Model> =
        state.models.iter().filter(|m| state.marked.contains(&m.id)).collect();
    match (&marked[..], state.models.get(state.rows[1])) {
        ([a, b, ..], _) => compare(p, area, a, b),
        (_, Some(model)) => one(p, area, model),
        _ => {
            p.frame(Pane::ModelFacts, area, "");
        }
    }
}

fn one(p: &mut Paint<'_>, area: Rect, model: &Model) {
    let inner = p.frame(Pane::ModelFacts, area, "");
    let lineage = match model.parent.as_str() {
        "" => model.id.clone(),
        parent => format!("{parent} → {}", model.id),
    };
    p.put(inner, 0, 0, "lineage", p.theme.dim());
    p.put(inner, 18, 0, &lineage, p.theme.title());
    let columns = (inner.width / 58).max(1);
    let per_column = usize::from(inner.height.saturating_sub(1)).max(1);
    for (i, (key, _)) in model.facts.iter().enumerate().take(per_column * usize::from(columns)) {
        let (x, y) = ((i / per_column) as u16 * 58, (i % per_column) as u16 + 1);
        p.put(inner, x, y, &cut(key, 17), p.theme.dim());
        p.put(inner, x + 18, y, &cut(&fact(model, key), 39), Style::new());
    }
}

fn compare(p: &mut Paint<'_>, area: Rect, a: &Model, b: &Model) {
    let inner = p.frame(Pane::ModelFacts, area, "what differs");
    let half = inner.width.saturating_sub(20) / 2;
    let room = usize::from(half.saturating_sub(1));
    let rows = |p: &mut Paint<'_>, y: u16, key: &str, left: &str, right: &str, style: Style| {
        p.put(inner, 0, y, &cut(key, 18), p.theme.dim());
        p.put(inner, 20, y, &cut(left, room), style);
        p.put(inner, 20 + half, y, &cut(right, room), style);
    };
    rows(p, 0, "", &a.id, &b.id, p.theme.title());
    let number = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.4}"));
    rows(p, 1, "reward", &number(a.reward), &number(b.reward), Style::new());
    rows(p, 2, "verdict", &a.verdict, &b.verdict, Style::new());
    let mut keys: Vec<&String> = a.facts.keys().chain(b.facts.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differ = keys.into_iter().filter(|key| fact(a, key) != fact(b, key));
    for (y, key) in (3..inner.height).zip(differ) {
        rows(p, y, key, &fact(a, key), &fact(b, key), Style::new());
    }
}
