//! Integration tests: one binary, so that polars and burn are linked once.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests stop and speak"
)]

mod agent;
mod broker;
mod cli;
mod conformance;
mod env;
mod eval;
mod export;
mod features;
mod house;
mod import;
mod log;
mod readme;
mod shared;
mod wire;
