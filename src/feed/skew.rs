//! How far our clock is from the exchange's, by the `Date` of its replies. Pure.
//!
//! A signature holds the time, and the exchange refuses one that is too far off. `Date` has whole seconds and
//! lies somewhere between request and reply, so it bounds the difference from both sides; only what lies
//! outside of these bounds is believed.

use crate::wire::convert;

/// A correction is changed when it is off by more than this: `Date` is no finer.
const TOLERATED_MS: i64 = 1_000;

/// The exchange's clock minus ours, as last seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skew {
    offset_ms: i64,
}

impl Skew {
    /// Takes the `Date` header of a reply to a request sent at `sent_ms` and answered at `got_ms`, both by our
    /// clock. True when the correction changed by more than a second.
    pub(super) fn observe(&mut self, date: &str, sent_ms: i64, got_ms: i64) -> bool {
        let Some(date_ms) = http_date_ms(date) else { return false };
        // The reply was stamped at date..date+1 s, and between sent and got.
        let (low, high) = (date_ms - got_ms, date_ms + 1_000 - sent_ms);
        let seen = if (low..=high).contains(&0) { 0 } else { low + (high - low) / 2 };
        let changed = (seen - self.offset_ms).abs() > TOLERATED_MS;
        if changed || seen == 0 {
            self.offset_ms = seen;
        }
        changed
    }

    /// Milliseconds to add to our clock to get the exchange's; 0 when the two agree to a second.
    pub(super) fn offset_ms(&self) -> i64 {
        self.offset_ms
    }
}

/// `Sat, 21 Nov 2026 11:17:41 GMT` (RFC 9110, 5.6.7) in milliseconds since the epoch.
fn http_date_ms(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let (day, month, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next() != Some("GMT") {
        return None;
    }
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let text = format!("{year}-{month:02}-{day}T{clock}Z");
    convert::time(text.as_bytes()).ok().map(|ts| ts.0 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TsUs;
    use proptest::prelude::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const DATE_MS: i64 = 784_111_777_000;

    #[test]
    fn an_http_date_is_read_and_nothing_else() {
        assert_eq!(http_date_ms(DATE), Some(DATE_MS));
        for text in ["", "Sun", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"] {
            assert_eq!(http_date_ms(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_that_is_an_hour_off_is_corrected_once_and_back_again() {
        let mut skew = Skew::default();
        let hour_ms = 3_600_000;
        let ours = DATE_MS + hour_ms;
        assert!(skew.observe(DATE, ours, ours + 40), "told once");
        assert!((skew.offset_ms() + hour_ms).abs() <= 1_000, "{}", skew.offset_ms());
        assert!(!skew.observe(DATE, ours + 300, ours + 340), "not again");
        assert!(skew.observe(DATE, DATE_MS + 300, DATE_MS + 340), "the clock was set");
        assert_eq!(skew.offset_ms(), 0);
    }

    proptest! {
        /// Whatever the delays, the corrected clock is no further off than the delay and the coarse
        /// `Date` allow, and a right clock is never touched.
        #[test]
        fn the_correction_is_as_good_as_the_evidence(
            true_offset_ms in -10_000_000i64..10_000_000,
            sent_ms in 1_700_000_000_000i64..1_800_000_000_000,
            there_ms in 0i64..3_000, back_ms in 0i64..3_000,
        ) {
            let stamped_ms = sent_ms + there_ms + true_offset_ms;
            let text = convert::time_text(TsUs(stamped_ms.div_euclid(1_000) * 1_000_000));
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
                "Nov", "Dec"];
            let month = months[text[5..7].parse::<usize>().unwrap() - 1];
            let date = format!("Mon, {} {month} {} {} GMT", &text[8..10], &text[..4], &text[11..19]);
            let mut skew = Skew::default();
            skew.observe(&date, sent_ms, sent_ms + there_ms + back_ms);
            let left_ms = (true_offset_ms - skew.offset_ms()).abs();
            prop_assert!(left_ms <= 1_500 + there_ms + back_ms, "{left_ms} ms left");
            if true_offset_ms == 0 {
                prop_assert_eq!(skew.offset_ms(), 0);
            }
        }
    }
}
