//! Recorded markets, event by event, from a log or from the files that `kflow import` reads.

use crate::book::SequencePolicy;
use crate::event::{Body, Event, MarketId, Tickers};
use crate::intake::tape::Tape;
use crate::intake::{IntakeError, files};
use crate::replay::BookLine;
use crate::store::{Filter, Log, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where recorded events are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The log of a data directory.
    Log(PathBuf),
    /// Files and folders of frames.
    Files(Vec<PathBuf>),
}

/// Why recorded events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// A market in one recording: the same market in another session is another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarketName {
    /// Number of the session.
    pub session: usize,
    /// The market.
    pub ticker: String,
}

/// Calls `each` with every event of every market in recorded order; a gap of a whole subscription or connection
/// reaches every market that it concerns. Rows are numbered anew.
///
/// # Errors
/// When something cannot be read; what came before was given to `each`.
pub fn read(source: &Source, each: impl FnMut(&MarketName, &Event)) -> Result<(), SourceError> {
    match source {
        Source::Log(dir) => read_log(dir, each),
        Source::Files(paths) => read_files(paths, each),
    }
}

fn read_log(dir: &Path, mut each: impl FnMut(&MarketName, &Event)) -> Result<(), SourceError> {
    let log = Log::open(dir)?;
    let mut row = 0;
    for (number, session) in log.sessions().iter().enumerate() {
        let mut markets = Markets::new(number);
        let filter = Filter { sessions: Some(vec![session.id()]), ..Filter::default() };
        for record in log.read(filter)? {
            row += 1;
            markets.tell(log.tickers(), Event { row_id: row, ..record?.event }, &mut each);
        }
    }
    Ok(())
}

fn read_files(
    paths: &[PathBuf],
    mut each: impl FnMut(&MarketName, &Event),
) -> Result<(), SourceError> {
    let mut tape = Tape::new(SequencePolicy::Partial);
    let mut markets = Markets::new(0);
    let mut row = 0;
    for path in files::find(paths)?.tapes {
        tape.read_file(&path, |tickers, record, _| {
            row += 1;
            markets.tell(tickers, Event { row_id: row, ..record.event }, &mut each);
            Ok::<_, IntakeError>(())
        })?;
    }
    Ok(())
}

/// The markets of one session so far.
struct Markets {
    session: usize,
    known: BTreeMap<MarketId, (BookLine, MarketName)>,
}

impl Markets {
    fn new(session: usize) -> Markets {
        Markets { session, known: BTreeMap::new() }
    }

    fn tell(
        &mut self,
        tickers: &Tickers,
        event: Event,
        each: &mut impl FnMut(&MarketName, &Event),
    ) {
        if event.market == MarketId::NONE {
            let gap = matches!(event.body, Body::Gap(_));
            let concerned = self.known.values().filter(|(line, _)| gap && line.is_told(&event));
            concerned.for_each(|(_, name)| each(name, &event));
            return;
        }
        let session = self.session;
        let (line, name) = self.known.entry(event.market).or_insert_with(|| {
            let ticker = tickers.name(event.market).to_owned();
            (BookLine::default(), MarketName { session, ticker })
        });
        line.note(&event);
        each(name, &event);
    }
}
