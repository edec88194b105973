//! The recorded windows: through the files and back, their size, and their features.

use super::{Session, assert_comes_back, export_markets, features::assert_parity};
use crate::shared::shared;
use kalshiflow::book::SequencePolicy;
use kalshiflow::dataset::ExportOptions;
use kalshiflow::event::Record;
use kalshiflow::features::{Layout, report};
use kalshiflow::intake::{Accountant, IntakeError, envelope, files};
use kalshiflow::market::MarketInfo;
use kalshiflow::units::TsNs;
use kalshiflow::wire::{Decoder, market};
use std::path::Path;

/// All windows below `root` as one session, with the gaps that an import would find.
fn recorded(root: &Path) -> (Session, Vec<MarketInfo>) {
    let found = files::find(&[root.to_owned()]).expect("a recording");
    let mut decoder = Decoder::default();
    let mut accountant = Accountant::new(SequencePolicy::Partial);
    let mut session = Session::new(1);
    session.meta.source = "import:gold15m".into();
    session.meta.exchange_env = "prod".into();
    let mut row_id = 0;
    for tape in &found.tapes {
        accountant.begin_file();
        files::lines(tape, |line| -> Result<(), IntakeError> {
            let line = envelope::unpack(line);
            let record = decoder.decode(line.frame, line.recv.unwrap_or_default());
            accountant.enter(record, line.frame, |record: Record, _| {
                row_id += 1;
                let mut event = record.event;
                event.row_id = row_id;
                session.events.push(event);
                Ok(())
            })
        })
        .expect("whole files");
    }
    let mut markets = Vec::new();
    for path in &found.metadata {
        let text = std::fs::read(path).expect("reads");
        let value = serde_json::from_slice(&text).expect("JSON");
        let infos = market::market_objects(&value).into_iter().map(market::market_info);
        markets.extend(infos.map(|m| m.expect("a market")));
    }
    session.tickers = decoder.tickers;
    session.meta.started = session.events.first().map_or(TsNs(0), |e| e.recv);
    (session, markets)
}

/// Every event of all windows comes back, a delta costs at most 9 bytes, and the features of the
/// pipeline are those of the same events given one at a time, bit by bit, in both layouts.
#[test]
fn the_recorded_windows_survive_the_files_small_and_with_the_same_features() {
    let Some(root) = shared("data/gold15m") else { return };
    let (session, markets) = recorded(&root);
    let dir = tempfile::tempdir().expect("a place");
    let before = std::time::Instant::now();
    let summary = export_markets(dir.path(), &[&session], ExportOptions::default(), &markets);
    eprintln!("export: {:.2?}, {summary:?}", before.elapsed());
    assert_eq!((summary.rows["deltas"], summary.rows["trades"]), (1_204_815, 27_016));
    assert!(summary.bytes_per_delta <= 9.0, "{} bytes per delta", summary.bytes_per_delta);
    assert_comes_back(dir.path(), &[&session]);
    for layout in Layout::ALL {
        let before = std::time::Instant::now();
        let rows = assert_parity(dir.path(), &[&session], &markets, layout);
        eprintln!("{layout}: {rows} rows equal bit by bit, {:.2?}", before.elapsed());
        let report = report::report(dir.path(), layout).expect("a report");
        assert_eq!((report.rows, report.nan()), (rows, 0));
        for c in &report.columns {
            assert!(c.outside == 0.0, "{} leaves its range: {c:?}", c.name);
            eprintln!(
                "{:24} {:8.4} {:8.4} {:8.4} {:8.4} {:8.4} {:6.4} {:6.4} {:?} {:?}",
                c.name,
                c.min,
                c.p01,
                c.p50,
                c.p99,
                c.max,
                c.at_lo,
                c.at_hi,
                c.constant,
                c.duplicate_of
            );
        }
        if layout == Layout::Flow52V1 {
            check_known_figures(&report);
        }
    }
}

/// What `flow52-v1` is known to do on recorded windows of this market: no dead column, none that
/// repeats another, and these medians (measured on all 39 windows; here are 18 of them).
fn check_known_figures(report: &report::Report) {
    assert!(report.columns.iter().all(|c| !c.constant && c.duplicate_of.is_none()));
    let median = |name: &str| report.columns.iter().find(|c| c.name == name).expect(name).p50;
    for (name, want, near) in [
        ("mid", 0.51, 0.15),
        ("spread", 0.1502, 0.01),
        ("has_bid", 1.0, 0.0),
        ("imbalance_top5", 0.0, 0.05),
        ("trade_count_60s", 0.656, 0.1),
        ("time_to_close", 0.4157, 0.05),
    ] {
        assert!((median(name) - want).abs() <= near, "{name}: {} is not {want}", median(name));
    }
}
