//! From the log thread to those who look on, and to the one who acts: accepted records, without ever waiting
//! for anybody.

use super::follow::{Accepted, Follower, NewMarket};
use crate::book::Standing;
use crate::event::{Body, Event, MarketId, Record};
use crate::units::TsNs;
use tokio::sync::{mpsc, watch};

/// Batches on their way to the onlookers; what comes while it is full is skipped and counted.
const QUEUE_BATCHES: usize = 64;
/// Accepted records for the onlookers.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Markets new to the dictionary.
    pub(super) markets: Vec<NewMarket>,
    /// Records with their row ids.
    pub(super) records: Vec<Record>,
    /// Records that were left out before these, because nobody could keep up.
    pub(super) skipped: u64,
    /// Every market as it is after these: for those who came in between, and for all where records were left out.
    pub(super) restated: Option<Vec<Record>>,
}

/// Who looks on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Onlookers {
    /// Now.
    pub(super) present: usize,
    /// Ever.
    pub(super) joined: u64,
}

/// The log thread's end. Copies nothing while nobody looks, but keeps the books for those who come.
pub(super) struct Tap {
    onlookers: watch::Receiver<Onlookers>,
    out: mpsc::Sender<Shown>,
    next: Shown,
    /// Onlookers whom the markets were stated for.
    stated: u64,
    /// By market id.
    standing: Vec<Kept>,
    /// Row and receive time of the last record.
    last: (u64, TsNs),
    follower: Option<Follower>,
    accepted: Accepted,
}

/// A market as it is.
#[derive(Default)]
struct Kept {
    book: Standing,
    definition: Option<Box<str>>,
}

impl Tap {
    /// A tap, and what comes out of it while `onlookers` is not zero; `follower` hears all.
    pub(super) fn new(
        onlookers: watch::Receiver<Onlookers>,
        follower: Option<Follower>,
    ) -> (Tap, mpsc::Receiver<Shown>) {
        let (out, shown) = mpsc::channel(QUEUE_BATCHES);
        let (next, accepted) = (Shown::default(), Accepted::default());
        let (standing, last) = (Vec::new(), (0, TsNs(0)));
        (Tap { onlookers, out, next, stated: 0, standing, last, follower, accepted }, shown)
    }

    /// Tells of a market; kept until somebody looks.
    pub(super) fn market(&mut self, id: MarketId, ticker: &str, uuid: Option<[u8; 16]>) {
        self.next.markets.push((id, ticker.into(), uuid));
        if self.standing.len() <= id.0 as usize {
            self.standing.resize_with(id.0 as usize + 1, Kept::default);
        }
        if self.follower.is_some() {
            self.accepted.markets.push((id, ticker.into(), uuid));
        }
    }

    /// True if records are worth copying.
    pub(super) fn is_open(&self) -> bool {
        self.follower.is_some() || self.onlookers.borrow().present > 0
    }

    /// Keeps what a record says about its market.
    #[inline]
    pub(super) fn see(&mut self, event: &Event) {
        if event.market == MarketId::NONE {
            if matches!(event.body, Body::Gap(_)) {
                self.standing.iter_mut().for_each(|kept| kept.book.push(event));
            }
            return;
        }
        let Some(kept) = self.standing.get_mut(event.market.0 as usize) else { return };
        match &event.body {
            Body::Market(object) => kept.definition = Some(object.clone()),
            _ => kept.book.push(event),
        }
    }

    /// The record that was seen last has this row.
    pub(super) fn reached(&mut self, row_id: u64, recv: TsNs) {
        self.last = (row_id, recv);
    }

    /// Adds a record to those that go next.
    pub(super) fn push(&mut self, record: Record) {
        if self.follower.is_some() {
            self.accepted.records.push(record.clone());
        }
        if self.onlookers.borrow().present > 0 {
            self.next.records.push(record);
        }
    }

    /// Sends what was gathered, or skips it.
    pub(super) fn flush(&mut self) {
        self.lead();
        let joined = self.onlookers.borrow().joined;
        if joined > self.stated || self.next.skipped > 0 {
            self.next.restated = Some(self.restate());
        }
        if self.next.records.is_empty() && self.next.restated.is_none() {
            return;
        }
        match self.out.try_send(std::mem::take(&mut self.next)) {
            Ok(()) => self.stated = joined,
            Err(refused) => {
                let mut shown = refused.into_inner();
                shown.skipped += shown.records.len() as u64;
                shown.records.clear();
                shown.restated = None;
                self.next = shown;
            }
        }
    }

    /// Definitions and books of all markets.
    fn restate(&self) -> Vec<Record> {
        let (row_id, recv) = self.last;
        let all = (0..).map(MarketId).zip(&self.standing);
        let events = all.flat_map(|(market, kept)| {
            let body = kept.definition.clone().map(Body::Market);
            let definition =
                body.map(|body| Event { row_id, recv, ts: None, market, sid: 0, seq: 0, body });
            [definition, kept.book.restate(market, row_id, recv)]
        });
        events.flatten().map(|event| Record { event, raw: None }).collect()
    }

    fn lead(&mut self) {
        let Some(follower) = &mut self.follower else { return };
        if self.accepted.records.is_empty() {
            return;
        }
        if !follower.tell(&std::mem::take(&mut self.accepted)) {
            self.follower = None;
        }
    }
}
