//! Recordings into the log: what is counted, what is kept, and what bad input does.

use crate::cli::{Output, kflow, run};
use crate::shared::shared;
use flate2::Compression;
use flate2::write::GzEncoder;
use kalshiflow::event::{Body, GapCause, Record};
use kalshiflow::store::{Filter, Log};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const TICKER: &str = "KXTEST-26NOV20-A";

/// A place to import from and to.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("tempdir"))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        std::fs::write(&path, bytes).expect("write");
        path
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn import(&self, words: &[&str], paths: &[&Path]) -> Output {
        run(kflow(&["import", "--json"]).args(words).args(paths).arg("--data").arg(self.data()))
    }

    fn records(&self) -> Vec<Record> {
        let log = Log::open(&self.data()).expect("log");
        log.read(Filter::default()).expect("readable").map(|r| r.expect("record")).collect()
    }

    fn gaps(&self) -> Vec<GapCause> {
        let cause = |r: Record| match r.event.body {
            Body::Gap(gap) => Some(gap.cause),
            _ => None,
        };
        self.records().into_iter().filter_map(cause).collect()
    }
}

#[track_caller]
fn report(out: &Output) -> Value {
    let value: Value = serde_json::from_str(&out.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", out.stdout, out.stderr));
    value["data"].clone()
}

fn snapshot(seq: u64) -> String {
    json!({"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": {"market_ticker": TICKER,
        "market_id": "03137cd9-ae15-4c2c-afd9-9c88e467ceb9",
        "yes_dollars_fp": [["0.4000", "100.00"]], "no_dollars_fp": [["0.5500", "50.00"]]}})
    .to_string()
}

fn delta(seq: u64, price: &str, change: &str) -> String {
    let ts_ms = 1_780_000_000_000 + seq;
    json!({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": {"market_ticker": TICKER,
        "market_id": "03137cd9-ae15-4c2c-afd9-9c88e467ceb9", "price_dollars": price, "delta_fp": change,
        "side": "yes", "ts_ms": ts_ms}})
    .to_string()
}

fn definition() -> Value {
    json!({"market": {"ticker": TICKER, "event_ticker": "KXTEST-26NOV20", "status": "finalized", "result": "yes",
        "open_time": "2026-05-28T20:00:00Z", "close_time": "2026-05-28T21:00:00Z", "settlement_value_dollars": "1.0000",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]}})
}

