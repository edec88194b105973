//! `kflow models`: the registry of trained models.

mod compare;
mod import_sb3;
mod play;
mod show;

use super::exit::{Code, Failure};
use super::printer;
use crate::agent::checkpoint::RunDir;
use crate::registry::book::Hand;
use crate::registry::shelf::Entry;
use crate::registry::{Book, Registry, RegistryError, Run, Status, Version};
use crate::store::StoreError;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::SystemTime;

/// Arguments of `kflow models`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "A MODEL is NAME (its champion, else its newest version), NAME:3 or NAME@ALIAS.\n\
    Example: kflow models register RUN --name gold && kflow eval gold && kflow models alias gold champion"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List versions, and runs that were not registered
    Ls(Options),
    /// Show all that is known of a model
    Show(One),
    /// Copy a run's models into the registry, as the next version of a name
    Register(Register),
    /// Register a model that Stable-Baselines3 saved: PPO or A2C with MlpPolicy
    ImportSb3(Box<import_sb3::Args>),
    /// Point an alias to a version; `champion` trades, and needs an evaluation on held-out markets
    Alias(Alias),
    /// Put a version away for good; its files stay
    Archive(One),
    /// Show what a model was made from, and what was made from it
    Lineage(One),
    /// Show in what two registered versions differ
    Compare(compare::Args),
    /// Let a model trade held-out markets, and write every episode and every action as Parquet
    Play(play::Args),
}

#[derive(clap::Args, Debug)]
pub(super) struct Options {
    /// Where runs and registry are
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    pub(super) run_dir: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(clap::Args, Debug)]
struct One {
    /// The model
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args, Debug)]
struct Register {
    /// A run (its id or its folder), one of its models (RUN/fold_0), or a model file
    #[arg(value_name = "RUN")]
    run: String,
    /// The name to register it under
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The model that it goes on from; an earlier version of the same run is found without
    #[arg(long, value_name = "MODEL")]
    parent: Option<String>,
    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args, Debug)]
struct Alias {
    /// The model
    #[arg(value_name = "MODEL")]
    model: String,
    /// The alias, e.g. `champion` or `candidate`
    #[arg(value_name = "ALIAS")]
    alias: String,
    /// Take the alias away from the model's name instead
    #[arg(long, conflicts_with = "force")]
    drop: bool,
    /// Pass over the gate of `champion`; says why, and is kept with who did it
    #[arg(long, value_name = "REASON")]
    force: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// Runs the command.
///
/// # Errors
/// 3 for names that do not fit, 5 for models that are missing, damaged or changed, 6 when the gate of `champion` is
/// shut, 1 when the registry cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Ls(options) => ls(&options),
        Command::Show(one) => show::show(&one.options, &one.model),
        Command::Lineage(one) => show::lineage(&one.options, &one.model),
        Command::Register(args) => register(&args),
        Command::ImportSb3(args) => import_sb3::run(&args),
        Command::Alias(args) => alias(&args),
        Command::Archive(one) => archive(&one),
        Command::Compare(args) => compare::run(&args),
        Command::Play(args) => play::run(&args),
    }
}

fn ls(options: &Options) -> Result<(), Failure> {
    let book = Registry::at(&options.run_dir).book().map_err(failure)?;
    if options.json {
        return printer::json("models ls", &json!({"models": models_json(options, &book)}));
    }
    let head = ["model", "version", "status", "algo", "steps", "mean return", "verdict", "age"];
    printer::line(&printer::table(&head, &rows(options, &book)?))
}

/// Versions, and runs that are no version yet.
fn models_json(options: &Options, book: &Book) -> Vec<Value> {
    let versions = book.versions().map(|version| book.version_json(version));
    let runs = unregistered(book).map(|run| {
        let mut value = json!(run);
        value["status"] = json!(standing(options, run));
        value
    });
    versions.chain(runs).collect()
}

/// A run that was killed is still noted as being trained; nobody holds its folder then.
fn standing(options: &Options, run: &Run) -> String {
    let died =
        run.status == Status::Training && !RunDir::is_claimed(&options.run_dir.join(&run.id));
    if died { "interrupted".to_owned() } else { run.status.to_string() }
}

fn unregistered(book: &Book) -> impl Iterator<Item = &Run> {
    let known = |id: &str| book.versions().any(|version| version.source.starts_with(id));
    book.runs().filter(move |run| !known(&run.id))
}

fn rows(options: &Options, book: &Book) -> Result<Vec<Vec<String>>, Failure> {
    let now = now_s()?;
    let dash = || "-".to_owned();
    let mut rows: Vec<Vec<String>> = book
        .versions()
        .map(|v| {
            let judged = book.judged(&v.content_sha256);
            let aliases = book.aliases_of(v);
            let name = if aliases.is_empty() {
                v.name.clone()
            } else {
                format!("{}@{}", v.name, aliases.join(","))
            };
            vec![
                name,
                v.version.to_string(),
                book.status(v).to_string(),
                v.algo.clone(),
                v.steps.to_string(),
                judged
                    .and_then(|j| j.mean_return)
                    .map_or_else(dash, |mean| format!("{:+.2} %", 100.0 * mean)),
                judged.map_or_else(|| "not judged".to_owned(), |j| j.verdict.clone()),
                age(now, v.registered_unix_s),
            ]
        })
        .collect();
    rows.extend(unregistered(book).map(|run| {
        let steps = run.results.iter().map(|result| result.steps).max().unwrap_or(0);
        let status = standing(options, run);
        let begun = age(now, run.started_unix_s);
        vec![
            run.id.clone(),
            dash(),
            status,
            run.algo.clone(),
            steps.to_string(),
            dash(),
            dash(),
            begun,
        ]
    }));
    Ok(rows)
}

