//! From the state to a picture. No logic, no clock, no terminal: the same code fills a terminal, a test and an
//! SVG.

mod account;
mod chart;
mod collector;
mod curve;
mod grid;
mod ladder;
mod logs;
mod markets;
mod models;
mod overlay;
mod scrubber;
mod svg;
mod top;
mod touch;
mod trades;
mod training;

pub(super) use logs::line_room;
pub(super) use models::facts_rows;
pub use svg::{svg, text};
pub use top::tab_at;

use super::panes::{Pane, Room, Screen, TOO_SMALL};
use super::shown::Trouble;
use super::state::State;
use super::theme::Theme;
use crate::units::TsNs;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Widget};

/// Draws the screen into a frame.
pub fn screen(frame: &mut Frame<'_>, state: &State, theme: Theme, now: TsNs) {
    paint(frame.buffer_mut(), state, theme, now);
}

/// Draws the screen as a picture of the state's size.
pub fn picture(state: &State, theme: Theme, now: TsNs) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
    paint(&mut buffer, state, theme, now);
    buffer
}

fn paint(buffer: &mut Buffer, state: &State, theme: Theme, now: TsNs) {
    let area = *buffer.area();
    let (feed, trouble) = (state.feed_trouble(now), state.trouble(now));
    let now = state.moment(now);
    let mut p = Paint { buffer, state, theme, now, feed, trouble };
    if Room::of(area.width, area.height) == Room::None {
        let text = format!("{TOO_SMALL} ({}x{}), need 60x16", area.width, area.height);
        p.put(area, 0, 0, &text, Style::new());
    } else {
        top::tabs(&mut p, area);
        top::status(&mut p, area);
        for (pane, place) in state.panes() {
            let place = place.intersection(area);
            if place.width > 2 && place.height > 2 {
                p.pane(pane, place);
            }
        }
        overlay::bar(&mut p, area);
        overlay::popup(&mut p, area);
    }
    theme.finish(p.buffer);
}

/// The row that is shown first, of `count` rows with room for `shown`, so that `chosen` is seen.
pub fn first_row(chosen: usize, shown: usize, count: usize) -> usize {
    let last = count.saturating_sub(shown);
    chosen.saturating_sub(shown / 2).min(last)
}

/// The first row shown of `count` where `wanted` is at the top as far as there are rows to fill the pane below it.
fn top_row(wanted: usize, inner: Rect, count: usize) -> usize {
    wanted.min(count.saturating_sub(usize::from(inner.height)))
}

/// What every pane draws with.
struct Paint<'a> {
    buffer: &'a mut Buffer,
    state: &'a State,
    theme: Theme,
    /// The moment shown: the wall clock, the tape's, or that of a frozen display.
    now: TsNs,
    /// What is wrong with the feed now, whatever moment is shown.
    feed: Option<Trouble>,
    /// Why no live book of the moment shown is current.
    trouble: Option<Trouble>,
}

