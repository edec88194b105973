//! The numbers of accounting cases: each is what it claims to be, or the case fails in words.

use super::{CheckError, golden};
use crate::broker::Intent;
use crate::units::{Money, Price, Qty};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Bounds far above any real case, so that no sum over a file can leave 64 bits.
const MAX_QTY_E2: i64 = 100_000_000_000;
const MAX_MONEY_E6: i64 = 1_000_000_000_000_000;
const MAX_RATE_E4: i64 = 100_000;
const MAX_UNIT_E6: i64 = 1_000_000;

/// Every case of `path`.
///
/// # Errors
/// When the file cannot be read, or names the line that is not a case.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, CheckError> {
    golden::lines(path)?.iter().map(|line| golden::parse(path, line)).collect()
}

/// A price of a case.
pub(super) fn price(e4: i64) -> Result<Price, String> {
    Price::new(e4).ok_or_else(|| format!("price {e4} is outside 0..=10000"))
}

/// A positive size of a case.
pub(super) fn qty(e2: i64) -> Result<Qty, String> {
    within("quantity", e2, 1, MAX_QTY_E2).map(Qty)
}

/// An amount of a case that is not negative.
pub(super) fn money(e6: i64) -> Result<Money, String> {
    within("amount", e6, 0, MAX_MONEY_E6).map(Money)
}

/// A fee coefficient or multiplier of a case.
pub(super) fn rate(e4: i64) -> Result<i64, String> {
    within("fee rate", e4, 0, MAX_RATE_E4)
}

/// A rounding unit of a case.
pub(super) fn unit(e6: i64) -> Result<i64, String> {
    within("rounding unit", e6, 1, MAX_UNIT_E6)
}

/// The trade called `name`.
pub(super) fn intent(name: &str) -> Result<Intent, String> {
    let found = Intent::ALL.into_iter().find(|intent| intent.name() == name);
    found.ok_or_else(|| format!("unknown side {name:?}"))
}

fn within(what: &str, value: i64, low: i64, high: i64) -> Result<i64, String> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{what} {value} is outside {low}..={high}"))
    }
}
