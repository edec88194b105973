//! Frames of the channel `market_lifecycle_v2` (protocol notes 4.6 and 9).
//!
//! There is no frame when a market opens or closes: who needs these moments keeps a timer.

use crate::units::TsUs;
use serde_json::Value;

/// What happened to one market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// The market.
    pub ticker: String,
    /// What happened.
    pub change: Change,
    /// Trading starts, where the frame says so.
    pub open: Option<TsUs>,
    /// Trading ends, where the frame says so.
    pub close: Option<TsUs>,
}

/// The frame's `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The market was listed.
    Created,
    /// Trading goes on after a deactivation.
    Activated,
    /// Trading is interrupted.
    Deactivated,
    /// It closes at another time.
    CloseDateUpdated,
    /// The outcome is known.
    Determined,
    /// The outcome is paid out.
    Settled,
    /// Ticks, texts, or something newer than this list.
    Definition,
}

impl Lifecycle {
    /// Reads the `msg` of a frame; `None` when it names no market.
    pub fn of(msg: &Value) -> Option<Lifecycle> {
        let text = |key: &str| msg.get(key).and_then(Value::as_str);
        let time = |key: &str| {
            let seconds = msg.get(key)?.as_i64().filter(|s| *s > 0)?;
            seconds.checked_mul(1_000_000).map(TsUs)
        };
        let change = match text("event_type").unwrap_or_default() {
            "created" => Change::Created,
            "activated" => Change::Activated,
            "deactivated" => Change::Deactivated,
            "close_date_updated" => Change::CloseDateUpdated,
            "determined" => Change::Determined,
            "settled" => Change::Settled,
            _ => Change::Definition,
        };
        let ticker = text("market_ticker").filter(|t| !t.is_empty())?.to_owned();
        Some(Lifecycle { ticker, change, open: time("open_ts"), close: time("close_ts") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_created_market_tells_its_times_in_seconds() {
        let msg = json!({"event_type": "created", "market_ticker": "INXD-23SEP14-B4487",
            "open_ts": 1_694_635_200, "close_ts": 1_694_721_600});
        let read = Lifecycle::of(&msg).unwrap();
        assert_eq!(read.change, Change::Created);
        assert_eq!(read.open, Some(TsUs(1_694_635_200_000_000)));
        assert_eq!(read.close, Some(TsUs(1_694_721_600_000_000)));
    }

    #[test]
    fn odd_frames_are_read_as_far_as_they_go() {
        assert_eq!(Lifecycle::of(&json!({"event_type": "created"})), None);
        assert_eq!(Lifecycle::of(&json!([])), None);
        let odd = json!({"market_ticker": "A", "event_type": "new_word", "close_ts": i64::MAX,
            "open_ts": "soon"});
        let want = Lifecycle {
            ticker: "A".to_owned(),
            change: Change::Definition,
            open: None,
            close: None,
        };
        assert_eq!(Lifecycle::of(&odd), Some(want));
    }
}
