//! What computes: a network, its gradients and its optimiser behind one seam.
//!
//! The parameters stand in one flat vector, laid out by [`NetShape`], whatever the engine keeps
//! beside it. All chance stays outside: an engine is a function of what it is given.

use super::burn_engine::BurnEngine;
use super::device::DeviceName;
use super::fused::FusedEngine;
use super::loss::{Losses, Minibatch, Rule};
use super::net::NetShape;
use super::optimizer::Optimizer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which engine. Both compute the same numbers but for rounding, from the same parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// [`FusedEngine`]: the CPU, formulas written out.
    Fused,
    /// [`BurnEngine`]: any device, gradients by automatic differentiation.
    Burn,
}

impl EngineName {
    /// The faster one that runs on `device`.
    pub fn best(device: DeviceName) -> EngineName {
        match device {
            DeviceName::Flex => EngineName::Fused,
            // Whoever names another backend of burn wants to see it work.
            _ => EngineName::Burn,
        }
    }

    /// A network with the given parameters, laid out by `shape`.
    pub fn build(
        self,
        device: DeviceName,
        shape: NetShape,
        params: Vec<f32>,
        optimizer: Optimizer,
    ) -> Box<dyn Engine> {
        match self {
            EngineName::Fused => Box::new(FusedEngine::new(shape, params, optimizer)),
            EngineName::Burn => Box::new(BurnEngine::new(device, shape, params, optimizer)),
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            EngineName::Fused => "fused",
            EngineName::Burn => "burn",
        })
    }
}

/// A network that answers and learns.
pub trait Engine: Send {
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