pub(super) fn age(now_s: u64, then_s: u64) -> String {
    crate::view::text::of_span(now_s.saturating_sub(then_s) as i64)
}

fn register(args: &Register) -> Result<(), Failure> {
    let registry = Registry::at(&args.options.run_dir);
    let path = registry.path_of(&args.run).map_err(failure)?;
    let source = path.strip_prefix(&args.options.run_dir).unwrap_or(&path).display().to_string();
    let parent = args.parent.as_ref().map(|word| registry.version(word)).transpose();
    let parent = parent.map_err(failure)?.map(|version| version.id());
    let entry = Entry { name: &args.name, path: &path, source: &source, parent: parent.as_deref() };
    let version = registry.register(&entry, &hand(None)?).map_err(failure)?;
    told(&registry, &version, &args.options, "models register")
}

fn alias(args: &Alias) -> Result<(), Failure> {
    let registry = Registry::at(&args.options.run_dir);
    let version = registry.version(&args.model).map_err(failure)?;
    registry.checked(&version).map_err(failure)?;
    let hand = hand(args.force.clone())?;
    let change = |book: &mut Book| {
        if args.drop {
            return book.drop_alias(&version.name, &args.alias, &hand).map(drop);
        }
        book.alias((&version.name, version.version), &args.alias, &hand)
    };
    registry.change(change).map_err(failure)?;
    told(&registry, &version, &args.options, "models alias")
}

fn archive(args: &One) -> Result<(), Failure> {
    let registry = Registry::at(&args.options.run_dir);
    let version = registry.version(&args.model).map_err(failure)?;
    let hand = hand(None)?;
    let change = |book: &mut Book| book.archive((&version.name, version.version), &hand);
    registry.change(change).map_err(failure)?;
    told(&registry, &version, &args.options, "models archive")
}

/// Prints what a version is now, and writes its card anew.
fn told(
    registry: &Registry,
    version: &Version,
    options: &Options,
    command: &str,
) -> Result<(), Failure> {
    let book = registry.book().map_err(failure)?;
    registry.write_card(&book, version).map_err(failure)?;
    let mut data = book.version_json(version);
    data["dir"] = json!(registry.folder(&version.name, version.version));
    if options.json {
        return printer::json(command, &data);
    }
    let aliases = book.aliases_of(version);
    let status = book.status(version);
    let also = if aliases.is_empty() { String::new() } else { format!(", {}", aliases.join(", ")) };
    printer::line(&format!("{}: {status}{also}", version.id()))?;
    if status == Status::Ready && book.judged(&version.content_sha256).is_none() {
        printer::say(&format!("next: kflow eval {}", version.id()));
    }
    Ok(())
}

/// Who does something now.
pub(super) fn hand(reason: Option<String>) -> Result<Hand, Failure> {
    Ok(Hand { unix_s: now_s()?, uid: rustix::process::getuid().as_raw(), reason })
}

/// Seconds since the epoch.
pub(super) fn now_s() -> Result<u64, Failure> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())
}

/// The failure of a command that the registry could not serve.
pub(super) fn failure(error: RegistryError) -> Failure {
    let (code, hint) = match &error {
        RegistryError::Model(e) => (Code::Integrity, e.hint()),
        RegistryError::Unknown(_) => {
            (Code::Integrity, "`kflow models ls` and `kflow runs ls` show what there is")
        }
        RegistryError::NoVersion(_) => (
            Code::Config,
            "`kflow models register RUN --name NAME` makes it one; `kflow eval` takes runs",
        ),
        RegistryError::AllArchived { .. } => (
            Code::Config,
            "name one of them, as NAME:1, to look at it; what is archived is not to be used",
        ),
        RegistryError::Ambiguous { .. } => (Code::Config, "name one of them"),
        RegistryError::Name(_) => (Code::Config, "choose another name"),
        RegistryError::Move { .. } => (
            Code::Config,
            "`kflow models show MODEL` tells where it stands; `alias --drop` takes an alias away",
        ),
        RegistryError::Gate { .. } => (
            Code::Check,
            "judge it: `kflow eval MODEL`; or pass over this with --force REASON, which is kept",
        ),
        RegistryError::Recorded(_) | RegistryError::Record { .. } => {
            (Code::Integrity, "the registry was written by another program, or by hand")
        }
        RegistryError::Altered { .. } => (
            Code::Integrity,
            "`sha256sum -c SHA256SUMS` in its folder names them; register it anew",
        ),
        RegistryError::Store(StoreError::Corrupt { .. }) => (
            Code::Integrity,
            "move `registry.redb` away: it is made anew from `registry.json` beside it, which holds the same",
        ),
        RegistryError::Store(StoreError::Format { .. }) => {
            (Code::Integrity, "use the program version that wrote it")
        }
        RegistryError::Store(_) | RegistryError::Io { .. } => {
            (Code::Runtime, "check the folder, its permissions and the space on its disk")
        }
    };
    Failure::new(code, error).hint(hint)
}
