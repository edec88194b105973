//! Agents: policies, networks, learning and evaluation.
//!
//! ```text
//!  env ─ obs, mask, reward ─► rollout ─► gae ─► ppo | a2c ─ minibatches ─► engine: fused | burn
//!   ▲                            │                              loss, optimizer, net, dist
//!   └───────── actions ──────────┘
//!  markets (filter, curriculum) ─► env        tally ─► diagnosis: what is wrong, and why
//!  trainer (in memory) ─► train (on disk: checkpoint, progress, tfevents) ─► model (a Policy)
//!                              provenance: what decides its bytes; repeat: the same again
//!  split ─► fit (one model per split) ─► judge { eval ─► verdict; inspect; compare }
//!  search (many recipes, all counted; among) ─► judge, deflated by tries   sb3 (a foreign model) ─► model
//! ```
//!
//! **Invariant:** burn is named in `device` and `burn_engine` only, pulp in `simd` only, zip in `sb3` only;
//! everything else works on slices of numbers, so that another engine needs nothing but the
//! [`engine::Engine`] trait.

pub mod calibration;
pub mod compare;
pub mod eval;
pub mod insight;
pub mod parallel;
pub mod policy;
pub mod score;
pub mod split;
pub mod stats;
pub mod tries;

#[cfg(feature = "learn")]
pub mod a2c;
#[cfg(feature = "learn")]
pub mod among;
#[cfg(feature = "learn")]
pub mod burn_engine;
#[cfg(feature = "learn")]
pub mod checkpoint;
#[cfg(feature = "learn")]
pub mod config;
#[cfg(feature = "learn")]
pub mod device;
#[cfg(feature = "learn")]
pub mod diagnosis;
#[cfg(feature = "learn")]
pub mod dist;
#[cfg(feature = "learn")]
mod elementary;
#[cfg(feature = "learn")]
pub mod engine;
#[cfg(feature = "learn")]
mod exact;
#[cfg(feature = "learn")]
pub mod fit;
#[cfg(feature = "learn")]
pub mod fused;
#[cfg(feature = "learn")]
pub mod gae;
#[cfg(feature = "learn")]
pub mod inspect;
#[cfg(feature = "learn")]
pub mod judge;
#[cfg(feature = "learn")]
pub mod loss;
#[cfg(feature = "learn")]
pub mod markets;
#[cfg(feature = "learn")]
pub mod memory;
#[cfg(feature = "learn")]
pub mod model;
#[cfg(feature = "learn")]
pub mod net;
#[cfg(feature = "learn")]
pub mod normalizer;
#[cfg(feature = "learn")]
pub mod optimizer;
#[cfg(feature = "learn")]
pub mod ppo;
#[cfg(feature = "learn")]
pub mod progress;
#[cfg(feature = "learn")]
pub mod provenance;
#[cfg(feature = "learn")]
pub mod repeat;
#[cfg(feature = "learn")]
pub mod rollout;
#[cfg(feature = "learn")]
pub mod sb3;
#[cfg(feature = "learn")]
pub mod schedule;
#[cfg(feature = "learn")]
pub mod search;
#[cfg(feature = "learn")]
pub mod simd;
#[cfg(feature = "learn")]
pub mod stop;
#[cfg(feature = "learn")]
pub mod tally;
#[cfg(feature = "learn")]
pub mod tfevents;
#[cfg(feature = "learn")]
pub mod train;
#[cfg(feature = "learn")]
pub mod trainer;
#[cfg(feature = "learn")]
pub mod weights;
