//! A recording as a stream of records: lines, frames and gap rows in their order.

use super::account::{Accountant, FallbackTime};
use super::envelope::unpack;
use super::{IntakeError, files};
use crate::book::{Change, SequencePolicy};
use crate::event::{Record, Tickers};
use crate::units::TsNs;
use crate::wire::Decoder;
use std::path::{Path, PathBuf};

/// Reads files of frames one after the other.
#[derive(Debug)]
pub struct Tape {
    /// Frames to events; owns the dictionary of markets.
    pub decoder: Decoder,
    /// What is there and what is missing.
    pub accountant: Accountant,
    fallback: FallbackTime,
    /// Lines read so far.
    pub frames: u64,
    /// Lines that had no receive time of their own.
    pub without_recv: u64,
}

impl Tape {
    /// A reader that has read nothing yet.
    pub fn new(policy: SequencePolicy) -> Tape {
        Tape::starting(policy, TsNs::default())
    }

    /// A reader of a recording that begins at `begin`: the time of lines that tell none before any did.
    pub fn starting(policy: SequencePolicy, begin: TsNs) -> Tape {
        Tape {
            decoder: Decoder::default(),
            accountant: Accountant::new(policy),
            fallback: FallbackTime::new(begin),
            frames: 0,
            without_recv: 0,
        }
    }

    /// The last exchange time seen, else the beginning.
    pub fn last_time(&self) -> TsNs {
        self.fallback.now()
    }

    /// Reads one file to its end; `emit` gets every record with what it did to its market's book.
    ///
    /// # Errors
    /// When the file cannot be read to its end (what came before was emitted), or what `emit` gave.
    pub fn read_file<E: From<IntakeError>>(
        &mut self,
        path: &Path,
        mut emit: impl FnMut(&Tickers, Record, Change) -> Result<(), E>,
    ) -> Result<(), E> {
        self.accountant.begin_file();
        files::lines(path, |line| self.read_line(line, &mut emit)).map(|_| ())
    }

    /// Reads one line.
    ///
    /// # Errors
    /// What `emit` gave.
    pub fn read_line<E>(
        &mut self,
        line: &[u8],
        mut emit: impl FnMut(&Tickers, Record, Change) -> Result<(), E>,
    ) -> Result<(), E> {
        let unpacked = unpack(line);
        self.frames += 1;
        self.without_recv += u64::from(unpacked.recv.is_none());
        let mut record =
            self.decoder.decode(unpacked.frame, unpacked.recv.unwrap_or(self.fallback.now()));
        self.fallback.see(&record.event);
        if unpacked.recv.is_none() {
            record.event.recv = self.fallback.now();
        }
        let tickers = &self.decoder.tickers;
        self.accountant
            .enter(record, unpacked.frame, |record, change| emit(tickers, record, change))
    }
}

/// The recorded windows under `DIR/events`: market ticker and its files in date order.
///
/// # Errors
/// When the folder cannot be read.
pub fn windows(dir: &Path) -> Result<Vec<(String, Vec<PathBuf>)>, IntakeError> {
    let found = files::find(&[dir.join("events")])?;
    let mut out: Vec<(String, Vec<PathBuf>)> = Vec::new();
    for path in found.tapes {
        let folder = path.parent().and_then(Path::file_name);
        let ticker = folder.map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        match out.last_mut().filter(|w| w.0 == ticker) {
            Some(window) => window.1.push(path),
            None => out.push((ticker, vec![path])),
        }
    }
    Ok(out)
}
