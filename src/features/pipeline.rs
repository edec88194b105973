//! The pipeline: event files to feature files, as a polars plan around one fold.
//!
//! polars moves rows: it selects, restores the order, groups by session and market, and joins the
//! markets' definitions and outcomes. It computes no observation: every group is handed, event by
//! event, to the [`Observer`] that a live session uses.
//!
//! **Invariant:** a row of a feature file has the bits of the row that the same events give one at a time.

use super::{Layout, Observer};
use crate::dataset::manifest::{Manifest, SessionEntry};
use crate::dataset::schema::Table;
use crate::dataset::tape::{self, Tape};
use crate::dataset::{
    DatasetError, FeatureRows, FeatureSet, FeatureWriter, Filter, bridge, read_table, read_tape,
    wants_session,
};
use crate::event::{Event, Gap, MarketId, SessionId};
use crate::units::{Price, TsUs};
use polars::prelude::{
    DataFrame, DataType, Expr, IntoLazy, JoinArgs, JoinType, LazyFrame, NamedFrom, PolarsError,
    Series, SortMultipleOptions, col, lit,
};
use serde::Serialize;
use std::path::Path;

/// Why features could not be built or profiled.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The dataset could not be read or written.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The filter chooses nothing: writing that would take the files of the others away.
    #[error("no recorded market has a row that was asked for")]
    NothingChosen,
    /// polars refused the plan.
    #[error("the frame plan failed")]
    Frame(#[from] PolarsError),
}

/// What was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BuildSummary {
    /// Observation layout.
    pub layout: String,
    /// Feature files of the layout.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
    /// Sessions read.
    pub sessions: u64,
    /// Markets with at least one row, counted per session.
    pub markets: u64,
}

/// Rebuilds the feature files of `layout` from the event files that `filter` lets through.
///
/// `on_session` hears of every session done.
///
/// # Errors
/// When there is no dataset, or a file is not what it should be.
pub fn build(
    data_dir: &Path,
    layout: Layout,
    filter: &Filter,
    on_session: &mut dyn FnMut(),
) -> Result<BuildSummary, PipelineError> {
    let names = market_columns(layout);
    let (name, hash) = (layout.to_string(), layout.hash());
    let set = FeatureSet { layout: &name, layout_hash: &hash, columns: &names };
    let manifest = Manifest::existing(data_dir)?;
    let markets = market_frame(data_dir, &manifest)?;
    let mut writer = FeatureWriter::open(data_dir, set)?;
    let mut summary = BuildSummary { layout: name.clone(), ..BuildSummary::default() };
    for session in manifest.sessions.iter().filter(|s| wants_session(filter, s.meta.id)) {
        let rows = session_rows(data_dir, &manifest, session, &markets, layout, filter)?;
        writer.session(&session.meta, &rows)?;
        summary.sessions += 1;
        summary.markets += rows.len() as u64;
        on_session();
    }
    if summary.markets == 0 && filter.tickers.is_some() {
        return Err(PipelineError::NothingChosen);
    }
    let manifest = writer.finish()?;
    let files = manifest.table(Table::Features.name());
    for file in files.filter(|f| f.features.as_ref().is_some_and(|o| o.layout == name)) {
        summary.files += 1;
        summary.rows += file.rows;
        summary.bytes += file.bytes;
    }
    Ok(summary)
}

/// Names of the market part of a layout, in order.
pub(super) fn market_columns(layout: Layout) -> Vec<&'static str> {
    layout.columns()[..layout.market_len()].iter().map(|c| c.name).collect()
}

/// The rows of every market of one session, by ticker; markets without a row are left out.
fn session_rows(
    data_dir: &Path,
    manifest: &Manifest,
    session: &SessionEntry,
    markets: &DataFrame,
    layout: Layout,
    filter: &Filter,
) -> Result<Vec<FeatureRows>, PipelineError> {
    let tape = read_tape(data_dir, manifest, session)?;
    let groups = plan(&tape, session.meta.id, markets, filter)?.collect()?;
    let mut all = Vec::with_capacity(groups.height());
    for i in 0..groups.height() {
        let group = Group { frame: &groups, i };
        let rows = group.observe(&tape.gaps, layout)?;
        if !rows.row_ids.is_empty() {
            all.push(rows);
        }
    }
    Ok(all)
}