impl Paint<'_> {
    fn pane(&mut self, pane: Pane, area: Rect) {
        let draw = match pane {
            Pane::Ladder => ladder::draw,
            Pane::Markets => markets::draw,
            Pane::Trades => trades::draw,
            Pane::Actions => account::actions,
            Pane::Account => account::draw,
            Pane::Curve => curve::draw,
            Pane::Scrubber => scrubber::draw,
            Pane::Runs => training::runs,
            Pane::Curves => training::curves,
            Pane::ModelList => models::list,
            Pane::ModelFacts => models::facts,
            Pane::Figures => collector::figures,
            Pane::LagClasses => collector::lags,
            Pane::Sessions => collector::sessions,
            Pane::Gaps => collector::gaps,
            Pane::Lines => logs::draw,
        };
        draw(self, area);
    }

    /// Draws a pane's frame with its title and a remark; gives the room inside.
    fn frame(&mut self, pane: Pane, area: Rect, remark: &str) -> Rect {
        let focused = self.state.focus() == pane && self.state.screen != Screen::Logs;
        let border = if focused { self.theme.focus() } else { self.theme.dim() };
        // The mark tells the same as the colour.
        let title =
            if focused { format!("▸{} ", pane.title()) } else { format!(" {} ", pane.title()) };
        let style = if focused { self.theme.title() } else { Style::new() };
        let mut block = Block::new().borders(Borders::ALL).border_style(border);
        block = block.title_top(Line::styled(title, style));
        if !remark.is_empty() {
            let line = Line::styled(format!(" {remark} "), self.theme.dim());
            block = block.title_top(line.right_aligned());
        }
        let inner = block.inner(area);
        block.render(area, self.buffer);
        inner
    }

    /// Writes text into `area`, cut at its edges.
    fn put(&mut self, area: Rect, x: u16, y: u16, text: &str, style: Style) {
        if x < area.width && y < area.height {
            let room = usize::from(area.width - x);
            self.buffer.set_stringn(area.x + x, area.y + y, text, room, style);
        }
    }

    /// Writes text that ends at column `end` of `area`.
    fn put_right(&mut self, area: Rect, end: u16, y: u16, text: &str, style: Style) {
        let length = text.chars().count() as u16;
        match end.checked_sub(length) {
            Some(x) => self.put(area, x, y, text, style),
            None => {
                let kept: String = text.chars().skip(usize::from(length - end)).collect();
                self.put(area, 0, y, &kept, style);
            }
        }
    }

    /// Writes a styled line into row `y` of `area`.
    fn line(&mut self, area: Rect, y: u16, line: &Line<'_>) {
        if y < area.height {
            self.buffer.set_line(area.x, area.y + y, line, area.width);
        }
    }

    /// Says in the border below `inner` how many more rows there are.
    fn more_below(&mut self, inner: Rect, rows: usize) {
        if rows > 0 {
            let border = Rect { y: inner.bottom(), height: 1, ..inner };
            self.put_right(border, inner.width, 0, &format!(" ▼ {rows} more "), self.theme.dim());
        }
    }

    /// Says in the middle of `area` why there is nothing else.
    fn nothing(&mut self, area: Rect, lines: &[&str]) {
        let top = (area.height.saturating_sub(lines.len() as u16)) / 2;
        for (y, text) in (top..).zip(lines) {
            let x = area.width.saturating_sub(text.chars().count() as u16) / 2;
            self.put(area, x, y, text, self.theme.dim());
        }
    }

    /// Says why there is no market.
    fn marketless(&mut self, area: Rect) {
        let without_tape = self.state.screen == Screen::Replay && self.state.tape.is_none();
        match without_tape {
            true if self.state.tape_problem.is_empty() => {
                self.nothing(area, &["the tape is being read"]);
            }
            true => self.nothing(area, &["no tape"]),
            false => self.nothing(area, &["no market yet"]),
        }
    }

    /// Marks the chosen row.
    fn choose(&mut self, area: Rect, y: u16) {
        if y < area.height {
            self.buffer.set_style(Rect { y: area.y + y, height: 1, ..area }, self.theme.chosen());
        }
    }
}

/// Time of day, UTC.
fn clock(at: TsNs) -> String {
    let seconds = at.0.div_euclid(1_000_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// The text, or as much of it as `room` columns take.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(room.saturating_sub(1)).collect();
    if room > 0 {
        kept.push('…');
    }
    kept
}

/// The end of a name, in at most `room` columns: markets of one series differ there.
fn tail(name: &str, room: usize) -> String {
    let length = name.chars().count();
    match room {
        0 => String::new(),
        _ if length <= room => name.to_owned(),
        _ => format!("…{}", name.chars().skip(length + 1 - room).collect::<String>()),
    }
}

/// Both ends of a name, in at most `room` columns: runs of one seed differ in the middle of theirs and at its end.
fn ends(name: &str, room: usize) -> String {
    let length = name.chars().count();
    if length <= room || room == 0 {
        return cut(name, room);
    }
    let front = (room - 1) / 2;
    let kept: String = name.chars().take(front).collect();
    format!("{kept}{}", tail(name, room - front))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_both_ends_are_kept() {
        let name = "ppo-s0-01a1fd73-8342-76ec-b82a-dea2dd33be26/fold_4";
        assert_eq!(ends(name, 23), "ppo-s0-01a1…be26/fold_4");
        assert_eq!(ends(name, 22), "ppo-s0-01a…be26/fold_4");
        assert_eq!(ends(name, name.len()), name);
        assert_eq!((ends("gold:3", 6).as_str(), ends("gold:3", 3).as_str()), ("gold:3", "g…3"));
        for room in 0..60 {
            assert!(ends(name, room).chars().count() <= room, "{room}");
        }
    }
}
