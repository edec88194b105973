//! The terminal is given back, whatever happens; and terminals that can show little, or are none.

use super::command::recorded;
use super::terminal::{Exchange, Terminal, bids_are_shown};
use kalshiflow::dash::{self, DashError, Hands, Options, State};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let words =
        ["collect", "--ui", "--env", "sim", "--discover", "--url", &exchange.1, "--data", data];
    let front = Terminal::kflow(&words, (100, 30));
    front.until("a live book", bids_are_shown);
    let beside = Terminal::kflow(&["dash", "--data", data, "--run-dir", data], (100, 30));
    beside.until("the same book", bids_are_shown);
    for terminal in [beside, front] {
        terminated(terminal);
    }
    let places = ["--url", &exchange.1, "--data", data, "--run-dir", data];
    let random = ["trade", "--ui", "--env", "sim", "--discover", "--policy", "random"];
    let trade = Terminal::kflow(&[&random[..], &places].concat(), (100, 30));
    trade.until("a live book", bids_are_shown);
    let said = terminated(trade);
    assert!(said.contains("ended by sigterm"), "{said}");
}

/// Ends the program as a service manager does; gives what is read on its terminal then.
#[track_caller]
fn terminated(terminal: Terminal) -> String {
    let pid = terminal.process.process_id().unwrap();
    let killed = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
    terminal.ends(143)
}

#[test]
#[cfg(feature = "learn")]
fn a_signal_ends_training_with_everything_saved_and_tells_how_it_goes_on() {
    let dir = crate::registry::recorded();
    let [data, runs] = ["datasets", "runs"].map(|name| dir.path().join(name));
    let places = ["--data", data.to_str().unwrap(), "--run-dir", runs.to_str().unwrap()];
    let endless = ["train", "--ui", "--seeds", "1", "--steps", "1000000000", "-p", "n_steps=64"];
    let train = Terminal::kflow(&[&endless[..], &places].concat(), (120, 40));
    train.shows("reward per episode");
    let said = terminated(train);
    assert!(said.contains("kflow train --resume ppo-s0-"), "{said}");
}

#[test]
#[cfg(all(feature = "frames", feature = "learn"))]
fn a_signal_ends_the_demo_and_gives_the_terminal_back() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("demo");
    let words = ["demo", "--ui", "--dir", place.to_str().unwrap()];
    let demo = Terminal::kflow(&words, (120, 40));
    // It goes on for seconds from here.
    demo.shows("no training run yet");
    let said = terminated(demo);
    assert!(said.contains("the demo was stopped"), "{said}");
}

/// The folder can be made and marked, and no file of a tape in it: its name would be longer than a path may be.
#[test]
#[cfg(all(feature = "frames", feature = "learn"))]
fn a_demo_that_fails_says_so_on_a_terminal_as_it_was() {
    /// Bytes of a path at most.
    const PATH: usize = 4_095;
    let dir = tempfile::tempdir().unwrap();
    let mut place = dir.path().to_str().unwrap().to_owned();
    let most = PATH - "/.kflow-demo".len();
    while place.len() < most {
        let part = (most - place.len() - 1).min(200);
        // The rest must have room for a separator and a letter.
        let part = if most - place.len() - 1 - part == 1 { part - 1 } else { part };
        place = format!("{place}/{}", "x".repeat(part));
    }
    let mut demo = Terminal::kflow(&["demo", "--ui", "--dir", &place], (200, 60));
    demo.shows("no training run yet");
    demo.keys("6");
    demo.shows("the demo has ended");
    demo.keys("q");
    let said = demo.ends(1);
    assert!(said.contains("error: "), "{said}");
}

/// The name of the test below, and the word that makes it the one who panics.
const PANICS: &str = "dash::ends::a_panic_in_any_thread_leaves_the_terminal_as_it_was";
const ROLE: &str = "KFLOW_TEST_ON_TERMINAL";

