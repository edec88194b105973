//! SIGINT and SIGTERM: the first asks for a clean end, a second one soon after ends at once.

use super::exit::Code;
use super::printer;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A second signal within this time ends the process at once.
const SOON: Duration = Duration::from_secs(3);

/// A signal that asked for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// From a service manager.
    Terminate,
}

impl Signal {
    /// The word of the session's end cause.
    pub const fn word(self) -> &'static str {
        match self {
            Signal::Interrupt => "sigint",
            Signal::Terminate => "sigterm",
        }
    }

    /// The exit code after a clean end.
    pub const fn code(self) -> Code {
        match self {
            Signal::Interrupt => Code::Interrupted,
            Signal::Terminate => Code::Terminated,
        }
    }

    /// The signal that is called `word`.
    pub fn of_word(word: &str) -> Option<Signal> {
        [Signal::Interrupt, Signal::Terminate].into_iter().find(|s| s.word() == word)
    }
}

/// Listens from now on; the receiver turns to the word of the first signal. A second one within 3 s says
/// `guarantee` and ends the process. Must be called inside a runtime.
///
/// # Errors
/// When the system refuses a handler.
pub fn listen(guarantee: &'static str) -> std::io::Result<watch::Receiver<Option<&'static str>>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (asked, asks) = watch::channel(None);
    tokio::spawn(async move {
        let mut last: Option<Instant> = None;
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            };
            if last.is_some_and(|at| at.elapsed() < SOON) {
                crate::dash::restore();
                printer::say(&format!("aborted: {guarantee}"));
                std::process::exit(signal.code() as i32);
            }
            last = Some(Instant::now());
            asked.send_if_modified(|word| word.replace(signal.word()).is_none());
        }
    });
    Ok(asks)
}
