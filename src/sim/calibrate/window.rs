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

/// The market's events from its opening to its close, in the order of their arrival.
pub fn simulate(window: &Window) -> Vec<Event> {
    let stream = |name| Rng::stream(window.seed, name, window.index);
    let mut crowd = Crowd::new(window.crowd, stream("crowd"));
    let mut told = Told { lag: Lag::new(stream("lag")), arrived: [TsNs::default(); 2], events: Vec::new() };
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
        for fact in facts.drain(..) {
            told.tell(now_us, body(fact));
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
        let late_us = self.lag.book_us(at_us) + if trade { self.lag.trade_us() } else { 0 };
        // Trade frames tell whole milliseconds.
        let ts = if trade { TsUs::from_ms(at_us / 1_000) } else { TsUs(at_us) };
        let last = &mut self.arrived[usize::from(trade)];
        *last = TsNs((at_us + late_us) * 1_000).max(*last);
        let sid = if trade { 2 } else { 1 };
        let event = Event { row_id: 0, recv: *last, ts: Some(ts), market: MarketId(0), sid, seq: 0, body };
        self.events.push(event);
    }
}
