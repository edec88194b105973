//! What happens to frames between being numbered and being sent.

use crate::sim::script::Garbage;
use std::collections::VecDeque;

/// A frame as it goes onto the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// A text frame.
    Text(String),
    /// A text frame whose bytes are not UTF-8.
    RawText(Vec<u8>),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A close frame with this code, then the end.
    Close(u16),
    /// The end without a word.
    Cut,
    /// A TCP reset.
    Reset,
    /// From here on nothing is answered and nothing is sent.
    Mute,
    /// For so many milliseconds, read a few bytes at a time.
    ReadSlowly(u32),
}

/// Faults that wait for the next frames of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mangle {
    pub(super) drop: u32,
    pub(super) duplicate: u32,
    pub(super) delay: (u32, u32),
    /// Kind, how many, size of the large ones.
    pub(super) garble: Option<(Garbage, u32, u32)>,
    /// The next frame waits for so many others.
    pub(super) reorder: u32,
    /// A frame that waits, and for how many others.
    held: VecDeque<(Out, u32)>,
}

impl Mangle {
    /// True while frames go through untouched: the only question that costs anything without faults.
    pub(super) fn is_idle(&self) -> bool {
        *self == Mangle::default()
    }

    /// Takes one from a count; true if there was one.
    pub(super) fn take(count: &mut u32) -> bool {
        let had = *count > 0;
        *count -= u32::from(had);
        had
    }

    /// Something unreadable in the place of a frame, if that is due.
    pub(super) fn garbled(&mut self, frame: &str) -> Option<Out> {
        let (kind, left, bytes) = self.garble.as_mut()?;
        let out = garbage(*kind, frame, *bytes);
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.garble = None;
        }
        Some(out)
    }

    /// Holds a frame back until `n` others went.
    pub(super) fn hold(&mut self, frame: Out, n: u32) {
        self.held.push_back((frame, n));
    }

    /// One frame went: those that waited for it.
    pub(super) fn released(&mut self, into: &mut Vec<Out>) {
        for held in &mut self.held {
            held.1 = held.1.saturating_sub(1);
        }
        while let Some((frame, _)) = self.held.pop_front_if(|h| h.1 == 0) {
            into.push(frame);
        }
    }
}

/// An unreadable frame; `like` is a real one that it may resemble.
pub(super) fn garbage(kind: Garbage, like: &str, bytes: u32) -> Out {
    match kind {
        Garbage::InvalidUtf8 => {
            let mut raw = like.as_bytes().to_vec();
            let at = raw.len() / 2;
            raw.splice(at..at, [0xff, 0xc0, 0xaf]);
            Out::RawText(raw)
        }
        Garbage::Truncated => Out::Text(like[..like.len() / 2].to_owned()),
        Garbage::WrongTypes => Out::Text(wrong(like, "{\"nested\":[1,null]}")),
        Garbage::NotANumber => Out::Text(wrong(like, "\"NaN\"")),
        Garbage::Binary => Out::Binary(like.as_bytes().iter().rev().copied().collect()),
        Garbage::Deep => {
            let depth = (bytes as usize / 2).clamp(1, 100_000);
            Out::Text("[".repeat(depth) + &"]".repeat(depth))
        }
        Garbage::Huge => {
            let filler = "x".repeat(bytes as usize);
            Out::Text(format!("{{\"type\":\"huge\",\"msg\":\"{filler}\"}}"))
        }
        Garbage::UnknownType => Out::Text("{\"type\":\"never_heard_of\",\"msg\":{}}".to_owned()),
    }
}

/// The frame with a market, a price and levels of another kind, type and numbers kept.
fn wrong(like: &str, value: &str) -> String {
    let head = like.split(",\"msg\":").next().unwrap_or_default().trim_end_matches('}');
    let keys = ["market_ticker", "price_dollars", "yes_dollars_fp"];
    let msg = keys.map(|key| format!("\"{key}\":{value}")).join(",");
    format!("{head},\"msg\":{{{msg}}}}}")
}
