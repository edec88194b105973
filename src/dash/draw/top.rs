//! The two rows on top: where one is, and how the work goes.

use super::{Paint, clock};
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
    if area.width >= 80 {
        p.put_right(area, end, 0, &clock(p.now), p.theme.dim());
        end -= 9;
    }
    if p.state.is_synthetic() {
        p.put_right(area, end, 0, " SIM ", p.theme.badge());
    }
}

/// How much has passed behind a frozen display, and that nothing is ordered.
fn badges(p: &mut Paint<'_>, row: Rect) {
    let mut end = row.width;
    if let Some(frozen) = p.state.frozen.as_ref().filter(|_| p.state.screen == Screen::Live) {
        let passed = p.state.live.events.saturating_sub(frozen.events);
        let text = format!(" PAUSED +{} ", of_count(passed as f64));
        p.put_right(row, end, 0, &text, p.theme.badge());
        end -= text.len() as u16 + 1;
    }
    if !p.state.status.stopped.is_empty() {
        p.put_right(row, end, 0, " ORDERS STOPPED ", p.theme.badge());
    }
}

/// How the recording goes.
pub(super) fn status(p: &mut Paint<'_>, area: Rect) {
    let row = Rect { y: area.y + 1, height: 1, ..area };
    if p.state.screen == Screen::Replay {
        return tape(p, row);
    }
    let status = p.state.status.collect.as_ref();
    let (word, well) = match (&p.state.reach, status) {
        (Reach::Alone, _) => ("○ NO COLLECTOR", false),
        (Reach::Lost(_), _) => ("○ LOST", false),
        (_, Some(status)) if status.link == Link::Live && p.trouble.is_none() => ("● LIVE", true),
        (_, Some(status)) if status.link == Link::Live => ("○ SILENT", false),
        (_, Some(status)) => (status.link.word(), false),
        (_, None) => ("○ CONNECTING", false),
    };
    let style = if well { p.theme.bid() } else { p.theme.warn() };
    let text = match (&p.state.reach, status, &p.trouble) {
        (Reach::Alone, _, _) if !p.state.log_problem.is_empty() => p.state.log_problem.clone(),
        (Reach::Alone, _, _) => format!("in {}; `kflow collect` starts one", p.state.place),
        (Reach::Lost(why), _, _) => why.clone(),
        (_, Some(status), trouble) => {
            let figures = figures(status, area.width);
            match trouble {
                Some(why) => format!("{why}  {figures}"),
                None => figures,
            }
        }
        (_, None, _) => String::new(),
    };
    let line = Line::from(vec![
        Span::styled(word, style.add_modifier(Modifier::BOLD)),
        Span::raw("  "),
        Span::raw(text),
    ]);
    p.line(row, 0, &line);
    badges(p, row);
}

fn figures(status: &CollectStatus, width: u16) -> String {
    let mut parts = vec![
        format!("{} mkts", status.markets),
        format!("{} msg/s", of_count(status.frames_per_s)),
        format!("gaps {}", status.gaps),
        format!("lag {:.1} ms", status.lag_ms.p99),
    ];
    if status.stale > 0 {
        parts.insert(1, format!("{} unknown", status.stale));
    }
    if !status.problem.is_empty() {
        parts.insert(0, status.problem.clone());
    }
    if width >= 100 {
        parts.push(format!("queue {}/{}", status.queue, status.queue_max));
        let growth = of_bytes(status.log_bytes_per_min);
        parts.push(format!("log {} (+{growth}/min)", of_bytes(status.log_bytes as f64)));
    }
    parts.push(format!("up {}", of_seconds(status.uptime_s)));
    parts.join("  ")
}

fn tape(p: &mut Paint<'_>, row: Rect) {
    let Some(tape) = &p.state.tape else {
        return p.put(row, 0, 0, "○ NO TAPE", p.theme.warn());
    };
    let word = if p.state.playing { "▶ RUNS" } else { "○ STANDS" };
    let text = format!(
        "{word} x{}  row {}  {} events  {}",
        p.state.speed, p.state.replay.row_id, p.state.replay.events, tape.source
    );
    p.put(row, 0, 0, &text, Style::new());
}
