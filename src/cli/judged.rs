//! What an evaluation enters in the registry: the gate of `champion` goes by it.

use super::exit::Failure;
use super::models::{failure, now_s};
use crate::agent::judge::Evaluation;
use crate::registry::{Content, Judged, Registry};
use std::path::{Path, PathBuf};

/// Enters the evaluation for each of the `runs` or versions that were judged together and belong to a registry.
///
/// # Errors
/// When a registry cannot be written.
pub(super) fn record(runs: &[PathBuf], evaluation: &Evaluation) -> Result<(), Failure> {
    runs.iter().try_for_each(|run| enter(run, runs.len(), evaluation))
}

/// Enters the evaluation of `seeds` runs for the one at `path`.
fn enter(path: &Path, seeds: usize, evaluation: &Evaluation) -> Result<(), Failure> {
    let Some(registry) = Registry::around(path) else { return Ok(()) };
    let result = &evaluation.result;
    let Some(row) = result.judged() else { return Ok(()) };
    let held_out = Some(row).filter(|_| result.held_out);
    let judged = Judged {
        content_sha256: Content::of(path).map_err(failure)?.sha256(),
        data_sha256: evaluation.data_sha256.clone(),
        seeds,
        tries: result.tried,
        markets: held_out.map_or(0, |row| row.markets),
        mean_return: held_out.map(|row| row.bracket[0]),
        ci95: held_out.and_then(|row| row.pessimistic_ci95),
        verdict: result.verdict.words().to_owned(),
        unix_s: now_s()?,
    };
    let content = judged.content_sha256.clone();
    registry
        .change(|book| {
            book.judge(judged);
            Ok(())
        })
        .map_err(failure)?;
    let book = registry.book().map_err(failure)?;
    let mut same = book.versions().filter(|version| version.content_sha256 == content);
    same.try_for_each(|version| registry.write_card(&book, version)).map_err(failure)
}
