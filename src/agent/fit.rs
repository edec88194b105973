//! Training on recorded markets: one model for each split of the plan, several at a time.
//!
//! A run folder holds its model directly when the plan has one split, else one folder `fold_<i>` per
//! split, each a complete run of its own.
//!
//! **Invariant:** a model's environment is given the training side of its split and nothing else.

use super::checkpoint::{CheckpointError, Notes, RunDir};
use super::config::TrainConfig;
use super::device::DeviceName;
use super::markets;
use super::memory::Memory;
use super::parallel;
use super::progress::Record;
use super::provenance::Provenance;
use super::split::{Plan, Split};
use super::train::{self, Control, Job, Outcome, TrainError, train};
use super::weights::Interface;
use crate::digest::sha256_hex;
use crate::env::{EnvConfig, EnvError, StepBuf, TradingEnv, VecEnv};
use crate::features::episode::Episode;
use crate::replay::Recording;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What goes into and out of a network that trades by these rules.
pub fn interface(rules: &EnvConfig) -> Interface {
    Interface {
        layout: rules.layout.to_string(),
        layout_hash: rules.layout.hash(),
        actions: rules.actions.to_string(),
        action_names: (0..rules.actions.len() as u32).map(|a| rules.actions.name(a)).collect(),
        reward: rules.reward.to_string(),
    }
}

/// One model to be trained.
#[derive(Clone)]
pub struct MarketJob {
    /// The markets it learns from.
    pub markets: Arc<[Episode]>,
    /// The rules of the game.
    pub rules: EnvConfig,
    /// How it learns.
    pub config: TrainConfig,
    /// Where the tensors live.
    pub device: DeviceName,
    /// Its folder.
    pub dir: PathBuf,
    /// Its circumstances.
    pub notes: Notes,
    /// Take up the state saved in `dir`.
    pub resume: bool,
}

impl MarketJob {
    /// Trains; see [`train`].
    ///
    /// # Errors
    /// As [`train`], and when the environment cannot be built.
    pub fn run(
        &self,
        watch: &mut dyn FnMut(u64, &Record) -> Control,
    ) -> Result<Outcome, TrainError> {
        if let Some(broken) = markets::first_broken(&self.markets) {
            return Err(TrainError::Observations(broken));
        }
        if let Some(outcome) = self.finished()? {
            return Ok(outcome);
        }
        let mut env = self.env()?;
        let run = self.open()?;
        let interface = interface(&self.rules);
        let (config, device, resume) = (&self.config, self.device, self.resume);
        train(&mut env, &Job { config, interface: &interface, device, run: &run, resume }, watch)
    }

    /// What came of it, where it has no step left; `None` where it can begin, or go on from what is saved.
    /// Nothing is written.
    ///
    /// # Errors
    /// When what is saved is damaged, or belongs to other rules or markets.
    pub fn finished(&self) -> Result<Option<Outcome>, TrainError> {
        if !self.resume || !self.dir.join("config.json").exists() {
            return Ok(None);
        }
        let (run, _) = RunDir::open(&self.dir)?;
        let Some(saved) = train::saved(&run, &self.config, &interface(&self.rules))? else {
            return Ok(None);
        };
        if let Some(outcome) = train::finished(&run, &self.config, Some(&saved))? {
            return Ok(Some(outcome));
        }
        let mut env = self.env()?;
        let mut seen = StepBuf::for_env(&env);
        env.load(&saved.progress.env, &mut seen).map_err(TrainError::Environment)?;
        Ok(None)
    }

    fn env(&self) -> Result<TradingEnv, EnvError> {
        let tiers = markets::tiers(&self.config, &self.markets);
        let env = TradingEnv::new(self.markets.clone(), self.rules.clone(), self.config.n_envs)?;
        Ok(env.with_tiers(tiers))
    }

