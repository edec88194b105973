//! Observations against their golden files, and the promises that no example can prove.

use crate::shared::shared;
use kalshiflow::check::{self, Outcome};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[track_caller]
fn check(outcome: Result<Outcome, check::CheckError>, cases: u64, tolerance: f64) {
    let outcome = outcome.expect("the golden file is read");
    assert_eq!(outcome.first_failure, None, "{outcome:?}");
    assert_eq!((outcome.cases, outcome.failed), (cases, 0));
    assert!(outcome.max_abs_diff <= tolerance, "{outcome:?}");
}

#[test]
fn flow52_equals_the_hand_checkable_event_lists() {
    check(check::flow52::run(&golden("flow52_micro.jsonl"), None), 49, 1e-7);
}

#[test]
fn flow52_equals_the_random_event_lists() {
    check(check::flow52::run(&golden("flow52_fuzz.jsonl"), None), 24, 1e-7);
}

#[test]
fn flow52_equals_the_accounts() {
    check(check::flow52::run(&golden("flow52_account.jsonl"), None), 100, 1e-7);
}

#[test]
fn flow52_equals_sampled_rows_of_the_tape() {
    let (Some(file), Some(tape)) = (shared("golden/flow52.jsonl"), shared("data/gold15m")) else {
        return;
    };
    check(check::flow52::run(&file, Some(&tape)), 520, 1e-7);
}

#[test]
fn flow52_rows_without_their_tape_are_an_error_and_not_a_pass() {
    let Some(file) = shared("golden/flow52.jsonl") else { return };
    let nowhere = Path::new("no/such/tape");
    for tape in [None, Some(nowhere)] {
        let outcome = check::flow52::run(&file, tape);
        assert!(matches!(outcome, Err(check::CheckError::NoTape(_))), "{outcome:?}");
    }
}

#[test]
fn kalshiflow52_equals_the_corrected_cases() {
    check(check::kalshiflow52::run(&golden("kalshiflow52.jsonl")), 304, 1e-6);
}

#[test]
fn kalshiflow52_equals_the_rows_of_whole_sessions() {
    check(check::kalshiflow52::run(&golden("kalshiflow52_sessions.jsonl")), 117, 1e-6);
}
