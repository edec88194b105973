//! The registry of models as text, `registry.json` beside the runs, and the files of its versions
//! (`models/NAME/v3/`): read as plain JSON, like the runs.

use super::runs::{facts_of, json};
use crate::view::ModelStatus;
use serde_json::Value;
use std::path::Path;

/// Name of the file beside the runs.
pub(super) const FILE: &str = "registry.json";
/// Facts of a version's record that are told with those of its files.
const FACTS: [&str; 7] =
    ["source", "layout", "actions", "reward", "content_sha256", "program", "models"];

/// What is recorded.
pub(super) struct Registry(Value);

impl Registry {
    /// As it lies beside the runs; one that is not there, or half-written, has nothing in it.
    pub(super) fn read(run_dir: &Path) -> Registry {
        Registry(json(&run_dir.join(FILE)))
    }

    /// Registered versions, newest first.
    pub(super) fn versions(&self, run_dir: &Path) -> Vec<ModelStatus> {
        let mut models: Vec<ModelStatus> =
            self.rows("versions").filter_map(|row| version(run_dir, row)).collect();
        models.sort_by(|a, b| b.saved_unix_s.total_cmp(&a.saved_unix_s));
        models
    }

    /// Adds what is recorded of a run to the model that lies in its folder.
    pub(super) fn annotate(&self, model: &mut ModelStatus) {
        let of_run = |row: &&Value| row["id"].as_str() == Some(&model.id);
        let Some(row) = self.rows("runs").find(of_run) else { return };
        model.status = text(row, "status");
        if model.parent.is_empty() {
            model.parent = text(row, "parent");
        }
    }

    fn rows(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.0[key].as_array().into_iter().flatten()
    }
}

fn version(run_dir: &Path, row: &Value) -> Option<ModelStatus> {
    let (name, number) = (row["name"].as_str()?, row["version"].as_u64()?);
    let dir = run_dir.join("models").join(name).join(format!("v{number}"));
    let fold = dir.join("fold_0");
    let mut facts = facts_of(if fold.is_dir() { &fold } else { &dir });
    let told = FACTS.iter().filter(|key| !row[**key].is_null());
    facts.extend(told.map(|key| ((*key).to_owned(), row[*key].clone())));
    facts.insert("algo".to_owned(), row["algo"].clone());
    let (judged, source, parent) = (&row["evaluation"], text(row, "source"), text(row, "parent"));
    let bounds = [judged["ci95"][0].as_f64(), judged["ci95"][1].as_f64()];
    Some(ModelStatus {
        id: format!("{name}:{number}"),
        parent: if source.is_empty() { parent } else { source },
        facts,
        steps: row["steps"].as_u64().unwrap_or(0),
        reward: row["metrics"][0]["rollout/ep_rew_mean"].as_f64(),
        verdict: text(judged, "verdict"),
        saved_unix_s: row["registered_unix_s"].as_f64().unwrap_or(0.0),
        status: text(row, "status"),
        aliases: strings(&row["aliases"]),
        mean_return: judged["mean_return"].as_f64(),
        ci95: bounds[0].zip(bounds[1]),
    })
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| Some(v.as_str()?.to_owned())).collect()
}
