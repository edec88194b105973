//! `kflow sim run` and `kflow sim soak` as a person starts them.

use super::PATIENCE;
use super::client::{Client, subscribe};
use kalshiflow::sim::truth::Truth;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn kflow(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kflow"));
    command.args(args);
    command
}

/// One line with both addresses, and after SIGTERM a clean end and a truth file that is complete.
#[test]
fn run_says_where_it_is_and_ends_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("truth.jsonl");
    let path = file.to_str().unwrap();
    let args = ["sim", "run", "--bind", "127.0.0.1:0", "--markets", "6", "--truth", path];
    let mut child = kflow(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (http, ws) = line.trim().split_once(' ').expect("two addresses");
    assert!(ws.starts_with("ws://127.0.0.1:") && ws.ends_with("/trade-api/ws/v2"), "{ws}");
    let address = http.strip_prefix("http://").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let last = runtime.block_on(async {
        let mut client = Client::connect(address).await;
        let tickers: Vec<String> = super::tickers(3);
        client.send(&subscribe(1, &["orderbook_delta"], &tickers)).await;
        let frames = tokio::time::timeout(PATIENCE, client.read(500)).await.expect("frames");
        frames.last().unwrap()["seq"].as_u64().unwrap()
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let truth = Truth::read(BufReader::new(std::fs::File::open(file).unwrap())).unwrap();
    let issued = &truth.connections[0].sids[&1];
    assert!(issued.frames.len() as u64 >= last);
}

#[test]
fn a_script_that_does_not_fit_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("faults.jsonl");
    std::fs::write(&file, "{\"at_ms\":1,\"do\":\"cut\"}\n{\"at_ms\":1,\"do\":\"fly\"}\n").unwrap();
    let args = ["sim", "run", "--bind", "127.0.0.1:0", "--script", file.to_str().unwrap()];
    let out = kflow(&args).output().unwrap();
    assert_eq!(out.status.code(), Some(3));
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("line 2") && said.contains("fly") && said.contains("hint:"), "{said}");
}

/// Faults of every kind, twice a second, for some seconds: nothing is lost, nothing invented.
#[test]
fn soak_accounts_for_every_message() {
    let minutes = if std::env::var("KFLOW_LONG").is_ok() { "10" } else { "0.2" };
    let args = [
        "sim",
        "soak",
        "--minutes",
        minutes,
        "--markets",
        "24",
        "--rate",
        "1000",
        "--faults",
        "120",
        "--json",
    ];
    let out = kflow(&args).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stdout));
    let result: Value = serde_json::from_slice(&out.stdout).unwrap();
    let comparison = &result["data"]["comparison"];
    assert_eq!((&comparison["lost"], &comparison["invented"]), (&Value::from(0), &Value::from(0)));
    // Far less than a machine with time for it hears: enough for the comparison to mean something.
    assert!(comparison["recorded"].as_u64() > Some(500), "{comparison}");
    assert!(comparison["books_checked"].as_u64() > Some(200), "{comparison}");
}
