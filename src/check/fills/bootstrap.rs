//! Intervals for figures of orders that overlap: whole markets are drawn, with replacement.
//!
//! Orders of one market live at the same time and see the same trades; markets do not.

use crate::rng::Rng;

const DRAWS: usize = 2_000;

/// The 95 % interval of `figure` over resampled blocks; `figure` gets the numbers of the blocks drawn. `None`
/// with fewer than two blocks, or when the figure often does not exist.
pub fn interval(
    blocks: usize,
    seed: u64,
    figure: impl Fn(&[usize]) -> Option<f64>,
) -> Option<[f64; 2]> {
    if blocks < 2 {
        return None;
    }
    let mut rng = Rng::stream(seed, "block bootstrap", 0);
    let mut drawn = vec![0; blocks];
    let mut values: Vec<f64> = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        drawn.iter_mut().for_each(|block| *block = rng.below(blocks as u64) as usize);
        values.extend(figure(&drawn).filter(|value| value.is_finite()));
    }
    if values.len() < DRAWS * 9 / 10 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |part_e3: usize| values[(values.len() - 1) * part_e3 / 1_000];
    Some([at(25), at(975)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_says() {
        let mut rng = Rng::stream(4, "values", 0);
        let values: Vec<f64> = (0..400).map(|_| rng.unit()).collect();
        let mean = |drawn: &[usize]| Some(drawn.iter().map(|i| values[*i]).sum::<f64>() / 400.0);
        let [low, high] = interval(400, 1, mean).expect("enough blocks");
        // 2 x 1.96 x sqrt(1/12) / sqrt(400)
        assert!((high - low - 0.0566).abs() < 0.008, "{low}..{high}");
        assert!(low < 0.5 && 0.5 < high);
        assert_eq!(interval(1, 1, |_| Some(0.0)), None);
        assert_eq!(interval(5, 1, |_| None), None);
    }
}
