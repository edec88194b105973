//! The dataset: what was recorded comes back, whatever happens while it is written.

#[cfg(feature = "frames")]
pub mod features;
#[cfg(feature = "frames")]
mod tape;

use crate::python::read_by;
use arrow::datatypes::{DataType, TimeUnit};
use kalshiflow::dataset::manifest::Manifest;
use kalshiflow::dataset::{
    self, DatasetError, ExportOptions, ExportSummary, Exporter, Filter, MarketEvents, SessionInput,
};
use kalshiflow::event::{
    Body, Delta, Event, Gap, GapCause, MarketId, Record, SessionId, SessionMeta, Snapshot, Tickers,
    Trade,
};
use kalshiflow::market::{MarketInfo, TickRange};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Heals, Log, Writer};
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// 2026-08-10, three seconds before midnight UTC.
const START_MS: i64 = 1_786_406_397_000;

/// A recorded session.
struct Session {
    meta: SessionMeta,
    tickers: Tickers,
    events: Vec<Event>,
    heals: Heals,
    cause: &'static str,
}

impl Session {
    fn new(seed: u64) -> Session {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(0x0198_9000_0000_7000 + seed).to_be_bytes());
        id[8..].copy_from_slice(&Rng::stream(seed, "id", 0).next_u64().to_be_bytes());
        let meta = SessionMeta {
            id: SessionId(id),
            source: format!("sim:seed={seed}"),
            exchange_env: "sim".into(),
            started: TsNs::from_ms(START_MS),
            flags: vec!["sequence=complete".into()],
            inputs: Vec::new(),
        };
        Session {
            meta,
            tickers: Tickers::default(),
            events: Vec::new(),
            heals: Heals::default(),
            cause: "done",
        }
    }

    /// `n` events of three markets on two subscriptions over midnight, with everything that a frame
    /// may and may not hold.
    fn random(seed: u64, n: u64) -> Session {
        let mut session = Session::new(seed);
        let mut rng = Rng::stream(seed, "events", 0);
        let markets = ["KXB-1-T", "KXA-2-T", "KXC-3-T"].map(|t| session.tickers.intern(t));
        let mut now_us = START_MS * 1_000;
        for i in 0..n {
            now_us += rng.below(6_000_000 / n.max(1)) as i64;
            let body = match rng.below(40) {
                0 => Body::Snapshot(Box::new(snapshot(&mut rng))),
                1 => Body::Snapshot(Box::default()),
                2 => Body::Gap(Box::new(gap(&mut rng))),
                3 => Body::Other("subscribed".into()),
                4 => Body::Bad("no JSON".into()),
                5..10 => Body::Trade(Box::new(trade(&mut rng))),
                _ => Body::Delta(delta(&mut rng)),
            };
            let no_market = match body {
                Body::Gap(_) => rng.chance(0.3),
                Body::Other(_) | Body::Bad(_) => true,
                _ => false,
            };
            let at = rng.below(3) as usize;
            session.events.push(Event {
                row_id: 1_000 * seed + i + 1,
                recv: TsNs(now_us * 1_000 + rng.below(1_000) as i64),
                ts: rng.chance(0.9).then_some(TsUs(now_us)),
                market: if no_market { MarketId::NONE } else { markets[at] },
                sid: 1 + (at == 2) as u32,
                seq: i,
                body,
            });
        }
        session
    }

    fn input(&self) -> SessionInput<'_> {
        SessionInput {
            meta: &self.meta,
            ended: self.events.last().map(|e| e.recv),
            end_cause: self.cause,
            records: self.events.len() as u64,
            tickers: &self.tickers,
            heals: &self.heals,
        }
    }

    /// What each market saw, by ticker. A gap without a market concerns the markets whose last book
    /// event had its subscription.
    fn by_market(&self) -> BTreeMap<String, Vec<Event>> {
        let mut sids: BTreeMap<MarketId, u32> = BTreeMap::new();
        let mut all: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        for event in &self.events {
            let hit: Vec<MarketId> = match &event.body {
                Body::Gap(_) if event.market == MarketId::NONE => {
                    let hit = sids.iter().filter(|s| event.sid == 0 || *s.1 == event.sid);
                    hit.map(|s| *s.0).collect()
                }
                Body::Other(_) | Body::Bad(_) | Body::Market(_) => continue,
                Body::Snapshot(_) | Body::Delta(_) => {
                    sids.insert(event.market, event.sid);
                    vec![event.market]
                }
                _ => vec![event.market],
            };
            for market in hit {
                let name = self.tickers.name(market).to_owned();
                let list = all.entry(name).or_default();
                list.push(Event { market: MarketId(0), ..event.clone() });
            }
        }
        all
    }
}

