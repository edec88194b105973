//! The broker: what an order costs, what it fills against, and what is owned afterwards.
//!
//! Training, evaluation and paper trading use these same functions, so they cannot disagree about money.
//! [`matching`] is the way in: what becomes of orders of ours in one market.
//!
//! **Invariant:** no IO, no clock, no floats. Prices, sizes and money are integers.
//! **Invariant:** nothing is ever credited for a contract that is not owned: selling YES from flat
//! *is* buying NO at the complement, collateral included (the predecessor's simulator minted a dollar
//! per contract here, and its models learned nothing else).

pub mod attribution;
pub mod fees;
pub mod fills;
pub mod fits;
pub mod latency;
pub mod matching;
pub mod orders;
pub mod portfolio;
pub mod queue;
pub mod series;

pub use attribution::{Attribution, Stamp};
pub use fees::{FeeSchedule, OrderFees, Role};
pub use fills::Taken;
pub use fits::{QueueFit, QueueFits, Truth, series_of};
pub use latency::{Delay, Latency};
pub use matching::{Matcher, Reports, Rules};
pub use orders::{Intent, Verb};
pub use portfolio::{Portfolio, Refused};
pub use queue::{Exponent, QueueModel};
pub use series::{FeeType, MarketFees, Multiplier, Rate, Rates, SeriesFee, SeriesFees};
