//! `kflow search` and what else keeps a person from fooling himself: tries are counted, seeds and windows are
//! pooled, and neither threads nor interruptions change a byte.

use crate::cli::{Output, kflow, run};
use kalshiflow::sim::tape::{Edge, TapeSpec, synthesize};
use kalshiflow::sim::write::write;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A folder with a log of a synthetic tape.
fn recorded(spec: &TapeSpec) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    write(&synthesize(spec), &dir.path().join("tape")).expect("written");
    call(dir.path(), &["import", "tape", "--json"]);
    dir
}

fn output(dir: &Path, words: &[&str]) -> Output {
    run(kflow(words).current_dir(dir))
}

/// The data of a command that prints JSON.
#[track_caller]
fn call(dir: &Path, words: &[&str]) -> Value {
    let out = output(dir, words);
    assert_eq!(out.code, 0, "{words:?}: {}", out.stderr);
    let envelope: Value = serde_json::from_str(&out.stdout).expect("JSON");
    envelope["data"].clone()
}

/// A search that takes a second: tiny networks, few steps.
const QUICK: [&str; 13] = [
    "search",
    "--json",
    "-p",
    "n_steps=64",
    "-p",
    "n_epochs=2",
    "-p",
    "net_arch=[8]",
    "-p",
    "batch_size=128",
    "--steps",
    "1024",
    "--seeds",
];

/// The bar: on a tape where nobody can gain, a search of many trials ends with "no evidence", and its report
/// says how often was tried. One tape by default, ten with `KFLOW_LONG=1`.
#[test]
fn the_best_of_many_tries_on_a_fair_tape_is_no_evidence() {
    let tapes = if std::env::var("KFLOW_LONG").is_ok_and(|v| v == "1") { 10 } else { 2 };
    for seed in 0..tapes {
        let dir = recorded(&TapeSpec { seed, markets: 130, steps: 40, ..TapeSpec::default() });
        let words = [&QUICK[..], &["1", "--trials", "24", "--report", "report.html"]].concat();
        let found = call(dir.path(), &words);
        let eval = &found["eval"];
        assert_ne!(eval["verdict"], "beats holding", "seed {seed}: {}", eval["reason"]);
        assert_ne!(eval["verdict"], "no verdict", "seed {seed}: {}", eval["reason"]);
        assert_eq!((&found["tries"], &eval["tries"]["tries"]), (&24.into(), &24.into()));
        assert!(eval["reason"].as_str().is_some_and(|r| r.contains("after 24 tries")));
        assert!(found["overfitting"].as_f64().is_some_and(|p| (0.0..=1.0).contains(&p)));
        // Chosen by what it showed on the validation markets, the best of all.
        let sharpe = |trial: &Value| trial["sharpe"].as_f64().unwrap_or(0.0);
        let trials = found["trials"].as_array().expect("trials");
        assert_eq!(trials.len(), 24);
        assert!(trials.iter().all(|t| sharpe(t) <= sharpe(&found["winner"])));
        let page = std::fs::read_to_string(dir.path().join("report.html")).expect("report");
        assert!(page.contains("It is the best of 24 tries"), "the report counts them too");
    }
}

/// A version that was registered from a search, or a folder that was copied out of it, was chosen all the same: its
/// judge still counts the tries. A version of several models once forgot them.
#[test]
fn the_number_of_tries_goes_wherever_the_winner_goes() {
    let dir = recorded(&TapeSpec { markets: 110, steps: 40, ..TapeSpec::default() });
    for (name, split) in [("whole", "time"), ("windows", "walk-forward:3")] {
        let found =
            call(dir.path(), &[&QUICK[..], &["1", "--trials", "3", "--split", split]].concat());
        let run = found["runs"][0].as_str().expect("run");
        call(dir.path(), &["models", "register", run, "--name", name, "--json"]);
        call(dir.path(), &["models", "alias", name, "candidate", "--json"]);
        let copy = format!("{name}-copied");
        let copied = Command::new("cp").args(["-r", run, &copy]).current_dir(dir.path()).status();
        assert!(copied.expect("copied").success());
        let alias = format!("{name}@candidate");
        for word in [run, name, &alias, &format!("{name}:1"), &copy] {
            let judged = call(dir.path(), &["eval", word, "--json"]);
            let reason = judged["reason"].as_str().expect("reason");
            assert!(reason.contains("after 3 tries"), "{split}, {word}: {reason}");
        }
    }
}

