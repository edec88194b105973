//! Agents: policies, networks, learning and evaluation.

pub mod eval;
pub mod policy;
pub mod split;
pub mod stats;
