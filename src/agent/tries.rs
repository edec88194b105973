//! What many tries do to the best of them.
//!
//! Whoever tries a hundred strategies that know nothing finds one that looks good. Two corrections:
//!
//! * the **deflated Sharpe ratio** (Bailey and Lopez de Prado 2014): the probability that the true Sharpe
//!   ratio is above what the best of `N` worthless tries is expected to show,
//!   `DSR = Phi((SR - SR0) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))` with
//!   `SR0 = sqrt(V) ((1 - e) Phi^-1(1 - 1/N) + e Phi^-1(1 - 1/(N exp 1)))`: `SR` not annualised over `T`
//!   results of skewness `g3` and kurtosis `g4`, `V` the variance of the tries' Sharpe ratios, `e` Euler's
//!   constant;
//! * the **probability of backtest overfitting** by combinatorially symmetric cross-validation (Bailey,
//!   Borwein, Lopez de Prado and Zhu 2015): over all ways to halve the results in time, how often the best
//!   of one half is below the median of the other.

use super::stats;
use serde::{Deserialize, Serialize};

/// The deflated Sharpe ratio that a finding needs.
pub const DEFLATED_MIN: f64 = 0.95;
/// Blocks of the cross-validation at most: 12 870 ways to halve them.
const BLOCKS_MAX: usize = 16;
const EULER: f64 = 0.577_215_664_901_532_9;

/// How often was tried, before a model was chosen: `tries.json` in a search's folder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tries {
    /// Configurations tried.
    pub tries: usize,
    /// Variance of their Sharpe ratios per market; unknown until all were scored.
    pub sharpe_variance: Option<f64>,
    /// Probability of backtest overfitting of their choice ([`overfitting`]), where it is known.
    pub overfitting: Option<f64>,
}

/// A Sharpe ratio after the number of tries has been taken into account.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Deflated {
    /// Configurations tried.
    pub tries: usize,
    /// Results: events, not markets.
    pub results: usize,
    /// Mean / standard deviation of the results.
    pub sharpe: f64,
    /// What the best of so many worthless tries is expected to show.
    pub expected_best: f64,
    /// Probability that the true Sharpe ratio is above that, 0..=1.
    pub deflated: f64,
    /// Probability of backtest overfitting of the choice.
    pub overfitting: Option<f64>,
}

impl Tries {
    /// Deflates the Sharpe ratio of `results`; `None` where they are fewer than three or do not vary.
    pub fn deflate(&self, results: &[f64]) -> Option<Deflated> {
        let sharpe = sharpe(results).filter(|_| results.len() > 2)?;
        // Worthless independent tries vary by 1 / T (Lo 2002): what holds until they have been scored.
        let variance = self.sharpe_variance.unwrap_or(1.0 / results.len() as f64);
        let expected_best = expected_best(self.tries, variance);
        let deflated = probabilistic_sharpe(results, expected_best)?;
        let Tries { tries, overfitting, .. } = *self;
        Some(Deflated {
            tries,
            results: results.len(),
            sharpe,
            expected_best,
            deflated,
            overfitting,
        })
    }
}

/// Mean / standard deviation; `None` without deviation.
pub fn sharpe(results: &[f64]) -> Option<f64> {
    let mean = stats::mean(results)?;
    // What rounding leaves of equal results is no deviation.
    let sd = stats::sd(results).filter(|sd| *sd > 1e-12 * mean.abs())?;
    Some(mean / sd)
}

/// The largest of `tries` Sharpe ratios that vary by `variance` around 0, as expected (Bailey and Lopez de
/// Prado 2014, eq. 1). One try expects nothing.
pub fn expected_best(tries: usize, variance: f64) -> f64 {
    if tries < 2 {
        return 0.0;
    }
    let n = tries as f64;
    let largest = (1.0 - EULER) * stats::normal_quantile(1.0 - 1.0 / n)
        + EULER * stats::normal_quantile(1.0 - 1.0 / (n * std::f64::consts::E));
    // Two tries: the approximation dips below what one expects.
    variance.max(0.0).sqrt() * largest.max(0.0)
}

