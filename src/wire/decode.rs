//! Bytes of a frame to a [`Record`]: typed where the type is ours to interpret, lossless always.

use super::convert;
use super::encode::event_frame;
use super::frame::{BookFrame, FrameError, KNOWN_TYPES, ServerBody, ServerFrame};
use super::scan::{Scanned, scan};
use crate::event::{Body, Event, MarketId, Record, Tickers};
use crate::units::TsNs;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads frames one after the other; owns the dictionary of markets seen.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Markets by [`MarketId`].
    pub tickers: Tickers,
    /// What was read so far.
    pub counts: Counts,
    /// Text of the `market_id` that was last found right, and its market: saves parsing it again.
    checked_id: Option<(MarketId, [u8; 36])>,
}

/// Frames by type, and everything that was not as expected, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Book changes read.
    pub deltas: u64,
    /// Public trades read.
    pub trades: u64,
    /// Other frames by `type`.
    pub types: BTreeMap<String, u64>,
    /// Types that the protocol does not name.
    pub unknown_types: BTreeMap<String, u64>,
    /// Fields of book and trade frames that we do not know, as `type.field`.
    pub unknown_fields: BTreeMap<String, u64>,
    /// Frames that could not be read, by reason.
    pub bad: BTreeMap<String, u64>,
    /// Frames read by the fast road.
    pub fast: u64,
}

fn bump(map: &mut BTreeMap<String, u64>, key: &str) {
    match map.get_mut(key) {
        Some(n) => *n += 1,
        None => {
            map.insert(key.to_owned(), 1);
        }
    }
}

impl Counts {
    fn enter(&mut self, body: &Body, kind: &str) {
        match body {
            Body::Delta(_) => self.deltas += 1,
            Body::Trade(_) => self.trades += 1,
            _ => bump(&mut self.types, kind),
        }
    }
}

impl Decoder {
    /// Reads one frame. `row_id` is left at 0: the log gives it.
    ///
    /// Never fails: what cannot be read is a record with [`Body::Bad`] and its bytes.
    pub fn decode(&mut self, frame: &[u8], recv: TsNs) -> Record {
        match scan(frame).and_then(|s| self.accept(s, recv)) {
            Some(event) => {
                self.counts.fast += 1;
                self.counts.enter(&event.body, "");
                Record { event, raw: None }
            }
            None => self.slow(frame, recv),
        }
    }

    /// The scanned frame as an event, if its market id is the one that the dictionary holds.
    #[inline]
    fn accept(&mut self, s: Scanned<'_>, recv: TsNs) -> Option<Event> {
        let market = self.tickers.intern(s.ticker);
        if !s.market_id.is_empty() && !self.checked(market, s.market_id) {
            let uuid = convert::uuid(s.market_id).ok()?;
            match self.tickers.uuid(market) {
                Some(known) if known != uuid => return None,
                Some(_) => {}
                None => self.tickers.set_uuid(market, uuid),
            }
            self.checked_id = s.market_id.try_into().ok().map(|text| (market, text));
        }
        let Scanned { sid, seq, ts, body, .. } = s;
        Some(Event { row_id: 0, recv, ts: Some(ts), market, sid, seq, body })
    }

    fn checked(&self, market: MarketId, text: &[u8]) -> bool {
        self.checked_id.as_ref().is_some_and(|(m, t)| *m == market && t == text)
    }

