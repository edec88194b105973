//! All markets of one source, and what a policy does in them: live, or at a place of a tape.

use super::lags::Lags;
use super::market::{Market, Staleness};
use super::news::{GapSeen, Heard};
use super::trading::{Deed, Trading};
use crate::actor::{Filled, Verdict};
use crate::event::{Body, Event, MarketId};
use crate::units::TsNs;
use std::collections::{HashMap, VecDeque};

/// Gaps kept.
const GAPS: usize = 500;
/// Events after which it shows which market is busy.
const ENOUGH: u64 = 500;

/// Markets and trading as one source tells of them.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// In the order in which they were met.
    pub markets: Vec<Market>,
    /// What a policy does.
    pub trading: Trading,
    /// Index of the market that is looked at.
    pub selected: usize,
    /// The person chose it: it stays.
    pub chosen: bool,
    /// [`Desk::choose_busy`] did: it stays while it lives.
    busy: bool,
    /// The market to look at as soon as it is met.
    wish: Option<Box<str>>,
    /// Latest receive time of an event.
    pub clock: TsNs,
    /// Row of the last event.
    pub row_id: u64,
    /// Events taken in.
    pub events: u64,
    /// How late frames came.
    pub lags: Lags,
    /// Gaps and what healed them, newest last.
    pub gaps: VecDeque<GapSeen>,
    /// The source's ids.
    ids: Vec<usize>,
    by_name: HashMap<Box<str>, usize>,
}

impl Desk {
    /// Takes what was heard, and each of `deeds` where it stands among the records, and `fills` and `verdicts`
    /// likewise. What was not taken came back within a moment: it goes with the decision.
    pub fn relive(
        &mut self,
        mut heard: Heard,
        deeds: &[Deed],
        fills: &[Filled],
        verdicts: &[Verdict],
    ) {
        let events = std::mem::take(&mut heard.events);
        self.hear(heard);
        let (mut deeds, mut fills) = (deeds.iter().peekable(), fills.iter().peekable());
        let mut verdicts = verdicts.iter().peekable();
        for event in &events {
            while let Some(deed) = deeds.next_if(|deed| deed.row_id < event.row_id) {
                self.decided(deed.clone());
            }
            while let Some(fill) = fills.next_if(|fill| fill.row_id < event.row_id) {
                self.trading.orders.filled(fill);
            }
            while let Some(verdict) = verdicts.next_if(|verdict| verdict.row_id < event.row_id) {
                self.trading.judged(verdict);
            }
            self.push(event);
        }
        self.choose_busy();
        deeds.for_each(|deed| self.decided(deed.clone()));
        fills.for_each(|fill| self.trading.orders.filled(fill));
        verdicts.for_each(|verdict| self.trading.judged(verdict));
    }

    /// Takes what was heard.
    pub fn hear(&mut self, heard: Heard) {
        if heard.began {
            self.ids.clear();
            self.markets.iter_mut().for_each(Market::skip);
        }
        for (id, ticker) in &heard.markets {
            self.meet(*id, ticker);
        }
        if heard.began && !self.chosen && self.wish.take().is_some() {
            // What was looked at before is not here.
            self.busy = false;
        }
        if heard.skipped > 0 {
            self.markets.iter_mut().for_each(Market::skip);
        }
        for event in &heard.events {
            self.push(event);
        }
        self.choose_busy();
    }

    /// Looks at the busiest market that lives, once there is something to choose by.
    fn choose_busy(&mut self) {
        if self.chosen || self.busy || self.events < ENOUGH {
            return;
        }
        let living = |at: &usize| !self.markets[*at].is_over(self.clock);
        let busiest =
            (0..self.markets.len()).filter(living).max_by_key(|at| self.markets[*at].activity());
        self.selected = busiest.unwrap_or(self.selected);
        self.busy = true;
    }

    /// A desk that knows nothing yet, and looks at what this one looks at, if that is still of use at `now`.
    pub fn anew(&self, now: TsNs) -> Desk {
        let mut desk = Desk::default();
        if let Some(market) = self.market()
            && (self.chosen || (self.busy && !market.is_over(now)))
        {
            desk.wish = self.wish.clone().or_else(|| Some(market.ticker.clone()));
            (desk.chosen, desk.busy) = (self.chosen, self.busy);
        } else if self.chosen {
            (desk.wish, desk.chosen) = (self.wish.clone(), true);
        }
        desk
    }

