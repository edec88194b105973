//! A trained run before its judge: which markets it may be judged on, and what it earns there.
//!
//! A run remembers the markets that it learned from (`dataset.json`). On the data that it was trained on,
//! the plan of its training holds. On other data it is judged on markets that it never saw. Several runs are
//! seeds of one recipe and judged together. A run that was chosen in a search (`tries.json`) is judged as
//! the best of so many tries.
//!
//! **Invariant:** no market that a model learned from or was chosen by is ever a test market of it.

mod candidate;

use super::checkpoint::CheckpointError;
use super::compare::{Comparison, compare};
use super::device::DeviceName;
use super::eval::{self, Entrant, EvalResult, Setup, Verdict};
use super::insight::Insight;
use super::inspect::{self, Scene};
use super::model::{Choice, Model, ModelPolicy};
use super::split::Plan;
use super::{calibration, parallel};
use crate::broker::Rates;
use crate::digest;
use crate::env::{AssumedFees, EnvConfig};
use crate::replay::{self, Recording};
use crate::store::StoreError;
use candidate::Candidate;
use serde::Serialize;
use std::path::{Path, PathBuf};

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
    /// Two runs that are no seeds of one recipe.
    #[error("{first} and {second} differ in their {what}: they are no seeds of one recipe")]
    Unlike {
        /// The first run.
        first: String,
        /// The other one.
        second: String,
        /// What differs.
        what: &'static str,
    },
    /// A run that is named twice, perhaps by its id and as a version, or was trained twice: it is one seed.
    #[error("{first} and {second} hold the same models")]
    Twice {
        /// As it was named first.
        first: String,
        /// As it was named again.
        second: String,
    },
    /// No run.
    #[error("no run to judge")]
    Nobody,
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
    /// What it is made of.
    pub model: Model,
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
    let policy = ModelPolicy::new(&name, model.clone(), Choice::Greedy, device);
    Ok(Trader { policy, rules, hash, model })
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Run folders, model folders or model files: the seeds of one recipe.
    pub runs: &'a [PathBuf],
    /// Another run that they are compared with on the same episodes.
    pub against: Option<&'a Path>,
    /// The data.
    pub data_dir: &'a Path,
    /// Fees by series, in place of those that the runs were trained under.
    pub rates: Option<Rates>,
    /// Chance of the policies and of the bootstrap.
    pub seed: u64,
    /// Where the tensors live.
    pub device: DeviceName,
    /// Also find out what the result owes to each column: as many evaluations as there are columns.
    pub importance: bool,
    /// Threads to play on; no result depends on it.
    pub threads: usize,
}

impl<'a> Question<'a> {
    /// What `runs` earn on the log in `data_dir`, on all cores.
    pub fn new(runs: &'a [PathBuf], data_dir: &'a Path, seed: u64) -> Question<'a> {
        let (device, threads) = (DeviceName::default(), parallel::cores());
        let (against, rates, importance) = (None, None, false);
        Question { runs, against, data_dir, rates, seed, device, importance, threads }
    }
}

/// What came out, and where it comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Name of the run or model; the first of several.
    pub run: String,
    /// Names of all seeds.
    pub runs: Vec<String>,
    /// Observation layout.
    pub layout: String,
    /// Labels of the recorded sessions; synthetic ones start with `sim:`.
    pub sources: Vec<String>,
    /// SHA-256 that names the recorded data.
    pub data_sha256: String,
    /// What was assumed of fees that nobody told.
    pub fees_assumed: Option<AssumedFees>,
    /// The result.
    #[serde(flatten)]
    pub result: EvalResult,
    /// What was looked at besides.
    #[serde(flatten)]
    pub insight: Insight,
}

impl Evaluation {
    /// The label of synthetic data, if any of the sessions is synthetic.
    pub fn synthetic(&self) -> Option<&str> {
        self.sources.iter().map(String::as_str).find(|s| s.starts_with("sim:"))
    }
}

