//! The account as observations show it.

use super::{Account, Rules, touch};
use crate::env::EnvConfig;
use crate::features::account::{AccountView, Action, OwnOrder, write_account};
use crate::features::episode::Decision;
use crate::units::{Price, Qty, Side};

/// Room for an order that is not there.
const NO_ORDER: OwnOrder = OwnOrder {
    contract: Side::Yes,
    action: Action::Buy,
    price: Price::ZERO,
    remaining: Qty::ZERO,
    ahead: Qty::ZERO,
    level: Qty::ZERO,
    placed_ms: 0,
};

impl<R: Rules> Account<R> {
    /// Writes the observation at `decision`: `row`, its market part, then the account part.
    pub fn observe(&self, decision: &Decision, row: &[f32], config: &EnvConfig, obs: &mut [f32]) {
        let (market, account) = obs.split_at_mut(row.len());
        market.copy_from_slice(row);
        let [yes_bid, no_bid] = touch(decision);
        let position = self.portfolio.position();
        let basis_e6 = self.portfolio.basis().e6();
        let mut room = [NO_ORDER; 2];
        let orders = self.shown(&mut room);
        let view = AccountView {
            t_ms: decision.ts_ms,
            bid: yes_bid,
            ask: no_bid.map(Price::complement),
            mid2: decision.mid2.into(),
            pos_e2: position.e2(),
            limit_e2: config.limit.e2(),
            // On the YES axis: a NO bought at q stands at 1 - q.
            entry_cost_e6: match position.e2() {
                n if n < 0 => Price::ONE.times(-position).e6() - basis_e6,
                _ => basis_e6,
            },
            cash_e6: self.portfolio.cash().e6(),
            reserved_e6: self.reserved().e6(),
            peak_equity_e6: self.peak.e6(),
            t_open_ms: self.opened_ms,
            orders,
        };
        write_account(config.layout, &view, account);
    }

    /// Quotes that rest, oldest first.
    fn shown<'a>(&self, room: &'a mut [OwnOrder; 2]) -> &'a [OwnOrder] {
        let counts = self.matcher.rules().counts;
        let mut n = 0;
        for own in self.own.quotes.iter().flatten().filter(|own| own.rests) {
            let (side, price) = (own.intent.rests(), own.intent.resting_price(own.price));
            let ahead = self.matcher.ahead(own.id).map_or(Qty::ZERO, |ahead| ahead[counts]);
            room[n] = own.seen(ahead, self.book.bids(side).size(price));
            n += 1;
        }
        if n == 2 && room[1].placed_ms < room[0].placed_ms {
            room.swap(0, 1);
        }
        &room[..n]
    }
}
