//! Markets that make no sense at all: whatever holds in them holds everywhere.

use kalshiflow::features::Layout;
use kalshiflow::features::episode::{
    Decision, Episode, FILL_LEVELS, TapeEvent, TapeKind, TopLevels,
};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Price, Qty, Side, TsUs};
use std::sync::Arc;

pub fn price(e4: i64) -> Price {
    Price::new(e4.clamp(0, 10_000)).expect("in range")
}

/// Best-first bids from `best` downwards; now and then none, few, sub-penny or tiny ones.
fn levels(rng: &mut Rng, best: i64) -> TopLevels {
    let mut levels = TopLevels::default();
    let depth = if rng.chance(0.05) { 0 } else { 1 + rng.below(FILL_LEVELS as u64) };
    let mut at = best;
    for level in levels.iter_mut().take(depth as usize) {
        if at < 1 {
            break;
        }
        let size = if rng.chance(0.3) { 1 + rng.below(400) } else { rng.below(20_000) + 1 };
        *level = (price(at), Qty(size as i64));
        at -= if rng.chance(0.1) { 1 + rng.below(99) as i64 } else { 100 };
    }
    levels
}

/// One senseless market; the same seed gives the same one.
pub fn wild(seed: u64, decisions: usize) -> Episode {
    let mut rng = Rng::stream(seed, "wild", 0);
    let layout = Layout::default();
    let mut episode = Episode {
        ticker: format!("WILD-{seed}").into(),
        event_ticker: "WILD".into(),
        market_len: layout.market_len(),
        settlement: [None, Some(0), Some(10_000), Some(4_321)][rng.below(4) as usize].map(price),
        settled: TsUs::from_ms(seed as i64),
        ..Episode::default()
    };
    let mut mid = 100 * (5 + rng.below(90) as i64);
    for i in 0..decisions {
        mid = (mid + 100 * (rng.below(7) as i64 - 3)).clamp(200, 9_800);
        let half = 50 * rng.below(6) as i64;
        let bids = [levels(&mut rng, mid - half), levels(&mut rng, 10_000 - mid - half)];
        for column in &layout.columns()[..episode.market_len] {
            let value = column.lo + (column.hi - column.lo) * rng.unit() as f32;
            episode.rows.push(value.clamp(column.lo, column.hi));
        }
        let mut decision = Decision {
            ts_ms: 250 * i as i64,
            row_id: i as u64,
            mid2: 0,
            bids,
            next_event: episode.events.len() as u32,
        };
        decision.mid2 = 2 * mid as i32;
        episode.decisions.push(decision);
        for _ in 0..rng.below(4) {
            let side = if rng.chance(0.5) { Side::Yes } else { Side::No };
            let best = decision.bids[side.index()][rng.below(3) as usize].0;
            let kind = match rng.below(20) {
                0 => TapeKind::Snapshot,
                1..3 => TapeKind::Trade,
                _ => TapeKind::Delta,
            };
            let qty_e2 = rng.below(2_000) as i32 - 1_000;
            episode.events.push(TapeEvent { qty_e2, dt_ms: 0, price: best, side, kind });
        }
    }
    episode
}

pub fn wild_set(n: u64) -> Arc<[Episode]> {
    (0..n).map(|seed| wild(seed, 40 + (seed as usize * 37) % 400)).collect()
}
