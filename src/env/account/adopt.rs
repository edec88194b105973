//! Positions that no order of ours made: from before the session, traded by somebody else, or paid out.

use super::{Account, Rules, touch};
use crate::broker::matching::{Bound, Bracket};
use crate::broker::{Intent, Verb};
use crate::features::episode::Decision;
use crate::units::{Money, Price, Qty, Side};

impl<R: Rules> Account<R> {
    /// The exchange holds `position` (+YES, -NO). What came brought its worth at the touch of `decision` with it,
    /// what went was sold there: profit is what it was.
    pub fn adopt(&mut self, position: Qty, decision: &Decision) {
        let held = self.portfolio.position();
        let turns = held.0.signum() * position.0.signum() < 0;
        // Through zero in two steps: one side goes, then the other one comes.
        self.move_to(if turns { Qty::ZERO } else { position }, decision);
        self.move_to(position, decision);
    }

    /// To a position that is not on the other side of zero.
    fn move_to(&mut self, position: Qty, decision: &Decision) {
        let held = self.portfolio.position();
        let change = position - held;
        if change == Qty::ZERO {
            return;
        }
        let side = if held + position > Qty::ZERO { Side::Yes } else { Side::No };
        // As everywhere: a missing bid marks at zero.
        let price = touch(decision)[side.index()].unwrap_or(Price::ZERO);
        let qty = Qty(change.0.abs());
        let comes = position.0.abs() > held.0.abs();
        let intent = Intent { side, verb: if comes { Verb::Buy } else { Verb::Sell } };
        if comes {
            let worth = price.times(qty);
            self.portfolio.endow(worth);
            self.claims.endow(worth);
            // What came from outside is no growth.
            (self.equity, self.peak) = (self.equity + worth, self.peak + worth);
        }
        self.portfolio.book(intent, price, qty, Money::ZERO);
        self.claims.book(intent, price, Bracket::all(qty), Bracket::default(), Some(Bound::Fitted));
        let is_new = held == Qty::ZERO;
        self.opened_ms = (position != Qty::ZERO)
            .then(|| self.opened_ms.filter(|_| !is_new).unwrap_or(decision.ts_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::EnvConfig;
    use crate::env::account::Exact;
    use crate::features::episode::FILL_LEVELS;
    use crate::rng::Rng;
    use crate::units::TsNs;
    use proptest::prelude::*;

    fn decision(bids: [Option<i64>; 2]) -> Decision {
        let level = |e4: Option<i64>| {
            let nothing = (Price::ZERO, Qty::ZERO);
            let mut levels = [nothing; FILL_LEVELS];
            levels[0] = e4.and_then(Price::new).map_or(nothing, |price| (price, Qty(500)));
            levels
        };
        let bids = bids.map(level);
        Decision { ts_ms: 7, recv: TsNs(0), row_id: 0, mid2: 0, bids, next_event: 0 }
    }

    proptest! {
        /// Whatever an exchange holds from elsewhere, no profit comes of it, and the ledger stays whole.
        #[test]
        fn a_position_from_elsewhere_is_no_profit(
            steps in prop::collection::vec((-9_000i64..9_000, 100i64..5_000, 100i64..4_900), 1..12)
        ) {
            let config = EnvConfig::default();
            let mut account: Account<Exact> =
                Account::new(&config, config.matching("T", None), Rng::stream(1, "adopt", 0));
            for (position, yes, no) in steps {
                let seen = decision([Some(yes), Some(no)]);
                account.mark(&seen);
                let before = account.equity() - account.portfolio().start();
                account.adopt(Qty(position), &seen);
                prop_assert_eq!(account.mark(&seen), Money::ZERO);
                prop_assert_eq!(account.portfolio().position(), Qty(position));
                prop_assert_eq!(account.equity() - account.portfolio().start(), before);
                prop_assert_eq!(account.portfolio().broken_invariant(), None);
                prop_assert_eq!(account.bracket(&seen), Bracket::all(account.equity()));
                prop_assert_eq!(account.certain(&seen), account.equity());
            }
        }
    }
}
