//! US-Eastern time of day by rule, without a zone database.
//!
//! UTC-4 from the second Sunday of March 07:00 UTC (inclusive) to the first Sunday of November 06:00
//! UTC (exclusive), else UTC-5: the rule in force since 2007, applied to every year.

use crate::wire::convert::{civil_from_days, days_from_civil};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// US-Eastern time of day of `t_ms` as a share of the day, 0..1.
pub(super) fn day_share(t_ms: i64) -> f64 {
    let (year, ..) = civil_from_days(t_ms.div_euclid(DAY_MS));
    let summer_from = nth_sunday(year, 3, 2) * DAY_MS + 7 * HOUR_MS;
    let summer_to = nth_sunday(year, 11, 1) * DAY_MS + 6 * HOUR_MS;
    let hours_behind = if (summer_from..summer_to).contains(&t_ms) { 4 } else { 5 };
    (t_ms - hours_behind * HOUR_MS).rem_euclid(DAY_MS) as f64 / DAY_MS as f64
}

/// Day number of the `n`th Sunday of a month; day 0 (1970-01-01) was a Thursday.
fn nth_sunday(year: i64, month: i64, n: i64) -> i64 {
    let first = days_from_civil(year, month, 1);
    first + (3 - first).rem_euclid(7) + 7 * (n - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(t_ms: i64, hour: i64, minute: i64) {
        let want = (hour * 60 + minute) as f64 / 1_440.0;
        assert!((day_share(t_ms) - want).abs() < 1e-12, "{} != {want}", day_share(t_ms));
    }

    #[test]
    fn clocks_change_at_two_in_the_morning_of_the_right_sundays() {
        let march_8_2026 = days_from_civil(2026, 3, 8) * DAY_MS;
        check(march_8_2026 + 7 * HOUR_MS - 60_000, 1, 59);
        check(march_8_2026 + 7 * HOUR_MS, 3, 0);
        let november_1_2026 = days_from_civil(2026, 11, 1) * DAY_MS;
        check(november_1_2026 + 6 * HOUR_MS - 60_000, 1, 59);
        check(november_1_2026 + 6 * HOUR_MS, 1, 0);
    }

    #[test]
    fn the_day_before_the_epoch_has_an_evening_too() {
        assert!(day_share(-1) < 1.0 && day_share(-1) > 18.99 / 24.0);
    }
}
