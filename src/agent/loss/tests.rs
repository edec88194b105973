//! The gradients against finite differences of the losses.

use super::*;
use crate::agent::dist;
use crate::rng::Rng;

const ROWS: usize = 32;
const ACTIONS: usize = 4;

struct Case {
    logits: Vec<f32>,
    values: Vec<f32>,
    mask: Vec<bool>,
    actions: Vec<u32>,
    log_probs: Vec<f32>,
    advantages: Vec<f32>,
    returns: Vec<f32>,
}

fn case(seed: u64) -> Case {
    let mut rng = Rng::stream(seed, "loss", 0);
    let mut draw =
        |n: usize, s: f64| -> Vec<f32> { (0..n).map(|_| (rng.normal() * s) as f32).collect() };
    let mask: Vec<bool> = (0..ROWS * ACTIONS).map(|i| i % ACTIONS != (i / ACTIONS) % 5).collect();
    let allowed = |row: usize| (0..ACTIONS).filter(|a| mask[row * ACTIONS + a]).collect::<Vec<_>>();
    let actions = (0..ROWS).map(|r| allowed(r)[r % allowed(r).len()] as u32).collect();
    Case {
        logits: draw(ROWS * ACTIONS, 1.0),
        values: draw(ROWS, 1.0),
        log_probs: draw(ROWS, 0.3).iter().map(|x| x - 1.0).collect(),
        advantages: draw(ROWS, 2.0),
        returns: draw(ROWS, 1.0),
        mask,
        actions,
    }
}

fn losses(c: &Case, rule: &Rule, logits: &[f32], values: &[f32]) -> (Losses, Vec<f32>, Vec<f32>) {
    let batch = Minibatch {
        obs: &[],
        mask: &c.mask,
        actions: &c.actions,
        log_probs: &c.log_probs,
        advantages: &c.advantages,
        returns: &c.returns,
    };
    let (mut dl, mut dv) = (vec![0.0; logits.len()], vec![0.0; values.len()]);
    let losses = gradients(&batch, rule, (logits, values), (&mut dl, &mut dv));
    (losses, dl, dv)
}

fn rule(objective: Objective) -> Rule {
    Rule {
        objective,
        ent_coef: 0.05,
        vf_coef: 0.5,
        max_grad_norm: 0.5,
        learning_rate: 1e-3,
        normalize_advantage: true,
        kl_limit: None,
    }
}

#[test]
fn gradients_equal_finite_differences_of_the_loss() {
    for objective in [Objective::Clipped { clip_range: 0.2 }, Objective::PolicyGradient] {
        let (c, rule) = (case(3), rule(objective));
        let (_, dl, dv) = losses(&c, &rule, &c.logits, &c.values);
        // Small, so that no row steps over the kink at the edge of the clip range.
        let h = 2e-3;
        let slope = |bump: &dyn Fn(f32) -> (Vec<f32>, Vec<f32>)| {
            let at = |d: f32| {
                let (l, v) = bump(d);
                f64::from(losses(&c, &rule, &l, &v).0.total)
            };
            (at(h) - at(-h)) / (2.0 * f64::from(h))
        };
        for i in 0..ROWS * ACTIONS {
            let want = slope(&|d| {
                let mut l = c.logits.clone();
                l[i] += d;
                (l, c.values.clone())
            });
            assert!(
                (f64::from(dl[i]) - want).abs() < 3e-4,
                "{objective:?} logit {i}: {} {want}",
                dl[i]
            );
        }
        for i in 0..ROWS {
            let want = slope(&|d| {
                let mut v = c.values.clone();
                v[i] += d;
                (c.logits.clone(), v)
            });
            assert!((f64::from(dv[i]) - want).abs() < 3e-4, "value {i}: {} {want}", dv[i]);
        }
    }
}

#[test]
fn forbidden_actions_get_no_gradient() {
    let c = case(4);
    let (_, dl, _) = losses(&c, &rule(Objective::PolicyGradient), &c.logits, &c.values);
    assert!(c.mask.contains(&false));
    assert!(dl.iter().zip(&c.mask).all(|(d, allowed)| d.is_finite() && (*allowed || *d == 0.0)));
}

#[test]
fn the_policy_that_made_the_rollout_has_ratio_one() {
    let mut c = case(5);
    let mut lp = [0.0; ACTIONS];
    for row in 0..ROWS {
        let at = row * ACTIONS..(row + 1) * ACTIONS;
        dist::log_softmax(&c.logits[at.clone()], &c.mask[at], &mut lp);
        c.log_probs[row] = lp[c.actions[row] as usize];
    }
    let (losses, ..) =
        losses(&c, &rule(Objective::Clipped { clip_range: 0.2 }), &c.logits, &c.values);
    assert_eq!((losses.approx_kl, losses.clip_fraction), (0.0, 0.0));
    // Normalised advantages sum to zero, and every ratio is one.
    assert!(losses.policy.abs() < 1e-6);
}
