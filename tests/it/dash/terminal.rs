//! The program on a real terminal: a PTY of the kernel, with an emulator that says what stands on it.

use crate::cli::kflow;
use kalshiflow::dash::{self, DashError, Hands, Options, State};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// What stands on the screen, and a bell for when it changes.
type Shared = Arc<(Mutex<vt100::Parser>, Condvar)>;

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    process: Box<dyn Child + Send + Sync>,
    shared: Shared,
    /// How the kernel treated the line before.
    line: String,
}

impl Terminal {
    fn start(
        program: &Path,
        words: &[&str],
        env: &[(&str, &str)],
        (cols, rows): (u16, u16),
    ) -> Terminal {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let line = format!("{:?}", pair.master.get_termios());
        let mut command = CommandBuilder::new(program);
        command.args(words);
        command.env_remove("NO_COLOR");
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LANG", "C.UTF-8");
        for (name, value) in env {
            command.env(name, value);
        }
        let process = pair.slave.spawn_command(command).unwrap();
        let shared: Shared =
            Arc::new((Mutex::new(vt100::Parser::new(cells(rows), cells(cols), 0)), Condvar::new()));
        let (mut reader, seen) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&shared));
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                seen.0.lock().unwrap().process(&bytes[..n]);
                seen.1.notify_all();
            }
        });
        let keyboard = pair.master.take_writer().unwrap();
        Terminal { master: pair.master, keyboard, process, shared, line }
    }

    fn kflow(words: &[&str], size: (u16, u16)) -> Terminal {
        Terminal::start(Path::new(env!("CARGO_BIN_EXE_kflow")), words, &[], size)
    }

    fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        self.shared.0.lock().unwrap().set_size(cells(rows), cells(cols));
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Waits until the screen shows what is wanted.
    #[track_caller]
    fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let (parser, bell) = &*self.shared;
        let mut screen = parser.lock().unwrap();
        let begun = Instant::now();
        loop {
            let text = screen.screen().contents();
            if wanted(&text) {
                return text;
            }
            let left = PATIENCE.checked_sub(begun.elapsed());
            let Some(left) = left else { panic!("waited for {what}; the screen:\n{text}") };
            screen = bell.wait_timeout(screen, left.min(Duration::from_millis(200))).unwrap().0;
        }
    }

    #[track_caller]
    fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits for the end; the terminal must be as it was.
    #[track_caller]
    fn ends(mut self, code: u32) -> String {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let text = self.shared.0.lock().unwrap().screen().contents();
                self.process.kill().unwrap();
                panic!("it does not end; the screen:\n{text}");
            }
            std::thread::yield_now();
            std::thread::sleep(Duration::from_millis(10));
        };
        // What it wrote last may still be on its way here.
        let text = {
            let (parser, bell) = &*self.shared;
            let begun = Instant::now();
            let mut screen = parser.lock().unwrap();
            while screen.screen().alternate_screen() && begun.elapsed() < PATIENCE {
                screen = bell.wait_timeout(screen, Duration::from_millis(100)).unwrap().0;
            }
            assert!(!screen.screen().alternate_screen(), "the other screen was not left");
            assert!(!screen.screen().hide_cursor(), "the cursor is hidden");
            let mouse = screen.screen().mouse_protocol_mode();
            assert_eq!(mouse, vt100::MouseProtocolMode::None, "the mouse was not given back");
            screen.screen().contents()
        };
        assert_eq!(
            format!("{:?}", self.master.get_termios()),
            self.line,
            "the line is not as it was"
        );
        assert_eq!(status.exit_code(), code, "{text}");
        text
    }
}

/// An exchange to practise on, until dropped.
struct Exchange(std::process::Child, String);

impl Exchange {
    fn start() -> Exchange {
        let words = ["sim", "run", "--markets", "12", "--rate", "400", "--bind", "127.0.0.1:0"];
        let mut command = kflow(&words);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap().split(' ').next().unwrap().to_owned();
        Exchange(process, url)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn bids_are_shown(screen: &str) -> bool {
    screen.contains("spread ") && screen.contains("● LIVE")
}

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
    replay.keys("g40%\r");
    replay.keys(" ");
    replay.shows("RUNS x1");
    replay.keys("+");
    replay.shows("RUNS x2");
    replay.keys("q");
    replay.ends(0);
}

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
    for (terminal, code) in [(beside, 143), (front, 143)] {
        let pid = terminal.process.process_id().unwrap();
        let killed = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status();
        assert!(killed.unwrap().success());
        terminal.ends(code);
    }
}

/// The name of the test below, and the word that makes it the one who panics.
const PANICS: &str = "dash::terminal::a_panic_in_any_thread_leaves_the_terminal_as_it_was";
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
