//! The registry on disk: the book in redb, its text beside it, and the versions' files.
//!
//! **Invariant:** files of a version are there, whole, before its record is; a crash in between leaves a folder
//! without a record, which the next version of that number replaces.
//! **Invariant:** the texts are written from the records at each change; what a person changes in them means
//! nothing and is gone with the next. Only where the records are gone, they are made anew from `registry.json`.

use super::book::Hand;
use super::content::io_at;
use super::{Book, Content, RegistryError, Version, card};
use crate::agent::among::Among;
use crate::agent::model::Model;
use crate::agent::provenance;
use crate::store::{Cabinet, Entries};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FILE: &str = "registry.redb";
const TEXT: &str = "registry.json";

/// The registry of one folder of runs.
#[derive(Clone, Debug)]
pub struct Registry {
    run_dir: PathBuf,
}

/// What is to become a version.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The version's name.
    pub name: &'a str,
    /// Run folder, model folder or model file.
    pub path: &'a Path,
    /// What it is called where it comes from: the run's id, a path, a foreign file.
    pub source: &'a str,
    /// The version that it goes on from, where that is not an earlier state of the same run.
    pub parent: Option<&'a str>,
}

impl Registry {
    /// The registry of the runs below `run_dir`; nothing is touched yet.
    pub fn at(run_dir: &Path) -> Registry {
        Registry { run_dir: run_dir.to_owned() }
    }

    /// The registry that the run or version at `path` belongs to, if there is one.
    pub fn around(path: &Path) -> Option<Registry> {
        let path = path.canonicalize().ok()?;
        let mut above = path.ancestors().take(5);
        let is_one = |dir: &&Path| [FILE, TEXT].iter().any(|file| dir.join(file).is_file());
        above.find(is_one).map(Registry::at)
    }

    /// The folder of runs.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The folder of a version's files.
    pub fn folder(&self, name: &str, version: u32) -> PathBuf {
        self.run_dir.join("models").join(name).join(format!("v{version}"))
    }

    /// What is recorded; nothing when there is no registry yet.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn book(&self) -> Result<Book, RegistryError> {
        let file = self.file();
        let there = file.exists().then(|| Cabinet::open(&file)?.entries()).transpose()?;
        self.read(&there.unwrap_or_default())
    }

    /// The book of these records; without a single one, as the text tells it, where there is one.
    fn read(&self, records: &Entries) -> Result<Book, RegistryError> {
        if !records.is_empty() {
            return Book::read(records);
        }
        let path = self.run_dir.join(TEXT);
        match fs::read(&path) {
            Ok(text) => Book::of_json(&text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Book::default()),
            Err(e) => Err(io_at(&path)(e)),
        }
    }

    /// Changes the records: all that `work` did is on disk when this returns, or nothing of it.
    ///
    /// # Errors
    /// Those of `work`, and when the registry cannot be read or written.
    pub fn change<T>(
        &self,
        work: impl FnOnce(&mut Book) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        fs::create_dir_all(&self.run_dir).map_err(io_at(&self.run_dir))?;
        let cabinet = Cabinet::open(&self.file())?;
        let records = cabinet.entries()?;
        let mut book = self.read(&records)?;
        // As this program writes them: what is read and written again is no change.
        let before = if records.is_empty() { Entries::new() } else { book.records() };
        let result = work(&mut book)?;
        let after = book.records();
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        let mut changes: BTreeMap<String, Option<Vec<u8>>> =
            gone.map(|name| (name.clone(), None)).collect();
        let new = after.into_iter().filter(|(name, bytes)| before.get(name) != Some(bytes));
        changes.extend(new.map(|(name, bytes)| (name, Some(bytes))));
        cabinet.put(&changes)?;
        write(&self.run_dir.join(TEXT), &pretty(&book.to_json()))?;
        Ok(result)
    }

    /// Copies a model's files into the registry and records them as the next version of a name.
    ///
    /// # Errors
    /// When there is no model at the path, it is damaged, or the name cannot be one.
    pub fn register(&self, entry: &Entry<'_>, hand: &Hand) -> Result<Version, RegistryError> {
        let content = Content::of(entry.path)?;
        self.change(|book| {
            let number = book.next_version(entry.name)?;
            let version = describe(entry, number, &content, book, hand)?;
            self.store(&version, &content)?;
            book.register(version.clone())?;
            Ok(version)
        })
    }

    /// The folder of a version, after checking that its files are those that were registered.
    ///
    /// # Errors
    /// [`RegistryError::Altered`], or when a file is missing.
    pub fn checked(&self, version: &Version) -> Result<PathBuf, RegistryError> {
        let folder = self.folder(&version.name, version.version);
        let found = Content::of(&folder)?.sha256();
        if found == version.content_sha256 {
            return Ok(folder);
        }
        let recorded = version.content_sha256.clone();
        Err(RegistryError::Altered { version: version.id(), recorded, found })
    }

    /// Writes a version's card anew: after an evaluation, or when an alias has moved.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_card(&self, book: &Book, version: &Version) -> Result<(), RegistryError> {
        let folder = self.folder(&version.name, version.version);
        write(&folder.join("version.json"), &pretty(&book.version_json(version)))?;
        write(&folder.join("MODEL.md"), &card::text(book, version))
    }

    fn file(&self) -> PathBuf {
        self.run_dir.join(FILE)
    }

    /// Copies the files into a folder that gets its name when it is whole.
    fn store(&self, version: &Version, content: &Content) -> Result<(), RegistryError> {
        let folder = self.folder(&version.name, version.version);
        let new = folder.with_extension("new");
        for leftover in [&folder, &new] {
            match fs::remove_dir_all(leftover) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io_at(leftover)(e));
                }
                _ => {}
            }
        }
        for (name, from) in &content.files {
            let to = new.join(name);
            let parent = to.parent().unwrap_or(&new);
            fs::create_dir_all(parent).map_err(io_at(parent))?;
            fs::copy(from, &to).map_err(io_at(from))?;
            fs::File::open(&to).and_then(|file| file.sync_all()).map_err(io_at(&to))?;
        }
        write(&new.join("SHA256SUMS"), &content.sums)?;
        write(&new.join("version.json"), &pretty(&json!(version)))?;
        write(&new.join("MODEL.md"), &card::text(&Book::default(), version))?;
        fs::rename(&new, &folder).map_err(io_at(&new))
    }
}

