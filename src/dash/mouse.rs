//! The mouse: what it changes.

use super::command::{Effect, Place, TapeMove};
use super::panes::Pane;
use super::state::State;
use crate::units::TsNs;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

/// Rows that a turn of the wheel moves.
const WHEEL_ROWS: i64 = 3;

impl State {
    pub(super) fn mouse(&mut self, mouse: MouseEvent, now: TsNs) -> Option<Effect> {
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
