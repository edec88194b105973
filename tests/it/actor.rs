//! `kflow trade` against the built-in exchange: what was decided live is what the log decides again.

use crate::cli::{kflow, run};
use kalshiflow::actor::{Acting, ActorSpec, Deed, Filled, Reason, play_back};
use kalshiflow::agent::policy::{Hardcoded, Random};
use kalshiflow::env::Policy;
use kalshiflow::env::account::Request;
use kalshiflow::store::Log;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

/// An exchange that is disturbed: cuts, holes, frames that come twice, silence.
const SCRIPT: &str = r#"{"after_frames":400,"do":"drop","n":3}
{"after_frames":900,"do":"cut"}
{"after_frames":1500,"do":"duplicate","n":5}
{"after_frames":2200,"do":"drop","n":40}
"#;

pub(crate) struct Exchange {
    process: Child,
    pub(crate) url: String,
}

impl Exchange {
    pub(crate) fn start(dir: &Path, script: &str) -> Exchange {
        Exchange::start_with(dir, script, &["--markets", "12"])
    }

    pub(crate) fn start_with(dir: &Path, script: &str, more: &[&str]) -> Exchange {
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

fn lines<T: serde::de::DeserializeOwned>(file: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn trade(exchange: &Exchange, data: &Path, more: &[&str]) -> Value {
    let words = ["trade", "--env", "sim", "--discover", "--json", "--for", "6s", "--url"];
    let mut command = kflow(&words);
    let out = run(command.arg(&exchange.url).args(more).arg("--data").arg(data));
    assert_eq!(out.code, 0, "{}", out.stderr);
    serde_json::from_str::<Value>(&out.stdout).unwrap()["data"].clone()
}

/// Promise 3, live: through cuts, holes and new snapshots, every decision, order, fill and account of the live
/// session comes out of the log again, bit by bit.
#[test]
fn a_session_played_back_decides_what_it_decided_live() {
    type Make = fn() -> Box<dyn Policy + Send>;
    let cases: [(&[&str], Make); 2] = [
        (&["--policy", "random", "--select", "all", "--quotes", "join,improve"], || {
            Box::<Random>::default()
        }),
        (&["--policy", "hardcoded", "--hot", "4", "--spread-max", "50", "--seed", "9"], || {
            Box::<Hardcoded>::default()
        }),
    ];
    for (options, policy) in cases {
        let dir = tempfile::tempdir().unwrap();
        let exchange = Exchange::start(dir.path(), SCRIPT);
        let data = dir.path().join("data");
        let told = trade(&exchange, &data, options);
        let (spec, lived, filled) = journal(&data);
        assert!(lived.len() > 50 && lived.iter().any(|d| d.ordered), "{}: {told}", lived.len());
        assert!(!filled.is_empty(), "{told}");
        let log = Log::open(&data).unwrap();
        let session = log.sessions()[0].id();
        let acting = Acting { policy: policy(), model_hash: String::new() };
        let (again, report) = play_back(&log, session, spec, acting).unwrap();
        assert!(told["collected"]["gaps"].as_u64() > Some(0), "nothing was disturbed: {told}");
        assert_eq!(again.deeds.len(), lived.len());
        for (again, lived) in again.deeds.iter().zip(&lived) {
            assert_eq!(again, lived);
        }
        assert_eq!(again.fills, filled);
        for (key, value) in serde_json::to_value(&report).unwrap().as_object().unwrap() {
            assert_eq!(&told[key], value, "{key}");
        }
        assert!(lived.iter().all(|d| d.reason != Reason::Halted));
    }
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
