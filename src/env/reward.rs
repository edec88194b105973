//! The reward of a step: the change of equity, in dollars, fees already paid.
//!
//! Terms that shape behaviour exist by name, are off by default, and are never part of a reported
//! result: reports read equity, not rewards.
//!
//! **Invariant:** with no shaping, the rewards of an episode sum to final equity minus initial equity.

use crate::units::Money;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a step is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reward {
    /// Shaping: taken from the reward of each step with an order. Discourages churning.
    pub order_penalty: Money,
}

/// The reward's name and version, as checkpoints carry it: `equity-change-v1`.
impl fmt::Display for Reward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("equity-change-v1")?;
        match self.order_penalty {
            Money::ZERO => Ok(()),
            penalty => write!(f, "+order-penalty={penalty}"),
        }
    }
}

impl Reward {
    /// The reward of a step in which equity changed by `equity_change`.
    pub fn of(self, equity_change: Money, ordered: bool) -> Money {
        equity_change - if ordered { self.order_penalty } else { Money::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shaping_is_off_by_default_and_shows_in_the_name() {
        let plain = Reward::default();
        assert_eq!(plain.of(Money(-30), true), Money(-30));
        assert_eq!(plain.to_string(), "equity-change-v1");
        let shaped = Reward { order_penalty: Money(10_000) };
        assert_eq!(shaped.of(Money(-30), true), Money(-10_030));
        assert_eq!(shaped.of(Money(-30), false), Money(-30));
        assert_eq!(shaped.to_string(), "equity-change-v1+order-penalty=0.010000");
    }
}
