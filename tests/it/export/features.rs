//! Feature files hold what the observer gives for the same events, and nothing else.

use super::{Session, export_markets, exported, markets};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use kalshiflow::dataset::manifest::Manifest;
use kalshiflow::dataset::{DatasetError, ExportOptions, FeatureSet, Filter, read_features};
use kalshiflow::features::pipeline::PipelineError;
use kalshiflow::features::{Layout, Observer, Row, pipeline, report};
use kalshiflow::market::MarketInfo;
use std::path::Path;

/// A row without its meaning: session, ticker, row_id, time, mid, settlement, bits of the values.
pub type Bits = (String, String, i64, i64, i32, Option<i32>, Vec<u32>);

/// What one event at a time gives.
fn one_at_a_time(session: &Session, markets: &[MarketInfo], layout: Layout) -> Vec<Bits> {
    let mut all = Vec::new();
    for (ticker, events) in session.by_market() {
        let info = markets.iter().find(|m| m.ticker == ticker).cloned().unwrap_or_default();
        let mut observer = Observer::new(layout, info.open, info.close);
        let mut keep = |row: Row<'_>| {
            let bits = row.market.iter().map(|v| v.to_bits()).collect();
            let paid = info.settlement.map(|p| p.e4() as i32);
            let id = session.meta.id.to_string();
            all.push((
                id,
                ticker.clone(),
                row.row_id as i64,
                row.ts_ms * 1_000,
                row.mid2,
                paid,
                bits,
            ));
        };
        for event in &events {
            observer.push(event).into_iter().for_each(&mut keep);
        }
        observer.finish().into_iter().for_each(&mut keep);
    }
    all
}

/// What stands in the files.
pub fn in_files(dir: &Path, layout: Layout) -> Vec<Bits> {
    let names: Vec<_> = layout.columns()[..layout.market_len()].iter().map(|c| c.name).collect();
    let (name, hash) = (layout.to_string(), layout.hash());
    let set = FeatureSet { layout: &name, layout_hash: &hash, columns: &names };
    let mut all = Vec::new();
    for batch in read_features(dir, &set).expect("reads") {
        assert_eq!(batch.num_columns(), 6 + names.len());
        let word = |column: usize, row: usize| {
            let column = batch.column(column).as_dictionary::<Int32Type>();
            column.values().as_string::<i32>().value(column.keys().value(row) as usize).to_owned()
        };
        let paid = batch.column(4).as_primitive::<Int32Type>();
        for i in 0..batch.num_rows() {
            let bits = names.iter().map(|n| {
                let column = batch.column_by_name(n).expect("a column by its name");
                column.as_primitive::<Float32Type>().value(i).to_bits()
            });
            all.push((
                word(1, i),
                word(3, i),
                batch.column(0).as_primitive::<Int64Type>().value(i),
                batch.column(2).as_primitive::<TimestampMicrosecondType>().value(i),
                batch.column(5).as_primitive::<Int32Type>().value(i),
                paid.is_valid(i).then(|| paid.value(i)),
                bits.collect(),
            ));
        }
    }
    all
}

/// Builds the features and compares them bit by bit; gives the number of rows.
pub(super) fn assert_parity(
    dir: &Path,
    sessions: &[&Session],
    markets: &[MarketInfo],
    layout: Layout,
) -> u64 {
    let summary = pipeline::build(dir, layout, &Filter::default(), &mut || ()).expect("builds");
    let mut want: Vec<Bits> =
        sessions.iter().flat_map(|s| one_at_a_time(s, markets, layout)).collect();
    let mut got = in_files(dir, layout);
    want.sort();
    got.sort();
    let first = got.iter().zip(&want).position(|(g, w)| g != w);
    assert_eq!(first.map(|i| (&got[i], &want[i])), None, "{layout}");
    assert_eq!((got.len(), summary.rows), (want.len(), want.len() as u64), "{layout}");
    summary.rows
}

#[test]
fn the_pipeline_gives_the_rows_that_the_events_give_one_at_a_time() {
    let sessions: Vec<_> = (1..=4).map(|seed| Session::random(seed, 900)).collect();
    let sessions: Vec<_> = sessions.iter().collect();
    let dir = tempfile::tempdir().expect("a place");
    export_markets(dir.path(), &sessions, ExportOptions { rows_per_file: 100 }, &markets());
    for layout in Layout::ALL {
        let rows = assert_parity(dir.path(), &sessions, &markets(), layout);
        assert!(rows > 20, "{layout}: {rows} rows prove little");
    }
}

#[test]
fn the_pipeline_builds_only_what_is_selected() {
    let (a, b) = (Session::random(1, 600), Session::random(2, 600));
    let dir = exported(&[&a, &b]);
    let filter = Filter {
        sessions: Some(vec![b.meta.id]),
        tickers: Some(vec!["KXB-1-T".into(), "KXC-3-T".into()]),
        ..Filter::default()
    };
    pipeline::build(dir.path(), Layout::KalshiFlow52V2, &filter, &mut || ()).expect("builds");
    let got = in_files(dir.path(), Layout::KalshiFlow52V2);
    let want: Vec<Bits> = one_at_a_time(&b, &markets(), Layout::KalshiFlow52V2)
        .into_iter()
        .filter(|row| row.1 != "KXA-2-T")
        .collect();
    assert!(!want.is_empty());
    assert_eq!(got, want);
}

/// Building twice gives the same bytes; an export of other events makes the features unusable until
/// they are built again, and a layout never meets the files of another.
#[test]
fn features_of_other_events_are_refused() {
    let (a, b) = (Session::random(1, 400), Session::random(2, 400));
    let dir = exported(&[&a]);
    let layout = Layout::Flow52V1;
    let build = || pipeline::build(dir.path(), layout, &Filter::default(), &mut || ());
    build().expect("builds");
    let first = Manifest::existing(dir.path()).expect("a manifest");
    build().expect("builds");
    assert_eq!(Manifest::existing(dir.path()).expect("a manifest"), first);
    report::report(dir.path(), layout).expect("a report");

    let stale = |layout| match report::report(dir.path(), layout) {
        Err(PipelineError::Dataset(DatasetError::Stale { why, .. })) => why,
        other => panic!("{other:?}"),
    };
    assert!(stale(Layout::KalshiFlow52V2).contains("none were built"));
    export_markets(dir.path(), &[&a, &b], ExportOptions::default(), &markets());
    assert!(stale(layout).contains("exported anew"));
    build().expect("builds");
    report::report(dir.path(), layout).expect("a report");
}