fn lines(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

fn gz(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("compress");
    encoder.finish().expect("compress")
}

#[test]
fn bare_frames_take_the_exchange_time_and_say_so() {
    let place = Place::new();
    let tape = place.write("a.jsonl", lines(&[snapshot(1), delta(2, "0.4100", "5.00")]));
    let out = place.import(&[], &[&tape]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert_eq!(report(&out)["deltas"], 1);
    assert_eq!(place.records()[1].event.recv.ms(), 1_780_000_000_002);
    let flags = Log::open(&place.data()).expect("log").sessions()[0].meta.flags.clone();
    assert!(flags.iter().any(|f| f == "recv_time_from_exchange_time"), "{flags:?}");
}

#[test]
fn one_bad_line_is_counted_kept_and_shown_and_ends_nothing() {
    let place = Place::new();
    let garbage = "{\"type\":\"orderbook_delta\",\"sid\":1";
    let tape = place.write(
        "a.jsonl",
        lines(&[snapshot(1), garbage.into(), snapshot(3), delta(4, "0.4100", "5.00")]),
    );
    let out = place.import(&[], &[&tape]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let data = report(&out);
    assert_eq!((&data["bad"], &data["deltas"], &data["gaps"]), (&1.into(), &1.into(), &1.into()));
    assert!(data["oddities"].to_string().contains("not JSON"), "{data}");
    let kept = place.records().into_iter().find(|r| matches!(r.event.body, Body::Bad(_)));
    assert_eq!(kept.expect("kept").raw.as_deref(), Some(garbage.as_bytes()));
    assert_eq!(place.gaps(), [GapCause::BadFrame]);
}

#[test]
fn impossible_values_make_bad_frames_and_an_invalid_market() {
    for bad in [
        delta(2, "1.2000", "5.00"),
        delta(2, "-0.1000", "5.00"),
        delta(2, "0.41001", "5.00"),
        delta(2, "0.4100", "5.005"),
        delta(2, "0.4100", "5.00").replace("\"yes\"", "7"),
        snapshot(2).replace("100.00", "-100.00"),
    ] {
        let place = Place::new();
        let tape =
            place.write("a.jsonl", lines(&[snapshot(1), bad.clone(), delta(3, "0.4100", "1.00")]));
        let out = place.import(&[], &[&tape]);
        assert_eq!(out.code, 0, "{bad}: {}", out.stderr);
        let data = report(&out);
        assert_eq!(data["bad"], 1, "{bad}");
        assert_eq!(place.gaps(), [GapCause::BadFrame], "{bad}");
        let issues = data["markets"][0]["issues"].to_string();
        assert!(issues.contains("1 bad frames") && issues.contains("1 deltas without"), "{issues}");
    }
}

#[test]
fn a_level_below_nothing_is_a_gap_until_the_next_snapshot() {
    let place = Place::new();
    let tape = place.write(
        "a.jsonl",
        lines(&[
            snapshot(1),
            delta(2, "0.4000", "-100.01"),
            delta(3, "0.4000", "1.00"),
            snapshot(4),
        ]),
    );
    let data = report(&place.import(&[], &[&tape]));
    assert_eq!(place.gaps(), [GapCause::NegativeLevel]);
    let issues = data["markets"][0]["issues"].to_string();
    assert!(
        issues.contains("1 negative levels") && issues.contains("1 deltas without"),
        "{issues}"
    );
}

#[test]
fn prices_off_the_tick_grid_are_kept_exactly_and_counted() {
    let place = Place::new();
    let tape = place.write("a.jsonl", lines(&[snapshot(1), delta(2, "0.4150", "5.00")]));
    let info = place.write("info.json", definition().to_string());
    let info = info.to_str().expect("path");
    let data = report(&place.import(&["--metadata", info], &[&tape]));
    assert_eq!((&data["bad"], &data["markets"][0]["settled"]), (&0.into(), &true.into()));
    let issues = data["markets"][0]["issues"].to_string();
    assert!(issues.contains("1 prices off the tick grid"), "{issues}");
    let Body::Delta(d) = place.records().last().expect("records").event.body else { panic!() };
    assert_eq!(d.price.e4(), 4_150);
}

#[test]
fn a_market_without_metadata_is_imported_and_named() {
    let place = Place::new();
    let tape = place.write("a.jsonl", lines(&[snapshot(1)]));
    let data = report(&place.import(&[], &[&tape]));
    assert_eq!(data["markets"][0]["issues"], json!(["no metadata"]));
}

#[test]
fn every_hole_is_a_gap_only_where_the_recording_is_complete() {
    let frames = lines(&[snapshot(1), delta(2, "0.4100", "5.00"), delta(7, "0.4100", "5.00")]);
    for (policy, gaps) in [("partial", vec![]), ("complete", vec![GapCause::SeqGap])] {
        let place = Place::new();
        let tape = place.write("a.jsonl", &frames);
        let data = report(&place.import(&["--sequence", policy], &[&tape]));
        assert_eq!(place.gaps(), gaps, "{policy}");
        assert_eq!(data["gaps"], gaps.len());
    }
    let place = Place::new();
    let tape = place.write("a.jsonl", &frames);
    place.import(&["--sequence", "complete"], &[&tape]);
    let hole = place.records().into_iter().find_map(|r| match r.event.body {
        Body::Gap(gap) => Some((gap.from, gap.to)),
        _ => None,
    });
    assert_eq!(hole, Some((3, 6)));
}

#[test]
fn truncated_gzip_keeps_what_was_whole_and_exits_with_5() {
    let place = Place::new();
    let mut frames = vec![snapshot(1)];
    frames.extend(
        (2..3_000).map(|i| delta(i, "0.4100", &format!("{}.{:02}", i * 7_919 % 977, i % 100))),
    );
    let whole = gz(&lines(&frames));
    let tape = place.write("a.ndjson.gz", &whole[..whole.len() * 2 / 3]);
    let out = place.import(&[], &[&tape]);
    assert_eq!(out.code, 5);
    assert!(
        out.stderr.contains("a.ndjson.gz is damaged or cut off") && out.stderr.contains("hint: "),
        "{}",
        out.stderr
    );
    let deltas = report(&out)["deltas"].as_u64().expect("count");
    assert!((100..2_998).contains(&deltas), "{deltas}");
    assert_eq!(place.records().len() as u64, deltas + 1);
}

#[test]
fn unreadable_inputs_are_named_and_leave_the_log_alone() {
    let place = Place::new();
    let tape = place.write("a.jsonl", lines(&[snapshot(1)]));
    place.import(&[], &[&tape]);
    let before = place.records();
    let broken = place.write("broken.json", "{}");
    let broken = broken.to_str().expect("path").to_owned();
    let cases: [(&[&str], PathBuf, &str, i32); 3] = [
        (&[], place.0.path().join("absent.jsonl"), "absent.jsonl", 3),
        (&["--metadata", &broken, "--again"], tape.clone(), "broken.json", 5),
        (
            &[],
            place.write("empty/readme.txt", "").parent().expect("folder").to_owned(),
            "no recorded file",
            3,
        ),
    ];
    for (words, path, named, code) in cases {
        let out = place.import(words, &[&path]);
        assert_eq!(out.code, code, "{named}: {}", out.stderr);
        assert!(out.stderr.contains(named) && out.stderr.contains("hint: "), "{}", out.stderr);
        assert_eq!(place.records(), before);
    }
}

#[test]
fn the_same_file_is_not_imported_twice_unless_asked() {
    let place = Place::new();
    let tape = place.write("a.jsonl", lines(&[snapshot(1)]));
    place.import(&[], &[&tape]);
    let again = place.import(&[], &[&tape]);
    assert_eq!((again.code, report(&again)["frames"].as_u64()), (0, Some(0)));
    assert_eq!(place.records().len(), 1);
    place.import(&["--again"], &[&tape]);
    assert_eq!(place.records().len(), 2);
}

#[test]
fn a_label_of_synthetic_origin_survives_the_import() {
    let place = Place::new();
    let tape = place.write("t/events/A/a.ndjson", lines(&[snapshot(1)]));
    let mut info = definition();
    info["kflow_source"] = "sim:seed=7".into();
    place.write("t/metadata/A.json", info.to_string());
    let out = place.import(&[], &[tape.ancestors().nth(3).expect("t")]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let sessions = Log::open(&place.data()).expect("log").sessions();
    assert_eq!((&*sessions[0].meta.source, &*sessions[0].meta.exchange_env), ("sim:seed=7", "sim"));
}

#[test]
fn rows_of_the_predecessor_are_repaired_and_read() {
    let place = Place::new();
    let row = |seq: u64, yes_bids: Value, yes_asks: Value| {
        json!({"session_id": 12, "market_ticker": TICKER, "timestamp_ms": 1_765_000_000_000u64 + seq,
            "sequence_number": seq, "yes_bids": yes_bids, "yes_asks": yes_asks, "no_bids": {"20": 3}, "no_asks": {}})
        .to_string()
    };
    let change = json!({"session_id": 12, "market_ticker": TICKER, "timestamp_ms": 1_765_000_000_009u64,
        "sequence_number": 9, "side": "yes", "action": "update", "price": 72, "old_size": 1, "new_size": 4})
    .to_string();
    let split = row(3, json!({"45": 5}), json!({"70": 10, "72": 1}));
    let tape = place.write("rows.jsonl", lines(&[split, change, "not a row".into()]));
    let out = place.import(&[], &[&tape]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let data = report(&out);
    assert_eq!(
        (&data["repaired"], &data["bad"], &data["snapshots"]),
        (&1.into(), &1.into(), &1.into())
    );
    let mut book = kalshiflow::book::Book::default();
    for record in place.records() {
        book.apply(&record.event).expect("consistent");
    }
    let best = book.touch().bid.expect("bid");
    assert_eq!(
        (best.0.e4(), best.1.e2()),
        (7_200, 400),
        "half of the book would be lost without the repair"
    );
}

#[test]
fn the_recorded_windows_import_whole_with_one_gap() {
    let Some(tape) = shared("data/gold15m") else { return };
    let place = Place::new();
    let out = place.import(&[], &[&tape]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let data = report(&out);
    assert_eq!((&data["bad"], &data["other"], &data["gaps"]), (&0.into(), &0.into(), &1.into()));
    let markets = data["markets"].as_array().expect("markets");
    assert_eq!(markets.len(), 18);
    assert!(markets.iter().all(|m| m["settled"] == true));
    let with_issue: Vec<_> = markets.iter().filter(|m| m["issues"] != json!([])).collect();
    assert_eq!(with_issue.len(), 1, "the reconnect of one window, and nothing else");
    assert_eq!(with_issue[0]["ticker"], "KXGOLD15M-26AUG102130-30");
    let per_delta = data["bytes_per_delta"].as_f64().expect("figure");
    assert!(per_delta <= 6.0, "{per_delta}");
    eprintln!("log bytes per delta: {per_delta:.2}");
}

/// Trades come on a subscription of their own. Replay once took a market's last `sid` of any frame for
/// that of its book: a hole in the book's subscription right after a trade then reached no market, and an
/// episode went on over deltas that were missing.
#[test]
fn a_hole_in_the_books_subscription_ends_the_episode_even_after_a_trade() {
    let place = Place::new();
    let at = |seq: u64, ts_ms: u64| {
        let stamp = format!("\"ts_ms\":{}", 1_780_000_000_000 + seq);
        delta(seq, "0.4100", "5.00").replace(&stamp, &format!("\"ts_ms\":{ts_ms}"))
    };
    let begin = 1_780_000_000_000;
    let mut frames = vec![snapshot(1)];
    frames.extend((2..8).map(|seq| at(seq, begin + seq * 300)));
    frames.push(
        json!({"type": "trade", "sid": 2, "seq": 1, "msg": {"trade_id": "d91bc706-ee49-470d-82d8-11418bda6fed",
            "market_ticker": TICKER, "yes_price_dollars": "0.4100", "no_price_dollars": "0.5900", "count_fp": "1.00",
            "taker_side": "yes", "taker_outcome_side": "yes", "taker_book_side": "bid", "ts_ms": begin + 2_200}})
        .to_string(),
    );
    frames.extend((12..18).map(|seq| at(seq, begin + seq * 300)));
    let tape = place.write("t/events/A/a.ndjson", lines(&frames));
    place.write("t/metadata/A.json", definition().to_string());
    let root = tape.ancestors().nth(3).expect("t").to_owned();
    place.import(&["--sequence", "complete"], &[&root]);
    let layout = kalshiflow::features::Layout::Flow52V1;
    let recording = kalshiflow::replay::recording(&place.data(), layout).expect("readable");
    let last: Vec<_> = recording.episodes.iter().map(|e| e.decisions[e.len() - 1].ts_ms).collect();
    assert_eq!(last, [1_780_000_002_100], "the last decision before the hole");
}

/// A market that two sessions recorded at the same time once counted twice in every result: importing a
/// tape again doubled what a policy had earned.
#[test]
fn a_market_recorded_twice_is_one_episode() {
    let place = Place::new();
    let mut frames = vec![snapshot(1)];
    frames.extend((2..12).map(|seq| {
        let stamp = format!("\"ts_ms\":{}", 1_780_000_000_000 + seq);
        let later = format!("\"ts_ms\":{}", 1_780_000_000_000 + seq * 300);
        delta(seq, "0.4100", "5.00").replace(&stamp, &later)
    }));
    let tape = place.write("t/events/A/a.ndjson", lines(&frames));
    place.write("t/metadata/A.json", definition().to_string());
    let root = tape.ancestors().nth(3).expect("t").to_owned();
    let read = || {
        let layout = kalshiflow::features::Layout::Flow52V1;
        let recording = kalshiflow::replay::recording(&place.data(), layout).expect("readable");
        (recording.episodes.len(), recording.repeated)
    };
    place.import(&[], &[&root]);
    assert_eq!(read(), (1, 0));
    place.import(&["--again"], &[&root]);
    assert_eq!(Log::open(&place.data()).expect("log").sessions().len(), 2);
    assert_eq!(read(), (1, 1));
}
