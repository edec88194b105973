//! Trading: what is asked of an exchange, what became of it, and what may be asked at all.
//!
//! ```text
//!  who decides ─► risk ─► blotter ─► gateway ─► exchange (Kalshi's demo, or the built-in one)
//!                          ▲                │
//!                          └─── reports ◄───┘
//! ```
//!
//! **Invariant:** [`message`], [`blotter`] and [`risk`] are pure: no IO, time comes in.
//! **Invariant:** no order leaves but through the blotter, and none without risk's consent.
//! **Invariant:** the gateway reaches Kalshi's demo and this machine, and no other place
//! ([`crate::feed::rest::OrderClient`]).

pub mod blotter;
pub mod gateway;
pub mod kill;
pub mod message;
pub mod risk;
