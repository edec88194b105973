//! What the venue tells as the `msg` objects of frames, each encoded once, whoever listens.
//!
//! Keys stand in the order in which the exchange writes them.

use super::truth::{delta_print, other_print, snapshot_print, trade_print};
use super::venue::{Definition, Market, Told, What};
use crate::event::{Delta, Snapshot, Trade};
use crate::units::{Price, Qty, Side, TsUs};
use crate::wire::convert::{time_text, uuid_text};
use std::fmt::Write as _;

/// A message and its fingerprint.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: &'static str,
    /// The `msg` object.
    pub(super) text: String,
    /// The same with NO levels on the YES scale, where that is another text.
    pub(super) yes_scale: Option<String>,
    pub(super) print: u64,
    /// Fingerprint of the book after it; 0 where it is about no book.
    pub(super) book: u64,
}

impl Message {
    /// The text for one subscriber.
    pub(super) fn text(&self, yes_scale: bool) -> &str {
        self.yes_scale.as_deref().filter(|_| yes_scale).unwrap_or(&self.text)
    }
}

/// Writes messages; owns what is the same for many of them.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// The second of `second_text`, since the epoch.
    second: Option<i64>,
    /// `2026-08-10T21:46:09`.
    second_text: String,
    /// Text of each market's id, by index.
    ids: Vec<String>,
}

impl Encoder {
    /// The message that tells of an event of `market`.
    pub(super) fn message(&mut self, told: &Told, market: &Definition) -> Message {
        let ticker = market.ticker.as_str();
        let message =
            |kind, text, print, book| Message { kind, text, yes_scale: None, print, book };
        match &told.what {
            What::Level(delta) => {
                let print = delta_print(ticker, Some(told.at), delta);
                let text = self.delta(told, market, delta, delta.price);
                let mut out = message("orderbook_delta", text, print, told.book);
                if delta.side == Side::No {
                    out.yes_scale = Some(self.delta(told, market, delta, delta.price.complement()));
                }
                out
            }
            What::Trade(trade) => {
                // Trade frames tell whole milliseconds.
                let print = trade_print(ticker, Some(TsUs::from_ms(told.at.ms())), trade);
                message("trade", trade_text(ticker, told.at.ms(), trade), print, 0)
            }
            What::Book(book) => self.snapshot(told.market, market, book, told.book),
            What::Notice { kind, msg } | What::Private { kind, msg, .. } => {
                let value = serde_json::from_str(msg).ok();
                message(kind, msg.to_string(), other_print(kind, value.as_ref()), 0)
            }
        }
    }

    /// A whole book.
    pub(super) fn snapshot(
        &mut self,
        index: u32,
        market: &Definition,
        book: &Snapshot,
        print: u64,
    ) -> Message {
        let id = self.id(index, market);
        let head = format!("{{\"market_ticker\":\"{}\",\"market_id\":\"{id}\"", market.ticker);
        let no_on_yes: Vec<_> = book.no.iter().map(|(p, q)| (p.complement(), *q)).collect();
        let whole = |no: &[(Price, Qty)]| {
            let mut text = head.clone();
            // A side without levels is an absent key.
            levels(&mut text, "yes_dollars_fp", &book.yes);
            levels(&mut text, "no_dollars_fp", no);
            text.push('}');
            text
        };
        Message {
            kind: "orderbook_snapshot",
            text: whole(&book.no),
            yes_scale: (!book.no.is_empty()).then(|| whole(&no_on_yes)),
            print: snapshot_print(&market.ticker, book),
            book: print,
        }
    }

    fn delta(&mut self, told: &Told, market: &Definition, delta: &Delta, price: Price) -> String {
        let second = told.at.0.div_euclid(1_000_000);
        if self.second.replace(second) != Some(second) {
            self.second_text = time_text(TsUs(second * 1_000_000));
            self.second_text.pop();
        }
        let id = self.id(told.market, market).to_owned();
        let mut text = String::with_capacity(256);
        let (ticker, side) = (&market.ticker, delta.side.word());
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "{{\"market_ticker\":\"{ticker}\",\"market_id\":\"{id}\",\"price_dollars\":\"{price}\",\
             \"delta_fp\":\"{}\",\"side\":\"{side}\",\"ts\":\"{}",
            delta.qty, self.second_text
        );
        match told.at.0.rem_euclid(1_000_000) {
            0 => {}
            us => {
                let _ = write!(text, ".{us:06}");
                text.truncate(text.trim_end_matches('0').len());
            }
        }
        let _ = write!(text, "Z\",\"ts_ms\":{}}}", told.at.ms());
        text
    }

    fn id(&mut self, index: u32, market: &Definition) -> &str {
        let at = index as usize;
        if self.ids.len() <= at {
            self.ids.resize(at + 1, String::new());
        }
        if self.ids[at].is_empty() {
            self.ids[at] = uuid_text(market.id);
        }
        &self.ids[at]
    }
}

