//! The bar at the bottom, and boxes over the screen.

use super::{Paint, cut};
use crate::dash::keys;
use crate::dash::panes::Screen;
use crate::dash::state::{Popup, Typing};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Widget};

/// What is typed, or the keys worth knowing here.
pub(super) fn bar(p: &mut Paint<'_>, area: Rect) {
    let row = Rect { y: area.bottom() - 1, height: 1, ..area };
    let typed = match &p.state.typing {
        Some(Typing::Goto(text)) => Some(("go to (12:34:56, row, 40%): ", text)),
        Some(Typing::Filter) if p.state.screen == Screen::Logs => {
            Some(("filter: ", &p.state.log_filter))
        }
        Some(Typing::Filter) => Some(("filter: ", &p.state.filter)),
        None => None,
    };
    if let Some((ask, text)) = typed {
        let line = Line::from(vec![
            Span::styled(ask, p.theme.title()),
            Span::raw(text.as_str()),
            Span::styled("_", p.theme.flash()),
            Span::styled("   Enter keeps, Esc clears", p.theme.dim()),
        ]);
        return p.line(row, 0, &line);
    }
    let all = keys::bar(p.state);
    let width = |(key, word): &(String, &str)| (key.chars().count() + word.len() + 3) as u16;
    // Where there is no room for more, the help has the rest: the way to it, and the way out, are always told.
    let (needed, more): (Vec<_>, Vec<_>) =
        all.iter().partition(|(_, word)| ["help", "quit"].contains(word));
    let mut room = row.width.saturating_sub(needed.iter().map(|key| width(key)).sum());
    let fits = more.into_iter().map_while(|key| {
        room = room.checked_sub(width(key))?;
        Some(key)
    });
    let shown: Vec<_> = fits.chain(needed).collect();
    let mut x = 0;
    for (key, word) in all.iter().filter(|key| shown.contains(key)) {
        let width = (key.chars().count() + word.len() + 3) as u16;
        p.put(row, x, 0, key, p.theme.title());
        p.put(row, x + key.chars().count() as u16 + 1, 0, word, p.theme.dim());
        x += width;
    }
}

/// The box over the screen, if there is one.
pub(super) fn popup(p: &mut Paint<'_>, area: Rect) {
    match p.state.popup {
        Some(Popup::Help(first)) => help(p, area, usize::from(first)),
        Some(Popup::Leaving) => leaving(p, area),
        Some(Popup::Killing) => killing(p, area),
        None => {}
    }
}

fn help(p: &mut Paint<'_>, area: Rect, first: usize) {
    let mut lines: Vec<(String, String)> =
        keys::help(p.state).into_iter().map(|(keys, what)| (keys, what.to_owned())).collect();
    if p.state.screen.has_markets() {
        let note = "YES asks are the NO bids seen from the other side: ask = 1 - NO bid";
        lines.push((String::new(), note.to_owned()));
    }
    let keys_wide = lines.iter().map(|l| l.0.chars().count()).max().unwrap_or(0);
    let wide = lines.iter().map(|l| l.1.chars().count()).max().unwrap_or(0) + keys_wide + 6;
    let inner = open(p, area, "Keys", wide as u16, lines.len() as u16 + 2);
    let first = first.min(lines.len().saturating_sub(usize::from(inner.height)));
    let below = lines.len() - first - usize::from(inner.height).min(lines.len() - first);
    p.more_below(inner, below);
    for (y, (keys, what)) in (0..inner.height).zip(&lines[first..]) {
        p.put(inner, 1, y, keys, p.theme.title());
        p.put(inner, keys_wide as u16 + 3, y, what, Style::new());
    }
}

fn leaving(p: &mut Paint<'_>, area: Rect) {
    let work = p.state.work.unwrap_or("work");
    let answers = [
        ("s", "stop it, save everything, leave"),
        ("d", "leave the screen only, it goes on"),
        ("Esc", "stay"),
    ];
    ask(p, area, "Leave?", &format!("The {work} runs in this process."), &answers);
}

fn killing(p: &mut Paint<'_>, area: Rect) {
    let answers =
        [("y", "stop; what rests is taken back, recording goes on"), ("Esc", "go on trading")];
    ask(p, area, "Stop all orders?", "Stopped until `kflow risk reset` and a restart.", &answers);
}

/// A box with a sentence and the keys that answer it.
fn ask(p: &mut Paint<'_>, area: Rect, title: &str, text: &str, answers: &[(&str, &str)]) {
    let inner = open(p, area, title, 60, answers.len() as u16 + 4);
    p.put(inner, 1, 0, text, Style::new());
    for (y, (key, what)) in (2..).zip(answers) {
        p.put(inner, 2, y, key, p.theme.title());
        p.put(inner, 7, y, what, Style::new());
    }
}

/// Opens a box in the middle; gives the room inside.
fn open(p: &mut Paint<'_>, area: Rect, title: &str, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let (x, y) = ((area.width - width) / 2, (area.height - height) / 2);
    let place = Rect::new(area.x + x, area.y + y, width, height);
    Clear.render(place, p.buffer);
    let title = cut(title, usize::from(width));
    let block = Block::new()
        .borders(Borders::ALL)
        .border_style(p.theme.focus())
        .title_top(Line::styled(format!(" {title} "), p.theme.title()));
    let inner = block.inner(place);
    block.render(place, p.buffer);
    inner
}
