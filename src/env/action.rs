//! The discrete actions: hold, or one of four trades in one of a few sizes.
//!
//! Coding: 0 holds; `a >= 1` is intent `(a - 1) / sizes` of buy YES, sell YES, buy NO, sell NO, at size
//! `(a - 1) % sizes`. Selling YES *is* buying NO at the complement (see [`crate::broker`]), so two
//! pairs of actions do the same; both stay because people think in four trades.

use crate::broker::Intent;
use crate::units::Qty;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The action that does nothing.
pub const HOLD: u32 = 0;

/// Which actions there are: `1 + 4 x sizes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionSet {
    /// Clip sizes in ascending order.
    pub sizes: Vec<Qty>,
}

impl Default for ActionSet {
    fn default() -> ActionSet {
        ActionSet { sizes: vec![Qty::contracts(10)] }
    }
}

/// The set's name, as checkpoints carry it: `hold+4x[10.00]`.
impl fmt::Display for ActionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.sizes.iter().map(Qty::to_string).collect();
        write!(f, "hold+4x[{}]", sizes.join(","))
    }
}

impl ActionSet {
    /// Number of actions.
    #[expect(clippy::len_without_is_empty, reason = "holding is always there")]
    pub fn len(&self) -> usize {
        1 + 4 * self.sizes.len()
    }

    /// What an action orders; `None` for hold and for numbers that are no action.
    #[inline]
    pub fn order(&self, action: u32) -> Option<(Intent, Qty)> {
        let index = (action as usize).checked_sub(1)?;
        let intent = Intent::ALL.get(index / self.sizes.len())?;
        Some((*intent, self.sizes[index % self.sizes.len()]))
    }

    /// The action that orders `intent` at size number `size`.
    pub fn action(&self, intent: Intent, size: usize) -> u32 {
        let row = Intent::ALL.iter().position(|i| *i == intent).unwrap_or(0);
        (1 + row * self.sizes.len() + size) as u32
    }

    /// `hold`, `buy_yes` (one size) or `buy_yes_5.00` (several).
    pub fn name(&self, action: u32) -> String {
        match self.order(action) {
            None => "hold".into(),
            Some((intent, _)) if self.sizes.len() == 1 => intent.name().into(),
            Some((intent, size)) => format!("{}_{size}", intent.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Side;

    #[test]
    fn actions_are_coded_as_in_the_predecessor() {
        let set = ActionSet { sizes: [5, 10, 20, 50, 100].map(Qty::contracts).to_vec() };
        assert_eq!(set.len(), 21);
        assert_eq!(set.order(HOLD), None);
        assert_eq!(set.order(21), None);
        assert_eq!((set.name(1), set.name(20)), ("buy_yes_5.00".into(), "sell_no_100.00".into()));
        for action in 1..21 {
            let (intent, size) = set.order(action).expect("a trade");
            let at = set.sizes.iter().position(|s| *s == size).expect("a size");
            assert_eq!(set.action(intent, at), action);
        }
        let five = ActionSet::default();
        let names: Vec<_> = (0..5).map(|a| five.name(a)).collect();
        assert_eq!(names, ["hold", "buy_yes", "sell_yes", "buy_no", "sell_no"]);
        assert_eq!(five.order(3).map(|o| o.0.side), Some(Side::No));
        assert_eq!(five.to_string(), "hold+4x[10.00]");
    }
}
