//! Text to units and back, exactly.
//!
//! Prices come as `"0.4500"`, sizes as `"28.00"`, fees as `"0.054600"`, times as RFC 3339 with the
//! trailing zeros of the fraction cut (`.00174Z`). More digits than a unit holds are accepted only when
//! they are zeros.

use crate::units::{Money, Price, Qty, TsUs};

/// Why a text is not a number of the wanted unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// Not a plain decimal number.
    #[error("`{0}` is not a decimal number")]
    NotDecimal(String),
    /// More decimals than the unit holds.
    #[error("`{0}` has more than {1} decimals")]
    TooFine(String, u32),
    /// Outside of what the unit holds.
    #[error("`{0}` is out of range")]
    Range(String),
    /// Not a UTC time in RFC 3339.
    #[error("`{0}` is not a UTC time such as 2026-08-10T21:46:09.379425Z")]
    NotTime(String),
    /// Not a UUID in lower-case hyphenated form.
    #[error("`{0}` is not a lower-case UUID")]
    NotUuid(String),
}

fn owned(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A decimal text as an integer with `digits` decimals.
///
/// # Errors
/// When it is no decimal, has more decimals, or does not fit an `i64`.
pub fn decimal(text: &[u8], digits: u32) -> Result<i64, ConvertError> {
    let (negative, body) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match body.iter().position(|b| *b == b'.') {
        Some(dot) => (&body[..dot], &body[dot + 1..]),
        None => (body, &body[..0]),
    };
    let is_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let dangling = body.last() == Some(&b'.');
    if whole.is_empty() || dangling || !is_digits(whole) || !is_digits(fraction) {
        return Err(ConvertError::NotDecimal(owned(text)));
    }
    let kept = fraction.len().min(digits as usize);
    if fraction[kept..].iter().any(|b| *b != b'0') {
        return Err(ConvertError::TooFine(owned(text), digits));
    }
    let padding = std::iter::repeat_n(&b'0', digits as usize - kept);
    let mut value = 0i64;
    for digit in whole.iter().chain(&fraction[..kept]).chain(padding) {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i64::from(digit - b'0')))
            .ok_or_else(|| ConvertError::Range(owned(text)))?;
    }
    Ok(if negative { -value } else { value })
}

/// A price in dollars, 0..=1.
///
/// # Errors
/// As [`decimal`], and outside of 0..=1.
pub fn price(text: &[u8]) -> Result<Price, ConvertError> {
    Price::new(decimal(text, 4)?).ok_or_else(|| ConvertError::Range(owned(text)))
}

/// A number of contracts, signed.
///
/// # Errors
/// As [`decimal`].
pub fn qty(text: &[u8]) -> Result<Qty, ConvertError> {
    decimal(text, 2).map(Qty)
}

/// An amount of dollars, signed.
///
/// # Errors
/// As [`decimal`].
pub fn money(text: &[u8]) -> Result<Money, ConvertError> {
    decimal(text, 6).map(Money)
}

