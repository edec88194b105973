//! The loop: messages in, a picture when something changed.

use super::command::{Effect, TapeMove};
use super::draw;
use super::input;
use super::log_lines::Level;
use super::news::{Handle, Msg, News};
use super::pace::Pace;
use super::state::State;
use super::term::Taken;
use super::theme::Theme;
use crate::trade::kill::KillFile;
use crate::trade::risk::{Cause, Trip};
use crate::units::TsNs;
use crossterm::event;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

/// Without anything new the picture is drawn this often: clock and ages.
const IDLE: Duration = Duration::from_secs(1);
/// How often the thread of the keyboard looks whether it is still wanted.
const KEYBOARD: Duration = Duration::from_millis(100);
/// What the thread of the keyboard says last.
const GONE: &str = "the terminal is gone";

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Pictures per second at most.
    pub rate_hz: u16,
    /// Take the mouse.
    pub mouse: bool,
    /// The look.
    pub theme: Theme,
    /// Stay after the work of this process has ended.
    pub stay: bool,
}

/// How the dashboard was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// There was nothing to decide, or the work had ended.
    Closed,
    /// The work of this process is to end: the person wants it.
    Stop,
    /// The same, as this process was told: the word of [`Msg::Stop`].
    Told(&'static str),
    /// The work of this process goes on.
    Detach,
}

/// What the dashboard can do.
pub struct Hands {
    /// Moves the tape.
    pub tape: Sender<TapeMove>,
    /// Stops all orders, where this process sends any.
    pub kill: Option<KillFile>,
}

/// Why the dashboard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DashError {
    /// The terminal does not do what is needed.
    #[error("the terminal")]
    Terminal(#[from] io::Error),
    /// A part of the program panicked; it has said so.
    #[error("a part of the program panicked")]
    Panicked,
}

