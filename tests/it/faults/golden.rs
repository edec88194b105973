//! R24, versions: what the first format wrote is read for ever, and what a later one wrote is refused whole.

use super::{fast_dir, survived};
use crate::cli::{kflow, run};
use crate::rows::{files, session, tickers};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kalshiflow::event::{Body, Delta, Event, Gap, GapCause, MarketId, Record, Snapshot, Trade};
use kalshiflow::store::{Filter, Log, StoreError, Writer};
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A sealed and a live segment, as format 1 wrote them.
const NAMES: [&str; 2] = ["000001-000000000001.redb", "000002-000000000011.live"];

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-format1");
    folder.join(name).with_added_extension("gz")
}

/// The bytes of a segment of the first format.
fn segment(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let path = fixture(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The sealed one: what the fuzz target of segments starts from.
pub fn golden_segment() -> Vec<u8> {
    segment(NAMES[0])
}

/// Rows of every kind, the same in both segments but for their ids.
fn rows(first: u64) -> Vec<Record> {
    let price = |e4| Price::new(e4).unwrap();
    let hole = |from| Gap {
        from,
        to: from + 2,
        since: TsNs(1_795_132_800_000_000_000),
        ..Gap::unnumbered(GapCause::SeqGap, TsNs(1_795_132_800_250_000_000))
    };
    let bodies = [
        Body::Market(r#"{"ticker":"EXAMPLE-1","status":"active"}"#.into()),
        Body::Snapshot(Box::new(Snapshot {
            yes: vec![(price(4_400), Qty(65_000)), (price(4_500), Qty(1_050))],
            no: vec![(price(5_405), Qty(200))],
        })),
        Body::Snapshot(Box::default()),
        Body::Delta(Delta { side: Side::No, price: price(5_405), qty: Qty(-200) }),
        Body::Delta(Delta { side: Side::Yes, price: price(4_401), qty: Qty(2_850) }),
        Body::Trade(Box::new(Trade {
            taker: Side::No,
            yes_price: price(4_600),
            qty: Qty(150),
            block: Some(false),
            id: *b"0123456789abcdef",
        })),
        Body::Gap(Box::new(hole(first + 100))),
        Body::Healed(Box::new(Gap { healed_by: "snapshot".into(), ..hole(first + 100) })),
        Body::Other("subscribed".into()),
        Body::Bad("not JSON: expected value at line 1".into()),
    ];
    let row = |(i, body): (u64, Body)| {
        let raw: Option<&[u8]> = match body {
            Body::Other(_) => Some(br#"{"id":1,"type":"subscribed","msg":{"sid":1}}"#),
            Body::Bad(_) => Some(b"\xff{\"type\": oops"),
            _ => None,
        };
        let event = Event {
            row_id: first + i,
            recv: TsNs(1_795_132_800_300_000_000 + (first + i) as i64 * 1_000_003),
            ts: matches!(body, Body::Delta(_) | Body::Trade(_))
                .then_some(TsUs(1_795_132_800_290_456 + i as i64)),
            market: if raw.is_some() { MarketId::NONE } else { MarketId((i % 3) as u32) },
            sid: 1,
            seq: first + i,
            body,
        };
        Record { event, raw: raw.map(Into::into) }
    };
    (0..).zip(bodies).map(row).collect()
}

/// Writes the fixtures anew: only while the first format is not released.
fn bless() {
    let dir = fast_dir();
    for (id, first) in [(1, 1), (2, 11)] {
        let mut writer = Writer::open(dir.path(), session(id)).unwrap();
        for row in rows(first) {
            writer.append(&tickers(), row).unwrap();
        }
        writer.commit().unwrap();
        if id == 1 {
            writer.finish("done").unwrap();
            continue;
        }
        // While the writer lives: what a kill leaves.
        for name in NAMES {
            let bytes = std::fs::read(dir.path().join("log").join(name)).unwrap();
            std::fs::create_dir_all(fixture(name).parent().unwrap()).unwrap();
            let file = std::fs::File::create(fixture(name)).unwrap();
            let mut packed = GzEncoder::new(file, Compression::best());
            packed.write_all(&bytes).unwrap();
            packed.finish().unwrap();
        }
    }
}

/// Lays the two segments down as a log; with `format` instead of theirs in the one at this index.
fn lay_down(format: Option<(usize, u32)>) -> tempfile::TempDir {
    let dir = fast_dir();
    std::fs::create_dir(dir.path().join("log")).unwrap();
    for (i, name) in NAMES.iter().enumerate() {
        let path = dir.path().join("log").join(name);
        std::fs::write(&path, segment(name)).unwrap();
        if let Some((_, format)) = format.filter(|(at, _)| *at == i) {
            set_format(&path, format);
        }
    }
    dir
}

/// Gives the segment another format version, as a later program would write it.
pub fn set_format(path: &Path, format: u32) {
    const TABLE: redb::TableDefinition<(u8, u64), &[u8]> = redb::TableDefinition::new("segment");
    let number = bincode::serde::encode_to_vec(format, bincode::config::standard()).unwrap();
    let mut row = number.clone();
    row.extend(crc32c::crc32c(&number).to_le_bytes());
    let db = redb::Database::open(path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(TABLE).unwrap().insert((0, 0), row.as_slice()).unwrap();
    txn.commit().unwrap();
}

/// Every record of the log with the ticker that it names.
fn read(dir: &Path) -> Vec<(String, Record)> {
    let log = Log::open(dir).unwrap();
    assert_eq!(log.verify().problems, Vec::<String>::new());
    let named = |record: Record| {
        let name = log.tickers().name(record.event.market).to_owned();
        let event = Event { market: MarketId::NONE, ..record.event };
        (name, Record { event, ..record })
    };
    log.read(Filter::default()).unwrap().map(|r| named(r.unwrap())).collect()
}

fn want() -> Vec<(String, Record)> {
    let tickers = tickers();
    let rows = [1, 11].into_iter().flat_map(rows);
    rows.map(|record| {
        let name = tickers.name(record.event.market).to_owned();
        (name, Record { event: Event { market: MarketId::NONE, ..record.event }, ..record })
    })
    .collect()
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let extensions = ["redb", "live", "bad", "tmp"].into_iter();
    let files = extensions.flat_map(|e| files(dir, e));
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// A later format in segment `at`: every command refuses by its name, and nothing is changed.
fn is_refused(at: usize) -> bool {
    let dir = lay_down(Some((at, 2)));
    let before = contents(dir.path());
    let data = dir.path().to_str().unwrap();
    for words in [&["data", "verify"][..], &["data", "ls"], &["export"]] {
        let out = run(kflow(words).args(["--data", data]));
        let named = out.stderr.contains(NAMES[at]) && out.stderr.contains("format 2");
        assert!(out.code == 5 && named, "{words:?}: {} {}", out.code, out.stderr);
    }
    let Err(StoreError::Format { segment, found: 2, known: 1 }) =
        Writer::open(dir.path(), session(3))
    else {
        panic!("a writer starts behind a segment that it cannot read")
    };
    assert_eq!(segment, NAMES[at]);
    // redb notes in a live file that it was opened: there the rows are what counts.
    if at == 0 {
        return contents(dir.path()) == before;
    }
    set_format(&dir.path().join("log").join(NAMES[at]), 1);
    read(dir.path()) == want()
}

#[test]
fn the_first_format_is_read_and_a_later_one_is_refused_and_left_alone() {
    if std::env::var_os("KFLOW_BLESS").is_some() {
        bless();
    }
    let all = read(lay_down(None).path()) == want();
    let outcomes = [all, is_refused(0), is_refused(1)];
    let good = outcomes.iter().filter(|good| **good).count() as u64;
    let lost = u64::from(!all);
    survived("R24", "segments of the first format; a later format refused", 3, good, lost);
}
