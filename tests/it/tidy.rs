//! What a trading session leaves behind: its summary as it was asked for, and nothing where it could not start.

use crate::actor::Exchange;
use crate::cli::{kflow, run};
use serde_json::Value;

/// `--summary-json` was read and ignored, and the table printed beside a log in JSON, which `collect` leaves out.
#[test]
fn the_summary_of_trading_is_the_object_that_json_prints() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let file = dir.path().join("summary.json");
    for (format, json) in [("json", false), ("text", true)] {
        let words = ["trade", "--env", "sim", "--discover", "--for", "6s", "--policy", "hold"];
        let mut command = kflow(&words);
        command.args(["--url", &exchange.url, "--log-format", format]);
        command.arg("--summary-json").arg(&file).arg("--data").arg(dir.path().join(format));
        if json {
            command.arg("--json");
        }
        let out = run(&mut command);
        assert_eq!(out.code, 0, "{}", out.stderr);
        let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let heads = (&kept["schema_version"], &kept["command"], &kept["data"]["policy"]);
        assert_eq!(heads, (&1.into(), &"trade".into(), &"hold".into()));
        match json {
            true => assert_eq!(serde_json::from_str::<Value>(&out.stdout).unwrap(), kept),
            false => assert_eq!(out.stdout, "", "a program reads the log"),
        }
    }
}

/// The seeds' programs chose their policy by the environment; here that was passed over in silence.
#[test]
fn a_variable_of_the_seeds_that_is_not_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["trade", "--env", "sim", "--policy", "hold", "--select", "config"];
    let warned = |set: &[(&str, &str)]| {
        let mut command = kflow(&words);
        let out = run(command.envs(set.iter().copied()).arg("--data").arg(dir.path()));
        assert_eq!(out.code, 2, "no market is named: {}", out.stderr);
        out.stderr.lines().filter(|line| line.starts_with("warning: ")).count()
    };
    assert_eq!(warned(&[("RL_ACTOR_THROTTLE_MS", "400")]), 0, "it is read");
    assert_eq!(warned(&[("RL_ACTOR_STRATEGY", "rl_model"), ("RL_ACTOR_MODEL_PATH", "m.zip")]), 2);
}

/// The journal was begun before anybody knew whether there is an exchange; the dashboard took what was left of it
/// for the newest session.
#[test]
fn a_session_that_cannot_start_leaves_none() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = "http://127.0.0.1:1";
    let words = ["trade", "--env", "sim", "--discover", "--for", "6s", "--policy", "hold"];
    let paper: &[&str] = &["--url", nobody];
    let desk: &[&str] = &["--url", nobody, "--orders", "sim"];
    for more in [paper, desk] {
        let out = run(kflow(&words).args(more).arg("--data").arg(dir.path()));
        assert_eq!(out.code, 4, "{}", out.stderr);
        let sessions = std::fs::read_dir(dir.path().join("trade")).into_iter().flatten();
        assert_eq!(sessions.count(), 0, "{more:?}: {}", out.stderr);
    }
}
