//! The log holds what it was given: on the real tape, after a kill, on a full disk, with damaged files.

use crate::faults::SmallDisk;
use crate::rows::{SECOND_NS, TICKERS, check_all, files, record, session, tickers, write};
use crate::shared::shared;
use kalshiflow::event::{Body, Event, Gap, GapCause, MarketId, Record, SessionId};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Filter, Log, StoreError, Writer};
use kalshiflow::units::TsNs;
use kalshiflow::wire::{Decoder, frame_value};
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

#[derive(serde::Deserialize)]
struct Line<'a> {
    recv_ms: i64,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Visits the lines of all windows of the tape in order.
fn each_frame(tape: &Path, mut visit: impl FnMut(TsNs, &[u8])) {
    let sorted = |dir: &Path| {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    for file in sorted(tape).iter().flat_map(|window| sorted(window)) {
        let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap());
        for line in BufReader::new(file).lines() {
            let line = line.unwrap();
            let line: Line<'_> = serde_json::from_str(&line).unwrap();
            visit(TsNs::from_ms(line.recv_ms), line.event.get().as_bytes());
        }
    }
}

#[test]
fn the_tape_comes_back_frame_by_frame_in_six_bytes_per_delta() {
    let Some(tape) = shared("data/gold15m/events") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut decoder = Decoder::default();
    let mut writer = Writer::open(dir.path(), session(1)).unwrap();
    each_frame(&tape, |recv, frame| {
        let record = decoder.decode(frame, recv);
        writer.append(&decoder.tickers, record).unwrap();
    });
    let summary = writer.finish("done").unwrap();

    let per_delta = summary.bytes as f64 / summary.counts.deltas as f64;
    println!("{} bytes in {} segments, {per_delta:.3} per delta", summary.bytes, summary.segments);
    assert!(per_delta <= 6.0, "{per_delta:.3} bytes per delta");

    let log = Log::open(dir.path()).unwrap();
    let mut rows = log.read(Filter::default()).unwrap();
    let mut due = 1;
    each_frame(&tape, |recv, frame| {
        let record = rows.next().unwrap().unwrap();
        assert_eq!(record.event.row_id, due);
        assert_eq!(record.event.recv, recv);
        let sent: Value = serde_json::from_slice(frame).unwrap();
        assert_eq!(frame_value(&record, log.tickers()).unwrap(), sent, "row {due}");
        due += 1;
    });
    assert!(rows.next().is_none());
    assert_eq!(log.verify().problems, Vec::<String>::new());
}

/// A child process appends and says which rows are committed, until it is killed at a random moment.
/// Whatever it was doing (committing, starting a segment, sealing one, mending the log of the child before
/// it), the log opens and holds every row that was said to be committed.
#[test]
fn a_kill_at_any_moment_loses_no_committed_row() {
    if let Some(dir) = std::env::var_os("KFLOW_TEST_KILLED_CHILD") {
        append_for_ever(Path::new(&dir));
    }
    let logs = if std::env::var_os("KFLOW_LONG").is_some() { 50 } else { 1 };
    (0..logs).for_each(twenty_kills);
}

