//! One picture, or the figures, without a terminal.

use super::{Args, Style, begin, start};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use crate::config::env::Terminal;
use crate::dash::{self, Handle, Msg, Place, Reach, Screen, State, draw};
use crate::units::TsNs;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// How long news may take to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Sources that said nothing for this long have said everything for now.
const QUIET: Duration = Duration::from_millis(1_500);

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
    alone: bool,
    file: &Path,
) -> Result<(), Failure> {
    let (handle, inbox) = dash::inbox();
    let mut state = begin(args, alone, args.size);
    let moves = start(args, at, alone, &handle)?;
    let now = settle(&mut state, &inbox, &handle)?;
    drop(moves);
    let is_svg = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg"));
    let style = Style { rate: 1, ..args.style };
    let all = Terminal { no_color: false, true_color: true, unicode: true, dumb: false };
    let picture = draw::picture(&state, style.theme(&all), now);
    let text = if is_svg { draw::svg(&picture) } else { draw::text(&picture) };
    std::fs::write(file, text)
        .or_fail(Code::Runtime)
        .map_err(|f| f.context(format!("cannot write {}", file.display())))?;
    printer::line(&file.display().to_string())
}

/// Prints the figures that the dashboard shows.
pub(super) fn figures(args: &Args) -> Result<(), Failure> {
    let (handle, inbox) = dash::inbox();
    let mut state = begin(args, false, args.size);
    let _moves = start(args, None, false, &handle)?;
    settle(&mut state, &inbox, &handle)?;
    printer::json("dash", &state.status)
}

/// Hears what the sources have to say now; gives the moment.
fn settle(state: &mut State, inbox: &Receiver<Msg>, _open: &Handle) -> Result<TsNs, Failure> {
    let (begun, mut heard) = (Instant::now(), Instant::now());
    while begun.elapsed() < PATIENCE && heard.elapsed() < QUIET {
        let Ok(msg) = inbox.recv_timeout(QUIET / 4) else { continue };
        let empty = matches!(&msg, Msg::News(dash::News::Heard(h)) if h.events.is_empty());
        let now = crate::cli::now()?;
        state.update(msg, now);
        // One that runs never falls silent: two seconds of it are enough.
        let running = state.reach == Reach::Attached && begun.elapsed() > 2 * QUIET;
        if running && state.screen != Screen::Replay {
            break;
        }
        if !empty {
            heard = Instant::now();
        }
    }
    crate::cli::now()
}
