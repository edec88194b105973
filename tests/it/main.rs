//! Integration tests: one binary, so that polars and burn are linked once.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests stop and speak"
)]

#[cfg(feature = "learn")]
mod agent;
mod broker;
mod cli;
mod conformance;
mod env;
#[cfg(feature = "learn")]
mod eval;
mod export;
mod features;
mod house;
mod import;
mod log;
mod orders;
#[cfg(all(feature = "frames", feature = "learn"))]
mod readme;
mod shared;
mod wire;
