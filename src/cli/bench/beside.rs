//! What a benchmark has beside itself: a process that serves, as an exchange is one, and a folder that goes away.

use crate::cli::exit::{Code, Failure};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// This program as a server of its own, killed when it is dropped.
pub(super) struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Its first word: where it is reached by HTTP.
    pub(super) url: String,
}

impl Server {
    /// Starts `kflow` with these words, and waits until it says where it listens.
    pub(super) fn start(words: &[&str]) -> Result<Server, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(words).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take();
        let stdout =
            stdout.ok_or_else(|| Failure::msg(Code::Runtime, "the server has no stdout"))?;
        let mut lines = BufReader::new(stdout);
        let mut urls = String::new();
        lines.read_line(&mut urls)?;
        let url = urls.split_whitespace().next().unwrap_or_default().to_owned();
        Ok(Server { child, lines, url })
    }

    /// Its next line.
    pub(super) fn line(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It serves until it is killed; a process that is gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that is removed with its content.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Scratch, Failure> {
        let name = format!("kflow-bench-{}", uuid::Uuid::now_v7());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed from the temporary folder, the system removes.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