/// Shows `state` until it is left, with what comes out of `inbox`; `handle` is its other end, `hands` do what is
/// asked for.
///
/// # Errors
/// When the terminal cannot be used, or a thread panicked; the terminal is as it was.
pub fn run(
    mut state: State,
    inbox: &Receiver<Msg>,
    handle: &Handle,
    hands: &Hands,
    options: Options,
) -> Result<Leave, DashError> {
    (state.can_kill, state.palette) = (hands.kill.is_some(), options.theme.palette);
    let mut taken = Taken::take(options.mouse)?;
    let size = taken.screen.size()?;
    state.size = (size.width, size.height);
    let _keyboard = Keyboard::start(handle.clone())?;
    let mut pace = Pace::new(options.rate_hz, Instant::now());
    loop {
        match inbox.recv_timeout(pace.left(Instant::now())) {
            Ok(msg) => {
                match hear(&mut state, msg, inbox, hands, options.stay) {
                    // As when the next picture could not be drawn, whichever is noticed first.
                    Outcome::Leave(Leave::Told(GONE)) => return Err(io::Error::other(GONE).into()),
                    Outcome::Leave(leave) => return Ok(leave),
                    Outcome::Typed => pace.changed(true, Instant::now()),
                    Outcome::News => pace.changed(false, Instant::now()),
                    Outcome::Nothing => {}
                }
                if !pace.left(Instant::now()).is_zero() {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // `handle` is one of its senders.
            Err(RecvTimeoutError::Disconnected) => return Ok(Leave::Closed),
        }
        if !Taken::is_ours() {
            return Err(DashError::Panicked);
        }
        let now = now();
        let theme = Theme { palette: state.palette, ..options.theme };
        taken.screen.draw(|frame| draw::screen(frame, &state, theme, now))?;
        pace.drew(nap(&state, now), Instant::now());
    }
}

/// What came of the messages.
enum Outcome {
    Leave(Leave),
    Typed,
    News,
    /// The picture is what it was.
    Nothing,
}

/// Takes the message, and those behind it: the picture shows what is known now, not what was.
fn hear(
    state: &mut State,
    first: Msg,
    inbox: &Receiver<Msg>,
    hands: &Hands,
    stay: bool,
) -> Outcome {
    let mut outcome = Outcome::Nothing;
    // As many as can have waited: whoever talks all the time does not keep the picture from being drawn.
    for msg in std::iter::once(first).chain(inbox.try_iter().take(super::news::INBOX)) {
        let closes = matches!(msg, Msg::News(News::Ended(_))) && !stay;
        outcome = match (&msg, outcome) {
            (Msg::Input(input), before) if !input::is_acted_on(input) => before,
            (Msg::Input(_), _) | (_, Outcome::Typed) => Outcome::Typed,
            (Msg::News(News::Heard(heard)), before) if heard.is_empty() => before,
            _ => Outcome::News,
        };
        match state.update(msg, now()) {
            Some(Effect::Leave(leave)) => return Outcome::Leave(leave),
            // Without a tape nobody listens.
            Some(Effect::Tape(to)) => drop(hands.tape.send(to)),
            Some(Effect::Kill) => kill(state, hands),
            None if closes => return Outcome::Leave(Leave::Closed),
            None => {}
        }
    }
    outcome
}

/// Stops all orders: the file stops the actor of this process within milliseconds, and those after it.
fn kill(state: &mut State, hands: &Hands) {
    let Some(file) = &hands.kill else { return };
    let trip = Trip { cause: Cause::Key, at: now(), detail: "on the dashboard".to_owned() };
    match file.write(&trip) {
        Ok(()) => state.status.stopped = super::source::words(&trip),
        Err(e) => state.say(Level::Error, format!("orders are NOT stopped: {e}"), now()),
    }
}

/// How long the picture stays true when nothing is said.
fn nap(state: &State, now: TsNs) -> Duration {
    let flash = state.wakes(now).map(|at| Duration::from_nanos((at.0 - now.0).max(0) as u64));
    flash.map_or(IDLE, |flash| flash.min(IDLE))
}

fn now() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    TsNs(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}

/// The thread that waits for keys; it ends when this is dropped.
struct Keyboard(Arc<AtomicBool>);

impl Keyboard {
    fn start(handle: Handle) -> io::Result<Keyboard> {
        let wanted = Arc::new(AtomicBool::new(true));
        let keyboard = Keyboard(Arc::clone(&wanted));
        std::thread::Builder::new().name("keyboard".to_owned()).spawn(move || {
            while wanted.load(Ordering::Relaxed) {
                let told = match event::poll(KEYBOARD) {
                    Ok(false) => Ok(()),
                    Ok(true) => match event::read() {
                        Ok(input) => handle.tell(Msg::Input(input)),
                        Err(_) => handle.tell(Msg::Stop(GONE)),
                    },
                    Err(_) => handle.tell(Msg::Stop(GONE)),
                };
                if told.is_err() {
                    return;
                }
            }
        })?;
        Ok(keyboard)
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dash::news::{Heard, INBOX, Input, inbox};
    use crate::dash::state::Popup;
    use crate::dash::theme::Palette;
    use crate::event::{Body, Event, MarketId};
    use crossterm::event::{
        KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
    };

    fn batch() -> News {
        let (market, body) = (MarketId::NONE, Body::Other("x".into()));
        let event = Event { row_id: 1, recv: TsNs(1), ts: None, market, sid: 1, seq: 1, body };
        News::Heard(Heard { events: vec![event], ..Heard::default() })
    }

    /// A source that never falls silent kept keys waiting for as long as it talked.
    #[test]
    fn a_key_is_heard_while_a_burst_of_frames_goes_on() {
        let (handle, inbox) = inbox();
        let burst = std::thread::spawn(move || {
            let key = KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE);
            let before = (1..INBOX).map(|_| Msg::News(batch()));
            let after = std::iter::repeat_with(|| Msg::News(batch()));
            let mut all = before.chain([Msg::Input(Input::Key(key))]).chain(after);
            all.try_for_each(|msg| handle.tell(msg))
        });
        let (mut state, hands) = (State::new("here", (80, 24)), no_hands());
        let mut turns = 0;
        loop {
            let first = inbox.recv().expect("the burst goes on");
            let outcome = hear(&mut state, first, &inbox, &hands, true);
            turns += 1;
            if state.popup == Some(Popup::Help(0)) {
                assert!(matches!(outcome, Outcome::Typed), "a picture for the key is due");
                break;
            }
        }
        // So many turns, each of so many messages at most.
        assert!(state.live.events as usize <= turns * (INBOX + 1) && turns <= INBOX, "{turns}");
        drop(inbox);
        assert!(burst.join().expect("no panic").is_err(), "the burst had an end");
    }

    #[test]
    fn what_changes_nothing_draws_nothing() {
        let (_handle, inbox) = inbox();
        let (mut state, hands) = (State::new("here", (80, 24)), no_hands());
        let mut heard = |msg| hear(&mut state, msg, &inbox, &hands, true);
        assert!(matches!(heard(Msg::News(News::Heard(Heard::default()))), Outcome::Nothing));
        assert!(matches!(heard(Msg::News(batch())), Outcome::News));
        // A mouse that crosses the window says so for every cell.
        let mouse = |kind| {
            let modifiers = KeyModifiers::NONE;
            Msg::Input(Input::Mouse(MouseEvent { kind, column: 3, row: 3, modifiers }))
        };
        let left = MouseButton::Left;
        for kind in [MouseEventKind::Moved, MouseEventKind::Drag(left), MouseEventKind::Up(left)] {
            assert!(matches!(heard(mouse(kind)), Outcome::Nothing), "{kind:?}");
        }
        for kind in [MouseEventKind::Down(left), MouseEventKind::ScrollUp] {
            assert!(matches!(heard(mouse(kind)), Outcome::Typed), "{kind:?}");
        }
        let key = |kind| {
            let (code, modifiers) = (KeyCode::Char('z'), KeyModifiers::NONE);
            Msg::Input(Input::Key(KeyEvent::new_with_kind(code, modifiers, kind)))
        };
        assert!(matches!(heard(key(KeyEventKind::Release)), Outcome::Nothing));
        assert!(matches!(heard(key(KeyEventKind::Press)), Outcome::Typed));
    }

    /// With `--theme mono` the key was offered and did nothing; with `--theme light` it was pressed twice.
    #[test]
    fn the_palette_key_turns_whatever_it_began_with_and_is_not_offered_without_colour() {
        let (_handle, inbox) = inbox();
        let (mut state, hands) = (State::new("here", (80, 24)), no_hands());
        let turned = |state: &mut State, palette| {
            state.palette = palette;
            let key = KeyEvent::new(KeyCode::Char('t'), KeyModifiers::NONE);
            hear(state, Msg::Input(Input::Key(key)), &inbox, &hands, true);
            let helps = crate::dash::keys::help(state);
            (state.palette, helps.iter().any(|(_, help)| help.starts_with("other colours")))
        };
        for palette in [Palette::Dark, Palette::Light, Palette::Classic, Palette::Mono] {
            assert_eq!(turned(&mut state, palette), (palette.next(), true));
        }
        state.colourless = true;
        assert_eq!(turned(&mut state, Palette::Mono), (Palette::Mono, false));
    }

    fn no_hands() -> Hands {
        Hands { tape: std::sync::mpsc::channel().0, kill: None }
    }
}
