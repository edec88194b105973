//! One picture, or the figures, without a terminal.

use super::look::Found;
use super::{Args, begin, start};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use crate::config::env::Terminal;
use crate::dash::{self, Msg, News, Place, Reach, Screen, State, draw};
use crate::units::TsNs;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// How long news may take to come: a long session is read once before it can be shown.
const PATIENCE: Duration = Duration::from_secs(120);
/// Sources that said nothing for this long have said everything for now.
const QUIET: Duration = Duration::from_millis(1_500);
/// How much longer the first book of a running collector may take.
const BOOK: Duration = Duration::from_secs(5);

/// `160x45`.
pub(super) fn size(text: &str) -> Result<(u16, u16), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides
        .filter(|(w, h)| (1..=500).contains(w) && (1..=200).contains(h))
        .ok_or_else(|| "write columns and rows: 160x45, at most 500x200".to_owned())
}

/// Draws one picture into `file`.
pub(super) fn take(
    args: &Args,
    at: Option<Place>,
    found: &Found,
    file: &Path,
) -> Result<(), Failure> {
    let (handle, inbox) = dash::inbox();
    let mut state = begin(args, found.alone, args.size);
    let moves = start(args, at, found, &handle)?;
    let now = settle(&mut state, &inbox)?;
    drop(moves);
    let is_svg = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg"));
    let all = Terminal { no_color: false, true_color: true, unicode: true, dumb: false };
    let theme = args.style.theme(&all);
    let picture = draw::picture(&state, theme, now);
    let text = if is_svg { draw::svg(&picture, theme.palette) } else { draw::text(&picture) };
    std::fs::write(file, text)
        .or_fail(Code::Runtime)
        .map_err(|f| f.context(format!("cannot write {}", file.display())))?;
    printer::line(&file.display().to_string())
}

/// Prints the figures that the dashboard shows.
pub(super) fn figures(args: &Args) -> Result<(), Failure> {
    let (handle, inbox) = dash::inbox();
    let mut state = begin(args, false, args.size);
    let _moves = start(args, None, &Found::default(), &handle)?;
    settle(&mut state, &inbox)?;
    printer::json("dash", &state.status)
}

/// Hears what the sources have to say now; gives the moment.
fn settle(state: &mut State, inbox: &Receiver<Msg>) -> Result<TsNs, Failure> {
    let (begun, mut heard) = (Instant::now(), Instant::now());
    loop {
        let tapeless =
            state.screen == Screen::Replay && state.tape.is_none() && state.tape_problem.is_empty();
        // One that runs never falls silent: a few seconds of it are enough.
        let attached = state.reach == Reach::Attached;
        let silent = heard.elapsed() > QUIET || (attached && begun.elapsed() > 2 * QUIET);
        let known = state.live.market().is_some_and(|market| market.book.is_valid());
        let bookless = attached
            && state.screen == Screen::Live
            && !known
            && begun.elapsed() < 2 * QUIET + BOOK;
        if begun.elapsed() > PATIENCE || (silent && !tapeless && !bookless) {
            return crate::cli::now();
        }
        let Ok(msg) = inbox.recv_timeout(QUIET / 4) else { continue };
        let beat = matches!(&msg, Msg::News(News::Heard(h)) if h.events.is_empty());
        if !beat {
            heard = Instant::now();
        }
        state.update(msg, crate::cli::now()?);
    }
}
