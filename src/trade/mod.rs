//! Trading: what is asked of an exchange, what became of it, and what may be asked at all.
//!
//! ```text
//!  who decides ─► desk { risk ─► blotter } ─► gateway ─► exchange (Kalshi's demo, or the built-in one)
//!       ▲          │       ▲                    │
//!       └ outcomes ┘       └───── reports ◄─────┘
//! ```
//!
//! [`runner`] runs a desk on a thread of its own, with all that it needs of the world: gateway, private channels,
//! kill switch, journal, and the account's standing.
//!
//! **Invariant:** [`message`], [`blotter`], [`risk`] and [`desk`] are pure: no IO, time comes in.
//! **Invariant:** no order leaves but through the blotter, and none without risk's consent.
//! **Invariant:** the gateway reaches Kalshi's demo and this machine, and no other place
//! ([`crate::feed::rest::OrderClient`]).

pub mod blotter;
pub mod desk;
pub mod gateway;
pub mod journal;
pub mod kill;
pub mod message;
pub mod risk;
pub mod runner;
pub mod standing;