/// Probability that the true Sharpe ratio of `results` is above `benchmark` (Bailey and Lopez de Prado
/// 2012). `None` where they do not vary.
pub fn probabilistic_sharpe(results: &[f64], benchmark: f64) -> Option<f64> {
    let moments = [stats::skewness(results)?, stats::kurtosis(results)?];
    Some(confidence(sharpe(results)?, benchmark, results.len(), moments))
}

fn confidence(sharpe: f64, benchmark: f64, n: usize, [skew, kurtosis]: [f64; 2]) -> f64 {
    let spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe;
    // The moments of few results can contradict each other: then nothing is known.
    let distance = (sharpe - benchmark) * (n.saturating_sub(1) as f64).sqrt();
    if spread > 0.0 { stats::normal_cdf(distance / spread.sqrt()) } else { 0.5 }
}

/// Probability of backtest overfitting: `tries[k][i]` is what try `k` earned in result `i`, in the order of
/// time. `None` with fewer than two tries or fewer than eight results.
pub fn overfitting(tries: &[Vec<f64>]) -> Option<f64> {
    let results = tries.first()?.len();
    let blocks = (results / 2).min(BLOCKS_MAX) / 2 * 2;
    if tries.len() < 2 || blocks < 4 || tries.iter().any(|t| t.len() != results) {
        return None;
    }
    let sums: Vec<Vec<Moments>> = tries.iter().map(|t| block_moments(t, blocks)).collect();
    let halves = (0u32..1 << blocks).filter(|half| half.count_ones() as usize == blocks / 2);
    let (mut over, mut all) = (0usize, 0usize);
    for half in halves {
        let score = |half: u32| -> Vec<f64> { sums.iter().map(|s| half_sharpe(s, half)).collect() };
        let (inside, outside) = (score(half), score(!half));
        let best = (0..inside.len()).fold(0, |b, k| if inside[k] > inside[b] { k } else { b });
        over += usize::from(relative_rank(&outside, best) <= 0.5);
        all += 1;
    }
    Some(over as f64 / all as f64)
}

/// Count, sum and sum of squares.
#[derive(Clone, Copy, Default)]
struct Moments([f64; 3]);

fn block_moments(results: &[f64], blocks: usize) -> Vec<Moments> {
    let mut sums = vec![Moments::default(); blocks];
    for (i, result) in results.iter().enumerate() {
        let Moments(sum) = &mut sums[i * blocks / results.len()];
        [1.0, *result, result * result].iter().zip(sum).for_each(|(x, s)| *s += x);
    }
    sums
}

/// Sharpe ratio over the blocks whose bit is set in `half`; 0 without deviation.
fn half_sharpe(blocks: &[Moments], half: u32) -> f64 {
    let mut total = [0.0; 3];
    for (_, Moments(m)) in blocks.iter().enumerate().filter(|(i, _)| half >> i & 1 == 1) {
        total.iter_mut().zip(m).for_each(|(t, m)| *t += m);
    }
    let [n, sum, squares] = total;
    let variance = (squares - sum * sum / n) / (n - 1.0);
    // What rounding leaves of equal results is no deviation.
    if variance > 1e-12 * squares / n { sum / n / variance.sqrt() } else { 0.0 }
}

/// Rank of number `k` among `scores` as a share of their number + 1; equals share their places.
fn relative_rank(scores: &[f64], k: usize) -> f64 {
    let below = scores.iter().filter(|s| **s < scores[k]).count() as f64;
    let equal = scores.iter().filter(|s| **s == scores[k]).count() as f64;
    (below + (equal + 1.0) / 2.0) / (scores.len() as f64 + 1.0)
}

#[cfg(test)]
mod tests;