/// The record of the version that `entry` becomes.
fn describe(
    entry: &Entry<'_>,
    number: u32,
    content: &Content,
    book: &Book,
    hand: &Hand,
) -> Result<Version, RegistryError> {
    let models: Vec<Model> =
        content.models.iter().map(|dir| Model::load(dir)).collect::<Result<_, _>>()?;
    let card = &models[0].card;
    let continued = book.versions().filter(|v| v.source == entry.source && v.steps < card.steps);
    let continued = continued.max_by_key(|v| v.steps).map(Version::id);
    let digests = content.models.iter().filter_map(|dir| provenance::digest_of(dir));
    let metrics = content.models.iter().map(|dir| last_row(dir)).collect::<Value>();
    Ok(Version {
        name: entry.name.to_owned(),
        version: number,
        source: entry.source.to_owned(),
        parent: entry.parent.map(str::to_owned).or(continued),
        algo: card.algo.clone(),
        steps: card.steps,
        models: models.len(),
        seeds: Among::read(&content.models[0])?.seeds.len().max(1),
        layout: card.interface.layout.clone(),
        layout_hash: card.interface.layout_hash.clone(),
        actions: card.interface.actions.clone(),
        reward: card.interface.reward.clone(),
        digests: digests.collect(),
        content_sha256: content.sha256(),
        metrics,
        registered_unix_s: hand.unix_s,
        program: concat!("kflow ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

/// The last progress row of the model in `dir`; null where there is none.
fn last_row(dir: &Path) -> Value {
    let places = dir.ancestors().take(2).map(|place| place.join("progress.jsonl"));
    let text = places.filter_map(|file| fs::read_to_string(file).ok()).next().unwrap_or_default();
    text.lines().last().and_then(|row| serde_json::from_str(row).ok()).unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Writes a file as a whole: under another name first, and to the disk before it gets its own.
fn write(path: &Path, text: &str) -> Result<(), RegistryError> {
    let new = path.with_extension("tmp");
    let written = fs::write(&new, text)
        .and_then(|()| fs::File::open(&new).and_then(|file| file.sync_all()))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(io_at(path))
}
