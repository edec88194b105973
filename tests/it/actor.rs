//! `kflow trade` against the built-in exchange: what was decided live is what the log decides again.

use crate::cli::{kflow, run};
use kalshiflow::actor::{ActorSpec, Deed, Filled, Reason};
use kalshiflow::env::account::Request;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// An exchange that is disturbed: cuts, holes, frames that come twice, silence.
const SCRIPT: &str = r#"{"after_frames":400,"do":"drop","n":3}
{"after_frames":900,"do":"cut"}
{"after_frames":1500,"do":"duplicate","n":5}
{"after_frames":2200,"do":"drop","n":40}
"#;

/// The built-in exchange as a process; gone when dropped.
pub struct Exchange {
    process: Child,
    /// Where it is.
    pub url: String,
}

impl Exchange {
    /// Starts one with twelve markets that does what `script` says; `dir` takes the script.
    pub fn start(dir: &Path, script: &str) -> Exchange {
        Exchange::start_with(dir, script, &["--markets", "12"])
    }

    /// The same with other options.
    pub fn start_with(dir: &Path, script: &str, more: &[&str]) -> Exchange {
        let file = dir.join("script.jsonl");
        std::fs::write(&file, script).unwrap();
        let mut command = kflow(&["sim", "run", "--rate", "600", "--bind", "127.0.0.1:0"]);
        command.args(more).arg("--script").arg(&file).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap().split(' ').next().unwrap().to_owned();
        Exchange { process, url }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The deeds and fills of the one session below `data`, and the rules that they were done under.
pub(crate) fn journal(data: &Path) -> (ActorSpec, Vec<Deed>, Vec<Filled>) {
    let dir = std::fs::read_dir(data.join("trade")).unwrap().next().unwrap().unwrap().path();
    let about: Value =
        serde_json::from_slice(&std::fs::read(dir.join("trade.json")).unwrap()).unwrap();
    let spec = serde_json::from_value(about["spec"].clone()).unwrap();
    (spec, lines(&dir.join("decisions.jsonl")), lines(&dir.join("fills.jsonl")))
}

/// The lines of a file of one journal.
pub fn journal_in<T: serde::de::DeserializeOwned>(dir: &Path, name: &str) -> Vec<T> {
    lines(&dir.join(name))
}

fn lines<T: serde::de::DeserializeOwned>(file: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn trade(exchange: &Exchange, data: &Path, more: &[&str]) -> Value {
    let long = std::env::var_os("KFLOW_LONG").is_some();
    let time = if long { "120s" } else { "6s" };
    let words = ["trade", "--env", "sim", "--discover", "--json", "--for", time, "--url"];
    let mut command = kflow(&words);
    let out = run(command.arg(&exchange.url).args(more).arg("--data").arg(data));
    assert_eq!(out.code, 0, "{}", out.stderr);
    serde_json::from_str::<Value>(&out.stdout).unwrap()["data"].clone()
}

/// Trades the one session below `data` again, by its journal.
pub fn play_back(data: &Path, code: i32) -> (Value, String) {
    let dir = std::fs::read_dir(data.join("trade")).unwrap().next().unwrap().unwrap().path();
    let out = run(kflow(&["conformance", "trade", "--json"]).arg(dir));
    assert_eq!(out.code, code, "{}", out.stderr);
    (serde_json::from_str::<Value>(&out.stdout).unwrap()["data"].clone(), out.stderr)
}

/// Promise 3, live: through cuts, holes and new snapshots, every decision, order, fill and account of the live
/// session comes out of the log again, bit by bit.
#[test]
fn a_session_played_back_decides_what_it_decided_live() {
    let cases: [&[&str]; 2] = [
        &["--policy", "random", "--select", "all", "--quotes", "join,improve"],
        &["--policy", "hardcoded", "--hot", "4", "--spread-max", "50", "--seed", "9"],
    ];
    for options in cases {
        let dir = tempfile::tempdir().unwrap();
        let exchange = Exchange::start(dir.path(), SCRIPT);
        let data = dir.path().join("data");
        let told = trade(&exchange, &data, options);
        let (_, lived, filled) = journal(&data);
        assert!(lived.len() > 50 && lived.iter().any(|d| d.ordered), "{}: {told}", lived.len());
        assert!(!filled.is_empty(), "{told}");
        assert!(told["collected"]["gaps"].as_u64() > Some(0), "nothing was disturbed: {told}");
        assert!(lived.iter().all(|d| d.reason != Reason::Halted));
        let (outcome, _) = play_back(&data, 0);
        assert_eq!(outcome["cases"], lived.len() + filled.len() + 1, "each, and the report");
        assert_eq!(outcome["passed"], outcome["cases"]);
    }
}

/// The proof can fail: one figure of one row is changed, and it is named.
#[test]
fn a_journal_that_was_changed_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let data = dir.path().join("data");
    trade(&exchange, &data, &["--policy", "random", "--select", "all"]);
    let trade = std::fs::read_dir(data.join("trade")).unwrap().next().unwrap().unwrap().path();
    let file = trade.join("decisions.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replacen("\"equity_e6\":1", "\"equity_e6\":2", 1);
    assert_ne!(changed, text);
    std::fs::write(&file, changed).unwrap();
    let (outcome, why) = play_back(&data, 6);
    assert_eq!(outcome["failed"], 1);
    assert!(why.contains("equity_e6"), "{why}");
}

/// The journals below `data`, oldest first.
pub fn journals(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("trade")).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    dirs.sort();
    dirs
}

/// Waits until the newest session below `data` has decided so much.
pub fn has_decided(data: &Path, bytes: u64) {
    let many =
        |dir: &PathBuf| dir.join("decisions.jsonl").metadata().is_ok_and(|file| file.len() > bytes);
    while !journals(data).last().is_some_and(many) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// One data directory, three sessions, as a person has it: the first is killed in the middle, the others know other
/// markets and other numbers for them. Each comes out of the log again.
#[test]
fn sessions_of_one_directory_play_back_and_so_does_one_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let words = ["--policy", "random", "--select", "all", "--quotes", "join,improve"];
    let exchange = Exchange::start(dir.path(), SCRIPT);
    let mut command = kflow(&["trade", "--env", "sim", "--discover", "--url"]);
    command.arg(&exchange.url).args(words).arg("--data").arg(&data);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    has_decided(&data, 90_000);
    killed.kill().unwrap();
    killed.wait().unwrap();
    trade(&exchange, &data, &words);
    drop(exchange);
    let other = Exchange::start_with(dir.path(), "", &["--markets", "5", "--seed", "3"]);
    trade(&other, &data, &words);
    let journals = journals(&data);
    assert_eq!(journals.len(), 3);
    for (number, journal) in journals.iter().enumerate() {
        let out = run(kflow(&["conformance", "trade", "--json"]).arg(journal));
        assert_eq!(out.code, 0, "session {number}: {}", out.stderr);
        let outcome = &serde_json::from_str::<Value>(&out.stdout).unwrap()["data"];
        assert!(outcome["cases"].as_u64() > Some(20), "session {number}: {outcome}");
    }
    assert!(!journals[0].join("report.json").exists(), "it was killed");
}

/// A stop comes from outside the records; it is in the journal, and the session still plays back.
#[test]
fn a_session_that_a_person_stopped_plays_back() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), SCRIPT);
    let data = dir.path().join("data");
    let trading = std::thread::scope(|scope| {
        let trading = scope.spawn(|| {
            let words = ["--policy", "random", "--select", "all", "--quotes", "join,improve"];
            trade(&exchange, &data, &words)
        });
        has_decided(&data, 90_000);
        let killed = run(kflow(&["risk", "kill"]).arg("--data").arg(&data));
        assert_eq!(killed.code, 0, "{}", killed.stderr);
        trading.join().unwrap()
    });
    let (_, lived, _) = journal(&data);
    assert!(lived.iter().any(|d| d.ordered), "{trading}");
    let stopped = lived.iter().rposition(|d| d.ordered).unwrap();
    assert!(lived[stopped..].iter().any(|d| d.reason == Reason::Refused), "{trading}");
    assert_eq!(play_back(&data, 0).0["failed"], 0);
}

