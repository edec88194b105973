//! The engine for the CPU: answers, gradients and the optimiser's step in closed form over one flat vector.
//!
//! A batch goes through both towers in blocks of rows that fit the cache. Nothing is allocated after
//! the first call, whatever the size of the batch, and nothing is done in parallel: threads belong to
//! runs, not to matrices, and the result does not depend on how many there are.

mod product;
mod tower;

use super::engine::{Engine, Update};
use super::loss::{Heads, Lesson, Losses, Minibatch, Rule};
use super::net::NetShape;
use super::optimizer::Optimizer;
pub use product::{LANES, Left, Start, product};
use tower::{BLOCK_ROWS, Tower};

/// An [`Engine`] whose every formula is written out. Its answers and gradients are those of
/// [`super::burn_engine::BurnEngine`] but for rounding.
pub struct FusedEngine {
    shape: NetShape,
    params: Vec<f32>,
    grads: Vec<f32>,
    optimizer: Optimizer,
    policy: Tower,
    value: Tower,
    lesson: Lesson,
}

impl FusedEngine {
    /// A network with the given parameters, laid out by `shape`.
    pub fn new(shape: NetShape, params: Vec<f32>, optimizer: Optimizer) -> FusedEngine {
        let (policy, value) = shape.towers();
        let grads = vec![0.0; params.len()];
        let (policy, value) =
            (Tower::new(policy, shape.activation), Tower::new(value, shape.activation));
        let lesson = Lesson::default();
        let mut engine = FusedEngine { shape, params, grads, optimizer, policy, value, lesson };
        engine.prepare();
        engine
    }

    fn prepare(&mut self) {
        self.policy.prepare(&self.params);
        self.value.prepare(&self.params);
    }

    /// Losses of `batch`; their gradients with respect to all parameters go to `self.grads`.
    fn differentiate(&mut self, batch: &Minibatch, rule: &Rule) -> Losses {
        self.lesson.begin(batch, rule);
        let n = batch.actions.len();
        for first in (0..n).step_by(BLOCK_ROWS) {
            let rows = first..(first + BLOCK_ROWS).min(n);
            let (count, block) = (rows.len(), batch.rows(rows));
            self.policy.forward(&self.params, block.obs, count);
            self.value.forward(&self.params, block.obs, count);
            let (logits, d_logits, logit_width) = self.policy.output_and_slope();
            let (values, d_values, value_width) = self.value.output_and_slope();
            let heads = Heads { logits, logit_width, values, value_width };
            self.lesson.gradients(&block, rule, heads, (d_logits, d_values));
            self.policy.backward(block.obs, count, first == 0, &mut self.grads);
            self.value.backward(block.obs, count, first == 0, &mut self.grads);
        }
        self.policy.finish(&mut self.grads);
        self.value.finish(&mut self.grads);
        self.lesson.end(rule)
    }
}

impl Engine for FusedEngine {
    fn shape(&self) -> &NetShape {
        &self.shape
    }

    fn infer(&mut self, obs: &[f32], logits: &mut [f32], values: &mut [f32]) {
        let (obs_len, n_actions) = (self.shape.obs_len, self.shape.n_actions);
        let blocks =
            obs.chunks(BLOCK_ROWS * obs_len).zip(logits.chunks_mut(BLOCK_ROWS * n_actions));
        for ((obs, logits), values) in blocks.zip(values.chunks_mut(BLOCK_ROWS)) {
            self.policy.forward(&self.params, obs, values.len());
            self.value.forward(&self.params, obs, values.len());
            let (out, width) = self.policy.output();
            for (logits, out) in logits.chunks_exact_mut(n_actions).zip(out.chunks_exact(width)) {
                logits.copy_from_slice(&out[..n_actions]);
            }
            let (out, width) = self.value.output();
            values.iter_mut().zip(out.iter().step_by(width)).for_each(|(v, out)| *v = *out);
        }
    }

    fn update(&mut self, batch: &Minibatch, rule: &Rule) -> Update {
        let losses = self.differentiate(batch, rule);
        if rule.kl_limit.is_some_and(|limit| losses.approx_kl > limit) {
            return Update { losses, grad_norm: 0.0, skipped: true };
        }
        let (rate, limit) = (rule.learning_rate, rule.max_grad_norm);
        let grad_norm = self.optimizer.step(&mut self.params, &self.grads, rate, limit);
        self.prepare();
        Update { losses, grad_norm, skipped: false }
    }

    fn params(&self) -> &[f32] {
        &self.params
    }

    fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    fn restore(&mut self, params: Vec<f32>, optimizer: Optimizer) {
        self.params = params;
        self.optimizer = optimizer;
        self.prepare();
    }
}

#[cfg(test)]
mod tests;
