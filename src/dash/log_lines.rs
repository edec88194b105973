//! What was said, line by line.

use crate::units::TsNs;
use std::collections::VecDeque;

/// Lines kept: an evening of a talkative collector, in about a megabyte.
const KEPT: usize = 5_000;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For those who look for something.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What went wrong.
    Error,
}

impl Level {
    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        }
    }

    /// The next stricter one, and round again.
    pub const fn next(self) -> Level {
        match self {
            Level::Debug => Level::Info,
            Level::Info => Level::Warn,
            Level::Warn => Level::Error,
            Level::Error => Level::Debug,
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: TsNs,
    /// How much it matters.
    pub level: Level,
    /// What.
    pub text: String,
}

/// The last lines.
#[derive(Debug, Default)]
pub struct Lines(VecDeque<Line>);

impl Lines {
    /// Adds a line; a tabulator or an escape in it would tear the screen.
    pub fn push(&mut self, line: Line) {
        let text = line.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Line { text, ..line });
    }

    /// Lines of at least this level that contain the text, newest last.
    pub fn matching(&self, least: Level, filter: &str) -> impl DoubleEndedIterator<Item = &Line> {
        let filter = filter.to_lowercase();
        self.0
            .iter()
            .filter(move |line| line.level >= least && line.text.to_lowercase().contains(&filter))
    }
}
