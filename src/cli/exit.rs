//! Exit codes and the one error shape that leaves the program.

use crate::store::StoreError;
use std::fmt::Write as _;

/// Shown below `kflow --help`.
pub const CODES_HELP: &str = "Exit codes: 0 done, 1 failed at run time, 2 usage, 3 configuration missing or \
invalid, 4 remote refused or unreachable, 5 data integrity problem, 6 a check failed.";

/// Why the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Failed at run time: IO, full disk, a bug that was caught.
    Runtime = 1,
    /// The words of the command line do not fit.
    Usage = 2,
    /// Configuration or credentials missing or invalid.
    Config = 3,
    /// Remote refused or unreachable.
    Remote = 4,
    /// Data integrity problem: gap, checksum, schema or layout mismatch, unreadable input.
    Integrity = 5,
    /// A check failed: conformance, environment check, evaluation gate.
    Check = 6,
}

/// What a command gives back when it cannot do its work.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: Code,
    /// What happened, outermost context first.
    pub error: anyhow::Error,
    /// The next step for the person.
    pub hint: Option<String>,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { code: Code::Runtime, error: error.into(), hint: None }
    }
}

impl Failure {
    /// A failure with its code.
    pub fn new(code: Code, error: impl Into<anyhow::Error>) -> Failure {
        Failure { code, error: error.into(), hint: None }
    }

    /// A failure from a sentence.
    pub fn msg(code: Code, text: impl std::fmt::Display) -> Failure {
        Failure { code, error: anyhow::anyhow!("{text}"), hint: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was being done.
    #[must_use]
    pub fn context(mut self, what: impl std::fmt::Display + Send + Sync + 'static) -> Failure {
        self.error = self.error.context(what);
        self
    }

    /// The text for stderr: `error: ..`, its causes, and `hint: ..`.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        for cause in self.error.chain().skip(1) {
            let _ = writeln!(text, "  caused by: {cause}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "\nhint: {hint}");
        }
        text
    }
}

/// The failure of a command whose log could not be written or read.
pub fn store(error: StoreError) -> Failure {
    let (code, hint) = match &error {
        StoreError::Locked { .. } => {
            (Code::Config, "wait until that process has ended, or use another --data directory")
        }
        StoreError::NoLog { .. } => {
            (Code::Config, "record or import something first: `kflow import PATH`, or `kflow demo`")
        }
        StoreError::Full { .. } => {
            (Code::Runtime, "free some space and run the command again; what was committed is kept")
        }
        StoreError::Corrupt { .. } | StoreError::Format { .. } => {
            (Code::Integrity, "`kflow data verify` lists everything that is damaged")
        }
        StoreError::Io { .. } | StoreError::SealAbandoned { .. } => {
            (Code::Runtime, "check the directory and its permissions; what was committed is kept")
        }
    };
    Failure::new(code, error).hint(hint)
}

/// Gives an error its exit code and hint where it is passed on.
pub trait OrFail<T> {
    /// Fails with `code` on error.
    ///
    /// # Errors
    /// The error, with its code.
    fn or_fail(self, code: Code) -> Result<T, Failure>;
    /// Fails with `code` and `hint` on error.
    ///
    /// # Errors
    /// The error, with its code and hint.
    fn or_hint(self, code: Code, hint: &str) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: Code) -> Result<T, Failure> {
        self.map_err(|e| Failure::new(code, e))
    }

    fn or_hint(self, code: Code, hint: &str) -> Result<T, Failure> {
        self.map_err(|e| Failure::new(code, e).hint(hint))
    }
}