fn twenty_kills(index: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::stream(7, "kill", index);
    let mut committed = 0;
    for round in 0..20 {
        let me = std::env::current_exe().unwrap();
        let mut child = Command::new(me)
            .args(["log::a_kill_at_any_moment_loses_no_committed_row", "--exact", "--nocapture"])
            .env("KFLOW_TEST_KILLED_CHILD", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The first child has to begin a log before it is killed; the harness prints lines of its own.
        let mut left = rng.below(12);
        while left > 0 || committed == 0 {
            committed = promised(&lines.next().unwrap().unwrap()).unwrap_or(committed);
            left = left.saturating_sub(1);
        }
        std::thread::sleep(Duration::from_micros(rng.below(20_000)));
        child.kill().unwrap();
        // A line that the kill cut in two is no promise.
        let whole = lines.map_while(Result::ok).filter(|l| l.ends_with(';'));
        committed = whole.filter_map(|l| promised(&l)).last().unwrap_or(committed);
        child.wait().unwrap();
        // Every second time the next writer has to mend the log, not the reader.
        if round % 2 == 0 {
            let rows = check_all(dir.path());
            assert!(rows >= committed, "{rows} rows of {committed} committed ones are left");
        }
    }
    assert!(check_all(dir.path()) >= committed);
    let log = Log::open(dir.path()).unwrap();
    assert!(log.sessions().iter().all(|s| s.cause.as_deref() == Some("crash")));
}

/// The row up to which a child said that everything is committed.
fn promised(line: &str) -> Option<u64> {
    let (_, row_id) = line.split_once("committed ")?;
    row_id.trim_end_matches(';').parse().ok()
}

/// Appends records until killed; a receive time of one second per row makes a segment every 3 600 rows.
fn append_for_ever(dir: &Path) -> ! {
    let mut writer = Writer::open(dir, session(1)).unwrap();
    let tickers = tickers();
    let mut row_id = writer.commit().unwrap();
    let mut rng = Rng::stream(row_id, "child", 0);
    let mut out = std::io::stdout();
    loop {
        for _ in 0..rng.below(1_500) {
            row_id += 1;
            writer.append(&tickers, record(row_id)).unwrap();
        }
        let committed = writer.commit().unwrap();
        assert_eq!(committed, row_id);
        writeln!(out, "committed {committed};").unwrap();
    }
}

#[test]
fn a_second_writer_is_refused_and_told_who_writes() {
    let dir = tempfile::tempdir().unwrap();
    let first = Writer::open(dir.path(), session(1)).unwrap();
    match Writer::open(dir.path(), session(2)) {
        Err(StoreError::Locked { pid, .. }) => assert_eq!(pid, std::process::id()),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two writers"),
    }
    // A reader is not refused, and does not see what is not sealed.
    assert_eq!(Log::open(dir.path()).unwrap().segments().len(), 0);
    drop(first);
    write(dir.path(), 2, 1..10);
    let log = Log::open(dir.path()).unwrap();
    let ends: Vec<_> = log.sessions().into_iter().map(|s| s.cause.unwrap()).collect();
    assert_eq!(ends, ["crash", "done"]);
}

#[test]
fn rows_are_found_by_session_market_and_time() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 1..5_000);
    write(dir.path(), 2, 5_000..6_000);
    let log = Log::open(dir.path()).unwrap();
    let ids = |filter: Filter| -> Vec<u64> {
        log.read(filter).unwrap().map(|r| r.unwrap().event.row_id).collect()
    };
    let all = || 1u64..6_000;
    assert_eq!(ids(Filter::default()), all().collect::<Vec<_>>());
    let second = Filter { sessions: Some(vec![SessionId([2; 16])]), ..Filter::default() };
    assert_eq!(ids(second), (5_000..6_000).collect::<Vec<_>>());
    let market = Filter { tickers: Some(vec![TICKERS[1].into()]), ..Filter::default() };
    let of_market = |id: &u64| record(*id).event.market == MarketId(1);
    assert_eq!(ids(market), all().filter(of_market).collect::<Vec<_>>());
    let time = Filter {
        recv_from: Some(TsNs(4_321 * SECOND_NS)),
        recv_to: Some(TsNs(5_432 * SECOND_NS)),
        ..Filter::default()
    };
    assert_eq!(ids(time), (4_321..5_432).collect::<Vec<_>>());
    let stranger = Filter { tickers: Some(vec!["NOBODY".into()]), ..Filter::default() };
    assert_eq!(ids(stranger), Vec::<u64>::new());
}