/// What a search found out about its winner was in the search's folder alone: the registry called it "not judged", and
/// `champion` stayed shut until a person judged it again.
#[test]
fn the_winner_is_in_the_registry_with_its_judgement_and_its_tries() {
    let dir = recorded(&TapeSpec { markets: 110, steps: 40, ..TapeSpec::default() });
    let dir = dir.path();
    let out = output(dir, &["search", "--name", "a/b"]);
    assert!(out.code == 3 && out.stderr.contains("a/b"), "{}", out.stderr);
    assert!(!dir.join("checkpoints").exists(), "refused before the work");

    let gold = call(dir, &[&QUICK[..], &["2", "--trials", "3", "--name", "gold"]].concat());
    assert_eq!(gold["models"], serde_json::json!(["gold:1", "gold:2"]));
    for (version, run) in ["gold:1", "gold:2"].iter().zip(gold["runs"].as_array().expect("runs")) {
        let shown = call(dir, &["models", "show", version, "--json"]);
        let (judged, eval) = (&shown["evaluation"], &gold["eval"]);
        assert_eq!((&judged["tries"], &judged["seeds"]), (&3.into(), &2.into()));
        assert_eq!(judged["verdict"], eval["verdict"]);
        assert!(judged["markets"].as_u64() > Some(0), "{judged}");
        assert!(run.as_str().expect("run").ends_with(shown["source"].as_str().expect("source")));
    }
    let card = std::fs::read_to_string(dir.join("checkpoints/models/gold/v2/MODEL.md"));
    let card = card.expect("card");
    assert!(card.contains("2 seeds together, the best of 3 tries"), "{card}");
    let champion = call(dir, &["models", "alias", "gold", "champion", "--json"]);
    assert_eq!(champion["status"], "deployed");

    // Without a name it has that of its folder; asked again for its result, a search registers nothing twice.
    let words = [&QUICK[..], &["1", "--trials", "1"]].concat();
    let other = call(dir, &words);
    let folder = place(dir, &other);
    let resume = ["search", "--json", "--resume", folder.to_str().expect("path")];
    assert_eq!(call(dir, &resume)["models"], other["models"]);
    let own = other["models"][0].as_str().expect("model");
    assert_eq!(own, format!("{}:1", folder.file_name().expect("name").to_string_lossy()));
    let compared = call(dir, &["models", "compare", "gold", own, "--json"]);
    let differences = compared["differences"].as_array().expect("differences");
    let tries = differences.iter().find(|d| d["what"] == "evaluation.tries").expect("tries");
    assert_eq!((&tries["a"], &tries["b"]), (&3.into(), &1.into()));
}

/// Every file of the search that must not depend on threads, clock or luck, with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            let name = path.file_name().expect("name").to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if !name.contains("tfevents") && name != "timing.jsonl" && name != "env.json" {
                let inside = path.strip_prefix(dir).expect("inside").to_owned();
                found.insert(inside, std::fs::read(&path).expect("bytes"));
            }
        }
    }
    found
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (files(one), files(other));
    assert!(one.keys().eq(other.keys()), "{:?}\n{:?}", one.keys(), other.keys());
    for (name, bytes) in &one {
        assert!(other[name] == *bytes, "{} differs", name.display());
    }
}

fn place(dir: &Path, found: &Value) -> PathBuf {
    dir.join(found["dir"].as_str().expect("dir"))
}

