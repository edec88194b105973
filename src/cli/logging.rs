//! What the program says while it works, on stderr: lines for people, or JSON for machines.

use clap::ValueEnum;
use std::io::{self, Write};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// Options of commands that run for long.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct LogArgs {
    /// Form of the log lines on stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Say more; twice: everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Plain stderr, for commands that show nothing there that lines could tear.
pub fn stderr() -> BoxMakeWriter {
    BoxMakeWriter::new(std::io::stderr)
}

/// Hands each line on: to a status line, or to the dashboard.
pub fn lines(take: impl Fn(&str) + Send + Sync + Clone + 'static) -> BoxMakeWriter {
    BoxMakeWriter::new(move || LineWriter { take: take.clone(), text: Vec::new() })
}

/// Begins to log to `out`. `RUST_LOG` narrows or widens it; without it warnings are shown, with `-v` more.
pub fn begin(args: LogArgs, out: BoxMakeWriter) {
    let level = match args.verbose {
        // What the program tells people anyway.
        0 => "warn,kflow=info",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(out).with_target(false);
    // A test that runs two commands in one process keeps the first.
    let _ = match args.log_format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.with_ansi(false).try_init(),
    };
}

/// Hands whole lines on.
struct LineWriter<F: Fn(&str)> {
    take: F,
    text: Vec<u8>,
}

impl<F: Fn(&str)> Write for LineWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<F: Fn(&str)> Drop for LineWriter<F> {
    fn drop(&mut self) {
        (self.take)(String::from_utf8_lossy(&self.text).trim_end());
    }
}
