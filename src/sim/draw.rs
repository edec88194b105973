//! Draws from quantile tables: integers only, hence the same on every machine.

use crate::rng::Rng;

/// Parts into which the step between two knots is divided.
const PARTS: u64 = 1 << 16;

/// Minus the logarithm of what is left, in thousandths, at 33 equally likely knots: waits of mean one.
const EXPONENTIAL_E3: [i64; 33] = [
    0, 32, 65, 98, 134, 170, 208, 247, 288, 330, 375, 421, 470, 521, 575, 633, 693, 758, 827, 901,
    981, 1_068, 1_163, 1_269, 1_386, 1_520, 1_674, 1_856, 2_079, 2_367, 2_773, 3_466, 6_500,
];

/// A value between the equally likely quantiles `knots`, ascending, by straight lines.
pub(super) fn between(rng: &mut Rng, knots: &[i64]) -> i64 {
    let steps = (knots.len() as u64).saturating_sub(1).max(1);
    let at = rng.below(steps * PARTS);
    let (knot, part) = ((at / PARTS) as usize, (at % PARTS) as i64);
    let (low, high) = (knots[knot], knots[(knot + 1).min(knots.len() - 1)]);
    low + (high - low) * part / PARTS as i64
}

/// One of `values`, each equally likely.
pub(super) fn one_of(rng: &mut Rng, values: &[i64]) -> i64 {
    values[rng.below(values.len() as u64) as usize]
}

/// An exponential wait of mean `mean_us`.
pub(super) fn wait(rng: &mut Rng, mean_us: i64) -> i64 {
    mean_us * between(rng, &EXPONENTIAL_E3) / 1_000
}

/// True `e3` times in a thousand.
pub(super) fn chance(rng: &mut Rng, e3: i64) -> bool {
    (rng.below(1_000) as i64) < e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_moments_of_their_tables() {
        let mut rng = Rng::stream(1, "draw", 0);
        let mut mean =
            |draw: fn(&mut Rng) -> i64| (0..40_000).map(|_| draw(&mut rng)).sum::<i64>() / 40_000;
        let exponential = mean(|r| wait(r, 1_000_000));
        assert!((980_000..1_040_000).contains(&exponential), "{exponential}");
        let line = mean(|r| between(r, &[0, 1_000, 10_000]));
        assert!((2_900..3_100).contains(&line), "{line}");
        let yes = (0..40_000).filter(|_| chance(&mut rng, 250)).count();
        assert!((9_500..10_500).contains(&yes), "{yes}");
    }
}
