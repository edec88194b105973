//! Events to frames: what the simulator sends, and the proof that a stored event is lossless.

use super::frame::{BookFrame, ServerBody, ServerFrame};
use crate::event::{Body, Event, Record, Tickers};
use serde_json::Value;

/// The frame that an event was read from; `None` for events that are ours (gaps, definitions) and for
/// frames of which only the bytes were kept.
pub fn event_frame(event: &Event, tickers: &Tickers) -> Option<ServerFrame> {
    let ticker = tickers.name(event.market).to_owned();
    let market_id = tickers.uuid(event.market);
    let ts = event.ts;
    let body = match &event.body {
        Body::Snapshot(what) => {
            ServerBody::Snapshot(BookFrame { ticker, market_id, ts, what: (**what).clone() })
        }
        Body::Delta(what) => ServerBody::Delta(BookFrame { ticker, market_id, ts, what: *what }),
        Body::Trade(what) => {
            ServerBody::Trade(BookFrame { ticker, market_id: None, ts, what: **what })
        }
        Body::Gap(_) | Body::Healed(_) | Body::Other(_) | Body::Bad(_) | Body::Market(_) => {
            return None;
        }
    };
    let sid = (event.sid != 0).then_some(event.sid);
    let seq = (event.seq != 0).then_some(event.seq);
    Some(ServerFrame { id: None, sid, seq, body })
}

/// The JSON value of the frame that a record holds: from its bytes where they were kept, else from the
/// event. `None` for our own records and for bytes that are not JSON.
pub fn frame_value(record: &Record, tickers: &Tickers) -> Option<Value> {
    match &record.raw {
        Some(raw) => serde_json::from_slice(raw).ok(),
        None => event_frame(&record.event, tickers).map(|f| f.to_value()),
    }
}
