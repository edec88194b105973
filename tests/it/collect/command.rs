//! `kflow collect` as a process: signals, exit codes, what stands on which stream.

use crate::cli::{kflow, run};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An exchange that talks, until dropped.
struct Exchange {
    process: Child,
    url: String,
}

impl Exchange {
    fn start() -> Exchange {
        let words = ["bench", "load", "--markets", "5", "--seconds", "300", "--rate", "2000"];
        let mut process = kflow(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        // What it says later must find somebody who reads.
        std::thread::spawn(move || lines.count());
        let url = first.split(' ').next().unwrap().to_owned();
        Exchange { process, url }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A collector that runs.
pub struct Running {
    process: Child,
    stderr: std::thread::JoinHandle<String>,
}

fn collect(url: &str, data: &Path, more: &[&str]) -> Command {
    let words = ["collect", "--env", "sim", "--discover", "--json", "--min-free", "1MB", "--url"];
    let mut command = kflow(&words);
    command.args([url, "--data"]).arg(data).args(more);
    command
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = process.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        Running { process, stderr }
    }

    pub fn signal(&self, name: &str) {
        signal(&self.process, name);
    }

    /// Exit code, the JSON of stdout, and the text of stderr.
    pub fn end(mut self) -> (Option<i32>, Value, String) {
        let mut stdout = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let code = self.process.wait().unwrap().code();
        (code, serde_json::from_str(&stdout).unwrap_or(Value::Null), self.stderr.join().unwrap())
    }
}

/// Sends the signal `name`, like `-TERM`.
pub fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &process.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Waits until the collector on `data` has committed `rows` rows, as its socket tells.
pub fn await_rows(data: &Path, rows: u64) {
    let give_up = Instant::now() + super::PATIENCE;
    while Instant::now() < give_up {
        let mut follow = kflow(&["data", "follow", "--json", "--lines", "2", "--data"]);
        let out = run(follow.arg(data));
        let status = out.stdout.lines().nth(1).and_then(|l| serde_json::from_str::<Value>(l).ok());
        if status.is_some_and(|s| s["status"]["committed"].as_u64() >= Some(rows)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nothing was committed");
}

#[test]
fn sigterm_flushes_seals_and_tells_what_came_of_it() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let collector = Running::start(collect(&exchange.url, dir.path(), &["--export-every", "1h"]));
    await_rows(dir.path(), 1_000);
    collector.signal("-TERM");
    let (code, out, stderr) = collector.end();
    assert_eq!(code, Some(143), "{stderr}");
    let data = &out["data"];
    assert_eq!(
        (out["command"].as_str(), data["cause"].as_str()),
        (Some("collect"), Some("sigterm"))
    );
    for key in ["missing", "gaps", "reconnects", "bad", "duplicates"] {
        assert_eq!(data[key], 0, "{key}");
    }
    let number = |key: &str| data[key].as_u64().unwrap();
    assert!(number("committed") > number("received"), "frames, and a definition of each market");
    assert!(data["lag_ms"]["p50"].is_number() && data["lag_ms"]["p99"].is_number());
    assert!(data["exported_files"].as_u64() > Some(0));
    let absolute = dir.path().canonicalize().unwrap();
    for text in ["[SIM]", "flushing", "ended by sigterm", absolute.to_str().unwrap()] {
        assert!(stderr.contains(text), "{text} is missing in:\n{stderr}");
    }
    assert!(!stderr.contains("error:"), "{stderr}");
    let (log, rows) = super::rows(dir.path());
    assert_eq!(rows.len() as u64, number("committed"));
    let session = &log.sessions()[0];
    assert_eq!(session.cause.as_deref(), Some("sigterm"));
    assert!(session.meta.source.starts_with("sim:"));
    assert!(session.meta.flags.contains(&"use_yes_price=false".to_owned()));
    assert_eq!(session.counts.markets, 5);
}

/// The log's last segments leave no hole when they go; what was exported of them tells.
#[test]
fn a_lost_end_of_the_log_is_found_by_what_was_exported() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    for _ in 0..2 {
        let more = ["--for", "4s", "--export-every", "1h"];
        assert_eq!(Running::start(collect(&exchange.url, dir.path(), &more)).end().0, Some(0));
    }
    let verify = || run(kflow(&["data", "verify", "--data"]).arg(dir.path()));
    assert_eq!(verify().code, 0);
    let last = crate::rows::files(dir.path(), "redb").pop().unwrap();
    std::fs::remove_file(last).unwrap();
    let out = verify();
    assert_eq!(out.code, 5, "{}", out.stdout);
    assert!(out.stdout.contains("were exported, 0 are here"), "{}", out.stdout);
}

#[test]
fn whoever_follows_hears_that_the_collector_was_killed() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let mut collector = Running::start(collect(&exchange.url, dir.path(), &[]));
    await_rows(dir.path(), 100);
    let mut follow = kflow(&["data", "follow", "--data"]);
    let follow = follow.arg(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(follow.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    collector.process.kill().unwrap();
    collector.process.wait().unwrap();
    let mut text = String::new();
    follow.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(follow.wait().unwrap().code(), Some(1));
    assert!(text.contains("gone without a word") && text.contains("hint: "), "{text}");
    // The next one says what is missing.
    let (code, _, stderr) =
        Running::start(collect(&exchange.url, dir.path(), &["--for", "4s"])).end();
    assert_eq!(code, Some(0));
    assert!(stderr.contains("the session before was killed"), "{stderr}");
}

#[test]
fn waiting_for_space_ends_as_it_is_asked_to() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let wait = |more: &[&str]| {
        let more = [&["--min-free", "900TB", "--wait-for-space"], more].concat();
        let words = ["collect", "--env", "sim", "--discover", "--json", "--url"];
        let mut command = kflow(&words);
        command.arg(&exchange.url).args(more).arg("--data").arg(dir.path());
        Running::start(command)
    };
    let (code, out, stderr) = wait(&["--for", "2s"]).end();
    assert_eq!((code, out["data"]["cause"].as_str()), (Some(0), Some("finished")), "{stderr}");
    let waiting = wait(&[]);
    std::thread::sleep(Duration::from_secs(4));
    waiting.signal("-TERM");
    let (code, out, stderr) = waiting.end();
    assert_eq!((code, out["data"]["cause"].as_str()), (Some(143), Some("sigterm")), "{stderr}");
}

#[test]
fn a_real_key_in_the_environment_does_not_disturb_the_built_in_exchange() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let mut command = collect(&exchange.url, dir.path(), &["--for", "4s"]);
    command.env("KALSHI_API_KEY_ID", "a1b2").env("KALSHI_PRIVATE_KEY_PATH", "/nowhere.pem");
    let (code, _, stderr) = Running::start(command).end();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_data_directory_that_is_none_is_named() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for data in [file.clone(), file.join("below")] {
        let (code, out, stderr) = Running::start(collect(&exchange.url, &data, &[])).end();
        assert_eq!((code, out), (Some(1), Value::Null), "{stderr}");
        assert!(stderr.contains(data.to_str().unwrap()) && stderr.contains("hint: "), "{stderr}");
    }
}

#[test]
fn a_time_that_is_over_is_no_failure_and_the_summary_is_kept() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let file = dir.path().join("summary.json");
    let more = ["--for", "4s", "--summary-json", file.to_str().unwrap(), "--log-format", "json"];
    let (code, out, stderr) = Running::start(collect(&exchange.url, dir.path(), &more)).end();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(out["data"]["cause"], "finished");
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["data"]["committed"], out["data"]["committed"]);
    for line in stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "not JSON: {line}");
    }
    assert!(stderr.contains("\"status\""));
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_says_what_is_certain() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    // The export that follows the first signal waits for the dataset's lock, which the test holds.
    std::fs::create_dir_all(dir.path().join("v1")).unwrap();
    let lock = std::fs::File::create(dir.path().join("v1/LOCK")).unwrap();
    lock.lock().unwrap();
    let mut collector =
        Running::start(collect(&exchange.url, dir.path(), &["--export-every", "1h"]));
    await_rows(dir.path(), 100);
    // Two signals of one kind that nobody has looked at are one, and a second that comes late is a first one.
    let give_up = Instant::now() + super::PATIENCE;
    while collector.process.try_wait().unwrap().is_none() {
        assert!(Instant::now() < give_up, "it does not end");
        collector.signal("-INT");
        std::thread::sleep(Duration::from_millis(500));
    }
    let (code, out, stderr) = collector.end();
    assert_eq!((code, out), (Some(130), Value::Null), "{stderr}");
    assert!(stderr.contains("aborted: rows that were committed are on disk"), "{stderr}");
    super::rows(dir.path());
}

