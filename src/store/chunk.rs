//! Rows to payload: the columns of a chunk. The way back is [`super::unpack`].
//!
//! In this order (*numbers*, *words*, *bytes* as in [`super::column`]; `~` is zigzag, `Δ` the difference
//! to the row before, both wrapping):
//!
//! | column | form | one per | value |
//! |---|---|---|---|
//! | unit | number | chunk | ns in one step of receive time: 1, 1 000 or 1 000 000 |
//! | tag | words | row | kind + 8 if raw bytes follow + 16 if there is no exchange time |
//! | market | words | row | 0 for nobody, else local market id + 1 |
//! | sid | words | row | ~ difference to the last row of this kind |
//! | seq | numbers | row | ~ difference to the one due in this `sid` |
//! | ts | numbers | row with ts | ~Δ in us |
//! | recv | numbers | row | ~Δ of the lag behind ts; of receive time itself where there is no ts |
//! | level | words | delta | price_e4 x 2 + 1 for NO |
//! | size | words | delta | ~ size_e2, sorted by (market, level): a level repeats its sizes |
//! | price, size, block, id | words, words, words, blob | trade | as `level`, ~ size_e2, 0 unknown 1 no 2 yes |
//! | yes, no, price, size | numbers | snapshot | levels per side; per level ~Δ price_e4, ~ size_e2 |
//! | text | bytes | other, bad, market, gap | lengths as numbers, then all bytes; a gap is bincode |
//! | raw | bytes | row with raw | lengths as numbers, then all bytes |
//!
//! **Invariant:** the order in which sizes are sorted is never stored: the reader knows market and level.

use super::codec;
use super::column::{Packer, zigzag};
use super::steps::{order_by_level, recv_steps, recv_unit, seq_steps, sid_steps, ts_steps};
use crate::event::{Body, Record, Snapshot, Trade};
use crate::units::{Price, Side, TsNs};
use serde::{Deserialize, Serialize};

/// A chunk never holds more rows.
pub(super) const ROWS_MAX: usize = 65_536;

/// Number of kinds of rows; the numbers below are those in the file.
pub(super) const KINDS: usize = 8;
pub(super) const DELTA: usize = 0;
pub(super) const SNAPSHOT: usize = 1;
pub(super) const TRADE: usize = 2;
pub(super) const GAP: usize = 3;
pub(super) const OTHER: usize = 4;
pub(super) const BAD: usize = 5;
pub(super) const MARKET: usize = 6;
pub(super) const HEALED: usize = 7;

/// The bits of a tag that hold the kind.
pub(super) const KIND_BITS: u64 = 7;
/// The bit of a tag that says that raw bytes are kept.
pub(super) const HAS_RAW: u64 = 8;
/// The bit of a tag that says that the exchange gave no time.
pub(super) const NO_TS: u64 = 16;

/// What is known about a chunk without unpacking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// `row_id` of its first row; the others follow without a hole.
    pub(super) first_row_id: u64,
    /// Rows per kind.
    pub(super) counts: [u32; KINDS],
    /// Earliest receive time.
    pub(super) recv_min: TsNs,
    /// Latest receive time.
    pub(super) recv_max: TsNs,
    /// Bytes of the payload.
    pub(super) len: u32,
    /// CRC32C of the payload.
    pub(super) crc: u32,
}

impl Head {
    /// Rows of all kinds.
    pub(super) fn rows(&self) -> u64 {
        self.counts.iter().map(|n| u64::from(*n)).sum()
    }
}

/// Columns that grow row by row until they are packed.
#[derive(Default)]
pub(super) struct Builder {
    first_row_id: u64,
    counts: [u32; KINDS],
    tags: Vec<u64>,
    markets: Vec<u64>,
    sids: Vec<u64>,
    seqs: Vec<u64>,
    ts: Vec<i64>,
    recv: Vec<i64>,
    delta_keys: Vec<u64>,
    delta_sizes: Vec<u64>,
    trades: Trades,
    ladders: Ladders,
    text_lens: Vec<u64>,
    text: Vec<u8>,
    raw_lens: Vec<u64>,
    raw: Vec<u8>,
}

#[derive(Default)]
struct Trades {
    levels: Vec<u64>,
    sizes: Vec<u64>,
    blocks: Vec<u64>,
    ids: Vec<u8>,
}

#[derive(Default)]
struct Ladders {
    lens: Vec<u64>,
    prices: Vec<u64>,
    sizes: Vec<u64>,
}

