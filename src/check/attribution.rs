//! Golden attribution: every decrease's cause in every window, and shadow orders in the queues of the models.
//!
//! Two forms: one line per window with counts and the digest of all matches, and one line per shadow order
//! with the rows at which each model fills it. Both go through [`crate::broker::Attribution`] and
//! [`crate::broker::QueueModel`], as orders of ours do.

mod shadow;
mod tally;

use super::{CheckError, Outcome, golden, tape};
use crate::broker::attribution::{Attribution, Cause, Stamp, Verdict};
use crate::event::{Body, Event};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Compares the windows (a case is a window) or the shadow orders (a case is an order) of `file`.
///
/// # Errors
/// When the file has neither form, or the tape is absent.
pub fn run(file: &Path, tape: Option<&Path>) -> Result<Outcome, CheckError> {
    let lines: Vec<Value> =
        golden::lines(file)?.iter().map(|l| golden::parse(file, l)).collect::<Result<_, _>>()?;
    let is_shadow = lines.iter().all(|l| l.get("placed_index").is_some());
    if !is_shadow && !lines.iter().all(|l| l.get("match_digest").is_some()) {
        return Err(golden::form(file, "holds neither windows nor shadow orders"));
    }
    let tape = tape.ok_or_else(|| CheckError::NoTape("events/".into()))?;
    let mut outcome = Outcome::new("attribution");
    let mut windows: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in &lines {
        windows.entry(line["window"].as_str().unwrap_or_default()).or_default().push(line);
    }
    for (name, wanted) in windows {
        let window = Window::read(tape, name)?;
        let orders = shadow::orders(&window);
        if is_shadow {
            wanted.iter().for_each(|want| outcome.case(one_order(name, want, &orders)));
        } else {
            let got = tally::tally(&window, &orders);
            wanted.iter().for_each(|want| outcome.case(same(name, want, &got)));
        }
    }
    Ok(outcome)
}

/// One market's rows and what became of its decreases.
struct Window {
    /// The rows of the recording; an event's place is its row.
    events: Vec<Event>,
    /// Of every decrease, in order of row.
    verdicts: Vec<Verdict>,
    /// Row of the trade that consumed the decrease of this row.
    trade_of: BTreeMap<u64, u64>,
}

impl Window {
    fn read(tape: &Path, name: &str) -> Result<Window, CheckError> {
        let (mut events, mut verdicts) = (Vec::new(), Vec::new());
        let mut attribution = Attribution::default();
        tape::replay(tape, name, |event| {
            if matches!(event.body, Body::Gap(_) | Body::Healed(_)) {
                return; // ours, not a row of the recording
            }
            let at = Stamp { row: events.len() as u64, ..Stamp::of(event) };
            attribution.on_event(at, &event.body, &mut verdicts);
            events.push(event.clone());
        })?;
        attribution.finish(&mut verdicts);
        verdicts.sort_by_key(|v| v.row);
        let traded = |v: &Verdict| match v.cause {
            Cause::Trade(trade) => Some((v.row, trade)),
            Cause::Cancel => None,
        };
        let trade_of = verdicts.iter().filter_map(traded).collect();
        Ok(Window { events, verdicts, trade_of })
    }
}

fn one_order(name: &str, want: &Value, orders: &[shadow::Order]) -> Result<(), String> {
    let found = orders.iter().find(|o| Some(o.j) == want["j"].as_u64());
    let Some(order) = found else {
        return Err(format!("{name}: order {} was not placed, or dropped", want["j"]));
    };
    let what = format!("{name}: order {}", order.j);
    let got = order.to_json().map_err(|why| format!("{what}: {why}"))?;
    same(&what, want, &got)
}

/// Every wanted value that is exact is the one that was got.
fn same(what: &str, want: &Value, got: &Value) -> Result<(), String> {
    // The older rule is a comparison; models in floating point are not meant for an exact one.
    const FOREIGN: [&str; 4] = ["window", "older_rule", "log", "log2"];
    let Some(fields) = want.as_object() else {
        return if want == got { Ok(()) } else { Err(format!("{what}: got {got}, want {want}")) };
    };
    let fields = fields.iter().filter(|(key, _)| !FOREIGN.contains(&key.as_str()));
    fields.into_iter().try_for_each(|(key, want)| same(&format!("{what}: {key}"), want, &got[key]))
}
