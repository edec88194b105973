//! One model: what it is, what it was made from, and what was made from it.

use super::{Options, failure};
use crate::cli::exit::Failure;
use crate::cli::printer;
use crate::registry::{Book, Registry, Version};
use serde_json::json;

/// `kflow models show`.
pub(super) fn show(options: &Options, model: &str) -> Result<(), Failure> {
    let registry = Registry::at(&options.run_dir);
    let version = registry.version(model).map_err(failure)?;
    let folder = registry.checked(&version).map_err(failure)?;
    let book = registry.book().map_err(failure)?;
    let mut data = book.version_json(&version);
    data["dir"] = json!(folder);
    let id = version.id();
    data["events"] =
        book.events().iter().filter(|event| event.version == id).map(|e| json!(e)).collect();
    if options.json {
        return printer::json("models show", &data);
    }
    printer::fields(&data)
}

/// `kflow models lineage`.
pub(super) fn lineage(options: &Options, model: &str) -> Result<(), Failure> {
    let registry = Registry::at(&options.run_dir);
    let version = registry.version(model).map_err(failure)?;
    let book = registry.book().map_err(failure)?;
    let chain = ancestors(&book, &version);
    let children: Vec<&Version> =
        book.versions().filter(|v| v.parent.as_deref() == Some(&version.id())).collect();
    if options.json {
        let line = |v: &Version| json!({"model": v.id(), "source": v.source, "digests": v.digests, "steps": v.steps});
        let data = json!({
            "model": version.id(),
            "ancestors": chain.iter().map(|v| line(v)).collect::<Vec<_>>(),
            "children": children.iter().map(|v| line(v)).collect::<Vec<_>>(),
        });
        return printer::json("models lineage", &data);
    }
    for (depth, v) in chain.iter().rev().chain([&&version]).enumerate() {
        printer::line(&line(v, depth))?;
    }
    for child in children {
        printer::line(&line(child, chain.len() + 1))?;
    }
    Ok(())
}

fn line(v: &Version, depth: usize) -> String {
    let digest = v.digests.first().and_then(|d| d.get(..8)).unwrap_or("unknown");
    let steps = v.steps;
    format!(
        "{:indent$}{}  from {}, {steps} steps, run digest {digest}",
        "",
        v.id(),
        v.source,
        indent = 2 * depth
    )
}

/// The versions that `version` descends from, parent first.
fn ancestors<'a>(book: &'a Book, version: &'a Version) -> Vec<&'a Version> {
    let mut chain: Vec<&Version> = Vec::new();
    let mut at = version;
    while let Some(parent) = &at.parent {
        let Some(found) = book.versions().find(|v| v.id() == *parent) else { break };
        // A parent was registered before its child, so this ends; a damaged registry must not hang it.
        if chain.iter().any(|v| v.id() == found.id()) {
            break;
        }
        chain.push(found);
        at = found;
    }
    chain
}
