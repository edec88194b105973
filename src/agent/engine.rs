//! What computes: a network, its gradients and its optimiser behind one seam.
//!
//! The parameters stand in one flat vector, laid out by [`NetShape`], whatever the engine keeps
//! beside it. All chance stays outside: an engine is a function of what it is given.

use super::loss::{Losses, Minibatch, Rule};
use super::net::NetShape;
use super::optimizer::Optimizer;

/// A network that answers and learns.
pub trait Engine {
    /// What the network looks like.
    fn shape(&self) -> &NetShape;
    /// Writes `logits`, `[rows, n_actions]`, and `values`, `[rows]`, for `obs`, `[rows, obs_len]`.
    fn infer(&mut self, obs: &[f32], logits: &mut [f32], values: &mut [f32]);
    /// One optimiser step on a minibatch.
    fn update(&mut self, batch: &Minibatch, rule: &Rule) -> Update;
    /// The parameters, flat.
    fn params(&self) -> &[f32];
    /// The optimiser and all it remembers.
    fn optimizer(&self) -> &Optimizer;
    /// Replaces parameters and optimiser; their lengths are those of [`Engine::shape`].
    fn restore(&mut self, params: Vec<f32>, optimizer: Optimizer);
}

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Update {
    /// Losses before the step.
    pub losses: Losses,
    /// 2-norm of the gradients before clipping; 0 when the step was skipped.
    pub grad_norm: f32,
    /// The divergence was over the rule's limit: nothing was changed.
    pub skipped: bool,
}
