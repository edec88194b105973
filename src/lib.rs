//! KalshiFlow: record Kalshi order books, learn a trading policy from them, and find out honestly
//! whether it has an edge.

pub mod units;
pub mod event;
pub mod market;
pub mod rng;

pub mod wire;
pub mod book;
pub mod store;
pub mod intake;
pub mod dataset;
pub mod replay;
pub mod broker;
pub mod features;
pub mod env;
pub mod agent;
pub mod sim;
pub mod check;
pub mod report;
pub mod demo;
pub mod cli;
