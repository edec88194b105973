//! What the registry knows and which changes it allows: no files here.
//!
//! ```text
//! run      training ─► ready
//! version  ready ◄─► deployed (holds `champion`)        ready ─► archived
//! ```
//!
//! **Invariant:** a version's record holds nothing that moves; where it stands follows from aliases and archive.

mod file;

use super::{CHAMPION, Event, Judged, RegistryError, Run, Status, Trained, Version, id};
use std::collections::{BTreeMap, BTreeSet};

/// Letters of a name at most.
const NAME_MAX: usize = 64;

/// All records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    runs: BTreeMap<String, Run>,
    /// By name and number.
    versions: BTreeMap<(String, u32), Version>,
    /// By name and alias.
    aliases: BTreeMap<(String, String), u32>,
    /// By name and number.
    archived: BTreeSet<(String, u32)>,
    /// In the order in which they were made.
    judged: Vec<Judged>,
    events: Vec<Event>,
}

/// Who moves something, when, and why.
#[derive(Clone, Debug)]
pub struct Hand {
    /// Now, seconds since the epoch.
    pub unix_s: u64,
    /// The user's number.
    pub uid: u32,
    /// Why; given where a rule is to be passed over.
    pub reason: Option<String>,
}

impl Book {
    /// Runs by id.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// Versions by name and number.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.values()
    }

    /// What was done to aliases and statuses, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The run called `id`.
    pub fn run(&self, id: &str) -> Option<&Run> {
        self.runs.get(id)
    }

    /// Version `version` of `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn version(&self, name: &str, version: u32) -> Result<&Version, RegistryError> {
        let found = self.versions.get(&(name.to_owned(), version));
        found.ok_or_else(|| RegistryError::Unknown(id(name, version)))
    }

    /// The newest version of `name` that is not archived.
    pub fn newest(&self, name: &str) -> Option<&Version> {
        let of_name = self.versions.values().filter(|v| v.name == name);
        of_name.filter(|v| self.status(v) != Status::Archived).max_by_key(|v| v.version)
    }

    /// Why `word`, which no version goes by, is none.
    pub(super) fn missing(&self, word: &str) -> RegistryError {
        let of_name = self.versions().filter(|v| v.name == word);
        let versions: Vec<String> = of_name.map(Version::id).collect();
        match self.run(word) {
            // All of them are archived: the newest that is not would have been found.
            _ if !versions.is_empty() => {
                RegistryError::AllArchived { name: word.to_owned(), versions }
            }
            Some(_) => RegistryError::NoVersion(word.to_owned()),
            None => RegistryError::Unknown(word.to_owned()),
        }
    }

    /// Where a version stands.
    pub fn status(&self, version: &Version) -> Status {
        if self.archived.contains(&(version.name.clone(), version.version)) {
            Status::Archived
        } else if self.aliased(&version.name, CHAMPION) == Some(version.version) {
            Status::Deployed
        } else {
            Status::Ready
        }
    }

    /// The version that `alias` of `name` points to.
    pub fn aliased(&self, name: &str, alias: &str) -> Option<u32> {
        self.aliases.get(&(name.to_owned(), alias.to_owned())).copied()
    }

    /// Name, alias and version of every alias.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.aliases.iter().map(|((name, alias), version)| (&**name, &**alias, *version))
    }

    /// The aliases of a version.
    pub fn aliases_of(&self, version: &Version) -> Vec<&str> {
        let own = |(name, _, number): &(&str, &str, u32)| {
            *name == version.name && *number == version.version
        };
        self.aliases().filter(own).map(|(_, alias, _)| alias).collect()
    }

    /// The newest evaluation of models of this content.
    pub fn judged(&self, content_sha256: &str) -> Option<&Judged> {
        self.judged.iter().rev().find(|j| j.content_sha256 == content_sha256)
    }

    /// Notes that a run begins, or goes on after an interruption or with more steps: when it began and what came of
    /// it so far stay.
    ///
    /// # Errors
    /// When another run has this id.
    pub fn start_run(&mut self, run: Run) -> Result<(), RegistryError> {
        let run = match self.runs.get(&run.id) {
            Some(old) if (old.seed, &old.algo) != (run.seed, &run.algo) => {
                return Err(RegistryError::Recorded(format!("run {}", run.id)));
            }
            Some(old) => {
                let (started_unix_s, results) = (old.started_unix_s, old.results.clone());
                Run { started_unix_s, results, ..run }
            }
            None => run,
        };
        self.runs.insert(run.id.clone(), run);
        Ok(())
    }

    /// Notes what came out of a run, and what decided its bytes: a run that went on did so in another way.
    ///
    /// # Errors
    /// When no such run is being trained.
    pub fn end_run(
        &mut self,
        id: &str,
        results: Vec<Trained>,
        digests: Vec<String>,
        unix_s: u64,
    ) -> Result<(), RegistryError> {
        let run = self.runs.get_mut(id).ok_or_else(|| RegistryError::Unknown(id.to_owned()))?;
        if run.status != Status::Training {
            return Err(RegistryError::Recorded(format!("the end of run {id}")));
        }
        let (status, ended_unix_s) = (Status::Ready, Some(unix_s));
        *run = Run { status, ended_unix_s, results, digests, ..run.clone() };
        Ok(())
    }

    /// Notes an evaluation.
    pub fn judge(&mut self, judged: Judged) {
        self.judged.push(judged);
    }

    /// The number that the next version of `name` will have.
    ///
    /// # Errors
    /// When `name` cannot be one.
    pub fn next_version(&self, name: &str) -> Result<u32, RegistryError> {
        check_name(name)?;
        let taken = self.versions.keys().filter(|(n, _)| n == name).map(|(_, version)| *version);
        Ok(taken.max().unwrap_or(0) + 1)
    }

    /// Adds a version.
    ///
    /// # Errors
    /// When its name cannot be one or its number is not the next.
    pub fn register(&mut self, version: Version) -> Result<(), RegistryError> {
        if version.version != self.next_version(&version.name)? {
            return Err(RegistryError::Recorded(version.id()));
        }
        self.versions.insert((version.name.clone(), version.version), version);
        Ok(())
    }

    /// Points `alias` of `name` to `version`, wherever it pointed before.
    ///
    /// # Errors
    /// [`RegistryError::Gate`] when the version may not be [`CHAMPION`] and `hand` gives no reason;
    /// [`RegistryError::Move`] when it is archived.
    pub fn alias(
        &mut self,
        (name, version): (&str, u32),
        alias: &str,
        hand: &Hand,
    ) -> Result<(), RegistryError> {
        check_name(alias)?;
        let target = self.version(name, version)?;
        if self.status(target) == Status::Archived {
            let (version, status) = (target.id(), Status::Archived);
            return Err(RegistryError::Move { version, status, what: "be given an alias" });
        }
        let shut = (alias == CHAMPION).then(|| self.gate(target)).flatten();
        if let (Some(why), None) = (shut, &hand.reason) {
            return Err(RegistryError::Gate { version: target.id(), why });
        }
        self.aliases.insert((name.to_owned(), alias.to_owned()), version);
        let forced = if shut.is_some() { " by force" } else { "" };
        self.note((name, version), format!("alias `{alias}`{forced}"), hand);
        Ok(())
    }

    /// Takes `alias` of `name` away.
    ///
    /// # Errors
    /// When there is no such alias.
    pub fn drop_alias(
        &mut self,
        name: &str,
        alias: &str,
        hand: &Hand,
    ) -> Result<u32, RegistryError> {
        let version = self.aliases.remove(&(name.to_owned(), alias.to_owned()));
        let version = version.ok_or_else(|| RegistryError::Unknown(format!("{name}@{alias}")))?;
        self.note((name, version), format!("alias `{alias}` taken away"), hand);
        Ok(version)
    }

    /// Archives a version.
    ///
    /// # Errors
    /// When it has aliases or is archived already.
    pub fn archive(
        &mut self,
        (name, version): (&str, u32),
        hand: &Hand,
    ) -> Result<(), RegistryError> {
        let target = self.version(name, version)?;
        let what = match (self.status(target), self.aliases_of(target).is_empty()) {
            (Status::Archived, _) => "be archived again",
            (_, false) => "be archived while an alias points to it",
            (_, true) => {
                self.archived.insert((name.to_owned(), version));
                self.note((name, version), "archived".to_owned(), hand);
                return Ok(());
            }
        };
        Err(RegistryError::Move { version: target.id(), status: self.status(target), what })
    }

    /// What keeps a version from being [`CHAMPION`].
    fn gate(&self, version: &Version) -> Option<&'static str> {
        match self.judged(&version.content_sha256) {
            None => Some("it was never judged"),
            Some(judged) if judged.markets == 0 => {
                Some("it was judged on no market that is known to be held out from it")
            }
            Some(_) => None,
        }
    }

    fn note(&mut self, (name, version): (&str, u32), what: String, hand: &Hand) {
        let Hand { unix_s, uid, reason } = hand.clone();
        self.events.push(Event { unix_s, version: id(name, version), what, uid, reason });
    }
}

/// Names stand in paths and before `:` and `@`.
fn check_name(name: &str) -> Result<(), RegistryError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins && name.len() <= NAME_MAX && name.chars().all(fits) {
        return Ok(());
    }
    Err(RegistryError::Name(name.to_owned()))
}

#[cfg(test)]
mod tests;
