//! `kflow trade` against the built-in exchange: what was decided live is what the log decides again.

use crate::cli::{kflow, run};
use kalshiflow::actor::{Acting, ActorSpec, Deed, Reason, play_back};
use kalshiflow::agent::policy::{Hardcoded, Random};
use kalshiflow::env::Policy;
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

struct Exchange {
    process: Child,
    url: String,
}

impl Exchange {
    fn start(dir: &Path, script: &str) -> Exchange {
        let file = dir.join("script.jsonl");
        std::fs::write(&file, script).unwrap();
        let words = ["sim", "run", "--markets", "12", "--rate", "600", "--bind", "127.0.0.1:0"];
        let mut command = kflow(&words);
        command.arg("--script").arg(&file).stdout(Stdio::piped()).stderr(Stdio::null());
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

/// The deeds of the one session below `data`, and the rules that they were done under.
fn journal(data: &Path) -> (ActorSpec, Vec<Deed>) {
    let dir = std::fs::read_dir(data.join("trade")).unwrap().next().unwrap().unwrap().path();
    let about: Value =
        serde_json::from_slice(&std::fs::read(dir.join("trade.json")).unwrap()).unwrap();
    let text = std::fs::read_to_string(dir.join("decisions.jsonl")).unwrap();
    let deeds = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (serde_json::from_value(about["spec"].clone()).unwrap(), deeds)
}

fn trade(exchange: &Exchange, data: &Path, more: &[&str]) -> Value {
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
        (&["--policy", "random", "--select", "all"], || Box::<Random>::default()),
        (&["--policy", "hardcoded", "--hot", "4", "--spread-max", "50", "--seed", "9"], || {
            Box::<Hardcoded>::default()
        }),
    ];
    for (options, policy) in cases {
        let dir = tempfile::tempdir().unwrap();
        let exchange = Exchange::start(dir.path(), SCRIPT);
        let data = dir.path().join("data");
        let told = trade(&exchange, &data, options);
        let (spec, lived) = journal(&data);
        assert!(lived.len() > 50 && lived.iter().any(|d| d.ordered), "{}: {told}", lived.len());
        let log = Log::open(&data).unwrap();
        let session = log.sessions()[0].id();
        let acting = Acting { policy: policy(), model_hash: String::new() };
        let (again, report) = play_back(&log, session, spec, acting).unwrap();
        assert!(told["collected"]["gaps"].as_u64() > Some(0), "nothing was disturbed: {told}");
        assert_eq!(again.len(), lived.len());
        for (again, lived) in again.iter().zip(&lived) {
            assert_eq!(again, lived);
        }
        for (key, value) in serde_json::to_value(&report).unwrap().as_object().unwrap() {
            assert_eq!(&told[key], value, "{key}");
        }
        assert!(lived.iter().all(|d| d.reason != Reason::Halted));
    }
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
