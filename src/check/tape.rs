//! The recorded tape as checks read it: `events/<market>/*.ndjson.gz` beside `metadata/<event>.json`.

use super::CheckError;
use crate::book::SequencePolicy;
use crate::event::Event;
use crate::intake::IntakeError;
use crate::intake::tape::{Tape, windows};
use crate::market::MarketInfo;
use crate::wire::market;
use std::path::Path;

/// Calls `each` with every event of `market` in recorded order, gaps included; rows count from 1.
pub(super) fn replay(
    tape: &Path,
    market: &str,
    mut each: impl FnMut(&Event),
) -> Result<(), CheckError> {
    let missing = || CheckError::NoTape(tape.join("events").join(market).display().to_string());
    let windows = windows(tape).map_err(|_| missing())?;
    let (_, files) = windows.into_iter().find(|w| w.0 == market).ok_or_else(missing)?;
    let mut tape = Tape::new(SequencePolicy::Partial);
    let mut row_id = 0;
    for path in files {
        tape.read_file(&path, |_, mut record, _| {
            row_id += 1;
            record.event.row_id = row_id;
            each(&record.event);
            Ok::<_, IntakeError>(())
        })?;
    }
    Ok(())
}

/// The recorded definition of `market`, whose event is its ticker without the last part.
pub(super) fn market_info(tape: &Path, market: &str) -> Result<MarketInfo, CheckError> {
    let event = market.rsplit_once('-').map_or(market, |(event, _)| event);
    let path = tape.join("metadata").join(format!("{event}.json"));
    let name = path.display().to_string();
    let text = std::fs::read(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => CheckError::NoTape(name.clone()),
        _ => CheckError::Read { path: name.clone(), source },
    })?;
    let form = |why: String| CheckError::Form { path: name.clone(), why };
    let value = serde_json::from_slice(&text).map_err(|e| form(e.to_string()))?;
    let object = market::market_objects(&value)
        .into_iter()
        .find(|object| object.get("ticker").and_then(|t| t.as_str()) == Some(market))
        .ok_or_else(|| form(format!("does not hold market {market}")))?;
    market::market_info(object).map_err(|e| form(e.to_string()))
}
