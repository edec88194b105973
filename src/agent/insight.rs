//! What is looked at besides the result: whether the policy knows something, what it looks at, how it acts in
//! the course of a market, and how it was learned.

use super::calibration::Calibration;
use super::compare::Comparison;
use serde::Serialize;

/// Parts that a market's life is divided into.
pub const TENTHS: usize = 10;

/// Findings about the evaluated model on the held-out markets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Insight {
    /// The implied probability against the outcomes; `null` without a settled held-out market.
    pub calibration: Option<Calibration>,
    /// Shares of the actions in each tenth of the decisions of a market: `[tenth][action]`.
    pub actions_over_life: Vec<Vec<f64>>,
    /// How its models learned.
    pub curves: Vec<Curve>,
    /// What its result owes to each observation column, the most important first; empty unless asked for.
    pub importance: Vec<Importance>,
    /// Beside another model; `null` unless asked for.
    pub comparison: Option<Comparison>,
}

/// A line of the progress files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// The model: seed and split.
    pub model: String,
    /// SB3's key: `rollout/ep_rew_mean`.
    pub key: &'static str,
    /// Environment steps and value.
    pub points: Vec<[f64; 2]>,
}

/// What the result loses when one column shows what it showed at some other moment (permutation
/// importance, Breiman 2001; Fisher, Rudin and Dominici 2019).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// The column.
    pub column: &'static str,
    /// Mean return per market with the true column less that with the shuffled one.
    pub drop: f64,
    /// Its 95 % bootstrap interval, events drawn whole; `null` with fewer than two events.
    pub ci95: Option<[f64; 2]>,
    /// Share of the decisions that the shuffled column changed.
    pub changed: f64,
}