fn price(rng: &mut Rng) -> Price {
    let e4 = if rng.chance(0.2) { rng.below(10_001) } else { 100 * (1 + rng.below(99)) };
    Price::new(e4 as i64).expect("in range")
}

fn side(rng: &mut Rng) -> Side {
    if rng.chance(0.5) { Side::Yes } else { Side::No }
}

fn delta(rng: &mut Rng) -> Delta {
    let qty = Qty(rng.below(20_000) as i64 - 8_000);
    Delta { side: side(rng), price: price(rng), qty }
}

/// Levels in no order, with repeated prices and levels without size: as sent, so as kept.
fn snapshot(rng: &mut Rng) -> Snapshot {
    let mut levels = |n| (0..n).map(|_| (price(rng), Qty(rng.below(9_000) as i64))).collect();
    Snapshot { yes: levels(7), no: levels(5) }
}

fn trade(rng: &mut Rng) -> Trade {
    let mut id = [0; 16];
    id.iter_mut().for_each(|b| *b = rng.below(256) as u8);
    let block = [None, Some(true), Some(false)][rng.below(3) as usize];
    Trade { taker: side(rng), yes_price: price(rng), qty: Qty(rng.below(5_000) as i64), block, id }
}

fn gap(rng: &mut Rng) -> Gap {
    use GapCause::{BadFrame, Crash, NegativeLevel, QueueFull, Reconnect, SeqGap};
    let causes = [SeqGap, Reconnect, NegativeLevel, BadFrame, QueueFull, Crash];
    let healed_by = ["", "snapshot", "a word of another version"][rng.below(3) as usize].into();
    let cause = causes[rng.below(6) as usize];
    let (from, to) = (rng.below(100), rng.next_u64() >> 1);
    let (since, until) = (TsNs(from as i64 % 3), TsNs(from as i64));
    Gap { cause, from, to, since, until, healed_by }
}

fn markets() -> Vec<MarketInfo> {
    let tick = |start, end, step| TickRange {
        start: Price::new(start).expect("in range"),
        end: Price::new(end).expect("in range"),
        step: Price::new(step).expect("in range"),
    };
    let full = MarketInfo {
        ticker: "KXA-2-T".into(),
        event_ticker: "KXA-2".into(),
        title: "Will it, \"really\"?".into(),
        open: Some(TsUs::from_ms(START_MS - 5_000)),
        close: Some(TsUs::from_ms(START_MS + 5_000)),
        settled: Some(TsUs(START_MS * 1_000 + 7_123_456)),
        settlement: Some(Price::ONE),
        status: "finalized".into(),
        ticks: vec![tick(0, 1_000, 10), tick(1_000, 10_000, 100)],
        volume: Some(Qty(12_345)),
    };
    vec![full, MarketInfo { ticker: "KXB-1-T".into(), ..MarketInfo::default() }]
}

fn export_to(dir: &Path, sessions: &[&Session], options: ExportOptions) -> ExportSummary {
    export_markets(dir, sessions, options, &markets())
}

fn export_markets(
    dir: &Path,
    sessions: &[&Session],
    options: ExportOptions,
    markets: &[MarketInfo],
) -> ExportSummary {
    try_export(dir, sessions, options, markets).expect("exports")
}

fn try_export(
    dir: &Path,
    sessions: &[&Session],
    options: ExportOptions,
    markets: &[MarketInfo],
) -> Result<ExportSummary, DatasetError> {
    let mut exporter = Exporter::open(dir, options)?;
    for session in sessions {
        let input = session.input();
        if !exporter.is_current(&input) {
            let records = session.events.iter().cloned();
            exporter.session(&input, records.map(|event| Ok(Record { event, raw: None })))?;
        }
    }
    exporter.finish(markets.to_vec())
}