/// This very program runs on a terminal, takes the screen, and a thread of it panics.
#[test]
fn a_panic_in_any_thread_leaves_the_terminal_as_it_was() {
    if std::env::var_os(ROLE).is_some() {
        let (handle, inbox) = dash::inbox();
        let hands = Hands { tape: std::sync::mpsc::channel().0, kill: None };
        let options = Options { rate_hz: 10, mouse: true, theme: Default::default(), stay: true };
        let told = handle.clone();
        std::thread::spawn(move || {
            // Rings once the screen is taken and a key was pressed on it.
            std::thread::sleep(Duration::from_millis(500));
            let _ = told.tell(dash::Msg::News(dash::News::Heard(Default::default())));
            panic!("on purpose");
        });
        let left = dash::run(State::new("nowhere", (80, 24)), &inbox, &handle, &hands, options);
        assert!(matches!(left, Err(DashError::Panicked)), "{left:?}");
        return;
    }
    let me = std::env::current_exe().unwrap();
    let words = [PANICS, "--exact", "--nocapture"];
    let terminal = Terminal::start(&me, &words, &[(ROLE, "1")], (100, 30));
    let said = terminal.ends(0);
    assert!(said.contains("on purpose"), "{said}");
}

#[test]
fn an_error_leaves_the_terminal_as_it_was_and_is_read_there() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let nobody = "http://127.0.0.1:1";
    let words = ["collect", "--ui", "--env", "sim", "--discover", "--url", nobody, "--data", data];
    let said = Terminal::kflow(&words, (100, 30)).ends(4);
    assert!(said.contains("error: ") && said.contains("hint: "), "{said}");
}

#[test]
fn a_terminal_without_colour_and_unicode_gets_neither() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let data = data.to_str().unwrap();
    let words = ["dash", "--data", data, "--run-dir", data, "--at", "40%"];
    let plain = [("NO_COLOR", "1"), ("LC_ALL", "C"), ("TERM", "vt100"), ("COLORTERM", "")];
    let kflow = Path::new(env!("CARGO_BIN_EXE_kflow"));
    let mut terminal = Terminal::start(kflow, &words, &plain, (100, 30));
    let screen = terminal.until("a book", |screen| screen.contains("spread "));
    assert!(screen.is_ascii(), "{screen}");
    let coloured = terminal.cells(|cell| {
        [cell.fgcolor(), cell.bgcolor()].iter().any(|colour| *colour != vt100::Color::Default)
    });
    assert_eq!(coloured, 0, "{screen}");
    terminal.keys("q");
    terminal.ends(0);
}

#[test]
fn a_terminal_that_places_no_cursor_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let words = ["dash", "--data", data.to_str().unwrap()];
    let kflow = Path::new(env!("CARGO_BIN_EXE_kflow"));
    let said = Terminal::start(kflow, &words, &[("TERM", "dumb")], (100, 30)).ends(2);
    assert!(said.contains("TERM is dumb") && said.contains("--json"), "{said}");
}

/// Its window was closed, and the signal that tells so was turned off (`nohup`): the screen that was dropped then wrote
/// to a terminal that was no more, and panicked.
#[test]
fn a_terminal_that_vanishes_ends_the_picture_without_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let data = data.display();
    let kflow = env!("CARGO_BIN_EXE_kflow");
    let script = format!("trap '' HUP; exec {kflow} dash --data {data} --run-dir {data}");
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new("/bin/sh");
    command.args(["-c", &script]);
    command.env("TERM", "xterm-256color");
    let mut dash = pair.slave.spawn_command(command).unwrap();
    let mut window = pair.master.try_clone_reader().unwrap();
    let (mut shown, mut bytes) = (Vec::new(), [0; 4_096]);
    while !String::from_utf8_lossy(&shown).contains("STANDS") {
        let n = window.read(&mut bytes).unwrap();
        shown.extend_from_slice(&bytes[..n]);
    }
    drop((window, pair));
    assert_eq!(dash.wait().unwrap().exit_code(), 1);
}

/// Somebody tidies up while the screen is open.
#[test]
fn a_data_directory_that_vanishes_is_told_and_nothing_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let words = ["dash", "--data", data.to_str().unwrap(), "--run-dir", data.to_str().unwrap()];
    let mut terminal = Terminal::kflow(&words, (120, 40));
    terminal.shows("STANDS x1");
    terminal.keys("4");
    terminal.shows("done");
    std::fs::remove_dir_all(&data).unwrap();
    terminal.shows("the log is gone");
    terminal.keys("5g60%\r");
    terminal.shows("Tape");
    terminal.keys("\x1b[H..n");
    terminal.keys("1");
    terminal.shows("NO COLLECTOR");
    terminal.keys("q");
    terminal.ends(0);
}
