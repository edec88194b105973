//! KalshiFlow: record Kalshi order books, learn a trading policy from them, and find out honestly
//! whether it has an edge.
//!
//! ```text
//!  exchange ─► feed (signed WebSocket, REST) ─► collect ─┐
//!  recorded files ─► intake ─────────────────────────────┴► store (redb log) ─► dataset (Parquet)
//!                      │                                       │                    │
//!                     wire, book                            replay         features::pipeline (polars)
//!                                                              └─► features::Observer ─► env ─► agent ─► report
//!                                                                                                └─► registry
//!  sim (an exchange to practise on: matching, crowds, faults)                            │
//!                                                              broker (ledger, fees, matching)
//!  store (what the log has accepted) ─► actor { Observer, policy, env's account } ─► paper: broker, or trade
//!  everything that runs, and the log ─► view ─► dash (a terminal)
//!  trade: desk { risk ─► blotter (every order, kept true) } ─► gateway ─► Kalshi's demo, or sim
//! ```
//!
//! # Invariants
//! 1. Nothing is lost silently: every missing message is a row that says so ([`event::Gap`]).
//! 2. Money is exact: integers, never floats ([`units`]); the ledger's identities hold at every step.
//! 3. One engine: collecting, import, replay, training, evaluation and live trading run the same book,
//!    observation, fill and ledger code.
//! 4. No result flatters: fees, queue, latency, depth and held-out data are in the number, with baselines beside it.
//! 5. A room imports only rooms above it in the list below; each heavy crate has one room (`redb`,
//!    `bincode` in [`store`]; `arrow`, `parquet` in [`dataset`]; `polars` in its bridge and in the
//!    pipeline and report of [`features`]; `burn` and `zip` in [`agent`]; `reqwest` in [`feed`],
//!    `tokio_tungstenite` there and in the exchange of [`sim`], which has `axum`; `ratatui` and `crossterm` in
//!    [`dash`]; `rsa` and `ring` in [`wire::auth`]; the environment of the process in [`config`]).
//!    `tests/it/house.rs` enforces it.
//! 6. `wire`, `book`, `broker`, `features` (but for pipeline and report), `env` and `trade` (but for
//!    gateway, kill switch, journal, standing and runner) do no IO, spawn nothing and read no clock: time
//!    arrives in the event.
//! 7. No path leads to an order on a real exchange: orders go to Kalshi's demo and to this machine only
//!    ([`feed::rest::OrderClient`], the one sender of anything but GET).
//!
//! # Units
//! | what | type | counts |
//! |---|---|---|
//! | price | [`units::Price`], `_e4` | 1e-4 dollars, 0..=10 000 |
//! | size | [`units::Qty`], `_e2` | 1e-2 contracts |
//! | money | [`units::Money`], `_e6` | 1e-6 dollars |
//! | exchange time | [`units::TsUs`], `_us`, `_ms` | since the epoch, UTC |
//! | receive time | [`units::TsNs`], `_ns` | since the epoch, UTC |
//!
//! # Where to start
//! [`event`] is the language that all rooms speak; [`book`] is the heart; [`features::Observer`] turns
//! events into numbers; [`env::TradingEnv`] is what a policy lives in; [`cli`] puts everything together.
//!
//! # Where the plan was changed
//! * The command line's arguments stand beside the command that reads them, not in one `args.rs`: a
//!   command is then one file.
//! * Models are judged in [`agent`], which therefore stands below [`replay`]; the exchange and the
//!   synthetic tapes of [`sim`] know only the ground, the wire, the book and the broker's fees.
//! * The limits of trading and the kill switch stand in [`trade`], beside the orders that they stop, not in
//!   [`broker`], which knows one market and no account of an exchange.
//! * [`dash`] sees more than [`view`]: the book, the log and the journals, because it replays what was recorded
//!   and folds the records of a running collector by itself; nothing of learning, whose files it reads as they lie.
//! * [`registry`] keeps models, their names and where they come from: a room of its own beside [`agent`], which
//!   knows runs and no names; its redb file is opened by [`store::Cabinet`], so that redb keeps one door.
//! * [`feed`] stands below [`intake`]: live frames and recorded ones are accounted for by the same
//!   [`intake::Accountant`].

// ground: imports nothing of ours
pub mod units;
pub mod event;
pub mod market;
pub mod rng;
pub mod digest;
pub mod secret;
pub mod config;
pub mod view;

// what was said, and what follows from it
pub mod wire;
pub mod book;

// kept and handed out
pub mod store;
pub mod intake;
pub mod dataset;

// received live
pub mod feed;
pub mod collect;

// traded, observed, learned
pub mod broker;
pub mod sim;
pub mod features;
pub mod replay;
pub mod env;
pub mod agent;
#[cfg(feature = "learn")]
pub mod registry;

// traded live
pub mod trade;
pub mod actor;

// shown and checked
pub mod check;
pub mod report;
pub mod dash;
pub mod demo;
pub mod cli;
