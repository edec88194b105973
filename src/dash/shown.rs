//! What of the state is shown, of which moment, and whether it holds.

use super::desk::Desk;
use super::market::{STALE_AFTER_MS, late};
use super::news::{Reach, Run};
use super::panes::{Arrangement, Pane, Screen, arrange};
use super::state::{Frozen, State};
use crate::units::TsNs;
use crate::view::{CollectStatus, Link, ModelStatus, is_synthetic};
use ratatui::layout::Rect;
use serde_json::Value;

/// Without a word for this long the collector's figures are not current.
const SILENT_NS: i64 = 3_500_000_000;
/// Without a frame for this long a feed is called quiet.
const QUIET_S: u64 = 5;
/// Frames of which the collector has told are shown within this time; otherwise this screen is slow.
const BEHIND_NS: i64 = 10_000_000_000;
/// Spans of the price curve, seconds.
const WINDOWS_S: [i64; 5] = [30, 60, 300, 900, 3_600];

/// Why the books that are shown are not current, where that is so for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In a word, for the sign of the recording.
    pub word: &'static str,
    /// In words.
    pub text: String,
}

impl Trouble {
    fn new(word: &'static str, text: impl Into<String>) -> Trouble {
        Trouble { word, text: text.into() }
    }
}

impl State {
    /// The desk that the screen shows.
    pub fn desk(&self) -> &Desk {
        match (self.screen, self.still()) {
            (Screen::Replay, _) => &self.replay,
            (_, Some(frozen)) => &frozen.desk,
            _ => &self.live,
        }
    }

    /// What stands still, where the screen shows that.
    pub(super) fn still(&self) -> Option<&Frozen> {
        self.frozen.as_deref().filter(|_| self.screen == Screen::Live)
    }

    /// The moment that the screen shows: the tape's on the replay screen, that of a frozen display.
    pub fn moment(&self, now: TsNs) -> TsNs {
        match (self.screen, self.still()) {
            (Screen::Replay, _) => self.position,
            (_, Some(frozen)) => frozen.at,
            _ => now,
        }
    }

    /// The collector's figures of that moment.
    pub(super) fn collected(&self) -> Option<&CollectStatus> {
        match self.still() {
            Some(frozen) => frozen.collect.as_ref(),
            None => self.status.collect.as_ref(),
        }
    }

