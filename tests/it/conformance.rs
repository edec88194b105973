//! `kflow conformance` as a person runs it: the binary, the golden files, the exit codes.

use crate::cli::{kflow, run};
use crate::shared::shared;
use serde_json::Value;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[track_caller]
fn passes(kind: &str, file: PathBuf, cases: u64) {
    let out = run(kflow(&["conformance", kind]).arg(file).arg("--json"));
    assert_eq!(out.code, 0, "{}", out.stderr);
    let result: Value = serde_json::from_str(&out.stdout).expect("one JSON object");
    assert_eq!(result["schema_version"], 1);
    assert_eq!(result["command"], "conformance");
    assert_eq!((&result["data"]["kind"], &result["data"]["failed"]), (&kind.into(), &0.into()));
    assert_eq!(result["data"]["cases"], cases);
}

#[test]
fn books_equal_the_oracle_on_every_window() {
    let Some(file) = shared("golden/books.jsonl") else { return };
    passes("books", file, 18);
}

#[test]
fn every_decrease_has_the_cause_that_the_oracle_gives_it() {
    let Some(file) = shared("golden/attribution.jsonl") else { return };
    passes("attribution", file, 18);
}

#[test]
fn every_shadow_order_fills_at_the_row_of_the_oracle_in_every_model() {
    let Some(file) = shared("golden/shadow.jsonl") else { return };
    passes("attribution", file, 8_253);
}

#[test]
fn one_changed_row_of_a_shadow_order_is_found() {
    let Some(file) = shared("golden/shadow.jsonl") else { return };
    let text = std::fs::read_to_string(file).expect("golden");
    let line = text.lines().next().expect("an order");
    let dir = tempfile::tempdir().expect("tempdir");
    for (from, to) in
        [("\"uniform\":2246", "\"uniform\":2247"), ("\"cross\":2251", "\"cross\":null")]
    {
        assert!(line.contains(from), "{from}");
        let changed = dir.path().join("shadow.jsonl");
        std::fs::write(&changed, line.replacen(from, to, 1)).expect("write");
        let out = run(kflow(&["conformance", "attribution"]).arg(&changed));
        assert_eq!(out.code, 6, "{from}: {}", out.stderr);
    }
}

#[test]
fn the_demo_session_accounts_for_every_sequence_number_and_fee() {
    let Some(file) = shared("golden/session.json") else { return };
    passes("session", file, 7);
}

#[test]
fn one_changed_digit_in_a_golden_session_is_found() {
    let Some(file) = shared("golden/session.json") else { return };
    let text = std::fs::read_to_string(file).expect("golden");
    let dir = tempfile::tempdir().expect("tempdir");
    for (from, to) in [
        ("\"deltas_fractional\": 0", "\"deltas_fractional\": 1"),
        ("54522", "54523"),
        ("2894", "2895"),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = dir.path().join("session.json");
        std::fs::write(&changed, text.replacen(from, to, 1)).expect("write");
        let out = run(kflow(&["conformance", "session"]).arg(&changed));
        assert_eq!(out.code, 6, "{from}: {}", out.stderr);
    }
}

#[test]
fn committed_golden_files_pass_through_the_binary() {
    passes("fees", golden("fees.jsonl"), 696);
    passes("ledger", golden("ledger.jsonl"), 216);
    passes("kalshiflow52", golden("kalshiflow52.jsonl"), 304);
    passes("flow52", golden("flow52_micro.jsonl"), 49);
}

#[test]
fn an_absent_tape_is_an_error_and_never_a_pass() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("books.jsonl");
    std::fs::write(&file, "{\"window\":\"KX-A\",\"checkpoints\":[]}\n").expect("write");
    let out = run(kflow(&["conformance", "books"]).arg(&file).arg("--tape").arg(dir.path()));
    assert_eq!(out.code, 3, "{}", out.stderr);
    assert!(out.stderr.contains("--tape"), "{}", out.stderr);
}

#[test]
fn a_file_of_another_form_is_refused() {
    let out = run(kflow(&["conformance", "fees"]).arg(golden("flow52_micro.jsonl")));
    assert_eq!(out.code, 5, "{}", out.stderr);
    let out = run(kflow(&["conformance", "ledger"]).arg("no/such/file"));
    assert_eq!(out.code, 5, "{}", out.stderr);
}
