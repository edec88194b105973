//! `kflow dash` where there is no terminal, or nothing to look at; pictures and figures.

use super::fixture::collect_status;
use crate::cli::{kflow, run};
use kalshiflow::sim::tape::{TapeSpec, synthesize};
use kalshiflow::sim::write::write;
use kalshiflow::view::text::{of_bytes, of_count};
use serde_json::Value;
use std::path::Path;

fn dash(data: &Path, words: &[&str]) -> crate::cli::Output {
    run(kflow(&["dash", "--data"]).arg(data).arg("--run-dir").arg(data.join("runs")).args(words))
}

/// A recorded, synthetic market.
pub fn recorded(dir: &Path) -> std::path::PathBuf {
    let tape = synthesize(&TapeSpec { markets: 4, stagger_minutes: 1, ..TapeSpec::default() });
    write(&tape, &dir.join("tape")).unwrap();
    let data = dir.join("data");
    let out = run(kflow(&["import"]).arg(dir.join("tape")).arg("--data").arg(&data));
    assert_eq!(out.code, 0, "{}", out.stderr);
    data
}

#[test]
fn nothing_to_look_at_no_terminal_and_a_wrong_place_are_said_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dash(dir.path(), &[]);
    assert_eq!(empty.code, 3, "{}", empty.stderr);
    assert!(empty.stderr.contains("nothing to look at") && empty.stderr.contains("hint: "));
    let data = recorded(dir.path());
    let blind = dash(&data, &[]);
    assert_eq!(blind.code, 2, "{}", blind.stderr);
    assert!(blind.stderr.contains("is not a terminal") && blind.stderr.contains("--json"));
    assert_eq!(dash(&data, &["--json", "--at", "noon"]).code, 2);
    let nowhere = dash(&data, &["--market", "NOPE"]);
    assert_eq!(nowhere.code, 3, "{}", nowhere.stderr);
    assert!(nowhere.stderr.contains("has the market NOPE") && nowhere.stderr.contains("hint: "));
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let no_place = dash(&file, &[]);
    assert_eq!(no_place.code, 3, "{}", no_place.stderr);
    assert!(no_place.stderr.contains("is a file"), "{}", no_place.stderr);
    for out in [empty, blind, nowhere, no_place] {
        assert!(!out.stderr.contains("panicked"), "{}", out.stderr);
    }
}

/// What is refused for want of a terminal has begun nothing and removed nothing.
#[test]
fn a_dashboard_without_a_terminal_is_refused_before_anything_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    // As a former demo left it.
    std::fs::write(dir.path().join(".kflow-demo"), "").unwrap();
    std::fs::write(dir.path().join("kept"), "").unwrap();
    let entries = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = entries();
    let nobody = ["--env", "sim", "--url", "http://127.0.0.1:1", "--discover", "--data", place];
    let refuse = |words: &[&str]| {
        let out = run(&mut kflow(words));
        assert_eq!(out.code, 2, "{words:?}: {}", out.stderr);
        assert!(out.stderr.contains("a dashboard needs a terminal"), "{words:?}: {}", out.stderr);
        assert_eq!(entries(), before, "{words:?}");
    };
    refuse(&[&["collect", "--ui"][..], &nobody].concat());
    if cfg!(feature = "learn") {
        let random = ["trade", "--ui", "--policy", "random", "--run-dir", place];
        refuse(&[&random[..], &nobody].concat());
        refuse(&["train", "--ui", "--data", place, "--run-dir", place]);
    }
    if cfg!(all(feature = "frames", feature = "learn")) {
        refuse(&["demo", "--ui", "--dir", place]);
    }
}

/// What the algorithms write has the names under which the screen looks for it.
#[test]
#[cfg(feature = "learn")]
fn the_training_screen_has_a_curve_for_whatever_ppo_and_a2c_write() {
    use crate::registry::{ok, recorded};
    let dir = recorded();
    let of_both = [
        "reward per episode",
        "equity after an episode",
        "explained variance",
        "entropy loss",
        "value loss",
        "policy loss",
        "steps per second",
        "share of steps with a reward",
        "gradient norm",
        "steps per episode",
    ];
    let of_ppo = [&of_both[..], &["approx. KL", "clip fraction"]].concat();
    for (algo, curves) in [("ppo", of_ppo), ("a2c", of_both.to_vec())] {
        let words = ["train", "--algo", algo, "--seeds", "1", "--steps", "20000", "--json"];
        let params = ["-p", "n_steps=64", "-p", "log_interval=1"];
        let run_dir = ok(dir.path(), &[&words[..], &params].concat())["run_dir"].clone();
        let file = dir.path().join(format!("{algo}.txt"));
        let words = ["dash", "--screen", "training", "--size", "240x70", "--data"];
        let mut shot = kflow(&words);
        shot.current_dir(dir.path())
            .arg("datasets")
            .arg("--run-dir")
            .arg(run_dir.as_str().unwrap())
            .arg("--screenshot")
            .arg(&file);
        let out = run(&mut shot);
        assert_eq!(out.code, 0, "{}", out.stderr);
        let drawn = std::fs::read_to_string(file).unwrap();
        for curve in curves {
            assert!(drawn.contains(curve), "{algo}, {curve}:\n{drawn}");
        }
    }
}

#[test]
fn a_picture_of_the_tape_is_the_same_each_time_and_carries_the_badge() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let shot = |name: &str| {
        let file = dir.path().join(name);
        let words = ["--screen", "replay", "--at", "50%", "--size", "120x36", "--screenshot"];
        let out = dash(&data, &[&words[..], &[file.to_str().unwrap()]].concat());
        assert_eq!(out.code, 0, "{}", out.stderr);
        std::fs::read_to_string(file).unwrap()
    };
    let text = shot("one.txt");
    assert!(
        text.contains(" SIM ") && text.contains("spread ") && text.contains("STANDS x1"),
        "{text}"
    );
    assert_eq!(text, shot("two.txt"));
    let svg = shot("three.svg");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("SIM"));
    assert_eq!(svg, shot("four.svg"));
}

#[test]
fn the_figures_are_one_object_of_the_structure_that_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let out = dash(&data, &["--json"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let value: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(value["command"], "dash");
    let status: kalshiflow::view::Status = serde_json::from_value(value["data"].clone()).unwrap();
    let [session] = &status.sessions[..] else { panic!("{:?}", status.sessions) };
    let nobody = kalshiflow::view::Status { sessions: vec![session.clone()], ..Default::default() };
    assert_eq!(status, nobody, "nobody works here");
    // The picture of the same directory has the same figures.
    let file = dir.path().join("collector.txt");
    let words = ["--screen", "collector", "--screenshot", file.to_str().unwrap()];
    assert_eq!(dash(&data, &words).code, 0);
    let drawn = std::fs::read_to_string(file).unwrap();
    let row = drawn.lines().find(|line| line.contains(&session.source)).expect("the session");
    for figure in [of_count(session.records as f64), of_bytes(session.bytes as f64)] {
        assert!(row.contains(&figure), "{figure}: {row}");
    }
    // What a collector tells comes back as it was.
    let told = serde_json::to_string(&collect_status()).unwrap();
    let back: kalshiflow::view::CollectStatus = serde_json::from_str(&told).unwrap();
    assert_eq!(back, collect_status());
}
