//! What of the state is shown, and whether it holds.

use super::desk::Desk;
use super::news::Reach;
use super::panes::{Arrangement, Pane, Screen, arrange};
use super::state::State;
use crate::units::TsNs;
use crate::view::{Link, is_synthetic};
use ratatui::layout::Rect;

/// Without a word for this long the collector's figures are not current.
const SILENT_NS: i64 = 3_500_000_000;
/// Without a frame for this long a feed is called quiet.
const QUIET_S: u64 = 5;
/// Spans of the price curve, seconds.
const WINDOWS_S: [i64; 5] = [30, 60, 300, 900, 3_600];

impl State {
    /// The desk that the screen shows.
    pub fn desk(&self) -> &Desk {
        match (self.screen, &self.frozen) {
            (Screen::Replay, _) => &self.replay,
            (_, Some(frozen)) => frozen,
            _ => &self.live,
        }
    }

    /// The moment that the screen shows: the tape's on the replay screen.
    pub fn moment(&self, now: TsNs) -> TsNs {
        if self.screen == Screen::Replay { self.position } else { now }
    }

    /// The pane with the keys.
    pub fn focus(&self) -> Pane {
        self.focus[self.screen as usize].unwrap_or(self.screen.panes()[0])
    }

    pub(super) fn set_focus(&mut self, pane: Pane) {
        self.focus[self.screen as usize] = Some(pane);
        if self.screen.has_markets() && pane != Pane::Ladder {
            self.side = Some(pane);
        }
    }

    /// The panes that are shown, and where.
    pub fn panes(&self) -> Vec<(Pane, Rect)> {
        let side = self.side.unwrap_or(Pane::Markets);
        let (screen, focus, zoom) = (self.screen, self.focus(), self.zoom);
        arrange(self.size, Arrangement { screen, focus, side, zoom })
    }

    /// Why the live books are not current, where that is so for all of them.
    pub fn feed_trouble(&self, now: TsNs) -> Option<String> {
        if self.screen == Screen::Replay {
            return None;
        }
        match &self.reach {
            Reach::Alone => return Some("no collector is running".to_owned()),
            Reach::Lost(why) => return Some(why.clone()),
            Reach::Attached | Reach::Inside => {}
        }
        let Some(status) = &self.status.collect else { return Some("no word yet".to_owned()) };
        if let Some(told) = self.told.filter(|told| now.0 - told.0 > SILENT_NS) {
            return Some(format!(
                "no word from the collector for {} s",
                (now.0 - told.0) / 1_000_000_000
            ));
        }
        match status.link {
            Link::Connecting => Some("not connected".to_owned()),
            Link::Stopped => Some("the collector has stopped".to_owned()),
            _ if status.quiet_s >= QUIET_S => Some(format!("no frame for {} s", status.quiet_s)),
            Link::Live | Link::Healing => None,
        }
    }

    /// True if what the screen shows is synthetic.
    pub fn is_synthetic(&self) -> bool {
        match (self.screen, &self.tape, &self.status.collect) {
            (Screen::Replay, Some(tape), _) => is_synthetic(&tape.source),
            (Screen::Replay, None, _) => false,
            (_, _, Some(status)) => status.is_synthetic(),
            (_, _, None) => self.sessions.first().is_some_and(|s| is_synthetic(&s.source)),
        }
    }

    /// The span of the price curve, seconds.
    pub fn window_s(&self) -> i64 {
        WINDOWS_S[(2 - self.window).clamp(0, WINDOWS_S.len() as i32 - 1) as usize]
    }

    /// When the picture changes although nothing is said: a flash is over.
    pub fn wakes(&self, now: TsNs) -> Option<TsNs> {
        let shown = self.screen.has_markets() && self.frozen.is_none();
        self.desk().market().filter(|_| shown)?.flashes_until(self.moment(now))
    }
}
