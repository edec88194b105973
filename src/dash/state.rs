//! What the dashboard knows, and how it changes.

use super::command::{Effect, Place, TapeMove};
use super::desk::Desk;
use super::keys::Action;
use super::ladder::LadderView;
use super::list::Sort;
use super::log_lines::{Level, Line, Lines};
use super::news::{Heard, Msg, News, Reach, Run};
use super::panes::{Pane, Screen};
use super::run::Leave;
use super::shown::Trouble;
use super::source::tape::Tape;
use super::theme::Palette;
use super::trading::Trading;
use crate::units::TsNs;
use crate::view::{CollectStatus, Status, TradeStatus};
use std::collections::VecDeque;

/// Statuses whose rates are kept: ten minutes.
const RATES: usize = 600;

/// A box over the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popup {
    /// The keys, from this line on.
    Help(u16),
    /// What is to become of the work of this process.
    Leaving,
    /// Whether all orders are to stop.
    Killing,
}

/// What is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typing {
    /// A filter; it works at once.
    Filter,
    /// A place on the tape.
    Goto(String),
}

/// What the live screen showed when it was frozen.
#[derive(Debug)]
pub struct Frozen {
    /// When.
    pub at: TsNs,
    /// Markets and trading.
    pub desk: Desk,
    /// The collector's figures.
    pub collect: Option<CollectStatus>,
    /// Why the books were not current.
    pub trouble: Option<Trouble>,
}

/// Everything shown. Fields are written by [`State::update`] only.
#[derive(Debug, Default)]
pub struct State {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The data directory.
    pub place: String,
    /// The work of this process, where it has any: `collector`, `training`.
    pub work: Option<&'static str>,
    /// This process trades, and its orders can be stopped from here.
    pub can_kill: bool,
    /// How the running work is reached.
    pub reach: Reach,
    /// The one structure of figures: screens and `--json` read it.
    pub status: Status,
    /// When the collector's status was last told.
    pub told: Option<TsNs>,
    /// Frames per second and lag p99 of the last statuses, oldest first.
    pub rates: VecDeque<(f64, f64)>,
    /// Markets and trading now.
    pub live: Desk,
    /// Markets and trading where the tape stands.
    pub replay: Desk,
    /// The session on the tape.
    pub tape: Option<Box<Tape>>,
    /// Why there is no tape; empty where nothing is wrong.
    pub tape_problem: String,
    /// Where the tape stands.
    pub position: TsNs,
    /// The tape runs.
    pub playing: bool,
    /// Recorded seconds per second.
    pub speed: f64,
    /// Training runs, newest first.
    pub runs: Vec<Run>,
    /// What was said.
    pub lines: Lines,
    /// The screen shown.
    pub screen: Screen,
    /// The pane with the keys, per screen.
    pub(super) focus: [Option<Pane>; Screen::ALL.len()],
    /// The pane shown beside the ladder.
    pub side: Option<Pane>,
    /// Only the pane with the keys is shown.
    pub zoom: bool,
    /// A box over the screen.
    pub popup: Option<Popup>,
    /// What is being typed.
    pub typing: Option<Typing>,
    /// Filter of the market list.
    pub filter: String,
    /// Filter of the log.
    pub log_filter: String,
    /// Least level of the log.
    pub level: Option<Level>,
    /// Columns of the lines of the log that are out of sight on the left.
    pub shift: usize,
    /// Order of the market list.
    pub sort: Sort,
    /// Decisions to hold are listed, too.
    pub holds: bool,
    /// How the ladder is looked at.
    pub ladder: LadderView,
    /// Span of the price curve: 0 is five minutes, positive is less.
    pub window: i32,
    /// The curve shown alone where there is room for one only.
    pub curve: usize,
    /// Per pane of rows the chosen one, or how many are out of sight before the first that is seen.
    pub rows: [usize; ROWS],
    /// Marked models and runs, by id.
    pub marked: Vec<String>,
    /// What is shown while the display is frozen.
    pub frozen: Option<Box<Frozen>>,
    /// The colours: at first those with which the program was started.
    pub palette: Palette,
    /// The person asked for no colour at all (`NO_COLOR`): there is no other palette.
    pub colourless: bool,
    /// Why the work of this process has ended, once it has.
    pub ended: Option<String>,
}

