//! Agents: policies, networks, learning and evaluation.

pub mod policy;
