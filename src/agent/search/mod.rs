//! Search for hyper-parameters that counts its tries.
//!
//! ```text
//! <dir>/
//!   search.json          the question: recipe, space, method, data      tries.json   how often was tried
//!   trials.jsonl         one line for each trial and rung, in order     trial_0003/seed_1[/fold_i]  its models
//!   LOCK                 held by who searches
//! ```
//!
//! Every trial trains a few seeds and is scored on the **validation** markets by the mean over the seeds;
//! the best Sharpe ratio per event is chosen. The held-out markets are looked at once, by
//! [`judge`](super::judge), which finds `tries.json` and deflates what the best of so many tries shows.
//!
//! * `random` (Bergstra and Bengio 2012): every trial gets all steps;
//! * `halving` (Jamieson and Talwalkar 2016): all trials get few steps, the best third goes on to three
//!   times as many, and so on; a trial goes on from where it stood.
//!
//! **Invariant:** a trial follows from the question and its number alone: any number of threads, and any
//! number of interruptions, give the same bytes in `trials.jsonl` and the same models.

mod plan;
mod record;
mod space;
mod trial;

pub use plan::Method;
pub use record::{Record, Score};
pub use space::{Range, Space, SpaceError};

use super::checkpoint::{CheckpointError, RunDir};
use super::config::TrainConfig;
use super::device::DeviceName;
use super::fit::Course;
use super::split::{Plan, Rule, SplitError};
use super::train::TrainError;
use super::tries::{self, Tries};
use super::{parallel, stats};
use crate::env::EnvConfig;
use crate::replay::Recording;
use plan::Rung;
use record::Journal;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// What is searched, and how: `search.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// What all trials share; its steps are those of a trial that gets all.
    pub base: TrainConfig,
    /// The rules of the game.
    pub rules: EnvConfig,
    /// What they differ in.
    pub space: Space,
    /// How steps are spent on them.
    pub method: Method,
    /// Configurations to try.
    pub trials: usize,
    /// Seeds of each; the first is that of `base`, the others follow it.
    pub seeds: u64,
    /// How markets are divided, as [`Rule`] writes it.
    pub split: String,
    /// Where the tensors live, as [`DeviceName`] writes it.
    pub device: String,
    /// Names the data.
    pub fingerprint_sha256: String,
}

/// A search that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A setting.
    #[error("the search does not work: {0}")]
    Config(String),
    /// The markets.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// No validation markets.
    #[error("{0} leaves no market to choose by")]
    NothingToChooseBy(Rule),
    /// Another search is in the folder.
    #[error("{} holds another search", .0.display())]
    Exists(PathBuf),
    /// The data have changed since the search began.
    #[error("the search in {} began on other data", .0.display())]
    OtherData(PathBuf),
    /// A line of the journal.
    #[error("{}, line {line}", path.display())]
    Record {
        /// The journal.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file.
    #[error("{}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A trained model or its notes.
    #[error("checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// Training.
    #[error("training")]
    Train(#[from] TrainError),
}

/// What a search found; `tries.json` says how often was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The search's folder.
    pub dir: PathBuf,
    /// How often was tried.
    pub tries: Tries,
    /// The best trial.
    pub winner: Record,
    /// Its models, one run for each seed.
    pub runs: Vec<PathBuf>,
    /// Every trial at every rung.
    pub trials: Vec<Record>,
}

