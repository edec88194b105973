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

/// Third standardised moment of a population: 0 for a symmetric one; `None` without deviation.
pub fn skewness(values: &[f64]) -> Option<f64> {
    standardised(values, 3)
}

/// Fourth standardised moment of a population: 3 for a normal one; `None` without deviation.
pub fn kurtosis(values: &[f64]) -> Option<f64> {
    standardised(values, 4)
}

fn standardised(values: &[f64], power: i32) -> Option<f64> {
    let centre = mean(values)?;
    let moment = |k| values.iter().map(|v| (v - centre).powi(k)).sum::<f64>() / values.len() as f64;
    let variance = moment(2);
    (variance > 0.0).then(|| moment(power) / variance.powf(f64::from(power) / 2.0))
}

/// Distribution function of the standard normal, absolute error below 1e-15 (Marsaglia 2004,
/// "Evaluating the normal distribution").
pub fn normal_cdf(x: f64) -> f64 {
    if x.abs() > NORMAL_END {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut before, mut term, mut i) = (x, f64::NAN, x, 1.0);
    while sum != before {
        i += 2.0;
        term *= x * x / i;
        before = sum;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

/// Beyond this the tail is below 1e-15.
const NORMAL_END: f64 = 8.0;

/// The `x` at which [`normal_cdf`] is `p`, kept within +-8.
pub fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-NORMAL_END, NORMAL_END);
    // Sixty halvings of 16 leave less than the spacing of numbers near 1.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if normal_cdf(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Means of resamples by the cluster bootstrap (Efron and Tibshirani 1993, ch. 13; whole clusters are
/// drawn, as in Cameron, Gelbach and Miller 2008), ascending: `values[i]` belongs to cluster
/// `clusters[i]`. `None` with fewer than two clusters: there is nothing to draw from.
pub fn bootstrap_means(values: &[f64], clusters: &[&str], rng: &mut Rng) -> Option<Vec<f64>> {
    crossed_means(&[values], clusters, rng)
}

/// [`bootstrap_means`] over two crossed sources of chance (the pigeonhole bootstrap, Owen 2007): each
/// resample draws clusters, and rows of `rows`, with replacement. A row holds one value for each place
/// of `clusters`: the returns of one seed's model.
pub fn crossed_means(rows: &[&[f64]], clusters: &[&str], rng: &mut Rng) -> Option<Vec<f64>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for cluster in clusters {
        let next = places.len();
        places.entry(cluster).or_insert(next);
    }
    // In the order of their names, whatever the order of the values.
    places.values_mut().enumerate().for_each(|(i, place)| *place = i);
    let mut sizes = vec![0.0; places.len()];
    let mut sums = vec![vec![0.0; places.len()]; rows.len()];
    for (i, cluster) in clusters.iter().enumerate() {
        let place = places[cluster];
        sizes[place] += 1.0;
        rows.iter().zip(&mut sums).for_each(|(row, sums)| sums[place] += row[i]);
    }
    if sizes.len() < 2 || rows.is_empty() {
        return None;
    }
    let resample = |_| {
        let mut drawn = vec![0.0; sizes.len()];
        (0..sizes.len()).for_each(|_| drawn[rng.below(sizes.len() as u64) as usize] += 1.0);
        let count: f64 = drawn.iter().zip(&sizes).map(|(n, size)| n * size).sum();
        let total = |row: &[f64]| drawn.iter().zip(row).map(|(n, sum)| n * sum).sum::<f64>();
        match &sums[..] {
            [only] => total(only) / count,
            several => {
                let draw = |_| total(&several[rng.below(several.len() as u64) as usize]);
                (0..several.len()).map(draw).sum::<f64>() / (several.len() as f64 * count)
            }
        }
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

/// 95 % percentile interval of the mean by [`crossed_means`].
pub fn crossed_mean95(rows: &[&[f64]], clusters: &[&str], rng: &mut Rng) -> Option<[f64; 2]> {
    crossed_means(rows, clusters, rng).map(|means| interval95(&means))
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
    fn the_normal_distribution_is_that_of_the_tables() {
        for (x, p) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (1.959_963_984_540_054, 0.975),
            (-3.090_232_306_167_813, 0.001),
            (4.753_424_308_822_899, 0.999_999),
        ] {
            assert!((normal_cdf(x) - p).abs() < 1e-14, "{x}");
            assert!((normal_quantile(p) - x).abs() < 1e-8, "{p}");
        }
        assert_eq!((normal_cdf(9.0), normal_cdf(-9.0)), (1.0, 0.0));
    }

    #[test]
    fn moments_of_a_small_sample_are_those_of_the_definitions() {
        let values = [0.0, 0.0, 0.0, 4.0];
        // Mean 1, deviations -1 -1 -1 3: second moment 3, third 6, fourth 21.
        assert!((skewness(&values).expect("varies") - 6.0 / 27f64.sqrt()).abs() < 1e-12);
        assert!((kurtosis(&values).expect("varies") - 21.0 / 9.0).abs() < 1e-12);
        assert_eq!((skewness(&[2.0; 5]), kurtosis(&[])), (None, None));
    }

    /// Three seeds whose models differ by more than their markets do: a bootstrap of markets alone would be
    /// sure of what one more seed could change.
    #[test]
    fn seeds_that_disagree_widen_the_interval() {
        let names: Vec<String> = (0..40).map(|i| format!("{i:02}")).collect();
        let clusters: Vec<&str> = names.iter().map(String::as_str).collect();
        let seed = |level: f64| -> Vec<f64> { (0..40).map(|i| level + f64::from(i % 4)).collect() };
        let width = |levels: [f64; 3]| {
            let rows = levels.map(seed);
            let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
            let mut rng = Rng::stream(3, "bootstrap", 0);
            let [low, high] = crossed_mean95(&rows, &clusters, &mut rng).expect("clusters");
            high - low
        };
        let (agree, disagree) = (width([0.0; 3]), width([-2.0, 0.0, 2.0]));
        assert!(disagree > 3.0 * agree, "{agree} {disagree}");
    }

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
