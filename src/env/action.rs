//! The discrete actions: hold, one of four trades in one of a few sizes, and, where the set has them, quotes.
//!
//! Coding: 0 holds; then intent `(a - 1) / sizes` of buy YES, sell YES, buy NO, sell NO, at size
//! `(a - 1) % sizes`. Selling YES *is* buying NO at the complement (see [`crate::broker`]), so two
//! pairs of actions do the same; both stay because people think in four trades. With quotes there
//! follow, for each placement, a bid and an ask (which is a bid for NO) in each size, and last the
//! action that cancels what rests.

use crate::broker::Intent;
use crate::units::{Qty, Side};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The action that does nothing.
pub const HOLD: u32 = 0;

/// Which actions there are: `1 + 4 x sizes`, and with quotes `placements x 2 x sizes + 1` more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionSet {
    /// Clip sizes in ascending order.
    pub sizes: Vec<Qty>,
    /// Where quotes may be placed; none: the agent only takes.
    #[serde(default)]
    pub quotes: Vec<Placement>,
}

/// Where a quote rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// At the best price, behind those who are there.
    Join,
    /// One tick better, alone.
    Improve,
}

impl Placement {
    /// `join` or `improve`.
    pub const fn word(self) -> &'static str {
        match self {
            Placement::Join => "join",
            Placement::Improve => "improve",
        }
    }
}

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing: what rests goes on resting.
    Hold,
    /// Takes what is displayed.
    Take(Intent, Qty),
    /// Rests a bid for this contract, or moves the one that rests.
    Quote(Side, Placement, Qty),
    /// Takes back all quotes.
    Cancel,
}

impl Act {
    /// True if it asks for contracts.
    pub const fn is_order(self) -> bool {
        matches!(self, Act::Take(..) | Act::Quote(..))
    }
}

impl Default for ActionSet {
    fn default() -> ActionSet {
        ActionSet { sizes: vec![Qty::contracts(10)], quotes: Vec::new() }
    }
}

/// The set's name, as checkpoints carry it: `hold+4x[10.00]`, with quotes `hold+4x[10.00]+join+improve`.
impl fmt::Display for ActionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.sizes.iter().map(Qty::to_string).collect();
        write!(f, "hold+4x[{}]", sizes.join(","))?;
        self.quotes.iter().try_for_each(|placement| write!(f, "+{}", placement.word()))
    }
}

impl ActionSet {
    /// Number of actions.
    #[expect(clippy::len_without_is_empty, reason = "holding is always there")]
    pub fn len(&self) -> usize {
        let quotes = 2 * self.quotes.len() * self.sizes.len();
        1 + 4 * self.sizes.len() + if quotes > 0 { quotes + 1 } else { 0 }
    }

    /// What an action does; `None` for numbers that are no action.
    #[inline]
    pub fn act(&self, action: u32) -> Option<Act> {
        let Some(index) = (action as usize).checked_sub(1) else { return Some(Act::Hold) };
        let (row, size) = (index / self.sizes.len(), self.sizes[index % self.sizes.len()]);
        if let Some(intent) = Intent::ALL.get(row) {
            return Some(Act::Take(*intent, size));
        }
        let side = if row % 2 == 0 { Side::Yes } else { Side::No };
        match self.quotes.get((row - Intent::ALL.len()) / 2) {
            Some(placement) => Some(Act::Quote(side, *placement, size)),
            None => (index + 2 == self.len()).then_some(Act::Cancel),
        }
    }

    /// The action that takes with `intent` at size number `size`.
    pub fn take(&self, intent: Intent, size: usize) -> u32 {
        let row = Intent::ALL.iter().position(|i| *i == intent).unwrap_or(0);
        (1 + row * self.sizes.len() + size) as u32
    }

    /// `hold`, `buy_yes`, `join_bid`, `improve_ask`, `cancel`; with several sizes `buy_yes_5.00`.
    pub fn name(&self, action: u32) -> String {
        let (name, size) = match self.act(action) {
            None | Some(Act::Hold) => return "hold".into(),
            Some(Act::Cancel) => return "cancel".into(),
            Some(Act::Take(intent, size)) => (intent.name().to_owned(), size),
            Some(Act::Quote(side, placement, size)) => {
                let ladder = if side == Side::Yes { "bid" } else { "ask" };
                (format!("{}_{ladder}", placement.word()), size)
            }
        };
        if self.sizes.len() == 1 { name } else { format!("{name}_{size}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Side;

    #[test]
    fn actions_are_coded_as_in_the_predecessor() {
        let sizes = [5, 10, 20, 50, 100].map(Qty::contracts).to_vec();
        let set = ActionSet { sizes, quotes: Vec::new() };
        assert_eq!(set.len(), 21);
        assert_eq!(set.act(HOLD), Some(Act::Hold));
        assert_eq!(set.act(21), None);
        assert_eq!((set.name(1), set.name(20)), ("buy_yes_5.00".into(), "sell_no_100.00".into()));
        for action in 1..21 {
            let Some(Act::Take(intent, size)) = set.act(action) else { panic!("a trade") };
            let at = set.sizes.iter().position(|s| *s == size).expect("a size");
            assert_eq!(set.take(intent, at), action);
        }
        let five = ActionSet::default();
        let names: Vec<_> = (0..5).map(|a| five.name(a)).collect();
        assert_eq!(names, ["hold", "buy_yes", "sell_yes", "buy_no", "sell_no"]);
        assert_eq!(five.to_string(), "hold+4x[10.00]");
    }

    #[test]
    fn quotes_follow_the_trades_and_the_cancel_is_last() {
        let quotes = vec![Placement::Join, Placement::Improve];
        let set = ActionSet { quotes, ..ActionSet::default() };
        let names: Vec<_> = (5..set.len() as u32).map(|a| set.name(a)).collect();
        assert_eq!(names, ["join_bid", "join_ask", "improve_bid", "improve_ask", "cancel"]);
        assert_eq!(set.act(set.len() as u32), None);
        let ten = Qty::contracts(10);
        assert_eq!(set.act(8), Some(Act::Quote(Side::No, Placement::Improve, ten)));
        assert_eq!(set.to_string(), "hold+4x[10.00]+join+improve");
        let json = serde_json::to_string(&ActionSet::default()).expect("JSON");
        assert_eq!(json, r#"{"sizes":[1000],"quotes":[]}"#);
    }
}