    /// Makes the job's folder in `staged`, which stands for the run's folder until all of the run's jobs are
    /// prepared: a run is there with all of its models, or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn prepare(&mut self, run: &Path, staged: &Path) -> Result<(), CheckpointError> {
        let place = self.dir.strip_prefix(run).unwrap_or(Path::new(""));
        MarketJob { dir: staged.join(place), ..self.clone() }.open()?;
        self.resume = true;
        Ok(())
    }

    /// The folder with its configuration and provenance: a new one, or the one that is to be taken up.
    fn open(&self) -> Result<RunDir, CheckpointError> {
        let run = if self.resume && self.dir.join("config.json").exists() {
            let (run, _) = RunDir::open(&self.dir)?;
            run.write_config(&self.config, run.saved_steps()?)?;
            run
        } else {
            RunDir::create(&self.dir, &self.config, &self.notes)?
        };
        self.provenance(&run)?.write(run.path())?;
        Ok(run)
    }

    /// What decides the bytes of this job's files.
    fn provenance(&self, run: &RunDir) -> Result<Provenance, CheckpointError> {
        let legs = run.legs()?.into_iter().map(|leg| {
            let config = TrainConfig { seed: 0, ..leg.config };
            json!([leg.from_step, config])
        });
        Ok(Provenance {
            data: self.notes.dataset["fingerprint_sha256"].as_str().unwrap_or_default().to_owned(),
            markets: markets::fingerprint(&self.markets),
            rules: sha256_hex(json!(self.rules).to_string()),
            configuration: sha256_hex(legs.collect::<Value>().to_string()),
            seed: self.config.seed,
            ..Provenance::of(&interface(&self.rules))
        })
    }
}

/// A plan with the markets of every model taken out of the recording once: what runs of one plan share.
pub struct Course<'a> {
    recording: &'a Recording,
    plan: &'a Plan,
    sides: Vec<Arc<[Episode]>>,
}

impl<'a> Course<'a> {
    /// The training sides of `plan`.
    pub fn new(recording: &'a Recording, plan: &'a Plan) -> Course<'a> {
        let side = |split: &Split| -> Arc<[Episode]> {
            split.train.iter().map(|e| recording.episodes[*e].clone()).collect()
        };
        Course { recording, plan, sides: plan.splits.iter().map(side).collect() }
    }

    /// The jobs of one run: `job` for each split, its markets, folder and data note filled in.
    pub fn jobs(&self, job: &MarketJob) -> Vec<MarketJob> {
        let folder = |i: usize| match self.sides.len() {
            1 => job.dir.clone(),
            _ => job.dir.join(format!("fold_{i}")),
        };
        let of_split = |(i, side): (usize, &Arc<[Episode]>)| MarketJob {
            markets: side.clone(),
            rules: job.rules.clone(),
            config: job.config.clone(),
            device: job.device,
            dir: folder(i),
            notes: Notes {
                rules: json!(job.rules),
                dataset: json!(Memory::of(self.recording, self.plan, i)),
                ..job.notes.clone()
            },
            resume: job.resume,
        };
        self.sides.iter().enumerate().map(of_split).collect()
    }
}

/// The jobs of the only run of a plan: [`Course::jobs`].
pub fn jobs(recording: &Recording, plan: &Plan, job: &MarketJob) -> Vec<MarketJob> {
    Course::new(recording, plan).jobs(job)
}

/// The folders of a run's models, in the order of the plan's splits.
pub fn model_dirs(run: &Path) -> Vec<PathBuf> {
    let folds: Vec<PathBuf> =
        (0..).map(|i| run.join(format!("fold_{i}"))).take_while(|dir| dir.is_dir()).collect();
    if folds.is_empty() { vec![run.to_owned()] } else { folds }
}

/// Trains all `jobs`, `threads` at a time; the results stand in the order of the jobs. A job's result
/// does not depend on the others. `watch` sees the job's index, its steps so far, and the record.
pub fn run_all(
    jobs: &[MarketJob],
    threads: usize,
    watch: &(dyn Fn(usize, u64, &Record) -> Control + Sync),
) -> Vec<Result<Outcome, TrainError>> {
    parallel::map(jobs.iter().collect(), threads, |i, job: &MarketJob| {
        job.run(&mut |steps, record| watch(i, steps, record))
    })
}
