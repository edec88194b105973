//! `kflow dash`: look on, at what runs or at what was recorded.

mod look;
mod shot;

use super::exit::{Code, Failure};
use super::printer;
use super::signals::{self, Signal};
use crate::config::env;
use crate::dash::source::{attach, files, tape};
use crate::dash::{
    self, DashError, Handle, Hands, Leave, Msg, Options, Palette, Place, Screen, State, Theme,
};
use clap::ValueEnum;
use look::Found;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

/// Options of `kflow dash`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  kflow dash                                   the collector, trading and training of ./datasets
  kflow dash --screen replay --at 40%          a recorded session, from there on
  kflow dash --screenshot live.svg             a picture of it
Reads only; press ? for the keys.")]
pub struct Args {
    /// The data directory to look at
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where training runs are
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// The screen to begin with; without a collector: replay
    #[arg(long, value_enum, value_name = "NAME")]
    screen: Option<ScreenName>,
    /// The market to begin with
    #[arg(long, value_name = "TICKER")]
    market: Option<String>,
    /// Where the tape begins: 12:34:56, a row, or a share as 40%
    #[arg(long, value_name = "PLACE", help_heading = "Replay")]
    at: Option<String>,
    #[command(flatten)]
    style: Style,
    /// Draw one picture into FILE (.svg, or text) and end
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    screenshot: Option<PathBuf>,
    /// Size of the picture
    #[arg(long, value_name = "COLSxROWS", default_value = "160x45", value_parser = shot::size, help_heading = "Pictures")]
    size: (u16, u16),
    /// Print the figures as one JSON object and end
    #[arg(long, conflicts_with = "screenshot")]
    json: bool,
}

/// How a dashboard looks, whoever shows it.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Style {
    /// Colours; NO_COLOR means mono
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Style")]
    theme: Option<ThemeName>,
    /// Draw with ASCII only
    #[arg(long, help_heading = "Style")]
    ascii: bool,
    /// Pictures per second at most
    #[arg(long, value_name = "HZ", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=60), help_heading = "Style")]
    rate: u16,
    /// Leave the mouse to the terminal
    #[arg(long, help_heading = "Style")]
    no_mouse: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ThemeName {
    /// Blue and orange on dark
    Dark,
    /// Blue and orange on light
    Light,
    /// Green and red
    Classic,
    /// No colour
    Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScreenName {
    Live,
    Training,
    Models,
    Collector,
    Replay,
    Logs,
}

impl ScreenName {
    fn screen(self) -> Screen {
        match self {
            ScreenName::Live => Screen::Live,
            ScreenName::Training => Screen::Training,
            ScreenName::Models => Screen::Models,
            ScreenName::Collector => Screen::Collector,
            ScreenName::Replay => Screen::Replay,
            ScreenName::Logs => Screen::Logs,
        }
    }
}

impl Style {
    /// The look, as far as the terminal can show it.
    pub(super) fn theme(self, terminal: &env::Terminal) -> Theme {
        let asked = self.theme.map(|name| match name {
            ThemeName::Dark => Palette::Dark,
            ThemeName::Light => Palette::Light,
            ThemeName::Classic => Palette::Classic,
            ThemeName::Mono => Palette::Mono,
        });
        let default = if self.is_colourless(terminal) { Palette::Mono } else { Palette::Dark };
        Theme {
            palette: asked.unwrap_or(default),
            true_color: terminal.true_color,
            ascii: self.ascii || !terminal.unicode,
        }
    }

    /// True where the person asked for no colour in general, and for no palette here.
    pub(super) fn is_colourless(self, terminal: &env::Terminal) -> bool {
        terminal.no_color && self.theme.is_none()
    }

    /// How to run in this terminal.
    pub(super) fn options(self, stay: bool) -> Options {
        let theme = self.theme(&env::terminal());
        Options { rate_hz: self.rate, mouse: !self.no_mouse, theme, stay }
    }
}

/// Runs the command.
///
/// # Errors
/// 2 without a terminal, 3 where there is nothing to look at, 5 for a log that cannot be read, 1 when the terminal
/// fails or a file cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let at = place(&args)?;
    let found = look::look(&args)?;
    if let Some(file) = &args.screenshot {
        return shot::take(&args, at, &found, file);
    }
    if args.json {
        return shot::figures(&args);
    }
    need_terminal()?;
    let (handle, inbox) = dash::inbox();
    let state = begin(&args, found.alone, (80, 24));
    let hands = Hands { tape: start(&args, at, &found, &handle)?, kill: None };
    // With the screen this process ends.
    watch_signals(&handle, |_| ())?;
    let left = dash::run(state, &inbox, &handle, &hands, args.style.options(true));
    match left.map_err(failure)? {
        Leave::Told(word) => {
            let code = Signal::of_word(word).map_or(Code::Terminated, Signal::code);
            Err(Failure::msg(code, format!("ended: {word}")))
        }
        Leave::Closed | Leave::Stop | Leave::Detach => Ok(()),
    }
}