/// Panes that remember a row.
const ROWS: usize = 8;

impl State {
    /// A dashboard of `place` that knows nothing yet.
    pub fn new(place: &str, size: (u16, u16)) -> State {
        State { place: place.to_owned(), size, speed: 1.0, ..State::default() }
    }

    /// Takes a message; `now` is our wall clock.
    pub fn update(&mut self, msg: Msg, now: TsNs) -> Option<Effect> {
        let effect = match msg {
            Msg::Input(input) => self.input(input, now),
            Msg::News(news) => {
                self.news(news, now);
                None
            }
            Msg::Stop(word) => Some(Effect::Leave(Leave::Told(word))),
        };
        self.follow();
        effect
    }

    /// Freezes the display, or lets it go on.
    pub(super) fn freeze(&mut self, now: TsNs) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Box::new(Frozen {
                at: now,
                desk: self.live.clone(),
                collect: self.status.collect.clone(),
                trouble: self.feed_trouble(now),
            })),
        };
    }

    fn news(&mut self, news: News, now: TsNs) {
        match news {
            News::Reach(reach) => self.reached(reach, now),
            News::Status(status) => {
                if self.rates.len() == RATES {
                    self.rates.pop_front();
                }
                self.rates.push_back((status.frames_per_s, status.lag_ms.p99));
                self.told = Some(now);
                self.status.collect = Some(*status);
            }
            News::Heard(heard) => self.live.hear(heard),
            News::Trading(opening) => {
                self.live.trading = Trading::begin(opening);
                self.status.trade.clone_from(&self.live.trading.status);
            }
            News::Deeds(deeds) => {
                deeds.into_iter().for_each(|deed| self.live.decided(deed));
                self.status.trade.clone_from(&self.live.trading.status);
            }
            News::Fills(fills) => {
                fills.iter().for_each(|fill| self.live.trading.orders.filled(fill));
            }
            News::Verdicts(verdicts) => {
                verdicts.iter().for_each(|verdict| self.live.trading.judged(verdict));
                self.status.trade.clone_from(&self.live.trading.status);
            }
            News::TradingStopped(why) => self.live_session(|status| status.stopped = why),
            News::TradingEnded => self.live_session(|status| status.ended = true),
            News::Runs(runs) => {
                self.status.runs = runs.iter().map(|run| run.status.clone()).collect();
                self.runs = runs;
            }
            News::Models(models) => self.status.models = models,
            News::Sessions(sessions, problem) => {
                (self.status.sessions, self.status.log_problem) = (sessions, problem);
            }
            News::Stopped(why) => self.stopped(why, now),
            News::Line(line) => self.line(line),
            News::Look(ticker) => {
                self.replay.wanted(&ticker);
                self.set_focus(Pane::Actions);
            }
            News::Tape(Ok(tape)) => self.load(tape),
            News::Tape(Err(why)) => {
                (self.tape, self.tape_problem) = (None, why);
                self.replay = self.replay.anew(self.position);
            }
            News::Wound(heard, at) => self.wound(heard, at),
            News::Ran(heard, at) => self.ran(heard, at),
            News::Pace { playing, speed } => (self.playing, self.speed) = (playing, speed),
            News::Ended(why) => {
                self.say(Level::Info, format!("ended: {why}"), now);
                self.ended = Some(why);
            }
        }
    }

    fn reached(&mut self, reach: Reach, now: TsNs) {
        let text = match &reach {
            Reach::Alone => "no collector is running here".to_owned(),
            Reach::Attached => "a collector is running; looking on".to_owned(),
            Reach::Inside => "running in this process".to_owned(),
            Reach::Lost(why) => format!("the collector fell silent: {why}"),
        };
        let level = if matches!(reach, Reach::Lost(_)) { Level::Warn } else { Level::Info };
        self.say(level, text, now);
        self.reach = reach;
    }

    /// Changes the figures of the session that trades now, if there is one.
    fn live_session(&mut self, change: impl FnOnce(&mut TradeStatus)) {
        self.live.trading.status.as_mut().map(change);
        self.status.trade.clone_from(&self.live.trading.status);
    }

    fn stopped(&mut self, why: String, now: TsNs) {
        if self.trades() && !why.is_empty() {
            // The session looks for the file, too, and more often.
            let first = why.clone();
            self.live_session(|status| {
                if status.stopped.is_empty() {
                    status.stopped = first;
                }
            });
        }
        self.status.stopped = why;
        let (level, text) = match self.orders_stopped() {
            None => (Level::Info, "orders may be sent again".to_owned()),
            Some(why) => (Level::Warn, format!("all orders are stopped: {why}")),
        };
        self.say(level, text, now);
    }

    /// Adds a line of our own to the log.
    pub fn say(&mut self, level: Level, text: String, at: TsNs) {
        self.lines.push(Line { at, level, text });
    }

    /// Adds a line to the log; lines that are looked at stay where they are.
    fn line(&mut self, line: Line) {
        let count = |state: &State| state.matching().count();
        let before = count(self);
        self.lines.push(line);
        if self.rows[3] > 0 {
            self.rows[3] += count(self) - before.min(count(self));
        }
    }

    fn load(&mut self, tape: Box<Tape>) {
        self.replay = self.replay.anew(tape.from);
        (self.position, self.tape_problem) = (tape.from, String::new());
        self.tape = Some(tape);
    }

    fn wound(&mut self, heard: Heard, at: TsNs) {
        self.replay = self.replay.anew(at);
        if let Some(tape) = self.tape.as_ref().filter(|tape| !tape.deeds.is_empty()) {
            self.replay.trading = Trading::begin(tape.opening.clone());
        }
        self.ran(heard, at);
    }

    fn ran(&mut self, heard: Heard, at: TsNs) {
        self.position = at;
        let Some(tape) = &self.tape else { return self.replay.hear(heard) };
        let before = self.replay.row_id;
        let after = heard.events.last().map_or(before, |event| event.row_id.max(before));
        let due = |row: u64| (before + 1..=after).contains(&row);
        let deeds: Vec<_> = tape.deeds.iter().filter(|d| due(d.row_id)).cloned().collect();
        let fills: Vec<_> = tape.fills.iter().filter(|f| due(f.row_id)).cloned().collect();
        let verdicts: Vec<_> = tape.verdicts.iter().filter(|v| due(v.row_id)).cloned().collect();
        self.replay.relive(heard, &deeds, &fills, &verdicts);
    }

    /// The ladder follows the touch of the market that is looked at.
    fn follow(&mut self) {
        let rows = self.panes().iter().find(|(pane, _)| *pane == Pane::Ladder).map(|p| p.1.height);
        let desk = self.desk();
        let Some(book) = desk.market().map(|m| &m.book).filter(|b| b.is_valid()) else { return };
        let mut ladder = self.ladder;
        ladder.follow(book, rows.unwrap_or(0).saturating_sub(4));
        self.ladder = ladder;
    }

    /// What a tape key asks for.
    pub(super) fn tape_move(&self, action: Action) -> Option<TapeMove> {
        let ticker = || self.replay.market().map_or_else(String::new, |m| m.ticker.to_string());
        Some(match action {
            Action::Play => TapeMove::Toggle,
            Action::Speed(1) => TapeMove::Faster,
            Action::Speed(-1) => TapeMove::Slower,
            Action::Speed(_) => TapeMove::Normal,
            Action::Wind(seconds) => TapeMove::By(seconds * 1_000_000_000),
            Action::Step { back } => TapeMove::Step { back, ticker: ticker() },
            Action::Start => TapeMove::To(Place::Start),
            Action::End => TapeMove::To(Place::End),
            Action::NextAction { back } => TapeMove::Action { back },
            Action::NextGap => TapeMove::Gap,
            _ => return None,
        })
    }
}