/// Killed while it works, torn in the middle of a line, on other numbers of threads: the same bytes.
#[test]
fn threads_and_interruptions_change_nothing() {
    let dir = recorded(&TapeSpec { markets: 60, steps: 40, ..TapeSpec::default() });
    let words = [&QUICK[..], &["2", "--trials", "9", "--method", "halving"]].concat();
    let whole = place(dir.path(), &call(dir.path(), &[&words[..], &["--threads", "1"]].concat()));
    let side_by_side =
        place(dir.path(), &call(dir.path(), &[&words[..], &["--threads", "4"]].concat()));
    assert_same(&whole, &side_by_side);

    let runs = dir.path().join("killed");
    let mut child = kflow(&[&words[..], &["--run-dir", "killed", "--threads", "2"]].concat())
        .current_dir(dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("started");
    let search = first_lines(&runs, 2);
    child.kill().expect("killed");
    child.wait().expect("gone");
    let journal = search.join("trials.jsonl");
    let mut text = std::fs::read(&journal).expect("journal");
    text.extend_from_slice(b"{\"trial\":8,\"ru");
    std::fs::write(&journal, text).expect("torn");
    let found = call(dir.path(), &["search", "--json", "--resume", search.to_str().expect("path")]);
    assert_eq!(found["trials"].as_array().map(Vec::len), Some(9 + 3 + 1));
    assert_same(&whole, &search);
}

/// The search below `runs`, once its journal has so many lines.
fn first_lines(runs: &Path, lines: usize) -> PathBuf {
    let begun = Instant::now();
    loop {
        let searches = std::fs::read_dir(runs).into_iter().flatten().flatten();
        for search in searches.map(|entry| entry.path()) {
            let journal = std::fs::read_to_string(search.join("trials.jsonl")).unwrap_or_default();
            if journal.lines().count() >= lines {
                return search;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "no line in two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_cannot_be_searched_is_refused_with_the_next_step() {
    let dir = recorded(&TapeSpec { markets: 30, steps: 40, ..TapeSpec::default() });
    let refused = |words: &[&str], code, part: &str| {
        let out = output(dir.path(), &[&["search"], words].concat());
        assert_eq!(out.code, code, "{words:?}: {}", out.stderr);
        assert!(out.stderr.contains(part) && out.stderr.contains("hint: "), "{}", out.stderr);
    };
    refused(&["--split", "markets"], 3, "leaves no market to choose by");
    refused(&["--split", "sessions"], 3, "1 sessions");
    refused(&["-s", "seed=1|2"], 3, "not searched");
    refused(&["-s", "learning_rate=log:0..1"], 3, "logarithm");
    refused(&["-s", "gamma=2|3"], 3, "gamma must lie in 0..=1");
    refused(&["-s", "colour=red|blue"], 3, "no parameter is called `colour`");
    refused(&["--data", "nowhere"], 3, "nowhere");
    refused(&["--resume", "nowhere"], 5, "nowhere");

    let words = [&QUICK[..], &["1", "--trials", "1"]].concat();
    let search = place(dir.path(), &call(dir.path(), &words));
    let resume = ["--resume", search.to_str().expect("path")];
    let held = kalshiflow::agent::checkpoint::RunDir::claim(&search).expect("claimed");
    refused(&resume, 3, "another process");
    drop(held);
    std::fs::write(search.join("trials.jsonl"), "{\"trial\":0}\n").expect("damaged");
    refused(&resume, 5, "line 1");
    let more = TapeSpec {
        seed: 8,
        markets: 3,
        steps: 40,
        start_ms: 1_800_000_000_000,
        ..TapeSpec::default()
    };
    write(&synthesize(&more), &dir.path().join("more")).expect("written");
    call(dir.path(), &["import", "more", "--json"]);
    refused(&resume, 5, "other data");
}

/// Seeds, windows, another model and the columns, through the commands of a user.
#[test]
fn windows_seeds_and_another_model_are_judged_together() {
    let edge = Edge::TouchImbalance { per_mille: 400 };
    let spec = TapeSpec { markets: 70, steps: 40, spread_e3: 400, edge, ..TapeSpec::default() };
    let dir = recorded(&spec);
    let train = |words: &[&str]| {
        let quick =
            ["train", "--json", "-p", "n_steps=64", "--steps", "1500", "--split", "walk-forward:3"];
        let trained = call(dir.path(), &[&quick[..], words].concat());
        let runs = trained["runs"].as_array().expect("runs").clone();
        runs.iter().map(|r| r["run_dir"].as_str().expect("dir").to_owned()).collect::<Vec<_>>()
    };
    let seeds = train(&[]);
    let other = train(&["--seeds", "1", "--seed", "9", "-p", "gamma=0.9"]);
    let words =
        ["eval", "--json", "--importance", "--report", "report.html", "--against", &other[0]];
    let judged = call(dir.path(), &[&words[..], &[&seeds[0], &seeds[1], &seeds[2]]].concat());
    assert_eq!(judged["protocol"], "walk_forward");
    assert_eq!(judged["seeds"].as_array().map(Vec::len), Some(3), "as many as there are");
    let reason = judged["reason"].as_str().expect("reason");
    assert!(reason.contains("95 % interval") && reason.ends_with("3 seeds"), "{reason}");
    assert_eq!(judged["comparison"]["markets"], judged["policies"][0]["markets"]);
    let columns = judged["importance"].as_array().expect("columns");
    assert_eq!(columns.len(), 52);
    let drop = |c: &Value| c["drop"].as_f64().expect("number");
    assert!(columns.is_sorted_by(|a, b| drop(a) >= drop(b)));
    assert!(columns.iter().any(|c| c["changed"].as_f64().is_some_and(|share| share > 0.0)));
    let calibration = &judged["calibration"];
    assert!(calibration["brier_mid"].as_f64().is_some_and(|b| (0.1..0.3).contains(&b)));
    assert_eq!(judged["actions_over_life"].as_array().map(Vec::len), Some(10));
    let page = std::fs::read_to_string(dir.path().join("report.html")).expect("report");
    for part in [
        "Calibration",
        "Learning: rollout/ep_rew_mean",
        "Every seed by itself",
        "Every held-out market",
        "What the policy looks at",
        "Beside another model",
        "walk forward",
        "Actions in the course",
        "How far fills matter",
        "trained from 3 seeds",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("NaN"));

    // One seed of three is a choice, and the result says so; two recipes are no seeds.
    let alone = call(dir.path(), &["eval", "--json", &seeds[1]]);
    let notes = alone["warnings"].to_string();
    assert!(notes.contains("2 other seeds that are not judged"), "{notes}");
    let out = output(dir.path(), &["eval", &seeds[0], &other[0]]);
    assert!(out.code == 5 && out.stderr.contains("training parameters"), "{}", out.stderr);
    let out = output(dir.path(), &["eval", &seeds[0], &seeds[1], &seeds[0]]);
    assert!(out.code == 5 && out.stderr.contains("the same models"), "{}", out.stderr);
}
