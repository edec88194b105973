//! A training run on disk: the [`Trainer`] driven to its end, its rows written, its state saved.

use super::checkpoint::{self, CheckpointError, RunDir};
use super::config::TrainConfig;
use super::device::DeviceName;
use super::diagnosis::{Finding, SPOKEN_ROWS};
use super::progress::{self, Clock, ProgressLog, Record};
use super::rollout::NotFinite;
use super::trainer::{Ended, Iteration, Snapshot, Trainer};
use super::weights::Interface;
use crate::env::{EnvError, VecEnv};
use serde_json::json;
use std::time::{Instant, SystemTime};

/// Steps without a single reward that is not zero after which there is nothing to learn: a policy that begins
/// by trying everything trades in the first hundred.
const UNREWARDED_STEPS: u64 = 20_000;

/// A run that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The configuration has problems; all of them.
    #[error("the configuration does not work: {}", .0.join("; "))]
    Config(Vec<String>),
    /// A number is no longer finite.
    #[error("training broke down")]
    NotFinite(#[from] NotFinite),
    /// The run's folder.
    #[error("checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// The progress files.
    #[error("progress files")]
    Progress(#[source] std::io::Error),
    /// The rules of the game contradict themselves, or there is nothing to trade.
    #[error("environment")]
    Rules(#[from] EnvError),
    /// Nothing that is done has a consequence.
    #[error("not one of {steps} steps had a reward: there is nothing to learn from")]
    NoReward {
        /// Environment steps done.
        steps: u64,
    },
    /// What is observed is broken before the run begins.
    #[error("the observations are broken: {0}")]
    Observations(String),
    /// The saved environments do not fit to these.
    #[error("the saved environments do not fit: {0}")]
    Environment(String),
}

/// What the caller wants after an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// More.
    Continue,
    /// Save and end.
    Stop,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why.
    pub ended: Ended,
    /// Environment steps of the run, all environments and all processes together.
    pub steps: u64,
    /// Those of this process.
    pub new_steps: u64,
    /// Environment steps per second of this process.
    pub steps_per_second: f64,
    /// The figures of the last update.
    pub last: Record,
    /// What is wrong with the run, by its last progress row; only what has lasted.
    pub findings: Vec<Finding>,
}

/// What is to be trained, and where.
pub struct Job<'a> {
    /// The configuration.
    pub config: &'a TrainConfig,
    /// What goes into and out of the network.
    pub interface: &'a Interface,
    /// Where the tensors live.
    pub device: DeviceName,
    /// Where the results go.
    pub run: &'a RunDir,
    /// Take up the state saved in `run`; without one, begin.
    pub resume: bool,
}

