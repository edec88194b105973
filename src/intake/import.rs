//! The import: recorded files become one session of the log.

use super::account::MarketReport;
use super::tape::Tape;
use super::{IntakeError, files, rows};
use crate::book::SequencePolicy;
use crate::event::{Body, Event, MarketId, Record, SessionId, SessionMeta, Tickers};
use crate::store::{Log, StoreError, Writer};
use crate::units::TsNs;
use crate::wire::Decoder;
use crate::wire::market::{market_info, market_objects};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the lines of the files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Look at the first line.
    #[default]
    Auto,
    /// Frames of the exchange, bare or with their receive time.
    Frames,
    /// The predecessor's tables, see [`rows`].
    KalshiflowRows,
}

/// What to import, and how to read it.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Files and folders of recordings.
    pub paths: Vec<PathBuf>,
    /// Files and folders of market objects, besides those found under `paths`.
    pub metadata: Vec<PathBuf>,
    /// How holes in the numbering are read.
    pub sequence: SequencePolicy,
    /// What the lines are.
    pub format: Format,
    /// Where the data come from; default: what the metadata say, else `import:NAME`.
    pub source: Option<String>,
    /// Import files that are in the log already once more.
    pub again: bool,
}

/// What came in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ImportReport {
    /// The new session; empty when there was nothing new.
    pub session: String,
    /// Lines read.
    pub frames: u64,
    /// Changes of levels.
    pub deltas: u64,
    /// Whole books.
    pub snapshots: u64,
    /// Public trades.
    pub trades: u64,
    /// Frames kept but not interpreted.
    pub other: u64,
    /// Lines that could not be read; kept with their bytes.
    pub bad: u64,
    /// Rows that say that something is missing.
    pub gaps: u64,
    /// Snapshots of the predecessor that were put together again.
    pub repaired: u64,
    /// Size of the session's sealed files.
    pub log_bytes: u64,
    /// `log_bytes` over `deltas`.
    pub bytes_per_delta: f64,
    /// Quality per market.
    pub markets: Vec<MarketReport>,
    /// Why lines were bad, and what was not known, by name.
    pub oddities: BTreeMap<String, u64>,
    /// Files left out because the log holds them already.
    pub skipped: Vec<String>,
    /// Files that ended in the middle: what stood before was imported.
    pub damaged: Vec<String>,
}

/// Our wall clock and where to log: what the import needs from outside.
pub struct Target<'a> {
    /// The data directory.
    pub data_dir: &'a Path,
    /// When the import starts, by our wall clock.
    pub now: TsNs,
}