    /// Looks at the market with this index, as the person wants it.
    pub(super) fn choose(&mut self, market: usize) {
        (self.selected, self.chosen, self.wish) = (market, true, None);
    }

    /// Looks at this market from now on, or as soon as it is met.
    pub fn wanted(&mut self, ticker: &str) {
        match self.by_name.get(ticker) {
            Some(at) => self.choose(*at),
            None => (self.wish, self.chosen) = (Some(ticker.into()), true),
        }
    }

    /// The market that the person wants to look at and that has not been met.
    pub fn awaited(&self) -> Option<&str> {
        self.wish.as_deref().filter(|_| self.chosen)
    }

    fn enter(&mut self, ticker: &str) -> usize {
        if let Some(at) = self.by_name.get(ticker) {
            return *at;
        }
        self.markets.push(Market::new(ticker));
        self.by_name.insert(ticker.into(), self.markets.len() - 1);
        self.markets.len() - 1
    }

    fn meet(&mut self, id: MarketId, ticker: &str) {
        let at = self.enter(ticker);
        if self.wish.as_deref() == Some(ticker) {
            (self.selected, self.wish) = (at, None);
        }
        let index = id.0 as usize;
        if self.ids.len() <= index {
            self.ids.resize(index + 1, usize::MAX);
        }
        self.ids[index] = at;
    }

    fn push(&mut self, event: &Event) {
        self.events += 1;
        self.clock = self.clock.max(event.recv);
        self.row_id = self.row_id.max(event.row_id);
        self.lags.enter(event);
        self.note_gap(event);
        if event.market == MarketId::NONE {
            self.markets.iter_mut().for_each(|market| market.push(event));
            return;
        }
        let at = self.ids.get(event.market.0 as usize).copied();
        if let Some(market) = at.and_then(|at| self.markets.get_mut(at)) {
            market.push(event);
            let book = &market.book;
            if matches!(event.body, Body::Snapshot(_)) && book.is_valid() {
                // A place that was wound to begins with books: orders that were sent before have no queue yet.
                let size_at = |side, price| book.bids(side).size(price);
                self.trading.orders.bound(&market.ticker, size_at);
            }
            if market.is_over(event.recv) {
                self.trading.orders.over(&market.ticker);
            }
        }
    }

    fn note_gap(&mut self, event: &Event) {
        let (gap, healed) = match &event.body {
            Body::Gap(gap) => (gap, false),
            Body::Healed(gap) => (gap, true),
            _ => return,
        };
        if self.gaps.len() == GAPS {
            self.gaps.pop_front();
        }
        let known = gap.since.0 > 0;
        self.gaps.push_back(GapSeen {
            at: event.recv,
            cause: gap.cause,
            missing: if gap.from > 0 { gap.to - gap.from + 1 } else { 0 },
            quiet_ns: if known { gap.until.0 - gap.since.0 } else { 0 },
            healed,
        });
    }

    /// Takes a decision: made when the books stood as they do now.
    pub fn decided(&mut self, deed: Deed) {
        let known = self.by_name.get(deed.ticker.as_str()).map(|at| &self.markets[*at].book);
        let known = known.filter(|book| book.is_valid());
        for request in deed.sent() {
            let size_at = |side, price| known.map(|book| book.bids(side).size(price));
            self.trading.orders.asked(&deed.ticker, &request, size_at);
        }
        self.trading.push(deed);
    }

    /// The market that is looked at.
    pub fn market(&self) -> Option<&Market> {
        self.markets.get(self.selected)
    }

