//! What is known about a market besides its order book: definition, times, ticks, settlement.
//!
//! **Invariant:** built only from the exchange's own market object ([`crate::wire`] reads it); a field
//! that the exchange did not send is `None`, never a guess.

use crate::units::{Price, Qty, TsUs};
use serde::{Deserialize, Serialize};

/// One market's definition and, once known, its outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MarketInfo {
    /// `KXGOLD15M-26AUG101800-00`.
    pub ticker: String,
    /// The event that groups markets with one outcome source; the cluster of the bootstrap.
    pub event_ticker: String,
    /// Human title.
    pub title: String,
    /// Trading starts.
    pub open: Option<TsUs>,
    /// Trading ends (as announced last).
    pub close: Option<TsUs>,
    /// When the outcome was known.
    pub settled: Option<TsUs>,
    /// What one YES contract paid; `None` until settled.
    pub settlement: Option<Price>,
    /// `active`, `closed`, `finalized`, ... as sent.
    pub status: String,
    /// Allowed prices; empty where unknown.
    pub ticks: Vec<TickRange>,
    /// Contracts traded over the market's whole life.
    pub volume: Option<Qty>,
}

/// Prices from `start` to `end` in steps of `step`, all in 1e-4 dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickRange {
    /// First price.
    pub start: Price,
    /// Last price.
    pub end: Price,
    /// Distance of two prices.
    pub step: Price,
}

impl MarketInfo {
    /// True if `price` lies on the tick grid, or if the grid is unknown.
    pub fn on_grid(&self, price: Price) -> bool {
        self.ticks.is_empty()
            || self.ticks.iter().any(|t| {
                t.start <= price
                    && price <= t.end
                    && t.step > Price::ZERO
                    && (price.e4() - t.start.e4()) % t.step.e4() == 0
            })
    }
}
