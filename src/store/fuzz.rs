//! The readers of stored bytes, for the fuzz targets in `tests/fuzz`: any bytes are an answer or an error.

use super::StoreError;
use super::chunk::{Builder, Head, KINDS};
use super::codec;
use super::column::{Effort, Packer};
use super::reader::SealedReader;
use super::segment::{LocalMarket, SegmentEnd, SegmentHead};
use super::unpack::unpack;
use crate::event::{MarketId, Record};
use crate::units::TsNs;
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;

/// Markets that the rows of a fuzzed chunk may name.
const MARKETS: u32 = 256;

/// Reads `bytes` as a chunk whose checksum fits: a byte per kind with its number of rows, then the payload.
/// `None` if it cannot be read, else whether its rows are the same after being written again.
pub fn chunk(bytes: &[u8]) -> Option<bool> {
    let (counts, payload) = bytes.split_first_chunk::<KINDS>()?;
    let head = Head {
        first_row_id: 1,
        counts: counts.map(u32::from),
        recv_min: TsNs(0),
        recv_max: TsNs(0),
        len: payload.len() as u32,
        crc: crc32c::crc32c(payload),
    };
    let markets: Vec<MarketId> = (0..MARKETS).map(MarketId).collect();
    let rows = unpack(&head, payload, &markets).ok()?;
    let (head, payload) = pack(&rows)?;
    Some(rows.is_empty() || unpack(&head, &payload, &markets).is_ok_and(|again| again == rows))
}

/// `rows` in the form that [`chunk`] reads; `None` with more than 255 rows of a kind.
pub fn packed(rows: &[Record]) -> Option<Vec<u8>> {
    let (head, payload) = pack(rows)?;
    let mut bytes = Vec::with_capacity(KINDS + payload.len());
    for count in head.counts {
        bytes.push(u8::try_from(count).ok()?);
    }
    bytes.extend(payload);
    Some(bytes)
}

fn pack(rows: &[Record]) -> Option<(Head, Vec<u8>)> {
    let mut builder = Builder::default();
    for row in rows {
        let market = row.event.market;
        builder.push(row, if market == MarketId::NONE { 0 } else { u64::from(market.0) + 1 });
    }
    builder.pack(&mut Packer::new(Effort::Live).ok()?).ok()
}

/// Reads `bytes` as each kind of small row, with a checksum that fits; how many kinds could be read.
///
/// # Errors
/// The name of a kind that is another row after being written again.
pub fn small_rows(bytes: &[u8]) -> Result<u32, &'static str> {
    let mut sealed = bytes.to_vec();
    sealed.extend(crc32c::crc32c(bytes).to_le_bytes());
    let read = [
        ("format", again::<u32>(&sealed)),
        ("head", again::<SegmentHead>(&sealed)),
        ("end", again::<SegmentEnd>(&sealed)),
        ("market", again::<LocalMarket>(&sealed)),
        ("chunk", again::<Head>(&sealed)),
    ];
    match read.iter().find(|(_, same)| *same == Some(false)) {
        Some((name, _)) => Err(name),
        None => Ok(read.iter().filter(|(_, same)| same.is_some()).count() as u32),
    }
}

/// `None` if `sealed` is no such row, else whether writing and reading it gives the same bytes again.
fn again<T: Serialize + DeserializeOwned>(sealed: &[u8]) -> Option<bool> {
    let first = codec::seal(&codec::unseal::<T>(sealed).ok()?);
    Some(codec::unseal::<T>(&first).is_ok_and(|row| codec::seal(&row) == first))
}

/// Reads the file `path` as a sealed segment, all of it; how many rows it holds.
///
/// # Errors
/// What is wrong with it.
pub fn segment(path: &Path) -> Result<u64, StoreError> {
    let reader = SealedReader::open(path)?;
    reader.head()?;
    reader.end()?;
    let markets: Vec<MarketId> = (0..reader.markets()?.len() as u32).map(MarketId).collect();
    let mut rows = 0;
    for (i, head) in (0..).zip(&reader.chunks()?) {
        rows += reader.records(i, head, &markets)?.len() as u64;
    }
    Ok(rows)
}
