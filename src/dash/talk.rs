//! What the program says while the dashboard has the terminal: it goes to the log screen, so that no line tears
//! the picture.

use super::log_lines::{Level, Line};
use super::news::{Handle, News};
use crate::units::TsNs;
use std::sync::{Mutex, PoisonError};

/// Who hears. Whoever talks (a log, a signal handler, a thread of a room that knows no dashboard) knows of nobody
/// whom it could be handed, hence one place for the whole process.
static EAR: Mutex<Option<Handle>> = Mutex::new(None);

/// Talk is heard until this is dropped.
pub struct Ear(());

impl Ear {
    /// What is said from now on goes to the dashboard behind `handle`.
    pub fn lend(handle: Handle) -> Ear {
        set(Some(handle));
        Ear(())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        set(None);
    }
}

fn set(handle: Option<Handle>) {
    *EAR.lock().unwrap_or_else(PoisonError::into_inner) = handle;
}

/// Hands each line of `text` to the dashboard; false when there is none, and it has to be said elsewhere. Where
/// the dashboard does not keep up a line is left out: talk waits for nobody.
pub fn hear(text: &str, at: TsNs) -> bool {
    let ear = EAR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(handle) = ear.as_ref() else { return false };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.all(|text| {
        handle.offer(News::Line(Line { at, level: level(text), text: text.to_owned() }))
    })
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
    use crate::dash::news::{Msg, inbox};

    #[test]
    fn talk_is_heard_line_by_line_until_the_ear_is_taken_back() {
        let (handle, heard) = inbox();
        let ear = Ear::lend(handle);
        assert!(hear("one\n\nwarning: two\n", TsNs(5)));
        drop(ear);
        assert!(!hear("nobody", TsNs(6)));
        let lines: Vec<_> = heard
            .try_iter()
            .map(|msg| match msg {
                Msg::News(News::Line(line)) => (line.at.0, line.level, line.text),
                other => panic!("{other:?}"),
            })
            .collect();
        let want = [(5, Level::Info, "one".into()), (5, Level::Warn, "warning: two".into())];
        assert_eq!(lines, want);
    }
}
