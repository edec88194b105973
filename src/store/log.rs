//! The log as it lies there: segments, sessions, markets, holes.

use super::StoreError;
use super::chunk;
use super::error::file_name;
use super::heals::Heals;
use super::prune::Pruned;
use super::reader::SealedReader;
use super::recover::{Listing, parse_stem, recover};
use super::summary::{SegmentInfo, SessionSummary};
use super::writer::ROWS_OF_A_LOST_SEGMENT;
use crate::digest::hex;
use crate::event::{Body, Event, Gap, MarketId, SessionId, Tickers};
use crate::units::TsNs;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// The sealed segments of a log, as they were when it was opened.
pub struct Log {
    pub(super) segments: Vec<SegmentInfo>,
    /// Per segment: local market id to the log-wide one.
    pub(super) markets: Vec<Vec<MarketId>>,
    pub(super) tickers: Tickers,
    /// Names of files that could not be read, with the reason.
    pub(super) broken: Vec<(String, String)>,
    /// Why a segment that a crash left could not be sealed now: its rows are not seen here.
    pub(super) unsealed: Option<String>,
    /// A segment is being written, or was left by a crash.
    pub(super) live: bool,
    /// What was taken out on purpose.
    pub(super) pruned: Pruned,
}

/// A hole, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapRow {
    /// The session that has it.
    pub session: SessionId,
    /// Its place in the log.
    pub row_id: u64,
    /// When it was noticed.
    pub recv: TsNs,
    /// Whose rows are missing; [`MarketId::NONE`]: every market's of `sid`.
    pub market: MarketId,
    /// The subscription.
    pub sid: u32,
    /// Cause, missing numbers, what healed it.
    pub gap: Gap,
}

/// What the exchange last said about a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRow {
    /// The session that recorded it.
    pub session: SessionId,
    /// The market.
    pub market: MarketId,
    /// The exchange's JSON object.
    pub json: Box<str>,
}