/// Judges runs on recorded markets, beside all baselines. `progress` hears of each piece of work how many of
/// how many parts are done.
///
/// # Errors
/// When model or data cannot be read or do not fit to each other.
pub fn judge(
    question: &Question<'_>,
    mut progress: impl FnMut(&'static str, usize, usize),
) -> Result<Evaluation, JudgeError> {
    let load = |path: &Path| Candidate::load(path).map(|c| c.with_rates(question.rates.as_ref()));
    let candidates = question.runs.iter().map(|r| load(r)).collect::<Result<Vec<_>, _>>()?;
    let first = candidates.first().ok_or(JudgeError::Nobody)?;
    for (i, other) in candidates.iter().enumerate().skip(1) {
        if let Some(same) = candidates[..i].iter().find(|c| c.is_same_run(other)) {
            let (first, second) = (same.name.clone(), other.name.clone());
            return Err(JudgeError::Twice { first, second });
        }
        if let Some(what) = first.differs_from(other) {
            let (first, second) = (first.name.clone(), other.name.clone());
            return Err(JudgeError::Unlike { first, second, what });
        }
    }
    let recording = recording(question.data_dir, &first.rules)?;
    let mut entrants = eval::baselines();
    entrants.push(first.untrained(question.device));
    entrants.push(seeds(&candidates, question.device));
    let (mut result, plan) = hear(question, &candidates, &recording, entrants, &mut progress)?;
    let alone = candidates.iter().find_map(|c| left_out(c, &candidates));
    let alone = alone.map(|(note, others)| format!("{note}: name them too ({others})"));
    result.warnings.extend(alone);
    let mut insight = look(question, &candidates, (&recording, &plan), &mut progress);
    if !result.held_out {
        // Whoever may have seen the outcomes is no forecaster.
        insight.calibration = None;
    }
    if let Some(path) = question.against {
        let other = load(path)?;
        if other.rules != first.rules {
            result.warnings.push(format!("{} trades by other rules", other.name));
        }
        insight.comparison = against(question, &mut result, (&candidates, other), &mut progress)?;
    }
    Ok(Evaluation {
        run: first.name.clone(),
        runs: candidates.iter().map(|c| c.name.clone()).collect(),
        layout: first.rules.layout.to_string(),
        fees_assumed: first.rules.fees_assumed(recording.real_tickers()),
        sources: recording.sources,
        data_sha256: recording.fingerprint,
        result,
        insight,
    })
}

/// What can be heard of the work.
type Watch<'a> = &'a mut dyn FnMut(&'static str, usize, usize);

fn recording(data_dir: &Path, rules: &EnvConfig) -> Result<Recording, JudgeError> {
    let recording = replay::recording(data_dir, rules.layout)?;
    if recording.episodes.is_empty() { Err(JudgeError::NoEpisode) } else { Ok(recording) }
}

/// The candidates as one entrant.
fn seeds(candidates: &[Candidate], device: DeviceName) -> Entrant {
    let name = candidates.first().map_or_else(String::new, |c| c.models[0].card.algo.clone());
    Entrant { name, teams: candidates.iter().map(|c| c.team(device)).collect() }
}

/// Lets the entrants, of which the candidates stand last, trade what is held out from the candidates.
fn hear(
    question: &Question<'_>,
    candidates: &[Candidate],
    recording: &Recording,
    entrants: Vec<Entrant>,
    progress: Watch<'_>,
) -> Result<(EvalResult, Plan), JudgeError> {
    let first = candidates.first().ok_or(JudgeError::Nobody)?;
    let (plan, warning) = first.plan(&recording.episodes, &recording.fingerprint)?;
    let setup = Setup {
        episodes: &recording.episodes,
        plan: &plan,
        env: &first.rules,
        seed: question.seed,
        tries: first.tries,
        threads: question.threads,
    };
    let mut result = eval::evaluate(&setup, entrants, |done, of| progress("evaluate", done, of));
    if candidates.iter().any(Candidate::origin_unknown) {
        // It may have learned from these very markets: whatever it earns on them says nothing.
        result.held_out = false;
        result.verdict = Verdict::NoVerdict;
        result.reason = "what the model learned from is not known".to_owned();
    }
    result.warnings.extend(warning);
    Ok((result, plan))
}

/// What is to be said of seeds of the same training that are not judged, and their names: who judges one of several
/// has chosen it.
fn left_out<'a>(
    candidate: &Candidate,
    judged: impl IntoIterator<Item = &'a Candidate>,
) -> Option<(String, String)> {
    let judged: Vec<&str> = judged.into_iter().map(Candidate::id).collect();
    let others = candidate.others(&judged);
    (!others.is_empty()).then(|| {
        let n = others.len();
        let note = "other seeds that are not judged, and the best of several is chosen";
        (format!("trained with {n} {note}"), others.join(" "))
    })
}

/// The second look, and the importance of the columns where it is asked for.
fn look(
    question: &Question<'_>,
    candidates: &[Candidate],
    (recording, plan): (&Recording, &Plan),
    progress: Watch<'_>,
) -> Insight {
    let Some(first) = candidates.first() else { return Insight::default() };
    let scene = Scene {
        episodes: &recording.episodes,
        plan,
        env: &first.rules,
        seed: question.seed,
        device: question.device,
        threads: question.threads,
    };
    let seeds: Vec<Vec<Model>> = candidates.iter().map(|c| c.models.clone()).collect();
    let seen = inspect::watch(&scene, &seeds);
    let importance = match question.importance {
        // Of one seed: the columns of others may mean other things to them.
        true => {
            inspect::importance(&scene, &first.models, |done, of| progress("columns", done, of))
        }
        false => Vec::new(),
    };
    Insight {
        calibration: calibration::calibrate(&seen.forecasts, question.seed),
        actions_over_life: seen.actions_over_life,
        curves: candidates.iter().flat_map(Candidate::curves).collect(),
        importance,
        comparison: None,
    }
}

/// Lets another run trade what is held out from it, and compares where both were held out; says why it does not.
fn against(
    question: &Question<'_>,
    result: &mut EvalResult,
    (candidates, other): (&[Candidate], Candidate),
    progress: Watch<'_>,
) -> Result<Option<Comparison>, JudgeError> {
    let name = other.name.clone();
    // Read again: it may observe by another layout.
    let recorded = recording(question.data_dir, &other.rules)?;
    let others = [other];
    let entrants = vec![seeds(&others, question.device)];
    let (theirs, _) = hear(question, &others, &recorded, entrants, progress)?;
    let alone = left_out(&others[0], candidates.iter().chain(&others));
    let alone = alone.map(|(note, others)| format!("{name} was {note} ({others})"));
    result.warnings.extend(alone);
    if !(result.held_out && theirs.held_out) {
        let who = if result.held_out { &name } else { &result.evaluated };
        let warning = format!("no comparison with {name}: what {who} learned from is not known");
        result.warnings.push(warning);
        return Ok(None);
    }
    let rows = result.judged().zip(theirs.judged());
    Ok(rows.and_then(|(ours, theirs)| compare(ours, theirs, &name, question.seed)))
}
