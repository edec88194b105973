//! Where the tape stands: `━━━●───×──▲───`.

use super::{Paint, clock};
use crate::dash::panes::Pane;
use crate::units::{TsNs, TsUs};
use crate::view::text::{of_number, of_span};
use crate::wire::convert::time_text;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// From here on times of day say too little.
const DAY_NS: i64 = 86_400_000_000_000;

/// Draws the line with its marks: gaps, actions, the place.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let Some(tape) = &state.tape else {
        let inner = p.frame(Pane::Scrubber, area, "");
        let why = if state.tape_problem.is_empty() { "no tape yet" } else { &state.tape_problem };
        return p.put(inner, 0, 0, why, p.theme.warn());
    };
    let span_ns = (tape.to.0 - tape.from.0).max(1);
    let passed = of_span((state.position.0 - tape.from.0) / 1_000_000_000);
    let all = of_span(span_ns / 1_000_000_000);
    let so_far = if p.state.records(&tape.session) { " sealed so far" } else { "" };
    let inner = p.frame(Pane::Scrubber, area, &format!("{passed} of {all}{so_far}"));
    let (from, to) = match span_ns > DAY_NS {
        true => (day_and_clock(tape.from), day_and_clock(tape.to)),
        false => (clock(tape.from), clock(tape.to)),
    };
    p.put(inner, 0, 1, &from, p.theme.dim());
    p.put_right(inner, inner.width, 1, &to, p.theme.dim());
    let middle = format!(
        "{} ×  {} ▲",
        of_number(tape.gaps.len(), "gap"),
        of_number(tape.acts().count(), "action")
    );
    p.put(
        inner,
        inner.width.saturating_sub(middle.chars().count() as u16) / 2,
        1,
        &middle,
        p.theme.dim(),
    );
    let column = |at: TsNs| {
        let share = (at.0 - tape.from.0) as f64 / span_ns as f64;
        (share.clamp(0.0, 1.0) * f64::from(inner.width.saturating_sub(1))).round() as u16
    };
    let here = column(state.position);
    for x in 0..inner.width {
        let (sign, style) = if x < here { ("━", p.theme.bid()) } else { ("─", p.theme.dim()) };
        p.put(inner, x, 0, sign, style);
    }
    for at in tape.acts() {
        p.put(inner, column(at), 0, "▲", p.theme.title());
    }
    for at in tape.gaps.iter().map(|(_, at)| *at) {
        p.put(inner, column(at), 0, "×", p.theme.warn());
    }
    p.put(inner, here, 0, "●", Style::new().patch(p.theme.title()));
}

/// `01-05 13:37:00`.
fn day_and_clock(at: TsNs) -> String {
    let text = time_text(TsUs(at.0.div_euclid(1_000_000_000) * 1_000_000));
    text.get(5..19).unwrap_or_default().replace('T', " ")
}
