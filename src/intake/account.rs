//! What a recording holds and what it misses: gaps become rows, oddities become counts.
//!
//! A book per market is kept to notice what cannot be: levels below nothing, crossed books. A recording
//! goes through [`Accountant::enter`]; a live feed, which can ask for what it misses, takes the same steps
//! one by one: [`Accountant::verdict`], [`Accountant::fold`], [`Accountant::gap`].
//!
//! **Invariant:** a market belongs to the subscription of its last snapshot or delta; a gap of a
//! subscription invalidates its markets and no other.

use crate::book::{
    Book, BookError, Change, Numbered, Sequence, SequencePolicy, SequenceTotals, Verdict,
};
use crate::event::{Body, Event, Gap, GapCause, MarketId, Record};
use crate::market::MarketInfo;
use crate::units::TsNs;
use std::collections::BTreeMap;

mod report;

pub use report::MarketReport;

/// Takes decoded records in the order of the recording and adds the gap rows between them.
#[derive(Debug)]
pub struct Accountant {
    policy: SequencePolicy,
    sequence: Sequence,
    markets: Vec<Market>,
    /// Markets that the current file has named: whom an unreadable line of it may have belonged to.
    in_file: Vec<MarketId>,
    gaps: u64,
}

#[derive(Debug, Default)]
struct Market {
    book: Book,
    info: Option<MarketInfo>,
    /// Subscription and number of the last book frame, for recordings of a part of a subscription.
    last_book: Option<(u32, u64)>,
    /// Subscription of the last book frame; 0 before any.
    sid: u32,
    tally: Tally,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    deltas: u64,
    trades: u64,
    snapshots: u64,
    bad: u64,
    gaps: BTreeMap<&'static str, u64>,
    duplicates: u64,
    late: u64,
    no_book: u64,
    negative: u64,
    crossed: u64,
    off_grid: u64,
}

impl Accountant {
    /// Nothing accounted yet.
    pub fn new(policy: SequencePolicy) -> Accountant {
        Accountant::with(policy, Sequence::new(policy))
    }

    /// The account of live connections: complete, and every subscription is heard from number 1 on.
    pub fn live() -> Accountant {
        Accountant::with(SequencePolicy::Complete, Sequence::live())
    }

    fn with(policy: SequencePolicy, sequence: Sequence) -> Accountant {
        Accountant { policy, sequence, markets: Vec::new(), in_file: Vec::new(), gaps: 0 }
    }

    /// Another live connection begins: its subscriptions are new, and no book is known.
    pub fn begin_connection(&mut self) {
        self.sequence = Sequence::live();
        for market in &mut self.markets {
            market.book.invalidate();
            market.sid = 0;
        }
    }

    /// Receive time of the subscription's last accepted frame; 0 before any.
    pub fn heard(&self, sid: u32) -> TsNs {
        self.sequence.heard(sid)
    }

    /// A live subscription has ended; its number may be given to another one.
    pub fn close(&mut self, sid: u32) {
        self.sequence.close(sid);
    }

    /// A market is not followed any more: its book is not known from here on.
    pub fn forget(&mut self, market: MarketId) {
        self.market(market).book.invalidate();
    }

    /// Another file begins. In a partial recording each file stands for its own markets.
    pub fn begin_file(&mut self) {
        self.in_file.clear();
    }

    /// Makes a market's definition known: its tick grid is checked from now on.
    pub fn define(&mut self, market: MarketId, info: MarketInfo) {
        self.market(market).info = Some(info);
    }

