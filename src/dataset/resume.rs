//! Where the export of a session goes on that still runs.
//!
//! A session's files are final once a later one of it has begun: only the last can grow. What the fold knew
//! at the first row of those is kept beside the dataset, so that the next export reads the log from there,
//! and so that a log may give up the rows before.
//!
//! **Invariant:** written after the manifest that lists the final files. An older place makes more work, and
//! the same bytes.

use super::export::{Exporter, is_event_file_of};
use super::fold::{Fold, Market, OpenGap};
use super::input::{ExportOptions, SessionInput};
use super::load::check_bytes;
use super::manifest::{Counts, FileEntry, Manifest};
use super::schema::Table;
use super::{DatasetError, VERSION_DIR, disk};
use crate::book::Book;
use crate::digest::sha256_hex;
use crate::event::{Event, Gap, MarketId, SessionId, Snapshot, Tickers};
use crate::store::{Heals, Log, SessionSummary};
use crate::units::{Price, Qty, Side};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The fold's state before a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Resume {
    /// The row: the first of the files that are not final.
    pub(super) row_id: u64,
    /// UTC day of its receipt.
    pub(super) day: i64,
    /// Another number would put other rows into the files.
    pub(super) rows_per_file: usize,
    /// Final files of each table.
    pub(super) numbers: BTreeMap<String, u32>,
    row_ids: Option<(u64, u64)>,
    counts: Counts,
    markets: Vec<MarketState>,
    /// Gaps in the final files that nothing has healed yet: place, subscription, market.
    open: Vec<(u64, u32, String, Gap)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct MarketState {
    ticker: String,
    sid: u32,
    /// YES and NO bids; `None` while the book is not known.
    book: Option<[Vec<(Price, Qty)>; 2]>,
}

impl Resume {
    /// The state of `fold` before `event`, which begins a new part.
    pub(super) fn at(
        event: &Event,
        day: i64,
        rows_per_file: usize,
        numbers: &BTreeMap<Table, u32>,
        fold: &Fold<'_>,
        tickers: &Tickers,
    ) -> Resume {
        let markets = fold.markets.iter().map(|(id, market)| {
            let bids = |side| market.book.bids(side).iter().collect();
            let book = market.book.is_valid().then(|| [bids(Side::Yes), bids(Side::No)]);
            MarketState { ticker: tickers.name(*id).to_owned(), sid: market.sid, book }
        });
        let open = fold
            .open
            .iter()
            .map(|g| (g.row_id, g.sid, tickers.name(g.market).to_owned(), g.gap.clone()));
        Resume {
            open: open.collect(),
            row_id: event.row_id,
            day,
            rows_per_file,
            numbers: numbers.iter().map(|(t, n)| (t.name().to_owned(), *n)).collect(),
            row_ids: fold.row_ids,
            counts: fold.counts,
            markets: markets.collect(),
        }
    }

    /// True for a final file of `session`.
    pub(super) fn is_before(&self, file: &FileEntry, session: &str) -> bool {
        is_event_file_of(file, session)
            && file.row_id_max.is_some_and(|last| (last as u64) < self.row_id)
    }

    /// Final files of each table.
    pub(super) fn numbers(&self) -> BTreeMap<Table, u32> {
        let number = |t: &Table| Some((*t, *self.numbers.get(t.name())?));
        Table::EVENTS.iter().filter_map(number).collect()
    }

    /// True if a final file calls a gap open that was healed since.
    pub(super) fn is_outdated(&self, heals: &Heals, tickers: &Tickers) -> bool {
        self.open.iter().any(|(row_id, sid, ticker, gap)| {
            let market = tickers.find(ticker).unwrap_or(MarketId::NONE);
            heals.healed_by(*row_id, *sid, market, gap).is_some()
        })
    }

    /// Makes `fold` what it was; markets that `tickers` does not know are entered there.
    pub(super) fn restore(self, fold: &mut Fold<'_>, tickers: &mut Tickers) {
        let mut market = |ticker: &str| match ticker {
            "" => MarketId::NONE,
            ticker => tickers.intern(ticker),
        };
        for state in self.markets {
            let mut book = Book::default();
            if let Some([yes, no]) = state.book {
                book.snapshot(&Snapshot { yes, no });
            }
            fold.markets.insert(market(&state.ticker), Market { book, sid: state.sid });
        }
        let open = self.open.into_iter();
        fold.open.extend(open.map(|(row_id, sid, ticker, gap)| {
            let market = market(&ticker);
            OpenGap { row_id, sid, market, gap }
        }));
        fold.row_ids = self.row_ids;
        fold.counts = self.counts;
    }