fn exported(sessions: &[&Session]) -> TempDir {
    let dir = tempfile::tempdir().expect("a place");
    export_to(dir.path(), sessions, ExportOptions::default());
    dir
}

#[track_caller]
fn assert_comes_back(dir: &Path, sessions: &[&Session]) {
    let (tickers, lists) = dataset::read_events(dir, &Filter::default()).expect("reads");
    let mut found: BTreeMap<(SessionId, String), Vec<Event>> = BTreeMap::new();
    for MarketEvents { session, market, mut events } in lists {
        events.iter_mut().for_each(|e| e.market = MarketId(0));
        found.insert((session, tickers.name(market).to_owned()), events);
    }
    for session in sessions {
        for (ticker, want) in session.by_market() {
            let got = found.remove(&(session.meta.id, ticker.clone())).expect("market is there");
            let first = got.iter().zip(&want).position(|(g, w)| g != w);
            assert_eq!(first.map(|i| (&got[i], &want[i])), None, "{ticker} differs");
            assert_eq!(got.len(), want.len(), "{ticker}");
        }
    }
    assert!(found.is_empty(), "events that nobody recorded: {:?}", found.keys());
}

/// Path in the dataset and content of every Parquet file.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(dir).expect("below").to_owned();
                    all.insert(name, fs::read(path).expect("a file"));
                }
            }
        }
    }
    all
}

fn first_file(dir: &Path, table: &str) -> PathBuf {
    let manifest = Manifest::existing(dir).expect("a manifest");
    dir.join(&manifest.table(table).next().expect("a file").path)
}

#[test]
fn whatever_was_recorded_comes_back_as_the_same_events() {
    for seed in 1..=8 {
        let session = Session::random(seed, 400 * (seed % 3));
        let other = Session::random(seed + 100, 50);
        let dir = exported(&[&session, &other]);
        assert_comes_back(dir.path(), &[&session, &other]);
        let unknown = MarketInfo { ticker: "KXC-3-T".into(), ..MarketInfo::default() };
        let mut want = markets();
        want.push(unknown);
        assert_eq!(dataset::read_markets(dir.path()).expect("reads"), want);
    }
}

/// A long session is cut into files by rows and by UTC day; a snapshot's rows stay together.
#[test]
fn a_session_in_many_files_is_still_one_session() {
    let session = Session::random(3, 900);
    let dir = tempfile::tempdir().expect("a place");
    let summary = export_to(dir.path(), &[&session], ExportOptions { rows_per_file: 64 });
    assert!(summary.files > 8, "{summary:?}");
    assert_comes_back(dir.path(), &[&session]);
    let files = contents(dir.path()).into_keys().map(|p| p.display().to_string());
    let files: Vec<_> = files.collect();
    for day in ["2026-08-10", "2026-08-11"] {
        let folder = format!("v1/deltas/date={day}/");
        assert!(files.iter().any(|f| f.starts_with(&folder)), "nothing in {folder}: {files:?}");
    }
}

#[test]
fn a_filter_lets_through_what_it_names() {
    let (a, b) = (Session::random(1, 300), Session::random(2, 300));
    let dir = exported(&[&a, &b]);
    let mid = a.events[150].recv;
    let filter = Filter {
        sessions: Some(vec![a.meta.id]),
        tickers: Some(vec!["KXA-2-T".into()]),
        row_id_from: None,
        recv_from: Some(mid),
        recv_to: None,
    };
    let (tickers, lists) = dataset::read_events(dir.path(), &filter).expect("reads");
    let want: Vec<u64> =
        a.by_market()["KXA-2-T"].iter().filter(|e| e.recv >= mid).map(|e| e.row_id).collect();
    assert_eq!(lists.len(), 1);
    assert_eq!((lists[0].session, tickers.name(lists[0].market)), (a.meta.id, "KXA-2-T"));
    assert_eq!(lists[0].events.iter().map(|e| e.row_id).collect::<Vec<_>>(), want);
}

