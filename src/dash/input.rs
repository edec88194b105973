//! Keys: what they change.

use super::command::{Effect, Place, TapeMove};
use super::keys::{Action, lookup};
use super::log_lines::{Level, Line};
use super::news::Input;
use super::panes::{Pane, Screen};
use super::run::Leave;
use super::state::{Popup, State, Typing};
use crate::units::TsNs;
use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use ratatui::layout::Rect;

/// Lines that a page of the help moves.
const HELP_ROWS: i64 = 10;

/// Lines that a key moves the help.
fn help_rows(code: KeyCode) -> Option<i64> {
    match code {
        KeyCode::Down | KeyCode::Char('j') => Some(1),
        KeyCode::Up | KeyCode::Char('k') => Some(-1),
        KeyCode::PageDown => Some(HELP_ROWS),
        KeyCode::PageUp => Some(-HELP_ROWS),
        _ => None,
    }
}

/// False for what terminals tell and nobody acts on: the mouse moves, a button or a key is let go.
pub(super) fn is_acted_on(input: &Input) -> bool {
    use MouseEventKind::{Down, ScrollDown, ScrollUp};
    match input {
        Input::Key(key) => key.kind != KeyEventKind::Release,
        Input::Mouse(mouse) => {
            matches!(mouse.kind, Down(MouseButton::Left) | ScrollDown | ScrollUp)
        }
        Input::Resize(..) => true,
        Input::FocusGained | Input::FocusLost | Input::Paste(_) => false,
    }
}

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
        // Where the pane or the tape has these keys, the box over it has them first.
        let helps = matches!(self.popup, Some(Popup::Help(_)));
        let turned = help_rows(key.code).filter(|_| helps).map(Action::Move);
        let action = turned.or_else(|| lookup(key, self).map(|binding| binding.action));
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
        self.settle_choice(now);
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
            Action::Palette => self.palette = self.palette.next(),
            Action::Freeze => self.freeze(now),
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
            Action::Shift(by) => self.shift_lines(by),
            Action::Curve(by) => self.curve = self.curve.saturating_add_signed(by as isize),
            ladder => self.turn_ladder(ladder),
        }
        None
    }

    /// Moves the lines of the log sideways, until the end of the longest is seen.
    fn shift_lines(&mut self, by: i64) {
        let room = self.area(Pane::Lines).map_or(0, super::draw::line_room);
        let longest = self.matching().map(|line| line.text.chars().count()).max().unwrap_or(0);
        let most = longest.saturating_sub(room) as i64;
        self.shift = (self.shift as i64 + by).clamp(0, most) as usize;
    }

    /// Shows a screen; a tape that nobody asked for yet is put in.
    pub(super) fn go(&mut self, screen: Screen) -> Option<Effect> {
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
        let area = self.area(self.focus());
        area.map_or(1, |area| i64::from(area.height.saturating_sub(3)).max(1))
    }

    /// Where a pane stands, if it is shown.
    fn area(&self, wanted: Pane) -> Option<Rect> {
        self.panes().into_iter().find(|(pane, _)| *pane == wanted).map(|(_, area)| area)
    }

    /// The lines of the log that are asked for.
    pub(super) fn matching(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.matching(self.level.unwrap_or(Level::Info), &self.log_filter)
    }

    pub(super) fn move_rows(&mut self, pane: Pane, by: i64, now: TsNs) {
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
                let Some((at, last)) = self.reach_of(pane) else { return };
                // Lines are counted from the newest, which stands at the bottom.
                let by = if pane == Pane::Lines { -by } else { by };
                let row = self.rows[at].min(last) as i64 + by;
                self.rows[at] = row.clamp(0, last as i64) as usize;
            }
        }
    }

    pub(super) fn select(&mut self, market: usize) {
        let screen = self.screen;
        let still = self.frozen.as_mut().map(|frozen| &mut frozen.desk);
        if screen == Screen::Live {
            still.into_iter().chain([&mut self.live]).for_each(|desk| desk.choose(market));
        } else {
            self.replay.choose(market);
        }
        self.ladder.centre();
        self.rows[7] = 0;
    }

    /// Place in [`State::rows`] and number of rows of a list in which one is chosen.
    pub(super) fn list(&self, pane: Pane) -> Option<(usize, usize)> {
        Some(match pane {
            Pane::Runs => (0, self.runs.len()),
            Pane::ModelList => (1, self.status.models.len()),
            Pane::Sessions => (2, self.status.sessions.len()),
            _ => return None,
        })
    }

    /// Place in [`State::rows`] of a pane that moves, and the most that may stand there: the last row of a list, or
    /// what is out of sight when the other end is seen.
    pub(super) fn reach_of(&self, pane: Pane) -> Option<(usize, usize)> {
        if let Some((at, count)) = self.list(pane) {
            return Some((at, count.saturating_sub(1)));
        }
        let area = self.area(pane)?;
        let (at, rows) = match pane {
            Pane::Lines => (3, self.matching().count()),
            Pane::Actions => (4, self.desk().trading.listed(self.holds).count()),
            Pane::Gaps => (5, self.live.gaps.len()),
            Pane::ModelFacts => (6, super::draw::facts_rows(self, area)),
            Pane::Trades => (7, self.desk().market().map_or(0, |market| market.trades.len())),
            _ => return None,
        };
        Some((at, rows.saturating_sub(usize::from(area.height.saturating_sub(2)))))
    }

    /// A filter that leaves the chosen market out chooses the first that it leaves.
    fn settle_choice(&mut self, now: TsNs) {
        if !self.screen.has_markets() {
            return;
        }
        let listed = self.desk().listed(&self.filter, self.sort, self.moment(now));
        if !listed.contains(&self.desk().selected)
            && let Some(first) = listed.first()
        {
            self.select(*first);
        }
    }

    fn choose(&mut self) -> Option<Effect> {
        let session = self.status.sessions.get(self.rows[2])?;
        let open = TapeMove::Open(session.id.clone());
        self.screen = Screen::Replay;
        Some(Effect::Tape(open))
    }

    fn mark(&mut self) {
        let id = match self.focus() {
            Pane::Runs => self.runs.get(self.rows[0]).map(|run| run.status.id.clone()),
            _ => self.status.models.get(self.rows[1]).map(|model| model.id.clone()),
        };
        let Some(id) = id else { return };
        match self.marked.iter().position(|marked| *marked == id) {
            Some(at) => drop(self.marked.remove(at)),
            None => self.marked.push(id),
        }
    }
}
