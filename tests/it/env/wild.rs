//! Markets that make no sense at all: whatever holds in them holds everywhere.

use kalshiflow::book::Book;
use kalshiflow::event::{Body, Delta, Event, MarketId, SessionId, Snapshot, Trade};
use kalshiflow::features::Layout;
use kalshiflow::features::episode::{Episode, EpisodeBuilder};
use kalshiflow::market::MarketInfo;
use kalshiflow::rng::Rng;
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use std::sync::Arc;

pub fn price(e4: i64) -> Price {
    Price::new(e4.clamp(0, 10_000)).expect("in range")
}

/// Best-first bids from `best` downwards; now and then none, few, sub-penny or tiny ones.
fn levels(rng: &mut Rng, best: i64) -> Vec<(Price, Qty)> {
    let depth = if rng.chance(0.05) { 0 } else { 1 + rng.below(12) };
    let (mut levels, mut at) = (Vec::new(), best);
    for _ in 0..depth {
        if at < 1 {
            break;
        }
        let size = if rng.chance(0.3) { 1 + rng.below(400) } else { rng.below(20_000) + 1 };
        levels.push((price(at), Qty(size as i64)));
        at -= if rng.chance(0.1) { 1 + rng.below(99) as i64 } else { 100 };
    }
    levels
}

/// A market that jumps, is replaced, trades where nothing is, and loses levels for no reason.
struct Wild {
    rng: Rng,
    book: Book,
    mid: i64,
}

impl Wild {
    fn snapshot(&mut self) -> Body {
        self.mid = (self.mid + 100 * (self.rng.below(7) as i64 - 3)).clamp(200, 9_800);
        let half = 50 * self.rng.below(6) as i64;
        let yes = levels(&mut self.rng, self.mid - half);
        let no = levels(&mut self.rng, 10_000 - self.mid - half);
        let snapshot = Snapshot { yes, no };
        self.book.snapshot(&snapshot);
        Body::Snapshot(Box::new(snapshot))
    }

    fn happening(&mut self) -> Body {
        let side = if self.rng.chance(0.5) { Side::Yes } else { Side::No };
        let level = self.book.bids(side).iter().nth(self.rng.below(3) as usize);
        let (at, size) = level.unwrap_or((price(self.mid), Qty::ZERO));
        match self.rng.below(20) {
            0 => self.snapshot(),
            1..4 => {
                let yes_price = if side == Side::Yes { at } else { at.complement() };
                let qty = Qty(1 + self.rng.below(2_000) as i64);
                let taker = side.other();
                Body::Trade(Box::new(Trade { taker, yes_price, qty, block: None, id: [0; 16] }))
            }
            _ => {
                let change = self.rng.below(3_000) as i64 - 1_200;
                let delta = Delta { side, price: at, qty: Qty(change.max(-size.0)) };
                self.book.delta(&delta).expect("never below zero");
                Body::Delta(delta)
            }
        }
    }
}

/// One senseless market of so many decisions; the same seed gives the same one.
pub fn wild(seed: u64, decisions: usize) -> Episode {
    let mut rng = Rng::stream(seed, "wild", 0);
    let settlement = [None, Some(0), Some(10_000), Some(4_321)][rng.below(4) as usize].map(price);
    let market = MarketInfo {
        ticker: format!("WILD-{seed}"),
        event_ticker: "WILD".into(),
        settlement,
        settled: Some(TsUs::from_ms(seed as i64)),
        ..MarketInfo::default()
    };
    let mut builder = EpisodeBuilder::new(Layout::default(), &market, SessionId::default());
    let mid = 100 * (5 + rng.below(90) as i64);
    let mut wild = Wild { rng, book: Book::default(), mid };
    let mut row_id = 0;
    let mut push = |ts_us: i64, late_us: i64, body: Body| {
        row_id += 1;
        let ts = (!matches!(body, Body::Snapshot(_))).then_some(TsUs(ts_us));
        let recv = TsNs(1_000 * (ts_us + late_us));
        builder.push(&Event { row_id, recv, ts, market: MarketId(0), sid: 1, seq: row_id, body });
    };
    push(0, 0, wild.snapshot());
    // One group of events in each cell of 250 ms; the first row comes with the second group.
    for i in 1..=decisions as i64 {
        let ts_us = 250_000 * i;
        let tick = Delta { side: Side::Yes, price: price(1), qty: Qty(1) };
        wild.book.delta(&tick).expect("grows");
        push(ts_us, 4_000, Body::Delta(tick));
        for n in 0..wild.rng.below(4) as i64 {
            let late_us = wild.rng.below(90_000) as i64;
            let body = wild.happening();
            push(ts_us + 1_000 * n, late_us, body);
        }
    }
    let mut episodes = builder.finish();
    assert!(episodes.len() <= 1, "a market without a gap is one episode");
    episodes.pop().unwrap_or_default()
}

pub fn wild_set(n: u64) -> Arc<[Episode]> {
    (0..n).map(|seed| wild(seed, 40 + (seed as usize * 37) % 400)).collect()
}
