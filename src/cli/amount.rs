//! Durations and sizes as people write them, and back.

pub use crate::view::text::{of_bytes, of_seconds};
use std::time::Duration;

/// `250ms`, `10s`, `5m`, `2h`, `1d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let (number, unit) = split(text);
    let each = units.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
    let ms = each.zip(number.parse::<u64>().ok()).and_then(|(each, n)| n.checked_mul(each));
    // A hundred years: what is longer is a slip of the finger.
    match ms {
        Some(ms @ 1..=3_155_760_000_000) => Ok(Duration::from_millis(ms)),
        Some(0) => Err("must be longer than nothing".to_owned()),
        _ => Err("write a number and a unit: 250ms, 10s, 5m, 2h or 1d".to_owned()),
    }
}

/// `500B`, `64KB`, `256MB`, `2GB`, or `KiB`, `MiB`, `GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let units = [
        ("", 1),
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let (number, unit) = split(text);
    let each = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, n)| *n);
    each.zip(number.parse::<u64>().ok())
        .and_then(|(each, n): (u64, u64)| n.checked_mul(each))
        .ok_or_else(|| "write a number and a unit: 256MB, 2GB or 512MiB".to_owned())
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them_and_nothing_else_is() {
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(duration(" 2 h").unwrap(), Duration::from_secs(7_200));
        assert_eq!(bytes("256MB").unwrap(), 256_000_000);
        assert_eq!(bytes("1gib").unwrap(), 1 << 30);
        assert_eq!(bytes("7").unwrap(), 7);
        for wrong in ["", "s", "10", "0s", "-1s", "1.5h", "10 years", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "MB", "1 XB", "-1", "99999999999TB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_shown_short() {
        assert_eq!(of_bytes(0.0), "0 B");
        assert_eq!(of_bytes(999.0), "999 B");
        assert_eq!(of_bytes(1_230_000_000.0), "1.2 GB");
        assert_eq!(of_seconds(8_024), "02:13:44");
        assert_eq!(of_seconds(90_061), "1d 01:01:01");
    }
}
