//! Run folders: what `kflow train` writes, read as plain JSON, so that nothing of learning is needed to look on.

use super::files::{seconds, written_s};
use super::registry::{self, Registry};
use crate::dash::news::{Model, Run};
use crate::units::TsNs;
use crate::view::RunStatus;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs told of: the newest.
const RUNS: usize = 50;
/// A run whose files were not written for this long has no end in sight, seconds.
const STILL_S: f64 = 60.0;

/// The curve that follows from the rewards.
pub(in crate::dash) const EQUITY: &str = "rollout/ep_equity_mean";

/// Run folders as they were last seen.
#[derive(Default)]
pub(super) struct Folder {
    /// Per run folder: when its files were written.
    seen: Vec<(PathBuf, [u64; 3])>,
    /// When the registry was written.
    registered: u64,
}

impl Folder {
    /// All runs and models below `run_dir`, if any of them changed.
    pub(super) fn look(&mut self, run_dir: &Path, now: TsNs) -> Option<(Vec<Run>, Vec<Model>)> {
        let mut found: Vec<(PathBuf, [u64; 3])> = places(run_dir)
            .into_iter()
            .map(|dir| {
                let written = |name: &str| written_s(&dir.join(name)).to_bits();
                let times =
                    ["progress.jsonl", "last/model.safetensors", "evaluation.json"].map(written);
                (dir, times)
            })
            .collect();
        found.sort_by_key(|(dir, _)| {
            std::cmp::Reverse(written_s(&dir.join("config.json")).to_bits())
        });
        found.truncate(RUNS);
        let registered = written_s(&run_dir.join(registry::FILE)).to_bits();
        if found == self.seen && registered == self.registered {
            return None;
        }
        (self.seen, self.registered) = (found, registered);
        let dirs = || self.seen.iter().map(|(dir, _)| dir);
        let runs = dirs().map(|dir| run(run_dir, dir, now)).collect();
        let registry = Registry::read(run_dir);
        let mut models = registry.versions(run_dir);
        models.extend(dirs().filter_map(|dir| model(run_dir, dir)).map(|mut model| {
            registry.annotate(&mut model);
            model
        }));
        Some((runs, models))
    }
}

/// Folders with a configuration: a run, or each fold of it.
fn places(run_dir: &Path) -> Vec<PathBuf> {
    let below =
        |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let is_run = |dir: &PathBuf| dir.join("config.json").is_file();
    let runs: Vec<PathBuf> = std::iter::once(run_dir.to_owned()).chain(below(run_dir)).collect();
    let folds = runs.iter().skip(1).flat_map(|run| below(run)).filter(is_run).collect::<Vec<_>>();
    runs.iter().filter(|dir| is_run(dir)).cloned().chain(folds).collect()
}

fn name(run_dir: &Path, dir: &Path) -> String {
    let name = dir.strip_prefix(run_dir).unwrap_or(dir).display().to_string();
    if name.is_empty() {
        run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    } else {
        name
    }
}

