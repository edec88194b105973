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
mod learning;
mod log;
mod shared;
mod wire;