/// One row per market: its definition, and its events in recorded order as lists.
fn plan(
    tape: &Tape,
    session: SessionId,
    markets: &DataFrame,
    filter: &Filter,
) -> Result<LazyFrame, PipelineError> {
    let ticker = || col("market_ticker");
    let in_order = SortMultipleOptions::default().with_maintain_order(true);
    let events = bridge::frame(&tape.batch)?
        .lazy()
        .filter(wanted(filter))
        .sort(["row_id"], in_order.clone())
        .group_by_stable([ticker().cast(DataType::String)])
        .agg(tape::NAMES.map(col));
    Ok(events
        .join(markets.clone().lazy(), [ticker()], [ticker()], JoinArgs::new(JoinType::Left))
        .with_column(lit(session.to_string()).alias("session_id"))
        .sort(["market_ticker"], in_order))
}

/// `filter` as an expression over the columns of a tape.
fn wanted(filter: &Filter) -> Expr {
    let recv = || col("ts_recv_ns");
    let from = filter.recv_from.map(|t| recv().gt_eq(lit(t.0)));
    let to = filter.recv_to.map(|t| recv().lt(lit(t.0)));
    let tickers = filter.tickers.as_ref().map(|tickers| {
        let is = |t: &String| col("market_ticker").cast(DataType::String).eq(lit(t.as_str()));
        tickers.iter().map(is).reduce(Expr::or).unwrap_or(lit(false))
    });
    [from, to, tickers].into_iter().flatten().reduce(Expr::and).unwrap_or(lit(true))
}

/// Definitions and outcomes with times as integers, by ticker.
fn market_frame(data_dir: &Path, manifest: &Manifest) -> Result<DataFrame, PipelineError> {
    let us = |name: &str| col(name).cast(DataType::Int64);
    let ticker = col("market_ticker").cast(DataType::String);
    let columns = [ticker, us("ts_open"), us("ts_close"), col("settlement_e4")];
    let mut frames = Vec::new();
    for batch in read_table(data_dir, manifest, Table::Markets)? {
        frames.push(bridge::frame(&batch)?.lazy().select(columns.clone()));
    }
    Ok(polars::prelude::concat(frames, Default::default())?.collect()?)
}

/// One market of one session: a row of the collected plan.
struct Group<'a> {
    frame: &'a DataFrame,
    i: usize,
}

impl Group<'_> {
    /// The market's events, one at a time through the observer.
    fn observe(&self, gaps: &[Gap], layout: Layout) -> Result<FeatureRows, PipelineError> {
        let time = |name| Ok::<_, PolarsError>(self.frame.column(name)?.i64()?.get(self.i));
        let (open, close) = (time("ts_open")?.map(TsUs), time("ts_close")?.map(TsUs));
        let settlement = self.frame.column("settlement_e4")?.i32()?.get(self.i);
        let ticker = self.frame.column("market_ticker")?.str()?.get(self.i).unwrap_or_default();
        let mut rows = FeatureRows {
            ticker: ticker.to_owned(),
            settlement: settlement.and_then(|e4| Price::new(e4.into())),
            ..FeatureRows::default()
        };
        let mut observer = Observer::new(layout, open, close);
        let mut keep = |row: super::Row<'_>| {
            rows.row_ids.push(row.row_id as i64);
            rows.ts_us.push(row.ts_ms * 1_000);
            rows.mid2_e4.push(row.mid2);
            rows.values.extend_from_slice(row.market);
        };
        for event in &self.events(gaps)? {
            observer.push(event).into_iter().for_each(&mut keep);
        }
        observer.finish().into_iter().for_each(&mut keep);
        Ok(rows)
    }

    fn events(&self, gaps: &[Gap]) -> Result<Vec<Event>, PipelineError> {
        let list = |name: &str| -> Result<Series, PolarsError> {
            let list = self.frame.column(name)?.list()?.get_as_series(self.i);
            Ok(list.map_or_else(|| Series::new(name.into(), [0i64; 0]), |s| s.rechunk()))
        };
        let lists: Vec<Series> = tape::NAMES.into_iter().map(list).collect::<Result<_, _>>()?;
        let columns = tape::Columns {
            kind: lists[0].i8()?.cont_slice()?,
            side: lists[1].i8()?.cont_slice()?,
            block: lists[2].i8()?.cont_slice()?,
            sid: lists[3].i32()?.cont_slice()?,
            price_e4: lists[4].i32()?.cont_slice()?,
            row_id: lists[5].i64()?.cont_slice()?,
            ts_recv_ns: lists[6].i64()?.cont_slice()?,
            ts_event_us: lists[7].i64()?.cont_slice()?,
            seq: lists[8].i64()?.cont_slice()?,
            qty_e2: lists[9].i64()?.cont_slice()?,
            a: lists[10].i64()?.cont_slice()?,
            b: lists[11].i64()?.cont_slice()?,
        };
        let rows = 0..columns.row_id.len();
        Ok(tape::events(&columns, gaps, MarketId(self.i as u32), rows)?)
    }
}