impl Builder {
    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.tags.len()
    }

    /// Bytes of verbatim text so far, the part of a chunk that has no natural bound.
    pub(super) fn text_bytes(&self) -> usize {
        self.text.len() + self.raw.len()
    }

    /// Adds a row; `market` is 0 for nobody, else its local id + 1.
    pub(super) fn push(&mut self, record: &Record, market: u64) {
        let event = &record.event;
        if self.tags.is_empty() {
            self.first_row_id = event.row_id;
        }
        let kind = self.push_body(&event.body, market);
        self.counts[kind] += 1;
        let mut tag = kind as u64;
        if let Some(raw) = &record.raw {
            tag |= HAS_RAW;
            self.raw_lens.push(raw.len() as u64);
            self.raw.extend_from_slice(raw);
        }
        match event.ts {
            Some(ts) => self.ts.push(ts.0),
            None => tag |= NO_TS,
        }
        self.tags.push(tag);
        self.markets.push(market);
        self.sids.push(u64::from(event.sid));
        self.seqs.push(event.seq);
        self.recv.push(event.recv.0);
    }

    fn push_body(&mut self, body: &Body, market: u64) -> usize {
        match body {
            Body::Delta(delta) => {
                self.delta_keys.push(market << 16 | level(delta.side, delta.price));
                self.delta_sizes.push(zigzag(delta.qty.0));
                DELTA
            }
            Body::Snapshot(snapshot) => {
                self.ladders.push(snapshot);
                SNAPSHOT
            }
            Body::Trade(trade) => {
                self.trades.push(trade);
                TRADE
            }
            Body::Gap(gap) => self.push_text(GAP, &codec::encode(&**gap)),
            Body::Healed(gap) => self.push_text(HEALED, &codec::encode(&**gap)),
            Body::Other(text) => self.push_text(OTHER, text.as_bytes()),
            Body::Bad(text) => self.push_text(BAD, text.as_bytes()),
            Body::Market(text) => self.push_text(MARKET, text.as_bytes()),
        }
    }

    fn push_text(&mut self, kind: usize, text: &[u8]) -> usize {
        self.text_lens.push(text.len() as u64);
        self.text.extend_from_slice(text);
        kind
    }

    /// Packs the rows and starts again without any.
    pub(super) fn pack(&mut self, packer: &mut Packer) -> std::io::Result<(Head, Vec<u8>)> {
        let rows = std::mem::take(self);
        let unit = recv_unit(&rows.recv);
        packer.number(unit as u64);
        packer.words(&rows.tags)?;
        packer.words(&rows.markets)?;
        packer.words(&sid_steps(&rows.tags, &rows.sids))?;
        packer.numbers(&seq_steps(&rows.sids, &rows.seqs))?;
        packer.numbers(&ts_steps(&rows.ts))?;
        packer.numbers(&recv_steps(&rows.tags, &rows.ts, &rows.recv, unit))?;
        packer.words(&rows.delta_keys.iter().map(|key| key & 0xffff).collect::<Vec<u64>>())?;
        let by_level = order_by_level(&rows.delta_keys);
        packer
            .words(&by_level.iter().map(|&i| rows.delta_sizes[i as usize]).collect::<Vec<u64>>())?;
        rows.trades.pack(packer)?;
        rows.ladders.pack(packer)?;
        packer.numbers(&rows.text_lens)?;
        packer.bytes(&rows.text)?;
        packer.numbers(&rows.raw_lens)?;
        packer.bytes(&rows.raw)?;
        let payload = packer.take();
        let head = Head {
            first_row_id: rows.first_row_id,
            counts: rows.counts,
            recv_min: TsNs(rows.recv.iter().copied().min().unwrap_or(0)),
            recv_max: TsNs(rows.recv.iter().copied().max().unwrap_or(0)),
            len: payload.len() as u32,
            crc: crc32c::crc32c(&payload),
        };
        Ok((head, payload))
    }
}

impl Trades {
    fn push(&mut self, trade: &Trade) {
        self.levels.push(level(trade.taker, trade.yes_price));
        self.sizes.push(zigzag(trade.qty.0));
        self.blocks.push(trade.block.map_or(0, |block| 1 + u64::from(block)));
        self.ids.extend(trade.id);
    }

    fn pack(&self, packer: &mut Packer) -> std::io::Result<()> {
        packer.words(&self.levels)?;
        packer.words(&self.sizes)?;
        packer.words(&self.blocks)?;
        packer.blob(&self.ids)
    }
}

impl Ladders {
    fn push(&mut self, snapshot: &Snapshot) {
        for side in [&snapshot.yes, &snapshot.no] {
            self.lens.push(side.len() as u64);
            let mut last = 0;
            for (price, qty) in side {
                self.prices.push(zigzag(price.e4() - last));
                self.sizes.push(zigzag(qty.0));
                last = price.e4();
            }
        }
    }

    fn pack(&self, packer: &mut Packer) -> std::io::Result<()> {
        packer.numbers(&self.lens)?;
        packer.numbers(&self.prices)?;
        packer.numbers(&self.sizes)
    }
}

/// A side and its price in one number: a small vocabulary.
fn level(side: Side, price: Price) -> u64 {
    price.e4() as u64 * 2 + side.index() as u64
}
