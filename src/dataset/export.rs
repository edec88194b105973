//! From the log to files: one fold per session, one file per table, UTC day and roll.

use super::fold::Fold;
use super::input::{ExportOptions, ExportSummary, SessionInput};
use super::manifest::{FileEntry, Manifest, SessionEntry};
use super::publish::NewFile;
use super::reference::{market_batch, session_batch};
use super::resume::Resume;
use super::rows::{Rows, day_number};
use super::schema::Table;
use super::{DatasetError, card, disk, read};
use crate::event::{Record, SessionId};
use crate::market::MarketInfo;
use crate::store::{Filter, Heals, Log};
use crate::wire::market::market_info;
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Exports everything in `log`; `on_records` hears how many records were read since it heard last.
///
/// Sessions that have not changed since the last export keep their files, and so do sessions that the
/// log no longer holds.
///
/// # Errors
/// When the log or the manifest cannot be read, or a file cannot be written. No file is ever half
/// written, and the next export completes the work.
pub fn export(
    log: &Log,
    data_dir: &Path,
    options: ExportOptions,
    on_records: &mut dyn FnMut(u64),
) -> Result<ExportSummary, DatasetError> {
    let mut exporter = Exporter::open(data_dir, options)?;
    let (heals, none) = (log.heals()?, Heals::default());
    for session in log.sessions() {
        let heals = heals.get(&session.id()).unwrap_or(&none);
        let input = SessionInput::of(&session, log.tickers(), heals);
        if exporter.is_current(&input) {
            on_records(input.records);
            continue;
        }
        exporter.refuse_less(&input)?;
        let resume = exporter.resume(&input, session.pruned > 0)?;
        if resume.is_none() && session.pruned > 0 {
            return Err(DatasetError::Pruned { session: session.id().to_string() });
        }
        let filter = Filter {
            sessions: Some(vec![session.id()]),
            row_id_from: resume.as_ref().map(|r| r.row_id),
            ..Filter::default()
        };
        let records = log.read(filter)?.map(|record| record.map_err(DatasetError::from));
        exporter.rows(&input, resume, records.inspect(|_| on_records(1)))?;
    }
    let (mut markets, mut unread) = (Vec::new(), Vec::new());
    for row in log.markets()? {
        match definition(&row.json) {
            Ok(market) => markets.push(market),
            Err(why) => unread.push(format!("{}: {why}", log.tickers().name(row.market))),
        }
    }
    Ok(ExportSummary { unread_markets: unread, ..exporter.finish(markets)? })
}

fn definition(json: &str) -> Result<MarketInfo, String> {
    let value = serde_json::from_str(json).map_err(|e| e.to_string())?;
    market_info(&value).map_err(|e| e.to_string())
}

/// An export in progress: sessions one by one, then [`Exporter::finish`].
pub struct Exporter {
    pub(super) data_dir: PathBuf,
    pub(super) options: ExportOptions,
    /// What was published when it began.
    pub(super) before: Manifest,
    now: Manifest,
    written: u64,
    /// Markets of the sessions given, whether defined or not.
    tickers: BTreeSet<String>,
    /// Where running sessions go on next time.
    resumes: Vec<(SessionId, Resume)>,
    /// One export at a time writes to a directory.
    _lock: File,
}

/// Rows of a session that go into the same files.
#[derive(Default)]
struct Part {
    /// UTC day of receipt, counted from the epoch.
    day: i64,
    rows: Rows,
    /// Files written of each table so far.
    numbers: BTreeMap<Table, u32>,
}

impl Exporter {
    /// Begins from what `data_dir` holds, after completing or removing what a crashed export left behind.
    ///
    /// # Errors
    /// When the directory or its manifest cannot be read.
    pub fn open(data_dir: &Path, options: ExportOptions) -> Result<Exporter, DatasetError> {
        let lock = disk::lock(data_dir)?;
        let before = Manifest::read(data_dir)?.unwrap_or_default();
        disk::settle(data_dir, &before.files)?;
        let now = before.clone();
        Ok(Exporter {
            data_dir: data_dir.to_owned(),
            options,
            before,
            now,
            written: 0,
            tickers: BTreeSet::new(),
            resumes: Vec::new(),
            _lock: lock,
        })
    }

