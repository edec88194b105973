//! A book that can be told to somebody who comes late.

use super::Book;
use crate::event::{Body, Event, Gap, MarketId, Snapshot};
use crate::units::{Side, TsNs};

/// The book of one market, and what else it takes to state it anew.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    book: Book,
    /// Subscription and number of its last book frame.
    sid: u32,
    seq: u64,
    /// What made it invalid, while it is.
    gap: Option<Box<Gap>>,
}

impl Standing {
    /// Takes the market's next event, or one of nobody, which concerns it when it is of its subscription or of
    /// none.
    #[inline]
    pub fn push(&mut self, event: &Event) {
        match &event.body {
            Body::Delta(_) => (self.sid, self.seq) = (event.sid, event.seq),
            Body::Snapshot(_) => {
                (self.sid, self.seq, self.gap) = (event.sid, event.seq, None);
            }
            Body::Gap(_)
                if event.market == MarketId::NONE && ![0, self.sid].contains(&event.sid) =>
            {
                return;
            }
            Body::Gap(gap) => self.gap = Some(gap.clone()),
            _ => return,
        }
        // A level below nothing empties the book: whoever is told of it finds it empty.
        let _ = self.book.apply(event);
    }

    /// The event that makes a new book what this one is; `None` where nothing was ever known.
    pub fn restate(&self, market: MarketId, row_id: u64, recv: TsNs) -> Option<Event> {
        let levels = |side| self.book.bids(side).iter().collect();
        let body = if self.book.is_valid() {
            Body::Snapshot(Box::new(Snapshot { yes: levels(Side::Yes), no: levels(Side::No) }))
        } else {
            Body::Gap(self.gap.clone()?)
        };
        Some(Event { row_id, recv, ts: None, market, sid: self.sid, seq: self.seq, body })
    }
}
