//! A run trained again from what its folder says, and compared byte by byte.
//!
//! What was trained with one configuration and went on with another is trained so again, leg by leg.

use super::checkpoint::{CheckpointError, REPEATABLE, RunDir};
use super::fit::MarketJob;
use super::train::{Control, TrainError};
use serde::Serialize;
use std::path::Path;

/// A file of a run and of its repetition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The file.
    pub file: &'static str,
    /// True when both have the same bytes.
    pub same: bool,
}

/// Trains the model of `original` again in the folder of `job`, up to its newest saved state. `watch` hears how many
/// steps are done.
///
/// # Errors
/// When there is no saved state, or as [`MarketJob::run`].
pub fn repeat(
    job: &MarketJob,
    original: &RunDir,
    watch: &mut dyn FnMut(u64),
) -> Result<Vec<Compared>, TrainError> {
    let (legs, end) = (original.legs()?, original.saved_steps()?);
    if end == 0 {
        return Err(CheckpointError::Nothing(original.path().to_owned()).into());
    }
    for (i, leg) in legs.iter().enumerate() {
        let until = legs.get(i + 1).map_or(end, |next| next.from_step);
        let job = MarketJob { config: leg.config.clone(), resume: i > 0, ..job.clone() };
        job.run(&mut |steps, _| {
            watch(steps);
            if steps >= until { Control::Stop } else { Control::Continue }
        })?;
    }
    Ok(compare(original.path(), &job.dir))
}

/// Compares the files that follow from the seed. A run that was killed may have written progress rows that its saved
/// state does not know: those say nothing.
fn compare(original: &Path, again: &Path) -> Vec<Compared> {
    let read = |dir: &Path, file: &str| std::fs::read(dir.join(file)).ok();
    let same = |file: &&str| match (read(original, file), read(again, file)) {
        (Some(was), Some(is)) if file.starts_with("last/") => was == is,
        (Some(was), Some(is)) => was.starts_with(&is),
        (was, is) => was == is,
    };
    REPEATABLE.iter().map(|file| Compared { file, same: same(file) }).collect()
}