#[test]
fn a_second_collector_exits_with_3_and_names_the_first() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let first = Running::start(collect(&exchange.url, dir.path(), &[]));
    await_rows(dir.path(), 1);
    // Nobody listens at its address: it must not come so far as to notice.
    let second = run(&mut collect("http://127.0.0.1:1", dir.path(), &[]));
    assert_eq!(second.code, 3, "{}", second.stderr);
    assert!(second.stderr.contains(&first.process.id().to_string()), "{}", second.stderr);
    first.signal("-INT");
    assert_eq!(first.end().0, Some(130));
}

#[test]
fn what_keeps_a_collector_from_starting_has_its_code_and_its_hint() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut nobody = kflow(&["collect", "--env", "demo", "--data"]);
    nobody.arg(&data).current_dir(&dir).env("HOME", dir.path()).env_remove("XDG_CONFIG_HOME");
    for name in ["KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_PATH", "KALSHI_PRIVATE_KEY_CONTENT"] {
        nobody.env_remove(name);
    }
    let out = run(&mut nobody);
    assert_eq!(out.code, 3);
    assert!(
        out.stderr.contains("no exchange credentials")
            && out.stderr.contains("kflow collect --env sim")
    );

    let refused = run(&mut collect("http://127.0.0.1:1", &data, &[]));
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("hint:"), "{}", refused.stderr);

    let both = run(&mut collect("http://127.0.0.1:1", &data, &["--market", "A"]));
    assert_eq!(both.code, 2, "{}", both.stderr);
    let idle = run(kflow(&["data", "follow", "--data"]).arg(&data));
    assert_eq!(idle.code, 3, "{}", idle.stderr);
    assert!(!data.join("log").exists(), "nothing was begun");
}

