//! Checks that a person can run: golden files through the real code, sessions of trading from the log, the
//! environment's contract, the simulator beside recordings, and estimated queues beside true ones.

pub mod attribution;
pub mod books;
pub mod calibrate;
mod cases;
pub mod collect;
pub mod env;
pub mod fees;
pub mod fills;
pub mod flow52;
mod flow52_tape;
mod golden;
pub mod kalshiflow52;
pub mod ledger;
pub mod pairs;
pub mod session;
mod tape;
pub mod trade;

use serde::Serialize;

/// Result of replaying a golden file.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// `kalshiflow52`, `flow52`, `books`, `fees`, `ledger`, `session`, ...
    pub kind: &'static str,
    /// Cases compared; what a case is depends on the file's form.
    pub cases: u64,
    /// Cases equal within the tolerance.
    pub passed: u64,
    /// Cases that differ.
    pub failed: u64,
    /// Largest absolute difference of a float seen; 0 where all is integer.
    pub max_abs_diff: f64,
    /// The first case that differs, in words.
    pub first_failure: Option<String>,
}

impl Outcome {
    /// No case yet.
    pub fn new(kind: &'static str) -> Outcome {
        Outcome { kind, cases: 0, passed: 0, failed: 0, max_abs_diff: 0.0, first_failure: None }
    }

    /// Counts one case: `Ok` passes, `Err` says what differs.
    pub fn case(&mut self, result: Result<(), String>) {
        self.cases += 1;
        match result {
            Ok(()) => self.passed += 1,
            Err(why) => {
                self.failed += 1;
                self.first_failure.get_or_insert(why);
            }
        }
    }

    /// Notes a difference of two floats; NaN counts as infinite.
    pub fn diff(&mut self, got: f64, want: f64) -> f64 {
        let d = (got - want).abs();
        let d = if d.is_nan() { f64::INFINITY } else { d };
        self.max_abs_diff = self.max_abs_diff.max(d);
        d
    }
}

/// Why a golden file could not be compared at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The content is not of a form that this KIND has.
    #[error("{path}: {why}")]
    Form {
        /// Which file.
        path: String,
        /// What does not fit.
        why: String,
    },
    /// The cases need the recorded tape and it is not there.
    #[error("these cases need the recorded tape ({0}), which is not there")]
    NoTape(String),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] crate::store::StoreError),
    /// The recorded tape cannot be read.
    #[error(transparent)]
    Tape(#[from] crate::intake::IntakeError),
}
