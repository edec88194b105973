//! Which markets are traded.
//!
//! `hot` ranks markets by the contracts traded in the last ten minutes, among those with a spread of at most
//! the cap and with time left before the close, and takes the first few. A market that is in stays in until it
//! falls out of twice as many places, or its spread or its time is worse by half: markets that change places
//! would be entered and left for nothing. A market with a position stays until it is flat.
//!
//! **Invariant:** pure; time is the exchange's, so that the choice can be played back.

use crate::event::MarketId;
use crate::units::Qty;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Slots of the window of traded volume.
const SLOTS: usize = 10;
const SLOT_MS: i64 = 60_000;

/// What to trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The busiest.
    Hot(Hot),
    /// These.
    Named(BTreeSet<String>),
    /// Every market that is recorded.
    All,
}

/// The rule of [`Choice::Hot`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hot {
    /// Markets at the same time.
    pub places: usize,
    /// Widest spread, 1e-4 dollars.
    pub spread_max_e4: i64,
    /// Least time to the close, milliseconds.
    pub time_left_ms: i64,
    /// How often the choice is made anew, milliseconds of exchange time; ten times as often while places are
    /// free.
    pub every_ms: i64,
}

impl Default for Hot {
    fn default() -> Hot {
        Hot { places: 10, spread_max_e4: 500, time_left_ms: 60_000, every_ms: 10_000 }
    }
}

/// What is known of a market at the moment of choice.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Which.
    pub id: MarketId,
    /// Its ticker.
    pub ticker: &'a str,
    /// Best ask - best bid, 1e-4 dollars; `None` while a side is empty or the book is not whole.
    pub spread_e4: Option<i64>,
    /// When it closes, exchange milliseconds; `None` where nobody said.
    pub close_ms: Option<i64>,
    /// True while a position is held.
    pub held: bool,
}

/// Contracts traded in the last ten minutes, minute by minute.
#[derive(Clone, Copy, Debug, Default)]
struct Volume {
    slots_e2: [i64; SLOTS],
    /// Minute of the newest slot.
    minute: i64,
}

impl Volume {
    fn roll(&mut self, now_ms: i64) {
        let minute = now_ms.div_euclid(SLOT_MS);
        let passed = (minute - self.minute).clamp(0, SLOTS as i64);
        for step in 1..=passed {
            self.slots_e2[(self.minute + step).rem_euclid(SLOTS as i64) as usize] = 0;
        }
        if passed == SLOTS as i64 {
            self.slots_e2 = [0; SLOTS];
        }
        self.minute = self.minute.max(minute);
    }

    fn add(&mut self, now_ms: i64, qty: Qty) {
        self.roll(now_ms);
        let slot = self.minute.rem_euclid(SLOTS as i64) as usize;
        self.slots_e2[slot] = self.slots_e2[slot].saturating_add(qty.e2());
    }

    fn sum_e2(&mut self, now_ms: i64) -> i64 {
        self.roll(now_ms);
        self.slots_e2.iter().sum()
    }
}

/// Chooses markets.
#[derive(Debug)]
pub struct Selector {
    choice: Choice,
    volumes: BTreeMap<MarketId, Volume>,
    chosen: BTreeSet<MarketId>,
    next_ms: i64,
}

impl Selector {
    /// A selector that has chosen nothing yet.
    pub fn new(choice: Choice) -> Selector {
        let (volumes, chosen) = (BTreeMap::new(), BTreeSet::new());
        Selector { choice, volumes, chosen, next_ms: i64::MIN }
    }

    /// A public trade.
    pub fn trade(&mut self, id: MarketId, now_ms: i64, qty: Qty) {
        if matches!(self.choice, Choice::Hot(_)) {
            self.volumes.entry(id).or_default().add(now_ms, qty);
        }
    }

    /// True if the choice is to be made now.
    pub fn is_due(&self, now_ms: i64) -> bool {
        matches!(self.choice, Choice::Hot(_)) && now_ms >= self.next_ms
    }

