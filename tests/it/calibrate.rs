//! The simulator's order flow beside the recorded gold markets.

use crate::cli::{kflow, run};
use crate::shared::shared;
use kalshiflow::check::calibrate::{Calibration, against, measure};
use kalshiflow::event::Body;
use serde_json::Value;

/// Simulated markets: three at the pace of each of the 18 recorded ones.
const MARKETS: u64 = 54;

fn wrong(calibration: &Calibration) -> Vec<&'static str> {
    calibration.rows.iter().filter(|r| !r.ok).map(|r| r.statistic).collect()
}

/// Every median within a factor of 1.5 and every distribution within a distance of 0.25, for one seed
/// (with `KFLOW_LONG=1` for ten); and a simulator with doubled sizes is told from the recording.
#[test]
fn the_crowd_looks_like_the_recorded_markets() {
    let Some(tape) = shared("data/gold15m") else { return };
    let recorded = measure(&tape).expect("recordings");
    assert_eq!(recorded.paces.len(), 18);
    let seeds = if std::env::var_os("KFLOW_LONG").is_some() { 10 } else { 1 };
    for seed in 7..7 + seeds {
        let calibration = against(&recorded, seed, MARKETS, |_| {});
        assert!(calibration.ok(), "seed {seed}: {:?}", calibration.rows);
    }
    let doubled = against(&recorded, 7, MARKETS, |event| match &mut event.body {
        Body::Delta(delta) => delta.qty += delta.qty,
        Body::Trade(trade) => trade.qty += trade.qty,
        Body::Snapshot(book) => {
            book.yes.iter_mut().chain(&mut book.no).for_each(|level| level.1 += level.1);
        }
        _ => {}
    });
    let seen = wrong(&doubled);
    for row in ["delta_size_e2", "trade_size_e2", "side_depth_e2"] {
        assert!(seen.contains(&row), "{seen:?}");
    }
}

#[test]
fn the_command_prints_every_row_and_absent_recordings_are_an_error() {
    let dir = tempfile::tempdir().expect("tempdir");
    let out = run(kflow(&["sim", "calibrate", "--tape"]).arg(dir.path()));
    assert_eq!(out.code, 3, "{}", out.stderr);
    assert!(out.stderr.contains("--tape DIR"), "{}", out.stderr);

    let Some(tape) = shared("data/gold15m") else { return };
    let out = run(kflow(&["sim", "calibrate", "--json", "--tape"]).arg(tape));
    assert_eq!(out.code, 0, "{}", out.stderr);
    let result: Value = serde_json::from_str(&out.stdout).expect("one JSON object");
    assert_eq!(result["command"], "sim calibrate");
    let rows = result["data"]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 15);
    assert!(rows.iter().all(|r| r["ok"] == true && r["ratio"].is_number()), "{rows:?}");
}