#[test]
fn the_same_log_gives_the_same_bytes_and_a_second_export_touches_nothing() {
    let (a, b) = (Session::random(1, 500), Session::random(2, 300));
    let (one, two) = (exported(&[&a, &b]), exported(&[&a, &b]));
    assert_eq!(contents(one.path()), contents(two.path()));
    let deltas = first_file(one.path(), "deltas");
    let before = fs::metadata(&deltas).expect("there").modified().expect("a time");
    let again = export_to(one.path(), &[&a, &b], ExportOptions::default());
    assert_eq!(again.sessions_written, 0);
    assert_eq!(fs::metadata(&deltas).expect("there").modified().expect("a time"), before);
    assert_eq!(contents(one.path()), contents(two.path()));
}

/// A session that was exported while it ran has more rows the next time, and one file less is left over
/// from options that cut it differently.
#[test]
fn a_session_that_grew_is_written_anew_and_leaves_no_old_file() {
    let whole = Session::random(1, 600);
    let quiet = Session::random(2, 100);
    let mut early = Session::random(1, 600);
    early.events.truncate(300);
    early.cause = "";
    let dir = tempfile::tempdir().expect("a place");
    export_to(dir.path(), &[&early, &quiet], ExportOptions { rows_per_file: 50 });
    let summary = export_to(dir.path(), &[&whole, &quiet], ExportOptions::default());
    assert_eq!(summary.sessions_written, 1);
    assert_comes_back(dir.path(), &[&whole, &quiet]);
    let listed = Manifest::existing(dir.path()).expect("a manifest").files.len();
    let parquet =
        contents(dir.path()).into_keys().filter(|p| p.extension().is_some_and(|e| e == "parquet"));
    assert_eq!(parquet.count(), listed);
}

/// A session that has left the log (pruned after export) stays in the dataset.
#[test]
fn a_session_that_left_the_log_keeps_its_files() {
    let (old, new) = (Session::random(1, 200), Session::random(2, 200));
    let dir = exported(&[&old]);
    export_to(dir.path(), &[&new], ExportOptions::default());
    assert_comes_back(dir.path(), &[&old, &new]);
}

#[test]
fn what_a_crashed_export_left_behind_is_neither_read_nor_kept() {
    let session = Session::random(1, 200);
    let dir = exported(&[&session]);
    let deltas = first_file(dir.path(), "deltas");
    let stale = deltas.with_extension("parquet.tmp");
    fs::write(&stale, b"PAR1 half a file").expect("writes");
    assert_comes_back(dir.path(), &[&session]);
    export_to(dir.path(), &[&session], ExportOptions::default());
    assert!(!stale.exists());
    fs::remove_file(&deltas).expect("removes");
    let summary = export_to(dir.path(), &[&session], ExportOptions::default());
    assert_eq!(summary.sessions_written, 1, "a missing file must be written again");
    assert_comes_back(dir.path(), &[&session]);
}

/// An error in the middle of the log must not leave a manifest that promises more than there is.
#[test]
fn an_export_that_fails_leaves_the_former_dataset_whole() {
    let (a, b) = (Session::random(1, 200), Session::random(2, 200));
    let dir = exported(&[&a]);
    let mut exporter = Exporter::open(dir.path(), ExportOptions::default()).expect("opens");
    let bad = DatasetError::Bridge("planted".into());
    let good = b.events.iter().take(50).cloned().map(|event| Ok(Record { event, raw: None }));
    let outcome = exporter.session(&b.input(), good.chain([Err(bad)]));
    assert!(matches!(outcome, Err(DatasetError::Bridge(_))), "{outcome:?}");
    drop(exporter);
    assert_comes_back(dir.path(), &[&a]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().expect("a place");
    fs::create_dir(dir.path().join("v1")).expect("creates");
    fs::write(dir.path().join("v1/deltas"), b"a file where a folder should be").expect("writes");
    let session = Session::random(1, 200);
    let outcome = try_export(dir.path(), &[&session], ExportOptions::default(), &[]);
    let error = outcome.expect_err("cannot");
    assert!(matches!(error, DatasetError::Io { .. }), "{error}");
    assert!(error.to_string().contains("v1/deltas"), "{error}");
    assert!(!error.is_integrity());
}

/// A disk that is full in the middle of an export: an error that says so, and the former dataset stands.
#[test]
fn a_full_disk_loses_nothing_that_was_published() {
    let dir = tempfile::tempdir().expect("a place");
    let mount = |args: &[&str]| {
        let run = std::process::Command::new("mount").args(args).arg(dir.path()).output();
        run.is_ok_and(|o| o.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=192k", "tmpfs"]) {
        eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs");
        return;
    }
    let (small, large) = (Session::random(1, 100), Session::random(2, 20_000));
    let outcome = std::panic::catch_unwind(|| {
        export_to(dir.path(), &[&small], ExportOptions::default());
        let both = [&small, &large];
        let error = try_export(dir.path(), &both, ExportOptions::default(), &[]).expect_err("full");
        let DatasetError::Io { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{error}");
        assert_comes_back(dir.path(), &[&small]);
    });
    let unmounted = std::process::Command::new("umount").arg(dir.path()).status();
    assert!(unmounted.is_ok_and(|s| s.success()), "the tmpfs stays mounted");
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed);
    }
}

/// Rewrites a file with one metadata value replaced.
fn replace_key(path: &Path, key: &str, value: &str) {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("opens")).expect("reads");
    let keys = reader.metadata().file_metadata().key_value_metadata().expect("keys").iter();
    let keys = keys.filter(|kv| kv.key.starts_with("kflow.")).map(|kv| match kv.key == key {
        true => KeyValue::new(kv.key.clone(), value.to_owned()),
        false => kv.clone(),
    });
    let props = WriterProperties::builder().set_key_value_metadata(Some(keys.collect())).build();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().expect("builds").map(|b| b.expect("a batch")).collect();
    let mut writer =
        ArrowWriter::try_new(File::create(path).expect("creates"), schema, Some(props))
            .expect("writes");
    batches.iter().for_each(|b| writer.write(b).expect("writes"));
    writer.close().expect("closes");
}