#[test]
fn pruning_says_first_what_would_go_and_takes_it_only_when_told() {
    let (exchange, dir) = (Exchange::start(), tempfile::tempdir().unwrap());
    let done =
        run(&mut collect(&exchange.url, dir.path(), &["--for", "4s", "--export-every", "1h"]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let archive = dir.path().join("archive");
    let prune = |more: &[&str]| {
        let mut command = kflow(&["data", "prune", "--retain-days", "0", "--json", "--data"]);
        let out = run(command.arg(dir.path()).arg("--archive").arg(&archive).args(more));
        (out.code, serde_json::from_str::<Value>(&out.stdout).unwrap_or(Value::Null))
    };
    let (code, would) = prune(&["--dry-run"]);
    assert_eq!(code, 0);
    assert!(would["data"]["rows"].as_u64() > Some(100));
    assert_eq!(prune(&[]).0, 2, "nobody can be asked");
    let (code, done) = prune(&["--yes"]);
    assert_eq!((code, &done["data"]["rows"]), (0, &would["data"]["rows"]));
    assert_eq!(super::rows(dir.path()).1.len(), 0);
    assert!(std::fs::read_dir(&archive).unwrap().count() > 0);
    let export = run(kflow(&["export", "--data"]).arg(dir.path()));
    assert_eq!(export.code, 0, "{}", export.stderr);
}
