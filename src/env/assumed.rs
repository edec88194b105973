//! Fees that nobody told: every result says which ones it assumed.

use super::EnvConfig;
use crate::broker::{FeeSchedule, Multiplier, series_of};
use serde::Serialize;
use std::collections::BTreeSet;

/// Series that a sentence names; of more it tells the number.
const NAMED: usize = 5;

/// Series whose fees are not known, and what was taken for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssumedFees {
    /// The series, in order.
    pub series: BTreeSet<String>,
    /// Multiplier that was assumed, 1e-4.
    pub multiplier_e4: i64,
    /// Coefficient k of makers that was assumed, 1e-4.
    pub maker_k_e4: i64,
}

impl EnvConfig {
    /// What is assumed of the fees of these markets; `None` where the exchange told all of them.
    pub fn fees_assumed<'a>(&self, tickers: impl Iterator<Item = &'a str>) -> Option<AssumedFees> {
        let untold = tickers.map(series_of).filter(|series| !self.rates.contains_key(*series));
        let series: BTreeSet<String> = untold.map(str::to_owned).collect();
        let FeeSchedule { mult_e4: multiplier_e4, maker_k_e4, .. } = self.fees;
        (!series.is_empty()).then_some(AssumedFees { series, multiplier_e4, maker_k_e4 })
    }
}

impl AssumedFees {
    /// In words, with the way to know them.
    pub fn sentence(&self) -> String {
        let mut names: Vec<&str> = self.series.iter().take(NAMED).map(String::as_str).collect();
        let more = match self.series.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("{more} more"),
        };
        names.extend((!more.is_empty()).then_some(more.as_str()));
        let maker = match self.maker_k_e4 {
            0 => "no maker fee".to_owned(),
            k_e4 => format!("maker coefficient {}", decimal(k_e4)),
        };
        format!(
            "fees of {} assumed: multiplier {}, {maker}; `kflow fees fetch` asks the exchange, and --fees \
             FILE uses what it said",
            names.join(", "),
            decimal(self.multiplier_e4),
        )
    }
}

/// Parts of 10 000 as a decimal number.
fn decimal(e4: i64) -> String {
    Multiplier::try_from(e4).map_or_else(|_| format!("{e4}e-4"), |decimal| decimal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{FeeType, Rate};

    #[test]
    fn what_is_assumed_is_named_and_what_was_told_is_not() {
        let rate = Rate { fee_type: FeeType::Quadratic, multiplier: Multiplier::ONE };
        let mut rules =
            EnvConfig { rates: [("KXA".to_owned(), rate)].into(), ..EnvConfig::default() };
        assert_eq!(rules.fees_assumed(["KXA-1", "KXA-2"].into_iter()), None);
        let some = |rules: &EnvConfig| rules.fees_assumed(["KXA-1", "KXB-1", "KXB-2"].into_iter());
        let told = some(&rules).expect("KXB").sentence();
        assert!(told.starts_with("fees of KXB assumed: multiplier 1, no maker fee; "), "{told}");
        (rules.fees.maker_k_e4, rules.fees.mult_e4) = (175, 5_000);
        let told = some(&rules).expect("KXB").sentence();
        assert!(told.contains("multiplier 0.5, maker coefficient 0.0175; "), "{told}");
        let many: Vec<String> = (0..9).map(|i| format!("KX{i}-T")).collect();
        let told = rules.fees_assumed(many.iter().map(String::as_str)).expect("all").sentence();
        assert!(told.starts_with("fees of KX0, KX1, KX2, KX3, KX4, 4 more assumed"), "{told}");
    }
}
