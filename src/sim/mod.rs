//! A loopback exchange: matching, seeded order flow, and the synthetic tapes made of them.
//!
//! **Invariant:** imports only ground, wire and book. The matching engine is the sim's own and never
//! meets the broker's fill model, so that one can be judged by the other.
//! **Invariant:** everything except [`write`] is pure and integer: same seed, same bytes, everywhere.

pub mod accounts;
pub mod desk;
pub mod exchange;
pub mod flow;
pub mod tape;
pub mod write;
