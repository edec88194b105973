//! A recorded market in both forms: our events, and hftbacktest's.
//!
//! Both carry the same messages with the same two stamps. hftbacktest wants sizes of levels instead of changes,
//! and stamps that never go back, so each is at least the one before, and a message is received no earlier than
//! it happened. NO bids become asks at the complement.

use anyhow::{Context, Result};
use hftbacktest::types::{
    BUY_EVENT, DEPTH_CLEAR_EVENT, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT, EXCH_EVENT,
    Event as PeerEvent, LOCAL_EVENT, SELL_EVENT, TRADE_EVENT,
};
use kalshiflow::book::{Book, Change, SequencePolicy};
use kalshiflow::event::{Body, Event, Snapshot};
use kalshiflow::features::episode::TapeEvent;
use kalshiflow::intake::IntakeError;
use kalshiflow::intake::tape::{Tape, windows};
use kalshiflow::units::{Price, Qty, Side};
use std::path::Path;

/// One market.
pub struct Window {
    pub name: String,
    /// Ours.
    pub events: Vec<Event>,
    /// Ours as the environment plays them, and the books of the snapshots among them.
    pub tape: Vec<TapeEvent>,
    pub books: Vec<Snapshot>,
    /// When each happened and was received, by hftbacktest's rules for stamps.
    pub stamps_ns: Vec<(i64, i64)>,
    /// Theirs.
    pub peer: Vec<PeerEvent>,
}

/// Everything under `dir/events`.
pub fn load(dir: &Path) -> Result<Vec<Window>> {
    let found = windows(dir).with_context(|| format!("no recordings in {}", dir.display()))?;
    found.into_iter().map(|(name, files)| Ok(Window::of(name, read(&files)?))).collect()
}

fn read(files: &[std::path::PathBuf]) -> Result<Vec<Event>> {
    let (mut tape, mut events) = (Tape::new(SequencePolicy::Partial), Vec::new());
    for file in files {
        tape.read_file(file, |_, mut record, _| {
            record.event.row_id = events.len() as u64 + 1;
            events.push(record.event);
            Ok::<_, IntakeError>(())
        })?;
    }
    Ok(events)
}

impl Window {
    fn of(name: String, events: Vec<Event>) -> Window {
        let stamps_ns = stamps(&events);
        let mut book = Book::default();
        let mut peer = Vec::with_capacity(events.len());
        for (event, stamps) in events.iter().zip(&stamps_ns) {
            let mut push = |kind: u64, price: f64, qty: Qty| {
                peer.push(PeerEvent {
                    ev: kind | EXCH_EVENT | LOCAL_EVENT,
                    exch_ts: stamps.0,
                    local_ts: stamps.1,
                    px: price,
                    qty: qty.e2() as f64 / 100.0,
                    order_id: 0,
                    ival: 0,
                    fval: 0.0,
                });
            };
            match (&event.body, book.apply(event)) {
                (Body::Delta(delta), Ok(Change::Level { size, .. })) => {
                    push(
                        DEPTH_EVENT | bid_or_ask(delta.side),
                        yes_scale(delta.side, delta.price),
                        size,
                    );
                }
                (Body::Snapshot(snapshot), _) => {
                    push(DEPTH_CLEAR_EVENT, 0.0, Qty::ZERO);
                    for (side, levels) in [(Side::Yes, &snapshot.yes), (Side::No, &snapshot.no)] {
                        for (price, size) in levels {
                            push(
                                DEPTH_SNAPSHOT_EVENT | bid_or_ask(side),
                                yes_scale(side, *price),
                                *size,
                            );
                        }
                    }
                }
                (Body::Trade(trade), _) => {
                    push(TRADE_EVENT | bid_or_ask(trade.taker), trade.yes_price.prob(), trade.qty);
                }
                _ => {}
            }
        }
        let (mut tape, mut books) = (Vec::with_capacity(events.len()), Vec::new());
        for event in &events {
            tape.extend(TapeEvent::of(event, books.len() as u32));
            if let Body::Snapshot(book) = &event.body {
                books.push((**book).clone());
            }
        }
        Window { name, events, tape, books, stamps_ns, peer }
    }
}

/// A bid for YES, or a taker who buys it, is a buyer.
fn bid_or_ask(side: Side) -> u64 {
    match side {
        Side::Yes => BUY_EVENT,
        Side::No => SELL_EVENT,
    }
}

fn yes_scale(side: Side, price: Price) -> f64 {
    match side {
        Side::Yes => price.prob(),
        Side::No => price.complement().prob(),
    }
}

fn stamps(events: &[Event]) -> Vec<(i64, i64)> {
    // A snapshot has no stamp of the exchange; it happened when the message before it did.
    let first = events.iter().find_map(|event| event.ts).map_or(0, |ts| ts.0 * 1_000);
    let (mut exchange, mut local) = (first, first);
    let stamp = |event: &Event| {
        exchange = exchange.max(event.ts.map_or(exchange, |ts| ts.0 * 1_000));
        local = local.max(event.recv.0).max(exchange);
        (exchange, local)
    };
    events.iter().map(stamp).collect()
}
