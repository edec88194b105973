//! The losses of PPO and A2C and their exact gradients with respect to the network's outputs.
//!
//! Both losses touch the network only through logits and values, and their derivatives there are
//! closed forms. Computed on plain slices they cost a fraction of the same arithmetic recorded as a
//! graph of small tensors; an engine carries them through the layers.
//!
//! `loss = policy + ent_coef * -entropy + vf_coef * (value - return)²`, means over the minibatch, as
//! SB3 has it. PPO's policy loss is `-min(A r, A clip(r, 1-c, 1+c))` (Schulman et al. 2017, equation 7),
//! A2C's is `-A log π(a)`.

#![allow(clippy::needless_range_loop, reason = "rows are computed side by side in several arrays")]

use super::elementary::{exp, ln};
use super::simd::{self, Simd, WithSimd};
use std::ops::Range;

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

impl<'a> Minibatch<'a> {
    /// Some of the rows.
    pub fn rows(&self, rows: Range<usize>) -> Minibatch<'a> {
        let n = self.actions.len();
        let wide = |len: usize| rows.start * (len / n)..rows.end * (len / n);
        Minibatch {
            obs: &self.obs[wide(self.obs.len())],
            mask: &self.mask[wide(self.mask.len())],
            actions: &self.actions[rows.clone()],
            log_probs: &self.log_probs[rows.clone()],
            advantages: &self.advantages[rows.clone()],
            returns: &self.returns[rows],
        }
    }
}

/// The network's outputs for some rows. Rows may be wider than what they hold.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// `[n, logit_width]`, the first `n_actions` of each row.
    pub logits: &'a [f32],
    /// From one row of logits to the next.
    pub logit_width: usize,
    /// `[n, value_width]`, the first of each row.
    pub values: &'a [f32],
    /// From one value to the next.
    pub value_width: usize,
}

/// Losses of a minibatch; writes their gradients to `d_logits`, `[n, n_actions]`, and `d_values`, `[n]`.
pub fn gradients(
    batch: &Minibatch,
    rule: &Rule,
    (logits, values): (&[f32], &[f32]),
    slopes: (&mut [f32], &mut [f32]),
) -> Losses {
    let logit_width = logits.len() / values.len();
    let mut lesson = Lesson::default();
    lesson.begin(batch, rule);
    lesson.gradients(batch, rule, Heads { logits, logit_width, values, value_width: 1 }, slopes);
    lesson.end(rule)
}

/// Rows computed side by side: one vector of the widest instructions.
const LANES: usize = 16;

/// One number for each of the rows computed side by side.
type Lanes = [f32; LANES];

/// The gradients of one minibatch, given in parts; keeps its working memory for the next one.
#[derive(Default)]
pub struct Lesson {
    /// Shift and scale of the minibatch's advantages.
    advantage_units: (f32, f32),
    /// Weight of a row in the mean.
    share: f32,
    losses: Losses,
    /// Per action: log-probabilities and probabilities.
    actions: Vec<(Lanes, Lanes)>,
}

impl Lesson {
    /// A new minibatch, whole: its advantages are normalised together.
    pub fn begin(&mut self, batch: &Minibatch, rule: &Rule) {
        let n = batch.actions.len();
        self.advantage_units = advantage_units(batch.advantages, rule.normalize_advantage);
        self.share = 1.0 / n as f32;
        self.losses = Losses::default();
        self.actions.resize(batch.mask.len() / n, ([0.0; LANES], [0.0; LANES]));
    }

    /// Some rows of it. The gradients of their losses go to `d_logits` and `d_values`, laid out as `heads`.
    pub fn gradients(
        &mut self,
        rows: &Minibatch,
        rule: &Rule,
        heads: Heads,
        (d_logits, d_values): (&mut [f32], &mut [f32]),
    ) {
        simd::run(Part { lesson: self, rows, rule, heads, d_logits, d_values });
    }

    /// The losses of all rows.
    pub fn end(&self, rule: &Rule) -> Losses {
        let sum = self.losses;
        let total = sum.policy - rule.ent_coef * sum.entropy + rule.vf_coef * sum.value;
        Losses { total, ..sum }
    }
}

struct Part<'a> {
    lesson: &'a mut Lesson,
    rows: &'a Minibatch<'a>,
    rule: &'a Rule,
    heads: Heads<'a>,
    d_logits: &'a mut [f32],
    d_values: &'a mut [f32],
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let n = self.rows.actions.len();
        for first in (0..n).step_by(LANES) {
            self.group(first, (n - first).min(LANES));
        }
    }
}

