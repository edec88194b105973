//! Agents: policies, networks, learning and evaluation.

pub mod policy;
pub mod eval;
pub mod split;
pub mod stats;