/// The place that `--at` names.
fn place(args: &Args) -> Result<Option<Place>, Failure> {
    let Some(text) = &args.at else { return Ok(None) };
    match Place::parse(text) {
        Some(place) => Ok(Some(place)),
        None => Err(Failure::msg(Code::Usage, format!("`{text}` is no place on a tape"))
            .hint("write a share as 40%, a time as 12:34:56, or a row")),
    }
}

/// Refuses where no screen can be drawn.
pub(super) fn need_terminal() -> Result<(), Failure> {
    let missing = match () {
        () if !std::io::stderr().is_terminal() => "stderr is not a terminal",
        () if !std::io::stdin().is_terminal() => "stdin is not a terminal",
        () if env::terminal().dumb => "TERM is dumb",
        () => return Ok(()),
    };
    Err(Failure::msg(Code::Usage, format!("a dashboard needs a terminal: {missing}"))
        .hint("`kflow dash --json` prints the figures, `--screenshot FILE` draws a picture"))
}

/// The state before any news.
fn begin(args: &Args, alone: bool, size: (u16, u16)) -> State {
    let mut state = State::new(&args.data.display().to_string(), size);
    let default = if alone { Screen::Replay } else { Screen::Live };
    state.screen = args.screen.map_or(default, ScreenName::screen);
    state.colourless = args.style.is_colourless(&env::terminal());
    if let Some(ticker) = &args.market {
        state.live.wanted(ticker);
        state.replay.wanted(ticker);
    }
    state
}

/// Starts all sources; the sender moves the tape.
fn start(
    args: &Args,
    at: Option<Place>,
    found: &Found,
    handle: &Handle,
) -> Result<Sender<dash::TapeMove>, Failure> {
    let (moves, asked) = channel();
    let (data, runs, told) = (args.data.clone(), args.run_dir.clone(), handle.clone());
    thread("attach", move || attach::watch(&data, &told))?;
    let (data, told) = (args.data.clone(), handle.clone());
    thread("files", move || files::watch(&data, &runs, &told))?;
    let (data, told) = (args.data.clone(), handle.clone());
    let wanted = found.alone || args.screen == Some(ScreenName::Replay) || at.is_some();
    let from = at.or_else(|| wanted.then_some(Place::Start));
    let from = from.map(|place| (found.session.clone(), place));
    thread("tape", move || tape::play(&data, from, &asked, &told))?;
    Ok(moves)
}

/// Starts a source; that nobody listens any more is how it ends.
fn thread<T>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<(), Failure> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = work();
    })?;
    Ok(())
}

/// A signal leaves the screen as `q` does; `unheard` gets its word where the screen is left already.
pub(super) fn watch_signals(
    handle: &Handle,
    unheard: impl FnOnce(&'static str) + Send + 'static,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut stop = runtime.block_on(async { signals::listen("nothing is written here") })?;
    let told = handle.clone();
    thread("signals", move || {
        let signal = runtime.block_on(async { stop.wait_for(Option::is_some).await.map(|s| *s) });
        if let Ok(Some(word)) = signal
            && told.tell(Msg::Stop(word)).is_err()
        {
            unheard(word);
        }
        runtime.block_on(std::future::pending::<()>());
    })
}

/// The failure of a command whose dashboard could not go on.
pub(super) fn failure(error: DashError) -> Failure {
    printer::say("");
    Failure::new(Code::Runtime, error).hint("the terminal is as it was; if not: `reset`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_decides_where_the_person_did_not() {
        let plain = env::Terminal { no_color: true, ..env::Terminal::default() };
        let theme = Style::default().theme(&plain);
        assert_eq!((theme.palette, theme.ascii), (Palette::Mono, true));
        let able = env::Terminal { true_color: true, unicode: true, ..env::Terminal::default() };
        let theme = Style::default().theme(&able);
        assert_eq!((theme.palette, theme.ascii, theme.true_color), (Palette::Dark, false, true));
        let asked = Style { theme: Some(ThemeName::Classic), ascii: true, ..Style::default() };
        let theme = asked.theme(&plain);
        assert_eq!((theme.palette, theme.ascii), (Palette::Classic, true));
        // Who asks for mono here may ask for another palette a moment later.
        let mono = Style { theme: Some(ThemeName::Mono), ..Style::default() };
        let nobody = Style::default();
        let colourless = [(nobody, &plain), (nobody, &able), (mono, &plain), (mono, &able)];
        assert_eq!(
            colourless.map(|(style, terminal)| style.is_colourless(terminal)),
            [true, false, false, false]
        );
    }
}