    /// Chooses among all markets that live.
    pub fn choose(&mut self, now_ms: i64, candidates: &[Candidate<'_>]) {
        let Choice::Hot(hot) = self.choice.clone() else { return };
        let mut ranked: Vec<(i64, &Candidate<'_>)> = candidates
            .iter()
            .filter(|c| fits(&hot, c, now_ms, self.chosen.contains(&c.id)))
            .map(|c| (self.volumes.entry(c.id).or_default().sum_e2(now_ms), c))
            .filter(|(volume_e2, _)| *volume_e2 > 0)
            .collect();
        ranked.sort_by(|(va, a), (vb, b)| vb.cmp(va).then_with(|| a.ticker.cmp(b.ticker)));
        let stays = ranked.iter().take(2 * hot.places).filter(|(_, c)| self.chosen.contains(&c.id));
        let mut chosen: BTreeSet<MarketId> = stays.take(hot.places).map(|(_, c)| c.id).collect();
        for (_, candidate) in ranked {
            if chosen.len() >= hot.places {
                break;
            }
            chosen.insert(candidate.id);
        }
        let every_ms = if chosen.len() < hot.places { hot.every_ms / 10 } else { hot.every_ms };
        self.next_ms = now_ms + every_ms;
        chosen.extend(candidates.iter().filter(|c| c.held).map(|c| c.id));
        self.chosen = chosen;
    }

    /// True if this market is traded now.
    pub fn is_chosen(&self, id: MarketId, ticker: &str) -> bool {
        match &self.choice {
            Choice::Hot(_) => self.chosen.contains(&id),
            Choice::Named(tickers) => tickers.contains(ticker),
            Choice::All => true,
        }
    }
}

/// True if a market may be traded; one that is in already has half as much again.
fn fits(hot: &Hot, candidate: &Candidate<'_>, now_ms: i64, is_in: bool) -> bool {
    let (mut spread_max_e4, mut left_ms) = (hot.spread_max_e4, hot.time_left_ms);
    if is_in {
        spread_max_e4 += spread_max_e4 / 2;
        left_ms /= 2;
    }
    candidate.spread_e4.is_some_and(|spread_e4| spread_e4 <= spread_max_e4)
        && candidate.close_ms.is_none_or(|close_ms| close_ms - now_ms >= left_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u32, spread_e4: i64) -> Candidate<'static> {
        let ticker = ["A", "B", "C", "D", "E", "F"][id as usize];
        Candidate {
            id: MarketId(id),
            ticker,
            spread_e4: Some(spread_e4),
            close_ms: Some(10_000_000),
            held: false,
        }
    }

    fn selector(places: usize) -> Selector {
        Selector::new(Choice::Hot(Hot { places, ..Hot::default() }))
    }

    fn chosen(selector: &Selector) -> Vec<u32> {
        selector.chosen.iter().map(|id| id.0).collect()
    }

    #[test]
    fn the_busiest_within_spread_and_time_are_traded() {
        let mut selector = selector(2);
        for (id, contracts) in [(0, 5), (1, 50), (2, 40), (3, 30), (4, 100)] {
            selector.trade(MarketId(id), 0, Qty::contracts(contracts));
        }
        let mut all: Vec<_> = (0..5).map(|id| candidate(id, 200)).collect();
        all[1].spread_e4 = Some(501);
        all[2].spread_e4 = None;
        all[4].close_ms = Some(59_999);
        selector.choose(0, &all);
        assert_eq!(chosen(&selector), [0, 3]);
        assert!(!selector.is_due(9_999) && selector.is_due(10_000));
    }

    #[test]
    fn a_market_that_is_in_is_not_left_for_a_slightly_busier_one() {
        let mut selector = selector(1);
        let all = [candidate(0, 500), candidate(1, 500)];
        selector.trade(MarketId(0), 0, Qty::contracts(10));
        selector.choose(0, &all);
        selector.trade(MarketId(1), 0, Qty::contracts(11));
        selector.choose(1, &all);
        assert_eq!(chosen(&selector), [0]);
        // Worse by half is too much.
        let worse = [candidate(0, 751), candidate(1, 500)];
        selector.choose(2, &worse);
        assert_eq!(chosen(&selector), [1]);
    }

    #[test]
    fn a_position_keeps_its_market_and_old_volume_does_not() {
        let mut selector = selector(1);
        let mut all = [candidate(0, 100), candidate(1, 100)];
        selector.trade(MarketId(0), 0, Qty::contracts(10));
        selector.choose(0, &all);
        let later = 10 * SLOT_MS;
        selector.trade(MarketId(1), later, Qty::contracts(1));
        all[0].held = true;
        selector.choose(later, &all);
        assert_eq!(chosen(&selector), [0, 1]);
        all[0].held = false;
        selector.choose(later, &all);
        assert_eq!(chosen(&selector), [1]);
    }

    #[test]
    fn named_and_all_ask_nobody() {
        let named = Selector::new(Choice::Named(["A".to_owned()].into()));
        assert!(named.is_chosen(MarketId(5), "A") && !named.is_chosen(MarketId(0), "B"));
        assert!(!named.is_due(0));
        assert!(Selector::new(Choice::All).is_chosen(MarketId(0), "B"));
    }
}