#[test]
fn gaps_and_market_definitions_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), session(1)).unwrap();
    let gap = Gap { from: 5, to: 9, since: TsNs(7), ..Gap::unnumbered(GapCause::SeqGap, TsNs(8)) };
    let other = Gap { from: 12, to: 12, ..gap.clone() };
    let healed = Gap { healed_by: "snapshot".into(), ..gap.clone() };
    let bodies = [
        (Body::Market(r#"{"status":"active"}"#.into()), MarketId(2)),
        (Body::Gap(Box::new(gap.clone())), MarketId::NONE),
        (Body::Gap(Box::new(other.clone())), MarketId::NONE),
        (Body::Market(r#"{"status":"finalized"}"#.into()), MarketId(2)),
        (Body::Healed(Box::new(healed.clone())), MarketId::NONE),
    ];
    for (body, market) in bodies {
        let event = Event { body, market, ..record(1).event };
        writer.append(&tickers(), Record { event, raw: None }).unwrap();
    }
    let summary = writer.finish("done").unwrap();
    let counts = summary.counts;
    assert_eq!((counts.gaps, counts.healed, counts.markets), (2, 1, 2));

    let log = Log::open(dir.path()).unwrap();
    let gaps = log.gaps().unwrap();
    // What healed a hole stands in a later row, and is told with the hole.
    let told: Vec<_> = gaps.iter().map(|g| (g.row_id, g.market, &g.gap)).collect();
    assert_eq!(told, [(2, MarketId::NONE, &healed), (3, MarketId::NONE, &other)]);
    let (_, ls) = data_json("ls", dir.path());
    let session = &ls["data"]["sessions"][0];
    assert_eq!((&session["gaps"], &session["open_gaps"]), (&Value::from(2), &Value::from(1)));
    let markets = log.markets().unwrap();
    assert_eq!(markets.len(), 1);
    assert_eq!(log.tickers().name(markets[0].market), TICKERS[2]);
    assert_eq!(&*markets[0].json, r#"{"status":"finalized"}"#);
    // A gap of the whole connection concerns whoever asks for one market.
    let one = Filter { tickers: Some(vec![TICKERS[2].into()]), ..Filter::default() };
    assert_eq!(log.read(one).unwrap().count(), 4);
}

#[test]
fn a_changed_byte_in_a_chunk_is_named_by_segment_and_chunk() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 1..1_000);
    let file = files(dir.path(), "redb").remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    // Nothing compresses trade ids: they are a place of the payload that can be found.
    let id = (1..1_000).find_map(|i| match record(i).event.body {
        Body::Trade(trade) => Some(trade.id),
        _ => None,
    });
    let id = id.unwrap();
    let at = bytes.windows(16).position(|w| w == id).expect("trade ids are stored as they are");
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let log = Log::open(dir.path()).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let problems = log.verify().problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains(name) && problems[0].contains("chunk 0"), "{problems:?}");
    let read: Result<Vec<Record>, StoreError> = log.read(Filter::default()).unwrap().collect();
    assert!(matches!(read, Err(StoreError::Corrupt { chunk: Some(0), .. })), "{read:?}");
}

/// Flipped bytes, zeroed pages and cut-off ends anywhere in a file: noticed, or harmless because nothing
/// of ours is stored there. Never a panic, never other rows.
#[test]
fn chance_damage_is_noticed_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 1..3_000);
    let file = files(dir.path(), "redb").remove(0);
    let good = std::fs::read(&file).unwrap();
    let mut rng = Rng::stream(3, "damage", 0);
    let rounds = if std::env::var_os("KFLOW_LONG").is_some() { 10_000 } else { 300 };
    let mut noticed = 0;
    for _ in 0..rounds {
        let mut bad = good.clone();
        let at = rng.below(good.len() as u64) as usize;
        match rng.below(4) {
            0 => bad.truncate(at),
            1 => bad[at..good.len().min(at + 4_096)].fill(0),
            _ => bad[at] ^= 1 << rng.below(8),
        }
        std::fs::write(&file, &bad).unwrap();
        let Ok(log) = Log::open(dir.path()) else {
            noticed += 1;
            continue;
        };
        if log.verify().problems.is_empty() {
            let rows = log.read(Filter::default()).unwrap();
            assert!(rows.map(Result::unwrap).map(|r| r.event.seq).eq(1..3_000));
        } else {
            noticed += 1;
        }
    }
    assert!(noticed > rounds / 3, "only {noticed} of {rounds} were noticed");
}

#[test]
fn a_live_file_of_garbage_never_blocks_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 1..100);
    std::fs::write(dir.path().join("log/000002-000000000100.live"), b"not redb at all").unwrap();
    let mut writer = Writer::open(dir.path(), session(2)).unwrap();
    let row_id = writer.append(&tickers(), record(100)).unwrap();
    assert!(row_id > 100, "ids that the lost segment may have used are given out again");
    writer.finish("done").unwrap();
    let log = Log::open(dir.path()).unwrap();
    assert!(log.verify().problems.iter().any(|p| p.contains("000002-000000000100.bad")));
    assert!(matches!(log.read(Filter::default()), Err(StoreError::Corrupt { .. })));
}