#[test]
fn a_file_of_another_schema_version_is_refused_by_name() {
    let dir = exported(&[&Session::random(1, 200)]);
    let path = first_file(dir.path(), "trades");
    replace_key(&path, "kflow.schema_version", "2");
    let error = dataset::read_events(dir.path(), &Filter::default()).expect_err("refused");
    let text = error.to_string();
    assert!(matches!(error, DatasetError::Version { want: 1, .. }), "{text}");
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains("version 2") && text.contains("version 1"), "{text}");
    assert!(error.is_integrity());
}

#[test]
fn a_file_of_another_table_is_refused() {
    let dir = exported(&[&Session::random(1, 200)]);
    let (deltas, trades) = (first_file(dir.path(), "deltas"), first_file(dir.path(), "trades"));
    fs::copy(trades, deltas).expect("copies");
    let error = dataset::read_events(dir.path(), &Filter::default()).expect_err("refused");
    assert!(matches!(error, DatasetError::Schema { .. }), "{error}");
}

/// The whole road: appended to a log, exported from it, and read back. Rows get the log's own ids.
#[test]
fn what_the_log_holds_is_what_the_dataset_holds() {
    let dir = tempfile::tempdir().expect("a place");
    let mut sessions = [Session::random(1, 700), Session::random(2, 300)];
    for session in &mut sessions {
        let mut writer = Writer::open(dir.path(), session.meta.clone()).expect("opens");
        let definition = r#"{"ticker":"KXA-2-T","event_ticker":"KXA-2","result":"yes"}"#;
        let market = session.tickers.find("KXA-2-T").expect("known");
        let body = Body::Market(definition.into());
        session.events.push(Event { market, body, ..session.events[0].clone() });
        for event in &mut session.events {
            let record = Record { event: event.clone(), raw: None };
            event.row_id = writer.append(&session.tickers, record).expect("appends");
        }
        writer.finish("done").expect("finishes");
    }
    let export = || {
        let log = Log::open(dir.path()).expect("opens");
        let mut read = 0;
        let summary =
            dataset::export(&log, dir.path(), ExportOptions::default(), &mut |n| read += n);
        (summary.expect("exports"), read)
    };
    let (first, read) = export();
    assert_eq!((first.sessions_written, read), (2, 1_002));
    assert_comes_back(dir.path(), &[&sessions[0], &sessions[1]]);
    let markets = dataset::read_markets(dir.path()).expect("reads");
    assert_eq!(markets.len(), 3);
    assert_eq!(markets[0].settlement, Some(Price::ONE));
    let before = contents(&dir.path().join("v1"));
    let (second, _) = export();
    assert_eq!((second.sessions_written, &second.rows), (0, &first.rows));
    assert_eq!(contents(&dir.path().join("v1")), before);
}

