//! Integration tests: one binary, so that polars and burn are linked once.
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
