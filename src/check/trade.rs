//! A session of paper trading, traded again from the log: every decision, fill and sum must be the one that its
//! journal holds.
//!
//! A session that was killed has no end in its journal. The actor acts on records a moment before they are safe on
//! disk, so its journal may know more than the log: what the log holds is compared.

use super::golden::{form, lines};
use super::{CheckError, Outcome};
use crate::actor::{Acting, ActorReport, ActorSpec, Deed, Filled, Told, Turn, TurnLine, play_back};
use crate::agent::policy::{Hardcoded, Hold, Policy, Random};
use crate::event::MarketId;
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
    let end = at(&Told::End);
    let log = Log::open(&data.map_or_else(|| data_of(dir), |data| Ok(data.to_path_buf()))?)?;
    let last = end.unwrap_or_else(|| last_of_session(&log, first));
    let begins = acting(dir, &about.policy, &about.model_hash)?;
    let taken = turns.iter().filter_map(|line| turn(dir, line).transpose());
    let taken = taken.collect::<Result<Vec<_>, _>>()?;
    let (mut again, report) = play_back(&log, (first, last), about.spec, begins, taken)?;
    // A number of this log's dictionary; the session had another one.
    again.deeds.iter_mut().for_each(|deed| deed.market = MarketId::default());
    let (mut deeds, mut fills) =
        (all::<Deed>(&dir.join("decisions.jsonl"))?, all::<Filled>(&dir.join("fills.jsonl"))?);
    deeds.retain(|deed| deed.due_row_id <= last);
    fills.retain(|fill| fill.row_id <= last);

    let mut outcome = Outcome::new("trade");
    let whole = end.is_some();
    same(&mut outcome, whole, &again.deeds, &deeds);
    same(&mut outcome, whole, &again.fills, &fills);
    if whole {
        let was: ActorReport = object(&dir.join("report.json"))?;
        let told = || format!("the report is {report:?} instead of {was:?}");
        outcome.case((report == was).then_some(()).ok_or_else(told));
    }
    Ok(outcome)
}

/// The data directory that a journal lies in.
fn data_of(dir: &Path) -> Result<PathBuf, CheckError> {
    let path = dir.display().to_string();
    let dir = dir.canonicalize().map_err(|source| CheckError::Read { path, source })?;
    Ok(dir.ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf))
}

/// The last row of the recording that begins behind row `first`; `first` where nothing of it was kept.
fn last_of_session(log: &Log, first: u64) -> u64 {
    let segments = || log.segments().iter();
    let begins = segments().find(|segment| segment.next_row_id() > first + 1);
    let Some(id) = begins.map(|segment| segment.session.id) else { return first };
    let of_it = segments().filter(|segment| segment.session.id == id);
    of_it.map(|segment| segment.next_row_id() - 1).fold(first, u64::max)
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
