//! A market of the crowd as a recording would show it.

use crate::event::{Body, Event, MarketId, Trade};
use crate::rng::Rng;
use crate::sim::crowd::{Crowd, CrowdSpec};
use crate::sim::exchange::{Exchange, Fact};
use crate::sim::lag::Lag;
use crate::units::{TsNs, TsUs};

/// Opening of every simulated window; any time will do.
const OPEN_US: i64 = 1_767_571_200_000_000;

/// A market to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Same seed and index, same market.
    pub seed: u64,
    /// Number of the market.
    pub index: u64,
    /// Its crowd.
    pub crowd: CrowdSpec,
}

/// A moment of activity on the exchange, as only the exchange knows it.
#[derive(Debug)]
pub struct Moment<'a> {
    /// When, exchange time.
    pub at: TsUs,
    /// All that happened in it, in order.
    pub facts: &'a [Fact],
    /// Row of the last event that tells of it.
    pub row: u64,
    /// The exchange after it.
    pub exchange: &'a Exchange,
}

/// The market's events from its opening to its close, in the order of their arrival. Their rows count in the
/// order in which they happened.
pub fn simulate(window: &Window) -> Vec<Event> {
    simulate_watched(window, |_| {})
}

/// As [`simulate`]; `watch` sees every moment in which something happened.
pub fn simulate_watched(window: &Window, mut watch: impl FnMut(Moment<'_>)) -> Vec<Event> {
    let stream = |name| Rng::stream(window.seed, name, window.index);
    let mut crowd = Crowd::new(window.crowd, stream("crowd"));
    let mut told =
        Told { lag: Lag::new(stream("lag")), arrived: [TsNs::default(); 2], events: Vec::new() };
    let (mut exchange, mut facts) = (Exchange::default(), Vec::new());
    crowd.open(&mut exchange, &mut facts);
    facts.clear();
    told.tell(OPEN_US, Body::Snapshot(Box::new(exchange.snapshot())));
    let mut now_us = OPEN_US;
    let close_us = OPEN_US + i64::from(window.crowd.life_s) * 1_000_000;
    loop {
        now_us += crowd.next_wait_us() as i64;
        if now_us >= close_us {
            break;
        }
        crowd.act(&mut exchange, &mut facts);
        for fact in &facts {
            told.tell(now_us, body(*fact));
        }
        if !facts.is_empty() {
            let (at, row) = (TsUs(now_us), told.events.len() as u64);
            watch(Moment { at, facts: &facts, row, exchange: &exchange });
            facts.clear();
        }
    }
    told.events.sort_by_key(|e| e.recv);
    told.events
}

fn body(fact: Fact) -> Body {
    match fact {
        Fact::Level(delta) => Body::Delta(delta),
        Fact::Fill { side, yes_price, qty, .. } => {
            Body::Trade(Box::new(Trade { taker: side, yes_price, qty, block: None, id: [0; 16] }))
        }
    }
}

/// Stamps what happens with its times.
struct Told {
    lag: Lag,
    /// Last arrival on the book's and on the trades' subscription.
    arrived: [TsNs; 2],
    events: Vec<Event>,
}

impl Told {
    fn tell(&mut self, at_us: i64, body: Body) {
        let trade = matches!(body, Body::Trade(_));
        // What hangs is the connection: what was held back comes at once, in the order of its happening.
        let (free_us, held_us) = (at_us + self.lag.book_us(at_us), self.arrived[0].0 / 1_000);
        let recv_us = match trade {
            true if free_us > held_us => free_us + self.lag.trade_us(),
            _ => free_us.max(held_us),
        };
        // Trade frames tell whole milliseconds.
        let ts = if trade { TsUs::from_ms(at_us / 1_000) } else { TsUs(at_us) };
        let last = &mut self.arrived[usize::from(trade)];
        *last = TsNs(recv_us * 1_000).max(*last);
        let sid = if trade { 2 } else { 1 };
        let (row_id, ts) = (self.events.len() as u64 + 1, Some(ts));
        let event = Event { row_id, recv: *last, ts, market: MarketId(0), sid, seq: 0, body };
        self.events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::calibrate::{Meter, Profile, Row, Statistic, compare};

    fn profile(seed: u64, change: impl Fn(&mut Event)) -> Profile {
        let mut all = Profile::default();
        for index in 0..6 {
            let mut meter = Meter::default();
            for mut event in simulate(&Window { seed, index, crowd: CrowdSpec::default() }) {
                change(&mut event);
                meter.enter(&event);
            }
            all.merge(&meter.finish());
        }
        all
    }

    fn wrong(rows: &[Row]) -> Vec<&'static str> {
        rows.iter().filter(|r| !r.ok).map(|r| r.statistic).collect()
    }

    #[test]
    fn a_window_is_a_recording_in_order_of_arrival() {
        let window = Window { seed: 7, index: 0, crowd: CrowdSpec::default() };
        let events = simulate(&window);
        assert_eq!(events, simulate(&window));
        assert!(matches!(events[0].body, Body::Snapshot(_)));
        assert!(events.is_sorted_by_key(|e| e.recv));
        for sid in [1, 2] {
            let stamps = events.iter().filter(|e| e.sid == sid).map(|e| e.ts);
            assert!(stamps.is_sorted(), "frames of a subscription keep their order");
        }
    }

    /// The bars tell flows apart: one seed looks like another, and each thing that is made wrong shows
    /// in its own rows.
    #[test]
    fn a_planted_difference_is_seen() {
        let real = profile(1, |_| {});
        assert_eq!(wrong(&compare(&real, &profile(2, |_| {}))), [""; 0]);
        let doubled = profile(2, |event| match &mut event.body {
            Body::Delta(delta) => delta.qty += delta.qty,
            Body::Trade(trade) => trade.qty += trade.qty,
            Body::Snapshot(book) => {
                book.yes.iter_mut().chain(&mut book.no).for_each(|level| level.1 += level.1);
            }
            _ => {}
        });
        let seen = wrong(&compare(&real, &doubled));
        for row in [Statistic::DeltaSize, Statistic::TradeSize, Statistic::Depth] {
            assert!(seen.contains(&row.name()), "{seen:?}");
        }
        let slow = profile(2, |event| {
            event.ts = event.ts.map(|ts| TsUs(OPEN_US + 2 * (ts.0 - OPEN_US)));
        });
        let seen = wrong(&compare(&real, &slow));
        for row in [Statistic::EventsPerSecond, Statistic::InterEvent, Statistic::LevelLife] {
            assert!(seen.contains(&row.name()), "{seen:?}");
        }
    }
}
