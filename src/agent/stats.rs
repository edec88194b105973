//! The few statistics that evaluation needs.

use crate::rng::Rng;
use std::collections::BTreeMap;

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 10_000;

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (divisor n - 1); `None` of fewer than two values.
pub fn sd(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Means of resamples by the cluster bootstrap (Efron and Tibshirani 1993, ch. 13; whole clusters are
/// drawn, as in Cameron, Gelbach and Miller 2008), ascending: `values[i]` belongs to cluster
/// `clusters[i]`. `None` with fewer than two clusters: there is nothing to draw from.
pub fn bootstrap_means(values: &[f64], clusters: &[&str], rng: &mut Rng) -> Option<Vec<f64>> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (value, cluster) in values.iter().zip(clusters) {
        let (sum, n) = sums.entry(cluster).or_default();
        *sum += value;
        *n += 1.0;
    }
    let sums: Vec<(f64, f64)> = sums.into_values().collect();
    if sums.len() < 2 {
        return None;
    }
    let resample = |_| {
        let (mut total, mut count) = (0.0, 0.0);
        for _ in 0..sums.len() {
            let (sum, n) = sums[rng.below(sums.len() as u64) as usize];
            total += sum;
            count += n;
        }
        total / count
    };
    let mut means: Vec<f64> = (0..RESAMPLES).map(resample).collect();
    means.sort_unstable_by(f64::total_cmp);
    Some(means)
}

/// 95 % percentile interval of ascending [`bootstrap_means`].
pub fn interval95(means: &[f64]) -> [f64; 2] {
    [0.025, 0.975].map(|q| quantile(means, q))
}

/// 95 % percentile interval of the mean by [`bootstrap_means`].
pub fn bootstrap_mean95(values: &[f64], clusters: &[&str], rng: &mut Rng) -> Option<[f64; 2]> {
    bootstrap_means(values, clusters, rng).map(|means| interval95(&means))
}

/// Quantile `q` in 0..=1 of ascending values, linear between neighbours (R's type 7).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_agrees_with_the_normal_one_where_that_holds() {
        let mut rng = Rng::stream(1, "values", 0);
        let values: Vec<f64> = (0..400).map(|_| 0.3 + rng.normal()).collect();
        let names: Vec<String> = (0..400).map(|i| format!("{i:03}")).collect();
        let clusters: Vec<&str> = names.iter().map(String::as_str).collect();
        let [low, high] = bootstrap_mean95(&values, &clusters, &mut rng).expect("clusters");
        let centre = mean(&values).expect("values");
        let half = 1.96 * sd(&values).expect("values") / 20.0;
        assert!((low - (centre - half)).abs() < 0.01, "{low} {centre} {half}");
        assert!((high - (centre + half)).abs() < 0.01, "{high} {centre} {half}");
    }

    #[test]
    fn repeating_a_market_inside_its_event_adds_no_certainty() {
        let values: Vec<f64> = (0..20).map(|i| f64::from(i % 5)).collect();
        let names: Vec<String> = (0..20).map(|i| format!("{i:02}")).collect();
        let clusters: Vec<&str> = names.iter().map(String::as_str).collect();
        let rng = Rng::stream(2, "bootstrap", 0);
        let once = bootstrap_mean95(&values, &clusters, &mut rng.clone());
        let thrice = |v: &[f64]| v.iter().flat_map(|x| [*x; 3]).collect::<Vec<_>>();
        let names3: Vec<&str> = clusters.iter().flat_map(|c| [*c; 3]).collect();
        let again = bootstrap_mean95(&thrice(&values), &names3, &mut rng.clone());
        let (once, again) = (once.expect("clusters"), again.expect("clusters"));
        assert!((once[0] - again[0]).abs() < 1e-9 && (once[1] - again[1]).abs() < 1e-9);
        assert_eq!(bootstrap_mean95(&values, &["one"; 20], &mut rng.clone()), None);
    }
}
