//! A training run in memory: collect, learn, count, and know when to stop.
//!
//! **Invariant:** no clock and no files. The same configuration gives the same bits, and a run
//! restored from a [`Snapshot`] continues as if it had never stopped.

use super::config::{Algo, TrainConfig};
use super::diagnosis::{Chart, Finding};
use super::engine::Engine;
use super::loss::{Objective, Rule};
use super::model::{self, Model};
use super::net::NetShape;
use super::normalizer::Normalizer;
use super::optimizer::Optimizer;
use super::ppo::{self, Passes, Scratch};
use super::progress::Record;
use super::rollout::{Collector, NotFinite, Rollout};
use super::tally::Tally;
use super::weights::Interface;
use super::{a2c, schedule::Schedule};
use crate::env::VecEnv;
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Everything that a run needs to continue, between two rollouts.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Flat parameters.
    pub params: Vec<f32>,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Statistics of the observations, when the run normalises.
    pub normalizer: Option<Normalizer>,
    /// Counters, streams and environments.
    pub progress: Progress,
}

/// Counters, random streams and the environments' state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Rollouts done.
    pub iterations: u64,
    /// SB3's `train/n_updates`.
    pub n_updates: u64,
    /// What the next progress row knows so far.
    pub tally: Tally,
    /// How long each symptom lasts.
    pub chart: Chart,
    /// Draws actions.
    pub actions_rng: Rng,
    /// Shuffles rows.
    pub shuffle_rng: Rng,
    /// [`VecEnv::save`].
    pub env: Value,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// All steps are done.
    Finished,
    /// The caller asked.
    Asked,
    /// A stop rule, in words.
    Rule(String),
}

/// One rollout and one update are behind us.
#[derive(Clone, Debug, PartialEq)]
pub struct Iteration {
    /// What there is to say about it.
    pub record: Record,
    /// True when the record belongs into the progress files.
    pub logged: bool,
    /// What belongs beside it into `diagnostics.jsonl`; null where nothing is logged.
    pub diagnostics: Value,
    /// Symptoms that the record shows.
    pub findings: Vec<Finding>,
    /// The run is over.
    pub ended: Option<Ended>,
}

/// A run in progress.
pub struct Trainer<'a> {
    config: &'a TrainConfig,
    env: &'a mut dyn VecEnv,
    engine: &'a mut dyn Engine,
    collector: Collector,
    rollout: Rollout,
    tally: Tally,
    chart: Chart,
    shuffle_rng: Rng,
    scratch: Scratch,
    iterations: u64,
    n_updates: u64,
}

impl TrainConfig {
    /// The network for an environment.
    pub fn shape(&self, env: &dyn VecEnv) -> NetShape {
        NetShape::mlp(env.obs_len(), self.net_arch.clone(), env.n_actions())
    }

    /// First parameters of a run, and its optimiser.
    pub fn fresh(&self, shape: &NetShape) -> (Vec<f32>, Optimizer) {
        let params = shape.init(&mut Rng::stream(self.seed, "init", 0));
        (params, Optimizer::new(self.optimizer(), shape.n_params()))
    }
}

