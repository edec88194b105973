//! From files back to events and market definitions.

use super::gather::Builder;
use super::manifest::{Manifest, SessionEntry};
use super::schema::Table;
use super::tape::{self, Tape};
use super::{DatasetError, load, reference};
use crate::event::{Event, MarketId, SessionId, Tickers};
use crate::market::MarketInfo;
use crate::store::Filter;
use crate::units::TsNs;
use arrow::record_batch::RecordBatch;
use std::path::Path;

/// The events of one market in one session, in recorded order.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketEvents {
    /// The session.
    pub session: SessionId,
    /// The market, in the dictionary that came with it.
    pub market: MarketId,
    /// Snapshots, deltas, trades and gaps. A gap of a whole subscription stands here as one of the market.
    pub events: Vec<Event>,
}

/// Reads events, by session and in it by market; the dictionary holds every market met.
///
/// # Errors
/// When there is no dataset, or a file is not what the manifest and the schema say.
pub fn read_events(
    data_dir: &Path,
    filter: &Filter,
) -> Result<(Tickers, Vec<MarketEvents>), DatasetError> {
    let manifest = Manifest::existing(data_dir)?;
    let (mut tickers, mut all) = (Tickers::default(), Vec::new());
    for entry in manifest.sessions.iter().filter(|s| wants_session(filter, s.meta.id)) {
        let tape = read_tape(data_dir, &manifest, entry)?;
        let first = all.len();
        split(&tape, entry.meta.id, filter, &mut tickers, &mut all)?;
        all[first..]
            .sort_by(|a: &MarketEvents, b| tickers.name(a.market).cmp(tickers.name(b.market)));
    }
    Ok((tickers, all))
}

/// Sorts the rows of a tape into its markets.
fn split(
    tape: &Tape,
    session: SessionId,
    filter: &Filter,
    tickers: &mut Tickers,
    all: &mut Vec<MarketEvents>,
) -> Result<(), DatasetError> {
    let columns = tape.columns();
    let (keys, names) = tape.tickers();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    let named = |n: &&str| filter.tickers.as_ref().is_none_or(|all| all.iter().any(|t| t == n));
    let wanted: Vec<bool> = names.iter().map(named).collect();
    for (i, key) in keys.iter().enumerate() {
        if wanted[*key as usize] && in_time(filter, TsNs(columns.ts_recv_ns[i])) {
            rows[*key as usize].push(i);
        }
    }
    for (name, mut rows) in names.into_iter().zip(rows).filter(|(_, rows)| !rows.is_empty()) {
        rows.sort_by_key(|i| columns.row_id[*i]);
        let market = tickers.intern(name);
        let events = tape::events(&columns, &tape.gaps, market, rows.into_iter())?;
        all.push(MarketEvents { session, market, events });
    }
    Ok(())
}

/// True if `filter` asks for events of this session.
pub fn wants_session(filter: &Filter, id: SessionId) -> bool {
    filter.sessions.as_ref().is_none_or(|all| all.contains(&id))
}

fn in_time(filter: &Filter, recv: TsNs) -> bool {
    filter.recv_from.is_none_or(|from| from <= recv) && filter.recv_to.is_none_or(|to| recv < to)
}

/// Reads all events of one session as one flat table.
///
/// # Errors
/// When a file is not what the manifest and the schema say.
pub fn read_tape(
    data_dir: &Path,
    manifest: &Manifest,
    session: &SessionEntry,
) -> Result<Tape, DatasetError> {
    let id = session.meta.id.to_string();
    let mut builder = Builder::default();
    for table in Table::EVENTS {
        for entry in manifest.table(table.name()).filter(|f| f.sessions.contains(&id)) {
            for batch in load::read(data_dir, entry, table)? {
                builder.add(table, &batch)?;
            }
        }
    }
    builder.finish(session.meta.id)
}

/// Reads all files of a table, in the order of their paths.
///
/// # Errors
/// When a file is not what the manifest and the schema say.
pub fn read_table(
    data_dir: &Path,
    manifest: &Manifest,
    table: Table,
) -> Result<Vec<RecordBatch>, DatasetError> {
    let mut batches = Vec::new();
    for entry in manifest.table(table.name()) {
        batches.extend(load::read(data_dir, entry, table)?);
    }
    Ok(batches)
}

/// Reads the definitions and outcomes of all markets, by ticker.
///
/// # Errors
/// When there is no dataset, or the file is not what the manifest and the schema say.
pub fn read_markets(data_dir: &Path) -> Result<Vec<MarketInfo>, DatasetError> {
    markets(data_dir, &Manifest::existing(data_dir)?)
}

pub(super) fn markets(
    data_dir: &Path,
    manifest: &Manifest,
) -> Result<Vec<MarketInfo>, DatasetError> {
    let mut markets = Vec::new();
    for batch in read_table(data_dir, manifest, Table::Markets)? {
        markets.extend(reference::markets(&batch)?);
    }
    Ok(markets)
}
