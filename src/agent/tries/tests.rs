use super::*;
use crate::rng::Rng;
use proptest::prelude::*;

/// The worked example of Bailey and Lopez de Prado 2014 ("A numerical example"): annual Sharpe ratio 2.5
/// over 1 250 days, variance of the tries' annual ratios 1/2, 250 days a year.
#[test]
fn the_deflated_ratio_is_that_of_the_paper() {
    let daily = 2.5 / 250f64.sqrt();
    let check = |tries, moments, want: f64| {
        let got = confidence(daily, expected_best(tries, 0.5 / 250.0), 1_250, moments);
        assert!((got - want).abs() < 5e-5, "{tries} tries: {got}, not {want}");
    };
    assert!((expected_best(100, 0.5 / 250.0) - 0.1132).abs() < 5e-5);
    check(100, [-3.0, 10.0], 0.9004);
    check(46, [-3.0, 10.0], 0.9505);
    check(88, [0.0, 3.0], 0.9505);
}

#[test]
fn one_try_is_not_deflated_and_no_deviation_says_nothing() {
    let once = Tries { tries: 1, sharpe_variance: Some(0.3), overfitting: None };
    let found = once.deflate(&[1.0, 2.0, 3.0, 2.0]).expect("varies");
    assert_eq!(found.expected_best, 0.0);
    assert_eq!(found.deflated, probabilistic_sharpe(&[1.0, 2.0, 3.0, 2.0], 0.0).expect("varies"));
    assert_eq!(once.deflate(&[1.0; 9]), None);
    assert_eq!(once.deflate(&[1.0, 2.0]), None);
}

/// Two tries, four blocks, six ways to halve them. A is good early, B late, A a little better in all. Where
/// the halves are early and late, the best of each is the worst of the other: 2 of 6.
#[test]
fn overfitting_of_a_small_table_is_that_counted_by_hand() {
    let a = vec![2.1, 1.9, 2.1, 1.9, -1.1, -0.9, -1.1, -0.9];
    let b = vec![-1.1, -0.9, -1.1, -0.9, 1.1, 0.9, 1.1, 0.9];
    assert_eq!(overfitting(&[a.clone(), b]), Some(2.0 / 6.0));
    assert_eq!(overfitting(std::slice::from_ref(&a)), None);
    assert_eq!(overfitting(&[a[..7].to_vec(), a[..7].to_vec()]), None, "seven results");
}

#[test]
fn the_best_of_noise_is_overfit_half_the_time_and_a_real_edge_never() {
    let noise = |seed, k| -> Vec<f64> {
        let mut rng = Rng::stream(seed, "noise", k);
        (0..60).map(|_| rng.normal()).collect()
    };
    let mean: f64 = (0..20)
        .map(|seed| overfitting(&(0..10).map(|k| noise(seed, k)).collect::<Vec<_>>()).expect("s"))
        .sum::<f64>()
        / 20.0;
    assert!((0.35..0.7).contains(&mean), "{mean}");
    let mut tries: Vec<Vec<f64>> = (0..10).map(|k| noise(1, k)).collect();
    tries[4].iter_mut().for_each(|r| *r += 2.0);
    assert_eq!(overfitting(&tries), Some(0.0));
}

/// What this is for: the best of fifty strategies on a fair game nearly always looks significant by itself.
#[test]
fn the_best_of_fifty_worthless_tries_is_not_believed() {
    let (mut naive, mut deflated) = (0, 0);
    for seed in 0..60 {
        let noise = |k| -> Vec<f64> {
            let mut rng = Rng::stream(seed, "worthless", k);
            (0..40).map(|_| rng.normal()).collect()
        };
        let all: Vec<Vec<f64>> = (0..50).map(noise).collect();
        let ratios: Vec<f64> = all.iter().filter_map(|t| sharpe(t)).collect();
        let best = (0..50).max_by(|a, b| ratios[*a].total_cmp(&ratios[*b])).expect("fifty");
        let variance = crate::agent::stats::sd(&ratios).map(|sd| sd * sd);
        let tries = Tries { tries: 50, sharpe_variance: variance, overfitting: None };
        naive +=
            i32::from(probabilistic_sharpe(&all[best], 0.0).is_some_and(|p| p >= DEFLATED_MIN));
        let after = tries.deflate(&all[best]).expect("varies").deflated;
        deflated += i32::from(after >= DEFLATED_MIN);
    }
    assert!(naive >= 50 && deflated <= 3, "{naive} of 60 by themselves, {deflated} deflated");
}

proptest! {
    /// More tries and less spread of results never make a finding better.
    #[test]
    fn trying_more_never_helps(
        results in prop::collection::vec(-1.0f64..1.0, 3..40),
        tries in 1usize..200,
        variance in 0.0f64..1.0,
    ) {
        let deflate = |tries| Tries { tries, sharpe_variance: Some(variance), overfitting: None }.deflate(&results);
        if let (Some(few), Some(many)) = (deflate(tries), deflate(tries + 7)) {
            prop_assert!(many.deflated <= few.deflated + 1e-12);
            prop_assert!((0.0..=1.0).contains(&few.deflated));
        }
    }

    #[test]
    fn overfitting_is_a_share_and_does_not_depend_on_scale(
        seed in 0u64..1_000, n in 2u64..6, results in 8usize..30,
    ) {
        let tries: Vec<Vec<f64>> = (0..n).map(|k| {
            let mut rng = Rng::stream(seed, "p", k);
            (0..results).map(|_| rng.normal()).collect()
        }).collect();
        let larger: Vec<Vec<f64>> = tries.iter().map(|t| t.iter().map(|r| 4.0 * r).collect()).collect();
        let share = overfitting(&tries).expect("enough");
        prop_assert!((0.0..=1.0).contains(&share));
        prop_assert_eq!(Some(share), overfitting(&larger));
    }
}