    /// True if the session is published just as it is in the log.
    pub fn is_current(&self, input: &SessionInput<'_>) -> bool {
        let same = |s: &SessionEntry| {
            (&s.meta, s.ended, s.end_cause.as_str(), s.records)
                == (input.meta, input.ended, input.end_cause, input.records)
        };
        let id = input.meta.id.to_string();
        let mut files = self.before.files.iter().filter(|f| is_event_file_of(f, &id));
        self.before.sessions.iter().any(same) && files.all(|f| self.is_on_disk(f))
    }

    pub(super) fn is_on_disk(&self, file: &FileEntry) -> bool {
        let found = std::fs::metadata(self.data_dir.join(&file.path));
        found.is_ok_and(|m| m.len() == file.bytes)
    }

    /// A log that lost rows must not replace the files that still have them.
    fn refuse_less(&self, input: &SessionInput<'_>) -> Result<(), DatasetError> {
        let known = self.before.sessions.iter().find(|s| s.meta.id == input.meta.id);
        match known.filter(|s| s.records > input.records) {
            None => Ok(()),
            Some(s) => Err(DatasetError::Shrunk {
                session: input.meta.id.to_string(),
                now: input.records,
                before: s.records,
            }),
        }
    }

    /// Writes the event files of one session from its records in order of `row_id`.
    ///
    /// # Errors
    /// The first error of `records`, or a file that cannot be written.
    pub fn session(
        &mut self,
        input: &SessionInput<'_>,
        records: impl Iterator<Item = Result<Record, DatasetError>>,
    ) -> Result<(), DatasetError> {
        self.rows(input, None, records)
    }

    /// [`Exporter::session`] from where `resume` says.
    fn rows(
        &mut self,
        input: &SessionInput<'_>,
        resume: Option<Resume>,
        records: impl Iterator<Item = Result<Record, DatasetError>>,
    ) -> Result<(), DatasetError> {
        let id = input.meta.id.to_string();
        let is_final = |f: &FileEntry| resume.as_ref().is_some_and(|r| r.is_before(f, &id));
        self.now.sessions.retain(|s| s.meta.id != input.meta.id);
        self.now.files.retain(|f| !is_event_file_of(f, &id) || is_final(f));
        // Markets of rows that the log does not hold any more are entered anew.
        let mut tickers = input.tickers.clone();
        let (mut fold, mut part) = (Fold::new(input.heals), Part::default());
        if let Some(resume) = resume {
            part.day = resume.day;
            part.numbers = resume.numbers();
            resume.restore(&mut fold, &mut tickers);
        }
        let input = &SessionInput { tickers: &tickers, ..*input };
        self.tickers.extend(tickers.iter().map(|(_, ticker)| ticker.to_owned()));
        let mut last_part = None;
        for record in records {
            let event = record?.event;
            let day = day_number(event.recv);
            if day != part.day || part.rows.longest() >= self.options.rows_per_file {
                self.publish(&mut part, input)?;
                part.day = day;
                last_part = None;
            }
            if last_part.is_none() && input.end_cause.is_empty() {
                let (rows_per_file, numbers) = (self.options.rows_per_file, &part.numbers);
                last_part = Some(Resume::at(&event, day, rows_per_file, numbers, &fold, &tickers));
            }
            fold.enter(&event, &mut part.rows);
        }
        self.publish(&mut part, input)?;
        self.resumes.extend(last_part.map(|resume| (input.meta.id, resume)));
        self.now.sessions.push(SessionEntry {
            meta: input.meta.clone(),
            ended: input.ended,
            end_cause: input.end_cause.to_owned(),
            records: input.records,
            row_ids: fold.row_ids,
            counts: fold.counts,
        });
        self.written += 1;
        Ok(())
    }

