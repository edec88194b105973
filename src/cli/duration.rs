//! Times as people write them: `500ms`, `10s`, `15m`, `2h`, `7d`.

use std::time::Duration;

/// Reads a whole number with a unit.
///
/// # Errors
/// Says what it should look like.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("write it like 500ms, 10s, 15m, 2h or 7d".into()),
    };
    let number: u64 = number.parse().map_err(|_| "a whole number and a unit, like 10s")?;
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(|| "too long".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_and_nothing_else() {
        assert_eq!(parse("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        for bad in
            ["", "5", "s", "-5s", "1.5h", "5 s", "99999999999999999999s", "999999999999999999d"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
