//! What does an event cost the observer?
//!
//! Sketch: at 1 000 events/s, 100 ns per event are 0.01 % of a core; a recorded day of one busy market
//! (10 million events) takes a second. Events are in memory, rows are made when due. The tape is read
//! from `KFLOW_SHARED` (default `../shared`) and its benches are left out without it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kalshiflow::book::SequencePolicy;
use kalshiflow::event::{Body, Delta, Event, MarketId, SessionId, Snapshot, Trade};
use kalshiflow::features::episode::EpisodeBuilder;
use kalshiflow::features::{Layout, Observer};
use kalshiflow::intake::IntakeError;
use kalshiflow::intake::tape::{Tape, windows};
use kalshiflow::market::MarketInfo;
use kalshiflow::rng::Rng;
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use std::hint::black_box;
use std::path::PathBuf;

const SYNTHETIC_EVENTS: usize = 100_000;
/// A long window of the tape, 15 minutes of one market.
const WINDOW: &str = "KXGOLD15M-26AUG102145-45";

/// A book of 40 levels a side under seeded adds, cancels and trades, about 100 events per second.
fn synthetic() -> Vec<Event> {
    let mut rng = Rng::stream(7, "observe-bench", 0);
    let price = |cents: i64| Price::new(cents * 100).expect("within a dollar");
    let side = |top: i64| (top - 40..top).map(|c| (price(c), Qty::contracts(1_000_000))).collect();
    let mut bodies = vec![Body::Snapshot(Box::new(Snapshot { yes: side(48), no: side(50) }))];
    for _ in 0..SYNTHETIC_EVENTS {
        let taker = if rng.chance(0.5) { Side::Yes } else { Side::No };
        let qty = Qty(100 + rng.below(10_000) as i64);
        bodies.push(if rng.chance(0.05) {
            let yes_price = price(47 + rng.below(3) as i64);
            Body::Trade(Box::new(Trade { taker, yes_price, qty, block: None, id: [0; 16] }))
        } else {
            let change = if rng.chance(0.5) { qty } else { -qty };
            Body::Delta(Delta { side: taker, price: price(10 + rng.below(38) as i64), qty: change })
        });
    }
    let mut ts_us = 1_800_000_000_000_000;
    let stamped = bodies.into_iter().zip(1u64..).map(|(body, row_id)| {
        ts_us += rng.below(20_000) as i64;
        let (ts, market) = (Some(TsUs(ts_us)), MarketId(0));
        Event { row_id, recv: TsNs(0), ts, market, sid: 1, seq: row_id, body }
    });
    stamped.collect()
}

/// The events of one window of the tape, in memory.
fn tape() -> Option<Vec<Event>> {
    let root = std::env::var_os("KFLOW_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let windows = windows(&root.join("data/gold15m")).ok()?;
    let (_, files) = windows.into_iter().find(|w| w.0 == WINDOW)?;
    let mut tape = Tape::new(SequencePolicy::Partial);
    let mut events = Vec::new();
    for path in files {
        tape.read_file(&path, |_, record, _| {
            events.push(record.event);
            Ok::<_, IntakeError>(())
        })
        .ok()?;
    }
    Some(events)
}

fn observe(c: &mut Criterion) {
    let mut sources = vec![("synthetic", synthetic())];
    sources.extend(tape().map(|events| ("tape", events)));
    for (name, events) in &sources {
        let mut group = c.benchmark_group(format!("observe_{name}"));
        group.sample_size(20).throughput(Throughput::Elements(events.len() as u64));
        for layout in Layout::ALL {
            group.bench_function(layout.name(), |b| {
                b.iter(|| {
                    let mut observer = Observer::new(layout, None, None);
                    events.iter().filter(|e| observer.push(black_box(e)).is_some()).count()
                });
            });
        }
        group.bench_function("episode", |b| {
            b.iter(|| {
                let market = MarketInfo::default();
                let mut builder =
                    EpisodeBuilder::new(Layout::default(), &market, SessionId::default());
                events.iter().for_each(|e| builder.push(black_box(e)));
                builder.finish().len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, observe);
criterion_main!(benches);
