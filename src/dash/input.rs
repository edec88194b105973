//! Keys and mouse: what they change.

use super::command::{Effect, Place, TapeMove};
use super::keys::{Action, lookup};
use super::log_lines::Level;
use super::news::Input;
use super::panes::{Pane, Screen};
use super::run::Leave;
use super::state::{Popup, State, Typing};
use crate::units::TsNs;
use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect};

/// Rows that a turn of the wheel moves.
const WHEEL_ROWS: i64 = 3;
/// Lines that a page of the help moves.
const HELP_ROWS: i64 = 10;

impl State {
    pub(super) fn input(&mut self, input: Input, now: TsNs) -> Option<Effect> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.key(key, now),
            Input::Mouse(mouse) => self.mouse(mouse, now),
            Input::Resize(columns, rows) => {
                self.size = (columns, rows);
                None
            }
            _ => None,
        }
    }

    fn key(&mut self, key: KeyEvent, now: TsNs) -> Option<Effect> {
        if self.typing.is_some() {
            return self.type_key(key, now);
        }
        let action = match (self.popup, key.code) {
            // Where the tape has these keys, the box over it has them first.
            (Some(Popup::Help(_)), KeyCode::PageDown) => Some(Action::Move(HELP_ROWS)),
            (Some(Popup::Help(_)), KeyCode::PageUp) => Some(Action::Move(-HELP_ROWS)),
            _ => lookup(key, self).map(|binding| binding.action),
        };
        if self.popup.is_some() && action.is_none() {
            // Whatever means nothing else closes the box.
            self.popup = None;
        }
        match (self.popup, action?) {
            (None, action) => self.act(action, now),
            (Some(Popup::Leaving), Action::StopWork) => Some(Effect::Leave(Leave::Stop)),
            (Some(Popup::Leaving), Action::Detach) => Some(Effect::Leave(Leave::Detach)),
            (Some(Popup::Killing), Action::Kill) => {
                self.popup = None;
                Some(Effect::Kill)
            }
            (Some(Popup::Help(line)), Action::Move(by)) => {
                let line = i64::from(line).saturating_add(by).clamp(0, 200) as u16;
                self.popup = Some(Popup::Help(line));
                None
            }
            (Some(_), _) => {
                self.popup = None;
                None
            }
        }
    }

    /// Letters of a filter or a place.
    fn type_key(&mut self, key: KeyEvent, now: TsNs) -> Option<Effect> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            // A chord is no letter: Ctrl-C leaves from everywhere.
            self.typing = None;
            return self.key(key, now);
        }
        let text = match self.typing.as_mut()? {
            Typing::Goto(text) => text,
            Typing::Filter if self.screen == Screen::Logs => &mut self.log_filter,
            Typing::Filter => &mut self.filter,
        };
        match key.code {
            KeyCode::Char(c) if !c.is_control() => text.push(c),
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Esc => {
                text.clear();
                self.typing = None;
            }
            KeyCode::Enter => {
                let Some(Typing::Goto(text)) = self.typing.take() else { return None };
                let Some(place) = Place::parse(&text) else {
                    // It stays to be corrected.
                    self.typing = Some(Typing::Goto(text));
                    return None;
                };
                return Some(Effect::Tape(TapeMove::To(place)));
            }
            _ => {}
        }
        self.settle_choice();
        None
    }

    fn act(&mut self, action: Action, now: TsNs) -> Option<Effect> {
        if let Some(to) = self.tape_move(action) {
            return self.tape.is_some().then_some(Effect::Tape(to));
        }
        match action {
            Action::Quit if self.work.is_some() && self.ended.is_none() => {
                self.popup = Some(Popup::Leaving);
            }
            Action::Quit => return Some(Effect::Leave(Leave::Closed)),
            Action::Help => self.popup = Some(Popup::Help(0)),
            Action::AskKill => self.popup = Some(Popup::Killing),
            Action::Go(screen) => return self.go(screen),
            Action::NextPane => self.turn_focus(1),
            Action::PrevPane => self.turn_focus(-1),
            Action::Zoom => self.zoom = !self.zoom,
            Action::Back => self.back(),
            Action::Palette => self.palette = Some(self.palette.unwrap_or_default().next()),
            Action::Freeze => {
                self.frozen = match self.frozen.take() {
                    Some(_) => None,
                    None => Some(Box::new(self.live.clone())),
                };
            }
            Action::Filter => self.typing = Some(Typing::Filter),
            Action::Goto => self.typing = Some(Typing::Goto(String::new())),
            Action::Holds => self.holds = !self.holds,
            Action::Sort => self.sort = self.sort.next(),
            Action::Move(rows) => self.move_rows(self.focus(), rows, now),
            Action::Page(pages) => self.move_rows(self.focus(), pages * self.page(), now),
            Action::Top => self.move_rows(self.focus(), i64::from(i32::MIN), now),
            Action::Bottom => self.move_rows(self.focus(), i64::from(i32::MAX), now),
            Action::Choose => return self.choose(),
            Action::Mark => self.mark(),
            Action::Level => self.level = Some(self.level.unwrap_or(Level::Info).next()),
            Action::Window(by) => self.window = (self.window + by).clamp(-2, 2),
            Action::Curve(by) => self.curve = self.curve.saturating_add_signed(by as isize),
            ladder => self.turn_ladder(ladder),
        }
        None
    }

    /// Shows a screen; a tape that nobody asked for yet is put in.
    fn go(&mut self, screen: Screen) -> Option<Effect> {
        (self.screen, self.zoom) = (screen, false);
        let wants_tape = screen == Screen::Replay && self.tape.is_none();
        wants_tape.then(|| Effect::Tape(TapeMove::Open(String::new())))
    }

    fn turn_ladder(&mut self, action: Action) {
        use super::ladder::Book;
        let view = &mut self.ladder;
        match action {
            Action::Centre => view.centre(),
            Action::Flip => {
                view.book = if view.book == Book::No { Book::Yes } else { Book::No };
                view.centre();
            }
            Action::Raw => view.book = if view.book == Book::Raw { Book::Yes } else { Book::Raw },
            Action::Finer => view.group = view.group.finer(),
            Action::Wider => view.group = view.group.wider(),
            Action::LogBars => view.log_bars = !view.log_bars,
            Action::Cents => view.cents = !view.cents,
            _ => {}
        }
    }

    fn back(&mut self) {
        if self.zoom {
            self.zoom = false;
        } else if self.screen == Screen::Logs {
            self.log_filter.clear();
        } else {
            self.filter.clear();
        }
    }

    fn turn_focus(&mut self, by: isize) {
        let panes = self.screen.panes();
        let at = panes.iter().position(|pane| *pane == self.focus()).unwrap_or(0);
        let next = (at as isize + by).rem_euclid(panes.len() as isize);
        self.set_focus(panes[next as usize]);
    }

    /// Rows of the pane with the keys, as far as one can be seen.
    fn page(&self) -> i64 {
        let panes = self.panes();
        let area = panes.iter().find(|(pane, _)| *pane == self.focus());
        area.map_or(1, |(_, area)| i64::from(area.height.saturating_sub(3)).max(1))
    }

    fn move_rows(&mut self, pane: Pane, by: i64, now: TsNs) {
        match pane {
            Pane::Ladder => self.ladder.scroll(-by.clamp(-10_000, 10_000)),
            Pane::Markets => {
                let listed = self.desk().listed(&self.filter, self.sort, self.moment(now));
                let at = listed.iter().position(|i| *i == self.desk().selected).unwrap_or(0);
                let to = (at as i64 + by).clamp(0, listed.len().saturating_sub(1) as i64);
                if let Some(market) = listed.get(to as usize) {
                    self.select(*market);
                }
            }
            pane => {
                let Some((at, count)) = self.list(pane) else { return };
                // Lines are counted from the newest, which stands at the bottom; the oldest one stays there, too.
                let (by, keep) = if pane == Pane::Lines { (-by, self.page()) } else { (by, 1) };
                let row = self.rows[at] as i64 + by;
                self.rows[at] = row.clamp(0, (count as i64 - keep).max(0)) as usize;
            }
        }
    }

    fn select(&mut self, market: usize) {
        let screen = self.screen;
        for desk in [Some(&mut self.live), self.frozen.as_deref_mut()].into_iter().flatten() {
            if screen == Screen::Live {
                (desk.selected, desk.chosen) = (market, true);
            }
        }
        if screen == Screen::Replay {
            (self.replay.selected, self.replay.chosen) = (market, true);
        }
        self.ladder.centre();
    }

    /// Place in [`State::rows`] and number of rows of a pane that has any.
    pub(super) fn list(&self, pane: Pane) -> Option<(usize, usize)> {
        let lines = || self.lines.matching(self.level.unwrap_or(Level::Info), &self.log_filter);
        Some(match pane {
            Pane::Runs => (0, self.runs.len()),
            Pane::ModelList => (1, self.models.len()),
            Pane::Sessions => (2, self.sessions.len()),
            // Counted from the newest.
            Pane::Lines => (3, lines().count()),
            Pane::Actions => (4, self.desk().trading.listed(self.holds).count()),
            Pane::Gaps => (5, self.desk().gaps.len()),
            _ => return None,
        })
    }

    /// A filter that leaves the chosen market out chooses the first that it leaves.
    fn settle_choice(&mut self) {
        if !self.screen.has_markets() {
            return;
        }
        let listed = self.desk().listed(&self.filter, self.sort, TsNs(0));
        if !listed.contains(&self.desk().selected)
            && let Some(first) = listed.first()
        {
            self.select(*first);
        }
    }

    fn choose(&mut self) -> Option<Effect> {
        let session = self.sessions.get(self.rows[2])?;
        let open = TapeMove::Open(session.id.clone());
        self.screen = Screen::Replay;
        Some(Effect::Tape(open))
    }

    fn mark(&mut self) {
        let id = match self.focus() {
            Pane::Runs => self.runs.get(self.rows[0]).map(|run| run.status.id.clone()),
            _ => self.models.get(self.rows[1]).map(|model| model.id.clone()),
        };
        let Some(id) = id else { return };
        match self.marked.iter().position(|marked| *marked == id) {
            Some(at) => drop(self.marked.remove(at)),
            None => self.marked.push(id),
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, now: TsNs) -> Option<Effect> {
        let at = Position::new(mouse.column, mouse.row);
        let panes = self.panes();
        let hit = panes.iter().find(|(_, area)| area.contains(at)).copied();
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) if self.popup.is_some() => self.popup = None,
            MouseEventKind::Down(MouseButton::Left) if mouse.row == 0 => {
                return self.go(super::draw::tab_at(self, mouse.column)?);
            }
            MouseEventKind::Down(MouseButton::Left) => {
                let (pane, area) = hit?;
                return self.click(pane, area, at, now);
            }
            MouseEventKind::ScrollDown => self.move_rows(hit?.0, WHEEL_ROWS, now),
            MouseEventKind::ScrollUp => self.move_rows(hit?.0, -WHEEL_ROWS, now),
            _ => {}
        }
        None
    }

    fn click(&mut self, pane: Pane, area: Rect, at: Position, now: TsNs) -> Option<Effect> {
        let inner = area.width.saturating_sub(2).max(1);
        if pane == Pane::Scrubber {
            let share = f64::from(at.x.saturating_sub(area.x + 1)) / f64::from(inner);
            return self
                .tape
                .is_some()
                .then(|| Effect::Tape(TapeMove::To(Place::Share(share.min(1.0)))));
        }
        self.set_focus(pane);
        let row = usize::from(at.y.saturating_sub(area.y + 2));
        let shown = usize::from(area.height.saturating_sub(3));
        if pane == Pane::Markets {
            let listed = self.desk().listed(&self.filter, self.sort, self.moment(now));
            let chosen = listed.iter().position(|i| *i == self.desk().selected).unwrap_or(0);
            let first = super::draw::first_row(chosen, shown, listed.len());
            if let Some(market) = listed.get(first + row) {
                self.select(*market);
            }
        } else if let Some((list, count)) = self.list(pane) {
            let first = super::draw::first_row(self.rows[list], shown, count);
            self.rows[list] = (first + row).min(count.saturating_sub(1));
        }
        None
    }
}
