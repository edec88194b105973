//! Rows by session, market and time.

use super::reader::SealedReader;
use super::{Log, SegmentInfo, StoreError};
use crate::event::{Body, Event, MarketId, Record, SessionId};
use crate::units::TsNs;

/// Which rows to read. The default is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these sessions.
    pub sessions: Option<Vec<SessionId>>,
    /// Only these markets; gaps of a whole connection concern every market and are read as well.
    pub tickers: Option<Vec<String>>,
    /// Not before this row.
    pub row_id_from: Option<u64>,
    /// Not received before.
    pub recv_from: Option<TsNs>,
    /// Received before.
    pub recv_to: Option<TsNs>,
}

impl Log {
    /// The rows that `filter` asks for, in order of their `row_id`. Chunks outside its sessions and times
    /// are not unpacked. The iterator ends after its first error.
    ///
    /// # Errors
    /// At once if a file of the log is damaged; while reading, the first damaged chunk.
    pub fn read(&self, filter: Filter) -> Result<Records<'_>, StoreError> {
        self.whole()?;
        let wanted = filter.tickers.as_ref().map(|tickers| {
            let mut wanted = vec![false; self.tickers.len()];
            for id in tickers.iter().filter_map(|ticker| self.tickers.find(ticker)) {
                wanted[id.0 as usize] = true;
            }
            wanted
        });
        Ok(Records {
            log: self,
            filter,
            wanted,
            segment: 0,
            reader: None,
            chunk: 0,
            rows: Vec::new().into_iter(),
        })
    }
}

/// Rows of a log, in order. See [`Log::read`].
pub struct Records<'a> {
    log: &'a Log,
    filter: Filter,
    /// Per market id of the log: asked for.
    wanted: Option<Vec<bool>>,
    segment: usize,
    reader: Option<SealedReader>,
    chunk: usize,
    rows: std::vec::IntoIter<Record>,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for record in self.rows.by_ref() {
                if matches(&self.filter, self.wanted.as_deref(), &record.event) {
                    return Some(Ok(record));
                }
            }
            match self.next_chunk() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(e) => {
                    self.segment = self.log.segments.len();
                    return Some(Err(e));
                }
            }
        }
    }
}

impl Records<'_> {
    fn may_hold_wanted(&self, segment: &SegmentInfo) -> bool {
        let session =
            self.filter.sessions.as_ref().is_none_or(|ids| ids.contains(&segment.session.id));
        let market = self.wanted.as_ref().is_none_or(|wanted| {
            let markets = &self.log.markets[self.segment];
            segment.counts.gaps > 0 || markets.iter().any(|id| wanted[id.0 as usize])
        });
        session && market
    }

    /// Unpacks the next chunk that may hold wanted rows; false at the end.
    fn next_chunk(&mut self) -> Result<bool, StoreError> {
        while let Some(segment) = self.log.segments.get(self.segment) {
            if self.may_hold_wanted(segment) {
                while let Some(head) = segment.chunks.get(self.chunk) {
                    let chunk = self.chunk as u32;
                    self.chunk += 1;
                    let before = |from| head.first_row_id + head.rows() <= from;
                    if self.filter.row_id_from.is_some_and(before)
                        || !overlaps(&self.filter, head.recv_min, head.recv_max)
                    {
                        continue;
                    }
                    let reader = match self.reader.take() {
                        Some(reader) => reader,
                        None => SealedReader::open(&segment.path)?,
                    };
                    let rows = reader.records(chunk, head, &self.log.markets[self.segment])?;
                    self.rows = rows.into_iter();
                    self.reader = Some(reader);
                    return Ok(true);
                }
            }
            self.segment += 1;
            self.chunk = 0;
            self.reader = None;
        }
        Ok(false)
    }
}

fn overlaps(filter: &Filter, from: TsNs, to: TsNs) -> bool {
    filter.recv_from.is_none_or(|t| to >= t) && filter.recv_to.is_none_or(|t| from < t)
}

fn matches(filter: &Filter, wanted: Option<&[bool]>, event: &Event) -> bool {
    let market = wanted.is_none_or(|wanted| match event.market {
        MarketId::NONE => matches!(event.body, Body::Gap(_)),
        MarketId(id) => wanted[id as usize],
    });
    market
        && filter.row_id_from.is_none_or(|from| event.row_id >= from)
        && overlaps(filter, event.recv, event.recv)
}
