//! The account of a recording in words, market by market.

use super::{Accountant, Market};
use crate::event::MarketId;
use serde::Serialize;

/// What a recording holds of one market, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MarketReport {
    /// The market.
    pub ticker: String,
    /// Changes of levels.
    pub deltas: u64,
    /// Public trades.
    pub trades: u64,
    /// Whole books.
    pub snapshots: u64,
    /// True when the outcome is known.
    pub settled: bool,
    /// Everything that qualifies the data, in words; empty for a clean recording.
    pub issues: Vec<String>,
}

impl Accountant {
    /// One report per market, in order of [`MarketId`]; `name` gives the ticker.
    pub fn reports<'a>(&self, name: impl Fn(MarketId) -> &'a str) -> Vec<MarketReport> {
        let reports = self.markets.iter().enumerate().map(|(i, market)| {
            let t = &market.tally;
            let settled = market.info.as_ref().is_some_and(|i| i.settlement.is_some());
            MarketReport {
                ticker: name(MarketId(i as u32)).to_owned(),
                deltas: t.deltas,
                trades: t.trades,
                snapshots: t.snapshots,
                settled,
                issues: issues(market, settled),
            }
        });
        reports.collect()
    }
}

fn issues(market: &Market, settled: bool) -> Vec<String> {
    let t = &market.tally;
    let mut out = Vec::new();
    let mut note = |n: u64, what: &str| {
        if n > 0 {
            out.push(format!("{n} {what}"));
        }
    };
    for (cause, n) in &t.gaps {
        note(*n, &format!("gap ({cause})"));
    }
    note(t.bad, "bad frames");
    note(t.duplicates, "duplicates ignored");
    note(t.late, "late frames ignored");
    note(t.no_book, "deltas without a valid book");
    note(t.negative, "negative levels");
    note(t.crossed, "crossed or locked states");
    note(t.off_grid, "prices off the tick grid");
    match &market.info {
        None => out.push("no metadata".into()),
        Some(_) if !settled => out.push("outcome unknown".into()),
        Some(_) => {}
    }
    if t.snapshots == 0 && t.deltas > 0 {
        out.push("no snapshot".into());
    }
    out
}