/// Days since the epoch of a date in the Gregorian calendar (Hinnant, "chrono-compatible date algorithms").
pub const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a count of days since the epoch.
pub const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z - era * 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let mp = (5 * of_year + 2) / 153;
    let day = of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (year + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

/// A UTC time in RFC 3339 with up to six decimals.
///
/// # Errors
/// When the text has another shape or names no real time.
pub fn time(text: &[u8]) -> Result<TsUs, ConvertError> {
    let bad = || ConvertError::NotTime(owned(text));
    let digits = |from: usize, to: usize| -> Option<i64> {
        text.get(from..to)?
            .iter()
            .try_fold(0i64, |v, b| b.is_ascii_digit().then(|| v * 10 + i64::from(b - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| text.get(*at) != Some(mark)) || text.last() != Some(&b'Z') {
        return Err(bad());
    }
    let field = |from, to, max| digits(from, to).filter(|v| *v <= max).ok_or_else(bad);
    let days = days_from_civil(field(0, 4, 9_999)?, field(5, 7, 12)?, field(8, 10, 31)?);
    let seconds = field(11, 13, 23)? * 3_600 + field(14, 16, 59)? * 60 + field(17, 19, 60)?;
    let fraction = match &text[19..text.len() - 1] {
        [] => 0,
        [b'.', rest @ ..] if (1..=6).contains(&rest.len()) => {
            digits(20, 20 + rest.len()).ok_or_else(bad)? * 10i64.pow(6 - rest.len() as u32)
        }
        // Stamps of metadata carry up to nanoseconds; what is below a microsecond is not kept here.
        [b'.', rest @ ..] if (7..=9).contains(&rest.len()) => digits(20, 26).ok_or_else(bad)?,
        _ => return Err(bad()),
    };
    Ok(TsUs((days * 86_400 + seconds) * 1_000_000 + fraction))
}

/// RFC 3339 text of a time, the fraction without trailing zeros, as the exchange writes it.
pub fn time_text(ts: TsUs) -> String {
    let (seconds, us) = (ts.0.div_euclid(1_000_000), ts.0.rem_euclid(1_000_000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (h, m, s) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let fraction =
        if us == 0 { String::new() } else { format!(".{us:06}").trim_end_matches('0').to_owned() };
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}{fraction}Z")
}

/// The bytes of a lower-case hyphenated UUID.
///
/// # Errors
/// When the text has another shape.
pub fn uuid(text: &[u8]) -> Result<[u8; 16], ConvertError> {
    parse_uuid(text).ok_or_else(|| ConvertError::NotUuid(owned(text)))
}

fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut out = [0u8; 16];
    let mut at = 0;
    for (i, byte) in out.iter_mut().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = nibble(text[at])? << 4 | nibble(text[at + 1])?;
        at += 2;
    }
    Some(out)
}

/// The lower-case hyphenated text of a UUID.
pub fn uuid_text(bytes: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(bytes).hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cents_that_floats_get_wrong_are_exact() {
        for (text, e4) in [("0.29", 2_900), ("0.57", 5_700), ("0.58", 5_800), ("1.0000", 10_000)] {
            assert_eq!(price(text.as_bytes()), Ok(Price::new(e4).expect("in range")));
        }
    }

    #[test]
    fn what_is_no_exact_price_is_refused() {
        for text in
            ["", ".", "1.", "-0.1", "1.0001", "0.00001", "1e-1", "NaN", "0,5", "+0.5", " 0.5"]
        {
            assert!(price(text.as_bytes()).is_err(), "{text}");
        }
        assert!(price(b"0.45000").is_ok(), "zeros beyond the unit are harmless");
    }

    #[test]
    fn times_keep_microseconds_and_lose_trailing_zeros() {
        let ts = time(b"2026-08-10T21:46:09.00174Z").expect("time");
        assert_eq!(ts, TsUs(1_786_398_369_001_740));
        assert_eq!(time_text(ts), "2026-08-10T21:46:09.00174Z");
        assert_eq!(time_text(TsUs(0)), "1970-01-01T00:00:00Z");
        for bad in [
            "2026-08-10",
            "2026-13-10T21:46:09Z",
            "2026-08-10T21:46:09+01:00",
            "2026-08-10T21:46:09.Z",
        ] {
            assert!(time(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_of_a_unit_reads_back(e4 in 0i64..=10_000, e2 in any::<i32>(), us in 0i64..4_000_000_000_000_000) {
            let p = Price::new(e4).expect("in range");
            prop_assert_eq!(price(p.to_string().as_bytes()), Ok(p));
            let q = Qty(i64::from(e2));
            prop_assert_eq!(qty(q.to_string().as_bytes()), Ok(q));
            prop_assert_eq!(time(time_text(TsUs(us)).as_bytes()), Ok(TsUs(us)));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (price(&bytes), qty(&bytes), money(&bytes), time(&bytes), uuid(&bytes));
        }
    }
}
