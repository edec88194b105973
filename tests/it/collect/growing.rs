//! A log that is exported, and gives up its beginning, while it grows.

use super::{record, tickers};
use kalshiflow::collect::{Retention, plan};
use kalshiflow::dataset::{self, DatasetError, ExportOptions, Manifest};
use kalshiflow::event::{SessionId, SessionMeta};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Filter, Janitor, Log, StoreError, Writer};
use kalshiflow::units::TsNs;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// 2026-11-20, two hours before midnight UTC.
const START_NS: i64 = 1_795_212_000_000_000_000;
/// Rows of one table in a file: small, so that there are many files.
const OPTIONS: ExportOptions = ExportOptions { rows_per_file: 150 };

fn meta(id: u8) -> SessionMeta {
    SessionMeta {
        id: SessionId([id; 16]),
        source: "sim:seed=1".into(),
        exchange_env: "sim".into(),
        started: TsNs(START_NS),
        flags: Vec::new(),
        inputs: Vec::new(),
    }
}

/// Appends rows ten seconds apart: midnight comes after 720 rows, and segments are full after 1,024.
fn append(writer: &mut Writer, rows: std::ops::Range<u64>) {
    for seq in rows {
        let recv = TsNs(START_NS + seq as i64 * 10_000_000_000);
        writer.append(&tickers(), record(seq, recv)).unwrap();
    }
}

fn export(data_dir: &Path, options: ExportOptions) -> dataset::ExportSummary {
    let log = Log::open(data_dir).unwrap();
    dataset::export(&log, data_dir, options, &mut |_| {}).unwrap()
}

/// The published files and the manifest with their bytes.
fn published(data_dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![data_dir.join("v1")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(data_dir).unwrap().display().to_string();
                all.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    all.insert("manifest".into(), std::fs::read(data_dir.join("manifest.json")).unwrap());
    all
}

#[track_caller]
fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    let names = |all: &BTreeMap<String, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(one), names(other));
    for (name, bytes) in one {
        assert!(*bytes == other[name], "{name} differs");
    }
}

/// Waits until everything before the last roll is sealed.
fn roll(writer: &mut Writer) {
    writer.roll().unwrap();
    while writer.is_sealing() {
        std::thread::yield_now();
    }
}

/// Many exports while the session runs, at any row, across midnight and with gaps that are healed when their
/// file is final: the dataset is that of one export at the end, byte by byte.
#[test]
fn exports_of_a_growing_session_end_in_the_bytes_of_a_single_one() {
    let cases = if std::env::var_os("KFLOW_LONG").is_some() { 40 } else { 4 };
    for case in 0..cases {
        let mut rng = Rng::stream(case, "grow", 0);
        let (grown, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut writer = Writer::open(grown.path(), meta(1)).unwrap();
        let mut row = 0;
        while row < 2_500 {
            let next = row + 1 + rng.below(600);
            append(&mut writer, row..next);
            roll(&mut writer);
            export(grown.path(), OPTIONS);
            row = next;
        }
        writer.finish("finished").unwrap();
        let last = export(grown.path(), OPTIONS);
        assert_eq!(last.sessions_written, 1, "its end is news");

        let mut writer = Writer::open(whole.path(), meta(1)).unwrap();
        append(&mut writer, 0..row);
        writer.finish("finished").unwrap();
        export(whole.path(), OPTIONS);
        assert_same(&published(grown.path()), &published(whole.path()));
    }
}

/// A child process collects into a log and exports it, over and over, until it is killed: whatever it was doing,
/// the next export makes the dataset that a single export of the same log makes.
#[test]
fn kills_while_a_growing_session_is_exported_leave_every_row_exactly_once() {
    const CHILD: &str = "KFLOW_TEST_GROWING_CHILD";
    if let Some(dir) = std::env::var_os(CHILD) {
        grow_for_ever(Path::new(&dir));
    }
    let kills = if std::env::var_os("KFLOW_LONG").is_some() { 60 } else { 5 };
    let grown = tempfile::tempdir().unwrap();
    for kill in 0..kills {
        let me = std::env::current_exe().unwrap();
        let name = "collect::growing::kills_while_a_growing_session_is_exported_leave_every_row_exactly_once";
        let mut child = Command::new(me)
            .args([name, "--exact", "--nocapture"])
            .env(CHILD, grown.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        lines.find(|line| line.contains("exported once;")).expect("it exports");
        std::thread::sleep(Duration::from_millis(41 * kill % 160));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    export(grown.path(), OPTIONS);
    let whole = tempfile::tempdir().unwrap();
    let log = whole.path().join("log");
    std::fs::create_dir(&log).unwrap();
    for file in std::fs::read_dir(grown.path().join("log")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), log.join(file.file_name())).unwrap();
    }
    export(whole.path(), OPTIONS);
    assert_same(&published(grown.path()), &published(whole.path()));
}

fn grow_for_ever(data_dir: &Path) -> ! {
    // Its own process: the id tells the sessions apart.
    let meta = SessionMeta { id: SessionId(*uuid::Uuid::now_v7().as_bytes()), ..meta(1) };
    let mut writer = Writer::open(data_dir, meta).unwrap();
    for step in 0.. {
        append(&mut writer, step * 130..(step + 1) * 130);
        roll(&mut writer);
        export(data_dir, OPTIONS);
        std::io::stdout().write_all(b"exported once;\n").unwrap();
    }
    unreachable!("only a kill ends this")
}

/// Weeks of a session are not read again for every ten minutes of it.
#[test]
fn an_export_of_a_growing_session_reads_only_what_is_not_final() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), meta(1)).unwrap();
    append(&mut writer, 0..1_500);
    roll(&mut writer);
    export(dir.path(), OPTIONS);
    // The gap of row 1 420 is healed by row 1 545: until then no final file is outdated.
    append(&mut writer, 1_500..1_540);
    writer.finish("finished").unwrap();
    let mut read = 0;
    let log = Log::open(dir.path()).unwrap();
    dataset::export(&log, dir.path(), OPTIONS, &mut |n| read += n).unwrap();
    assert!((40..300).contains(&read), "{read} rows of 1,540 were read");
    assert!(!dir.path().join("v1/resume").exists(), "a session that has ended goes nowhere");
}

