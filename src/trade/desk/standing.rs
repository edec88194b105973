//! What an account must remember over a restart, and what a person wants to see of it: a file of its own beside
//! the kill switch ([`super::super::standing`] writes it).

use crate::trade::risk::Day;
use crate::units::Money;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where an account stood when it was read last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whose: the exchange and the id of the key. The start of one account's day says nothing of another's.
    pub account: String,
    /// Days since the epoch, UTC.
    pub day: i64,
    /// Equity at the first look on that day.
    pub day_start_e6: i64,
    /// Equity when this was written.
    pub equity_e6: i64,
    /// Our clock then.
    pub at_ns: i64,
    /// Orders that may still be filled, one sentence each.
    pub open: Vec<String>,
    /// Contracts held by market, +YES and -NO, 1e-2.
    pub positions_e2: BTreeMap<String, i64>,
}

impl Standing {
    /// The day to go on with, if this is `account`'s.
    pub fn day_of(&self, account: &str) -> Option<Day> {
        let day = Day { number: self.day, start: Money(self.day_start_e6) };
        (self.account == account).then_some(day)
    }

    /// True if a person would see the same: all but the moment and the equity.
    pub(super) fn is_like(&self, other: &Standing) -> bool {
        let still = |s: &Standing| Standing { at_ns: 0, equity_e6: 0, ..s.clone() };
        still(self) == still(other)
    }
}
