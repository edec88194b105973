//! From the log thread to those who look on, and to the one who acts: accepted records, without ever waiting
//! for anybody.

use crate::event::{MarketId, Record};
use tokio::sync::{mpsc, watch};

/// Batches on their way to the onlookers; what comes while it is full is skipped and counted.
const QUEUE_BATCHES: usize = 64;
/// Batches on their way to a follower: seconds of the busiest exchange. One that is further behind acts on the
/// past and is let go.
const FOLLOWER_BATCHES: usize = 4_096;

/// A market new to the dictionary: our id, its ticker and the exchange's own id.
pub type NewMarket = (MarketId, Box<str>, Option<[u8; 16]>);

/// Accepted records for the onlookers.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Markets new to the dictionary.
    pub(super) markets: Vec<NewMarket>,
    /// Records with their row ids.
    pub(super) records: Vec<Record>,
    /// Records that were left out before these, because nobody could keep up.
    pub(super) skipped: u64,
}

/// Accepted records for a follower: all of them, in the order of the log.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Markets new to the dictionary.
    pub markets: Vec<NewMarket>,
    /// Records with their row ids.
    pub records: Vec<Record>,
}

/// Who gets every accepted record of a collector. One that falls too far behind hears no more, which closes
/// the channel: the log waits for nobody.
#[derive(Clone, Debug)]
pub struct Follower(mpsc::Sender<Accepted>);

impl Follower {
    /// A follower, and what it hears.
    pub fn new() -> (Follower, mpsc::Receiver<Accepted>) {
        let (out, accepted) = mpsc::channel(FOLLOWER_BATCHES);
        (Follower(out), accepted)
    }
}

/// The log thread's end. Copies nothing while nobody looks.
pub(super) struct Tap {
    onlookers: watch::Receiver<usize>,
    out: mpsc::Sender<Shown>,
    next: Shown,
    follower: Option<Follower>,
    accepted: Accepted,
}

impl Tap {
    /// A tap, and what comes out of it while `onlookers` is not zero; `follower` hears all.
    pub(super) fn new(
        onlookers: watch::Receiver<usize>,
        follower: Option<Follower>,
    ) -> (Tap, mpsc::Receiver<Shown>) {
        let (out, shown) = mpsc::channel(QUEUE_BATCHES);
        let (next, accepted) = (Shown::default(), Accepted::default());
        (Tap { onlookers, out, next, follower, accepted }, shown)
    }

    /// Tells of a market; kept until somebody looks.
    pub(super) fn market(&mut self, id: MarketId, ticker: &str, uuid: Option<[u8; 16]>) {
        self.next.markets.push((id, ticker.into(), uuid));
        if self.follower.is_some() {
            self.accepted.markets.push((id, ticker.into(), uuid));
        }
    }

    /// True if records are worth copying.
    pub(super) fn is_open(&self) -> bool {
        self.follower.is_some() || *self.onlookers.borrow() > 0
    }

    /// Adds a record to those that go next.
    pub(super) fn push(&mut self, record: Record) {
        if self.follower.is_some() {
            self.accepted.records.push(record.clone());
        }
        if *self.onlookers.borrow() > 0 {
            self.next.records.push(record);
        }
    }

    /// Sends what was gathered, or skips it.
    pub(super) fn flush(&mut self) {
        self.lead();
        if self.next.records.is_empty() {
            return;
        }
        if let Err(refused) = self.out.try_send(std::mem::take(&mut self.next)) {
            let mut shown = refused.into_inner();
            shown.skipped += shown.records.len() as u64;
            shown.records.clear();
            self.next = shown;
        }
    }

    fn lead(&mut self) {
        let Some(Follower(out)) = &self.follower else { return };
        if self.accepted.records.is_empty() {
            return;
        }
        if out.try_send(std::mem::take(&mut self.accepted)).is_err() {
            tracing::warn!("who follows the log cannot keep up, or has gone, and hears no more");
            self.follower = None;
        }
    }
}
