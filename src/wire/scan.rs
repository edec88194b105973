//! The fast road: `orderbook_delta` and `trade` frames in the shape that the exchange writes today.
//!
//! One pass over the bytes, no tree, no allocation. It answers only when the frame holds exactly the
//! known keys in canonical text, so that the event gives back the same JSON value by construction;
//! whatever else comes takes the slow road through [`super::frame`], which decides what it means.

use super::convert;
use crate::event::{Body, Delta, Trade};
use crate::units::{Price, Qty, Side, TsUs};

/// What the fast road reads. Slices point into the frame.
#[derive(Debug)]
pub struct Scanned<'a> {
    /// The market, ASCII.
    pub ticker: &'a str,
    /// Text of the market's UUID, not yet checked; empty in trades.
    pub market_id: &'a [u8],
    /// Subscription.
    pub sid: u32,
    /// Number inside the subscription.
    pub seq: u64,
    /// Exchange time.
    pub ts: TsUs,
    /// Delta or trade.
    pub body: Body,
}

/// Reads a frame of the usual shape, or declines.
pub fn scan(frame: &[u8]) -> Option<Scanned<'_>> {
    usual_delta(frame).or_else(|| scan_keys(frame))
}

/// A delta with its keys in the order in which the exchange writes them: nineteen of twenty frames, read
/// by comparing the text between the values as a whole. Any other order is left to [`scan_keys`].
fn usual_delta(frame: &[u8]) -> Option<Scanned<'_>> {
    let mut c = Cursor { bytes: frame, at: 0 };
    c.literal(b"{\"type\":\"orderbook_delta\",\"sid\":")?;
    let sid = c.unsigned()?;
    c.literal(b",\"seq\":")?;
    let seq = c.unsigned()?;
    c.literal(b",\"msg\":{\"market_ticker\":")?;
    let ticker = c.string()?;
    c.literal(b",\"market_id\":\"")?;
    let market_id = c.take(36)?;
    c.literal(b"\",\"price_dollars\":\"")?;
    let price = canonical_price(c.take(6)?)?;
    c.literal(b"\",\"delta_fp\":")?;
    let qty = canonical_qty(c.string()?)?;
    c.literal(b",\"side\":")?;
    let side = side(c.string()?)?;
    c.literal(b",\"ts\":")?;
    let ts = canonical_time(c.string()?)?;
    c.literal(b",\"ts_ms\":")?;
    let ts_ms = c.unsigned()?;
    c.literal(b"}}")?;
    let whole = c.at == frame.len() && sid > 0 && seq > 0;
    if !whole || ts.ms() != i64::try_from(ts_ms).ok()? {
        return None;
    }
    let body = Body::Delta(Delta { side, price, qty });
    let ticker = std::str::from_utf8(ticker).ok()?;
    Some(Scanned { ticker, market_id, sid: sid.try_into().ok()?, seq, ts, body })
}

/// Either frame with its keys in any order.
fn scan_keys(frame: &[u8]) -> Option<Scanned<'_>> {
    let mut c = Cursor { bytes: frame, at: 0 };
    let (mut kind, mut sid, mut seq) = (&frame[..0], 0u64, 0u64);
    let mut msg = Msg::default();
    let mut seen = 0u8;
    c.expect(b'{')?;
    loop {
        let bit = match c.key()? {
            b"type" => {
                kind = c.string()?;
                1
            }
            b"sid" => {
                sid = c.unsigned()?;
                2
            }
            b"seq" => {
                seq = c.unsigned()?;
                4
            }
            b"msg" => {
                msg.read(&mut c)?;
                8
            }
            _ => return None,
        };
        if seen & bit != 0 {
            return None; // a repeated key is not our business to interpret
        }
        seen |= bit;
        if !c.comma()? {
            break;
        }
    }
    if seen != 15 || sid == 0 || seq == 0 || c.at != frame.len() {
        return None;
    }
    let (body, ts) = match kind {
        b"orderbook_delta" => msg.delta()?,
        b"trade" => msg.trade()?,
        _ => return None,
    };
    let ticker = std::str::from_utf8(msg.text[TICKER]).ok()?;
    Some(Scanned {
        ticker,
        market_id: msg.text[MARKET_ID],
        sid: sid.try_into().ok()?,
        seq,
        ts,
        body,
    })
}

