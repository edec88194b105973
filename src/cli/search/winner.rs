//! The winner of a search in the registry: one version for each of its seeds, all of them judged together.

use crate::agent::judge::Evaluation;
use crate::agent::search::Found;
use crate::cli::exit::Failure;
use crate::cli::judged;
use crate::cli::models::{failure, hand};
use crate::registry::shelf::Entry;
use crate::registry::{Content, Registry, Version};
use std::fs;
use std::path::{self, Path};

/// Where a search's winner goes.
pub(super) struct Shelf {
    registry: Registry,
    /// Name of the search's folder.
    search: String,
    /// Name of the versions.
    name: String,
}

impl Shelf {
    /// Beside the search in `dir`, which need not be there yet. A name that cannot be one is refused before the
    /// hours of searching.
    pub(super) fn of(dir: &Path, name: Option<&str>) -> Result<Shelf, Failure> {
        let dir = fs::canonicalize(dir).or_else(|_| path::absolute(dir))?;
        let search = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let registry = Registry::at(dir.parent().unwrap_or(&dir));
        let name = name.unwrap_or(&search).to_owned();
        registry.book().and_then(|book| book.next_version(&name)).map_err(failure)?;
        Ok(Shelf { registry, search, name })
    }

    /// Registers the winner's models and notes how they were judged; what they are called now.
    pub(super) fn enter(
        &self,
        found: &Found,
        evaluation: &Evaluation,
    ) -> Result<Vec<String>, Failure> {
        let versions = found.runs.iter().map(|run| self.version(&found.dir, run));
        let versions = versions.collect::<Result<Vec<_>, _>>()?;
        judged::record(&found.runs, evaluation)?;
        Ok(versions.iter().map(Version::id).collect())
    }

    /// The version that the model of one seed is; of a search that was asked for its result again, the old one.
    fn version(&self, dir: &Path, run: &Path) -> Result<Version, Failure> {
        let inside = run.strip_prefix(dir).unwrap_or(run);
        let source = Path::new(&self.search).join(inside).display().to_string();
        let content = Content::of(run).map_err(failure)?.sha256();
        let book = self.registry.book().map_err(failure)?;
        let mut known = book.versions().filter(|v| v.name == self.name && v.source == source);
        if let Some(version) = known.find(|v| v.content_sha256 == content) {
            return Ok(version.clone());
        }
        let entry = Entry { name: &self.name, path: run, source: &source, parent: None };
        self.registry.register(&entry, &hand(None)?).map_err(failure)
    }
}
