//! What was decided and what filled, one JSON object per line: `trade/<id>/decisions.jsonl` and `fills.jsonl`,
//! and beside them `trade.json`, which says under which rules, and `experience.parquet` ([`super::lived`]).

use super::lived::Lived;
use crate::actor::{ActorSpec, Deed, Outcome};
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
        model_hash: &str,
        source: &str,
    ) -> Result<Journal, Failure> {
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
        let lived = Lived::create(&dir, spec, source, model_hash).map_err(export::failure)?;
        Ok(Journal { dir, decisions, fills, lived })
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
            if out.deeds.iter().any(|deed| !deed.requests.is_empty()) {
                self.decisions.flush()?;
            }
            if out.fills.is_empty() { Ok(()) } else { self.fills.flush() }
        };
        lines().map_err(|e| self.lost(e))?;
        self.lived.push(out).map_err(export::failure)
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.decisions.flush().and_then(|()| self.fills.flush());
        flushed.map_err(|e| self.lost(e))?;
        self.lived.finish().map_err(export::failure)
    }

    fn lost(&self, error: std::io::Error) -> Failure {
        Failure::new(Code::Runtime, error)
            .context(format!("the journal {} cannot be written", self.dir.display()))
            .hint("free some space; nothing was ordered after that, and the recording is complete")
    }
}
