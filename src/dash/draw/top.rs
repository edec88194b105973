//! The two rows on top: where one is, and how the work goes.

use super::{Paint, clock, cut};
use crate::dash::news::Reach;
use crate::dash::panes::Screen;
use crate::dash::state::State;
use crate::view::text::{of_bytes, of_count, of_seconds};
use crate::view::{CollectStatus, Link};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

/// Columns before the first tab.
const NAME: &str = "kflow";
/// Below this width only the tab of the screen that is shown has its name.
const NAMED_TABS: u16 = 80;

/// The screen whose tab stands at this column.
pub fn tab_at(state: &State, column: u16) -> Option<Screen> {
    let mut x = NAME.len() as u16;
    Screen::ALL.into_iter().find(|screen| {
        let width = label(state, *screen).len() as u16;
        let hit = (x..x + width).contains(&column);
        x += width;
        hit
    })
}

fn label(state: &State, screen: Screen) -> String {
    let number = screen as usize + 1;
    match state.size.0 >= NAMED_TABS || screen == state.screen {
        true => format!(" {number} {}", screen.name()),
        false => format!(" {number}"),
    }
}

/// Tabs, badges and the clock.
pub(super) fn tabs(p: &mut Paint<'_>, area: Rect) {
    let mut spans = vec![Span::styled(NAME, p.theme.title())];
    for screen in Screen::ALL {
        let here = screen == p.state.screen;
        let style = if here { p.theme.chosen() } else { Style::new() };
        spans.push(Span::styled(label(p.state, screen), style));
    }
    p.line(area, 0, &Line::from(spans));
    let mut end = area.width;
    let timeless = p.state.screen == Screen::Replay && p.state.tape.is_none();
    if area.width >= 80 && !timeless {
        p.put_right(area, end, 0, &clock(p.now), p.theme.dim());
        end -= 9;
    }
    if p.state.is_synthetic() {
        p.put_right(area, end, 0, " SIM ", p.theme.badge());
    }
}

/// How much has passed behind a frozen display, and that nothing is ordered; gives the columns left for the rest.
fn badges(p: &mut Paint<'_>, row: Rect) -> u16 {
    let mut end = row.width;
    let mut badge = |p: &mut Paint<'_>, text: &str| {
        p.put_right(row, end, 0, text, p.theme.badge());
        end = end.saturating_sub(text.len() as u16 + 1);
    };
    if let Some(frozen) = p.state.still() {
        let passed = p.state.live.events.saturating_sub(frozen.desk.events);
        badge(p, &format!(" PAUSED +{} ", of_count(passed as f64)));
    }
    if p.state.orders_stopped().is_some() {
        badge(p, " ORDERS STOPPED ");
    }
    end
}

/// The state of the recording in a word, and whether all is well.
pub(super) fn word(p: &Paint<'_>) -> (&'static str, bool) {
    match (&p.feed, &p.state.status.collect) {
        (Some(trouble), _) => (trouble.word, false),
        (None, Some(status)) => (status.link.word(), status.link == Link::Live),
        (None, None) => (Link::Connecting.word(), false),
    }
}

/// How the recording goes: now, beside figures of the moment that is shown.
pub(super) fn status(p: &mut Paint<'_>, area: Rect) {
    let row = Rect { y: area.y + 1, height: 1, ..area };
    if p.state.screen == Screen::Replay {
        return tape(p, row);
    }
    let (word, well) = word(p);
    let (sign, style) = if well { ("●", p.theme.bid()) } else { ("○", p.theme.warn()) };
    let word = format!("{sign} {word}  ");
    let trouble = p.feed.iter().map(|trouble| trouble.text.clone());
    let mut parts = match (&p.state.reach, p.state.collected()) {
        (Reach::Alone, _) if !p.state.status.log_problem.is_empty() => {
            vec![p.state.status.log_problem.clone()]
        }
        (Reach::Alone, _) => vec![format!("in {}; `kflow collect` starts one", p.state.place)],
        (Reach::Attached | Reach::Inside, Some(status)) => trouble.chain(figures(status)).collect(),
        _ => trouble.collect(),
    };
    if let Some(ticker) = p.state.desk().awaited().filter(|_| p.state.screen == Screen::Live) {
        parts.insert(0, format!("no market {ticker} yet"));
    }
    let room = usize::from(badges(p, row)).saturating_sub(word.chars().count());
    let line = Line::from(vec![
        Span::styled(word, style.add_modifier(Modifier::BOLD)),
        Span::raw(fitting(&parts, room)),
    ]);
    p.line(row, 0, &line);
}

/// As many parts as there is room for: half a number would be another number. Of the first one, which may be a
/// sentence, as much as there is room for.
fn fitting(parts: &[String], room: usize) -> String {
    let Some((first, others)) = parts.split_first() else { return String::new() };
    let mut text = cut(first, room);
    for part in others {
        if text.chars().count() + 2 + part.chars().count() > room {
            break;
        }
        text = text + "  " + part;
    }
    text
}

/// The collector's figures, what matters most first.
fn figures(status: &CollectStatus) -> Vec<String> {
    let mut parts = vec![
        format!("{} mkts", status.markets),
        format!("{} msg/s", of_count(status.frames_per_s)),
        format!("gaps {}", status.gaps),
        format!("lag p99 {:.1} ms", status.lag_ms.p99),
        format!("up {}", of_seconds(status.uptime_s)),
        format!("queue {}/{}", status.queue, status.queue_max),
        format!(
            "log {} (+{}/min)",
            of_bytes(status.log_bytes as f64),
            of_bytes(status.log_bytes_per_min)
        ),
    ];
    if status.stale > 0 {
        parts.insert(1, format!("{} unknown", status.stale));
    }
    if !status.problem.is_empty() {
        parts.insert(0, status.problem.clone());
    }
    parts
}

fn tape(p: &mut Paint<'_>, row: Rect) {
    let Some(tape) = &p.state.tape else {
        return p.put(row, 0, 0, "○ NO TAPE", p.theme.warn());
    };
    let word = if p.state.playing { "▶ RUNS" } else { "○ STANDS" };
    let mut parts = vec![
        format!("{word} x{}", p.state.speed),
        format!("row {}", p.state.replay.row_id),
        format!("{} events", p.state.replay.events),
        tape.source.clone(),
    ];
    if let Some(ticker) = p.state.replay.awaited() {
        parts.insert(1, format!("no market {ticker} on this tape"));
    }
    p.put(row, 0, 0, &fitting(&parts, usize::from(row.width)), Style::new());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_shown_whole_or_not_at_all() {
        let parts = ["300 mkts", "gaps 2", "up 02:13:44"].map(str::to_owned);
        assert_eq!(fitting(&parts, 40), "300 mkts  gaps 2  up 02:13:44");
        assert_eq!(fitting(&parts, 28), "300 mkts  gaps 2");
        assert_eq!(fitting(&parts, 15), "300 mkts");
        assert_eq!(fitting(&["the disk is full".to_owned()], 9), "the disk…");
        assert_eq!((fitting(&[], 9).as_str(), fitting(&parts, 0).as_str()), ("", ""));
    }
}
