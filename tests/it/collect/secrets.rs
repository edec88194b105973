//! Whole commands with a private key in their environment, at the loudest: no piece of it comes out again, on
//! no stream, in no file, and not on the socket for readers.

use super::command::{Running, await_rows, signal};
use crate::cli::{kflow, run};
use crate::client::canary::{KEYS, canaries};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const KEY_ID: &str = "a1b2c3d4";

/// `words` with the key `pem`, saying everything that they can.
fn loud(words: &[&str], pem: &str) -> Command {
    let mut command = kflow(words);
    command
        .env("KALSHI_API_KEY_ID", KEY_ID)
        .env("KALSHI_PRIVATE_KEY_CONTENT", pem)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1");
    command
}

/// Every byte of every file below `dir`.
fn contents(dir: &Path, heard: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, heard);
        } else if path.is_file() {
            heard.extend(std::fs::read(path).unwrap());
        }
    }
}

/// Everything that a collector, its exchange, a reader of it and refused commands say and write.
fn all_that_is_said(pem: &str, dir: &Path) -> Vec<u8> {
    let (data, truth) = (dir.join("data"), dir.join("truth"));
    let words = ["sim", "run", "--markets", "5", "--bind", "127.0.0.1:0", "--truth"];
    let mut exchange = loud(&words, pem);
    exchange.arg(&truth).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut exchange = exchange.spawn().unwrap();
    let mut lines = BufReader::new(exchange.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    let url = first.split(' ').next().unwrap();

    let words = ["collect", "--env", "demo", "--discover", "-vvv", "--min-free", "1MB", "--data"];
    let mut command = loud(&words, pem);
    command.arg(&data).args([
        "--export-every",
        "1s",
        "--audit-every",
        "1s",
        "--json",
        "--url",
        url,
    ]);
    let collector = Running::start(command);
    await_rows(&data, 1_000);
    let mut heard = Vec::new();
    for words in [
        &["data", "follow", "--json", "--lines", "500"][..],
        &["collect", "--markets", "NOBODY", "--env", "demo", "--url", url],
    ] {
        let out = run(loud(words, pem).arg("--data").arg(&data));
        heard.extend((out.stdout + &out.stderr).into_bytes());
    }
    // The same key where nobody knows it, cut short, and in a place where no key belongs.
    let words = ["collect", "--env", "demo", "--discover", "-vvv", "--url", url, "--data"];
    let mut stranger = loud(&words, pem);
    stranger.arg(dir.join("other")).env("KALSHI_API_KEY_ID", "somebody");
    let mut broken = loud(&words, &pem[..pem.len() / 2]);
    broken.arg(dir.join("other"));
    let mut path = loud(&words, "");
    path.arg(dir.join("other")).env("KALSHI_PRIVATE_KEY_PATH", PathBuf::from(pem));
    for (command, code) in [(&mut stranger, 4), (&mut broken, 3), (&mut path, 3)] {
        let out = run(command);
        assert_eq!(out.code, code, "{}", out.stderr);
        heard.extend((out.stdout + &out.stderr).into_bytes());
    }
    collector.signal("-INT");
    let (code, report, stderr) = collector.end();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("TRACE"), "nothing was traced: {stderr}");
    heard.extend((report.to_string() + &stderr).into_bytes());
    signal(&exchange, "-TERM");
    lines.read_to_end(&mut heard).unwrap();
    exchange.stderr.take().unwrap().read_to_end(&mut heard).unwrap();
    exchange.wait().unwrap();
    contents(dir, &mut heard);
    heard
}

#[test]
fn no_command_shows_a_piece_of_the_key() {
    for pem in KEYS {
        let dir = tempfile::tempdir().unwrap();
        let heard = all_that_is_said(pem, dir.path());
        let text = String::from_utf8_lossy(&heard).to_lowercase();
        for canary in canaries(pem) {
            assert!(!text.contains(&canary.to_lowercase()), "shown: {canary}");
        }
        assert!(text.contains("parquet") || text.contains("par1"), "the files were read");
    }
}
