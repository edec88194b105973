//! Progress of long work: a bar in a terminal, one plain line every ten seconds elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Progress of one piece of work, on stderr.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: String,
    total: u64,
    done: u64,
    last_line: Instant,
}

impl Progress {
    /// Starts showing `what`, which takes `total` units.
    pub fn start(what: &str, total: u64) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
            if let Ok(style) = ProgressStyle::with_template("{msg:12} [{bar:30}] {pos}/{len} {eta}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(what.to_owned());
            bar
        });
        Progress { bar, what: what.to_owned(), total, done: 0, last_line: Instant::now() }
    }

    /// Corrects the total, once it is known.
    pub fn set_total(&mut self, total: u64) {
        self.total = total;
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    /// Sets how much is done.
    pub fn set(&mut self, done: u64) {
        self.done = done;
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None if self.last_line.elapsed() >= PLAIN_EVERY => {
                super::printer::say(&format!("{} {}/{}", self.what, done, self.total));
                self.last_line = Instant::now();
            }
            None => {}
        }
    }

    /// Adds to what is done.
    pub fn add(&mut self, more: u64) {
        self.set(self.done + more);
    }

    /// Ends the display and leaves nothing behind.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
