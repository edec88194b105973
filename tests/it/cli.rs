//! The program from outside: what it prints where, and the code it exits with.

use std::process::{Command, Stdio};

/// What a run of the program gave.
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

/// The program with these words; the shared data are found as in the tests.
pub fn kflow(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kflow"));
    command.args(words).stdin(Stdio::null()).env("NO_COLOR", "1");
    if std::env::var_os("KFLOW_SHARED").is_none() {
        command.env("KFLOW_SHARED", concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    }
    command
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Output {
    let out = command.output().expect("the program starts");
    Output {
        code: out.status.code().expect("ended by itself"),
        stdout: String::from_utf8(out.stdout).expect("text"),
        stderr: String::from_utf8(out.stderr).expect("text"),
    }
}

#[test]
#[cfg(all(feature = "frames", feature = "learn"))]
fn help_names_every_command_and_the_exit_codes() {
    let out = run(&mut kflow(&["--help"]));
    assert_eq!(out.code, 0);
    for word in [
        "demo",
        "import",
        "export",
        "features",
        "train",
        "eval",
        "search",
        "env",
        "data",
        "conformance",
        "bench",
        "Exit codes",
    ] {
        assert!(out.stdout.contains(word), "{word} is missing in:\n{}", out.stdout);
    }
}

#[test]
fn a_wrong_word_is_a_usage_error() {
    assert_eq!(run(&mut kflow(&["colect"])).code, 2);
    assert_eq!(run(&mut kflow(&["import"])).code, 2);
}

#[test]
fn commands_on_an_empty_directory_name_the_next_step() {
    let dir = tempfile::tempdir().expect("tempdir");
    let data = dir.path().to_str().expect("path");
    let train: &[&str] =
        if cfg!(feature = "learn") { &["train", "--steps", "10"] } else { &["export"] };
    for words in [&["data", "ls"][..], &["export"], train] {
        let out = run(kflow(words).args(["--data", data]));
        assert_eq!(out.code, 3, "{words:?}: {}", out.stderr);
        assert!(
            out.stdout.is_empty() && out.stderr.contains("hint: "),
            "{words:?}: {}",
            out.stderr
        );
    }
}
