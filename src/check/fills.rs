//! How good the estimate of our place in the queue is, and what it would cost to believe in fills at the touch.
//!
//! ```text
//!  simulated markets (true order ids) ─┐
//!                                      ├► tracks ─► calibrate: exponent per series, errors, bracket
//!  recorded queue positions + log ─────┘
//!  recorded markets ─► shadow orders ─► compare: naive touch fills beside the three queues
//! ```
//!
//! **Invariant:** the floats of evaluation live here; what orders meet in the broker is integer.
//! **Invariant:** what is fitted is judged on later orders than it was fitted to.

pub mod bootstrap;
pub mod calibrate;
pub mod compare;
pub mod estimate;
pub mod positions;
pub mod shadow;
pub mod simulated;
pub mod source;
pub mod track;