    /// Why the books of that moment were not current.
    pub(super) fn trouble(&self, now: TsNs) -> Option<Trouble> {
        match self.still() {
            Some(frozen) => frozen.trouble.clone(),
            None => self.feed_trouble(now),
        }
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
    pub fn feed_trouble(&self, now: TsNs) -> Option<Trouble> {
        if self.screen == Screen::Replay {
            return None;
        }
        match &self.reach {
            Reach::Alone => return Some(Trouble::new("NO COLLECTOR", "no collector is running")),
            Reach::Lost(why) => return Some(Trouble::new("LOST", why.as_str())),
            Reach::Attached | Reach::Inside => {}
        }
        let Some(status) = &self.status.collect else {
            return Some(Trouble::new("CONNECTING", "no word yet"));
        };
        if let Some(told) = self.told.filter(|told| now.0 - told.0 > SILENT_NS) {
            let silent_s = (now.0 - told.0) / 1_000_000_000;
            let text = format!("no word from the collector for {silent_s} s");
            return Some(Trouble::new("SILENT", text));
        }
        match status.link {
            Link::Connecting => Some(Trouble::new("CONNECTING", "not connected")),
            Link::Stopped => Some(Trouble::new("STOPPED", "the collector has stopped")),
            _ if status.quiet_s >= QUIET_S => {
                Some(Trouble::new("SILENT", format!("no frame for {} s", status.quiet_s)))
            }
            Link::Live | Link::Healing => self.lateness(status, now),
        }
    }

    /// Frames come, but they are old: on their way to the collector, or from there to this screen.
    fn lateness(&self, status: &CollectStatus, now: TsNs) -> Option<Trouble> {
        let lag_ms = status.lag_ms.p50 as i64;
        let behind_ns = now.0 - self.live.clock.0;
        if lag_ms >= STALE_AFTER_MS {
            Some(Trouble::new("LATE", late(lag_ms)))
        } else if self.live.events > 0 && behind_ns > BEHIND_NS {
            let text = format!("this screen is {} s behind", behind_ns / 1_000_000_000);
            Some(Trouble::new("LATE", text))
        } else {
            None
        }
    }

    /// True if the collector that runs writes this session: what is sealed of it is not all.
    pub(super) fn records(&self, session: &str) -> bool {
        let runs = matches!(self.reach, Reach::Attached | Reach::Inside);
        let known = self.status.collect.as_ref().filter(|status| status.link != Link::Stopped);
        known.is_some_and(|status| runs && status.session == session)
    }

    /// True if a collector runs and nothing of what it writes is sealed yet.
    pub(super) fn records_unsealed(&self) -> bool {
        let running = self.status.collect.as_ref().map_or("", |status| status.session.as_str());
        let sealed = self.status.sessions.iter().any(|session| session.id == running);
        self.records(running) && !sealed
    }

    /// True while the newest trading session trades: in this process, or in the one that is looked at.
    pub(super) fn trades(&self) -> bool {
        let runs = matches!(self.reach, Reach::Attached | Reach::Inside);
        runs && self.status.trade.as_ref().is_some_and(|session| !session.ended)
    }

    /// Why no order is sent, in words: there is a kill file, or a session that met one still runs. Nothing but a
    /// restart lets that one trade again.
    pub fn orders_stopped(&self) -> Option<String> {
        if !self.status.stopped.is_empty() {
            return Some(self.status.stopped.clone());
        }
        let session = self.status.trade.as_ref().filter(|_| self.trades())?;
        let why = &session.stopped;
        (!why.is_empty()).then(|| format!("restart to trade again ({why})"))
    }

    /// The runs whose curves are drawn: those that are marked, or the chosen one.
    pub(super) fn overlaid(&self) -> Vec<&Run> {
        let marked = |run: &&Run| self.marked.contains(&run.status.id);
        let runs: Vec<&Run> = self.runs.iter().filter(marked).collect();
        if runs.is_empty() { self.runs.get(self.rows[0]).into_iter().collect() } else { runs }
    }

    /// The models that are looked at: the first two that are marked, or the chosen one.
    pub(super) fn looked_at(&self) -> Vec<&ModelStatus> {
        let marked = |model: &&ModelStatus| self.marked.contains(&model.id);
        let models: Vec<&ModelStatus> = self.status.models.iter().filter(marked).take(2).collect();
        if models.len() == 2 {
            models
        } else {
            self.status.models.get(self.rows[1]).into_iter().collect()
        }
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
        let session = self.status.sessions.first().map(|session| is_synthetic(&session.source));
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
        let shown = self.screen.has_markets() && self.still().is_none();
        self.desk().market().filter(|_| shown)?.flashes_until(self.moment(now))
    }
}

/// Where the data come from that a model was made with.
fn sources(model: &ModelStatus) -> impl Iterator<Item = &str> {
    let sources = model.facts.get("sources").and_then(Value::as_array);
    sources.into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::SessionStatus;
    use serde_json::json;

    #[test]
    fn the_badge_is_that_of_what_the_screen_shows() {
        let of = |source: &str| SessionStatus { source: source.into(), ..SessionStatus::default() };
        let mut state = State::new("here", (80, 24));
        let badge = |state: &mut State, screen| {
            state.screen = screen;
            state.is_synthetic()
        };
        assert!(!badge(&mut state, Screen::Replay), "nothing is known");
        state.status.sessions = vec![of("sim:seed=7")];
        // No tape: what would be on it.
        assert!(badge(&mut state, Screen::Replay));
        assert!(badge(&mut state, Screen::Training));
        let run = |source: &str| Run { sources: vec![source.into()], ..Run::default() };
        let facts =
            |source: &str| json!({ "sources": [source] }).as_object().expect("an object").clone();
        state.runs = vec![run("import:gold15m")];
        state.status.models =
            vec![ModelStatus { facts: facts("import:gold15m"), ..ModelStatus::default() }];
        assert!(!badge(&mut state, Screen::Training) && !badge(&mut state, Screen::Models));
        assert!(badge(&mut state, Screen::Live));
        state.status.sessions = vec![of("kalshi")];
        state.runs = vec![run("sim:seed=7")];
        state.status.models =
            vec![ModelStatus { facts: facts("sim:seed=7"), ..ModelStatus::default() }];
        assert!(badge(&mut state, Screen::Training) && badge(&mut state, Screen::Models));
        assert!(!badge(&mut state, Screen::Replay) && !badge(&mut state, Screen::Live));
    }
}
