//! Features: one function turns market state into numbers.
//!
//! ```text
//! Event ─► Observer ─► Row (market part, f32) ─┐
//!                                              ├─► 52 values, what a policy sees
//! AccountView ─► write_account (account part) ─┘
//! ```
//!
//! The pipeline, the environment, the evaluator and a live session all call [`Observer::push`] and
//! [`account::write_account`]; there is no second way to make an observation.
//!
//! **Invariant:** no IO (but in `pipeline` and `report`, which read and write files), no clock, no receive
//! time, no hash order: the same events give the same bits.
//! **Invariant:** state is integers; floats appear where a row is written, in f64, rounded to f32 once.
//! **Invariant:** a row depends on nothing that was recorded after it.

pub mod account;
pub mod episode;
pub mod flow52;
pub mod kalshiflow52;
mod kernel;
pub mod layout;
mod observe;
#[cfg(feature = "frames")]
pub mod pipeline;
#[cfg(feature = "frames")]
pub mod report;
mod scale;

pub use layout::Layout;
pub use observe::{Observer, Row};
