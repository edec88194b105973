//! One trial at one rung: its seeds trained, and scored on the validation markets.

use super::record::{Record, Score};
use super::{Brief, SearchError};
use crate::agent::among::Among;
use crate::agent::checkpoint::{self, CheckpointError, Notes};
use crate::agent::config::TrainConfig;
use crate::agent::device::DeviceName;
use crate::agent::eval::{self, Entrant, Player, Setup, Team};
use crate::agent::fit::{self, Course, MarketJob};
use crate::agent::model::{Choice, Model, ModelPolicy};
use crate::agent::split::{Plan, Split};
use crate::agent::train::{Control, TrainError};
use crate::agent::tries;
use crate::replay::Recording;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Where trials are made.
pub(super) struct Bench<'a> {
    pub(super) brief: &'a Brief,
    pub(super) recording: &'a Recording,
    pub(super) plan: &'a Plan,
    pub(super) course: &'a Course<'a>,
    pub(super) device: DeviceName,
    pub(super) dir: &'a Path,
}

/// The run of one seed of a trial.
pub(super) fn run_dir(dir: &Path, trial: usize, seed: u64) -> PathBuf {
    dir.join(run_id(trial, seed))
}

fn run_id(trial: usize, seed: u64) -> String {
    format!("trial_{trial:04}/seed_{seed}")
}

impl Bench<'_> {
    /// Trains all seeds of `trial` up to `steps` and scores them. A training that breaks down is a result;
    /// what the disk or the data do wrong is an error.
    pub(super) fn run(&self, trial: usize, rung: usize, steps: u64) -> Result<Record, SearchError> {
        let mut runs = Vec::new();
        let mut failed = None;
        for seed in 0..self.brief.seeds {
            let dir = run_dir(self.dir, trial, seed);
            let config = self.brief.config(trial, seed).map_err(SearchError::Config)?;
            let among = Among {
                run_id: run_id(trial, seed),
                seeds: (0..self.brief.seeds).map(|seed| run_id(trial, seed)).collect(),
                tries: Some(self.brief.trials),
            };
            match self.train(&dir, TrainConfig { total_timesteps: steps, ..config }, &among) {
                Ok(()) => runs.push(dir),
                Err(SearchError::Train(error)) if is_result(&error) => {
                    let cause = std::error::Error::source(&error).map(|why| format!(": {why}"));
                    failed = Some(format!("{error}{}", cause.unwrap_or_default()));
                }
                Err(error) => return Err(error),
            }
        }
        let score = if failed.is_none() { self.score(&runs)? } else { Score::default() };
        let drawn = self.brief.space.draw(self.brief.base.seed, trial as u64);
        let params: Map<String, Value> =
            drawn.into_iter().map(|(name, value)| (name, written(&value))).collect();
        Ok(Record { trial, rung, steps, params, failed, score })
    }

    /// One model for each split, from where the last rung or an interruption left it.
    fn train(&self, dir: &Path, config: TrainConfig, among: &Among) -> Result<(), SearchError> {
        let job = MarketJob {
            markets: [].into(),
            rules: self.brief.rules.clone(),
            config,
            device: self.device,
            dir: dir.to_owned(),
            notes: Notes { env: json!(among), ..Notes::default() },
            resume: false,
        };
        for job in self.course.jobs(&job) {
            let resume = checkpoint::state_dir(&job.dir).is_ok();
            if !resume {
                clear(&job.dir)?;
            }
            MarketJob { resume, ..job }.run(&mut |_, _| Control::Continue)?;
        }
        Ok(())
    }

    /// What the models in `runs` earn on what they may be chosen by.
    fn score(&self, runs: &[PathBuf]) -> Result<Score, SearchError> {
        let teams = runs.iter().map(|run| self.team(run)).collect::<Result<Vec<_>, _>>()?;
        let choosing = Plan {
            splits: self
                .plan
                .splits
                .iter()
                .map(|s| Split { test: s.validation.clone(), ..Split::default() })
                .collect(),
            ..self.plan.clone()
        };
        let setup = Setup {
            episodes: &self.recording.episodes,
            plan: &choosing,
            env: &self.brief.rules,
            seed: self.brief.base.seed,
            tries: None,
            // The trials share the cores.
            threads: 1,
        };
        let entrant = Entrant { name: "trial".to_owned(), teams };
        let result = eval::evaluate(&setup, vec![entrant], |_, _| ());
        Ok(result.judged().map_or_else(Score::default, |row| {
            let results = row.by_event();
            Score {
                markets: row.markets,
                mean_return: row.bracket[0],
                ci95: row.pessimistic_ci95,
                sharpe: tries::sharpe(&results),
                results,
            }
        }))
    }

    fn team(&self, run: &Path) -> Result<Team, CheckpointError> {
        let policy = |dir: &PathBuf| -> Result<Player, CheckpointError> {
            let model = Model::load(dir)?;
            Ok(Box::new(ModelPolicy::new("trial", model, Choice::Greedy, self.device)))
        };
        let policies = fit::model_dirs(run).iter().map(policy).collect::<Result<_, _>>()?;
        Ok(Team { name: run.display().to_string(), policies })
    }
}

/// True when the setting itself cannot be trained with, false when the disk or the data stand in the way.
fn is_result(error: &TrainError) -> bool {
    !matches!(
        error,
        TrainError::Config(_)
            | TrainError::Checkpoint(_)
            | TrainError::Progress(_)
            | TrainError::Rules(_)
            | TrainError::Environment(_)
    )
}

/// Removes what an interrupted beginning left.
fn clear(dir: &Path) -> Result<(), SearchError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(SearchError::Io { path: dir.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}

/// A drawn value as JSON where it is such, else as text.
fn written(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))
}
