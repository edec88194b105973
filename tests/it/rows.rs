//! Logs of which every reader can tell what is right: the record at a `row_id` follows from the `row_id`.

use kalshiflow::event::{
    Body, Delta, Event, MarketId, Record, SessionId, SessionMeta, Tickers, Trade,
};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Filter, Log, Writer};
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use std::path::{Path, PathBuf};

pub const TICKERS: [&str; 3] = ["EXAMPLE-1", "EXAMPLE-2", "EXAMPLE-3"];
pub const SECOND_NS: i64 = 1_000_000_000;
/// A row per second of receive time: after these a writer goes on in the next segment.
pub const ROWS_PER_SEGMENT: u64 = 3_600;

/// A session named by one byte.
pub fn session(id: u8) -> SessionMeta {
    SessionMeta {
        id: SessionId([id; 16]),
        source: format!("sim:seed={id}"),
        exchange_env: "none".into(),
        started: TsNs(1),
        flags: vec!["test".into()],
        inputs: Vec::new(),
    }
}

/// The dictionary of all records.
pub fn tickers() -> Tickers {
    let mut tickers = Tickers::default();
    for (i, name) in TICKERS.iter().enumerate() {
        let id = tickers.intern(name);
        tickers.set_uuid(id, [i as u8; 16]);
    }
    tickers
}

/// The record that stands at `row_id`.
pub fn record(row_id: u64) -> Record {
    let mut rng = Rng::stream(1, "record", row_id);
    let price = Price::new(rng.below(10_001) as i64).unwrap();
    let side = if rng.chance(0.5) { Side::Yes } else { Side::No };
    let qty = Qty(rng.below(100_000) as i64 - 50_000);
    let (body, market) = match rng.below(20) {
        0 => (Body::Other("subscribed".into()), MarketId::NONE),
        1 => {
            let id = std::array::from_fn(|_| rng.next_u64() as u8);
            let trade = Trade { taker: side, yes_price: price, qty, block: None, id };
            (Body::Trade(Box::new(trade)), MarketId(rng.below(3) as u32))
        }
        _ => (Body::Delta(Delta { side, price, qty }), MarketId(rng.below(3) as u32)),
    };
    let raw = matches!(body, Body::Other(_)).then(|| format!("raw {row_id}").into_bytes().into());
    let recv = TsNs(row_id as i64 * SECOND_NS);
    let ts = raw.is_none().then_some(TsUs(row_id as i64 * 1_000_000 - 900));
    Record { event: Event { row_id, recv, ts, market, sid: 1, seq: row_id, body }, raw }
}

/// Writes the session `id` with `rows`, to its end.
pub fn write(data_dir: &Path, id: u8, rows: std::ops::Range<u64>) {
    let mut writer = Writer::open(data_dir, session(id)).unwrap();
    for row_id in rows {
        assert_eq!(writer.append(&tickers(), record(row_id)).unwrap(), row_id);
    }
    writer.finish("done").unwrap();
}

/// Files of the log with this extension, in order.
pub fn files(data_dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data_dir.join("log")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

/// Compares every record that the log gives with the one of [`record`]; how many there are, and the error
/// after the last, if it ends in one.
///
/// # Panics
/// When a record is another one.
#[track_caller]
pub fn read_rows(log: &Log) -> (Vec<u64>, Option<String>) {
    let (ours, mut ids) = (tickers(), Vec::new());
    let rows = match log.read(Filter::default()) {
        Ok(rows) => rows,
        Err(e) => return (ids, Some(e.to_string())),
    };
    for got in rows {
        let mut got = match got {
            Ok(got) => got,
            Err(e) => return (ids, Some(e.to_string())),
        };
        let want = record(got.event.row_id);
        // The log has its own dictionary; the names must be those that were given.
        if got.event.market != MarketId::NONE {
            let market = got.event.market;
            assert_eq!(log.tickers().uuid(market), ours.uuid(want.event.market));
            got.event.market = ours.find(log.tickers().name(market)).unwrap();
        }
        assert_eq!(got, want);
        ids.push(got.event.row_id);
    }
    (ids, None)
}

/// How many records the log holds, after making sure that they are those of [`record`] from 1 on without a
/// hole, and that nothing is wrong with it.
#[track_caller]
pub fn check_all(data_dir: &Path) -> u64 {
    let log = Log::open(data_dir).unwrap();
    assert_eq!(log.verify().problems, Vec::<String>::new());
    let (ids, error) = read_rows(&log);
    assert_eq!(error, None);
    assert!(ids.iter().copied().eq(1..=ids.len() as u64), "a row is missing or stands twice");
    ids.len() as u64
}
