//! `kflow models compare`: in what two models differ.

use super::{Options, failure};
use crate::cli::exit::Failure;
use crate::cli::printer;
use crate::registry::{Book, Registry, Version};
use serde_json::{Map, Value, json};
use std::fs;

/// Arguments of `kflow models compare`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A registered version
    #[arg(value_name = "A")]
    a: String,
    /// Another one
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    options: Options,
}

/// Compares configuration, rules, origin, figures of training and evaluations.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let registry = Registry::at(&args.options.run_dir);
    let book = registry.book().map_err(failure)?;
    let [a, b] = [&args.a, &args.b].map(|word| registry.version(word));
    let (a, b) = (a.map_err(failure)?, b.map_err(failure)?);
    let [left, right] = [&a, &b].map(|version| facts(&registry, &book, version));
    let (left, right) = (left?, right?);
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |side: &Map<String, Value>, name: &str| side.get(name).cloned().unwrap_or_default();
    let differ = names.into_iter().filter(|name| of(&left, name) != of(&right, name));
    let differences: Vec<Value> = differ
        .map(|name| json!({"what": name, "a": of(&left, name), "b": of(&right, name)}))
        .collect();
    if args.options.json {
        let data = json!({"a": a.id(), "b": b.id(), "differences": differences});
        return printer::json("models compare", &data);
    }
    let rows: Vec<Vec<String>> = differences
        .iter()
        .map(|row| ["what", "a", "b"].map(|key| printer::cell(&row[key])).to_vec())
        .collect();
    let (a, b) = (a.id(), b.id());
    printer::line(&printer::table(&["what differs", &a, &b], &rows))
}

/// All facts of a version, flat: `config.learning_rate`, `train/loss`, `evaluation.verdict`.
fn facts(
    registry: &Registry,
    book: &Book,
    version: &Version,
) -> Result<Map<String, Value>, Failure> {
    let folder = registry.checked(version).map_err(failure)?;
    let mut facts = Map::new();
    for (name, file) in
        [("config", "config.json"), ("rules", "rules.json"), ("provenance", "provenance.json")]
    {
        // A model from elsewhere has none of them.
        let place = [folder.join(file), folder.join("fold_0").join(file)];
        let text = place.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
        flatten(name, serde_json::from_slice(&text).unwrap_or_default(), &mut facts);
    }
    flatten("metrics", version.metrics[0].clone(), &mut facts);
    flatten("evaluation", json!(book.judged(&version.content_sha256)), &mut facts);
    Ok(facts)
}

fn flatten(name: &str, value: Value, into: &mut Map<String, Value>) {
    match value {
        Value::Object(parts) => {
            for (key, part) in parts {
                flatten(&format!("{name}.{key}"), part, into);
            }
        }
        Value::Null => {}
        value => drop(into.insert(name.to_owned(), value)),
    }
}