fn levels(text: &mut String, key: &str, levels: &[(Price, Qty)]) {
    for (i, (price, qty)) in levels.iter().enumerate() {
        let _ = match i {
            0 => write!(text, ",\"{key}\":[[\"{price}\",\"{qty}\"]"),
            _ => write!(text, ",[\"{price}\",\"{qty}\"]"),
        };
    }
    if !levels.is_empty() {
        text.push(']');
    }
}

fn trade_text(ticker: &str, ts_ms: i64, trade: &Trade) -> String {
    let (id, side) = (uuid_text(trade.id), trade.taker.word());
    let book_side = if trade.taker == Side::Yes { "bid" } else { "ask" };
    let (yes, no, qty) = (trade.yes_price, trade.yes_price.complement(), trade.qty);
    let block = match trade.block {
        Some(block) => format!(",\"is_block_trade\":{block}"),
        None => String::new(),
    };
    format!(
        "{{\"trade_id\":\"{id}\",\"market_ticker\":\"{ticker}\",\"yes_price_dollars\":\"{yes}\",\
         \"no_price_dollars\":\"{no}\",\"count_fp\":\"{qty}\",\"taker_side\":\"{side}\",\
         \"taker_outcome_side\":\"{side}\",\"taker_book_side\":\"{book_side}\"{block},\"ts\":{},\"ts_ms\":{ts_ms}}}",
        ts_ms.div_euclid(1_000)
    )
}

/// The `ticker` message of a market as it stands.
pub(super) fn ticker_text(market: &Market, now: TsUs) -> String {
    let Market { definition, face, .. } = market;
    let touch = face.book().touch();
    // An empty side shows a bid of 0 and an ask of 1 with size 0.
    let (bid, bid_size) = touch.bid.unwrap_or((Price::ZERO, Qty::ZERO));
    let (ask, ask_size) = touch.ask.unwrap_or((Price::ONE, Qty::ZERO));
    let (last, last_size) = face.last.unwrap_or((Price::ZERO, Qty::ZERO));
    // Whole dollars at face value: one pair of contracts is one dollar.
    let dollars = face.volume.0 / 100;
    let time = time_text(now);
    format!(
        "{{\"market_id\":\"{}\",\"market_ticker\":\"{}\",\"price_dollars\":\"{last}\",\
         \"yes_bid_dollars\":\"{bid}\",\"yes_ask_dollars\":\"{ask}\",\"volume_fp\":\"{volume}\",\
         \"open_interest_fp\":\"{volume}\",\"dollar_volume\":{dollars},\"dollar_open_interest\":{dollars},\
         \"yes_bid_size_fp\":\"{bid_size}\",\"yes_ask_size_fp\":\"{ask_size}\",\
         \"last_trade_size_fp\":\"{last_size}\",\"ts\":{},\"ts_ms\":{},\"time\":\"{time}\"}}",
        uuid_text(definition.id),
        definition.ticker,
        now.0.div_euclid(1_000_000),
        now.ms(),
        volume = face.volume,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Body;
    use crate::sim::truth::event_print;
    use crate::sim::venue::{Venue, VenueSpec};
    use crate::units::TsNs;
    use crate::wire::Decoder;

    /// The decoder reads back what the venue told, on the fast road, and its print is the same.
    #[test]
    fn messages_read_back_as_what_was_told() {
        let spec = VenueSpec { markets: 6, lifetime_ms: 4_000, ..VenueSpec::default() };
        let mut venue = Venue::new(spec.clone());
        let (mut told, mut encoder, mut decoder) =
            (Vec::new(), Encoder::default(), Decoder::default());
        venue.advance(TsUs(spec.start.0 + 3_000_000));
        venue.take(&mut told);
        let mut frames = 0;
        for (seq, t) in told.iter().enumerate() {
            let market = &venue.market(t.market).unwrap().definition;
            let message = encoder.message(t, market);
            let frame = format!(
                "{{\"type\":\"{}\",\"sid\":1,\"seq\":{},\"msg\":{}}}",
                message.kind,
                seq + 1,
                message.text
            );
            let record = decoder.decode(frame.as_bytes(), TsNs(0));
            let value = serde_json::from_str(&frame).ok();
            let event = &record.event;
            match &event.body {
                Body::Delta(_) | Body::Trade(_) | Body::Snapshot(_) => {
                    assert_eq!(record.raw, None, "{frame}");
                    frames += 1;
                }
                other => assert!(matches!(other, Body::Other(_)), "{frame}"),
            }
            let print = event_print(&market.ticker, event.ts, &event.body, value.as_ref());
            assert_eq!(print, Some(message.print), "{frame}");
        }
        assert!(frames > 3_000 && decoder.counts.fast > frames * 9 / 10);
    }
}
