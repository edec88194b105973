//! What the README shows is what the program does.

use crate::cli::{Output, kflow, run};
use kalshiflow::features::Layout;
use kalshiflow::features::layout::markdown_table;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use tempfile::TempDir;

/// Only one test at a time may rewrite the file.
static README: Mutex<()> = Mutex::new(());

/// Compares the text between `<!-- name -->` and the next `<!-- end -->` with `want`, as `view` shows
/// both; rewrites it instead when `KFLOW_UPDATE_README=1`.
#[track_caller]
fn check(name: &str, want: &str, view: fn(&str) -> String) {
    let _one = README.lock().unwrap_or_else(PoisonError::into_inner);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).expect("README.md");
    let mark = format!("<!-- {name} -->\n");
    let start =
        text.find(&mark).unwrap_or_else(|| panic!("README has no part {name}")) + mark.len();
    let len = text[start..].find("<!-- end -->").expect("end of the part");
    let have = &text[start..start + len];
    if have != want && std::env::var("KFLOW_UPDATE_README").is_ok_and(|v| v == "1") {
        let (before, after) = (&text[..start], &text[start + len..]);
        std::fs::write(path, format!("{before}{want}{after}")).expect("write");
        return;
    }
    assert_eq!(
        view(have),
        view(want),
        "README part `{name}` is stale; KFLOW_UPDATE_README=1 rewrites it"
    );
}

#[test]
fn the_table_of_observations_is_the_layout() {
    check("layout: flow52-v1", &markdown_table(Layout::Flow52V1), str::to_owned);
}

/// The folder in which the demo ran, and what it printed; it runs once for all tests.
fn demo() -> &'static (TempDir, Output) {
    static DEMO: OnceLock<(TempDir, Output)> = OnceLock::new();
    DEMO.get_or_init(|| {
        let dir = tempfile::tempdir().expect("tempdir");
        let out = run(kflow(&["demo", "--dir", "datasets/demo"]).current_dir(dir.path()));
        assert_eq!(out.code, 0, "{}", out.stderr);
        (dir, out)
    })
}

/// A model that was taken out of its run was once judged on every market there is, and praised for those that it had
/// been trained on.
#[test]
fn a_model_of_unknown_origin_gets_no_verdict() {
    let (dir, _) = demo();
    let edge = dir.path().join("datasets/demo/edge");
    let alone = dir.path().join("elsewhere/far/away");
    std::fs::create_dir_all(&alone).expect("mkdir");
    for file in std::fs::read_dir(edge.join("run/last")).expect("model") {
        let file = file.expect("entry");
        std::fs::copy(file.path(), alone.join(file.file_name())).expect("copy");
    }
    let eval = |model: &Path| {
        run(kflow(&["eval", "--json"]).arg(model).arg("--data").arg(edge.join("data")))
    };
    let out = eval(&alone);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let result: serde_json::Value = serde_json::from_str(&out.stdout).expect("JSON");
    assert_eq!(result["data"]["verdict"], "no verdict");
    assert_eq!(result["data"]["held_out"], false);
    // It was said to know more than the price, by the outcomes that it had learned from.
    assert!(result["data"]["calibration"].is_null(), "{}", result["data"]["calibration"]);
    // Inside its run the same file is known by the run's own notes.
    let out = eval(&edge.join("run/last"));
    let result: serde_json::Value = serde_json::from_str(&out.stdout).expect("JSON");
    assert_eq!(result["data"]["verdict"], "beats holding", "{}", out.stderr);
}

/// The demo's figures follow from its seed. What the network gives is the same on the same instruction set
/// only, so its rows are compared without their figures, and its verdict by the words that matter.
#[test]
fn the_transcript_is_what_the_demo_prints() {
    let (_, out) = demo();
    check("transcript: kflow demo", &format!("```text\n{}```\n", out.stdout), comparable);
    let verdicts: Vec<_> = out.stdout.lines().filter(|l| l.starts_with("ppo: ")).collect();
    let [edge, control] = verdicts[..] else { panic!("two verdicts: {verdicts:?}") };
    assert!(edge.starts_with("ppo: beats holding"), "{edge}");
    assert!(!control.starts_with("ppo: beats holding"), "{control}");
}

fn comparable(text: &str) -> String {
    let words = ["ppo", "untrained", "fills: ", "calibration: "];
    let learned = |line: &str| words.iter().any(|word| line.starts_with(word));
    let row = |line: &str| if learned(line) { "(learned)".to_owned() } else { line.to_owned() };
    text.lines().map(|line| row(line) + "\n").collect()
}