impl<'a> Trainer<'a> {
    /// A run that begins; `actions` names the environment's actions.
    pub fn start(
        config: &'a TrainConfig,
        env: &'a mut dyn VecEnv,
        engine: &'a mut dyn Engine,
        actions: &[String],
    ) -> Trainer<'a> {
        let collector = Collector::start(env, config.normalize_obs, config.seed);
        let shuffle_rng = Rng::stream(config.seed, "shuffle", 0);
        Trainer {
            config,
            env,
            engine,
            collector,
            rollout: Rollout::default(),
            tally: Tally::new(actions),
            chart: Chart::default(),
            shuffle_rng,
            scratch: Scratch::default(),
            iterations: 0,
            n_updates: 0,
        }
    }

    /// A run that continues where `snapshot` was taken.
    ///
    /// # Errors
    /// What of the environments' state does not fit.
    pub fn resume(
        config: &'a TrainConfig,
        env: &'a mut dyn VecEnv,
        engine: &'a mut dyn Engine,
        snapshot: Snapshot,
    ) -> Result<Trainer<'a>, String> {
        let Snapshot { params, optimizer, normalizer, progress } = snapshot;
        engine.restore(params, optimizer);
        Ok(Trainer {
            config,
            collector: Collector::resume(env, &progress.env, normalizer, progress.actions_rng)?,
            env,
            engine,
            rollout: Rollout::default(),
            tally: progress.tally,
            chart: progress.chart,
            shuffle_rng: progress.shuffle_rng,
            scratch: Scratch::default(),
            iterations: progress.iterations,
            n_updates: progress.n_updates,
        })
    }

    /// Environment steps done.
    pub fn steps(&self) -> u64 {
        self.tally.steps
    }

    /// The state between two iterations.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            params: self.engine.params().to_vec(),
            optimizer: self.engine.optimizer().clone(),
            normalizer: self.collector.normalizer.clone(),
            progress: Progress {
                iterations: self.iterations,
                n_updates: self.n_updates,
                tally: self.tally.clone(),
                chart: self.chart.clone(),
                actions_rng: self.collector.rng.clone(),
                shuffle_rng: self.shuffle_rng.clone(),
                env: self.env.save(),
            },
        }
    }

    /// The model as it is now.
    pub fn model(&self, interface: Interface) -> Model {
        let normalizer = self.collector.normalizer.clone();
        let shape = self.engine.shape().clone();
        let card = model::card(self.config, shape, interface, self.steps(), normalizer.is_some());
        Model { card, params: self.engine.params().to_vec(), normalizer }
    }

    /// One rollout and what is learned from it.
    ///
    /// # Errors
    /// [`NotFinite`] names the number that broke; the parameters are then not to be used.
    pub fn iterate(&mut self) -> Result<Iteration, NotFinite> {
        self.collect()?;
        self.estimate()?;
        self.update()
    }

    /// The first third of an iteration: acts in all environments.
    ///
    /// # Errors
    /// As [`Trainer::iterate`].
    pub fn collect(&mut self) -> Result<(), NotFinite> {
        self.env.set_progress(self.done());
        let extent = (self.config.n_steps, self.config.gamma);
        self.collector.collect(self.env, self.engine, extent, &mut self.rollout, &mut self.tally)
    }

    /// The second: advantages and returns.
    ///
    /// # Errors
    /// As [`Trainer::iterate`].
    pub fn estimate(&mut self) -> Result<(), NotFinite> {
        let discounts = (self.config.gamma, self.config.gae_lambda);
        self.collector.estimate(self.engine, discounts, &mut self.rollout, self.tally.steps)
    }

    /// The last: learns, counts, and judges whether the run is over.
    ///
    /// # Errors
    /// As [`Trainer::iterate`].
    pub fn update(&mut self) -> Result<Iteration, NotFinite> {
        let c = self.config;
        self.iterations += 1;
        // SB3 moves its schedules on before it learns.
        let done = self.done();

        let mut record = Record::default();
        self.tally.report(&mut record);
        record.put("time/iterations", self.iterations as f64);
        record.put("time/total_timesteps", self.tally.steps as f64);
        self.learn(done, &mut record)?;
        record.put("train/explained_variance", self.rollout.explained_variance());
        record.put("train/learning_rate", c.learning_rate.at(done));
        record.put("train/n_updates", self.n_updates as f64);

        let logged = self.iterations.is_multiple_of(c.log_interval);
        let (mut findings, mut diagnostics) = (Vec::new(), Value::Null);
        if logged {
            findings = self.chart.note(&self.tally, &record, c.stop.collapse_share());
            diagnostics = json!({
                "time/total_timesteps": self.tally.steps,
                "by_spread": self.tally.spread_table(),
                "constant_entries": self.tally.constant_entries(),
                "choice_share": self.tally.choice_share(),
                "findings": findings,
            });
            self.tally.next_row();
        }
        let ended = self.judge(&record, &findings);
        Ok(Iteration { record, logged, diagnostics, findings, ended })
    }

    /// Share of the configured steps that are done.
    fn done(&self) -> f64 {
        (self.tally.steps as f64 / self.config.total_timesteps.max(1) as f64).min(1.0)
    }

    /// True once a reward was not zero.
    pub fn rewarded(&self) -> bool {
        self.tally.rewarded
    }

    fn learn(&mut self, done: f64, record: &mut Record) -> Result<(), NotFinite> {
        let counters = (self.tally.steps, &mut self.n_updates);
        match self.config.algo {
            Algo::Ppo { batch_size, n_epochs, clip_range, target_kl } => {
                let clip = clip_range.at(done);
                let kl_limit = target_kl.map(|kl| 1.5 * kl);
                let rule = rule(
                    self.config,
                    Objective::Clipped { clip_range: clip as f32 },
                    kl_limit,
                    done,
                );
                let how = (Passes { batch_size, n_epochs }, &rule);
                ppo::learn(
                    self.engine,
                    &self.rollout,
                    how,
                    (&mut self.shuffle_rng, &mut self.scratch),
                    counters,
                    record,
                )?;
                record.put("train/clip_range", clip);
            }
            Algo::A2c { .. } => {
                let rule = rule(self.config, Objective::PolicyGradient, None, done);
                a2c::learn(self.engine, &self.rollout, &rule, counters, record)?;
            }
        }
        Ok(())
    }

    /// Is the run over?
    fn judge(&self, record: &Record, findings: &[Finding]) -> Option<Ended> {
        let stop = &self.config.stop;
        if let (Some(limit), Some(kl)) = (stop.max_kl, record.get("train/approx_kl"))
            && kl > limit
        {
            return Some(Ended::Rule(format!("approx_kl {kl:.4} is above the limit {limit}")));
        }
        let reached = |f: &&Finding| stop.rows(f.symptom).is_some_and(|limit| f.rows >= limit);
        if let Some(finding) = findings.iter().find(reached) {
            return Some(Ended::Rule(finding.to_string()));
        }
        (self.tally.steps >= self.config.total_timesteps).then_some(Ended::Finished)
    }
}

fn rule(config: &TrainConfig, objective: Objective, kl_limit: Option<f32>, done: f64) -> Rule {
    Rule {
        objective,
        ent_coef: config.ent_coef,
        vf_coef: config.vf_coef,
        max_grad_norm: config.max_grad_norm,
        learning_rate: Schedule::at(config.learning_rate, done),
        normalize_advantage: config.normalize_advantage,
        kl_limit,
    }
}
