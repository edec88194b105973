//! A loopback exchange: matching, seeded order flow, and the synthetic tapes made of them.
//!
//! **Invariant:** imports only ground, wire and book. The matching engine is the sim's own and never
//! meets the broker's fill model, so that one can be judged by the other.
//! **Invariant:** everything except [`write`] is pure, and what makes flow is integer: same seed, same
//! bytes, everywhere. Only the table of [`calibrate`] speaks of ratios.

pub mod calibrate;
pub mod crowd;
mod draw;
pub mod exchange;
pub mod flow;
pub mod lag;
pub mod tape;
pub mod write;
