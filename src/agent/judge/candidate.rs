//! A run before its judge: its models, what they were trained on, and the plan that follows from it.

use super::JudgeError;
use crate::agent::among::Among;
use crate::agent::checkpoint::{self, CheckpointError};
use crate::agent::config::TrainConfig;
use crate::agent::device::DeviceName;
use crate::agent::eval::{Entrant, Player, Team};
use crate::agent::fit;
use crate::agent::insight::Curve;
use crate::agent::memory::Memory;
use crate::agent::model::{Choice, Model, ModelPolicy};
use crate::agent::split::{Plan, Protocol, count_markets};
use crate::agent::tries::Tries;
use crate::broker::Rates;
use crate::env::EnvConfig;
use crate::features::Layout;
use crate::features::episode::Episode;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What the pictures of training show.
const CURVES: [&str; 2] = ["rollout/ep_rew_mean", "train/entropy_loss"];

/// Rows of a progress file that a curve shows at most: more than a screen has columns.
const POINTS: usize = 1_000;

/// A run: one model, or one per split.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) models: Vec<Model>,
    pub(super) rules: EnvConfig,
    /// The search that it was chosen in, if it was.
    pub(super) tries: Option<Tries>,
    /// The seeds that it was trained with.
    among: Among,
    path: PathBuf,
    dirs: Vec<PathBuf>,
    config: TrainConfig,
    /// What each model was trained on, where that is known.
    memories: Vec<Option<Memory>>,
}

impl Candidate {
    pub(super) fn load(path: &Path) -> Result<Candidate, JudgeError> {
        let dirs = fit::model_dirs(path);
        let models = dirs.iter().map(|d| Model::load(d)).collect::<Result<Vec<_>, _>>()?;
        let card = &models[0].card;
        // A model inside a run (`RUN/last`, or its weights) is described by the files of the run.
        let rules = match checkpoint::note(&dirs[0], "rules.json")? {
            Some(rules) => rules,
            None => default_rules(&card.interface.layout)?,
        };
        let config = checkpoint::note(&dirs[0], "config.json")?;
        let config = config.unwrap_or(TrainConfig { seed: card.seed, ..TrainConfig::ppo() });
        for model in &models {
            model.fits(&fit::interface(&rules))?;
        }
        let among = Among::read(&dirs[0])?;
        Ok(Candidate {
            name: name(path),
            memories: dirs.iter().map(|d| Memory::read(d)).collect::<Result<_, _>>()?,
            tries: tries(&dirs[0], &among)?,
            among,
            path: path.to_owned(),
            dirs,
            models,
            config,
            rules,
        })
    }

    /// This candidate under the fees that `rates` tell, where there are any.
    pub(super) fn with_rates(mut self, rates: Option<&Rates>) -> Candidate {
        if let Some(rates) = rates {
            self.rules.rates.clone_from(rates);
        }
        self
    }