const KEEP_NOTHING: Retention = Retention { days: 0, archive: None };

#[test]
fn what_is_exported_for_good_may_leave_the_log_and_nothing_is_missing_then() {
    let (dir, archive) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let retention = Retention { days: 0, archive: Some(archive.path().to_owned()) };
    let mut writer = Writer::open(dir.path(), meta(1)).unwrap();
    append(&mut writer, 0..1_200);
    writer.finish("finished").unwrap();
    let log = Log::open(dir.path()).unwrap();
    let plan_now =
        |log: &Log, retention| plan(log, dir.path(), retention, SystemTime::now()).unwrap();
    assert!(plan_now(&log, &retention).is_empty(), "it was never exported");

    let exported = export(dir.path(), ExportOptions::default());
    let young = Retention { days: 1, archive: None };
    assert!(plan_now(&log, &young).is_empty(), "it is of today");
    let segments = plan_now(&log, &retention);
    assert_eq!(segments.len(), log.segments().len());
    let janitor = Janitor::take(dir.path()).unwrap();
    assert!(matches!(Janitor::take(dir.path()), Err(StoreError::Locked { .. })));
    let bytes: u64 = segments.iter().map(|s| s.bytes).sum();
    assert_eq!(janitor.prune(&segments, Some(archive.path())).unwrap(), bytes);
    drop(janitor);

    let log = Log::open(dir.path()).unwrap();
    assert_eq!(log.verify().problems, Vec::<String>::new());
    assert_eq!(log.segments().len(), 0);
    // The archive is a log of its own.
    let old = tempfile::tempdir().unwrap();
    std::fs::rename(archive.path(), old.path().join("log")).unwrap();
    assert_eq!(Log::open(old.path()).unwrap().verify().records, 1_200);
    // The next session follows, and the dataset keeps everything.
    let mut writer = Writer::open(dir.path(), meta(2)).unwrap();
    assert_eq!(writer.append(&tickers(), record(0, TsNs(START_NS))).unwrap(), 1_201);
    writer.finish("finished").unwrap();
    let again = export(dir.path(), ExportOptions::default());
    assert_eq!(again.sessions_written, 1);
    let rows = |s: &dataset::ExportSummary| s.rows["deltas"] + s.rows["snapshots"];
    assert!(rows(&again) > rows(&exported));
}

