//! What of the state is shown, and whether it holds.

use super::desk::Desk;
use super::news::{Model, Reach, Run};
use super::panes::{Arrangement, Pane, Screen, arrange};
use super::state::State;
use crate::units::TsNs;
use crate::view::{CollectStatus, Link, is_synthetic};
use ratatui::layout::Rect;
use serde_json::Value;

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

    /// The runs whose curves are drawn: those that are marked, or the chosen one.
    pub(super) fn overlaid(&self) -> Vec<&Run> {
        let marked = |run: &&Run| self.marked.contains(&run.status.id);
        let runs: Vec<&Run> = self.runs.iter().filter(marked).collect();
        if runs.is_empty() { self.runs.get(self.rows[0]).into_iter().collect() } else { runs }
    }

    /// The models that are looked at: the first two that are marked, or the chosen one.
    pub(super) fn looked_at(&self) -> Vec<&Model> {
        let marked = |model: &&Model| self.marked.contains(&model.id);
        let models: Vec<&Model> = self.models.iter().filter(marked).take(2).collect();
        if models.len() == 2 { models } else { self.models.get(self.rows[1]).into_iter().collect() }
    }

    /// True if what the screen shows is synthetic.
    pub fn is_synthetic(&self) -> bool {
        let shown: Vec<&str> = match self.screen {
            Screen::Training => self
                .overlaid()
                .into_iter()
                .flat_map(|run| &run.sources)
                .map(String::as_str)
                .collect(),
            Screen::Models => self.looked_at().into_iter().flat_map(sources).collect(),
            Screen::Replay => self.tape.iter().map(|tape| tape.source.as_str()).collect(),
            Screen::Live | Screen::Collector | Screen::Logs => Vec::new(),
        };
        if !shown.is_empty() {
            return shown.into_iter().any(is_synthetic);
        }
        // What does not tell it itself is of this place.
        let session = self.sessions.first().map(|session| is_synthetic(&session.source));
        let collector = self.status.collect.as_ref().map(CollectStatus::is_synthetic);
        let known = if self.screen == Screen::Replay {
            session.or(collector)
        } else {
            collector.or(session)
        };
        known.unwrap_or(false)
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

/// Where the data come from that a model was made with.
fn sources(model: &Model) -> impl Iterator<Item = &str> {
    let sources = model.facts.get("sources").and_then(Value::as_array);
    sources.into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dash::Session;
    use serde_json::json;

    #[test]
    fn the_badge_is_that_of_what_the_screen_shows() {
        let of = |source: &str| Session { source: source.into(), ..Session::default() };
        let mut state = State::new("here", (80, 24));
        let badge = |state: &mut State, screen| {
            state.screen = screen;
            state.is_synthetic()
        };
        assert!(!badge(&mut state, Screen::Replay), "nothing is known");
        state.sessions = vec![of("sim:seed=7")];
        // No tape: what would be on it.
        assert!(badge(&mut state, Screen::Replay));
        assert!(badge(&mut state, Screen::Training));
        let run = |source: &str| Run { sources: vec![source.into()], ..Run::default() };
        let facts =
            |source: &str| json!({ "sources": [source] }).as_object().expect("an object").clone();
        state.runs = vec![run("import:gold15m")];
        state.models = vec![Model { facts: facts("import:gold15m"), ..Model::default() }];
        assert!(!badge(&mut state, Screen::Training) && !badge(&mut state, Screen::Models));
        assert!(badge(&mut state, Screen::Live));
        state.sessions = vec![of("kalshi")];
        state.runs = vec![run("sim:seed=7")];
        state.models = vec![Model { facts: facts("sim:seed=7"), ..Model::default() }];
        assert!(badge(&mut state, Screen::Training) && badge(&mut state, Screen::Models));
        assert!(!badge(&mut state, Screen::Replay) && !badge(&mut state, Screen::Live));
    }
}
