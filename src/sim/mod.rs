//! A loopback exchange: matching, seeded order flow, and the synthetic tapes made of them.
//!
//! ```text
//!  crowd ─► exchange ─► venue (all markets, lifecycles) ─► ws (subscriptions, numbering) ─► server
//!             ▲                                              │ script: faults     truth: what was issued
//!           desk (accounts, V2 orders) ◄──────────────────── rest (keys, buckets, answers)
//! ```
//!
//! **Invariant:** imports only ground, wire, book and the broker's fees. The matching engine is the sim's
//! own and never meets the broker's fill model, so that one can be judged by the other.
//! **Invariant:** everything except [`write`], [`server`], [`blast`] and the door of [`rest`] is pure, and what makes flow is
//! integer: same seed, same bytes, everywhere. Only the table of [`calibrate`] speaks of ratios.

pub mod accounts;
pub mod blast;
pub mod calibrate;
pub mod crowd;
pub mod desk;
mod draw;
mod encode;
pub mod exchange;
pub mod flow;
pub mod keys;
pub mod lag;
pub mod replay;
pub mod rest;
pub mod script;
pub mod server;
pub mod tape;
pub mod truth;
pub mod venue;
pub mod write;
pub mod ws;
