//! Rows of the process: the collector as it is run by people, beside a second one, killed, suspended, and
//! under everything at once.

use super::network::{Case, Exchange, compare};
use super::{fast_dir, say, survived, times};
use kalshiflow::event::{SessionId, SessionMeta};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Log, StoreError, Writer};
use kalshiflow::units::TsNs;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_second_collector_is_refused_and_a_dead_ones_lock_is_free() {
    let n = times(50, 50);
    let dir = fast_dir();
    let session = |id: u8| SessionMeta {
        id: SessionId([id; 16]),
        source: "sim:seed=1".into(),
        exchange_env: "sim".into(),
        started: TsNs(1),
        flags: Vec::new(),
        inputs: Vec::new(),
    };
    let mut alive = 0;
    for i in 0..n {
        let first = Writer::open(dir.path(), session(i as u8 + 1)).unwrap();
        let second = Writer::open(dir.path(), session(200));
        let mut command = Command::new(env!("CARGO_BIN_EXE_kflow"));
        command.args(["collect", "--env", "sim", "--url", "http://127.0.0.1:9", "--discover"]);
        let other = command.arg("--data").arg(dir.path()).stdout(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&other.stderr);
        let told = other.status.code() == Some(3) && text.contains(&std::process::id().to_string());
        drop(first); // what a kill does
        let free = Writer::open(dir.path(), session(100 + i as u8)).is_ok();
        alive += u64::from(matches!(second, Err(StoreError::Locked { .. })) && told && free);
    }
    survived("R18", "a second collector on one log: refused before any network", n, alive, 0);
}

/// The collector as a process of its own, killed at random moments while 5 000 messages a second come in.
#[test]
fn a_killed_collector_keeps_all_that_it_committed() {
    let n = times(50, 1_000);
    let dir = fast_dir();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let case = Case::new(1, String::new()).at_rate(5_000);
    let exchange = runtime.block_on(Exchange::serve(case.exchange()));
    let collect = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kflow"));
        command.args(["collect", "--env", "sim", "--discover", "--limit", "4", "--json"]);
        command.args(["--url", &exchange.url]).args(more).arg("--data").arg(dir.path());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut rng = Rng::stream(1, "kill", 0);
    let mut opened = 0;
    for _ in 0..n {
        let mut child = collect(&[]);
        std::thread::sleep(Duration::from_millis(100 + rng.below(900)));
        child.kill().unwrap();
        child.wait().unwrap();
        let log = Log::open(dir.path());
        opened += u64::from(log.is_ok_and(|log| log.problems().is_empty()));
    }
    let last = collect(&["--for", "5s"]).wait_with_output().unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stdout));
    let told = runtime.block_on(exchange.end());
    let comparison = compare(&told.truth, dir.path());
    assert!(comparison.holds(), "{comparison:?}");
    assert!(comparison.recorded > 1_000, "hardly anything was recorded: {comparison:?}");
    survived("R1", "SIGKILL of the collector at 5 000 messages/s", n, opened, comparison.lost);
}

/// A thousand books at once, then as many frames as the socket carries.
#[test]
fn a_burst_of_everything_is_taken_whole() {
    let n = times(3, 20);
    let mut alive = 0;
    for _ in 0..n {
        let mut seconds = 8;
        let whole = loop {
            match burst(seconds) {
                Burst::Whole => break true,
                // A slow machine is still reading when the time is over.
                Burst::Short if seconds < 64 => seconds *= 2,
                Burst::Short | Burst::Lost => break false,
            }
        };
        alive += u64::from(whole);
    }
    survived("R13", "1 000 markets at once, then a burst for 2 s: all committed", n, alive, 0);
}

/// What became of a burst.
enum Burst {
    Whole,
    /// Nothing that was read is missing, and not all was read.
    Short,
    Lost,
}

/// Collects a thousand markets and two seconds of everything, for so long.
fn burst(seconds: u64) -> Burst {
    let mut load = Command::new(env!("CARGO_BIN_EXE_kflow"));
    load.args(["bench", "load", "--markets", "1000", "--seconds", "2"]);
    let mut load = load.stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(load.stdout.take().unwrap()).lines();
    let urls = told.next().unwrap().unwrap();
    let dir = fast_dir();
    let mut collect = Command::new(env!("CARGO_BIN_EXE_kflow"));
    collect.args(["collect", "--env", "sim", "--discover", "--limit", "1000", "--json"]);
    collect.args(["--for", &format!("{seconds}s"), "--url"]);
    collect.arg(urls.split_whitespace().next().unwrap());
    let output = collect.arg("--data").arg(dir.path()).output().unwrap();
    let sent = told.next().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    load.kill().unwrap();
    load.wait().unwrap();
    let got: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (sent, got) = (&sent.unwrap_or_default()["data"], &got["data"]);
    // One remark of our own, the connection's, and the definitions come on top of the frames.
    let accounted = got["missing"] == 0
        && got["gaps"] == 0
        && got["reconnects"] == 0
        && got["committed"].as_u64() >= got["received"].as_u64();
    let frames = sent["frames"].as_u64();
    if accounted && frames.is_some() && got["received"].as_u64() == frames {
        return Burst::Whole;
    }
    say(&format!("{seconds} s: sent {sent}, got {got}"));
    if accounted && got["received"].as_u64() < frames { Burst::Short } else { Burst::Lost }
}

/// A laptop that sleeps: the process stands still longer than the exchange's patience with silence.
#[test]
fn a_process_that_was_suspended_goes_on_with_one_reconnect_at_most() {
    let n = times(5, 50);
    let dir = fast_dir();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let exchange = runtime.block_on(Exchange::serve(Case::new(2, String::new()).exchange()));
    let mut alive = 0;
    for _ in 0..n {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kflow"));
        command.args(["collect", "--env", "sim", "--discover", "--limit", "4", "--json"]);
        command.args(["--for", "8s", "--url", &exchange.url]).arg("--data").arg(dir.path());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
        std::thread::sleep(Duration::from_secs(2));
        signal(rustix::process::Signal::STOP);
        std::thread::sleep(Duration::from_secs(3));
        signal(rustix::process::Signal::CONT);
        let output = child.wait_with_output().unwrap();
        let got: Value = serde_json::from_slice(&output.stdout).unwrap();
        let reconnects = got["data"]["reconnects"].as_u64().unwrap();
        alive += u64::from(output.status.success() && reconnects <= 1);
    }
    let told = runtime.block_on(exchange.end());
    let comparison = compare(&told.truth, dir.path());
    assert!(comparison.holds(), "{comparison:?}");
    survived(
        "R14",
        "suspended for 3 s: one reconnect at most, nothing lost",
        n,
        alive,
        comparison.lost,
    );
}