const TICKER: usize = 0;
const MARKET_ID: usize = 1;
const PRICE: usize = 2;
const DELTA: usize = 3;
const SIDE: usize = 4;
const TS_TEXT: usize = 5;
const TRADE_ID: usize = 6;
const YES_PRICE: usize = 7;
const NO_PRICE: usize = 8;
const COUNT: usize = 9;
const TAKER: usize = 10;
const TAKER_OUTCOME: usize = 11;
const TAKER_BOOK: usize = 12;
const TS_MS: usize = 13;
const TS_SECONDS: usize = 14;
const BLOCK: usize = 15;

const DELTA_KEYS: u32 =
    1 << TICKER | 1 << MARKET_ID | 1 << PRICE | 1 << DELTA | 1 << SIDE | 1 << TS_TEXT | 1 << TS_MS;
const TRADE_KEYS: u32 = 1 << TICKER
    | 1 << TRADE_ID
    | 1 << YES_PRICE
    | 1 << NO_PRICE
    | 1 << COUNT
    | 1 << TAKER
    | 1 << TAKER_OUTCOME
    | 1 << TAKER_BOOK
    | 1 << TS_SECONDS
    | 1 << TS_MS;

/// The fields of `msg`, unread.
#[derive(Default)]
struct Msg<'a> {
    text: [&'a [u8]; 13],
    ts_ms: u64,
    ts_seconds: u64,
    block: bool,
    seen: u32,
}

impl<'a> Msg<'a> {
    fn read(&mut self, c: &mut Cursor<'a>) -> Option<()> {
        c.expect(b'{')?;
        loop {
            let slot = match c.key()? {
                b"market_ticker" => TICKER,
                b"market_id" => MARKET_ID,
                b"price_dollars" => PRICE,
                b"delta_fp" => DELTA,
                b"side" => SIDE,
                b"ts" if c.peek() == Some(b'"') => TS_TEXT,
                b"ts" => TS_SECONDS,
                b"ts_ms" => TS_MS,
                b"trade_id" => TRADE_ID,
                b"yes_price_dollars" => YES_PRICE,
                b"no_price_dollars" => NO_PRICE,
                b"count_fp" => COUNT,
                b"taker_side" => TAKER,
                b"taker_outcome_side" => TAKER_OUTCOME,
                b"taker_book_side" => TAKER_BOOK,
                b"is_block_trade" => BLOCK,
                _ => return None,
            };
            if self.seen & (1 << slot) != 0 {
                return None;
            }
            self.seen |= 1 << slot;
            match slot {
                TS_MS => self.ts_ms = c.unsigned()?,
                TS_SECONDS => self.ts_seconds = c.unsigned()?,
                BLOCK => self.block = c.boolean()?,
                _ => self.text[slot] = c.string()?,
            }
            if !c.comma()? {
                return Some(());
            }
        }
    }

    fn delta(&self) -> Option<(Body, TsUs)> {
        if self.seen != DELTA_KEYS {
            return None;
        }
        let ts = canonical_time(self.text[TS_TEXT])?;
        if ts.ms() != i64::try_from(self.ts_ms).ok()? {
            return None;
        }
        let delta = Delta {
            side: side(self.text[SIDE])?,
            price: canonical_price(self.text[PRICE])?,
            qty: canonical_qty(self.text[DELTA])?,
        };
        Some((Body::Delta(delta), ts))
    }

    fn trade(&self) -> Option<(Body, TsUs)> {
        if self.seen & !(1 << BLOCK) != TRADE_KEYS || self.ts_ms / 1_000 != self.ts_seconds {
            return None;
        }
        let taker = side(self.text[TAKER])?;
        let yes_price = canonical_price(self.text[YES_PRICE])?;
        let book_side: &[u8] = if taker == Side::Yes { b"bid" } else { b"ask" };
        let qty = canonical_qty(self.text[COUNT])?;
        let agrees = self.text[TAKER_OUTCOME] == self.text[TAKER]
            && self.text[TAKER_BOOK] == book_side
            && canonical_price(self.text[NO_PRICE])? == yes_price.complement()
            && qty >= Qty::ZERO;
        if !agrees {
            return None;
        }
        let trade = Trade {
            taker,
            yes_price,
            qty,
            block: (self.seen & (1 << BLOCK) != 0).then_some(self.block),
            id: convert::uuid(self.text[TRADE_ID]).ok()?,
        };
        Some((Body::Trade(Box::new(trade)), TsUs::from_ms(i64::try_from(self.ts_ms).ok()?)))
    }
}