    /// Gap rows made so far.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// The account of every subscription (complete recordings).
    pub fn sequence_totals(&self) -> impl Iterator<Item = (u32, SequenceTotals)> + '_ {
        self.sequence.totals()
    }

    /// The book of a market as it stands now.
    pub fn book(&self, market: MarketId) -> Option<&Book> {
        self.markets.get(market.0 as usize).map(|m| &m.book)
    }

    /// The subscription that a market's book came by last; 0 if by none.
    pub fn sid(&self, market: MarketId) -> u32 {
        self.markets.get(market.0 as usize).map_or(0, |m| m.sid)
    }

    /// True if a market's book came by this subscription last, whether anybody wants it or not.
    pub fn carries_books(&self, sid: u32) -> bool {
        self.markets.iter().any(|m| m.sid == sid)
    }

    /// Accounts for one record: `emit` gets it with the gap rows that belong before and after it. A
    /// frame that came twice is passed on as one that is kept but not interpreted.
    ///
    /// # Errors
    /// What `emit` gave.
    pub fn enter<E>(
        &mut self,
        mut record: Record,
        frame: &[u8],
        mut emit: impl FnMut(Record, Change) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.verdict(&record.event, frame) {
            Verdict::Next => {}
            Verdict::Duplicate => {
                set_aside(&mut record, "duplicate", frame);
                return emit(record, Change::None);
            }
            Verdict::Late => {
                set_aside(&mut record, "late", frame);
                return emit(record, Change::None);
            }
            Verdict::Restart => {
                let whole = self.policy == SequencePolicy::Complete;
                let market = if whole { MarketId::NONE } else { record.event.market };
                for scope in self.scope(market) {
                    let gap = Gap::unnumbered(GapCause::Reconnect, record.event.recv);
                    emit(self.gap(&record.event, scope, gap), Change::Invalid)?;
                }
            }
            Verdict::Hole { from, to, since } => {
                let gap = Gap::unnumbered(GapCause::SeqGap, record.event.recv);
                let gap = Gap { from, to, since, ..gap };
                emit(self.gap(&record.event, MarketId::NONE, gap), Change::Invalid)?;
            }
        }
        let (change, after) = self.fold(&record.event);
        let event = Event { body: Body::Bad("".into()), ..record.event };
        emit(record, change)?;
        if let Some(cause) = after {
            for scope in self.scope(event.market) {
                let gap = Gap::unnumbered(cause, event.recv);
                emit(self.gap(&event, scope, gap), Change::Invalid)?;
            }
        }
        Ok(())
    }

    /// Whose books a gap at a frame of `market` touches. A whole connection is one row without a
    /// market; in a partial recording an unreadable line touches the markets of its file.
    fn scope(&self, market: MarketId) -> Vec<MarketId> {
        match (self.policy, market) {
            (SequencePolicy::Partial, MarketId::NONE) => self.in_file.clone(),
            _ => vec![market],
        }
    }

    /// What the number of `frame`, read as `event`, says about the frames before it.
    pub fn verdict(&mut self, event: &Event, frame: &[u8]) -> Verdict {
        if event.sid == 0 || event.seq == 0 {
            return Verdict::Next;
        }
        let verdict = self.judge(event, frame);
        if matches!(verdict, Verdict::Duplicate | Verdict::Late) && event.market != MarketId::NONE {
            let tally = &mut self.market(event.market).tally;
            tally.duplicates += u64::from(verdict == Verdict::Duplicate);
            tally.late += u64::from(verdict == Verdict::Late);
        }
        verdict
    }

    fn judge(&mut self, event: &Event, frame: &[u8]) -> Verdict {
        if self.policy == SequencePolicy::Complete {
            let Event { sid, seq, recv, .. } = *event;
            let print = crc32c::crc32c(frame);
            return self.sequence.enter(Numbered { sid, seq, recv, print });
        }
        if !matches!(event.body, Body::Snapshot(_) | Body::Delta(_)) {
            return Verdict::Next;
        }
        let now = (event.sid, event.seq);
        match self.market(event.market).last_book.replace(now) {
            Some(last) if last == now => Verdict::Duplicate,
            Some((sid, seq)) if sid != now.0 || seq > now.1 => Verdict::Restart,
            _ => Verdict::Next,
        }
    }

    /// Applies the event to its market's book and counts; the second value asks for a gap row after it.
    pub fn fold(&mut self, event: &Event) -> (Change, Option<GapCause>) {
        if event.market == MarketId::NONE {
            // Which market lost something cannot be known from a frame that cannot be read.
            let cause = matches!(event.body, Body::Bad(_)).then_some(GapCause::BadFrame);
            return (Change::None, cause);
        }
        let partial = self.policy == SequencePolicy::Partial;
        let last = self.in_file.last() == Some(&event.market);
        if partial && !last && !self.in_file.contains(&event.market) {
            self.in_file.push(event.market);
        }
        let market = self.market(event.market);
        let tally = &mut market.tally;
        if matches!(event.body, Body::Delta(_) | Body::Snapshot(_)) {
            market.sid = event.sid;
        }
        match &event.body {
            Body::Delta(delta) => {
                tally.deltas += 1;
                let on_grid = market.info.as_ref().is_none_or(|i| i.on_grid(delta.price));
                tally.off_grid += u64::from(!on_grid);
            }
            Body::Snapshot(_) => tally.snapshots += 1,
            Body::Trade(_) => tally.trades += 1,
            Body::Bad(_) => {
                tally.bad += 1;
                return (Change::None, Some(GapCause::BadFrame));
            }
            _ => {}
        }
        match market.book.apply(event) {
            Ok(change) => {
                tally.no_book += u64::from(change == Change::NoBook);
                let touched = matches!(change, Change::Level { .. } | Change::Snapshot);
                tally.crossed += u64::from(touched && market.book.is_crossed());
                (change, None)
            }
            Err(BookError::NegativeLevel { .. }) => {
                tally.negative += 1;
                (Change::Invalid, Some(GapCause::NegativeLevel))
            }
        }
    }

    /// The gap as a row at the place of `near`; the books in its scope are invalid from here on. The scope
    /// is `market`, or with [`MarketId::NONE`] the markets of `near`'s subscription (0: all).
    pub fn gap(&mut self, near: &Event, market: MarketId, gap: Gap) -> Record {
        self.gaps += 1;
        let sid = near.sid;
        let scope = match market {
            MarketId::NONE => &mut self.markets[..],
            one => std::slice::from_mut(self.market(one)),
        };
        let whole = market != MarketId::NONE || sid == 0;
        for market in scope.iter_mut().filter(|m| whole || m.sid == sid) {
            market.book.invalidate();
            *market.tally.gaps.entry(gap.cause.word()).or_default() += 1;
        }
        let Event { recv, ts, seq, .. } = *near;
        let body = Body::Gap(Box::new(gap));
        Record { event: Event { row_id: 0, recv, ts, market, sid, seq, body }, raw: None }
    }

    fn market(&mut self, id: MarketId) -> &mut Market {
        let at = id.0 as usize;
        if self.markets.len() <= at {
            self.markets.resize_with(at + 1, Market::default);
        }
        &mut self.markets[at]
    }
}

/// Keeps a frame as bytes that nobody interprets: `why` stands in place of what it said.
pub fn set_aside(record: &mut Record, why: &str, frame: &[u8]) {
    record.raw.get_or_insert_with(|| frame.into());
    record.event.body = Body::Other(why.into());
}

/// Receive time for frames that have none: the last exchange time seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct FallbackTime(TsNs);

impl FallbackTime {
    /// The time to use before any was seen.
    pub fn new(begin: TsNs) -> FallbackTime {
        FallbackTime(begin)
    }

    /// The time to use for a frame without receive time.
    pub fn now(self) -> TsNs {
        self.0
    }

    /// Remembers the event's exchange time.
    pub fn see(&mut self, event: &Event) {
        if let Some(ts) = event.ts {
            self.0 = self.0.max(TsNs(ts.0.saturating_mul(1_000)));
        }
    }
}