    /// Why no book here is current, where that is so for all of them; else of the market that is looked at.
    pub fn staleness(&self, feed: Option<&str>, now: TsNs) -> Option<Staleness> {
        let own = self.market().and_then(|market| market.staleness(now));
        match (own, feed) {
            (Some(own @ (Staleness::Settled(_) | Staleness::Closed)), _) => Some(own),
            (_, Some(why)) => Some(Staleness::Feed(why.to_owned())),
            (own, None) => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Gap, GapCause, Snapshot};
    use crate::units::{Price, Qty};

    fn event(market: u32, body: Body) -> Event {
        let market = MarketId(market);
        Event { row_id: 1, recv: TsNs(1_000), ts: None, market, sid: 1, seq: 1, body }
    }

    fn snapshot(market: u32) -> Event {
        let yes = vec![(Price::new(4_500).expect("in range"), Qty(100))];
        event(market, Body::Snapshot(Box::new(Snapshot { yes, no: Vec::new() })))
    }

    fn desk() -> Desk {
        let mut desk = Desk::default();
        let markets = vec![(MarketId(0), "KX-A".into()), (MarketId(1), "KX-B".into())];
        desk.hear(Heard {
            began: true,
            markets,
            events: vec![snapshot(0), snapshot(1)],
            skipped: 0,
        });
        desk
    }

    #[test]
    fn another_dictionary_does_not_mix_markets_up() {
        let mut desk = desk();
        // The same names in the other order, as after a new connection.
        let markets = vec![(MarketId(0), "KX-B".into()), (MarketId(1), "KX-A".into())];
        desk.hear(Heard { began: true, markets, events: vec![snapshot(0)], skipped: 0 });
        let stale = |i: usize| desk.markets[i].broken.clone();
        assert_eq!((&*desk.markets[1].ticker, stale(1)), ("KX-B", None));
        assert_eq!(stale(0), Some(Staleness::Skipped));
    }

    #[test]
    fn skipped_records_and_gaps_leave_no_book_that_looks_current() {
        let mut desk = desk();
        desk.hear(Heard { skipped: 7, ..Heard::default() });
        assert!(desk.markets.iter().all(|m| m.broken == Some(Staleness::Skipped)));
        desk.hear(Heard { events: vec![snapshot(0)], ..Heard::default() });
        assert_eq!(desk.markets[0].broken, None);
        let gap = Gap::unnumbered(GapCause::Reconnect, TsNs(2_000));
        let gap = Event { sid: 0, ..event(u32::MAX, Body::Gap(Box::new(gap))) };
        desk.hear(Heard { events: vec![gap], ..Heard::default() });
        assert_eq!(desk.markets[0].broken, Some(Staleness::Gap(GapCause::Reconnect)));
        assert_eq!(desk.gaps.len(), 1);
    }

    #[test]
    fn an_outcome_that_is_known_beforehand_closes_no_market() {
        let mut desk = desk();
        desk.markets[0].info.close = Some(crate::units::TsUs(5_000_000));
        desk.markets[0].info.settlement = Some(Price::ONE);
        assert_eq!(desk.markets[0].staleness(TsNs::from_ms(4_999)), None);
        assert_eq!(
            desk.markets[0].staleness(TsNs::from_ms(5_000)),
            Some(Staleness::Settled(Price::ONE))
        );
        // What the program chose is chosen anew where it is over; what the person chose stays.
        (desk.busy, desk.selected) = (true, 1);
        desk.markets.swap(0, 1);
        let looks_at = |mut anew: Desk| {
            let markets = vec![(MarketId(0), "KX-B".into()), (MarketId(1), "KX-A".into())];
            anew.hear(Heard { began: true, markets, ..Heard::default() });
            anew.market().map(|market| market.ticker.to_string())
        };
        assert_eq!(looks_at(desk.anew(TsNs(0))).as_deref(), Some("KX-A"));
        assert_eq!(looks_at(desk.anew(TsNs::from_ms(5_000))).as_deref(), Some("KX-B"));
        desk.markets.swap(0, 1);
        desk.wanted("KX-A");
        assert_eq!(looks_at(desk.anew(TsNs::from_ms(5_000))).as_deref(), Some("KX-A"));
    }

    #[test]
    fn a_market_that_is_wanted_and_not_there_is_awaited_and_no_row_of_the_list() {
        let mut desk = desk();
        desk.wanted("NOPE");
        assert_eq!((desk.awaited(), desk.markets.len()), (Some("NOPE"), 2));
        desk = desk.anew(TsNs(0));
        desk.hear(Heard { markets: vec![(MarketId(0), "KX-A".into())], ..Heard::default() });
        assert_eq!((desk.awaited(), desk.markets.len()), (Some("NOPE"), 1));
        desk.hear(Heard { markets: vec![(MarketId(1), "NOPE".into())], ..Heard::default() });
        assert_eq!((desk.awaited(), desk.selected), (None, 1));
        desk.wanted("NEVER");
        desk.choose(0);
        assert_eq!(desk.awaited(), None, "the person has chosen another one");
    }
}
