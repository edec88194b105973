//! Integration tests: one binary, so that polars and burn are linked once.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests stop and speak"
)]

#[cfg(feature = "learn")]
mod agent;
mod actor;
mod broker;
mod calibrate;
mod cli;
mod client;
mod collect;
mod conformance;
mod dash;
mod env;
#[cfg(feature = "learn")]
mod eval;
mod experience;
mod export;
mod faults;
mod features;
mod fees;
mod fills;
mod feed;
mod fuzz;
mod house;
mod import;
mod log;
mod matching;
mod orders;
mod python;
mod queues;
#[cfg(all(feature = "frames", feature = "learn"))]
mod readme;
#[cfg(feature = "learn")]
mod registry;
mod rows;
#[cfg(feature = "learn")]
mod sb3;
#[cfg(feature = "learn")]
mod search;
mod shared;
mod simulator;
mod simulator_rest;
#[cfg(feature = "learn")]
mod swap;
mod tidy;
mod trade;
mod wire;