impl Log {
    /// Opens the log of `data_dir`. Segments that a crash left behind are sealed first; those of a living
    /// writer are left out.
    ///
    /// A damaged file does not keep the log from opening: [`Log::verify`] names it, and [`Log::read`] fails
    /// rather than leave its rows out silently.
    ///
    /// # Errors
    /// [`StoreError::NoLog`] if there is none, [`StoreError::Format`] if another version wrote it; IO errors.
    pub fn open(data_dir: &Path) -> Result<Log, StoreError> {
        let dir = data_dir.join("log");
        match std::fs::metadata(&dir) {
            Ok(found) if found.is_dir() => {}
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(StoreError::io(&dir, e));
            }
            _ => return Err(StoreError::NoLog { dir }),
        }
        let (listing, unsealed) = seal_leftovers(data_dir, &dir)?;
        // After the files are listed: what went between is then known to have gone on purpose.
        let pruned = Pruned::read(&dir)?;
        let mut log = Log {
            segments: Vec::new(),
            markets: Vec::new(),
            tickers: Tickers::default(),
            broken: Vec::new(),
            unsealed,
            live: !listing.live.is_empty(),
            pruned,
        };
        for path in listing.bad {
            log.broken.push((file_name(&path), "set aside after a crash: not readable".to_owned()));
        }
        for path in listing.sealed {
            if log.pruned.covers(&path) {
                continue;
            }
            match SegmentInfo::read(&path) {
                Ok(segment) => log.add(segment),
                Err(StoreError::Corrupt { segment, why, .. }) => log.broken.push((segment, why)),
                Err(e) => return Err(e),
            }
        }
        Ok(log)
    }

    fn add(&mut self, segment: SegmentInfo) {
        let enter = |market: &super::segment::LocalMarket| {
            let id = self.tickers.intern(&market.ticker);
            if let Some(uuid) = market.uuid {
                self.tickers.set_uuid(id, uuid);
            }
            id
        };
        self.markets.push(segment.markets.iter().map(enter).collect());
        self.segments.push(segment);
    }

    /// The sealed segments in order.
    pub fn segments(&self) -> &[SegmentInfo] {
        &self.segments
    }

    /// The sessions in order.
    pub fn sessions(&self) -> Vec<SessionSummary> {
        let mut sessions: Vec<SessionSummary> = Vec::new();
        for segment in &self.segments {
            if sessions.last().is_none_or(|s| s.id() != segment.session.id) {
                let pruned = self.pruned.rows_of(segment.session.id);
                let meta = segment.session.clone();
                sessions.push(SessionSummary { pruned, ..SessionSummary::empty(meta) });
            }
            if let Some(session) = sessions.last_mut() {
                session.add(segment);
            }
        }
        sessions
    }

    /// What was taken out of the log on purpose.
    pub fn pruned(&self) -> &Pruned {
        &self.pruned
    }

    /// The dictionary that the market ids of everything read here refer to.
    pub fn tickers(&self) -> &Tickers {
        &self.tickers
    }

    /// All recorded holes in order, with what healed them.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn gaps(&self) -> Result<Vec<GapRow>, StoreError> {
        let heals = self.heals()?;
        let mut gaps = Vec::new();
        self.scan(chunk::GAP, |session, event| {
            let Event { row_id, recv, market, sid, body, .. } = event;
            if let Body::Gap(gap) = body {
                let mut gap = *gap;
                let heals = heals.get(&session);
                if let Some(word) = heals.and_then(|h| h.healed_by(row_id, sid, market, &gap)) {
                    gap.healed_by = word.to_owned();
                }
                gaps.push(GapRow { session, row_id, recv, market, sid, gap });
            }
        })?;
        Ok(gaps)
    }

    /// What healed the holes of each session.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn heals(&self) -> Result<BTreeMap<SessionId, Heals>, StoreError> {
        let mut heals: BTreeMap<SessionId, Heals> = BTreeMap::new();
        self.scan(chunk::HEALED, |session, event| heals.entry(session).or_default().enter(&event))?;
        Ok(heals)
    }

    /// What the exchange last said about each market, in order of market ids.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn markets(&self) -> Result<Vec<MarketRow>, StoreError> {
        let mut latest = BTreeMap::new();
        self.scan(chunk::MARKET, |session, Event { market, body, .. }| {
            if let Body::Market(json) = body {
                latest.insert(market, MarketRow { session, market, json });
            }
        })?;
        Ok(latest.into_values().collect())
    }

    /// Visits the events of all chunks that hold rows of `kind`.
    fn scan(&self, kind: usize, mut visit: impl FnMut(SessionId, Event)) -> Result<(), StoreError> {
        self.whole()?;
        for (segment, markets) in self.segments.iter().zip(&self.markets) {
            let mut chunks =
                (0..).zip(&segment.chunks).filter(|(_, head)| head.counts[kind] > 0).peekable();
            if chunks.peek().is_none() {
                continue;
            }
            let reader = SealedReader::open(&segment.path)?;
            for (i, head) in chunks {
                for record in reader.records(i, head, markets)? {
                    visit(segment.session.id, record.event);
                }
            }
        }
        Ok(())
    }

    /// Everything that keeps this log from being all that was recorded, in words: unreadable files, rows
    /// missing at the beginning, in the middle or at the end, a segment that could not be sealed.
    pub fn problems(&self) -> Vec<String> {
        let broken = self.broken.iter().map(|(name, why)| format!("segment {name}: {why}"));
        let mut all: Vec<String> = broken.collect();
        let mut due = self.pruned.next_row_id;
        for segment in &self.segments {
            // Whoever wrote behind a segment that could not be read left this much room for it.
            let jumped = self.broken.iter().filter_map(|(name, _)| parse_stem(Path::new(name)));
            let mut jumped = jumped.map(|(_, first)| first + ROWS_OF_A_LOST_SEGMENT);
            if segment.first_row_id != due && !jumped.any(|first| first == segment.first_row_id) {
                let name = file_name(&segment.path);
                let first = segment.first_row_id;
                all.push(format!("segment {name}: it starts at row {first}, due is {due}"));
            }
            due = segment.next_row_id();
        }
        all.extend(self.unsealed.iter().map(|why| format!("the last rows are not sealed: {why}")));
        let open = self.segments.last().is_some_and(|s| s.cause.is_none());
        if open && !self.live && self.broken.is_empty() {
            all.push(format!("the last session has no end: rows from {due} on are missing"));
        }
        all
    }

    /// Fails if a file could not be read.
    pub(super) fn whole(&self) -> Result<(), StoreError> {
        match self.broken.first() {
            None => Ok(()),
            Some((segment, why)) => Err(StoreError::Corrupt {
                segment: segment.clone(),
                chunk: None,
                why: format!("{why}; move the file away to go on without its rows"),
            }),
        }
    }

    /// SHA-256 (hex) over sessions and chunk checksums in order: names the data that a model has seen.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for segment in &self.segments {
            hash.update(segment.session.id.0);
            for head in &segment.chunks {
                hash.update(head.crc.to_le_bytes());
            }
        }
        hex(hash.finalize())
    }
}

/// Seals what a crash left, unless a writer is alive: then its files are its own. Where it cannot be
/// sealed (a full disk, a reader who may not write) the sealed segments are still there to be read; the
/// second value says why they are not all.
fn seal_leftovers(data_dir: &Path, dir: &Path) -> Result<(Listing, Option<String>), StoreError> {
    let listing = Listing::of(dir)?;
    if listing.live.is_empty() {
        return Ok((listing, None));
    }
    match recover(data_dir) {
        Ok(()) | Err(StoreError::Locked { .. }) => Ok((Listing::of(dir)?, None)),
        Err(e @ (StoreError::Full { .. } | StoreError::Io { .. })) => {
            Ok((Listing::of(dir)?, Some(e.to_string())))
        }
        Err(e) => Err(e),
    }
}
