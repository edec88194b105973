//! Amounts as they are written for people, the same everywhere.

use crate::units::{Price, Qty};

/// `1.2 GB`.
pub fn of_bytes(bytes: f64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let place = units.iter().enumerate().rev().find(|(i, _)| bytes >= 1_000f64.powi(*i as i32));
    let (i, unit) = place.unwrap_or((0, &"B"));
    let digits = usize::from(i > 0);
    format!("{:.digits$} {unit}", bytes / 1_000f64.powi(i as i32))
}

/// `02:13:44`, days before it where there are any.
pub fn of_seconds(seconds: u64) -> String {
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match seconds / 86_400 {
        0 => clock,
        days => format!("{days}d {clock}"),
    }
}

/// `1.5 k`, `2.3 M`: counts that need not be exact.
pub fn of_count(n: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e4, "k")];
    match units.iter().find(|(least, _)| n.abs() >= *least) {
        Some((1e4, unit)) => format!("{:.1} {unit}", n / 1e3),
        Some((least, unit)) => format!("{:.1} {unit}", n / least),
        None => format!("{n:.0}"),
    }
}

/// `12s`, `4m 05s`, `3h 12m`, `2d 4h`.
pub fn of_span(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m {:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h {:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d {}h", s / 86_400, s / 3_600 % 24),
    }
}

/// `1 gap`, `2 gaps`.
pub fn of_number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Contracts with thousands apart, hundredths only where there are any: `1 200`, `0.50`.
pub fn of_qty(qty: Qty) -> String {
    let abs = qty.e2().unsigned_abs();
    let digits = (abs / 100).to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    if qty.e2() < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    match abs % 100 {
        0 => text,
        part => text + &format!(".{part:02}"),
    }
}

/// Dollars: `0.46`; a third and fourth digit only where they are not zero: `0.465`.
pub fn of_price(price: Price) -> String {
    let e4 = price.e4();
    match (e4 % 100, e4 % 10) {
        (0, _) => format!("{}.{:02}", e4 / 10_000, e4 / 100 % 100),
        (_, 0) => format!("{}.{:03}", e4 / 10_000, e4 / 10 % 1_000),
        _ => format!("{}.{:04}", e4 / 10_000, e4 % 10_000),
    }
}

/// Cents: `46¢`, `46.5¢`.
pub fn of_cents(price: Price) -> String {
    let e4 = price.e4();
    match (e4 % 100, e4 % 10) {
        (0, _) => format!("{}¢", e4 / 100),
        (part, 0) => format!("{}.{}¢", e4 / 100, part / 10),
        (part, _) => format!("{}.{part:02}¢", e4 / 100),
    }
}

/// Dollars with their sign and cents: `+12.34`.
pub fn of_profit(e6: i64) -> String {
    format!("{:+.2}", e6 as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_exact_where_it_matters() {
        let price = |e4| of_price(Price::new(e4).expect("in range"));
        assert_eq!(
            [price(4_600), price(4_650), price(4_655), price(10_000)],
            ["0.46", "0.465", "0.4655", "1.00"]
        );
        let cents = |e4| of_cents(Price::new(e4).expect("in range"));
        assert_eq!([cents(4_600), cents(4_650), cents(5)], ["46¢", "46.5¢", "0.05¢"]);
        let qty = |e2| of_qty(Qty(e2));
        assert_eq!(
            [qty(120_000), qty(-50), qty(99_999), qty(123_456_700)],
            ["1 200", "-0.50", "999.99", "1 234 567"]
        );
        assert_eq!(
            [of_span(5), of_span(245), of_span(11_520), of_span(200_000)],
            ["5s", "4m 05s", "3h 12m", "2d 7h"]
        );
        assert_eq!(
            [of_count(812.0), of_count(12_300.0), of_count(4.2e6)],
            ["812", "12.3 k", "4.2 M"]
        );
    }
}
