//! A trained run before its judge: which markets it may be judged on, and what it earns there.
//!
//! A run remembers the markets that it learned from (`dataset.json`). On the data that it was trained on,
//! the plan of its training holds. On other data it is judged on markets that it never saw.
//!
//! **Invariant:** no market that a model learned from or was chosen by is ever a test market of it.

use super::checkpoint::{self, CheckpointError};
use super::config::TrainConfig;
use super::device::DeviceName;
use super::eval::{self, Entrant, EvalResult, Setup, Verdict};
use super::fit;
use super::model::{Choice, Model, ModelPolicy};
use super::split::{Plan, count_markets};
use crate::digest;
use crate::env::EnvConfig;
use crate::features::Layout;
use crate::features::episode::Episode;
use crate::replay;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// An evaluation that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The run or model.
    #[error("the model cannot be used")]
    Model(#[from] CheckpointError),
    /// The recorded data.
    #[error("the data cannot be read")]
    Data(#[from] StoreError),
    /// No episode.
    #[error("the data hold no market with enough decisions")]
    NoEpisode,
    /// The model names a layout that this program does not know.
    #[error("unknown layout `{0}`")]
    Layout(String),
    /// A run of several models, on data that its blocks do not belong to.
    #[error("the run's {models} models were trained on blocks of other data")]
    Blocks {
        /// Models in the run.
        models: usize,
    },
    /// A run of several models where one is to act.
    #[error(
        "the run holds {models} models, each without one block of markets; one of them must be named"
    )]
    Several {
        /// Models in the run.
        models: usize,
    },
}

/// A model that is to trade.
pub struct Trader {
    /// It, as a policy.
    pub policy: ModelPolicy,
    /// The rules of the game that it was trained under.
    pub rules: EnvConfig,
    /// SHA-256 over its parameters, little-endian.
    pub hash: String,
}

/// Loads the one model at `path` (run folder, model folder or model file) to trade with it.
///
/// # Errors
/// When it cannot be read, does not fit to this program's observations or actions, or is not one.
pub fn trader(path: &Path, device: DeviceName) -> Result<Trader, JudgeError> {
    let Candidate { name, mut models, rules, .. } = Candidate::load(path)?;
    let models_found = models.len();
    let model = models.pop().filter(|_| models_found == 1);
    let model = model.ok_or(JudgeError::Several { models: models_found })?;
    let bytes: Vec<u8> = model.params.iter().flat_map(|p| p.to_le_bytes()).collect();
    let hash = digest::sha256_hex(bytes);
    Ok(Trader { policy: ModelPolicy::new(&name, model, Choice::Greedy, device), rules, hash })
}

/// What came out, and where it comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Name of the run or model.
    pub run: String,
    /// Observation layout.
    pub layout: String,
    /// Labels of the recorded sessions; synthetic ones start with `sim:`.
    pub sources: Vec<String>,
    /// SHA-256 that names the recorded data.
    pub data_sha256: String,
    /// The result.
    #[serde(flatten)]
    pub result: EvalResult,
}

impl Evaluation {
    /// The label of synthetic data, if any of the sessions is synthetic.
    pub fn synthetic(&self) -> Option<&str> {
        self.sources.iter().map(String::as_str).find(|s| s.starts_with("sim:"))
    }
}

/// Judges the run folder, model folder or model file at `path` on the log in `data_dir`, beside all
/// baselines. `progress` hears how many of how many episodes were played.
///
/// # Errors
/// When model or data cannot be read or do not fit to each other.
pub fn judge(
    path: &Path,
    data_dir: &Path,
    seed: u64,
    device: DeviceName,
    progress: impl FnMut(usize, usize),
) -> Result<Evaluation, JudgeError> {
    let candidate = Candidate::load(path)?;
    let mut recording = replay::recording(data_dir, candidate.rules.layout)?;
    (recording.episodes, _) = checkpoint::filter_of(path)?.keep(recording.episodes);
    if recording.episodes.is_empty() {
        return Err(JudgeError::NoEpisode);
    }
    let data_sha256 = recording.fingerprint;
    let (plan, warning) = candidate.plan(&recording.episodes, &data_sha256)?;
    let (run, rules) = (candidate.name.clone(), candidate.rules.clone());
    let origin_unknown = candidate.memories.iter().any(Option::is_none);
    let mut entrants = eval::baselines();
    entrants.extend(candidate.entrants(device));
    let setup = Setup { episodes: &recording.episodes, plan: &plan, env: &rules, seed };
    let mut result = eval::evaluate(&setup, &mut entrants, progress);
    if origin_unknown {
        // It may have learned from these very markets: whatever it earns on them says nothing.
        result.verdict = Verdict::NoVerdict;
        result.reason = "what the model learned from is not known".to_owned();
    }
    result.warnings.extend(warning);
    let layout = rules.layout.to_string();
    Ok(Evaluation { run, layout, sources: recording.sources, data_sha256, result })
}

