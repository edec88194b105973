//! What was decided, one JSON object per line: `trade/<id>/decisions.jsonl`, and beside it `trade.json`, which
//! says under which rules.

use crate::actor::{ActorSpec, Deed};
use crate::cli::exit::{Code, Failure, OrFail};
use serde::Serialize;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes decisions down.
pub(super) struct Journal {
    dir: PathBuf,
    lines: BufWriter<File>,
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
        let lines = BufWriter::new(File::create(dir.join("decisions.jsonl"))?);
        Ok(Journal { dir, lines })
    }

    /// Where it is.
    pub(super) fn place(&self) -> String {
        self.dir.display().to_string()
    }

    /// Adds decisions. Orders are handed to the system before this returns.
    pub(super) fn write(&mut self, deeds: &[Deed], latency_us: i64) -> Result<(), Failure> {
        for deed in deeds {
            serde_json::to_writer(&mut self.lines, &Line { deed, latency_us })?;
            self.lines.write_all(b"\n").map_err(|e| self.lost(e))?;
        }
        if deeds.iter().any(|deed| deed.ordered) {
            self.lines.flush().map_err(|e| self.lost(e))?;
        }
        Ok(())
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.lines.flush().map_err(|e| self.lost(e))
    }

    fn lost(&self, error: std::io::Error) -> Failure {
        Failure::new(Code::Runtime, error)
            .context(format!("the journal {} cannot be written", self.dir.display()))
            .hint("free some space; nothing was ordered after that, and the recording is complete")
    }
}