/// Promise 3, from end to end: exchange, collector, log, Parquet and pipeline on one side, what the actor saw
/// on the other, through gaps and reconnects: the same bits.
#[cfg(feature = "frames")]
#[test]
fn the_pipeline_gives_what_the_actor_saw() {
    use crate::export::features::in_files;
    use kalshiflow::features::Layout;
    use std::collections::BTreeMap;

    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), SCRIPT);
    let data = dir.path().join("data");
    let told = trade(&exchange, &data, &["--policy", "random", "--select", "all"]);
    assert!(told["collected"]["gaps"].as_u64() > Some(0), "nothing was disturbed: {told}");
    for words in [&["export"][..], &["features", "build"]] {
        let out = run(kflow(words).arg("--data").arg(&data));
        assert_eq!(out.code, 0, "{}", out.stderr);
    }
    let layout = Layout::default();
    let rows = in_files(&data, layout);
    let rows: BTreeMap<(String, i64), _> =
        rows.into_iter().map(|row| ((row.1, row.2), (row.3, row.6))).collect();
    let (_, lived, _) = journal(&data);
    for deed in &lived {
        let key = (deed.ticker.clone(), deed.row_id as i64);
        let Some((ts_us, bits)) = rows.get(&key) else {
            let near = rows.keys().filter(|k| k.0 == key.0 && (k.1 - key.1).abs() < 400);
            panic!("no row for {key:?} at {}: {:?}", deed.ts_ms, near.collect::<Vec<_>>());
        };
        assert_eq!(*ts_us, deed.ts_ms * 1_000);
        let seen: Vec<u32> = deed.obs[..layout.market_len()].iter().map(|v| v.to_bits()).collect();
        assert_eq!(&seen, bits, "{} after row {}", deed.ticker, deed.row_id);
    }
    // Rows that were nobody's decision: the last one of a market, and those that a gap closed.
    let cut = told["collected"]["gaps"].as_u64().unwrap() as usize + 3;
    let markets = told["markets"].as_u64().unwrap() as usize;
    assert!(lived.len() > 50 && rows.len() <= lived.len() + markets * cut, "{}", rows.len());
}