/// A hole is healed by a row that comes later, maybe in the next file: the table of gaps tells both in one row.
#[test]
fn a_gap_is_exported_with_what_healed_it_later() {
    let dir = tempfile::tempdir().expect("a place");
    let mut session = Session::random(1, 40);
    let market = session.tickers.find("KXA-2-T").expect("known");
    let hole = |from| Gap {
        from,
        to: from + 2,
        since: TsNs(0),
        ..Gap::unnumbered(GapCause::SeqGap, TsNs(1_786_406_398_000_000_000))
    };
    let healed = Gap { healed_by: "resubscribe".into(), ..hole(500) };
    let last = session.events[39].clone();
    let bodies = [
        Body::Gap(Box::new(hole(500))),
        Body::Gap(Box::new(hole(600))),
        Body::Healed(Box::new(healed.clone())),
    ];
    for (row_id, body) in (last.row_id + 1..).zip(bodies) {
        session.events.push(Event { row_id, market, body, ..last.clone() });
    }
    session.events.iter().for_each(|e| session.heals.enter(e));
    export_to(dir.path(), &[&session], ExportOptions { rows_per_file: 1 });
    let filter = Filter { tickers: Some(vec!["KXA-2-T".into()]), ..Filter::default() };
    let (_, lists) = dataset::read_events(dir.path(), &filter).expect("reads");
    let mut gaps = lists[0].events.iter().rev().filter_map(|e| match &e.body {
        Body::Gap(gap) => Some(&**gap),
        _ => None,
    });
    assert_eq!((gaps.next(), gaps.next()), (Some(&hole(600)), Some(&healed)));
    let counts = Manifest::existing(dir.path()).expect("a manifest").sessions[0].counts;
    assert!(counts.open_gaps < counts.gaps, "{counts:?}");
}

/// Flips single bytes and cuts the file short: an error each time, and never a panic.
#[test]
fn damaged_bytes_are_found_before_they_are_believed() {
    let dir = exported(&[&Session::random(1, 300)]);
    let path = first_file(dir.path(), "deltas");
    let good = fs::read(&path).expect("reads");
    let mut rng = Rng::stream(5, "damage", 0);
    for _ in 0..60 {
        let mut bad = good.clone();
        let at = rng.below(bad.len() as u64) as usize;
        match rng.chance(0.3) {
            true => bad.truncate(at),
            false => bad[at] ^= 1 << rng.below(8),
        }
        fs::write(&path, &bad).expect("writes");
        let error = dataset::read_events(dir.path(), &Filter::default()).expect_err("damaged");
        assert!(error.is_integrity(), "{error}");
    }
}

#[test]
fn a_broken_manifest_is_an_error_that_names_it() {
    let dir = exported(&[&Session::random(1, 50)]);
    let path = dir.path().join("manifest.json");
    let good = fs::read_to_string(&path).expect("reads");
    for (bad, why) in [
        ("{".to_owned(), "not JSON"),
        (good.replace("\"schema_version\": 1", "\"schema_version\": 7"), "version 7"),
        (good.replace("\"v1/deltas/", "\"../deltas/"), "outside the data directory"),
        (good.replace("\"rows\": ", "\"row\": "), "rows"),
    ] {
        fs::write(&path, bad).expect("writes");
        let error = dataset::read_markets(dir.path()).expect_err("broken").to_string();
        assert!(error.contains("manifest.json") && error.contains(why), "{error}");
    }
    fs::remove_file(&path).expect("removes");
    let error = dataset::read_markets(dir.path()).expect_err("absent");
    assert!(matches!(error, DatasetError::Absent { .. }), "{error}");
}

