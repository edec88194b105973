//! Fees by series: what the exchange says of each series, and what that makes of the fee formula in its markets.
//!
//! A file of fees is TOML, one table per series (the ticker up to its first `-`):
//!
//! ```toml
//! schema_version = 1
//!
//! [series.KXGOLD15M]
//! fee_type = "quadratic"      # as the exchange spells it
//! multiplier_e4 = 10000       # parts of 10 000: 1
//! asked = "2026-11-22"        # day, UTC
//! ```
//!
//! Not followed: an event's own fees (`fee_type_override`, `fee_multiplier_override`), which can be dearer than
//! its series'; and a market's `fee_waiver_expiration_time`, which only makes it cheaper.

use super::fees::MAKER_K_E4;
use super::{FeeSchedule, series_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The fees of all series that the exchange was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesFees {
    /// Version of the file's form; [`SeriesFees::SCHEMA`].
    pub schema_version: u32,
    /// By series.
    #[serde(default)]
    pub series: BTreeMap<String, SeriesFee>,
}

/// What the exchange said of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesFee {
    /// How fees are computed.
    pub fee_type: FeeType,
    /// What they are multiplied by.
    #[serde(rename = "multiplier_e4")]
    pub multiplier: Multiplier,
    /// The day when it was asked, `YYYY-MM-DD`, UTC.
    pub asked: String,
}

/// Rates by series; a series without an entry has those of its schedule.
pub type Rates = BTreeMap<String, Rate>;

/// What of a series the fee formula needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How fees are computed.
    pub fee_type: FeeType,
    /// What they are multiplied by.
    #[serde(rename = "multiplier_e4")]
    pub multiplier: Multiplier,
}

/// How the fees of a series are computed (protocol notes 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum FeeType {
    /// Takers pay.
    Quadratic,
    /// Makers pay a quarter as much.
    WithMakerFees,
    /// Makers of combos pay. What other makers pay there is not published: here they pay the same, so that no
    /// result flatters.
    WithComboMakerFees,
}

/// A type of fees that is not computed here: `flat` has a table of its own that is not published in the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fee type `{0}` cannot be computed; known are {known}", known = FeeType::WORDS.join(", "))]
pub struct UnknownFeeType(pub String);

impl FeeType {
    const ALL: [FeeType; 3] =
        [FeeType::Quadratic, FeeType::WithMakerFees, FeeType::WithComboMakerFees];
    const WORDS: [&'static str; 3] =
        ["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"];

    /// As the exchange spells it.
    pub const fn word(self) -> &'static str {
        FeeType::WORDS[self as usize]
    }

    /// Coefficient k of a maker, 1e-4.
    pub const fn maker_k_e4(self) -> i64 {
        match self {
            FeeType::Quadratic => 0,
            FeeType::WithMakerFees | FeeType::WithComboMakerFees => MAKER_K_E4,
        }
    }
}

impl TryFrom<String> for FeeType {
    type Error = UnknownFeeType;
    fn try_from(word: String) -> Result<FeeType, UnknownFeeType> {
        let known = FeeType::ALL.into_iter().find(|fee_type| fee_type.word() == word);
        known.ok_or(UnknownFeeType(word))
    }
}

impl From<FeeType> for &'static str {
    fn from(fee_type: FeeType) -> &'static str {
        fee_type.word()
    }
}

/// The multiplier M of a series in parts of 10 000, 0..=100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Multiplier(i64);

/// A multiplier below 0 or above 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fee multiplier of {0} parts of 10 000 is not between 0 and {max}", max = Multiplier::MAX.0)]
pub struct NoMultiplier(i64);

impl Multiplier {
    /// A hundred: 0, 0.5 and 1 were seen; with it the products of the formula fit 128 bits by far.
    pub const MAX: Multiplier = Multiplier(1_000_000);
    /// One.
    pub const ONE: Multiplier = Multiplier(10_000);

