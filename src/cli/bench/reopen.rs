//! `kflow bench reopen`: from a kill to the next committed row.

use crate::cli::exit::{self, Failure};
use crate::cli::printer;
use crate::event::{Body, Delta, Event, MarketId, Record, SessionId, SessionMeta, Tickers};
use crate::rng::Rng;
use crate::store::Writer;
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use std::path::Path;
use std::time::Instant;

/// Options of `kflow bench reopen`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Rows in the live segment; about six million fill it.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const MARKETS: u64 = 300;
/// What the requirement speaks of.
const SEGMENT_MIB: f64 = 256.0;

/// Fills a live segment, takes a copy of it as a kill would leave it, and opens that.
///
/// # Errors
/// When the log cannot be written.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let place = std::env::temp_dir().join(format!("kflow-bench-reopen-{}", std::process::id()));
    let result = measure(&place, &args);
    // The figures are what counts; the folder is the system's to clear if this fails.
    let _ = std::fs::remove_dir_all(&place);
    let figures = result?;
    if args.json {
        return printer::json("bench reopen", &figures);
    }
    let rows: Vec<Vec<String>> = figures
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| vec![name.clone(), value.to_string()])
        .collect();
    printer::line(&printer::table(&["figure", "value"], &rows))
}

fn measure(place: &Path, args: &Args) -> Result<serde_json::Value, Failure> {
    let (recorded, killed) = (place.join("recorded"), place.join("killed"));
    let mut writer = Writer::open(&recorded, session(1)).map_err(exit::store)?;
    let (tickers, mut rng) = (tickers(), Rng::stream(1, "reopen", 0));
    for i in 0..args.rows {
        writer.append(&tickers, row(i, &mut rng)).map_err(exit::store)?;
    }
    let committed = writer.commit().map_err(exit::store)?;
    let bytes = copy_live(&recorded, &killed)?;
    drop(writer);

    let begun = Instant::now();
    let mut writer = Writer::open(&killed, session(2)).map_err(exit::store)?;
    let first = writer.append(&tickers, row(0, &mut rng)).map_err(exit::store)?;
    writer.commit().map_err(exit::store)?;
    let open_ms = begun.elapsed().as_secs_f64() * 1e3;
    writer.finish("done").map_err(exit::store)?;
    let sealed_ms = begun.elapsed().as_secs_f64() * 1e3;
    let mib = bytes as f64 / f64::from(1 << 20);
    Ok(serde_json::json!({
        "rows_committed": committed,
        "rows_found": first - 1,
        "live_mib": mib.round(),
        "open_ms": open_ms.round(),
        "open_ms_per_256_mib": (open_ms * SEGMENT_MIB / mib).round(),
        "sealed_beside_ms": sealed_ms.round(),
    }))
}

/// Copies the live segments as they are now; their size.
fn copy_live(from: &Path, to: &Path) -> std::io::Result<u64> {
    std::fs::create_dir_all(to.join("log"))?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(from.join("log"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|n| *n != "LOCK") {
            bytes += std::fs::copy(&path, to.join("log").join(name))?;
        }
    }
    Ok(bytes)
}

fn session(id: u8) -> SessionMeta {
    SessionMeta {
        id: SessionId([id; 16]),
        source: "sim:bench".to_owned(),
        exchange_env: "none".to_owned(),
        started: TsNs(0),
        flags: Vec::new(),
        inputs: Vec::new(),
    }
}

fn tickers() -> Tickers {
    let mut tickers = Tickers::default();
    for i in 0..MARKETS {
        tickers.intern(&format!("SIM-{i}"));
    }
    tickers
}

/// A delta of a random market: harder to pack than a real one.
fn row(i: u64, rng: &mut Rng) -> Record {
    let price = Price::new(100 * (1 + rng.below(99)) as i64).unwrap_or(Price::ONE);
    let qty = Qty(rng.below(20_000) as i64 - 10_000);
    let side = if rng.chance(0.5) { Side::Yes } else { Side::No };
    let us = (i * 500) as i64;
    let event = Event {
        row_id: 0,
        recv: TsNs(us * 1_000 + rng.below(1_000) as i64),
        ts: Some(TsUs(us - 12_000)),
        market: MarketId(rng.below(MARKETS) as u32),
        sid: 1,
        seq: i + 1,
        body: Body::Delta(Delta { side, price, qty }),
    };
    Record { event, raw: None }
}
