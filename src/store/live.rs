//! The segment being written: its file, its dictionary, and when it is full.

use super::StoreError;
use super::chunk::Head;
use super::disk::Disk;
use super::recover::stem;
use super::segment::{Group, LocalMarket, Segment, SegmentEnd, SegmentHead};
use crate::event::{MarketId, Tickers};
use crate::units::TsNs;
use std::path::Path;

/// Rows of a live chunk: what a crash may cost when nobody calls [`super::Writer::commit`].
pub(super) const CHUNK_ROWS: usize = 1_024;
/// Receive time in one segment.
const SEGMENT_NS: u64 = 3_600 * 1_000_000_000;
/// Payload in one segment. redb's pages may take twice that, and it grows its file by doubling: together
/// at most 256 MiB.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The segment being written.
pub(super) struct Live {
    pub(super) file: Segment,
    pub(super) head: SegmentHead,
    /// Chunks committed.
    pub(super) chunks: u32,
    /// Rows taken, committed or not.
    pub(super) rows: u64,
    /// Payload committed.
    pub(super) bytes: u64,
    /// Receive time of the first row.
    pub(super) started: Option<TsNs>,
    /// The segment's dictionary.
    markets: Vec<LocalMarket>,
    /// Local ids that the file does not know yet.
    unsaved: Vec<u32>,
    /// The caller's market id to local id + 1; 0 where the segment has no row of it.
    codes: Vec<u32>,
}

impl Live {
    /// Begins a segment.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        head: SegmentHead,
    ) -> Result<Live, StoreError> {
        // Complete with its head before it is called live: a crash leaves no file without one.
        let path = dir.join(stem(head.number, head.first_row_id));
        let mut file = Segment::create(disk, &path.with_extension("tmp"), &head)?;
        file.rename(&path.with_extension("live"))?;
        Ok(Live {
            file,
            head,
            chunks: 0,
            rows: 0,
            bytes: 0,
            started: None,
            markets: Vec::new(),
            unsaved: Vec::new(),
            codes: Vec::new(),
        })
    }

    /// True if a row of time `recv` belongs into another segment. A clock that jumps to and fro must not
    /// make a file per row, hence the least number of rows.
    pub(super) fn is_over(&self, recv: TsNs) -> bool {
        let span = self.started.map_or(0, |first| first.0.abs_diff(recv.0));
        self.bytes >= SEGMENT_BYTES || (span >= SEGMENT_NS && self.rows >= CHUNK_ROWS as u64)
    }

    /// The market's local id + 1; 0 for nobody.
    pub(super) fn code(&mut self, tickers: &Tickers, id: MarketId) -> u32 {
        if id == MarketId::NONE {
            return 0;
        }
        let index = id.0 as usize;
        if self.codes.len() <= index {
            self.codes.resize(index + 1, 0);
        }
        let code = self.codes[index];
        if code == 0 {
            let ticker = tickers.name(id).to_owned();
            self.unsaved.push(self.markets.len() as u32);
            self.markets.push(LocalMarket { ticker, uuid: tickers.uuid(id) });
            self.codes[index] = self.markets.len() as u32;
            return self.codes[index];
        }
        let market = &mut self.markets[code as usize - 1];
        if market.uuid.is_none() && tickers.uuid(id).is_some() {
            market.uuid = tickers.uuid(id);
            self.unsaved.push(code - 1);
        }
        code
    }

    /// Commits chunks and what they need of the dictionary; `end` with the last.
    pub(super) fn save(
        &mut self,
        chunks: &[(Head, Vec<u8>)],
        end: Option<SegmentEnd>,
    ) -> Result<(), StoreError> {
        let numbered = (self.chunks..).zip(chunks);
        self.file.commit(&Group {
            markets: self.unsaved.iter().map(|&i| (i, &self.markets[i as usize])).collect(),
            chunks: numbered.map(|(i, (head, bytes))| (i, head, &bytes[..])).collect(),
            end,
        })?;
        self.unsaved.clear();
        Ok(())
    }
}