/// The same actor at an exchange: orders go out through the desk, and what became of them comes back.
#[test]
fn orders_go_to_the_exchange_and_come_back_as_fills() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let data = dir.path().join("data");
    let words =
        ["--policy", "random", "--select", "all", "--quotes", "join,improve", "--orders", "sim"];
    let told = trade(&exchange, &data, &words);
    let (_, lived, filled) = journal(&data);
    assert_eq!(told["orders_at"], "sim");
    assert!(told["fills"].as_u64() > Some(0) && !filled.is_empty(), "{told}");
    let sent: Vec<_> = lived.iter().flat_map(|deed| &deed.requests).collect();
    let of_ours = |fill: &Filled| {
        let named = |request: &&Request| match request {
            Request::Submit { id, order } => {
                *id == fill.fill.order && order.intent == fill.fill.intent
            }
            Request::Amend { .. } | Request::Cancel { .. } => false,
        };
        sent.iter().copied().any(|request| named(&request))
    };
    assert!(filled.iter().all(of_ours), "{filled:?}");
    // What was filled is what is held, here and there.
    let left = told["left_open"].as_array().unwrap();
    let held = left.iter().filter(|line| line.as_str().unwrap().ends_with("contracts held"));
    assert_eq!(Some(held.count() as u64), told["open_positions"].as_u64(), "{told}");
    assert_eq!(
        told["bracket_e6"][0], told["bracket_e6"][2],
        "an exchange leaves nothing to estimate"
    );
}

#[test]
fn what_cannot_trade_is_refused_before_any_network() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let missing = run(&mut kflow(&["trade", "--model", "nothing-there", "--data", data]));
    assert_ne!(missing.code, 0);
    assert!(
        missing.stderr.contains("nothing-there") || missing.stderr.contains("learn"),
        "{}",
        missing.stderr
    );
    let nobody = run(&mut kflow(&["trade", "--select", "config", "--env", "sim", "--data", data]));
    assert_eq!(nobody.code, 2, "{}", nobody.stderr);
    assert!(nobody.stderr.contains("hint: "), "{}", nobody.stderr);
    let both = run(&mut kflow(&["trade", "--model", "m", "--policy", "hold"]));
    assert_eq!(both.code, 2);
}