#[test]
fn the_declared_order_is_the_real_one() {
    let dir = exported(&[&Session::random(4, 800)]);
    let manifest = Manifest::existing(dir.path()).expect("a manifest");
    for table in ["deltas", "snapshots", "trades", "gaps"] {
        for entry in manifest.table(table) {
            let file = File::open(dir.path().join(&entry.path)).expect("opens");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("reads");
            let sorting = reader.metadata().row_group(0).sorting_columns().expect("declared");
            let columns: Vec<_> = sorting.iter().map(|s| s.column_idx).collect();
            let name = |i: i32| reader.schema().field(i as usize).name().clone();
            assert_eq!(
                columns.iter().map(|i| name(*i)).collect::<Vec<_>>(),
                ["market_ticker", "row_id"]
            );
            for batch in reader.build().expect("builds") {
                let batch = batch.expect("a batch");
                let keys: Vec<_> = columns
                    .iter()
                    .map(|i| arrow::compute::SortColumn {
                        values: batch.column(*i as usize).clone(),
                        options: Some(arrow::compute::SortOptions::new(false, false)),
                    })
                    .collect();
                let order = arrow::compute::lexsort_to_indices(&keys, None).expect("sorts");
                let sorted = arrow::compute::take(batch.column(0), &order, None).expect("takes");
                assert_eq!(&sorted, batch.column(0), "{}", entry.path);
            }
        }
    }
}

/// The word for synthetic data stands where nobody can overlook it.
#[test]
fn synthetic_data_say_so_in_every_file_and_on_the_card() {
    let dir = exported(&[&Session::random(7, 100)]);
    let manifest = Manifest::existing(dir.path()).expect("a manifest");
    for entry in &manifest.files {
        let file = File::open(dir.path().join(&entry.path)).expect("opens");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("reads");
        let keys = reader.metadata().file_metadata().key_value_metadata().expect("keys");
        let source =
            keys.iter().find(|kv| kv.key == "kflow.source").and_then(|kv| kv.value.clone());
        assert_eq!(source.as_deref(), Some("sim:seed=7"), "{}", entry.path);
    }
    let card = fs::read_to_string(dir.path().join("README.md")).expect("a card");
    assert!(card.contains("Synthetic data") && card.contains("`sim:seed=7`"), "{card}");
}

/// A column set is frozen: whoever changes it must see this fail and make a new version directory.
/// `KFLOW_BLESS=1` writes the file anew.
#[test]
fn todays_writer_produces_the_schema_of_version_1() {
    let dir = exported(&[&Session::random(4, 800)]);
    let manifest = Manifest::existing(dir.path()).expect("a manifest");
    let mut text = String::new();
    for table in ["deltas", "snapshots", "trades", "gaps", "sessions", "markets"] {
        let entry = manifest.table(table).next().expect("a file");
        text.push_str(&description(table, &dir.path().join(&entry.path)));
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/schema_v1.txt");
    if std::env::var("KFLOW_BLESS").is_ok_and(|v| v == "1") {
        fs::write(&golden, &text).expect("writes");
    }
    assert_eq!(text, fs::read_to_string(golden).expect("the golden file"));
}

/// One line per column: type, null rule, encodings of its pages, unit.
fn description(table: &str, path: &Path) -> String {
    let file = File::open(path).expect("opens");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("reads");
    let mut text = format!("{table}\n");
    for (i, field) in reader.schema().fields().iter().enumerate() {
        let null = if field.is_nullable() { "nullable" } else { "required" };
        let column = reader.metadata().row_group(0).column(i);
        let mut encodings: Vec<_> = column.encodings().map(|e| e.to_string()).collect();
        encodings.sort();
        let kind = match field.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => format!("ns {zone:?}"),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => format!("us {zone:?}"),
            other => other.to_string(),
        };
        let unit = field.metadata().get("unit").map_or("-", |u| u);
        // The file says which compression, not which level.
        let compression = column.compression().to_string();
        let compression = compression.split('(').next().unwrap_or_default();
        let encodings = encodings.join("+");
        text.push_str(&format!(
            "  {} | {kind} | {null} | {compression} | {encodings} | {unit}\n",
            field.name()
        ));
    }
    text
}

/// The one-liners of the card are run as they stand, with whatever Python there is.
#[test]
fn the_cards_one_liners_open_the_dataset_in_polars_pandas_and_duckdb() {
    let dir = exported(&[&Session::random(4, 800), &Session::random(5, 100)]);
    #[cfg(feature = "frames")]
    for layout in kalshiflow::features::Layout::ALL {
        let all = Filter::default();
        kalshiflow::features::pipeline::build(dir.path(), layout, &all, &mut || ())
            .expect("builds");
    }
    read_by("smoke.py", &[dir.path().as_os_str()]);
}
