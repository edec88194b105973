//! From the log thread to those who look on: accepted records, without ever waiting for them.

use crate::event::{MarketId, Record};
use tokio::sync::{mpsc, watch};

/// Batches on their way to the onlookers; what comes while it is full is skipped and counted.
const QUEUE_BATCHES: usize = 64;

/// Accepted records for the onlookers.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Markets new to the dictionary: ticker and the exchange's own id.
    pub(super) markets: Vec<(MarketId, Box<str>, Option<[u8; 16]>)>,
    /// Records with their row ids.
    pub(super) records: Vec<Record>,
    /// Records that were left out before these, because nobody could keep up.
    pub(super) skipped: u64,
}

/// The log thread's end. Copies nothing while nobody looks.
pub(super) struct Tap {
    onlookers: watch::Receiver<usize>,
    out: mpsc::Sender<Shown>,
    next: Shown,
}

impl Tap {
    /// A tap, and what comes out of it while `onlookers` is not zero.
    pub(super) fn new(onlookers: watch::Receiver<usize>) -> (Tap, mpsc::Receiver<Shown>) {
        let (out, shown) = mpsc::channel(QUEUE_BATCHES);
        (Tap { onlookers, out, next: Shown::default() }, shown)
    }

    /// True if records are worth copying.
    pub(super) fn is_open(&self) -> bool {
        *self.onlookers.borrow() > 0
    }

    /// Tells of a market; kept until somebody looks.
    pub(super) fn market(&mut self, id: MarketId, ticker: &str, uuid: Option<[u8; 16]>) {
        self.next.markets.push((id, ticker.into(), uuid));
    }

    /// Adds a record to those that go next.
    pub(super) fn push(&mut self, record: Record) {
        self.next.records.push(record);
    }

    /// Sends what was gathered, or skips it.
    pub(super) fn flush(&mut self) {
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
}
