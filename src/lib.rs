//! KalshiFlow: record Kalshi order books, learn a trading policy from them, and find out honestly
//! whether it has an edge.

pub mod config;
pub mod event;
pub mod market;
pub mod rng;
pub mod units;

pub mod agent;
pub mod book;
pub mod broker;
pub mod check;
pub mod cli;
pub mod dataset;
pub mod demo;
pub mod env;
pub mod features;
pub mod intake;
pub mod replay;
pub mod report;
pub mod sim;
pub mod store;
pub mod wire;