/// Imports everything that `options` names as one session.
///
/// `progress` is told the number of the file that begins, and the number of files.
///
/// # Errors
/// Before anything is written: unreadable paths or metadata, a log that is in use. While writing: a full
/// disk; what was committed stays, and the session ends with cause `error`. A damaged file is no error
/// here but stands in [`ImportReport::damaged`].
pub fn import(
    options: &ImportOptions,
    target: &Target<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<ImportReport, IntakeError> {
    let mut found = files::find(&options.paths)?;
    found.metadata.extend(find_metadata(&options.metadata)?);
    let mut report = ImportReport::default();
    let hashes = fresh(&mut found, options.again, target.data_dir, &mut report)?;
    if found.tapes.is_empty() && (found.metadata.is_empty() || !report.skipped.is_empty()) {
        return Ok(report);
    }
    let definitions = definitions(&found.metadata)?;
    let format = match (options.format, found.tapes.first()) {
        (Format::Auto, Some(first)) => sniff(first)?,
        (Format::Auto, None) => Format::Frames,
        (named, _) => named,
    };
    let meta = session(options, &found, format, &definitions, hashes, target.now)?;
    let begin = found.tapes.first().map(|tape| begin(tape)).transpose()?.flatten();
    let begin = begin.unwrap_or(target.now);
    let mut import = Import {
        writer: Writer::open(target.data_dir, meta)?,
        tape: Tape::starting(options.sequence, begin),
        report,
    };
    let outcome = import
        .define(&definitions.objects, begin)
        .and_then(|()| import.run(&found.tapes, format, &mut progress));
    import.finish(outcome)
}

struct Import {
    writer: Writer,
    tape: Tape,
    report: ImportReport,
}

impl Import {
    fn run(
        &mut self,
        tapes: &[PathBuf],
        format: Format,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(), IntakeError> {
        if format == Format::KalshiflowRows {
            return self.rows(tapes);
        }
        for (i, path) in tapes.iter().enumerate() {
            progress(i as u64, tapes.len() as u64);
            let Import { writer, tape, report } = self;
            let read = tape.read_file(path, |tickers, record, _| {
                report.count(&record.event);
                writer.append(tickers, record)?;
                Ok::<(), IntakeError>(())
            });
            match read {
                Err(damaged @ IntakeError::Damaged { .. }) => {
                    self.report.damaged.push(damaged.to_string());
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// The definitions come first, so that a reader knows a market before its events; they take the
    /// recording's first time, so that the session spans what was recorded.
    fn define(&mut self, definitions: &[(String, Value)], recv: TsNs) -> Result<(), IntakeError> {
        for (text, object) in definitions {
            let Ok(info) = market_info(object) else { continue };
            let market = self.tape.decoder.tickers.intern(&info.ticker);
            self.tape.accountant.define(market, info);
            let body = Body::Market(text.as_str().into());
            let event = Event { row_id: 0, recv, ts: None, market, sid: 0, seq: 0, body };
            self.writer.append(&self.tape.decoder.tickers, Record { event, raw: None })?;
        }
        Ok(())
    }

    /// The predecessor's tables: all rows, in the order in which its loader sorted them when they come
    /// from several files, else in the order of the file.
    fn rows(&mut self, tapes: &[PathBuf]) -> Result<(), IntakeError> {
        let mut all: Vec<(rows::Row, Vec<u8>)> = Vec::new();
        for path in tapes {
            let report = &mut self.report;
            let mut bad = Vec::new();
            let read = files::lines(path, |line| {
                report.frames += 1;
                let value = serde_json::from_slice::<Value>(line).map_err(|e| e.to_string());
                match value.and_then(|v| rows::parse(&v)) {
                    Ok(row) => all.push((row, line.to_vec())),
                    Err(why) => bad.push((why, line.to_vec())),
                }
                Ok::<(), IntakeError>(())
            });
            match read {
                Err(damaged @ IntakeError::Damaged { .. }) => {
                    self.report.damaged.push(damaged.to_string());
                }
                other => other.map(drop)?,
            }
            self.bad_rows(bad)?;
        }
        if tapes.len() > 1 {
            all.sort_by_key(|(row, _)| row.sort_key());
        }
        let Import { writer, tape, report } = self;
        for (row, line) in all {
            report.repaired += u64::from(row.repaired);
            let record = row.record(&mut tape.decoder.tickers);
            let tickers = &tape.decoder.tickers;
            tape.accountant.enter(record, &line, |record, _| {
                report.count(&record.event);
                writer.append(tickers, record).map(drop)
            })?;
        }
        Ok(())
    }

    fn bad_rows(&mut self, bad: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        for (why, line) in bad {
            *self.report.oddities.entry(format!("bad row: {why}")).or_default() += 1;
            let body = Body::Bad(why.into());
            let event = Event {
                row_id: 0,
                recv: self.tape.last_time(),
                ts: None,
                market: MarketId::NONE,
                sid: 0,
                seq: 0,
                body,
            };
            self.report.count(&event);
            let record = Record { event, raw: Some(line.into()) };
            self.writer.append(&self.tape.decoder.tickers, record)?;
        }
        Ok(())
    }

    /// Seals the session whatever happened; an error is passed on after that.
    fn finish(self, outcome: Result<(), IntakeError>) -> Result<ImportReport, IntakeError> {
        let Import { writer, tape, mut report } = self;
        let cause = match (&outcome, report.damaged.is_empty()) {
            (Err(_), _) => "error",
            (Ok(()), false) => "damaged_input",
            (Ok(()), true) => "done",
        };
        let finished = writer.finish(cause);
        outcome?;
        let summary = finished?;
        report.session = summary.id().to_string();
        report.frames = report.frames.max(tape.frames);
        report.gaps = tape.accountant.gaps();
        report.log_bytes = summary.bytes;
        report.bytes_per_delta = match report.deltas {
            0 => 0.0,
            n => summary.bytes as f64 / n as f64,
        };
        report.markets = markets(&tape);
        let counts = &tape.decoder.counts;
        for (what, map) in [
            ("bad frame", &counts.bad),
            ("unknown type", &counts.unknown_types),
            ("unknown field", &counts.unknown_fields),
        ] {
            report.oddities.extend(map.iter().map(|(name, n)| (format!("{what}: {name}"), *n)));
        }
        Ok(report)
    }
}

fn markets(tape: &Tape) -> Vec<MarketReport> {
    let tickers: &Tickers = &tape.decoder.tickers;
    let mut reports = tape.accountant.reports(|id| tickers.name(id));
    // A definition without a single event says nothing about the recording.
    reports.retain(|r| r.deltas + r.trades + r.snapshots > 0 || !r.issues.is_empty());
    reports
}

impl ImportReport {
    fn count(&mut self, event: &Event) {
        match &event.body {
            Body::Delta(_) => self.deltas += 1,
            Body::Snapshot(_) => self.snapshots += 1,
            Body::Trade(_) => self.trades += 1,
            Body::Other(_) => self.other += 1,
            Body::Bad(_) => self.bad += 1,
            Body::Gap(_) | Body::Healed(_) | Body::Market(_) => {}
        }
    }
}

/// Leaves out the tapes that a session of the log names among its inputs; the hashes of the others.
fn fresh(
    found: &mut files::Found,
    again: bool,
    data_dir: &Path,
    report: &mut ImportReport,
) -> Result<Vec<String>, IntakeError> {
    let known: Vec<String> = match Log::open(data_dir) {
        Ok(log) if !again => log.sessions().into_iter().flat_map(|s| s.meta.inputs).collect(),
        _ => Vec::new(),
    };
    let mut hashes = Vec::new();
    let mut kept = Vec::new();
    for path in std::mem::take(&mut found.tapes) {
        let hash = files::sha256(&path)?;
        if known.contains(&hash) {
            report.skipped.push(path.display().to_string());
        } else {
            hashes.push(hash);
            kept.push(path);
        }
    }
    found.tapes = kept;
    Ok(hashes)
}

fn find_metadata(paths: &[PathBuf]) -> Result<Vec<PathBuf>, IntakeError> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|source| IntakeError::Read { path: path.clone(), source })?;
        all.extend(entries.iter().map(std::fs::DirEntry::path).filter(|p| p.is_file()));
    }
    all.sort();
    Ok(all)
}

/// Market objects as text and value, and the label of a synthetic origin.
#[derive(Default)]
struct Definitions {
    objects: Vec<(String, Value)>,
    source: Option<String>,
}

fn definitions(paths: &[PathBuf]) -> Result<Definitions, IntakeError> {
    let mut all = Definitions::default();
    for path in paths {
        let fail = |why: String| IntakeError::Metadata { path: path.clone(), why };
        let bytes = std::fs::read(path)
            .map_err(|source| IntakeError::Read { path: path.clone(), source })?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| fail(e.to_string()))?;
        let objects = market_objects(&value);
        if objects.is_empty() {
            return Err(fail("holds no market object".into()));
        }
        for object in objects {
            market_info(object).map_err(|e| fail(e.to_string()))?;
            all.objects.push((object.to_string(), object.clone()));
        }
        let label = value.get("kflow_source").and_then(Value::as_str).map(str::to_owned);
        all.source = all.source.or(label);
    }
    Ok(all)
}

/// What the first line of a file is.
fn sniff(path: &Path) -> Result<Format, IntakeError> {
    let first = first_line(path)?;
    let value = serde_json::from_slice::<Value>(&first).unwrap_or_default();
    Ok(if rows::is_row(&value) { Format::KalshiflowRows } else { Format::Frames })
}

/// When the recording begins: the first receive time of its first file, else the first exchange time.
fn begin(path: &Path) -> Result<Option<TsNs>, IntakeError> {
    let mut decoder = Decoder::default();
    first(path, |line| {
        let unpacked = super::envelope::unpack(line);
        let event = decoder.decode(unpacked.frame, TsNs(0)).event;
        unpacked.recv.or(event.ts.map(|ts| TsNs(ts.0.saturating_mul(1_000))))
    })
}

fn first_line(path: &Path) -> Result<Vec<u8>, IntakeError> {
    Ok(first(path, |line| Some(line.to_vec()))?.unwrap_or_default())
}

/// What `look` finds first in the lines of a file.
fn first<T>(
    path: &Path,
    mut look: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Option<T>, IntakeError> {
    enum Stop<T> {
        Found(T),
        Failed(IntakeError),
    }
    impl<T> From<IntakeError> for Stop<T> {
        fn from(e: IntakeError) -> Stop<T> {
            Stop::Failed(e)
        }
    }
    match files::lines(path, |line| look(line).map_or(Ok(()), |found| Err(Stop::Found(found)))) {
        Err(Stop::Found(found)) => Ok(Some(found)),
        // What is wrong with the file is said when it is read for good.
        Ok(_) | Err(Stop::Failed(IntakeError::Damaged { .. })) => Ok(None),
        Err(Stop::Failed(e)) => Err(e),
    }
}

fn session(
    options: &ImportOptions,
    found: &files::Found,
    format: Format,
    definitions: &Definitions,
    inputs: Vec<String>,
    now: TsNs,
) -> Result<SessionMeta, IntakeError> {
    let name = options.paths.first().and_then(|p| p.file_name());
    let name = name.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let source = options.source.clone().or_else(|| definitions.source.clone());
    let source = source.unwrap_or_else(|| format!("import:{name}"));
    let synthetic = source.starts_with("sim:");
    let mut flags = vec![match options.sequence {
        SequencePolicy::Partial => "sequence=partial".to_owned(),
        SequencePolicy::Complete => "sequence=complete".to_owned(),
    }];
    match (format, found.tapes.first()) {
        (Format::KalshiflowRows, _) => flags.push("format=kalshiflow-rows".into()),
        (_, Some(path)) if super::envelope::unpack(&first_line(path)?).recv.is_none() => {
            flags.push("recv_time_from_exchange_time".into());
        }
        _ => {}
    }
    let timestamp = uuid::Timestamp::from_unix(
        uuid::NoContext,
        now.0.div_euclid(1_000_000_000).try_into().unwrap_or(0),
        now.0.rem_euclid(1_000_000_000).try_into().unwrap_or(0),
    );
    Ok(SessionMeta {
        id: SessionId(uuid::Uuid::new_v7(timestamp).into_bytes()),
        source,
        exchange_env: if synthetic { "sim".into() } else { "none".into() },
        started: now,
        flags,
        inputs,
    })
}