    fn slow(&mut self, bytes: &[u8], recv: TsNs) -> Record {
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(e) => return self.bad(bytes, recv, None, &FrameError::Json(e.to_string())),
        };
        let frame = match ServerFrame::from_value(&value) {
            Ok(frame) => frame,
            Err(e) => return self.bad(bytes, recv, Some(&value), &e),
        };
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        let event = self.event(frame, kind, recv);
        self.counts.enter(&event.body, kind);
        let written = event_frame(&event, &self.tickers).map(|f| f.to_value());
        let raw = if written.as_ref() == Some(&value) {
            None
        } else {
            self.count_unknown(kind, &value, written.as_ref());
            Some(bytes.into())
        };
        Record { event, raw }
    }

    fn event(&mut self, frame: ServerFrame, kind: &str, recv: TsNs) -> Event {
        let (sid, seq) = (frame.sid.unwrap_or(0), frame.seq.unwrap_or(0));
        let (market, ts, body) = match frame.body {
            ServerBody::Snapshot(f) => self.place(f, |what| Body::Snapshot(Box::new(what))),
            ServerBody::Delta(f) => self.place(f, Body::Delta),
            ServerBody::Trade(f) => self.place(f, |what| Body::Trade(Box::new(what))),
            _ => (MarketId::NONE, None, Body::Other(kind.into())),
        };
        Event { row_id: 0, recv, ts, market, sid, seq, body }
    }

    fn place<T>(
        &mut self,
        frame: BookFrame<T>,
        body: impl Fn(T) -> Body,
    ) -> (MarketId, Option<crate::units::TsUs>, Body) {
        let market = self.tickers.intern(&frame.ticker);
        if let (None, Some(uuid)) = (self.tickers.uuid(market), frame.market_id) {
            self.tickers.set_uuid(market, uuid);
        }
        (market, frame.ts, body(frame.what))
    }

    /// Counts what was read but would not be written back.
    fn count_unknown(&mut self, kind: &str, value: &Value, written: Option<&Value>) {
        let Some(written) = written else {
            let control = matches!(kind, "subscribed" | "unsubscribed" | "ok" | "error" | "fill");
            if !control && !KNOWN_TYPES.contains(&kind) {
                bump(&mut self.counts.unknown_types, kind);
            }
            return;
        };
        let fields =
            |v: &Value| v.get("msg").and_then(Value::as_object).cloned().unwrap_or_default();
        let known = fields(written);
        for field in fields(value).keys().filter(|f| !known.contains_key(*f)) {
            bump(&mut self.counts.unknown_fields, &format!("{kind}.{field}"));
        }
    }

    fn bad(
        &mut self,
        bytes: &[u8],
        recv: TsNs,
        value: Option<&Value>,
        error: &FrameError,
    ) -> Record {
        let reason = error.to_string();
        // JSON errors name a column: as a key that would be a new reason for every frame.
        let key = match error {
            FrameError::Json(_) => "not JSON",
            _ => reason.as_str(),
        };
        bump(&mut self.counts.bad, key);
        let number =
            |key: &str| value.and_then(|v| v.get(key)).and_then(Value::as_u64).unwrap_or(0);
        let ticker = value.and_then(|v| v.get("msg")?.get("market_ticker")?.as_str());
        let event = Event {
            row_id: 0,
            recv,
            ts: None,
            market: ticker.map_or(MarketId::NONE, |t| self.tickers.intern(t)),
            sid: number("sid").try_into().unwrap_or(0),
            seq: number("seq"),
            body: Body::Bad(reason.into()),
        };
        Record { event, raw: Some(bytes.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Price, Qty, Side};
    use proptest::prelude::*;

    const DELTA: &str = r#"{"type":"orderbook_delta","sid":1,"seq":7,"msg":{"market_ticker":"KX-A","market_id":"03137cd9-ae15-4c2c-afd9-9c88e467ceb9","price_dollars":"0.1100","delta_fp":"28.00","side":"no","ts":"2026-08-10T21:46:09.379425Z","ts_ms":1786398369379}}"#;

    fn decode(frame: &str) -> (Record, Decoder) {
        let mut decoder = Decoder::default();
        (decoder.decode(frame.as_bytes(), TsNs(5)), decoder)
    }

    /// Both roads must say the same, and what is kept must give back the same JSON value.
    #[track_caller]
    fn check_lossless(frame: &str) -> Record {
        let (record, decoder) = decode(frame);
        let value: Value = serde_json::from_str(frame).expect("valid JSON");
        assert_eq!(frame_value(&record, &decoder.tickers), Some(value));
        let mut other = Decoder::default();
        let slow = other.slow(frame.as_bytes(), TsNs(5));
        assert_eq!(slow.event, record.event);
        record
    }

    use super::super::encode::frame_value;

    #[test]
    fn usual_delta_takes_the_fast_road_and_needs_no_bytes() {
        let record = check_lossless(DELTA);
        assert!(record.raw.is_none());
        assert_eq!(decode(DELTA).1.counts.fast, 1);
        let want = crate::event::Delta {
            side: Side::No,
            price: Price::new(1_100).expect("price"),
            qty: Qty(2_800),
        };
        assert_eq!(record.event.body, Body::Delta(want));
    }

    #[test]
    fn unusual_texts_keep_their_bytes() {
        for (from, to) in [
            ("\"28.00\"", "\"28.0\""),
            ("\"28.00\"", "\"028.00\""),
            ("\"0.1100\"", "\"0.11\""),
            (".379425Z", ".379Z"),
            ("\"ts_ms\":1786398369379", "\"ts_ms\":1786398369380"),
            ("\"side\":\"no\"", "\"side\":\"no\",\"client_order_id\":\"mine\""),
            ("\"sid\":1", "\"sid\":1,\"id\":4"),
            ("\"28.00\"", "\"-0.00\""),
        ] {
            let frame = DELTA.replace(from, to);
            let record = check_lossless(&frame);
            let fine = to == ".379Z";
            assert_eq!(record.raw.is_none(), fine, "{to}");
        }
    }

    #[test]
    fn key_order_and_white_space_do_not_matter() {
        let value: Value = serde_json::from_str(DELTA).expect("JSON");
        let pretty = serde_json::to_string_pretty(&value).expect("JSON");
        assert_eq!(check_lossless(&pretty).event, check_lossless(DELTA).event);
        let moved = DELTA.replace(
            r#"{"type":"orderbook_delta","sid":1"#,
            r#"{"sid":1,"type":"orderbook_delta""#,
        );
        assert_eq!(check_lossless(&moved).event, check_lossless(DELTA).event);
        assert_eq!(decode(&moved).1.counts.fast, 1, "another order is no reason to build a tree");
    }

    #[test]
    fn impossible_values_are_bad_frames_with_market_and_bytes() {
        for (from, to, why) in [
            ("\"0.1100\"", "\"1.2000\"", "out of range"),
            ("\"0.1100\"", "\"0.11005\"", "more than 4 decimals"),
            ("\"28.00\"", "\"28.001\"", "more than 2 decimals"),
            ("\"28.00\"", "28", "delta_fp"),
            ("\"no\"", "\"maybe\"", "side"),
            ("\"seq\":7", "\"seq\":-7", "seq"),
        ] {
            let frame = DELTA.replace(from, to);
            let (record, decoder) = decode(&frame);
            let Body::Bad(reason) = &record.event.body else { panic!("{to}: {record:?}") };
            assert!(reason.contains(why), "{to}: {reason}");
            assert_eq!(decoder.tickers.name(record.event.market), "KX-A");
            assert_eq!(record.raw.as_deref(), Some(frame.as_bytes()));
        }
    }

    #[test]
    fn unknown_fields_and_types_are_counted_by_name() {
        let (_, decoder) = decode(&DELTA.replace("\"side\"", "\"colour\":3,\"side\""));
        assert_eq!(decoder.counts.unknown_fields.get("orderbook_delta.colour"), Some(&1));
        let (record, decoder) = decode(r#"{"type":"rumour","msg":{}}"#);
        assert_eq!(record.event.body, Body::Other("rumour".into()));
        assert_eq!(decoder.counts.unknown_types.get("rumour"), Some(&1));
    }

    #[test]
    fn another_market_id_for_the_same_ticker_keeps_the_bytes() {
        let mut decoder = Decoder::default();
        decoder.decode(DELTA.as_bytes(), TsNs(0));
        let other = DELTA.replace("03137cd9", "13137cd9");
        assert!(decoder.decode(other.as_bytes(), TsNs(0)).raw.is_some());
    }

    #[test]
    fn a_day_that_does_not_exist_is_not_rewritten() {
        let frame = DELTA.replace("2026-08-10", "2026-06-31");
        check_lossless(&frame);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Decoder::default().decode(&bytes, TsNs(0));
        }

        /// One byte of a good frame replaced by another.
        #[test]
        fn damaged_frames_never_panic_and_never_lose_bytes(at in 0..DELTA.len(), byte in any::<u8>()) {
            let mut bytes = DELTA.as_bytes().to_vec();
            bytes[at] = byte;
            let mut decoder = Decoder::default();
            let record = decoder.decode(&bytes, TsNs(0));
            match serde_json::from_slice::<Value>(&bytes) {
                Ok(value) => prop_assert_eq!(frame_value(&record, &decoder.tickers), Some(value)),
                Err(_) => prop_assert_eq!(record.raw.as_deref(), Some(&bytes[..])),
            }
        }
    }
}