    /// Publishes sessions and markets, then the manifest; removes outdated files; writes the card.
    ///
    /// `markets` are the definitions known now; those known only from earlier exports are kept, and a
    /// market without one has a row with its ticker.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(mut self, markets: Vec<MarketInfo>) -> Result<ExportSummary, DatasetError> {
        self.now.sessions.sort_by_key(|s| s.meta.id);
        let earlier = read::markets(&self.data_dir, &self.before)?;
        let seen = std::mem::take(&mut self.tickers).into_iter();
        let seen = seen.map(|ticker| MarketInfo { ticker, ..MarketInfo::default() });
        let known: BTreeMap<String, MarketInfo> =
            seen.chain(earlier).chain(markets).map(|m| (m.ticker.clone(), m)).collect();
        let known: Vec<MarketInfo> = known.into_values().collect();
        self.reference(Table::Sessions, &session_batch(&self.now.sessions)?)?;
        self.reference(Table::Markets, &market_batch(&known)?)?;
        self.now.write(&self.data_dir)?;
        // After the manifest: an older place to go on from only makes more work, a newer one would be wrong.
        let running = self.now.sessions.iter().filter(|s| s.end_cause.is_empty());
        Resume::write_all(&self.data_dir, &self.resumes, running.map(|s| s.meta.id))?;
        let kept: BTreeSet<&str> = self.now.files.iter().map(|f| f.path.as_str()).collect();
        for outdated in self.before.files.iter().filter(|f| !kept.contains(f.path.as_str())) {
            disk::remove(&self.data_dir, &outdated.path)?;
        }
        card::write_card(&self.data_dir, &self.now)?;
        Ok(self.summary())
    }

    /// Writes what was gathered as the next file of each table, and begins the next part.
    fn publish(&mut self, part: &mut Part, input: &SessionInput<'_>) -> Result<(), DatasetError> {
        let mut rows = std::mem::take(&mut part.rows);
        for table in Table::EVENTS {
            let Some(batch) = rows.batch(table, input.meta.id, input.tickers)? else { continue };
            let number = part.numbers.entry(table).or_default();
            *number += 1;
            let file = NewFile::of_session(table, table.name(), *number, input.meta, &batch);
            self.now.files.push(file.stage(&self.data_dir)?);
        }
        Ok(())
    }

    /// Writes one of the small tables that describe the others.
    fn reference(&mut self, table: Table, batch: &RecordBatch) -> Result<(), DatasetError> {
        let sessions = self.now.sessions.iter().map(|s| &s.meta).collect();
        let entry = NewFile::reference(table, sessions, batch).stage(&self.data_dir)?;
        self.now.files.retain(|f| f.path != entry.path);
        self.now.files.push(entry);
        Ok(())
    }

    fn summary(&self) -> ExportSummary {
        let files = &self.now.files;
        let mut rows = BTreeMap::new();
        for file in files {
            *rows.entry(file.table.clone()).or_default() += file.rows;
        }
        let deltas: (u64, u64) = self
            .now
            .table(Table::Deltas.name())
            .fold((0, 0), |(bytes, rows), f| (bytes + f.bytes, rows + f.rows));
        ExportSummary {
            files: files.len() as u64,
            rows,
            bytes: files.iter().map(|f| f.bytes).sum(),
            bytes_per_delta: if deltas.1 == 0 { 0.0 } else { deltas.0 as f64 / deltas.1 as f64 },
            sessions_written: self.written,
            unread_markets: Vec::new(),
        }
    }
}

pub(super) fn is_event_file_of(file: &FileEntry, session: &str) -> bool {
    file.sessions.iter().any(|s| s == session)
        && Table::EVENTS.iter().any(|t| t.name() == file.table)
}