/// A copy onto itself was removed with the original; a second log's first segment, which has the same name,
/// replaced the first log's in their archive; and a damaged Parquet file counted as a copy.
#[test]
fn nothing_leaves_the_log_that_is_not_safe_elsewhere() {
    let (one, two, archive) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, rows) in [(&one, 0..1_200), (&two, 0..900)] {
        let mut writer = Writer::open(dir.path(), meta(1)).unwrap();
        append(&mut writer, rows);
        writer.finish("finished").unwrap();
        export(dir.path(), ExportOptions::default());
    }
    let plan_of = |dir: &Path| {
        let log = Log::open(dir).unwrap();
        plan(&log, dir, &KEEP_NOTHING, SystemTime::now())
    };
    let prune = |dir: &Path, archive: &Path| {
        Janitor::take(dir).unwrap().prune(&plan_of(dir).unwrap(), Some(archive))
    };
    let whole = |dir: &Path, rows: u64| {
        let log = Log::open(dir).unwrap();
        assert_eq!((log.verify().problems, log.verify().records), (Vec::new(), rows));
    };
    let link = archive.path().join("link");
    std::os::unix::fs::symlink(one.path().join("log"), &link).unwrap();
    for own in [one.path().join("log"), link] {
        assert!(matches!(prune(one.path(), &own), Err(StoreError::Archive { .. })), "{own:?}");
        whole(one.path(), 1_200);
    }
    assert!(prune(one.path(), archive.path()).unwrap() > 0);
    assert!(matches!(prune(two.path(), archive.path()), Err(StoreError::Archive { .. })));
    whole(two.path(), 900);

    let deltas = Manifest::existing(two.path()).unwrap();
    let file = two.path().join(&deltas.table("deltas").next().unwrap().path);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(plan_of(two.path()), Err(DatasetError::Checksum { .. })));
}

#[test]
fn a_running_session_gives_up_what_is_final_and_the_dataset_stays_the_same() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = ExportOptions::default();
    let mut writer = Writer::open(dir.path(), meta(1)).unwrap();
    let janitor = writer.janitor();
    // A day of receipt is 8,640 rows: the first two days become final.
    let mut gone = 0;
    for step in 0..6 {
        append(&mut writer, step * 3_000..(step + 1) * 3_000);
        roll(&mut writer);
        export(dir.path(), options);
        let log = Log::open(dir.path()).unwrap();
        let segments = plan(&log, dir.path(), &KEEP_NOTHING, SystemTime::now()).unwrap();
        janitor.prune(&segments, None).unwrap();
        gone += segments.len();
    }
    writer.finish("finished").unwrap();
    drop(janitor);
    assert!(gone > 2, "{gone} segments were given up");
    export(dir.path(), options);
    let log = Log::open(dir.path()).unwrap();
    assert_eq!(log.verify().problems, Vec::<String>::new());
    assert_eq!(log.sessions()[0].records(), 18_000);
    assert!(log.read(Filter::default()).unwrap().count() < 18_000);

    let mut writer = Writer::open(whole.path(), meta(1)).unwrap();
    append(&mut writer, 0..18_000);
    writer.finish("finished").unwrap();
    export(whole.path(), options);
    let (one, other) = (published(dir.path()), published(whole.path()));
    for (name, bytes) in &other {
        // Of gaps that were healed after their rows had gone only the file of gaps can tell less.
        if name.contains("/deltas/") || name.contains("/snapshots/") || name.contains("/trades/") {
            assert!(*bytes == one[name], "{name} differs");
        }
    }

    // Without the files that hold the rows that are gone, an export says so instead of writing less.
    let deltas = one.keys().find(|name| name.contains("/deltas/")).unwrap();
    std::fs::remove_file(dir.path().join(deltas)).unwrap();
    let error = dataset::export(&log, dir.path(), options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, DatasetError::Pruned { .. }), "{error}");
}

/// A crash between the record of what went and the removal leaves files; the next run removes them, and no
/// reader counts them twice.
#[test]
fn files_that_a_crash_kept_after_pruning_are_not_rows_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), meta(1)).unwrap();
    append(&mut writer, 0..1_200);
    writer.finish("finished").unwrap();
    export(dir.path(), ExportOptions::default());
    let log = Log::open(dir.path()).unwrap();
    let first = log.segments()[0].clone();
    let kept = std::fs::read(&first.path).unwrap();
    let janitor = Janitor::take(dir.path()).unwrap();
    janitor.prune(std::slice::from_ref(&first), None).unwrap();
    std::fs::write(&first.path, kept).unwrap();
    let log = Log::open(dir.path()).unwrap();
    assert_eq!(log.verify().problems, Vec::<String>::new());
    assert_eq!(log.verify().records, 1_200 - first.counts.records());
    assert_eq!(janitor.prune(&[], None).unwrap(), first.bytes);
    assert!(!first.path.exists());
    // Not the beginning any more.
    assert!(matches!(janitor.prune(&[first], None), Err(StoreError::Corrupt { .. })));
}
