//! One session's events as rows: the fold that knows the size after each delta and whom a gap hits.

use super::manifest::Counts;
use super::rows::Rows;
use crate::book::{Book, Change};
use crate::event::{Body, Delta, Event, Gap, MarketId};
use crate::store::Heals;
use crate::units::Qty;
use std::collections::BTreeMap;

/// Books and totals of a session while its events pass.
pub(super) struct Fold<'a> {
    heals: &'a Heals,
    pub(super) markets: BTreeMap<MarketId, Market>,
    /// Gaps that nothing has healed.
    pub(super) open: Vec<OpenGap>,
    /// First and last row, whatever their kind.
    pub(super) row_ids: Option<(u64, u64)>,
    pub(super) counts: Counts,
}

/// One market while its events pass.
#[derive(Default)]
pub(super) struct Market {
    pub(super) book: Book,
    /// Subscription of the last snapshot or delta: what a gap of a whole subscription is matched with.
    pub(super) sid: u32,
}

/// A gap that nothing has healed, with its place.
#[derive(Clone)]
pub(super) struct OpenGap {
    pub(super) row_id: u64,
    pub(super) sid: u32,
    pub(super) market: MarketId,
    pub(super) gap: Gap,
}

impl<'a> Fold<'a> {
    /// Before the first event; `heals` are those of the whole session.
    pub(super) fn new(heals: &'a Heals) -> Fold<'a> {
        Fold {
            heals,
            markets: BTreeMap::new(),
            open: Vec::new(),
            row_ids: None,
            counts: Counts::default(),
        }
    }

    /// Adds the rows of one event. Frames that are no market data stay in the log.
    pub(super) fn enter(&mut self, event: &Event, rows: &mut Rows) {
        let first = self.row_ids.map_or(event.row_id, |r| r.0);
        self.row_ids = Some((first, event.row_id));
        match &event.body {
            Body::Delta(delta) => {
                self.counts.deltas += 1;
                rows.delta(event, *delta, self.size_after(event, delta));
            }
            Body::Snapshot(snapshot) => {
                self.counts.snapshots += 1;
                self.market(event).book.snapshot(snapshot);
                rows.snapshot(event, snapshot);
            }
            Body::Trade(trade) => {
                self.counts.trades += 1;
                rows.trade(event, **trade);
            }
            Body::Gap(gap) => {
                self.counts.gaps += 1;
                let healed_by = self
                    .heals
                    .healed_by(event.row_id, event.sid, event.market, gap)
                    .unwrap_or(&gap.healed_by);
                if healed_by.is_empty() {
                    self.counts.open_gaps += 1;
                    let Event { row_id, sid, market, .. } = *event;
                    self.open.push(OpenGap { row_id, sid, market, gap: (**gap).clone() });
                }
                let gap = Gap { healed_by: healed_by.to_owned(), ..(**gap).clone() };
                self.gap(event, &gap, rows);
            }
            Body::Healed(_) | Body::Other(_) | Body::Bad(_) | Body::Market(_) => {}
        }
    }

    fn market(&mut self, event: &Event) -> &mut Market {
        let market = self.markets.entry(event.market).or_default();
        market.sid = event.sid;
        market
    }

    /// Size of the level after `delta`; `None` where no valid book stands under it.
    fn size_after(&mut self, event: &Event, delta: &Delta) -> Option<Qty> {
        match self.market(event).book.delta(delta) {
            Ok(Change::Level { size, .. }) => Some(size),
            _ => None,
        }
    }

    /// A gap of a whole subscription becomes one row per market whose book came by it (`sid` 0: all
    /// of the connection), so that a reader who looks at one market sees it.
    fn gap(&mut self, event: &Event, gap: &Gap, rows: &mut Rows) {
        let whole = event.market == MarketId::NONE;
        let hit = |id: &MarketId, market: &Market| match whole {
            true => event.sid == 0 || event.sid == market.sid,
            false => *id == event.market,
        };
        let mut seen = false;
        for (id, market) in self.markets.iter_mut().filter(|(id, m)| hit(id, m)) {
            market.book.invalidate();
            rows.gap(event, *id, gap);
            seen = true;
        }
        if !seen {
            rows.gap(event, event.market, gap);
        }
    }
}
