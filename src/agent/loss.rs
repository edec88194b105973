//! The losses of PPO and A2C and their exact gradients with respect to the network's outputs.
//!
//! Both losses touch the network only through logits and values, and their derivatives there are
//! closed forms. Computed on plain slices they cost a fraction of the same arithmetic recorded as a
//! graph of small tensors; an engine carries them through the layers.
//!
//! `loss = policy + ent_coef * -entropy + vf_coef * (value - return)²`, means over the minibatch, as
//! SB3 has it. PPO's policy loss is `-min(A r, A clip(r, 1-c, 1+c))` (Schulman et al. 2017, equation 7),
//! A2C's is `-A log π(a)`.

use super::dist;

/// How a minibatch turns into a parameter change.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The policy's loss.
    pub objective: Objective,
    /// Weight of the entropy bonus.
    pub ent_coef: f32,
    /// Weight of the value loss.
    pub vf_coef: f32,
    /// Gradients longer than this (2-norm over all parameters) are shortened to it.
    pub max_grad_norm: f32,
    /// Step size of the optimiser.
    pub learning_rate: f64,
    /// Shift and scale the minibatch's advantages to mean 0 and standard deviation 1.
    pub normalize_advantage: bool,
    /// Skip the step when the policy has moved further than this from the rollout's (nats).
    pub kl_limit: Option<f32>,
}

/// The policy's loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// PPO's clipped surrogate; the ratio may leave `1 ± clip_range` only to the policy's loss.
    Clipped {
        /// Clip range of the probability ratio.
        clip_range: f32,
    },
    /// The plain policy gradient of A2C.
    PolicyGradient,
}

/// Rows of a rollout to learn from; `n` is the number of rows.
#[derive(Clone, Copy, Debug)]
pub struct Minibatch<'a> {
    /// `[n, obs_len]`.
    pub obs: &'a [f32],
    /// `[n, n_actions]`.
    pub mask: &'a [bool],
    /// `[n]`: what was done.
    pub actions: &'a [u32],
    /// `[n]`: log-probability of the action when it was done.
    pub log_probs: &'a [f32],
    /// `[n]`.
    pub advantages: &'a [f32],
    /// `[n]`: what the value is fitted to.
    pub returns: &'a [f32],
}

/// What the loss says about a minibatch, before the step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// The sum that is minimised.
    pub total: f32,
    /// The policy's part.
    pub policy: f32,
    /// Mean squared error of the value, unweighted.
    pub value: f32,
    /// Mean entropy in nats.
    pub entropy: f32,
    /// `mean((r - 1) - ln r)` (Schulman 2020, "Approximating KL divergence").
    pub approx_kl: f32,
    /// Share of rows whose ratio lies outside the clip range.
    pub clip_fraction: f32,
}

/// Losses of a minibatch; writes their gradients to `d_logits`, `[n, n_actions]`, and `d_values`, `[n]`.
pub fn gradients(
    batch: &Minibatch,
    rule: &Rule,
    (logits, values): (&[f32], &[f32]),
    (d_logits, d_values): (&mut [f32], &mut [f32]),
) -> Losses {
    let n_actions = logits.len() / values.len();
    let share = 1.0 / values.len() as f32;
    let (shift, scale) = advantage_units(batch.advantages, rule.normalize_advantage);
    let mut log_probs = vec![0.0; n_actions];
    let mut sum = Losses::default();
    for row in 0..values.len() {
        let at = row * n_actions..(row + 1) * n_actions;
        let entropy =
            dist::log_softmax(&logits[at.clone()], &batch.mask[at.clone()], &mut log_probs);
        let action = batch.actions[row] as usize;
        let advantage = (batch.advantages[row] - shift) * scale;
        let log_ratio = log_probs[action] - batch.log_probs[row];
        let (policy, slope) = policy_loss(rule.objective, advantage, log_probs[action], log_ratio);
        let miss = values[row] - batch.returns[row];

        sum.policy += policy * share;
        sum.value += miss * miss * share;
        sum.entropy += entropy * share;
        sum.approx_kl += (log_ratio.exp() - 1.0 - log_ratio) * share;
        sum.clip_fraction += share * f32::from(is_clipped(rule.objective, log_ratio));

        d_values[row] = rule.vf_coef * 2.0 * miss * share;
        for (j, (d, &log_prob)) in d_logits[at].iter_mut().zip(&log_probs).enumerate() {
            let prob = log_prob.exp();
            // A forbidden action's log-probability is -inf, its share of every gradient 0.
            let pull = if prob > 0.0 { rule.ent_coef * prob * (log_prob + entropy) } else { 0.0 };
            let chosen = if j == action { 1.0 } else { 0.0 };
            *d = share * (slope * (chosen - prob) + pull);
        }
    }
    sum.total = sum.policy - rule.ent_coef * sum.entropy + rule.vf_coef * sum.value;
    sum
}

/// Loss of one row and its derivative with respect to the log-probability of the action.
fn policy_loss(objective: Objective, advantage: f32, log_prob: f32, log_ratio: f32) -> (f32, f32) {
    match objective {
        Objective::PolicyGradient => (-advantage * log_prob, -advantage),
        Objective::Clipped { clip_range } => {
            let ratio = log_ratio.exp();
            let free = advantage * ratio;
            let held = advantage * ratio.clamp(1.0 - clip_range, 1.0 + clip_range);
            // Inside the range the two are equal and the gradient flows; outside, the constant side stops it.
            if free <= held { (-free, -free) } else { (-held, 0.0) }
        }
    }
}

fn is_clipped(objective: Objective, log_ratio: f32) -> bool {
    matches!(objective, Objective::Clipped { clip_range } if (log_ratio.exp() - 1.0).abs() > clip_range)
}

/// Shift and scale of advantages. SB3 divides by the sample standard deviation plus 1e-8.
fn advantage_units(advantages: &[f32], normalize: bool) -> (f32, f32) {
    let n = advantages.len() as f32;
    if !normalize || n < 2.0 {
        return (0.0, 1.0);
    }
    let mean = advantages.iter().sum::<f32>() / n;
    let var = advantages.iter().map(|a| (a - mean) * (a - mean)).sum::<f32>() / (n - 1.0);
    (mean, 1.0 / (var.sqrt() + 1e-8))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mask: Vec<bool> =
            (0..ROWS * ACTIONS).map(|i| i % ACTIONS != (i / ACTIONS) % 5).collect();
        let allowed =
            |row: usize| (0..ACTIONS).filter(|a| mask[row * ACTIONS + a]).collect::<Vec<_>>();
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

    fn losses(
        c: &Case,
        rule: &Rule,
        logits: &[f32],
        values: &[f32],
    ) -> (Losses, Vec<f32>, Vec<f32>) {
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
        assert!(
            dl.iter().zip(&c.mask).all(|(d, allowed)| d.is_finite() && (*allowed || *d == 0.0))
        );
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
}