    /// What `other` must share with this one to be another seed of the same recipe; names the difference.
    pub(super) fn differs_from(&self, other: &Candidate) -> Option<&'static str> {
        let seedless = |c: &TrainConfig| TrainConfig { seed: 0, ..c.clone() };
        let sides = |c: &Candidate| -> Vec<_> {
            let known = |m: &Option<Memory>| m.as_ref().map(|m| (m.train.clone(), m.test.clone()));
            c.memories.iter().map(known).collect()
        };
        [
            (self.rules != other.rules, "rules of the game"),
            (seedless(&self.config) != seedless(&other.config), "training parameters"),
            (sides(self) != sides(other), "markets to learn from"),
        ]
        .into_iter()
        .find_map(|(differs, what)| differs.then_some(what))
    }

    /// True when it is not known what one of the models learned from.
    pub(super) fn origin_unknown(&self) -> bool {
        self.memories.iter().any(Option::is_none)
    }

    /// The plan to judge by, and what is to be said about it.
    pub(super) fn plan(
        &self,
        episodes: &[Episode],
        here: &str,
    ) -> Result<(Plan, Option<String>), JudgeError> {
        let blocks = JudgeError::Blocks { models: self.models.len() };
        let Some(known) = self.memories.iter().cloned().collect::<Option<Vec<Memory>>>() else {
            if self.models.len() > 1 {
                return Err(blocks);
            }
            let warning =
                "what the model learned from is not known; it may have seen these markets";
            return Ok((Plan::unseen(episodes, |_| false), Some(warning.to_owned())));
        };
        let plan = Plan::to_judge(&known, episodes, here).ok_or(blocks)?;
        let warning = (plan.protocol == Protocol::Unseen).then(|| {
            let judged = count_markets(episodes, &plan.splits[0].test);
            format!("other data than in training: judged on the {judged} markets that it never saw")
        });
        Ok((plan, warning))
    }

    /// The network before training.
    pub(super) fn untrained(&self, device: DeviceName) -> Entrant {
        let first = &self.models[0].card;
        let fresh = Model::untrained(&self.config, first.shape.clone(), first.interface.clone());
        Entrant::one(
            "untrained",
            Box::new(ModelPolicy::new("untrained", fresh, Choice::Greedy, device)),
        )
    }

    /// Its models, as one seed.
    pub(super) fn team(&self, device: DeviceName) -> Team {
        let trained = |model: &Model| -> Player {
            Box::new(ModelPolicy::new(&self.name, model.clone(), Choice::Greedy, device))
        };
        Team { name: self.name.clone(), policies: self.models.iter().map(trained).collect() }
    }

    /// How its models learned, from their progress files; empty where there are none.
    pub(super) fn curves(&self) -> Vec<Curve> {
        let named = |(i, dir): (usize, &PathBuf)| {
            let model = match self.dirs.len() {
                1 => self.name.clone(),
                _ => format!("{} fold {i}", self.name),
            };
            (model, fs::read_to_string(dir.join("progress.jsonl")).unwrap_or_default())
        };
        let files: Vec<(String, String)> = self.dirs.iter().enumerate().map(named).collect();
        let curve = |key: &'static str, (model, text): &(String, String)| {
            let every = text.lines().count().div_ceil(POINTS).max(1);
            let rows = text.lines().step_by(every);
            let points: Vec<[f64; 2]> = rows.filter_map(|line| point(line, key)).collect();
            (!points.is_empty()).then(|| Curve { model: model.clone(), key, points })
        };
        CURVES.iter().flat_map(|key| files.iter().filter_map(|file| curve(key, file))).collect()
    }

    /// Its run's id, wherever it was copied to.
    pub(super) fn id(&self) -> &str {
        if self.among.run_id.is_empty() { &self.name } else { &self.among.run_id }
    }

    /// True when both are the same models, wherever they were copied to.
    pub(super) fn is_same_run(&self, other: &Candidate) -> bool {
        self.models.iter().map(|m| &m.params).eq(other.models.iter().map(|m| &m.params))
    }

    /// Runs that were trained with it, from other seeds, and are not in `judged`: their folders, or what they are
    /// called.
    pub(super) fn others(&self, judged: &[&str]) -> Vec<String> {
        let beside = |id: &str| {
            let folder = self.path.with_file_name(id.rsplit('/').next().unwrap_or(id));
            if folder.is_dir() { folder.display().to_string() } else { id.to_owned() }
        };
        self.among.others(judged).into_iter().map(beside).collect()
    }
}

/// How often was tried in the search that the model in `dir` was chosen in.
fn tries(dir: &Path, among: &Among) -> Result<Option<Tries>, CheckpointError> {
    // A search holds trial, seed, fold, `last` and the weights below each other.
    const DEPTH: usize = 5;
    let dir = fs::canonicalize(dir).map_err(checkpoint::io_at(dir))?;
    let noted = checkpoint::note_within(&dir, "tries.json", DEPTH)?;
    // Copied out of its search by hand: how the tries varied is not known any more, their number is.
    let counted = |tries| Tries { tries, sharpe_variance: None, overfitting: None };
    Ok(noted.or(among.tries.map(counted)))
}

/// The run's folder; a trial of a search is named with its number.
fn name(path: &Path) -> String {
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = last(path).unwrap_or_default();
    match path.parent().and_then(last).filter(|_| name.starts_with("seed_")) {
        Some(trial) => format!("{trial}/{name}"),
        None => name,
    }
}

/// Steps and the value of `key` in a row of `progress.jsonl`.
fn point(line: &str, key: &str) -> Option<[f64; 2]> {
    let row: Value = serde_json::from_str(line).ok()?;
    Some([row.get("time/total_timesteps")?.as_f64()?, row.get(key)?.as_f64()?])
}

fn default_rules(layout: &str) -> Result<EnvConfig, JudgeError> {
    let layout: Layout = layout.parse().map_err(|_| JudgeError::Layout(layout.to_owned()))?;
    Ok(EnvConfig { layout, ..EnvConfig::default() })
}
