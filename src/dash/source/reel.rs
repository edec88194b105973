//! A recorded session that can be wound to any place.
//!
//! One pass over the session keeps the state of all books at some places (frames). Winding takes the frame before
//! the place and reads on from there, from so far back that the minute before the place is seen as well.
//!
//! **Invariant:** wound to a row, every book is what playing up to that row gives.

use crate::book::Standing;
use crate::dash::command::Place;
use crate::dash::news::Heard;
use crate::event::{Body, Event, MarketId, Record, SessionId};
use crate::store::{Filter, Log, Records, StoreError};
use crate::units::TsNs;
use std::collections::BTreeMap;
use std::iter::Peekable;

/// Frames kept; with more, every second one goes. 300 markets take about half a megabyte in each.
const FRAMES: usize = 64;
/// Rows between two frames at first.
const APART: u64 = 4_096;
/// What is shown of the time before a place.
const BEFORE_NS: i64 = 60_000_000_000;

/// Why a session cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReelError {
    /// There is no such session with a book in it.
    #[error(
        "no sealed session yet: a recording can be replayed once a file of it is full or it ends"
    )]
    NoSession,
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was wound to, or run over.
#[derive(Debug)]
pub struct Wound {
    /// Everything known there, or what came on the way.
    pub heard: Heard,
    /// Where the reel stands.
    pub at: TsNs,
    /// Its last row.
    pub row: u64,
}

/// The books at a place.
struct Frame {
    row: u64,
    at: TsNs,
    state: Vec<Event>,
}

/// A recorded session.
pub struct Reel<'a> {
    log: &'a Log,
    session: SessionId,
    markets: Vec<(MarketId, Box<str>)>,
    frames: Vec<Frame>,
    definitions: Vec<Event>,
    gaps: Vec<(u64, TsNs)>,
    rows: (u64, u64),
    span: (TsNs, TsNs),
    ahead: Peekable<Records<'a>>,
    /// Last row given out.
    row: u64,
    at: TsNs,
}