    /// Reads the state of `session`; `None` where there is none, or none that is whole.
    pub(super) fn read(
        data_dir: &Path,
        session: SessionId,
    ) -> Result<Option<Resume>, DatasetError> {
        let path = folder(data_dir).join(name(session));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DatasetError::io("read", path)(e)),
        };
        let whole = text.split_once('\n').filter(|(sha, json)| sha256_hex(json) == *sha);
        Ok(whole.and_then(|(_, json)| serde_json::from_str(json).ok()))
    }

    /// Writes what `resumes` holds and removes the states of sessions that are not `running`.
    pub(super) fn write_all(
        data_dir: &Path,
        resumes: &[(SessionId, Resume)],
        running: impl Iterator<Item = SessionId>,
    ) -> Result<(), DatasetError> {
        let folder = folder(data_dir);
        let kept: BTreeSet<String> = running.map(name).collect();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !entry.file_name().to_str().is_some_and(|n| kept.contains(n)) {
                let path = entry.path();
                std::fs::remove_file(&path).map_err(DatasetError::io("remove", path))?;
            }
        }
        if kept.is_empty() {
            // Gone already, or never there.
            let _ = std::fs::remove_dir(&folder);
            return Ok(());
        }
        std::fs::create_dir_all(&folder).map_err(DatasetError::io("create", &folder))?;
        for (session, resume) in resumes {
            let path = folder.join(name(*session));
            let json = serde_json::to_string(resume)
                .map_err(|e| DatasetError::Manifest { path: path.clone(), why: e.to_string() })?;
            disk::write_text(&path, &format!("{}\n{json}", sha256_hex(&json)))?;
        }
        Ok(())
    }
}

impl Exporter {
    /// Where the export of a session goes on that was exported while it ran; `None` for its beginning. A gap
    /// in a final file that was healed since is a reason to begin again, unless the log is `pruned`.
    pub(super) fn resume(
        &self,
        input: &SessionInput<'_>,
        pruned: bool,
    ) -> Result<Option<Resume>, DatasetError> {
        let resume = Resume::read(&self.data_dir, input.meta.id)?;
        let id = input.meta.id.to_string();
        let usable = |r: &Resume| {
            let files = || self.before.files.iter().filter(|f| r.is_before(f, &id));
            r.rows_per_file == self.options.rows_per_file
                && r.numbers.values().map(|n| *n as usize).sum::<usize>() == files().count()
                && files().all(|f| self.is_on_disk(f))
                && (pruned || !r.is_outdated(input.heals, input.tickers))
        };
        Ok(resume.filter(usable))
    }
}

/// The first row that the log of `data_dir` must keep, by session: those before stand in files that will not
/// be written again.
///
/// # Errors
/// When the manifest cannot be read.
pub fn needed_from(log: &Log, data_dir: &Path) -> Result<Vec<(SessionId, u64)>, DatasetError> {
    let exporter = Exporter::open(data_dir, ExportOptions::default())?;
    let (heals, none) = (log.heals()?, Heals::default());
    let needed = |session: &SessionSummary| {
        let heals = heals.get(&session.id()).unwrap_or(&none);
        let input = SessionInput::of(session, log.tickers(), heals);
        if session.cause.is_some() && exporter.is_current(&input) {
            return Ok((session.id(), u64::MAX));
        }
        let resume = exporter.resume(&input, session.pruned > 0)?;
        Ok((session.id(), resume.map_or(0, |r| r.row_id)))
    };
    log.sessions().iter().map(needed).collect()
}

/// Fails unless every published event file of `sessions` holds the bytes that the manifest lists: asked before
/// the log gives up what they were made from.
///
/// # Errors
/// [`DatasetError::Checksum`]; when a file cannot be read.
pub fn check_files(data_dir: &Path, sessions: &[SessionId]) -> Result<(), DatasetError> {
    let ids: Vec<String> = sessions.iter().map(SessionId::to_string).collect();
    let manifest = Manifest::existing(data_dir)?;
    let mine = |file: &&FileEntry| ids.iter().any(|id| is_event_file_of(file, id));
    manifest.files.iter().filter(mine).try_for_each(|file| check_bytes(data_dir, file))
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(VERSION_DIR).join("resume")
}

fn name(session: SessionId) -> String {
    format!("{session}.json")
}
