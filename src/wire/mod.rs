//! What Kalshi says and how it says it: frames to events and back. No sockets, no files.
//!
//! Two roads lead from bytes to an [`crate::event::Event`]: [`scan`] reads the usual shape of the two
//! frequent frames without building a tree, and [`frame`] reads everything else. A frame whose event
//! would not give back the same JSON value keeps its bytes beside the event ([`crate::event::Record`]).
//!
//! **Invariant:** [`convert`] is the only place where text becomes a price, a size or a time, and no
//! such text passes through a float.
//! **Invariant:** no input panics; what cannot be read becomes [`crate::event::Body::Bad`] with its bytes.

pub mod auth;
pub mod convert;
mod decode;
mod encode;
pub mod frame;
pub mod lifecycle;
pub mod market;
pub mod orders;
pub mod portfolio;
pub mod private;
pub mod rest;
mod scan;
pub mod text;

pub use decode::{Counts, Decoder};
pub use encode::{event_frame, frame_value};