/// Exit code and standard output of `kflow data WHAT --json`.
fn data_json(what: &str, data_dir: &Path) -> (Option<i32>, Value) {
    let mut kflow = Command::new(env!("CARGO_BIN_EXE_kflow"));
    let done = kflow.args(["data", what, "--json", "--data"]).arg(data_dir).output().unwrap();
    (done.status.code(), serde_json::from_slice(&done.stdout).unwrap_or(Value::Null))
}

#[test]
fn data_ls_and_verify_say_what_is_there_and_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(data_json("ls", dir.path()), (Some(3), Value::Null));
    write(dir.path(), 1, 1..2_001);
    let (code, ls) = data_json("ls", dir.path());
    assert_eq!(code, Some(0));
    let session = &ls["data"]["sessions"][0];
    assert_eq!(session["records"], 2_000);
    assert_eq!(session["cause"], "done");
    assert_eq!(session["markets"], 3);
    assert_eq!(session["start"], "1970-01-01T00:00:01Z");
    let (code, verify) = data_json("verify", dir.path());
    assert_eq!((code, &verify["data"]["records"]), (Some(0), &Value::from(2_000)));

    let file = files(dir.path(), "redb").remove(0);
    std::fs::write(&file, &std::fs::read(&file).unwrap()[..9_000]).unwrap();
    let (code, verify) = data_json("verify", dir.path());
    assert_eq!(code, Some(5));
    let problem = verify["data"]["problems"][0].as_str().unwrap();
    assert!(problem.contains(file.file_name().unwrap().to_str().unwrap()), "{problem}");
}

#[test]
fn a_full_disk_is_said_and_committed_rows_stay() {
    let Some(disk) = SmallDisk::mount(6 << 20) else { return };
    let dir = disk.path();
    let mut writer = Writer::open(dir, session(1)).unwrap();
    let mut committed = 0;
    let error = loop {
        let rows = committed + 1..=committed + 500;
        let appended: Result<Vec<u64>, StoreError> =
            rows.map(|id| writer.append(&tickers(), record(id))).collect();
        match appended.and_then(|_| writer.commit()) {
            Ok(row_id) => committed = row_id,
            Err(e) => break e,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(committed > 1_000);
    drop(writer);
    disk.resize(64 << 20);
    assert!(check_all(dir) >= committed);
}

/// A log whose first or last file was taken away once looked whole: `verify` compared neighbours only, and
/// an export then replaced the Parquet that was the last copy of the missing rows.
#[test]
fn a_missing_segment_file_is_found_and_never_replaces_what_was_exported() {
    use crate::cli::{kflow, run};
    let dir = tempfile::tempdir().unwrap();
    let tickers = tickers();
    let mut writer = Writer::open(dir.path(), session(1)).unwrap();
    for row_id in 1..=9_000 {
        writer.append(&tickers, record(row_id)).unwrap();
    }
    writer.finish("done").unwrap();
    let data = dir.path().to_str().unwrap();
    assert_eq!(run(kflow(&["export", "--data", data]).arg("--json")).code, 0);
    let exported = std::fs::read(dir.path().join("manifest.json")).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(dir.path().join("log"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "redb"))
        .collect();
    files.sort();
    assert!(files.len() >= 3, "a receive time of one second per row makes a file per hour");
    for gone in [&files[0], &files[1], &files[files.len() - 1]] {
        let aside = gone.with_extension("aside");
        std::fs::rename(gone, &aside).unwrap();
        let verify = run(&mut kflow(&["data", "verify", "--data", data]));
        assert_eq!(verify.code, 5, "{}: {}", gone.display(), verify.stdout);
        let export = run(&mut kflow(&["export", "--data", data]));
        assert_eq!(export.code, 5, "{}: {}", gone.display(), export.stderr);
        assert!(std::fs::read(dir.path().join("manifest.json")).unwrap() == exported);
        std::fs::rename(&aside, gone).unwrap();
    }
    assert_eq!(run(&mut kflow(&["data", "verify", "--data", data])).code, 0);
}
