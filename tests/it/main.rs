//! Integration tests: one binary, so that polars and burn are linked once.
mod house;
mod shared;
mod wire;
mod log;
mod import;
mod export;
mod features;
mod broker;
mod env;
mod agent;
mod eval;
mod cli;
mod conformance;
