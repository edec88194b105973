//! Recorded files into the log: gzip or plain, frames or the predecessor's rows, with market metadata.
//!
//! Reading, unpacking and accounting are separate steps, so that a check can replay a tape through the
//! same code without writing a log: [`files`] finds and reads lines, [`envelope`] unpacks a line,
//! [`account`] says what is missing, [`rows`] reads the predecessor's tables, [`import`] drives them.
//!
//! **Invariant:** one bad line never ends an import: it is counted, kept with its bytes, and shown.

pub mod account;
pub mod envelope;
pub mod files;
pub mod import;
pub mod rows;
pub mod tape;

pub use account::{Accountant, MarketReport};
pub use import::{Format, ImportOptions, ImportReport, Target, import};

use std::path::PathBuf;

/// Why an import could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A path does not exist or may not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A compressed file ends in the middle or is damaged; the lines before that were taken.
    #[error("{path} is damaged or cut off after line {lines}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Whole lines that could be read.
        lines: u64,
        /// What the decoder said.
        #[source]
        source: std::io::Error,
    },
    /// Nothing to import was found.
    #[error("no recorded file under {0}")]
    Nothing(String),
    /// A metadata file is not one.
    #[error("metadata file {path}: {why}")]
    Metadata {
        /// Which.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// The log refused.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}
