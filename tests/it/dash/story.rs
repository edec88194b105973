//! Whole stories on a real terminal: recording, looking on and replaying; trading and stopping it; the demo.

use super::command::recorded;
use super::terminal::{Exchange, Terminal, bids_are_shown};

/// The whole story on one data directory: the collector with its dashboard, another dashboard beside it, and,
/// when both are gone, what was recorded.
#[test]
fn the_dashboard_records_looks_on_and_replays_on_a_real_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let words =
        ["collect", "--ui", "--env", "sim", "--discover", "--url", &exchange.1, "--data", data];
    let mut front = Terminal::kflow(&words, (120, 40));
    front.until("a live book", bids_are_shown);
    front.shows(" SIM ");

    // Another process looks on, and knows the books although it came late.
    let mut beside = Terminal::kflow(&["dash", "--data", data, "--run-dir", data], (160, 45));
    beside.until("the same book", bids_are_shown);
    beside.keys("4");
    beside.shows("last minute");
    beside.keys("q");
    beside.ends(0);

    front.keys("2");
    front.shows("no training run yet");
    front.keys("3");
    front.shows("no model yet");
    front.keys("6");
    front.shows("session ");
    front.keys("1?");
    front.shows("ladder back to the touch");
    front.keys("\x1b");
    front.until("the help is gone", |screen| !screen.contains("ladder back to the touch"));
    front.keys("/zzz");
    front.shows("nothing fits the filter");
    front.keys("\x1b");
    front.until("all markets", |screen| screen.contains("12/12"));
    front.keys("z");
    front.until("only the ladder", |screen| {
        !screen.contains("Markets") && screen.contains("spread ")
    });
    front.keys("z");
    front.resize(52, 14);
    front.shows("terminal too small (52x14), need 60x16");
    front.resize(90, 30);
    front.until("the book again", bids_are_shown);
    front.keys(" ");
    front.shows("PAUSED +");
    front.keys(" q");
    front.shows("The collector runs in this process");
    front.keys("s");
    let summary = front.ends(0);
    assert!(summary.contains("rows committed"), "{summary}");

    let mut replay = Terminal::kflow(&["dash", "--data", data, "--run-dir", data], (120, 40));
    replay.shows("STANDS x1");
    replay.keys("\x1b[F");
    replay.until("the last row", |screen| screen.contains("spread ") && !screen.contains("row 0 "));
    replay.keys(" ");
    replay.shows("STANDS");
    replay.keys("g40.3%\r");
    replay.keys(" ");
    replay.shows("RUNS x1");
    replay.keys("+");
    replay.shows("RUNS x2");
    replay.keys("q");
    replay.ends(0);
}

/// The key asks, and stops what the command, the file and the signal stop; recording goes on.
#[test]
fn a_key_stops_all_orders_and_the_recording_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start();
    let data = dir.path().join("data");
    let words = ["trade", "--ui", "--env", "sim", "--discover", "--policy", "random", "--select"];
    let data_dir = data.to_str().unwrap();
    let more = ["all", "--url", &exchange.1, "--data", data_dir, "--run-dir", data_dir];
    let mut front = Terminal::kflow(&[&words[..], &more].concat(), (160, 45));
    front.until("a live book", bids_are_shown);
    front.until("orders", |screen| screen.contains("buy_") && screen.contains("profit"));
    front.keys("K");
    front.shows("Stop all orders?");
    front.keys("\x1b");
    front.until("no question any more", |screen| !screen.contains("Stop all orders?"));
    assert!(!data.join("KILL").exists(), "asking is not stopping");
    front.keys("Ky");
    front.shows("ORDERS STOPPED");
    let file = std::fs::read_to_string(data.join("KILL")).unwrap();
    assert!(file.contains("cause = kill_key"), "{file}");
    front.until("an order that is refused", |screen| {
        let refused = |line: &str| [" x buy", " x sell"].iter().any(|mark| line.contains(mark));
        screen.lines().any(|line| refused(line) && line.contains("kill_key"))
    });
    front.until("a live book", bids_are_shown);
    front.keys("6");
    // What the actor's thread says tears no picture: it stands in the log.
    front.shows("trading is stopped: kill_key");
    front.keys("q");
    front.shows("The trading session runs in this process");
    front.keys("s");
    let summary = front.ends(0);
    assert!(summary.contains("profit, dollars"), "{summary}");
}

