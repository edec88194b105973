//! What the README shows is what the program does.

use crate::cli::{kflow, run};
use kalshiflow::features::Layout;
use kalshiflow::features::layout::markdown_table;
use std::sync::{Mutex, PoisonError};

/// Only one test at a time may rewrite the file.
static README: Mutex<()> = Mutex::new(());

/// Compares the text between `<!-- name -->` and the next `<!-- end -->` with `want`; rewrites it instead
/// when `KFLOW_UPDATE_README=1`.
#[track_caller]
fn check(name: &str, want: &str) {
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
