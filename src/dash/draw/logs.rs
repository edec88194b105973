//! The log.

use super::{Paint, clock, cut};
use crate::dash::log_lines::Level;
use crate::dash::panes::Pane;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Columns of time and level before the text of a line.
const BEFORE: u16 = 15;

/// Columns for the text of a line.
pub(in crate::dash) fn line_room(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(BEFORE + 2))
}

/// Draws the lines, newest last, or those before the chosen one.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let least = state.level.unwrap_or(Level::Info);
    let filter =
        if state.log_filter.is_empty() { String::new() } else { format!("/{} ", state.log_filter) };
    let inner = p.frame(Pane::Lines, area, &format!("{filter}from {} on", least.word()));
    let lines = state.lines.matching(least, &state.log_filter).rev().skip(state.rows[3]);
    let mut shown: Vec<_> = lines.take(usize::from(inner.height)).collect();
    shown.reverse();
    if shown.is_empty() {
        return p.nothing(inner, &["nothing to tell"]);
    }
    for (y, line) in (0..inner.height).zip(shown) {
        let style = match line.level {
            Level::Debug => p.theme.dim(),
            Level::Info => Style::new(),
            Level::Warn => p.theme.warn(),
            Level::Error => p.theme.badge(),
        };
        p.put(inner, 0, y, &clock(line.at), p.theme.dim());
        p.put(inner, 9, y, line.level.word(), style);
        let style = if line.level == Level::Debug { style } else { Style::new() };
        p.put(inner, BEFORE, y, &part(&line.text, state.shift, line_room(area)), style);
    }
}

/// What is seen of a line that is shifted so far; a sign stands where some of it is not.
fn part(text: &str, shift: usize, room: usize) -> String {
    match shift {
        0 => cut(text, room),
        _ if text.chars().nth(shift).is_none() => String::new(),
        _ => cut(&format!("…{}", text.chars().skip(shift + 1).collect::<String>()), room),
    }
}
