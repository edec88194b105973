//! Run folders: what `kflow train` writes, read as plain JSON, so that nothing of learning is needed to look on.

use super::files::{seconds, written_s};
use super::registry::{self, Registry};
use super::rows::Rows;
use crate::dash::learned::{Curve, Learned};
use crate::dash::news::Run;
use crate::units::TsNs;
use crate::view::{ModelStatus, RunStatus};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs told of: the newest.
const RUNS: usize = 50;
/// A run whose files were not written for this long has no end in sight, seconds.
const STILL_S: f64 = 60.0;
/// Files of rows. What a clock says first: a row is written to the other one before.
const ROWS: [&str; 2] = ["timing.jsonl", "progress.jsonl"];

const REWARD: &str = "rollout/ep_rew_mean";
/// The curve that follows from the rewards.
pub(in crate::dash) const EQUITY: &str = "rollout/ep_equity_mean";

/// Run folders as they were last seen.
#[derive(Default)]
pub(super) struct Folder {
    seen: Vec<Seen>,
    /// When the registry was written.
    registered: u64,
}

impl Folder {
    /// All runs and models below `run_dir`, if any of them changed.
    pub(super) fn look(
        &mut self,
        run_dir: &Path,
        now: TsNs,
    ) -> Option<(Vec<Run>, Vec<ModelStatus>)> {
        let mut dirs = places(run_dir);
        dirs.sort_by_key(|dir| std::cmp::Reverse(written_s(&dir.join("config.json")).to_bits()));
        dirs.truncate(RUNS);
        let registered = written_s(&run_dir.join(registry::FILE)).to_bits();
        let mut changed = registered != self.registered
            || !dirs.iter().eq(self.seen.iter().map(|seen| &seen.dir));
        self.registered = registered;
        let mut known: BTreeMap<PathBuf, Seen> =
            self.seen.drain(..).map(|seen| (seen.dir.clone(), seen)).collect();
        for dir in dirs {
            let mut seen = known.remove(&dir).unwrap_or_else(|| Seen::of(&dir));
            changed |= seen.look(run_dir, now);
            self.seen.push(seen);
        }
        changed.then(|| self.tell(run_dir))
    }

    fn tell(&self, run_dir: &Path) -> (Vec<Run>, Vec<ModelStatus>) {
        let runs = self.seen.iter().map(|seen| seen.run.clone()).collect();
        let registry = Registry::read(run_dir);
        let mut models = registry.versions(run_dir);
        models.extend(self.seen.iter().filter_map(|seen| seen.model.clone()).map(|mut model| {
            registry.annotate(&mut model);
            model
        }));
        (runs, models)
    }
}

/// A run folder as it was last seen.
struct Seen {
    dir: PathBuf,
    /// When its files were written, and their sizes.
    stamps: Vec<(u64, u64)>,
    rows: [Rows; ROWS.len()],
    learned: Learned,
    run: Run,
    model: Option<ModelStatus>,
}

impl Seen {
    fn of(dir: &Path) -> Seen {
        Seen {
            dir: dir.to_owned(),
            stamps: Vec::new(),
            rows: ROWS.map(|name| Rows::of(&dir.join(name))),
            learned: Learned::default(),
            run: Run::default(),
            model: None,
        }
    }

    /// Reads what was added; true if anything was.
    fn look(&mut self, run_dir: &Path, now: TsNs) -> bool {
        let stamps = stamps(run_dir, &self.dir);
        if stamps == self.stamps {
            return false;
        }
        if self.rows.iter().any(Rows::is_another) {
            *self = Seen::of(&self.dir);
        }
        self.stamps = stamps;
        for rows in &mut self.rows {
            rows.more(|row| self.learned.take(row));
        }
        self.run = run(run_dir, &self.dir, &self.learned, now);
        self.model = model(run_dir, &self.dir, &self.learned);
        true
    }
}

/// When the files that a run and its model are told from were written, and their sizes.
fn stamps(run_dir: &Path, dir: &Path) -> Vec<(u64, u64)> {
    let judged = fold_of(run_dir, dir).unwrap_or(dir).join("evaluation.json");
    let files = ["config.json", "dataset.json", "last/model.safetensors"].into_iter().chain(ROWS);
    files
        .map(|name| dir.join(name))
        .chain([judged])
        .map(|file| {
            let size = std::fs::metadata(&file).map_or(0, |about| about.len());
            (written_s(&file).to_bits(), size)
        })
        .collect()
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

fn run(run_dir: &Path, dir: &Path, learned: &Learned, now: TsNs) -> Run {
    let config = json(&dir.join("config.json"));
    let (mut curves, mut latest) = (learned.curves(), learned.latest.clone());
    equity(&mut curves, &mut latest, &json(&dir.join("rules.json")));
    let (steps, fps) = (learned.steps(), learned.number("time/fps"));
    let steps_total = planned(&config);
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
    let dataset = json(&dir.join("dataset.json"));
    let sources = dataset["sources"].as_array().into_iter().flatten();
    let sources = sources.filter_map(|source| Some(source.as_str()?.to_owned())).collect();
    Run { status, curves: Arc::new(curves), sources }
}

/// Environment steps that a run makes: those asked for, in whole rollouts.
fn planned(config: &Value) -> u64 {
    let asked = config["total_timesteps"].as_u64().unwrap_or(0);
    let per = ["n_envs", "n_steps"].map(|key| config[key].as_u64().unwrap_or(1));
    let rollout = per[0].saturating_mul(per[1]).max(1);
    asked.div_ceil(rollout).saturating_mul(rollout)
}

/// Equity at the end of an episode: without shaping its rewards sum to the change of equity, in dollars.
fn equity(curves: &mut BTreeMap<String, Curve>, latest: &mut BTreeMap<String, f64>, rules: &Value) {
    let Some(start_e6) = rules["start_cash"].as_f64() else { return };
    if rules["reward"]["order_penalty"].as_f64() != Some(0.0) {
        return;
    }
    let start = start_e6 / 1e6;
    if let Some(rewards) = curves.get(REWARD) {
        curves.insert(EQUITY.to_owned(), rewards.lifted(start));
    }
    if let Some(reward) = latest.get(REWARD) {
        latest.insert(EQUITY.to_owned(), start + reward);
    }
}

/// The run that a folder is a fold of.
fn fold_of<'a>(run_dir: &Path, dir: &'a Path) -> Option<&'a Path> {
    dir.parent().filter(|parent| *parent != run_dir && dir != run_dir)
}