impl Part<'_> {
    /// `count` rows from `first` on. Lanes above `count` repeat the last row and are thrown away.
    #[inline(always)]
    fn group(&mut self, first: usize, count: usize) {
        let (rows, rule, share) = (self.rows, self.rule, self.lesson.share);
        let row: [usize; LANES] = std::array::from_fn(|l| first + l.min(count - 1));
        let entropy = self.distributions(&row);

        let action = row.map(|row| rows.actions[row] as usize);
        let log_prob: Lanes = std::array::from_fn(|l| self.lesson.actions[action[l]].0[l]);
        let (shift, scale) = self.lesson.advantage_units;
        let advantage = row.map(|row| (rows.advantages[row] - shift) * scale);
        let log_ratio: Lanes = std::array::from_fn(|l| log_prob[l] - rows.log_probs[row[l]]);
        let mut ratio = [0.0; LANES];
        for l in 0..LANES {
            ratio[l] = exp(log_ratio[l]);
        }
        let loss: [(f32, f32); LANES] = std::array::from_fn(|l| {
            policy_loss(rule.objective, advantage[l], log_prob[l], ratio[l])
        });

        let sum = &mut self.lesson.losses;
        for l in 0..count {
            let miss = self.heads.values[row[l] * self.heads.value_width] - rows.returns[row[l]];
            self.d_values[row[l] * self.heads.value_width] = rule.vf_coef * 2.0 * miss * share;
            sum.policy += loss[l].0 * share;
            sum.value += miss * miss * share;
            sum.entropy += entropy[l] * share;
            sum.approx_kl += (ratio[l] - 1.0 - log_ratio[l]) * share;
            sum.clip_fraction += share * f32::from(is_clipped(rule.objective, ratio[l]));
        }

        let slope = loss.map(|(_, slope)| slope);
        for (a, (log_probs, probs)) in self.lesson.actions.iter().enumerate() {
            let mut d = [0.0; LANES];
            for l in 0..LANES {
                // A forbidden action's log-probability is -inf, its share of every gradient 0.
                let pull = rule.ent_coef * probs[l] * (log_probs[l] + entropy[l]);
                let pull = if probs[l] > 0.0 { pull } else { 0.0 };
                let chosen = if action[l] == a { 1.0 } else { 0.0 };
                d[l] = share * (slope[l] * (chosen - probs[l]) + pull);
            }
            for l in 0..count {
                self.d_logits[row[l] * self.heads.logit_width + a] = d[l];
            }
        }
    }

    /// Log-probabilities and probabilities of all actions in the given rows; their entropies. The
    /// arithmetic of [`super::dist::log_softmax`], side by side.
    #[inline(always)]
    fn distributions(&mut self, row: &[usize; LANES]) -> Lanes {
        let actions = &mut self.lesson.actions;
        let n = actions.len();
        let mut top = [f32::NEG_INFINITY; LANES];
        for (a, (log_probs, _)) in actions.iter_mut().enumerate() {
            for l in 0..LANES {
                let logit = self.heads.logits[row[l] * self.heads.logit_width + a];
                let allowed = self.rows.mask[row[l] * n + a];
                log_probs[l] = if allowed { logit } else { f32::NEG_INFINITY };
            }
            for l in 0..LANES {
                top[l] = top[l].max(log_probs[l]);
            }
        }
        let (mut sum, mut entropy) = ([0.0; LANES], [0.0; LANES]);
        for (log_probs, _) in actions.iter_mut() {
            for l in 0..LANES {
                log_probs[l] -= top[l];
                sum[l] += exp(log_probs[l]);
            }
        }
        for x in &mut sum {
            *x = ln(*x);
        }
        for (log_probs, probs) in actions.iter_mut() {
            for l in 0..LANES {
                log_probs[l] -= sum[l];
                probs[l] = exp(log_probs[l]);
                let term = probs[l] * log_probs[l];
                entropy[l] -= if probs[l] > 0.0 { term } else { 0.0 };
            }
        }
        entropy
    }
}

/// Loss of one row and its derivative with respect to the log-probability of the action.
#[inline(always)]
fn policy_loss(objective: Objective, advantage: f32, log_prob: f32, ratio: f32) -> (f32, f32) {
    match objective {
        Objective::PolicyGradient => (-advantage * log_prob, -advantage),
        Objective::Clipped { clip_range } => {
            let free = advantage * ratio;
            let held = advantage * ratio.clamp(1.0 - clip_range, 1.0 + clip_range);
            // Inside the range the two are equal and the gradient flows; outside, the constant side stops it.
            if free <= held { (-free, -free) } else { (-held, 0.0) }
        }
    }
}

#[inline(always)]
fn is_clipped(objective: Objective, ratio: f32) -> bool {
    matches!(objective, Objective::Clipped { clip_range } if (ratio - 1.0).abs() > clip_range)
}

/// Shift and scale of advantages. SB3 divides by the sample standard deviation plus 1e-8.
fn advantage_units(advantages: &[f32], normalize: bool) -> (f32, f32) {
    let n = advantages.len() as f32;
    if !normalize || n < 2.0 {
        return (0.0, 1.0);
    }
    let mean = lane_sum(advantages, |a| a) / n;
    let var = lane_sum(advantages, |a| (a - mean) * (a - mean)) / (n - 1.0);
    (mean, 1.0 / (var.sqrt() + 1e-8))
}

/// The sum of `f` over `values`, in 16 lanes: a fixed order that the compiler can vectorise.
fn lane_sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (mut lanes, chunks) = ([0.0f32; LANES], values.chunks_exact(LANES));
    let rest: f32 = chunks.remainder().iter().map(|&x| f(x)).sum();
    for chunk in chunks {
        for l in 0..LANES {
            lanes[l] += f(chunk[l]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests;
