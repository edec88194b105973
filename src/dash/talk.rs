//! What the program says while the dashboard has the terminal: it goes to the log screen, so that no line tears
//! the picture.
//!
//! ```text
//!  log, signals, rooms ─► hear ─► lines that wait ─► thread "talk" ─► the dashboard's queue
//! ```
//!
//! **Invariant:** who talks waits for nobody: the dashboard itself may talk, and a terminal may stand still.
//! **Invariant:** no line is lost in silence: where too many wait the oldest are left out, and their number is said.

use super::log_lines::{Level, Line};
use super::news::{Handle, News};
use crate::units::TsNs;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Lines that wait for a dashboard that does not keep up.
const WAITING: usize = 1_024;

/// Who hears. Whoever talks (a log, a signal handler, a thread of a room that knows no dashboard) knows of nobody
/// whom it could be handed, hence one place for the whole process.
static EAR: Mutex<Option<Arc<Talk>>> = Mutex::new(None);

/// Talk is heard until this is dropped.
pub struct Ear(Arc<Talk>);

impl Ear {
    /// What is said from now on goes to the dashboard behind `handle`.
    pub fn lend(handle: Handle) -> Ear {
        let talk = Arc::new(Talk::default());
        let told = Arc::clone(&talk);
        let thread = std::thread::Builder::new().name("talk".to_owned());
        // Without the thread nothing is heard, and talk goes where it goes without a dashboard.
        if thread.spawn(move || told.pass_on(&handle)).is_ok() {
            set(Some(Arc::clone(&talk)));
        }
        Ear(talk)
    }
}

impl Drop for Ear {
    /// The terminal is as it was: what waited is said there.
    fn drop(&mut self) {
        set(None);
        self.0.close().iter().for_each(say_elsewhere);
    }
}

fn set(talk: Option<Arc<Talk>>) {
    *EAR.lock().unwrap_or_else(PoisonError::into_inner) = talk;
}

/// Hands each line of `text` to the dashboard; false when there is none, and it has to be said elsewhere.
pub fn hear(text: &str, at: TsNs) -> bool {
    let ear = EAR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(talk) = ear.as_ref() else { return false };
    for text in text.lines().filter(|line| !line.trim().is_empty()) {
        talk.say(Line { at, level: level(text), text: text.to_owned() });
    }
    true
}

/// Lines on their way.
#[derive(Default)]
struct Talk {
    waiting: Mutex<Waiting>,
    /// Rings when there is a line, and at the end.
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Line>,
    /// So many were left out before these.
    left_out: u64,
    closed: bool,
}

impl Talk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, line: Line) {
        self.lock().push(line);
        self.bell.notify_one();
    }

    /// The next line, once there is one; `None` at the end.
    fn wait(&self) -> Option<Line> {
        let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closed;
        let waiting = self.bell.wait_while(self.lock(), idle);
        waiting.unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Tells every line, waiting for room, until the end.
    fn pass_on(&self, handle: &Handle) {
        while let Some(line) = self.wait() {
            if handle.news(News::Line(line.clone())).is_err() {
                // Its terminal is free again.
                say_elsewhere(&line);
            }
        }
    }

    /// The end: gives what waits.
    fn close(&self) -> Vec<Line> {
        let mut waiting = self.lock();
        waiting.closed = true;
        self.bell.notify_one();
        std::iter::from_fn(|| waiting.pop()).collect()
    }
}

impl Waiting {
    fn push(&mut self, line: Line) {
        if self.lines.len() == WAITING {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(line);
    }

    fn pop(&mut self) -> Option<Line> {
        let at = self.lines.front()?.at;
        match std::mem::take(&mut self.left_out) {
            0 => self.lines.pop_front(),
            n => {
                let text = format!("{n} lines are left out here: the dashboard did not keep up");
                Some(Line { at, level: Level::Warn, text })
            }
        }
    }
}

fn say_elsewhere(line: &Line) {
    // Talk that cannot be heard is no reason to stop the work.
    let _ = writeln!(std::io::stderr().lock(), "{}", line.text);
}

/// How much a line matters, by the words that our own lines use.
fn level(text: &str) -> Level {
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    match text {
        _ if text.contains("ERROR ") || begins(&["error:"]) => Level::Error,
        _ if text.contains("WARN ") => Level::Warn,
        _ if begins(&["warning:", "gap:", "connection lost", "trading is stopped"]) => Level::Warn,
        _ if text.contains("DEBUG ") || text.contains("TRACE ") => Level::Debug,
        _ => Level::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dash::news::{INBOX, Msg, inbox};
    use std::sync::mpsc::Receiver;

    fn line(text: &str) -> Line {
        Line { at: TsNs(7), level: Level::Info, text: text.to_owned() }
    }

    fn next(heard: &Receiver<Msg>) -> Line {
        match heard.recv().expect("a line") {
            Msg::News(News::Line(line)) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn talk_is_heard_line_by_line_until_the_ear_is_taken_back() {
        let (handle, heard) = inbox();
        let ear = Ear::lend(handle);
        assert!(hear("one\n\nwarning: two\n", TsNs(5)));
        // Other tests of this process may talk meanwhile, at other times.
        let mut lines = Vec::new();
        while lines.len() < 2 {
            let line = next(&heard);
            if line.at == TsNs(5) {
                lines.push((line.level, line.text));
            }
        }
        assert_eq!(lines[0], (Level::Info, "one".to_owned()));
        assert_eq!(lines[1], (Level::Warn, "warning: two".to_owned()));
        drop(ear);
        assert!(!hear("nobody", TsNs(5)));
        // The thread has ended, and its end of the queue is gone.
        let heard_ours = |msg: Msg| matches!(msg, Msg::News(News::Line(l)) if l.at == TsNs(5));
        assert!(!heard.iter().any(heard_ours));
    }

    /// A dashboard that was behind for a moment never showed what was said in that moment.
    #[test]
    fn a_dashboard_that_was_behind_hears_every_line_or_how_many_it_missed() {
        for said in [INBOX + 100, INBOX + 3 * WAITING] {
            let ((handle, heard), talk) = (inbox(), Arc::new(Talk::default()));
            (0..said).for_each(|n| talk.say(line(&n.to_string())));
            let told = Arc::clone(&talk);
            let thread = std::thread::spawn(move || told.pass_on(&handle));
            let mut due = 0;
            while due < said {
                let text = next(&heard).text;
                if let Some((missed, _)) = text.split_once(" lines are left out here") {
                    due += missed.parse::<usize>().expect("a number");
                } else {
                    assert_eq!(text, due.to_string());
                    due += 1;
                }
            }
            assert_eq!(due, said);
            assert!(talk.close().is_empty());
            thread.join().expect("no panic");
        }
    }

    #[test]
    fn what_waits_at_the_end_is_given_back() {
        let talk = Talk::default();
        (0..=WAITING).for_each(|n| talk.say(line(&n.to_string())));
        let left = talk.close();
        assert_eq!(left.len(), WAITING + 1);
        assert!(left[0].text.starts_with("1 lines are left out here"), "{:?}", left[0]);
        assert_eq!(left.last(), Some(&line(&WAITING.to_string())));
        assert_eq!(talk.wait(), None);
    }
}
