//! A real terminal for tests: a PTY of the kernel, with an emulator that says what stands on it.

use crate::cli::kflow;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(300);

/// What stands on the screen, and a bell for when it changes.
type Shared = Arc<(Mutex<vt100::Parser>, Condvar)>;

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

/// A terminal with a program on it.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    /// The program.
    pub process: Box<dyn Child + Send + Sync>,
    shared: Shared,
    /// Ends when nothing more can come.
    reader: JoinHandle<()>,
    /// How the kernel treated the line before.
    line: String,
}

impl Terminal {
    /// Starts a program on a terminal of this size, with these variables beside the usual ones.
    pub fn start(
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
        // The last two would speak before `LANG`.
        for name in ["NO_COLOR", "LC_ALL", "LC_CTYPE"] {
            command.env_remove(name);
        }
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
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                seen.0.lock().unwrap().process(&bytes[..n]);
                seen.1.notify_all();
            }
        });
        let keyboard = pair.master.take_writer().unwrap();
        Terminal { master: pair.master, keyboard, process, shared, reader, line }
    }

    pub fn kflow(words: &[&str], size: (u16, u16)) -> Terminal {
        Terminal::start(Path::new(env!("CARGO_BIN_EXE_kflow")), words, &[], size)
    }

    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.shared.0.lock().unwrap().set_size(cells(rows), cells(cols));
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Waits until the screen shows what is wanted.
    #[track_caller]
    pub fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
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
    pub fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// How many cells are so.
    pub fn cells(&self, is_so: impl Fn(&vt100::Cell) -> bool) -> usize {
        let parser = self.shared.0.lock().unwrap();
        let (rows, cols) = parser.screen().size();
        let (rows, cols) = (rows.get(), cols.get());
        let all = (0..rows).flat_map(|y| (0..cols).map(move |x| (y, x)));
        all.filter_map(|(y, x)| parser.screen().cell(y, x)).filter(|cell| is_so(cell)).count()
    }

    /// Waits for the end; the terminal must be as it was.
    #[track_caller]
    pub fn ends(mut self, code: u32) -> String {
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
            let begun = Instant::now();
            while !self.reader.is_finished() && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(10));
            }
            let screen = self.shared.0.lock().unwrap();
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
pub struct Exchange(std::process::Child, pub String);

impl Exchange {
    /// Starts one with twelve markets.
    pub fn start() -> Exchange {
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

/// True for a screen with a live book.
pub fn bids_are_shown(screen: &str) -> bool {
    screen.contains("spread ") && screen.contains("● LIVE")
}
