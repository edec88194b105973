//! A tape as files, in the shape in which real recordings lie: one folder per market with one gzip
//! file per day, and the exchange's metadata object per event.

use super::tape::Tape;
use crate::event::Event;
use crate::market::{MarketInfo, TickRange};
use crate::units::{Price, TsUs};
use crate::wire::{convert, event_frame};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A tape could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}")]
pub struct WriteError {
    path: String,
    source: io::Error,
}

/// Writes `events/<ticker>/<date>.ndjson.gz` and `metadata/<event>.json` under `dir`. The metadata carry
/// `kflow_source`, the label of synthetic data.
///
/// # Errors
/// When a file cannot be written; what was written before stays.
pub fn write(tape: &Tape, dir: &Path) -> Result<(), WriteError> {
    let mut by_market: Vec<Vec<&Event>> = vec![Vec::new(); tape.infos.len()];
    for event in &tape.events {
        by_market[event.market.0 as usize].push(event);
    }
    for (info, events) in tape.infos.iter().zip(by_market) {
        let folder = dir.join("events").join(&info.ticker);
        for day in events.chunk_by(|a, b| date(a) == date(b)) {
            let path = folder.join(format!("{}.ndjson.gz", date(day[0])));
            create(&path).and_then(|file| frames(tape, day, file)).map_err(at(&path))?;
        }
        let path = dir.join("metadata").join(format!("{}.json", info.event_ticker));
        let text = metadata(&tape.source, info).to_string();
        create(&path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(at(&path))?;
    }
    Ok(())
}

fn at(path: &Path) -> impl Fn(io::Error) -> WriteError {
    let path = path.display().to_string();
    move |source| WriteError { path: path.clone(), source }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(path)
}

/// The UTC day on which we received it.
fn date(event: &Event) -> String {
    let mut text = convert::time_text(TsUs::from_ms(event.recv.ms()));
    text.truncate("2026-01-05".len());
    text
}

fn frames(tape: &Tape, events: &[&Event], file: File) -> io::Result<()> {
    // Speed over size: the demo writes the tape only to read it once.
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    for event in events {
        if let Some(frame) = event_frame(event, &tape.tickers) {
            writeln!(out, "{{\"recv_ms\":{},\"event\":{}}}", event.recv.ms(), frame.to_value())?;
        }
    }
    out.finish()?.flush()
}

/// What the exchange's events endpoint would say about this market.
fn metadata(source: &str, info: &MarketInfo) -> Value {
    let time = |t: Option<TsUs>| t.map(convert::time_text);
    let tick = |t: &TickRange| json!({"start": t.start.to_string(), "end": t.end.to_string(), "step": t.step.to_string()});
    let market = json!({
        "ticker": info.ticker,
        "event_ticker": info.event_ticker,
        "market_type": "binary",
        "title": info.title,
        "open_time": time(info.open),
        "close_time": time(info.close),
        "settlement_ts": time(info.settled),
        "settlement_value_dollars": info.settlement.map(|p| p.to_string()),
        "result": info.settlement.map(|p| if p == Price::ONE { "yes" } else { "no" }),
        "status": info.status,
        "price_ranges": info.ticks.iter().map(tick).collect::<Vec<_>>(),
        "volume_fp": info.volume.map(|v| v.to_string()),
    });
    json!({
        "kflow_source": source,
        "response": {
            "event": {"event_ticker": info.event_ticker, "title": info.title},
            "markets": [market],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tape::{TapeSpec, synthesize};
    use crate::units::TsNs;
    use crate::wire::{Decoder, market};
    use std::io::Read;

    /// What is written is read back as what was made: no frame is foreign to the decoder.
    #[test]
    fn files_hold_the_tape() {
        let spec =
            TapeSpec { markets: 2, steps: 20, start_ms: 1_767_657_000_000, ..TapeSpec::default() };
        let tape = synthesize(&spec);
        let dir = tempfile::tempdir().expect("temporary folder");
        write(&tape, dir.path()).expect("written");
        for (id, info) in tape.infos.iter().enumerate() {
            let json = fs::read(dir.path().join(format!("metadata/{}.json", info.event_ticker)));
            let json: Value = serde_json::from_slice(&json.expect("there")).expect("json");
            assert_eq!(json["kflow_source"], "sim:seed=7");
            let objects = market::market_objects(&json);
            assert_eq!(market::market_info(objects[0]).as_ref(), Ok(info));

            let folder = dir.path().join("events").join(&info.ticker);
            let mut days: Vec<_> =
                fs::read_dir(folder).expect("there").map(|f| f.expect("file").path()).collect();
            days.sort();
            let mut text = String::new();
            for day in &days {
                let file = File::open(day).expect("there");
                flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
            }
            let mine = tape.events.iter().filter(|e| e.market.0 as usize == id);
            let mut decoder = Decoder::default();
            for (line, event) in text.lines().zip(mine.clone()) {
                let line: Value = serde_json::from_str(line).expect("json");
                let record = decoder.decode(line["event"].to_string().as_bytes(), TsNs::default());
                assert_eq!((record.raw, &record.event.body), (None, &event.body));
                assert_eq!((record.event.ts, record.event.seq), (event.ts, event.seq));
                assert_eq!(line["recv_ms"], event.recv.ms());
            }
            assert_eq!(text.lines().count(), mine.count());
        }
    }
}
