//! The book as records: names that sort as they should, values in JSON.

use super::super::{Event, Judged, RegistryError, Run, Status, Version};
use super::Book;
use crate::store::Entries;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

impl Book {
    /// As records.
    pub fn records(&self) -> Entries {
        let mut records = Entries::new();
        let mut put = |name: String, value: serde_json::Value| {
            records.insert(name, value.to_string().into_bytes());
        };
        for run in self.runs.values() {
            put(format!("run/{}", run.id), json!(run));
        }
        for v in self.versions.values() {
            put(format!("version/{}/{:08}", v.name, v.version), json!(v));
        }
        for ((name, alias), version) in &self.aliases {
            put(format!("alias/{name}/{alias}"), json!(version));
        }
        for (name, version) in &self.archived {
            put(format!("archived/{name}/{version:08}"), json!(version));
        }
        for (i, judged) in self.judged.iter().enumerate() {
            put(format!("judged/{i:08}"), json!(judged));
        }
        for (i, event) in self.events.iter().enumerate() {
            put(format!("event/{i:08}"), json!(event));
        }
        records
    }

    /// From records.
    ///
    /// # Errors
    /// When one is not understood.
    pub fn read(records: &Entries) -> Result<Book, RegistryError> {
        let mut book = Book::default();
        for (name, bytes) in records {
            match *name.splitn(3, '/').collect::<Vec<_>>() {
                ["run", id] => drop(book.runs.insert(id.to_owned(), parse(name, bytes)?)),
                ["version", ..] => {
                    let version: Version = parse(name, bytes)?;
                    book.versions.insert((version.name.clone(), version.version), version);
                }
                ["alias", of, alias] => {
                    book.aliases.insert((of.to_owned(), alias.to_owned()), parse(name, bytes)?);
                }
                ["archived", of, _] => {
                    book.archived.insert((of.to_owned(), parse(name, bytes)?));
                }
                ["judged", _] => book.judged.push(parse(name, bytes)?),
                ["event", _] => book.events.push(parse(name, bytes)?),
                _ => match parse::<Unreadable>(name, bytes)? {},
            }
        }
        Ok(book)
    }

    /// From what [`Book::to_json`] gave, as text.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn of_json(text: &[u8]) -> Result<Book, RegistryError> {
        let Text { runs, versions, aliases, judged, events } = parse("registry.json", text)?;
        let key = |kept: &Kept| (kept.version.name.clone(), kept.version.version);
        let archived = versions.iter().filter(|kept| kept.status == Status::Archived);
        Ok(Book {
            archived: archived.map(key).collect(),
            runs: runs.into_iter().map(|run| (run.id.clone(), run)).collect(),
            versions: versions.into_iter().map(|kept| (key(&kept), kept.version)).collect(),
            aliases: aliases.into_iter().map(|a| ((a.name, a.alias), a.version)).collect(),
            judged,
            events,
        })
    }

    /// A version with where it stands, its aliases and its newest evaluation.
    pub fn version_json(&self, version: &Version) -> serde_json::Value {
        let mut value = json!(version);
        value["status"] = json!(self.status(version));
        value["aliases"] = json!(self.aliases_of(version));
        value["evaluation"] = json!(self.judged(&version.content_sha256));
        value
    }

    /// The whole as one JSON object, for people and for programs that only look.
    pub fn to_json(&self) -> serde_json::Value {
        let aliases: Vec<_> = self
            .aliases()
            .map(|(name, alias, version)| json!({"name": name, "alias": alias, "version": version}))
            .collect();
        let versions = self.versions.values().map(|version| self.version_json(version));
        json!({
            "runs": self.runs.values().collect::<Vec<_>>(),
            "versions": versions.collect::<Vec<_>>(),
            "aliases": aliases,
            "judged": self.judged,
            "events": self.events,
        })
    }
}

/// What [`Book::to_json`] writes.
#[derive(Deserialize)]
struct Text {
    runs: Vec<Run>,
    versions: Vec<Kept>,
    aliases: Vec<Alias>,
    judged: Vec<Judged>,
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Kept {
    #[serde(flatten)]
    version: Version,
    status: Status,
}

#[derive(Deserialize)]
struct Alias {
    name: String,
    alias: String,
    version: u32,
}

/// No record is one: a name that this program does not know is an error like a value that it does not.
#[derive(serde::Deserialize)]
enum Unreadable {}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, RegistryError> {
    serde_json::from_slice(bytes)
        .map_err(|source| RegistryError::Record { name: name.to_owned(), source })
}
