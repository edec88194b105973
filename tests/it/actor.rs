//! `kflow trade` against the built-in exchange: what was decided live is what the log decides again.

use crate::cli::{kflow, run};
use kalshiflow::actor::{ActorSpec, Deed, Filled, Reason};
use kalshiflow::env::account::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

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

/// `kflow trade` in a process of its own; gone when dropped.
pub struct Trading {
    process: Child,
    /// Sessions below the data directory before this one.
    before: usize,
    data: PathBuf,
    /// Where its talk goes.
    said: PathBuf,
}

impl Trading {
    /// Starts one that trades on `exchange` until it is told to end.
    pub fn start(exchange: &Exchange, data: &Path, more: &[&str]) -> Trading {
        let before = journals(data).len();
        let mut command = kflow(&["trade", "--env", "sim", "--discover", "--json", "--url"]);
        command.arg(&exchange.url).args(more).arg("--data").arg(data).stdout(Stdio::piped());
        let said = data.with_extension(format!("{before}.stderr"));
        let process = command.stderr(File::create(&said).unwrap()).spawn().unwrap();
        Trading { process, before, data: data.to_owned(), said }
    }

    /// The journal of this session, once there is one.
    fn journal(&self) -> Option<PathBuf> {
        journals(&self.data).into_iter().nth(self.before)
    }

    /// Waits until its decisions are so many bytes more.
    pub fn decides(&mut self, bytes: u64) {
        let size = |session: &Trading| {
            let file = session.journal()?.join("decisions.jsonl");
            Some(file.metadata().ok()?.len())
        };
        let wanted = size(self).unwrap_or(0) + bytes;
        let give_up = Instant::now() + PATIENCE;
        while size(self).is_none_or(|size| size < wanted) {
            assert!(self.process.try_wait().unwrap().is_none(), "it has ended: {}", self.talk());
            assert!(Instant::now() < give_up, "it does not decide: {}", self.talk());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn talk(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Ends it; what it says of itself.
    pub fn end(mut self) -> Value {
        self.signal(Signal::INT);
        let mut stdout = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(130), "{}", self.talk());
        serde_json::from_str::<Value>(&stdout).unwrap()["data"].clone()
    }
}

impl Drop for Trading {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A session of some seconds, and as long as it takes for enough decisions.
pub(crate) fn trade(exchange: &Exchange, data: &Path, more: &[&str]) -> Value {
    let long = std::env::var_os("KFLOW_LONG").is_some();
    let mut session = Trading::start(exchange, data, more);
    session.decides(1);
    std::thread::sleep(Duration::from_secs(if long { 120 } else { 6 }));
    session.decides(1);
    session.end()
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

/// One data directory, three sessions, as a person has it: the first is killed in the middle, the others know other
/// markets and other numbers for them. Each comes out of the log again.
#[test]
fn sessions_of_one_directory_play_back_and_so_does_one_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let words = ["--policy", "random", "--select", "all", "--quotes", "join,improve"];
    let exchange = Exchange::start(dir.path(), SCRIPT);
    let mut killed = Trading::start(&exchange, &data, &words);
    killed.decides(90_000);
    drop(killed);
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
    let words = ["--policy", "random", "--select", "all", "--quotes", "join,improve"];
    let mut session = Trading::start(&exchange, &data, &words);
    session.decides(90_000);
    let killed = run(kflow(&["risk", "kill"]).arg("--data").arg(&data));
    assert_eq!(killed.code, 0, "{}", killed.stderr);
    session.decides(60_000);
    let trading = session.end();
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
