//! The actor: a policy that trades markets while they happen.
//!
//! ```text
//!  accepted record ─► LiveSeat (Observer, Account) ─► Moment ─► policy ─► risk ─► order
//! ```
//!
//! **Invariant:** the actor sees only records that the log has accepted, so that every decision can be played
//! back from the log.
//! **Invariant:** observation, mask, fill and ledger are those of training: the same types, the same code.

mod deed;
mod elsewhere;
mod playback;
mod run;
mod seat;
mod select;
#[cfg(test)]
mod tests;
mod watch;

pub use deed::{ActorReport, Deed, Ended, Filled, Outcome, Reason, Verdict};
pub use elsewhere::{Errand, order_number, order_of};
pub use playback::{Told, Turn, TurnLine, play_back};
pub use run::{Acting, Actor, ActorSpec, obs_hash};
pub use seat::{LiveSeat, Moment};
pub use select::{Candidate, Choice, Hot, Selector};
