//! The table of keys.

use super::keys::{Action, Binding, When};
use super::panes::Screen;
use crossterm::event::{KeyCode, KeyModifiers};

pub(super) const NONE: KeyModifiers = KeyModifiers::NONE;
pub(super) const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
pub(super) const CTRL: KeyModifiers = KeyModifiers::CONTROL;

const fn chord(
    (code, with): (KeyCode, KeyModifiers),
    when: When,
    action: Action,
    short: &'static str,
    help: &'static str,
) -> Binding {
    Binding { code, with, when, action, help, short }
}

const fn key(
    c: char,
    when: When,
    action: Action,
    short: &'static str,
    help: &'static str,
) -> Binding {
    chord((KeyCode::Char(c), NONE), when, action, short, help)
}

/// All keys. The first that fits wins; those with the same help are told together.
#[rustfmt::skip] // a table
pub const KEYMAP: &[Binding] = &[
    key('s', When::Leaving, Action::StopWork, "stop the work", "stop the work, keep everything, leave"),
    key('d', When::Leaving, Action::Detach, "leave only", "leave the screen, the work goes on"),
    key('y', When::Killing, Action::Kill, "stop trading", "stop all orders until `kflow risk reset` and a restart"),
    key('q', When::Always, Action::Quit, "quit", "leave the dashboard"),
    chord((KeyCode::Char('c'), CTRL), When::Always, Action::Quit, "", "leave the dashboard"),
    key('?', When::Always, Action::Help, "help", "show the keys"),
    chord((KeyCode::F(1), NONE), When::Always, Action::Help, "", "show the keys"),
    key('1', When::Always, Action::Go(Screen::Live), "", "screens: live, training, models, collector, replay, logs"),
    key('2', When::Always, Action::Go(Screen::Training), "", "screens: live, training, models, collector, replay, logs"),
    key('3', When::Always, Action::Go(Screen::Models), "", "screens: live, training, models, collector, replay, logs"),
    key('4', When::Always, Action::Go(Screen::Collector), "", "screens: live, training, models, collector, replay, logs"),
    key('5', When::Always, Action::Go(Screen::Replay), "", "screens: live, training, models, collector, replay, logs"),
    key('6', When::Always, Action::Go(Screen::Logs), "", "screens: live, training, models, collector, replay, logs"),
    chord((KeyCode::Tab, NONE), When::Always, Action::NextPane, "pane", "next pane, pane before (or click)"),
    chord((KeyCode::BackTab, SHIFT), When::Always, Action::PrevPane, "", "next pane, pane before (or click)"),
    key('z', When::Always, Action::Zoom, "zoom", "this pane alone, and back"),
    key('e', When::Always, Action::Zoom, "", "this pane alone, and back"),
    chord((KeyCode::Esc, NONE), When::Always, Action::Back, "", "out of filter, zoom, question"),
    key('t', When::Colours, Action::Palette, "", "other colours: dark, light, classic, mono"),
    key('/', When::Filter, Action::Filter, "filter", "filter the list by letters"),
    key('K', When::Trading, Action::AskKill, "kill", "stop all orders of this process (asks first)"),
    key(' ', When::Live, Action::Freeze, "freeze", "freeze the display; recording goes on"),
    // The tape, before the lists that want some of the same keys.
    key(' ', When::Replay, Action::Play, "play", "run the tape, stop it"),
    key('+', When::Replay, Action::Speed(1), "speed", "faster, slower, as recorded"),
    key('-', When::Replay, Action::Speed(-1), "", "faster, slower, as recorded"),
    key('x', When::Replay, Action::Speed(0), "", "faster, slower, as recorded"),
    chord((KeyCode::Right, NONE), When::Replay, Action::Wind(10), "10 s", "10 s on, 10 s back (Shift: 1 min)"),
    chord((KeyCode::Left, NONE), When::Replay, Action::Wind(-10), "", "10 s on, 10 s back (Shift: 1 min)"),
    chord((KeyCode::Right, SHIFT), When::Replay, Action::Wind(60), "", "10 s on, 10 s back (Shift: 1 min)"),
    chord((KeyCode::Left, SHIFT), When::Replay, Action::Wind(-60), "", "10 s on, 10 s back (Shift: 1 min)"),
    chord((KeyCode::PageDown, NONE), When::Replay, Action::Wind(600), "", "10 min on, 10 min back"),
    chord((KeyCode::PageUp, NONE), When::Replay, Action::Wind(-600), "", "10 min on, 10 min back"),
    key('.', When::Replay, Action::Step { back: false }, "step", "one event of this market on, back"),
    key(',', When::Replay, Action::Step { back: true }, "", "one event of this market on, back"),
    key('n', When::Replay, Action::NextAction { back: false }, "action", "next action of the policy, the one before"),
    key('p', When::Replay, Action::NextAction { back: true }, "", "next action of the policy, the one before"),
    key('G', When::Replay, Action::NextGap, "", "next gap"),
    key('g', When::Replay, Action::Goto, "go to", "go to a time, a row or a share: 12:34:56, 48213, 40%"),
    chord((KeyCode::Home, NONE), When::Replay, Action::Start, "", "beginning and end of the tape"),
    chord((KeyCode::End, NONE), When::Replay, Action::End, "", "beginning and end of the tape"),
    // Lists and ladder.
    chord((KeyCode::Down, NONE), When::Rows, Action::Move(1), "", "down, up"),
    key('j', When::Rows, Action::Move(1), "", "down, up"),
    chord((KeyCode::Up, NONE), When::Rows, Action::Move(-1), "", "down, up"),
    key('k', When::Rows, Action::Move(-1), "", "down, up"),
    chord((KeyCode::Char('d'), CTRL), When::Rows, Action::Page(1), "", "a page down, up"),
    chord((KeyCode::Char('u'), CTRL), When::Rows, Action::Page(-1), "", "a page down, up"),
    chord((KeyCode::PageDown, NONE), When::RowsOffTape, Action::Page(1), "", "a page down, up"),
    chord((KeyCode::PageUp, NONE), When::RowsOffTape, Action::Page(-1), "", "a page down, up"),
    key('g', When::RowsOffTape, Action::Top, "", "first row, last row"),
    chord((KeyCode::Home, NONE), When::RowsOffTape, Action::Top, "", "first row, last row"),
    key('G', When::RowsOffTape, Action::Bottom, "", "first row, last row"),
    chord((KeyCode::End, NONE), When::RowsOffTape, Action::Bottom, "", "first row, last row"),
    chord((KeyCode::Enter, NONE), When::Sessions, Action::Choose, "replay", "replay this session"),
    key('m', When::Models, Action::Mark, "compare", "mark: overlay runs, compare two models"),
    key('s', When::Markets, Action::Sort, "sort", "order: name, busiest, spread, volume, close"),
    key('h', When::Markets, Action::Holds, "", "actions: with those that hold, without"),
    key('c', When::Markets, Action::Centre, "centre", "ladder back to the touch"),
    key('y', When::Markets, Action::Flip, "yes/no", "the other axis: NO instead of YES"),
    key('b', When::Markets, Action::Raw, "", "both sides' bids as the exchange sends them"),
    key('[', When::Markets, Action::Finer, "", "finer rows, wider rows"),
    key(']', When::Markets, Action::Wider, "", "finer rows, wider rows"),
    key('L', When::Markets, Action::LogBars, "", "bars by logarithm"),
    key('$', When::Markets, Action::Cents, "", "cents or dollars"),
    key('+', When::Live, Action::Window(1), "", "less or more time in the curve"),
    key('-', When::Live, Action::Window(-1), "", "less or more time in the curve"),
    chord((KeyCode::Right, NONE), When::Training, Action::Curve(1), "curve", "next curve, curve before"),
    chord((KeyCode::Left, NONE), When::Training, Action::Curve(-1), "", "next curve, curve before"),
    chord((KeyCode::Right, NONE), When::Logs, Action::Shift(20), "long lines", "the rest of long lines, and back"),
    chord((KeyCode::Left, NONE), When::Logs, Action::Shift(-20), "", "the rest of long lines, and back"),
    key('l', When::Logs, Action::Level, "level", "least level shown"),
];
