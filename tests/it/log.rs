//! The log holds what it was given: on the real tape, after a kill, on a full disk, with damaged files.

use crate::shared::shared;
use kalshiflow::event::{
    Body, Delta, Event, Gap, GapCause, MarketId, Record, SessionId, SessionMeta, Snapshot, Tickers,
    Trade,
};
use kalshiflow::store::{Filter, Log, StoreError, Writer};
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use kalshiflow::wire::{Decoder, frame_value};
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A session named by one byte.
fn session(id: u8) -> SessionMeta {
    SessionMeta {
        id: SessionId([id; 16]),
        source: format!("sim:seed={id}"),
        exchange_env: "none".into(),
        started: TsNs(1),
        flags: vec!["test".into()],
        inputs: Vec::new(),
    }
}

#[derive(serde::Deserialize)]
struct Line<'a> {
    recv_ms: i64,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Visits the lines of all windows of the tape in order.
fn each_frame(tape: &Path, mut visit: impl FnMut(TsNs, &[u8])) {
    let sorted = |dir: &Path| {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    for file in sorted(tape).iter().flat_map(|window| sorted(window)) {
        let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap());
        for line in BufReader::new(file).lines() {
            let line = line.unwrap();
            let line: Line<'_> = serde_json::from_str(&line).unwrap();
            visit(TsNs::from_ms(line.recv_ms), line.event.get().as_bytes());
        }
    }
}

#[test]
fn the_tape_comes_back_frame_by_frame_in_six_bytes_per_delta() {
    let Some(tape) = shared("data/gold15m/events") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut decoder = Decoder::default();
    let mut writer = Writer::open(dir.path(), session(1)).unwrap();
    each_frame(&tape, |recv, frame| {
        let record = decoder.decode(frame, recv);
        writer.append(&decoder.tickers, record).unwrap();
    });
    let summary = writer.finish("done").unwrap();

    let per_delta = summary.bytes as f64 / summary.counts.deltas as f64;
    println!("{} bytes in {} segments, {per_delta:.3} per delta", summary.bytes, summary.segments);
    assert!(per_delta <= 6.0, "{per_delta:.3} bytes per delta");

    let log = Log::open(dir.path()).unwrap();
    let mut rows = log.read(Filter::default()).unwrap();
    let mut due = 1;
    each_frame(&tape, |recv, frame| {
        let record = rows.next().unwrap().unwrap();
        assert_eq!(record.event.row_id, due);
        assert_eq!(record.event.recv, recv);
        let sent: Value = serde_json::from_slice(frame).unwrap();
        assert_eq!(frame_value(&record, log.tickers()).unwrap(), sent, "row {due}");
        due += 1;
    });
    assert!(rows.next().is_none());
    assert_eq!(log.verify().problems, Vec::<String>::new());
}