/// The model in a run folder, once there is one.
fn model(run_dir: &Path, dir: &Path, learned: &Learned) -> Option<ModelStatus> {
    let weights = dir.join("last/model.safetensors");
    if !weights.is_file() {
        return None;
    }
    let facts = facts_of(dir);
    let text = |key: &str| facts.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fold_of = fold_of(run_dir, dir);
    let parent = match (text("parent"), fold_of) {
        (parent, _) if !parent.is_empty() => parent,
        (_, Some(run)) => name(run_dir, run),
        _ => String::new(),
    };
    let judged = json(&fold_of.unwrap_or(dir).join("evaluation.json"));
    Some(ModelStatus {
        id: name(run_dir, dir),
        parent,
        steps: learned.steps(),
        reward: learned.latest.get(REWARD).copied(),
        verdict: judged["verdict"].as_str().unwrap_or_default().to_owned(),
        saved_unix_s: written_s(&weights),
        facts,
        ..ModelStatus::default()
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
        ("rules.json", Some(&["layout", "actions", "start_cash", "limit"][..])),
    ] {
        let Value::Object(all) = json(&dir.join(file)) else { continue };
        facts.extend(
            all.into_iter().filter(|(key, _)| keys.is_none_or(|k| k.contains(&key.as_str()))),
        );
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn row(i: u64) -> String {
        format!("{{\"time/total_timesteps\":{},\"rollout/ep_rew_mean\":{i}}}\n", i * 100)
    }

    #[test]
    fn a_run_that_grows_is_told_anew_and_the_curves_of_the_others_are_not_made_again() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["a", "b"] {
            let run = dir.path().join(name);
            fs::create_dir(&run).expect("a folder");
            fs::write(run.join("config.json"), "{\"algo\":\"ppo\"}").expect("written");
            fs::write(run.join("progress.jsonl"), row(1)).expect("written");
        }
        let mut folder = Folder::default();
        let of = |runs: &[Run], id: &str| {
            runs.iter().find(|run| run.status.id == id).expect("told").clone()
        };
        let (before, _) = folder.look(dir.path(), TsNs(0)).expect("new");
        assert!(folder.look(dir.path(), TsNs(0)).is_none(), "nothing was written");
        let path = dir.path().join("a/progress.jsonl");
        let mut file = fs::File::options().append(true).open(&path).expect("there");
        file.write_all(row(2).as_bytes()).expect("written");
        let (after, _) = folder.look(dir.path(), TsNs(0)).expect("grown");
        assert_eq!(of(&after, "a").curves[REWARD].raw, [(100.0, 1.0), (200.0, 2.0)]);
        assert!(Arc::ptr_eq(&of(&before, "b").curves, &of(&after, "b").curves));
        fs::write(&path, row(7)).expect("written");
        let (anew, _) = folder.look(dir.path(), TsNs(0)).expect("another");
        assert_eq!(of(&anew, "a").curves[REWARD].raw, [(700.0, 7.0)]);
    }

    #[test]
    fn the_rules_that_are_told_of_a_model_are_there_as_the_environment_writes_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let rules = serde_json::to_string(&crate::env::EnvConfig::default()).expect("plain rules");
        fs::write(dir.path().join("rules.json"), rules).expect("written");
        let facts = facts_of(dir.path());
        let told: Vec<&str> = facts.keys().map(String::as_str).collect();
        assert_eq!(told, ["start_cash", "limit", "actions", "layout"]);
    }

    #[test]
    fn whole_rollouts_are_planned() {
        let config = |text: &str| serde_json::from_str(text).expect("readable");
        let rounded = config(r#"{"total_timesteps":20000,"n_envs":8,"n_steps":256}"#);
        assert_eq!(planned(&rounded), 20_480);
        assert_eq!(planned(&config(r#"{"total_timesteps":100}"#)), 100);
        assert_eq!(planned(&config(r#"{"total_timesteps":100,"n_envs":0}"#)), 100);
        assert_eq!(planned(&Value::Null), 0);
    }
}
