//! A session of paper trading, traded again from the log: every decision, fill and sum must be the one that its
//! journal holds.
//!
//! A session that was killed has no end in its journal; what it did write down is compared.

use super::golden::{form, lines};
use super::{CheckError, Outcome};
use crate::actor::{Acting, ActorReport, ActorSpec, Deed, Filled, Told, Turn, TurnLine, play_back};
use crate::agent::policy::{Hardcoded, Hold, Policy, Random};
use crate::store::Log;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// `trade.json`, as far as it is needed.
#[derive(Deserialize)]
struct About {
    policy: String,
    model_hash: String,
    spec: ActorSpec,
}

/// Trades the session whose journal is the folder `dir` again; `data` is its data directory, else the one that the
/// journal lies in. A case is a decision, a fill, or the report.
///
/// # Errors
/// When journal, log or a model cannot be read, or orders went to an exchange: what became of them is not in the log.
pub fn run(dir: &Path, data: Option<&Path>) -> Result<Outcome, CheckError> {
    let about: About = object(&dir.join("trade.json"))?;
    if about.spec.elsewhere {
        let why = "its orders went to an exchange, and what became of them is not in the log";
        return Err(form(dir, why));
    }
    let turns: Vec<TurnLine> = all(&dir.join("turns.jsonl"))?;
    let at = |wanted: &Told| turns.iter().find(|t| t.told == *wanted).map(|t| t.after_row_id);
    let first = at(&Told::Begin).ok_or_else(|| form(dir, "no record reached the actor"))?;
    let last = at(&Told::End);
    let own = dir.ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf);
    let log = Log::open(data.unwrap_or(&own))?;
    let begins = acting(dir, &about.policy, &about.model_hash)?;
    let taken = turns.iter().filter_map(|line| turn(dir, line).transpose());
    let taken = taken.collect::<Result<Vec<_>, _>>()?;
    let (again, report) = play_back(&log, (first, last), about.spec, begins, taken)?;

    let mut outcome = Outcome::new("trade");
    let whole = last.is_some();
    same(&mut outcome, whole, &again.deeds, &all::<Deed>(&dir.join("decisions.jsonl"))?);
    same(&mut outcome, whole, &again.fills, &all::<Filled>(&dir.join("fills.jsonl"))?);
    if whole {
        let was: ActorReport = object(&dir.join("report.json"))?;
        let told = || format!("the report is {report:?} instead of {was:?}");
        outcome.case((report == was).then_some(()).ok_or_else(told));
    }
    Ok(outcome)
}

/// Compares what was done again with what was written down; a session without an end may have done more.
fn same<T: PartialEq + Debug>(outcome: &mut Outcome, whole: bool, again: &[T], was: &[T]) {
    for (i, was) in was.iter().enumerate() {
        outcome.case(match again.get(i) {
            Some(again) if again == was => Ok(()),
            again => Err(format!("number {i} is {again:?} instead of {was:?}")),
        });
    }
    if let (true, Some(more)) = (whole, again.get(was.len())) {
        outcome.case(Err(format!("{more:?} was not written down")));
    }
}

fn turn(dir: &Path, line: &TurnLine) -> Result<Option<(u64, Turn)>, CheckError> {
    let turn = match &line.told {
        Told::Begin | Told::End => return Ok(None),
        Told::Swap { policy, model_hash } => Turn::Swap(acting(dir, policy, model_hash)?),
        Told::Trip(trip) => Turn::Trip(trip.clone()),
    };
    Ok(Some((line.after_row_id, turn)))
}

/// The policy of a name, or the kept model of a hash.
fn acting(dir: &Path, name: &str, model_hash: &str) -> Result<Acting, CheckError> {
    let policy: Box<dyn Policy + Send> = match (name, model_hash) {
        ("hold", "") => Box::new(Hold),
        ("random", "") => Box::<Random>::default(),
        ("hardcoded", "") => Box::<Hardcoded>::default(),
        (_, "") => return Err(form(dir, &format!("unknown policy `{name}`"))),
        _ => kept(&dir.join("models").join(model_hash), name)?,
    };
    Ok(Acting { policy, model_hash: model_hash.to_owned() })
}

#[cfg(feature = "learn")]
fn kept(model: &Path, name: &str) -> Result<Box<dyn Policy + Send>, CheckError> {
    use crate::agent::device::DeviceName;
    use crate::agent::model::{Choice, Model, ModelPolicy};
    let loaded = Model::load(model).map_err(|e| form(model, &e.to_string()))?;
    Ok(Box::new(ModelPolicy::new(name, loaded, Choice::Greedy, DeviceName::default())))
}

#[cfg(not(feature = "learn"))]
fn kept(model: &Path, _: &str) -> Result<Box<dyn Policy + Send>, CheckError> {
    Err(form(model, "models cannot be loaded: built without `learn`"))
}

fn object<T: DeserializeOwned>(path: &Path) -> Result<T, CheckError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CheckError::Read { path: path.display().to_string(), source })?;
    serde_json::from_str(&text).map_err(|e| form(path, &e.to_string()))
}

/// The lines of a file of the journal; the last one may have been cut by a kill, and is then left out.
fn all<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, CheckError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Ok(Vec::new());
    }
    let lines = lines(path)?;
    let last = lines.len();
    let mut all = Vec::with_capacity(last);
    for (number, line) in &lines {
        match serde_json::from_str(line) {
            Ok(value) => all.push(value),
            Err(e) if *number == last && e.is_eof() => {}
            Err(e) => return Err(form(path, &format!("line {number}: {e}"))),
        }
    }
    Ok(all)
}
