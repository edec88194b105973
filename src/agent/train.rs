//! A training run on disk: the [`Trainer`] driven to its end, its rows written, its state saved.

use super::checkpoint::{CheckpointError, RunDir};
use super::config::TrainConfig;
use super::device::DeviceName;
use super::progress::{Clock, ProgressLog, Record};
use super::rollout::NotFinite;
use super::trainer::{Ended, Trainer};
use super::weights::Interface;
use crate::env::{EnvError, VecEnv};
use std::time::{Instant, SystemTime};

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
    /// Take up the state saved in `run`.
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
    let (params, optimizer) = config.fresh(&shape);
    let mut engine = config.engine.build(job.device, shape, params, optimizer);
    let (mut trainer, rows) = if job.resume {
        let saved = job.run.load(config, job.interface)?;
        let rows = saved.progress.iterations / config.log_interval;
        (Trainer::resume(config, env, &mut *engine, saved).map_err(TrainError::Environment)?, rows)
    } else {
        (Trainer::start(config, env, &mut *engine, &job.interface.action_names), 0)
    };

    let (begun, before) = (Instant::now(), trainer.steps());
    let speed = |steps: u64| (steps - before) as f64 / begun.elapsed().as_secs_f64().max(1e-9);
    let mut log =
        ProgressLog::open(job.run.path(), rows, unix_s()).map_err(TrainError::Progress)?;
    let mut next_save = before + config.save_freq;
    if before >= config.total_timesteps {
        let (ended, last) = (Ended::Finished, Record::default());
        return Ok(Outcome { ended, steps: before, new_steps: 0, steps_per_second: 0.0, last });
    }
    loop {
        let iteration = trainer.iterate()?;
        let steps = trainer.steps();
        if iteration.logged {
            let clock = Clock {
                unix_s: unix_s(),
                elapsed_s: begun.elapsed().as_secs_f64(),
                fps: speed(steps),
            };
            log.write(&iteration.record, steps, clock).map_err(TrainError::Progress)?;
        }
        let asked = (watch(steps, &iteration.record) == Control::Stop).then_some(Ended::Asked);
        let ended = iteration.ended.or(asked);
        if ended.is_some() || steps >= next_save {
            let snapshot = trainer.snapshot();
            job.run.save(&trainer.model(job.interface.clone()).card, &snapshot)?;
            next_save = steps + config.save_freq;
        }
        if let Some(ended) = ended {
            return Ok(Outcome {
                ended,
                steps,
                new_steps: steps - before,
                steps_per_second: speed(steps),
                last: iteration.record,
            });
        }
    }
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
