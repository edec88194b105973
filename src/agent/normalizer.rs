//! Running mean and variance of observations, as SB3's `VecNormalize` keeps them.
//!
//! Batches are merged by the parallel formula of Chan et al. (1979). The statistics learned in
//! training are frozen into the artifact; evaluation and live trading only apply them.

use serde::{Deserialize, Serialize};

/// Weight of the start, in observations (SB3's `RunningMeanStd`).
const PRIOR: f64 = 1e-4;
/// Normalised values are clipped to ±10 (SB3's `clip_obs`).
const CLIP: f32 = 10.0;
const EPSILON: f64 = 1e-8;
/// Columns of a batch that are treated together, row by row as they lie in memory.
const COLUMNS: usize = 16;

/// Statistics of each observation entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalizer {
    /// Observations seen; the mean 0 and variance 1 of the start weigh as much as 1e-4 of one.
    pub count: u64,
    /// Mean of each entry.
    #[serde(with = "super::exact")]
    pub mean: Vec<f64>,
    /// Variance of each entry.
    #[serde(with = "super::exact")]
    pub var: Vec<f64>,
}

impl Normalizer {
    /// Mean 0, variance 1, nothing seen.
    pub fn new(obs_len: usize) -> Normalizer {
        Normalizer { count: 0, mean: vec![0.0; obs_len], var: vec![1.0; obs_len] }
    }

    /// Learns from a batch, `[rows, obs_len]`.
    pub fn observe(&mut self, batch: &[f32]) {
        let obs_len = self.mean.len();
        let rows = (batch.len() / obs_len) as f64;
        let before = self.count as f64 + PRIOR;
        let total = before + rows;
        for first in (0..obs_len).step_by(COLUMNS) {
            let columns = first..(first + COLUMNS).min(obs_len);
            let (mut mean, mut spread) = ([0.0; COLUMNS], [0.0; COLUMNS]);
            for row in batch.chunks_exact(obs_len) {
                for (mean, &x) in mean.iter_mut().zip(&row[columns.clone()]) {
                    *mean += f64::from(x);
                }
            }
            mean.iter_mut().for_each(|mean| *mean /= rows);
            for row in batch.chunks_exact(obs_len) {
                let row = &row[columns.clone()];
                for ((spread, mean), &x) in spread.iter_mut().zip(mean).zip(row) {
                    *spread += (f64::from(x) - mean) * (f64::from(x) - mean);
                }
            }
            for (i, (mean, spread)) in columns.zip(mean.into_iter().zip(spread)) {
                let delta = mean - self.mean[i];
                let merged = self.var[i] * before + spread + delta * delta * before * rows / total;
                self.var[i] = merged / total;
                self.mean[i] += delta * rows / total;
            }
        }
        self.count += rows as u64;
    }

    /// Writes the normalised `batch`, `[rows, obs_len]`, to `out`.
    pub fn apply(&self, batch: &[f32], out: &mut [f32]) {
        let obs_len = self.mean.len();
        for first in (0..obs_len).step_by(COLUMNS) {
            let columns = first..(first + COLUMNS).min(obs_len);
            let mean = &self.mean[columns.clone()];
            let mut spread = [1.0; COLUMNS];
            for (spread, var) in spread.iter_mut().zip(&self.var[columns.clone()]) {
                *spread = (var + EPSILON).sqrt();
            }
            for (row, out) in batch.chunks_exact(obs_len).zip(out.chunks_exact_mut(obs_len)) {
                let (row, out) = (&row[columns.clone()], &mut out[columns.clone()]);
                for (((out, &x), mean), spread) in out.iter_mut().zip(row).zip(mean).zip(spread) {
                    *out = (((f64::from(x) - mean) / spread) as f32).clamp(-CLIP, CLIP);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn batches_of_any_size_give_the_statistics_of_the_whole() {
        let mut rng = Rng::stream(9, "norm", 0);
        let data: Vec<f32> =
            (0..3 * 1000).map(|i| (rng.normal() * 3.0 + (i % 3) as f64 * 100.0) as f32).collect();
        let mut norm = Normalizer::new(3);
        let mut rest = data.as_slice();
        for rows in [1, 7, 300, 692] {
            let (batch, tail) = rest.split_at(rows * 3);
            norm.observe(batch);
            rest = tail;
        }
        for i in 0..3 {
            let column: Vec<f64> = data[i..].iter().step_by(3).map(|&x| f64::from(x)).collect();
            let mean = column.iter().sum::<f64>() / 1000.0;
            let var = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1000.0;
            assert!((norm.mean[i] - mean).abs() < 1e-2 && (norm.var[i] / var - 1.0).abs() < 1e-2);
        }
        let mut out = vec![0.0; 3];
        norm.apply(&[1e9, 100.0, -1e9], &mut out);
        assert_eq!((out[0], out[2]), (10.0, -10.0));
        assert!(out[1].abs() < 0.2);
    }

    #[test]
    fn a_constant_entry_becomes_zero() {
        let mut norm = Normalizer::new(1);
        norm.observe(&[5.0; 100_000]);
        norm.observe(&[5.0; 100_000]);
        let mut out = [1.0];
        norm.apply(&[5.0], &mut out);
        assert!(out[0].abs() < 1e-2, "{out:?}");
    }
}
