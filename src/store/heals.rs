//! Which holes were healed later, and by what.

use crate::event::{Body, Event, Gap, GapCause, MarketId};
use crate::units::TsNs;
use std::collections::HashMap;

/// What makes two rows speak of one hole: subscription, cause, missing numbers, last frame before it.
type Hole = (u32, GapCause, u64, u64, TsNs);

/// The [`Body::Healed`] rows of one session.
///
/// A hole's own row was written when it was noticed, and rows are never changed: that it was healed stands
/// in a later row, which is found here.
#[derive(Clone, Debug, Default)]
pub struct Heals {
    by_hole: HashMap<Hole, Vec<Heal>>,
}

#[derive(Clone, Debug)]
struct Heal {
    row_id: u64,
    market: MarketId,
    by: String,
}

impl Heals {
    /// Takes note of a row that says that a hole was healed; other rows mean nothing here.
    pub fn enter(&mut self, event: &Event) {
        if let Body::Healed(gap) = &event.body {
            let heal =
                Heal { row_id: event.row_id, market: event.market, by: gap.healed_by.clone() };
            self.by_hole.entry(hole(event.sid, gap)).or_default().push(heal);
        }
    }

    /// What healed `gap`, which stands at `row_id` for `market` on `sid`: the first word said after it about
    /// the same hole of the same market, or of all markets. `None` while it is open.
    pub fn healed_by(&self, row_id: u64, sid: u32, market: MarketId, gap: &Gap) -> Option<&str> {
        let mut heals = self.by_hole.get(&hole(sid, gap))?.iter();
        let concerns = |h: &&Heal| [market, MarketId::NONE].contains(&h.market);
        heals.find(|h| h.row_id > row_id && concerns(h)).map(|h| h.by.as_str())
    }
}

fn hole(sid: u32, gap: &Gap) -> Hole {
    (sid, gap.cause, gap.from, gap.to, gap.since)
}
