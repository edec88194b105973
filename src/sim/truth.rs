//! What the served exchange really issued: every numbered frame of every connection, whether or not it was
//! sent, with a fingerprint of what it said and of the book that it left behind.
//!
//! A frame costs 16 bytes in memory, so that a long run can be held against its recording to the last
//! frame. As a file it is JSON lines, see [`Line`].
//!
//! **Invariant:** what is told here is told before any fault touches the frame.

use super::venue::{level_print, mix};
use crate::event::{Body, Delta, Snapshot, Trade};
use crate::units::{Side, TsUs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufWriter, Write};

/// What a numbered frame said, and the book of its market after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Fingerprint of market, time and content.
    pub print: u64,
    /// Fingerprint of the market's whole book; 0 for frames that are about no book.
    pub book: u64,
}

/// What was done to a frame on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Never sent.
    Dropped,
    /// Sent twice.
    Duplicated,
    /// Something unreadable was sent under its number, or instead of it.
    Garbled,
    /// Left in the buffer of a subscription that was given up.
    Discarded,
}

/// What was issued on one subscription; frame `seq` is at `seq - 1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issued {
    /// The channel's name.
    pub channel: String,
    /// Every frame.
    pub frames: Vec<Stamp>,
    /// Frames to which something was done.
    pub fates: BTreeMap<u64, Fate>,
}

/// What was issued on one connection, by subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// When it was opened.
    pub opened: TsUs,
    /// Its numbered subscriptions.
    pub sids: BTreeMap<u32, Issued>,
}

/// Everything that was issued, as far as it was to be kept.
#[derive(Default)]
pub struct Truth {
    /// Connections in the order in which they were opened.
    pub connections: Vec<Connection>,
    /// Faults that struck: time, and what in words.
    pub faults: Vec<(TsUs, String)>,
    /// Unreadable frames that came on top of the numbered ones.
    pub garbage: u64,
    /// Frames issued, numbered or not.
    pub issued: u64,
    keep: bool,
    file: Option<BufWriter<Box<dyn Write + Send>>>,
    failed: Option<io::Error>,
}

/// One line of a truth file; `at_us` is exchange time, `c` the connection, counted from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Line {
    /// A connection was opened.
    Open {
        /// Connection.
        c: usize,
        /// When.
        at_us: i64,
    },
    /// A numbered subscription was opened.
    Sid {
        /// Connection.
        c: usize,
        /// Subscription.
        sid: u32,
        /// Channel.
        channel: String,
    },
    /// A numbered frame was issued.
    Frame {
        /// Connection.
        c: usize,
        /// Subscription.
        sid: u32,
        /// Number.
        seq: u64,
        /// Fingerprint of what it says.
        print: u64,
        /// Fingerprint of the book after it.
        book: u64,
    },
    /// Something was done to a frame.
    Fate {
        /// Connection.
        c: usize,
        /// Subscription.
        sid: u32,
        /// Number.
        seq: u64,
        /// What.
        fate: Fate,
    },
    /// Unreadable frames were sent on top.
    Garbage {
        /// How many.
        n: u64,
    },
    /// A fault struck.
    Fault {
        /// When.
        at_us: i64,
        /// What.
        fault: String,
    },
}

impl std::fmt::Debug for Truth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Truth { connections, faults, issued, .. } = self;
        write!(
            f,
            "Truth({} connections, {issued} frames, {} faults)",
            connections.len(),
            faults.len()
        )
    }
}

impl Truth {
    /// Counts only.
    pub fn counting() -> Truth {
        Truth::default()
    }

    /// Keeps everything in memory.
    pub fn kept() -> Truth {
        Truth { keep: true, ..Truth::default() }
    }

    /// Writes everything down as well.
    #[must_use]
    pub fn written(mut self, file: Box<dyn Write + Send>) -> Truth {
        self.file = Some(BufWriter::with_capacity(1 << 16, file));
        self
    }

    /// Reads a truth file back.
    ///
    /// # Errors
    /// When it cannot be read or a line is not one of a truth file.
    pub fn read(file: impl BufRead) -> io::Result<Truth> {
        let mut truth = Truth::kept();
        for line in file.lines() {
            truth.enter(serde_json::from_str(&line?)?);
        }
        Ok(truth)
    }

    /// Enters one line.
    pub fn enter(&mut self, line: Line) {
        if let (Some(file), None) = (&mut self.file, &self.failed) {
            let written = serde_json::to_writer(&mut *file, &line).map_err(io::Error::from);
            self.failed = written.and_then(|()| file.write_all(b"\n")).err();
        }
        self.issued += u64::from(matches!(line, Line::Frame { .. }));
        match line {
            Line::Garbage { n } => self.garbage += n,
            Line::Fault { at_us, fault } => self.faults.push((TsUs(at_us), fault)),
            Line::Open { c, at_us } => self.connection(c).opened = TsUs(at_us),
            Line::Sid { c, sid, channel } => self.issued_on(c, sid).channel = channel,
            Line::Frame { c, sid, print, book, .. } if self.keep => {
                self.issued_on(c, sid).frames.push(Stamp { print, book });
            }
            Line::Fate { c, sid, seq, fate } if self.keep => {
                self.issued_on(c, sid).fates.insert(seq, fate);
            }
            Line::Frame { .. } | Line::Fate { .. } => {}
        }
    }

    fn connection(&mut self, c: usize) -> &mut Connection {
        if self.connections.len() <= c {
            self.connections.resize(c + 1, Connection::default());
        }
        &mut self.connections[c]
    }

