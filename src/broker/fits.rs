//! What calibration found out about the queues of each series: the exponent of the fitted queue, and how far it
//! can be trusted.
//!
//! A file of fits is TOML, one table per series (the ticker up to its first `-`):
//!
//! ```toml
//! schema_version = 1
//!
//! [series.KXGOLD15M]
//! exponent_e2 = 230           # hundredths, see `Exponent`
//! at_end = false              # true: at the end of the range tried, the best one may lie beyond; absent: not known
//! truth = "recorded"          # or "simulated": what it was fitted to
//! fitted = "2026-11-21"       # day, UTC
//! train_orders = 900
//! train_looks = 21000         # places compared while fitting
//! test_orders = 380
//! test_looks = 9000           # places compared on later orders; all that follows is about these
//! mean_error_e2 = 1250        # mean distance of the fitted queue from the truth, hundredths of a contract
//! uniform_mean_error_e2 = 1900
//! bias_e2 = -120              # positive: the fitted queue believes in more contracts before us than there are
//! coverage_e4 = 10000         # parts of 10 000 of the places that lay inside the bracket
//! ```

use super::{Exponent, QueueModel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The fits of all calibrated series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFits {
    /// Version of the file's form; [`QueueFits::SCHEMA`].
    pub schema_version: u32,
    /// By series.
    #[serde(default)]
    pub series: BTreeMap<String, QueueFit>,
}

/// What the places of the orders were known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// The simulator's order ids.
    Simulated,
    /// Queue positions that the exchange told an account.
    Recorded,
}

/// The fit of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFit {
    /// Of [`QueueModel::Power`], hundredths.
    #[serde(rename = "exponent_e2")]
    pub exponent: Exponent,
    /// It stands at the end of the range tried: the best one may lie beyond. Files of before do not say.
    #[serde(default)]
    pub at_end: bool,
    /// What it was fitted to.
    pub truth: Truth,
    /// The day of the fit, `YYYY-MM-DD`, UTC.
    pub fitted: String,
    /// Orders fitted to.
    pub train_orders: u64,
    /// Places compared while fitting.
    pub train_looks: u64,
    /// Later orders on which it was tried.
    pub test_orders: u64,
    /// Places compared there; the errors below are about these.
    pub test_looks: u64,
    /// Mean distance of the fitted queue from the truth, hundredths of a contract.
    pub mean_error_e2: i64,
    /// The same of the uniform model.
    pub uniform_mean_error_e2: i64,
    /// Mean of fitted less true, hundredths of a contract.
    pub bias_e2: i64,
    /// Places inside the bracket, parts of 10 000.
    pub coverage_e4: i64,
}

impl QueueFits {
    /// The form that this version writes and reads.
    pub const SCHEMA: u32 = 1;

    /// The model of the fitted queue for a market: that of its series, else what is used until a series is
    /// calibrated ([`Exponent::TWO`]).
    pub fn model(&self, ticker: &str) -> QueueModel {
        let fit = self.series.get(series_of(ticker));
        QueueModel::Power(fit.map_or(Exponent::TWO, |fit| fit.exponent))
    }
}

/// The series of a market: its ticker up to the first `-`.
pub fn series_of(ticker: &str) -> &str {
    ticker.split('-').next().unwrap_or(ticker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_market_takes_the_exponent_of_its_series_and_two_without_one() {
        let text = r#"{"schema_version":1,"series":{"KXA":{"exponent_e2":150,"truth":"recorded",
            "fitted":"2026-11-21","train_orders":1,"train_looks":1,"test_orders":1,"test_looks":1,
            "mean_error_e2":1,"uniform_mean_error_e2":2,"bias_e2":0,"coverage_e4":10000}}}"#;
        let fits: QueueFits = serde_json::from_str(text).unwrap();
        let power = |e2| QueueModel::Power(Exponent::new(e2).unwrap());
        assert_eq!(fits.model("KXA-26AUG-00"), power(150));
        assert_eq!(fits.model("KXAB-26AUG-00"), power(200));
        assert!(serde_json::from_str::<QueueFits>(&text.replace("150", "801")).is_err());
        // Written before the flag was, and since.
        assert!(!fits.series["KXA"].at_end);
        let said = text.replace(r#""truth""#, r#""at_end":true,"truth""#);
        assert!(serde_json::from_str::<QueueFits>(&said).unwrap().series["KXA"].at_end);
    }
}
