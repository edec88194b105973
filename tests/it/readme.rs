//! What the README shows is what the program does.

use crate::cli::{kflow, run};
use kalshiflow::features::Layout;
use kalshiflow::features::layout::markdown_table;

fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    std::fs::read_to_string(path).expect("README.md")
}

/// The part between `<!-- name -->` and the next `<!-- end -->`.
fn part(name: &str) -> String {
    let text = readme();
    let from = format!("<!-- {name} -->\n");
    let start =
        text.find(&from).unwrap_or_else(|| panic!("README has no part {name}")) + from.len();
    let len = text[start..].find("<!-- end -->").expect("end of the part");
    text[start..start + len].to_owned()
}

/// Replaces the part when `KFLOW_UPDATE_README=1`, else compares.
#[track_caller]
fn check(name: &str, want: &str) {
    let have = part(name);
    if have == want {
        return;
    }
    if std::env::var("KFLOW_UPDATE_README").is_ok_and(|v| v == "1") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        std::fs::write(path, readme().replacen(&have, want, 1)).expect("write");
        return;
    }
    assert_eq!(have, want, "README part `{name}` is stale; KFLOW_UPDATE_README=1 rewrites it");
}

#[test]
fn the_table_of_observations_is_the_layout() {
    check("layout: flow52-v1", &markdown_table(Layout::Flow52V1));
}

/// The demo's figures follow from its seed alone, so that the transcript can be compared word by word.
#[test]
fn the_transcript_is_what_the_demo_prints() {
    let dir = tempfile::tempdir().expect("tempdir");
    let out = run(kflow(&["demo", "--dir", "datasets/demo"]).current_dir(dir.path()));
    assert_eq!(out.code, 0, "{}", out.stderr);
    check("transcript: kflow demo", &format!("```text\n{}```\n", out.stdout));
}