    fn issued_on(&mut self, c: usize, sid: u32) -> &mut Issued {
        self.connection(c).sids.entry(sid).or_default()
    }

    /// Brings the file up to date.
    ///
    /// # Errors
    /// The first error that the file gave.
    pub fn flush(&mut self) -> io::Result<()> {
        match (self.failed.take(), &mut self.file) {
            (Some(error), _) => Err(error),
            (None, Some(file)) => file.flush(),
            (None, None) => Ok(()),
        }
    }
}

/// Fingerprint of a level change.
pub fn delta_print(ticker: &str, ts: Option<TsUs>, delta: &Delta) -> u64 {
    let place = (delta.side.index() as u64) << 16 | delta.price.index() as u64;
    fold(head(ticker, 1, ts), [place, delta.qty.0 as u64])
}

/// Fingerprint of a trade.
pub fn trade_print(ticker: &str, ts: Option<TsUs>, trade: &Trade) -> u64 {
    let (high, low) = trade.id.split_at(8);
    let word = |half: &[u8]| half.iter().fold(0, |w, b| w << 8 | u64::from(*b));
    let place = (trade.taker.index() as u64) << 16 | trade.yes_price.index() as u64;
    fold(head(ticker, 2, ts), [place, trade.qty.0 as u64, word(high), word(low)])
}

/// Fingerprint of a whole book, whatever the order of its levels.
pub fn snapshot_print(ticker: &str, snapshot: &Snapshot) -> u64 {
    let side = |side, levels: &[(crate::units::Price, crate::units::Qty)]| {
        levels.iter().fold(0u64, |sum, l| sum.wrapping_add(level_print(side, l.0, l.1)))
    };
    let levels = side(Side::Yes, &snapshot.yes).wrapping_add(side(Side::No, &snapshot.no));
    fold(head(ticker, 3, None), [levels])
}

/// Fingerprint of any other frame: its type and its `msg`, whatever the order of keys.
pub fn other_print(kind: &str, msg: Option<&Value>) -> u64 {
    fold(head(kind, 4, None), [msg.map_or(0, value_print)])
}

/// Fingerprint of a recorded event; `frame` is its JSON value where the event is not typed.
pub fn event_print(
    ticker: &str,
    ts: Option<TsUs>,
    body: &Body,
    frame: Option<&Value>,
) -> Option<u64> {
    match body {
        Body::Delta(delta) => Some(delta_print(ticker, ts, delta)),
        Body::Trade(trade) => Some(trade_print(ticker, ts, trade)),
        Body::Snapshot(snapshot) => Some(snapshot_print(ticker, snapshot)),
        Body::Other(_) => {
            let frame = frame?;
            let kind = frame.get("type").and_then(Value::as_str)?;
            Some(other_print(kind, frame.get("msg")))
        }
        Body::Gap(_) | Body::Healed(_) | Body::Bad(_) | Body::Market(_) => None,
    }
}

fn head(text: &str, kind: u64, ts: Option<TsUs>) -> u64 {
    fold(text_print(text), [kind, ts.map_or(0, |t| t.0 as u64)])
}

fn fold<const N: usize>(start: u64, words: [u64; N]) -> u64 {
    words.into_iter().fold(start, |h, w| mix(h.rotate_left(23) ^ w))
}

fn text_print(text: &str) -> u64 {
    text.as_bytes().chunks(8).fold(text.len() as u64, |h, chunk| {
        fold(h, [chunk.iter().fold(0, |w, b| w << 8 | u64::from(*b))])
    })
}

fn value_print(value: &Value) -> u64 {
    match value {
        Value::Object(map) => map
            .iter()
            .fold(5, |sum: u64, (k, v)| sum.wrapping_add(fold(text_print(k), [value_print(v)]))),
        Value::Array(list) => list.iter().fold(6, |h, v| fold(h, [value_print(v)])),
        other => text_print(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_gives_back_what_was_entered() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            Line::Open { c: 0, at_us: 5 },
            Line::Sid { c: 0, sid: 1, channel: "orderbook_delta".into() },
            Line::Frame { c: 0, sid: 1, seq: 1, print: u64::MAX, book: 3 },
            Line::Frame { c: 0, sid: 1, seq: 2, print: 8, book: 4 },
            Line::Fate { c: 0, sid: 1, seq: 2, fate: Fate::Dropped },
            Line::Fault { at_us: 9, fault: "drop".into() },
            Line::Garbage { n: 2 },
        ];
        let mut truth = Truth::kept().written(Box::new(path.reopen().unwrap()));
        lines.into_iter().for_each(|line| truth.enter(line));
        truth.flush().unwrap();
        let read = Truth::read(io::BufReader::new(path.reopen().unwrap())).unwrap();
        assert_eq!(read.connections, truth.connections);
        assert_eq!((read.faults, read.garbage, read.issued), (truth.faults, 2, 2));
        assert_eq!(read.connections[0].sids[&1].fates[&2], Fate::Dropped);
    }

    #[test]
    fn prints_ignore_the_order_of_keys_and_see_everything_else() {
        let a = json!({"market_tickers": ["A", "B"], "n": 1});
        let b = json!({"n": 1, "market_tickers": ["A", "B"]});
        let c = json!({"n": 1, "market_tickers": ["B", "A"]});
        assert_eq!(other_print("ok", Some(&a)), other_print("ok", Some(&b)));
        assert_ne!(other_print("ok", Some(&a)), other_print("ok", Some(&c)));
        assert_ne!(other_print("ok", Some(&a)), other_print("error", Some(&a)));
    }
}
