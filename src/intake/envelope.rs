//! One line of a recording: a frame, bare or with the time at which it was received.

use crate::units::TsNs;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A line unpacked: receive time where the line has one, and the frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Receive time in milliseconds, as recorded.
    pub recv: Option<TsNs>,
    /// The frame.
    pub frame: &'a [u8],
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    recv_ms: i64,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Unpacks `{"recv_ms":N,"event":FRAME}`; any other line is taken as a bare frame.
pub fn unpack(line: &[u8]) -> Line<'_> {
    if let Some(unpacked) = unpack_usual(line) {
        return unpacked;
    }
    match serde_json::from_slice::<Wrapped<'_>>(line) {
        Ok(w) => Line { recv: recv(w.recv_ms), frame: w.event.get().as_bytes() },
        Err(_) => Line { recv: None, frame: line },
    }
}

fn recv(ms: i64) -> Option<TsNs> {
    ms.checked_mul(1_000_000).map(TsNs)
}

/// The usual text without building anything: the bytes between the first colon and the last brace.
fn unpack_usual(line: &[u8]) -> Option<Line<'_>> {
    let rest = line.strip_prefix(b"{\"recv_ms\":")?;
    let digits = rest.iter().position(|b| !b.is_ascii_digit())?;
    if digits == 0 || digits > 15 {
        return None;
    }
    let ms = rest[..digits].iter().fold(0i64, |v, b| v * 10 + i64::from(b - b'0'));
    let frame = rest[digits..].strip_prefix(b",\"event\":")?.strip_suffix(b"}")?;
    // Only a frame that is itself an object may end with the second brace.
    (frame.first() == Some(&b'{') && frame.last() == Some(&b'}'))
        .then_some(Line { recv: recv(ms), frame })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_and_bare_lines_give_their_frame() {
        let want = Line { recv: Some(TsNs::from_ms(12)), frame: b"{\"type\":\"x\"}" };
        assert_eq!(unpack(br#"{"recv_ms":12,"event":{"type":"x"}}"#), want);
        assert_eq!(unpack(br#"{"event":{"type":"x"}, "recv_ms": 12}"#), want);
        let bare = br#"{"type":"x"}"#;
        assert_eq!(unpack(bare), Line { recv: None, frame: bare });
    }

    #[test]
    fn what_is_no_json_is_a_frame_that_the_decoder_will_call_bad() {
        for text in ["", "garbage", "{\"recv_ms\":12,\"event\":{\"type\"", "{\"recv_ms\":x}"] {
            assert_eq!(unpack(text.as_bytes()).recv, None, "{text}");
        }
    }
}
