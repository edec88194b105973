//! What must hold for any bytes: the bodies of the fuzz targets, and of the property tests in `tests/it/fuzz.rs`.

#![allow(dead_code, reason = "each fuzz target uses one")]

use kalshiflow::event::{Body, Record, Tickers};
use kalshiflow::store::fuzz;
use kalshiflow::units::TsNs;
use kalshiflow::wire::{Decoder, frame_value};

/// A frame that is always read.
pub const GOOD: &[u8] = br#"{"type":"orderbook_delta","sid":1,"seq":7,"msg":{"market_ticker":"EXAMPLE-GOOD","market_id":"0123abcd-0000-4000-8000-00000000beef","price_dollars":"0.9600","delta_fp":"-54.50","side":"no","ts":"2026-11-20T12:00:00.25Z","ts_ms":1795176000250}}"#;

/// No frame stops the decoder, none is lost, and the next good one is read as if nothing had been.
pub fn frame(bytes: &[u8]) {
    let mut decoder = Decoder::default();
    let record = decoder.decode(bytes, TsNs(1));
    assert!(is_kept(&record, &decoder.tickers, bytes), "{record:?}");
    let good = decoder.decode(GOOD, TsNs(2));
    assert!(matches!(good.event.body, Body::Delta(_)) && good.raw.is_none(), "{good:?}");
}

/// The frame's bytes stand beside the record, or the record gives back the same JSON value.
pub fn is_kept(record: &Record, tickers: &Tickers, bytes: &[u8]) -> bool {
    match &record.raw {
        Some(raw) => **raw == *bytes,
        None => {
            let sent: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
            sent.is_ok_and(|sent| frame_value(record, tickers) == Some(sent))
        }
    }
}

/// A chunk is an error, or rows that come back when they are written again.
pub fn chunk(bytes: &[u8]) {
    assert_ne!(fuzz::chunk(bytes), Some(false));
}

/// The small rows of a segment, its header among them, and the file as a whole.
pub fn segment(bytes: &[u8]) {
    assert!(fuzz::small_rows(bytes).is_ok());
    let path = std::env::temp_dir().join(format!("kflow-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let _ = fuzz::segment(&path);
    std::fs::remove_file(&path).unwrap();
}