fn side(text: &[u8]) -> Option<Side> {
    match text {
        b"yes" => Some(Side::Yes),
        b"no" => Some(Side::No),
        _ => None,
    }
}

fn digit(b: u8) -> Option<i64> {
    b.is_ascii_digit().then(|| i64::from(b - b'0'))
}

/// `d.dddd` and nothing else.
fn canonical_price(text: &[u8]) -> Option<Price> {
    let &[a, b'.', b, c, d, e] = text else { return None };
    let whole = digit(a)? * 10_000;
    Price::new(whole + digit(b)? * 1_000 + digit(c)? * 100 + digit(d)? * 10 + digit(e)?)
}

/// `[-]n.dd` without leading zeros and without minus zero.
fn canonical_qty(text: &[u8]) -> Option<Qty> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let [whole @ .., b'.', tens, ones] = body else { return None };
    let leading_zero = whole.first() == Some(&b'0') && whole.len() > 1;
    if whole.is_empty() || whole.len() > 15 || leading_zero {
        return None;
    }
    let mut value = 0i64;
    for b in whole.iter().chain([tens, ones]) {
        value = value * 10 + digit(*b)?;
    }
    match (negative, value) {
        (true, 0) => None,
        (true, v) => Some(Qty(-v)),
        (false, v) => Some(Qty(v)),
    }
}

/// RFC 3339 whose fraction has no trailing zero, on a day that every month has.
fn canonical_time(text: &[u8]) -> Option<TsUs> {
    let trimmed = match text.len() {
        20 => true,
        22..=27 => text[text.len() - 2] != b'0',
        _ => false,
    };
    if !trimmed {
        return None;
    }
    let ts = convert::time(text).ok()?;
    // A leap second, month 00 or 31 June read as another time: where that is possible, write it back.
    let plain = text[17] != b'6'
        && matches!(&text[8..10], [b'0', b'1'..=b'9'] | [b'1', _] | [b'2', b'0'..=b'8']);
    let sure = plain && &text[5..7] != b"00";
    (sure || convert::time_text(ts).as_bytes() == text).then_some(ts)
}

/// A place in a JSON text without white space; anything unusual makes it decline.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, b: u8) -> Option<()> {
        (self.peek()? == b).then(|| self.at += 1)
    }

    /// Exactly this text.
    #[inline]
    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(text).then(|| self.at += text.len())
    }

    /// The next `n` bytes, whatever they are.
    #[inline]
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at + n)?;
        self.at += n;
        Some(taken)
    }

    /// A key and its colon.
    #[inline]
    fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.string()?;
        self.expect(b':')?;
        Some(key)
    }

    /// A string of printable ASCII without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | 0..=31 | 128.. => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.bytes[start..self.at - 1])
    }

    /// A whole number without leading zeros, below 10^18.
    #[inline]
    fn unsigned(&mut self) -> Option<u64> {
        let start = self.at;
        let mut value = 0u64;
        while let Some(b @ b'0'..=b'9') = self.peek() {
            value = value * 10 + u64::from(b - b'0');
            self.at += 1;
            if self.at - start > 18 {
                return None;
            }
        }
        let digits = self.at - start;
        (digits > 0 && (digits == 1 || self.bytes[start] != b'0')).then_some(value)
    }

    fn boolean(&mut self) -> Option<bool> {
        let rest = &self.bytes[self.at..];
        let (value, len) = if rest.starts_with(b"true") {
            (true, 4)
        } else if rest.starts_with(b"false") {
            (false, 5)
        } else {
            return None;
        };
        self.at += len;
        Some(value)
    }

    /// True after a comma, false after the closing brace.
    #[inline]
    fn comma(&mut self) -> Option<bool> {
        let b = self.peek()?;
        self.at += 1;
        match b {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }
}