/// Trains in `env` until the configuration's steps are done, a rule ends it, or `watch` says stop.
/// `watch` sees every update: steps done so far, and the record.
///
/// # Errors
/// [`TrainError`]; the state saved last remains.
pub fn train(
    env: &mut dyn VecEnv,
    job: &Job,
    watch: &mut dyn FnMut(u64, &Record) -> Control,
) -> Result<Outcome, TrainError> {
    let mut problems = job.config.problems();
    if env.n_envs() != job.config.n_envs {
        problems.push(format!("n_envs is {}, there are {}", job.config.n_envs, env.n_envs()));
    }
    if !problems.is_empty() {
        return Err(TrainError::Config(problems));
    }
    let (config, shape) = (job.config, job.config.shape(env));
    let saved = if job.resume { saved(job.run, config, job.interface)? } else { None };
    if let Some(outcome) = finished(job.run, config, saved.as_ref())? {
        return Ok(outcome);
    }
    let (params, optimizer) = config.fresh(&shape);
    let mut engine = config.engine.build(job.device, shape, params, optimizer);
    let rows = saved.as_ref().map_or(0, |s| s.progress.iterations / config.log_interval);
    let mut trainer = match saved {
        Some(saved) => {
            Trainer::resume(config, env, &mut *engine, saved).map_err(TrainError::Environment)?
        }
        None => Trainer::start(config, env, &mut *engine, &job.interface.action_names),
    };

    let (begun, before) = (Instant::now(), trainer.steps());
    let speed = |steps: u64| (steps - before) as f64 / begun.elapsed().as_secs_f64().max(1e-9);
    let mut log =
        ProgressLog::open(job.run.path(), rows, unix_s()).map_err(TrainError::Progress)?;
    let mut next_save = before + config.save_freq;
    let (mut last, mut findings) = (Record::default(), Vec::new());
    loop {
        let iteration = trainer.iterate().inspect_err(|broken| dump(job, broken, &last))?;
        let steps = trainer.steps();
        if iteration.logged {
            let elapsed_s = begun.elapsed().as_secs_f64();
            let clock = Clock { unix_s: unix_s(), elapsed_s, fps: speed(steps) };
            log.write(&iteration.record, &iteration.diagnostics, steps, clock)
                .map_err(TrainError::Progress)?;
            findings = speak(job, &iteration);
        }
        let asked = (watch(steps, &iteration.record) == Control::Stop).then_some(Ended::Asked);
        let ended = iteration.ended.or(asked);
        if ended.is_some() || steps >= next_save {
            log.sync().map_err(TrainError::Progress)?;
            let snapshot = trainer.snapshot();
            job.run.save(&trainer.model(job.interface.clone()).card, &snapshot)?;
            next_save = steps + config.save_freq;
        }
        let enough = steps >= UNREWARDED_STEPS || ended == Some(Ended::Finished);
        if enough && !trainer.rewarded() {
            return Err(TrainError::NoReward { steps });
        }
        last = iteration.record;
        if let Some(ended) = ended {
            let (new_steps, steps_per_second) = (steps - before, speed(steps));
            return Ok(Outcome { ended, steps, new_steps, steps_per_second, last, findings });
        }
    }
}

/// The saved state, unless the run died before there was one.
pub(super) fn saved(
    run: &RunDir,
    config: &TrainConfig,
    interface: &Interface,
) -> Result<Option<Snapshot>, CheckpointError> {
    match run.load(config, interface) {
        Ok(saved) => Ok(Some(saved)),
        Err(CheckpointError::Nothing(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What came of a run whose saved state has all its steps: its last progress row. `None` where steps are left.
pub(super) fn finished(
    run: &RunDir,
    config: &TrainConfig,
    saved: Option<&Snapshot>,
) -> Result<Option<Outcome>, TrainError> {
    let steps = saved.map_or(0, |saved| saved.progress.tally.steps);
    if steps < config.total_timesteps {
        return Ok(None);
    }
    let last = progress::last_row(run.path()).map_err(TrainError::Progress)?;
    let (ended, findings) = (Ended::Finished, Vec::new());
    Ok(Some(Outcome { ended, steps, new_steps: 0, steps_per_second: 0.0, last, findings }))
}

/// Says what has just lasted long enough to be spoken of; gives all that has.
fn speak(job: &Job, iteration: &Iteration) -> Vec<Finding> {
    for finding in iteration.findings.iter().filter(|f| f.rows == SPOKEN_ROWS) {
        tracing::warn!(run = %job.run.path().display(), "{finding}");
    }
    let lasting = iteration.findings.iter().filter(|f| f.rows >= SPOKEN_ROWS);
    lasting.cloned().collect()
}

/// Leaves behind what is known about a number that broke.
fn dump(job: &Job, broken: &NotFinite, last: &Record) {
    let text = json!({
        "what": broken.what, "value": broken.value.to_string(), "step": broken.step,
        "last_update": last.to_json(),
    });
    let path = job.run.path().join("broken.json");
    if let Err(error) = checkpoint::write_json(&path, &text) {
        tracing::warn!(%error, "what broke could not be written down");
    }
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
