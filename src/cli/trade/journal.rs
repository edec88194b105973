//! What a session leaves in `trade/<id>`, enough to trade it again (`kflow conformance trade`):
//!
//! ```text
//!  trade.json          policy, rules, limits, seed
//!  decisions.jsonl     what was decided            fills.jsonl   what filled
//!  verdicts.jsonl      what the desk or the exchange did not take, with orders elsewhere
//!  turns.jsonl         begin, end, new models and stops, each after a row of the log
//!  models/<hash>/      every model that acted
//!  experience.parquet  the same as steps of learning ([`super::lived`])
//!  report.json         the sum of it
//! ```

use super::lived::Lived;
use super::policy::Weights;
use crate::actor::{ActorReport, ActorSpec, Deed, Outcome, Told, TurnLine};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::export;
use serde::Serialize;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes decisions down.
pub(super) struct Journal {
    dir: PathBuf,
    decisions: BufWriter<File>,
    fills: BufWriter<File>,
    verdicts: BufWriter<File>,
    turns: BufWriter<File>,
    lived: Lived,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    deed: &'a Deed,
    /// From the receipt of the frame to the decision.
    latency_us: i64,
}

impl Journal {
    /// Begins one below `data_dir`.
    pub(super) fn create(
        data_dir: &Path,
        spec: &ActorSpec,
        policy: &str,
        model: (&str, Option<&Weights>),
        source: &str,
    ) -> Result<Journal, Failure> {
        let (model_hash, weights) = model;
        let dir = data_dir.join("trade").join(uuid::Uuid::now_v7().to_string());
        let wrong = |what: &str| format!("cannot {what} in {}", dir.display());
        let made = std::fs::create_dir_all(&dir).or_fail(Code::Runtime);
        made.map_err(|f| f.context(wrong("write the journal")))?;
        let about = json!({
            "schema_version": 1,
            "policy": policy,
            "model_hash": model_hash,
            "spec": spec,
        });
        std::fs::write(dir.join("trade.json"), serde_json::to_string_pretty(&about)? + "\n")?;
        let file = |name| Ok::<_, Failure>(BufWriter::new(File::create(dir.join(name))?));
        let (decisions, fills) = (file("decisions.jsonl")?, file("fills.jsonl")?);
        let (verdicts, turns) = (file("verdicts.jsonl")?, file("turns.jsonl")?);
        let lived = Lived::create(&dir, spec, source, model_hash).map_err(export::failure)?;
        let journal = Journal { dir, decisions, fills, verdicts, turns, lived };
        weights.map_or(Ok(()), |weights| journal.keep(model_hash, weights))?;
        Ok(journal)
    }

    /// Keeps the weights of a model that acts: the run that they come from may train on.
    pub(super) fn keep(&self, model_hash: &str, weights: &Weights) -> Result<(), Failure> {
        weights.write(&self.dir.join("models").join(model_hash))
    }

    /// Writes down what happened after the record `after_row_id`.
    pub(super) fn turn(&mut self, after_row_id: u64, told: Told) -> Result<(), Failure> {
        let line = TurnLine { after_row_id, told };
        let written = serde_json::to_writer(&mut self.turns, &line).map_err(std::io::Error::from);
        let written = written.and_then(|()| self.turns.write_all(b"\n"));
        written.and_then(|()| self.turns.flush()).map_err(|e| self.lost(e))
    }

    /// Its folder, named by the session of trading.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where it is.
    pub(super) fn place(&self) -> String {
        self.dir.display().to_string()
    }

    /// Adds what a record led to. Orders and fills are handed to the system before this returns.
    pub(super) fn write(&mut self, out: &Outcome, latency_us: i64) -> Result<(), Failure> {
        let mut lines = || -> std::io::Result<()> {
            for deed in &out.deeds {
                serde_json::to_writer(&mut self.decisions, &Line { deed, latency_us })?;
                self.decisions.write_all(b"\n")?;
            }
            for fill in &out.fills {
                serde_json::to_writer(&mut self.fills, fill)?;
                self.fills.write_all(b"\n")?;
            }
            for verdict in &out.verdicts {
                serde_json::to_writer(&mut self.verdicts, verdict)?;
                self.verdicts.write_all(b"\n")?;
            }
            if out.deeds.iter().any(|deed| !deed.requests.is_empty()) {
                self.decisions.flush()?;
            }
            if !out.verdicts.is_empty() {
                self.verdicts.flush()?;
            }
            if out.fills.is_empty() { Ok(()) } else { self.fills.flush() }
        };
        lines().map_err(|e| self.lost(e))?;
        self.lived.push(out).map_err(export::failure)
    }

    /// Writes the rest.
    pub(super) fn finish(mut self, report: &ActorReport) -> Result<(), Failure> {
        let files = [&mut self.decisions, &mut self.fills, &mut self.verdicts];
        let flushed = files.into_iter().try_for_each(BufWriter::flush);
        flushed.map_err(|e| self.lost(e))?;
        let report = serde_json::to_string_pretty(report)? + "\n";
        std::fs::write(self.dir.join("report.json"), report).map_err(|e| self.lost(e))?;
        self.lived.finish().map_err(export::failure)
    }

    /// Takes it back: nothing was done that it could tell of, and a folder would look like a session.
    pub(super) fn discard(self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, "an empty journal stays in {}", self.dir.display());
        }
    }

    fn lost(&self, error: std::io::Error) -> Failure {
        Failure::new(Code::Runtime, error)
            .context(format!("the journal {} cannot be written", self.dir.display()))
            .hint("free some space; nothing was ordered after that, and the recording is complete")
    }
}