/// Searches in `dir`, which is empty or holds this very search, interrupted: then it goes on. `progress`
/// hears how many of how many scores are there.
///
/// # Errors
/// When the question does not work, the data are others, another process is at it, or a file cannot be read or
/// written. What was found until then remains.
pub fn run(
    brief: &Brief,
    recording: &Recording,
    dir: &Path,
    threads: usize,
    mut progress: impl FnMut(usize, usize),
) -> Result<Found, SearchError> {
    if recording.fingerprint != brief.fingerprint_sha256 {
        return Err(SearchError::OtherData(dir.to_owned()));
    }
    let plan = brief.plan(recording)?;
    let device = brief.check()?;
    // Two processes would write each other's lines and models.
    let _claim = RunDir::claim(dir)?;
    let mut journal = Journal::open(dir, brief)?;
    let rungs = brief.method.rungs(brief.trials, brief.base.total_timesteps);
    let total: usize = rungs.iter().map(|rung| rung.keep).sum();
    let mut standing: Vec<usize> = (0..brief.trials).collect();
    let course = Course::new(recording, &plan);
    let work = trial::Bench { brief, recording, plan: &plan, course: &course, device, dir };
    for (number, Rung { keep, steps }) in rungs.into_iter().enumerate() {
        if number > 0 {
            standing = journal.best_of(number - 1, keep);
        }
        let open: Vec<usize> =
            standing.iter().copied().filter(|t| journal.find(*t, number).is_none()).collect();
        parallel::in_order(
            open,
            threads,
            |_, trial| work.run(trial, number, steps),
            |_, record| {
                journal.append(record?)?;
                progress(journal.records().len(), total);
                Ok::<(), SearchError>(())
            },
        )?;
    }
    conclude(brief, dir, journal)
}

/// Names the winner and notes how often was tried.
fn conclude(brief: &Brief, dir: &Path, journal: Journal) -> Result<Found, SearchError> {
    let last: Vec<&Record> = (0..brief.trials).filter_map(|t| journal.last_of(t)).collect();
    let sharpes: Vec<f64> = last.iter().map(|r| r.score.sharpe.unwrap_or(0.0)).collect();
    let events = last.iter().map(|r| r.score.results.len()).max().unwrap_or(0);
    // A trial that broke down earned what holding earns.
    let table: Vec<Vec<f64>> = last
        .iter()
        .map(|r| if r.failed.is_none() { r.score.results.clone() } else { vec![0.0; events] })
        .collect();
    let tries = Tries {
        tries: brief.trials,
        sharpe_variance: stats::sd(&sharpes).map(|sd| sd * sd),
        overfitting: tries::overfitting(&table),
    };
    journal.note(&tries)?;
    let winner =
        journal.winner().ok_or_else(|| SearchError::Config("no trial".to_owned()))?.clone();
    let runs = (0..brief.seeds).map(|s| trial::run_dir(dir, winner.trial, s)).collect();
    Ok(Found { dir: dir.to_owned(), tries, winner, runs, trials: journal.into_records() })
}

impl Brief {
    /// The search that was begun in `dir`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(dir: &Path) -> Result<Brief, SearchError> {
        Ok(super::checkpoint::read_json(&dir.join(record::BRIEF))?)
    }

    /// Divides the markets: every model needs some to choose by.
    fn plan(&self, recording: &Recording) -> Result<Plan, SearchError> {
        let rule: Rule = self.split.parse()?;
        let plan = Plan::by(rule, &recording.episodes)?;
        if plan.splits.iter().any(|split| split.validation.is_empty()) {
            return Err(SearchError::NothingToChooseBy(rule));
        }
        Ok(plan)
    }

    /// Whether every trial would work, before the first one begins.
    fn check(&self) -> Result<DeviceName, SearchError> {
        let wrong = SearchError::Config;
        if self.trials == 0 || self.seeds == 0 {
            return Err(wrong("at least one trial and one seed are needed".to_owned()));
        }
        for trial in 0..self.trials {
            let config = self.config(trial, 0).map_err(wrong)?;
            let problems = config.problems();
            if !problems.is_empty() {
                return Err(wrong(format!("trial {trial}: {}", problems.join("; "))));
            }
        }
        self.device.parse().map_err(|e| wrong(format!("{e}")))
    }

    /// What trial number `trial` trains with, for its seed number `seed`.
    fn config(&self, trial: usize, seed: u64) -> Result<TrainConfig, String> {
        let mut config =
            TrainConfig { seed: self.base.seed.wrapping_add(seed), ..self.base.clone() };
        for (name, value) in self.space.draw(self.base.seed, trial as u64) {
            config.set(&name, &value)?;
        }
        Ok(config)
    }
}
