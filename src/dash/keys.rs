//! What keys do and when; the help and the bar at the bottom are told from the same table.

use super::keymap::{CTRL, KEYMAP, NONE, SHIFT};
use super::panes::{Pane, Screen};
use super::state::{Popup, State};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Leave.
    Quit,
    /// Show all keys.
    Help,
    /// Another screen.
    Go(Screen),
    /// The next pane gets the keys.
    NextPane,
    /// The pane before gets the keys.
    PrevPane,
    /// The pane with the keys takes all room, or gives it back.
    Zoom,
    /// Out of a filter, a zoom, a popup.
    Back,
    /// Another set of colours.
    Palette,
    /// Stop the display; everything goes on behind it.
    Freeze,
    /// Type a filter.
    Filter,
    /// Another order of the list.
    Sort,
    /// Decisions to hold in the list of actions, or not.
    Holds,
    /// Up or down by rows; positive is down.
    Move(i64),
    /// Up or down by pages; positive is down.
    Page(i64),
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
    /// The chosen row: look at it, or open it.
    Choose,
    /// The ladder back to the touch.
    Centre,
    /// The other axis.
    Flip,
    /// Both sides' bids as sent.
    Raw,
    /// Finer rows.
    Finer,
    /// Wider rows.
    Wider,
    /// Bars by logarithm.
    LogBars,
    /// Cents or dollars.
    Cents,
    /// Less or more time in the curve; positive is less.
    Window(i32),
    /// The next curve.
    Curve(i32),
    /// Long lines sideways, by columns.
    Shift(i64),
    /// Compare the chosen row, or no more.
    Mark,
    /// Stricter log level.
    Level,
    /// Run or stop the tape.
    Play,
    /// Speed of the tape: -1 slower, 0 as recorded, +1 faster.
    Speed(i32),
    /// By seconds.
    Wind(i64),
    /// To the next event of the market, or the one before.
    Step {
        /// Towards the beginning.
        back: bool,
    },
    /// To the beginning of the tape.
    Start,
    /// To its end.
    End,
    /// Type a place.
    Goto,
    /// To the next action, or the one before.
    NextAction {
        /// Towards the beginning.
        back: bool,
    },
    /// To the next gap.
    NextGap,
    /// End the work of this process, keep everything, leave.
    StopWork,
    /// Leave the screen; the work goes on.
    Detach,
    /// Ask whether all orders shall stop.
    AskKill,
    /// Stop all orders.
    Kill,
}

/// When a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// In the ladder, and in a pane of more rows than are seen or with one that is chosen.
    Rows,
    /// As [`When::Rows`], where the tape does not want the key.
    RowsOffTape,
    /// Where colours may be used.
    Colours,
    /// Where there are markets.
    Markets,
    /// On the live screen.
    Live,
    /// On the replay screen.
    Replay,
    /// On the training screen.
    Training,
    /// In a list of models or runs.
    Models,
    /// In a list of sessions.
    Sessions,
    /// Where there is something to filter.
    Filter,
    /// On the log screen.
    Logs,
    /// While leaving is asked about.
    Leaving,
    /// Where this process trades, and may still be stopped.
    Trading,
    /// While stopping all orders is asked about.
    Killing,
}

impl When {
    /// True if the key holds now.
    pub fn holds(self, state: &State) -> bool {
        let screen = state.screen;
        match self {
            When::Always => true,
            When::Rows => match state.focus() {
                Pane::Ladder | Pane::Markets => true,
                pane => state.reach_of(pane).is_some_and(|(_, last)| last > 0),
            },
            When::RowsOffTape => screen != Screen::Replay && When::Rows.holds(state),
            When::Colours => !state.colourless,
            When::Markets => screen.has_markets(),
            When::Live => screen == Screen::Live,
            When::Replay => screen == Screen::Replay,
            When::Training => screen == Screen::Training,
            When::Models => matches!(state.focus(), Pane::ModelList | Pane::Runs),
            When::Sessions => state.focus() == Pane::Sessions,
            When::Filter => screen.has_markets() || screen == Screen::Logs,
            When::Logs => screen == Screen::Logs,
            When::Leaving => state.popup == Some(Popup::Leaving),
            When::Trading => state.can_kill && state.orders_stopped().is_none(),
            When::Killing => state.popup == Some(Popup::Killing),
        }
    }
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The key.
    pub code: KeyCode,
    /// Held with it; Shift is not told of characters, which are upper case then.
    pub with: KeyModifiers,
    /// When it holds.
    pub when: When,
    /// What it does.
    pub action: Action,
    /// For the help.
    pub help: &'static str,
    /// For the bar at the bottom; empty: not there.
    pub short: &'static str,
}

/// The key that was pressed, if it does something now.
pub fn lookup(pressed: KeyEvent, state: &State) -> Option<&'static Binding> {
    let shift = if matches!(pressed.code, KeyCode::Char(_)) { SHIFT } else { NONE };
    let with = pressed.modifiers.difference(shift);
    KEYMAP.iter().find(|b| {
        // Some terminals say BackTab without Shift.
        let same = b.with == with || b.code == KeyCode::BackTab;
        b.code == pressed.code && same && b.when.holds(state)
    })
}

impl Binding {
    /// What the key is called.
    pub fn label(&self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::BackTab => "Tab".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            other => other.to_string(),
        };
        match self.with {
            SHIFT => format!("Shift-{name}"),
            CTRL => format!("Ctrl-{name}"),
            _ => name,
        }
    }
}

/// The help: keys with the same words together, those that do not hold now left out.
pub fn help(state: &State) -> Vec<(String, &'static str)> {
    let mut lines: Vec<(String, &'static str)> = Vec::new();
    for binding in KEYMAP.iter().filter(|b| b.when.holds(state)) {
        let taken = lookup(KeyEvent::new(binding.code, binding.with), state);
        if taken.is_none_or(|first| first.action != binding.action) {
            continue;
        }
        match lines.iter_mut().find(|(_, help)| *help == binding.help) {
            Some((keys, _)) => *keys = format!("{keys} {}", binding.label()),
            None => lines.push((binding.label(), binding.help)),
        }
    }
    lines
}

/// The bar at the bottom: the keys worth knowing here.
pub fn bar(state: &State) -> Vec<(String, &'static str)> {
    let asked = matches!(state.popup, Some(Popup::Leaving | Popup::Killing));
    let fits = |b: &&Binding| {
        let answers = matches!(b.when, When::Leaving | When::Killing);
        !b.short.is_empty() && b.when.holds(state) && answers == asked
    };
    // What holds here stands before what always holds.
    let (always, here): (Vec<&Binding>, Vec<&Binding>) =
        KEYMAP.iter().filter(fits).partition(|b| b.when == When::Always);
    here.into_iter().chain(always).map(|b| (b.label(), b.short)).collect()
}