/// The demo with its dashboard: left while it works after a question, with what was made so far.
#[test]
#[cfg(all(feature = "frames", feature = "learn"))]
fn a_demo_that_works_is_left_after_a_question() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("demo");
    let mut demo = Terminal::kflow(&["demo", "--ui", "--dir", place.to_str().unwrap()], (120, 40));
    demo.shows("no training run yet");
    demo.keys("q");
    demo.shows("The demo runs in this process");
    demo.keys("s");
    let said = demo.ends(130);
    assert!(said.contains("the demo was stopped"), "{said}");
}

/// The demo with its dashboard: the learning, and the tape that it learns from. It learns in less than a second, so
/// whatever is looked at may be looked at after the end: this test once asked to stop what had just ended.
#[test]
#[cfg(all(feature = "frames", feature = "learn"))]
fn the_demo_is_looked_at_replayed_and_left_on_a_real_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("demo");
    let mut demo = Terminal::kflow(&["demo", "--ui", "--dir", place.to_str().unwrap()], (120, 40));
    demo.until("a run that learns", |screen| {
        screen.contains("reward per episode") && screen.contains("shares of actions")
    });
    demo.keys("z");
    demo.until("one curve alone", |screen| !screen.contains("explained variance"));
    demo.keys("z5");
    demo.shows("STANDS x1");
    demo.shows(" SIM ");
    demo.keys("g40.3%\r");
    demo.shows("spread ");
    demo.keys(" ");
    demo.shows("RUNS x1");
    demo.keys("/zzz");
    demo.shows("nothing fits the filter");
    // Together the two would be one key: Alt and the question mark.
    demo.keys("\x1b");
    demo.until("no filter", |screen| !screen.contains("/zzz"));
    demo.keys("?");
    demo.shows("run the tape, stop it");
    demo.keys("\x1b");
    demo.until("no help", |screen| !screen.contains("run the tape, stop it"));
    demo.resize(52, 14);
    demo.shows("terminal too small (52x14), need 60x16");
    demo.resize(100, 30);
    demo.keys("6");
    demo.shows("import");
    demo.shows("the demo has ended");
    // Nothing is left to ask about; what was found is read below the picture.
    demo.keys("q");
    let said = demo.ends(0);
    assert!(said.contains("judge again with"), "{said}");
}

/// What a key and a new size at once did: the one that was seen second was not heard before the next of its kind.
#[test]
fn a_key_and_a_new_size_at_once_are_both_heard() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let data = data.to_str().unwrap();
    let mut front = Terminal::kflow(&["dash", "--data", data, "--run-dir", data], (90, 30));
    front.shows("STANDS x1");
    let help = "ladder back to the touch";
    for _ in 0..25 {
        front.keys("?");
        front.resize(52, 14);
        front.shows("terminal too small (52x14)");
        front.resize(90, 30);
        front.shows(help);
        front.resize(51, 13);
        front.keys("\x1b");
        front.shows("terminal too small (51x13)");
        front.resize(90, 30);
        front.until("no help", |screen| screen.contains("STANDS x1") && !screen.contains(help));
    }
    front.keys("q");
    front.ends(0);
}

/// Training with its dashboard, two seeds over each other: looked at while it learns, left after a question, and
/// whole on disk.
#[test]
#[cfg(feature = "learn")]
fn training_is_watched_and_stopped_on_a_real_terminal() {
    let dir = crate::registry::recorded();
    let [data, runs] = ["datasets", "runs"].map(|name| dir.path().join(name));
    let places = ["--data", data.to_str().unwrap(), "--run-dir", runs.to_str().unwrap()];
    let endless = ["train", "--ui", "--seeds", "2", "--steps", "1000000000", "-p", "n_steps=64"];
    let mut front = Terminal::kflow(&[&endless[..], &places].concat(), (120, 40));
    front.until("two runs that learn", |screen| {
        let curves = screen.contains("reward per episode") && screen.contains("shares of actions");
        curves && screen.contains("ppo-s0") && screen.contains("ppo-s1")
    });
    front.keys("1");
    front.shows("NO COLLECTOR");
    front.keys("2q");
    front.shows("The training runs in this process");
    front.keys("s");
    let said = front.ends(0);
    assert!(said.contains("stopped"), "{said}");
    let folds = std::fs::read_dir(&runs).unwrap().flatten().map(|run| run.path().join("fold_0"));
    let saved = folds.filter(|fold| fold.join("config.json").is_file()).map(|fold| {
        let state = std::fs::read_to_string(fold.join("last/trainer.json")).unwrap();
        let rows = std::fs::read_to_string(fold.join("progress.csv")).unwrap();
        assert!(state.contains("\"format\"") && rows.lines().count() > 1, "{state} {rows}");
    });
    assert_eq!(saved.count(), 2);
}