/// A run: one model, or one per block.
struct Candidate {
    name: String,
    models: Vec<Model>,
    config: TrainConfig,
    rules: EnvConfig,
    /// What each model was trained on, where that is known.
    memories: Vec<Option<Memory>>,
}

/// The part of `dataset.json` that the judge needs.
#[derive(Deserialize)]
struct Memory {
    fingerprint_sha256: String,
    train: BTreeSet<String>,
    validation: BTreeSet<String>,
}

impl Candidate {
    fn load(path: &Path) -> Result<Candidate, JudgeError> {
        let dirs = fit::model_dirs(path);
        let models = dirs.iter().map(|d| Model::load(d)).collect::<Result<Vec<_>, _>>()?;
        // A model inside a run (`RUN/last`, or its weights) is described by the files of the run.
        let optional = |dir: &Path, name: &str| {
            dir.ancestors().take(3).map(|place| place.join(name)).find(|file| file.is_file())
        };
        let card = &models[0].card;
        let rules = match optional(&dirs[0], "rules.json") {
            Some(file) => checkpoint::read_json(&file)?,
            None => default_rules(&card.interface.layout)?,
        };
        let config = match optional(&dirs[0], "config.json") {
            Some(file) => checkpoint::read_json(&file)?,
            None => TrainConfig { seed: card.seed, ..TrainConfig::ppo() },
        };
        for model in &models {
            model.fits(&fit::interface(&rules))?;
        }
        let memory = |dir: &std::path::PathBuf| -> Result<Option<Memory>, CheckpointError> {
            optional(dir, "dataset.json").map(|file| checkpoint::read_json(&file)).transpose()
        };
        Ok(Candidate {
            name: path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            memories: dirs.iter().map(memory).collect::<Result<_, _>>()?,
            models,
            config,
            rules,
        })
    }

    /// The plan to judge by, and what is to be said about it.
    fn plan(&self, episodes: &[Episode], here: &str) -> Result<(Plan, Option<String>), JudgeError> {
        let trained = Plan::new(episodes);
        let same = |m: &Option<Memory>| m.as_ref().is_some_and(|m| m.fingerprint_sha256 == here);
        if trained.splits.len() == self.models.len() && self.memories.iter().all(same) {
            return Ok((trained, None));
        }
        let [memory] = &self.memories[..] else {
            return Err(JudgeError::Blocks { models: self.models.len() });
        };
        let Some(memory) = memory else {
            let warning =
                "what the model learned from is not known; it may have seen these markets";
            return Ok((Plan::unseen(episodes, |_| false), Some(warning.to_owned())));
        };
        let seen =
            |ticker: &str| memory.train.contains(ticker) || memory.validation.contains(ticker);
        let plan = Plan::unseen(episodes, seen);
        let judged = count_markets(episodes, &plan.splits[0].test);
        let warning = format!(
            "other data than in training: judged on the {judged} markets that it never saw"
        );
        Ok((plan, Some(warning)))
    }

    /// The untrained network and the trained one, which stands last.
    fn entrants(self, device: DeviceName) -> [Entrant; 2] {
        let trained = |model: &Model| -> Box<dyn super::policy::Policy> {
            Box::new(ModelPolicy::new(&self.name, model.clone(), Choice::Greedy, device))
        };
        let first = &self.models[0].card;
        let fresh = Model::untrained(&self.config, first.shape.clone(), first.interface.clone());
        let fresh = ModelPolicy::new("untrained", fresh, Choice::Greedy, device);
        [
            Entrant { name: "untrained".into(), policies: vec![Box::new(fresh)] },
            Entrant {
                name: first.algo.clone(),
                policies: self.models.iter().map(trained).collect(),
            },
        ]
    }
}

fn default_rules(layout: &str) -> Result<EnvConfig, JudgeError> {
    let layout: Layout = layout.parse().map_err(|_| JudgeError::Layout(layout.to_owned()))?;
    Ok(EnvConfig { layout, ..EnvConfig::default() })
}
