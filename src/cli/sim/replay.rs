//! A recording as what the built-in exchange tells.

use crate::book::SequencePolicy;
use crate::cli::exit::{Code, Failure, OrFail};
use crate::intake::IntakeError;
use crate::intake::files;
use crate::intake::tape::Tape;
use crate::market::MarketInfo;
use crate::sim::replay::{Played, Replay, Speed, definition};
use crate::wire::{Decoder, market};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

/// Events that are read ahead: a second of a busy recording at full speed.
const READ_AHEAD: usize = 1 << 16;

/// Opens a file, or the files of a folder one after the other. The first pass finds the markets, the second
/// one, on a thread of its own, is what is told.
///
/// # Errors
/// 3 when there is nothing to read, 5 when a file is damaged.
pub fn open(path: &Path, speed: Speed) -> Result<Replay, Failure> {
    let hint = "name a file of JSON lines or a folder that holds some";
    let found = files::find(&[path.to_owned()]).or_hint(Code::Config, hint)?;
    let infos = infos(&found.metadata)?;
    let decoder = markets(&found.tapes).or_hint(Code::Integrity, "fetch the file again")?;
    let markets = decoder.tickers.iter().map(|(id, ticker)| {
        let uuid = decoder.tickers.uuid(id).unwrap_or_default();
        definition(ticker, uuid, infos.get(ticker))
    });
    let markets = markets.collect();
    let (to, frames) = sync_channel(READ_AHEAD);
    let name = "replay reader".to_owned();
    std::thread::Builder::new().name(name).spawn(move || tell(&found.tapes, &to))?;
    Ok(Replay::new(markets, Box::new(frames.into_iter()), speed))
}

fn infos(metadata: &[PathBuf]) -> Result<BTreeMap<String, MarketInfo>, Failure> {
    let mut infos = BTreeMap::new();
    for path in metadata {
        let value = serde_json::from_slice(&std::fs::read(path)?).or_fail(Code::Integrity)?;
        for object in market::market_objects(&value) {
            let info = market::market_info(object).or_fail(Code::Integrity)?;
            infos.insert(info.ticker.clone(), info);
        }
    }
    Ok(infos)
}

fn markets(tapes: &[PathBuf]) -> Result<Decoder, IntakeError> {
    let mut tape = Tape::new(SequencePolicy::Partial);
    for path in tapes {
        tape.read_file(path, |_, _, _| Ok::<(), IntakeError>(()))?;
    }
    Ok(tape.decoder)
}

/// The exchange has stopped, or a file ended early.
enum Over {
    Stopped,
    Damaged(IntakeError),
}

impl From<IntakeError> for Over {
    fn from(error: IntakeError) -> Over {
        Over::Damaged(error)
    }
}

fn tell(tapes: &[PathBuf], to: &SyncSender<Played>) {
    let mut tape = Tape::new(SequencePolicy::Partial);
    for path in tapes {
        let told = tape.read_file(path, |tickers, record, _| {
            let event = record.event;
            let ticker = tickers.name(event.market).into();
            let played = Played { recv: event.recv, ts: event.ts, ticker, body: event.body };
            to.send(played).map_err(|_| Over::Stopped)
        });
        match told {
            Ok(()) => {}
            Err(Over::Stopped) => return,
            Err(Over::Damaged(error)) => tracing::error!(%error, "the recording ends early"),
        }
    }
}