pub(super) fn json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// The rows of a progress file that are whole.
fn lines(path: &Path) -> Vec<Map<String, Value>> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn run(run_dir: &Path, dir: &Path, now: TsNs) -> Run {
    let config = json(&dir.join("config.json"));
    let (rows, timing) = (lines(&dir.join("progress.jsonl")), lines(&dir.join("timing.jsonl")));
    let mut curves: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let mut latest = BTreeMap::new();
    for row in rows.iter().chain(&timing) {
        let steps = row.get("time/total_timesteps").and_then(Value::as_f64).unwrap_or(0.0);
        let numbers = row.iter().filter_map(|(key, value)| Some((key, value.as_f64()?)));
        for (key, number) in numbers.filter(|(key, _)| key.contains('/')) {
            // A2C's name for the same.
            let key = if key == "train/policy_loss" { "train/policy_gradient_loss" } else { key };
            curves.entry(key.to_owned()).or_default().push((steps, number));
            latest.insert(key.to_owned(), number);
        }
    }
    equity(&mut curves, &mut latest, &json(&dir.join("rules.json")));
    let number = |key: &str| latest.get(key).copied().unwrap_or(0.0);
    let (steps, fps) = (number("time/total_timesteps") as u64, number("time/fps"));
    let steps_total = config["total_timesteps"].as_u64().unwrap_or(0);
    let written_unix_s = written_s(&dir.join("progress.jsonl"));
    let going = seconds(now) - written_unix_s < STILL_S;
    let left = steps_total.saturating_sub(steps);
    let status = RunStatus {
        id: name(run_dir, dir),
        algo: config["algo"].as_str().unwrap_or_default().to_owned(),
        seed: config["seed"].as_u64().unwrap_or(0),
        steps,
        steps_total,
        steps_per_s: if going || left == 0 { fps } else { 0.0 },
        eta_s: (left > 0).then_some((left as f64 / fps.max(1.0)) as u64),
        written_unix_s,
        latest,
    };
    Run { status, curves }
}

/// Equity at the end of an episode: without shaping its rewards sum to the change of equity, in dollars.
fn equity(
    curves: &mut BTreeMap<String, Vec<(f64, f64)>>,
    latest: &mut BTreeMap<String, f64>,
    rules: &Value,
) {
    let Some(start_e6) = rules["start_cash"].as_f64() else { return };
    if rules["reward"]["order_penalty"].as_f64() != Some(0.0) {
        return;
    }
    let of = |reward: f64| start_e6 / 1e6 + reward;
    if let Some(points) = curves.get("rollout/ep_rew_mean") {
        let points = points.iter().map(|(steps, reward)| (*steps, of(*reward))).collect();
        curves.insert(EQUITY.to_owned(), points);
    }
    if let Some(reward) = latest.get("rollout/ep_rew_mean") {
        latest.insert(EQUITY.to_owned(), of(*reward));
    }
}

/// The model in a run folder, once there is one.
fn model(run_dir: &Path, dir: &Path) -> Option<Model> {
    let weights = dir.join("last/model.safetensors");
    if !weights.is_file() {
        return None;
    }
    let last = lines(&dir.join("progress.jsonl")).pop().unwrap_or_default();
    let number = |key: &str| last.get(key).and_then(Value::as_f64);
    let facts = facts_of(dir);
    let text = |key: &str| facts.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fold_of = dir.parent().filter(|parent| *parent != run_dir && dir != run_dir);
    let parent = match (text("parent"), fold_of) {
        (parent, _) if !parent.is_empty() => parent,
        (_, Some(run)) => name(run_dir, run),
        _ => String::new(),
    };
    let judged = json(&fold_of.unwrap_or(dir).join("evaluation.json"));
    Some(Model {
        id: name(run_dir, dir),
        parent,
        steps: number("time/total_timesteps").unwrap_or(0.0) as u64,
        reward: number("rollout/ep_rew_mean"),
        verdict: judged["verdict"].as_str().unwrap_or_default().to_owned(),
        saved_unix_s: written_s(&weights),
        facts,
        ..Model::default()
    })
}

/// What a model was made with, flat, as the files beside it tell.
pub(super) fn facts_of(dir: &Path) -> Map<String, Value> {
    let mut facts = Map::new();
    for (file, keys) in [
        ("config.json", None),
        (
            "dataset.json",
            Some(&["fingerprint_sha256", "sources", "episodes", "protocol", "split"][..]),
        ),
        ("env.json", Some(&["program", "device", "isa", "parent"][..])),
        ("rules.json", Some(&["layout", "actions", "start_cash", "position_limit"][..])),
    ] {
        let Value::Object(all) = json(&dir.join(file)) else { continue };
        facts.extend(
            all.into_iter().filter(|(key, _)| keys.is_none_or(|k| k.contains(&key.as_str()))),
        );
    }
    facts
}