impl<'a> Reel<'a> {
    /// Reads the session once.
    ///
    /// # Errors
    /// When a part of the log is damaged.
    pub fn new(log: &'a Log, session: SessionId) -> Result<Reel<'a>, ReelError> {
        let mut index = Index::default();
        for record in log.read(of(session, 0))? {
            index.enter(record?.event);
        }
        let known = log.sessions().into_iter().find(|s| s.id() == session);
        let tickers = known.map(|s| s.markets).unwrap_or_default();
        let id = |name: &String| Some((log.tickers().find(name)?, name.as_str().into()));
        let Index { frames, definitions, gaps, rows, span, .. } = index;
        let rows = rows.ok_or(ReelError::NoSession)?;
        Ok(Reel {
            log,
            session,
            markets: tickers.iter().filter_map(id).collect(),
            frames,
            definitions,
            gaps,
            rows,
            span: span.unwrap_or_default(),
            ahead: log.read(of(session, 0))?.peekable(),
            row: rows.0 - 1,
            at: span.unwrap_or_default().0,
        })
    }

    /// First and last row.
    pub fn rows(&self) -> (u64, u64) {
        self.rows
    }

    /// Earliest and latest receive time.
    pub fn span(&self) -> (TsNs, TsNs) {
        self.span
    }

    /// Rows and times of gaps.
    pub fn gaps(&self) -> &[(u64, TsNs)] {
        &self.gaps
    }

    /// Winds to a place and gives everything known there.
    ///
    /// # Errors
    /// When a part of the log is damaged.
    pub fn wind(&mut self, place: Place) -> Result<Wound, ReelError> {
        let (from, to) = self.span;
        let goal = match place {
            Place::Start => Goal::Row(self.rows.0 - 1),
            Place::End => Goal::Row(self.rows.1),
            Place::Row(row) => Goal::Row(row.clamp(self.rows.0 - 1, self.rows.1)),
            // Who has a tape asks it first, see [`Place::on_tape`].
            Place::Clock(_) => Goal::Row(self.rows.0 - 1),
            Place::At(at) => Goal::At(TsNs(at.0.clamp(from.0, to.0))),
            Place::Share(share) => {
                Goal::At(TsNs(from.0 + ((to.0 - from.0) as f64 * share.clamp(0.0, 1.0)) as i64))
            }
        };
        let frame = self.frame_before(goal);
        let (row, at) = (frame.row, frame.at);
        let known = self.definitions.iter().filter(|event| event.row_id <= row);
        let events = known.chain(&frame.state).cloned().collect();
        let markets = self.markets.clone();
        self.ahead = self.log.read(of(self.session, row + 1))?.peekable();
        (self.row, self.at) = (row, at);
        let heard = Heard { began: true, markets, events, skipped: 0 };
        let mut wound = self.on(heard, |event| goal.takes(event))?;
        if let Goal::At(at) = goal {
            self.at = at;
            wound.at = at;
        }
        Ok(wound)
    }

    /// The frame to read on from.
    fn frame_before(&self, goal: Goal) -> &Frame {
        let before = |frame: &&Frame| match goal {
            Goal::Row(row) => frame.row <= row,
            Goal::At(at) => frame.at <= at,
        };
        let last = self.frames.iter().rposition(|frame| before(&frame)).unwrap_or(0);
        let near = &self.frames[last];
        let enough = |frame: &Frame| near.at.0 - frame.at.0 >= BEFORE_NS;
        let first = self.frames[..=last].iter().rposition(enough).unwrap_or(0);
        &self.frames[first]
    }

    /// Runs on over what was received until `until`, at most `count` events.
    ///
    /// # Errors
    /// When a part of the log is damaged.
    pub fn run(&mut self, until: TsNs, count: usize) -> Result<Wound, ReelError> {
        let mut left = count;
        let wound = self.on(Heard::default(), |event| {
            let takes = left > 0 && event.recv <= until;
            left = left.saturating_sub(1);
            takes
        })?;
        if self.ahead.peek().is_some() && wound.heard.events.len() < count {
            self.at = TsNs(self.at.0.max(until.0));
        }
        Ok(Wound { at: self.at, ..wound })
    }

    /// Runs on up to the next event of a market; with an empty ticker, the next of any.
    ///
    /// # Errors
    /// When a part of the log is damaged.
    pub fn step(&mut self, ticker: &str) -> Result<Wound, ReelError> {
        let market = self.log.tickers().find(ticker);
        let mut over = false;
        self.on(Heard::default(), |event| {
            let takes = !over;
            over |= market.is_none_or(|id| event.market == id);
            takes
        })
    }

    /// The row before the last event of a market up to `row`: what it takes to step back over it.
    ///
    /// # Errors
    /// When a part of the log is damaged.
    pub fn before(&self, ticker: &str, row: u64) -> Result<u64, ReelError> {
        let market = self.log.tickers().find(ticker);
        for frame in self.frames.iter().rev().filter(|frame| frame.row < row) {
            let mut found = None;
            for record in self.log.read(of(self.session, frame.row + 1))? {
                let event = record?.event;
                if event.row_id > row {
                    break;
                }
                if market.is_none_or(|id| event.market == id) {
                    found = Some(event.row_id);
                }
            }
            if let Some(row) = found {
                return Ok(row - 1);
            }
        }
        Ok(self.rows.0 - 1)
    }

    /// When the next event was received; `None` at the end.
    ///
    /// # Errors
    /// When a part of the log is damaged.
    pub fn next_at(&mut self) -> Result<Option<TsNs>, ReelError> {
        match self.ahead.peek() {
            Some(Ok(record)) => Ok(Some(record.event.recv)),
            Some(Err(_)) => match self.ahead.next() {
                Some(Err(e)) => Err(e.into()),
                _ => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// Adds events as long as they are taken.
    fn on(
        &mut self,
        mut heard: Heard,
        mut takes: impl FnMut(&Event) -> bool,
    ) -> Result<Wound, ReelError> {
        let mut wanted = |record: &Result<Record, StoreError>| {
            record.as_ref().map_or(true, |record| takes(&record.event))
        };
        while let Some(record) = self.ahead.next_if(&mut wanted) {
            let event = record?.event;
            (self.row, self.at) = (event.row_id, event.recv);
            heard.events.push(event);
        }
        Ok(Wound { heard, at: self.at, row: self.row })
    }
}

/// Where to wind to.
#[derive(Clone, Copy)]
enum Goal {
    Row(u64),
    At(TsNs),
}

impl Goal {
    fn takes(self, event: &Event) -> bool {
        match self {
            Goal::Row(row) => event.row_id <= row,
            Goal::At(at) => event.recv <= at,
        }
    }
}

fn of(session: SessionId, row: u64) -> Filter {
    Filter { sessions: Some(vec![session]), row_id_from: Some(row), ..Filter::default() }
}

/// The one pass.
#[derive(Default)]
struct Index {
    books: BTreeMap<MarketId, Standing>,
    frames: Vec<Frame>,
    definitions: Vec<Event>,
    gaps: Vec<(u64, TsNs)>,
    rows: Option<(u64, u64)>,
    span: Option<(TsNs, TsNs)>,
    /// Rows between two frames.
    apart: u64,
}

impl Index {
    fn enter(&mut self, event: Event) {
        let (row, at) = (event.row_id, event.recv);
        let Some((first, last)) = &mut self.rows else {
            self.rows = Some((row, row));
            self.span = Some((at, at));
            self.apart = APART;
            self.frames.push(Frame { row: row - 1, at, state: Vec::new() });
            return self.fold(event);
        };
        (*first, *last) = ((*first).min(row), (*last).max(row));
        self.span = self.span.map(|(from, to)| (from.min(at), to.max(at)));
        self.fold(event);
        if self.frames.last().is_some_and(|frame| row - frame.row >= self.apart) {
            let state =
                self.books.iter().filter_map(|(id, book)| book.restate(*id, row, at)).collect();
            self.frames.push(Frame { row, at, state });
        }
        if self.frames.len() > FRAMES {
            let mut keep = false;
            self.frames.retain(|_| {
                keep = !keep;
                keep
            });
            self.apart *= 2;
        }
    }

    fn fold(&mut self, event: Event) {
        if matches!(event.body, Body::Gap(_)) {
            self.gaps.push((event.row_id, event.recv));
        }
        if event.market == MarketId::NONE {
            return self.books.values_mut().for_each(|book| book.push(&event));
        }
        if matches!(event.body, Body::Market(_)) {
            return self.definitions.push(event);
        }
        self.books.entry(event.market).or_default().push(&event);
    }
}