    /// The multiplier in parts of 10 000.
    pub const fn e4(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Multiplier {
    type Error = NoMultiplier;
    fn try_from(e4: i64) -> Result<Multiplier, NoMultiplier> {
        if (0..=Multiplier::MAX.0).contains(&e4) {
            Ok(Multiplier(e4))
        } else {
            Err(NoMultiplier(e4))
        }
    }
}

impl From<Multiplier> for i64 {
    fn from(multiplier: Multiplier) -> i64 {
        multiplier.0
    }
}

impl std::fmt::Display for Multiplier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, parts) = (self.0 / 10_000, self.0 % 10_000);
        let text = format!("{whole}.{parts:04}");
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl SeriesFees {
    /// The form that this version writes and reads.
    pub const SCHEMA: u32 = 1;

    /// What the fee formula needs of them.
    pub fn rates(&self) -> Rates {
        let rate = |fee: &SeriesFee| Rate { fee_type: fee.fee_type, multiplier: fee.multiplier };
        self.series.iter().map(|(series, fee)| (series.clone(), rate(fee))).collect()
    }
}

/// What fills cost in each market.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketFees {
    /// Where the series has no entry in `rates`; precision, rounding and the taker's coefficient everywhere.
    pub base: FeeSchedule,
    /// By series.
    pub rates: Rates,
}

impl MarketFees {
    /// What fills cost in the market `ticker`.
    pub fn of(&self, ticker: &str) -> FeeSchedule {
        self.base.in_market(ticker, &self.rates)
    }
}

impl FeeSchedule {
    /// This schedule with multiplier and maker's coefficient of the market's series, where `rates` tells them.
    #[must_use]
    pub fn in_market(self, ticker: &str, rates: &Rates) -> FeeSchedule {
        let Some(rate) = rates.get(series_of(ticker)) else { return self };
        let (mult_e4, maker_k_e4) = (rate.multiplier.e4(), rate.fee_type.maker_k_e4());
        FeeSchedule { mult_e4, maker_k_e4, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Role;
    use crate::units::{Price, Qty};
    use proptest::prelude::*;

    fn file(fee_type: &str, multiplier_e4: &str) -> Result<SeriesFees, serde_json::Error> {
        let entry = format!(r#""fee_type":"{fee_type}","multiplier_e4":{multiplier_e4}"#);
        serde_json::from_str(&format!(
            r#"{{"schema_version":1,"series":{{"KXA":{{{entry},"asked":"2026-11-22"}}}}}}"#
        ))
    }

    #[test]
    fn what_cannot_be_computed_is_refused_by_name() {
        let why = |fee_type, multiplier| file(fee_type, multiplier).unwrap_err().to_string();
        assert!(why("flat", "10000").contains("fee type `flat` cannot be computed"));
        assert!(why("Quadratic", "10000").contains("known are quadratic, quadratic_with_maker"));
        assert!(why("quadratic", "-1").contains("multiplier of -1 parts"));
        assert!(why("quadratic", "1000001").contains("not between 0 and 1000000"));
        assert!(file("quadratic", "0.5").is_err(), "no float");
        assert!(file("quadratic", "1,\"asked_by\":\"me\"").is_err(), "no unknown field");
        let words = FeeType::ALL.map(FeeType::word);
        assert!(words.iter().all(|word| file(word, "5000").is_ok()));
    }

    #[test]
    fn multipliers_are_shown_as_the_exchange_writes_them() {
        let shown = [0, 1, 5_000, 10_000, 12_500, 200_000].map(|e4| Multiplier(e4).to_string());
        assert_eq!(shown, ["0", "0.0001", "0.5", "1", "1.25", "20"]);
    }

    proptest! {
        /// Fee notes, step 1, with M and k of the series: M k C P (1 - P), up to the next millionth; elsewhere
        /// M = 1 and no maker fee.
        #[test]
        fn a_fill_pays_the_formula_with_the_rates_of_its_series(
            which in 0usize..3, mult in 0i64..=1_000_000, price in 1i64..10_000, qty in 1i64..1_000_000_000
        ) {
            let word = FeeType::WORDS[which];
            let rates = file(word, &mult.to_string()).expect("a file").rates();
            let fees = MarketFees { rates, ..MarketFees::default() };
            let yes = Price::new(price).expect("in range");
            let variance = i128::from(price * (10_000 - price)) * i128::from(qty);
            let maker_k = if word == "quadratic" { 0 } else { 175 };
            for (ticker, mult, maker_k) in [("KXA-26AUG-T1", mult, maker_k), ("KXAB-26AUG-T1", 10_000, 0)] {
                for (role, k) in [(Role::Taker, 700), (Role::Maker, maker_k)] {
                    let paid = fees.of(ticker).trade_fee(role, yes, Qty(qty));
                    let exact_e18 = i128::from(mult * k) * variance;
                    let over_e18 = i128::from(paid.e6()) * 1_000_000_000_000 - exact_e18;
                    prop_assert!((0..1_000_000_000_000).contains(&over_e18), "{ticker} {role:?}");
                }
            }
        }
    }
}
