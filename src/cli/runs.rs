//! `kflow runs`: what was trained, how it went, and whether it comes out the same again.

mod repeat;

use super::exit::Failure;
use super::models::{Options, failure, now_s};
use super::train::plan::folder;
use super::{models, printer};
use crate::agent::checkpoint::RunDir;
use crate::agent::fit;
use crate::agent::provenance::{Provenance, digest_of};
use crate::registry::{Book, Registry};
use clap::Subcommand;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `kflow runs`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the runs, newest first
    Ls(Options),
    /// Show what decides a run's bytes, how it went, and what was found wrong
    Show(One),
    /// Train a run again from its own notes and compare the files byte by byte
    Repeat(repeat::Args),
}

#[derive(clap::Args, Debug)]
struct One {
    /// The run (its id or its folder)
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    options: Options,
}

/// Runs the command.
///
/// # Errors
/// 5 for runs that are missing or damaged, and for data that are not theirs; 6 when a repeated run came out
/// otherwise.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Ls(options) => ls(&options),
        Command::Show(one) => show(&one),
        Command::Repeat(args) => repeat::run(&args),
    }
}

fn ls(options: &Options) -> Result<(), Failure> {
    let book = Registry::at(&options.run_dir).book().map_err(failure)?;
    let mut runs: Vec<Value> =
        folders(&options.run_dir).iter().map(|dir| summary(dir, &book)).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run["started_unix_s"].as_u64()));
    if options.json {
        return printer::json("runs ls", &json!({"runs": runs}));
    }
    let now = now_s()?;
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let mut row: Vec<String> = ["id", "status", "algo", "seed", "models", "steps"]
                .map(|key| printer::cell(&run[key]))
                .into();
            row.push(run["return"].as_f64().map_or_else(|| "-".to_owned(), |r| format!("{r:+.3}")));
            let started = run["started_unix_s"].as_u64();
            row.push(started.map_or_else(|| "-".to_owned(), |then| models::age(now, then)));
            row
        })
        .collect();
    let head = ["run", "status", "algo", "seed", "models", "steps", "return", "age"];
    printer::line(&printer::table(&head, &rows))
}

/// Folders below `run_dir` that hold a run.
fn folders(run_dir: &Path) -> Vec<PathBuf> {
    // A run that died while its folders were made ends in `.new`, and is none.
    let is_run = |dir: &PathBuf| {
        dir.extension().is_none_or(|end| end != "new")
            && ["config.json", "fold_0/config.json"].iter().any(|f| dir.join(f).is_file())
    };
    let entries = fs::read_dir(run_dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_run).collect();
    found.sort();
    found
}

/// What `ls` tells of a run.
fn summary(dir: &Path, book: &Book) -> Value {
    let id = dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let models = fit::model_dirs(dir);
    let config = json_file(&models[0].join("config.json"));
    let last = last_line(&models[0].join("progress.jsonl"));
    let recorded = book.run(&id);
    let saved = models.iter().all(|model| model.join("last/model.safetensors").is_file());
    let status = match (RunDir::is_claimed(dir), recorded.map(|run| run.ended_unix_s)) {
        (true, _) => "training",
        (false, Some(None)) => "interrupted",
        (false, Some(Some(_))) => "ready",
        // Trained by other means than `kflow train`.
        (false, None) if saved => "ready",
        (false, None) => "interrupted",
    };
    json!({
        "id": id,
        "dir": dir,
        "status": status,
        "algo": config["algo"],
        "seed": config["seed"],
        "models": models.len(),
        "steps": last["time/total_timesteps"].as_f64().map(|steps| steps as u64),
        "steps_total": config["total_timesteps"],
        "return": last["rollout/ep_rew_mean"],
        "digests": models.iter().filter_map(|model| digest_of(model)).collect::<Vec<_>>(),
        "started_unix_s": recorded
            .map(|run| json!(run.started_unix_s))
            .unwrap_or_else(|| json_file(&models[0].join("env.json"))["started_unix_s"].clone()),
    })
}

fn show(args: &One) -> Result<(), Failure> {
    let dir = folder(&args.options.run_dir, &args.run);
    let models = fit::model_dirs(&dir);
    RunDir::open(&models[0]).map_err(super::train::checkpoint_failure)?;
    let book = Registry::at(&args.options.run_dir).book().map_err(failure)?;
    let mut data = summary(&dir, &book);
    let details = models.iter().map(|model| detail(model));
    data["detail"] = details.collect();
    if args.options.json {
        return printer::json("runs show", &data);
    }
    let details = data.as_object_mut().and_then(|all| all.remove("detail")).unwrap_or_default();
    printer::fields(&data)?;
    for (model, detail) in models.iter().zip(details.as_array().into_iter().flatten()) {
        printer::line(&format!("\n{}", model.display()))?;
        tell(detail)?;
    }
    Ok(())
}

/// What is known of one model of a run.
fn detail(model: &Path) -> Value {
    json!({
        "dir": model,
        "provenance": Provenance::read(model).ok(),
        "digest": digest_of(model),
        "final": last_line(&model.join("progress.jsonl")),
        "diagnostics": last_line(&model.join("diagnostics.jsonl")),
        "broken": json_file(&model.join("broken.json")),
        "evaluation": json_file(&model.join("evaluation.json"))["verdict"],
    })
}

/// The figures, the actions by spread, and what was found wrong.
fn tell(detail: &Value) -> Result<(), Failure> {
    printer::line(&format!("digest {}", detail["digest"].as_str().unwrap_or("not known")))?;
    let empty = Map::new();
    for (key, value) in detail["final"].as_object().unwrap_or(&empty) {
        let text = value.as_f64().map_or_else(|| "-".to_owned(), |v| format!("{v:.6}"));
        printer::line(&format!("  {key:<32} {text:>14}"))?;
    }
    let table = detail["diagnostics"]["by_spread"].as_object().unwrap_or(&empty);
    if let Some(first) = table.values().next().and_then(Value::as_object) {
        let names: Vec<&str> = first.keys().map(String::as_str).collect();
        let head: Vec<&str> = std::iter::once("spread").chain(names.iter().copied()).collect();
        let cell = |row: &Value, name: &str| match row[name].as_f64() {
            Some(steps) if name == "steps" => format!("{steps}"),
            Some(share) => format!("{:.1} %", 100.0 * share),
            None => "-".to_owned(),
        };
        let rows: Vec<Vec<String>> = table
            .iter()
            .map(|(class, row)| {
                std::iter::once(class.clone()).chain(names.iter().map(|n| cell(row, n))).collect()
            })
            .collect();
        printer::line(&printer::table(&head, &rows))?;
    }
    for finding in detail["diagnostics"]["findings"].as_array().into_iter().flatten() {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let (symptom, seen, cause, advice) =
            (text("symptom"), text("seen"), text("cause"), text("advice"));
        printer::line(&format!("  {symptom}: {seen}; {cause}; {advice}"))?;
    }
    Ok(())
}

/// A JSON file; null where it is missing or damaged: what tells of a run stops nobody from looking at it.
fn json_file(path: &Path) -> Value {
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn last_line(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_default();
    let rows = text.lines().rev().filter_map(|row| serde_json::from_str(row).ok());
    rows.into_iter().next().unwrap_or_default()
}
