//! What a simulated market is: names, times, ticks, fees, and where it stands in its life.

use crate::market::TickRange;
use crate::units::Price;

/// Place in the life of a market (protocol notes 9); the words are those of the market object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Listed, not open yet.
    Initialized,
    /// Halted for a while.
    Inactive,
    /// Open for trading.
    Active,
    /// Trading ended, the outcome is not known.
    Closed,
    /// The outcome is known, not paid yet.
    Determined,
    /// Paid.
    Finalized,
}

impl Phase {
    /// The field value of `status` in a market object.
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Initialized => "initialized",
            Phase::Inactive => "inactive",
            Phase::Active => "active",
            Phase::Closed => "closed",
            Phase::Determined => "determined",
            Phase::Finalized => "finalized",
        }
    }
}

/// Tick structures that the simulator lists (protocol notes 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Whole cents.
    LinearCent,
    /// Tenths of a cent.
    DeciCent,
    /// Tenths of a cent below $0.10 and above $0.90, cents between.
    TaperedDeciCent,
    /// Hundredths of a cent below $0.01 and above $0.99, tenths between.
    CenterDeciEdgeCenti,
}

impl Structure {
    /// The exchange's name for it.
    pub const fn label(self) -> &'static str {
        match self {
            Structure::LinearCent => "linear_cent",
            Structure::DeciCent => "deci_cent",
            Structure::TaperedDeciCent => "tapered_deci_cent",
            Structure::CenterDeciEdgeCenti => "center_deci_edge_centi_cent",
        }
    }

    /// `price_ranges`: a price is valid if any of them accepts it.
    pub fn ranges(self) -> Vec<TickRange> {
        let bands: &[[i64; 3]] = match self {
            Structure::LinearCent => &[[0, 10_000, 100]],
            Structure::DeciCent => &[[0, 10_000, 10]],
            Structure::TaperedDeciCent => {
                &[[0, 1_000, 10], [1_000, 9_000, 100], [9_000, 10_000, 10]]
            }
            Structure::CenterDeciEdgeCenti => &[[0, 100, 1], [100, 9_900, 10], [9_900, 10_000, 1]],
        };
        let price = |e4| Price::new(e4).unwrap_or_default();
        bands
            .iter()
            .map(|b| TickRange { start: price(b[0]), end: price(b[1]), step: price(b[2]) })
            .collect()
    }

    /// The distance of prices that is valid over the whole range, 1e-4 dollars.
    pub const fn coarse_tick_e4(self) -> u16 {
        match self {
            Structure::LinearCent | Structure::TaperedDeciCent => 100,
            Structure::DeciCent | Structure::CenterDeciEdgeCenti => 10,
        }
    }
}

/// How a market's fees are computed (protocol notes 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeType {
    /// Takers pay.
    Quadratic,
    /// Makers pay a quarter as much.
    QuadraticWithMakerFees,
}

impl FeeType {
    /// The value of `fee_type` in a series object.
    pub const fn word(self) -> &'static str {
        match self {
            FeeType::Quadratic => "quadratic",
            FeeType::QuadraticWithMakerFees => "quadratic_with_maker_fees",
        }
    }
}

/// One market as the exchange defines it. Times are whole seconds since the epoch, as on the exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// `SIM-S7E00001-T50`.
    pub ticker: String,
    /// `SIM-S7E00001`; up to three markets share one.
    pub event_ticker: String,
    /// `SIM`, or `SIMMF` for markets with maker fees.
    pub series_ticker: &'static str,
    /// The exchange's own id.
    pub id: [u8; 16],
    /// Human title.
    pub title: String,
    /// Where it stands.
    pub phase: Phase,
    /// Listed.
    pub created_s: i64,
    /// Trading starts.
    pub open_s: i64,
    /// Trading ends, as announced last.
    pub close_s: i64,
    /// The outcome became known.
    pub determined_s: Option<i64>,
    /// Paid.
    pub settled_s: Option<i64>,
    /// Time between the outcome and the payment.
    pub settlement_timer_s: i64,
    /// What YES pays, once known.
    pub settlement: Option<Price>,
    /// Valid prices.
    pub structure: Structure,
    /// Fees.
    pub fee_type: FeeType,
}

impl Definition {
    /// True if an order may rest at `price`: on a tick and strictly between 0 and 1 dollar.
    pub fn on_grid(&self, price: Price) -> bool {
        let e4 = price.e4();
        let fits = |t: &TickRange| {
            t.start <= price && price <= t.end && (e4 - t.start.e4()) % t.step.e4() == 0
        };
        price > Price::ZERO && price < Price::ONE && self.structure.ranges().iter().any(fits)
    }

    /// `yes`, `no`, or empty while the outcome is unknown.
    pub fn result(&self) -> &'static str {
        match self.settlement {
            Some(Price::ONE) => "yes",
            Some(Price::ZERO) => "no",
            Some(_) => "scalar",
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_needs_one_band_that_accepts_it() {
        let on = |s: Structure, e4: i64| {
            s.ranges().iter().any(|t| {
                let (from, to) = (t.start.e4(), t.end.e4());
                from <= e4 && e4 <= to && (e4 - from) % t.step.e4() == 0
            })
        };
        for s in [Structure::LinearCent, Structure::DeciCent, Structure::TaperedDeciCent] {
            assert!((1..100).all(|c| on(s, c * 100)), "whole cents are valid everywhere");
        }
        assert!(on(Structure::TaperedDeciCent, 990) && !on(Structure::TaperedDeciCent, 1_010));
        assert!(on(Structure::CenterDeciEdgeCenti, 3) && !on(Structure::CenterDeciEdgeCenti, 203));
    }
}
