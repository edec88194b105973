//! What an account did: counts for reports, and what the other two queues would have brought.

use crate::broker::matching::{Bound, Bracket, Fill};
use crate::broker::{Intent, Role};
use crate::units::{Money, Price, Qty};
use serde::{Deserialize, Serialize};

/// Sums over the fills of an account, in the queue that counts unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests for contracts sent: new orders and amends.
    pub orders: u64,
    /// Orders that filled, at least in part.
    pub filled: u64,
    /// Price times quantity over all fills, on the scale of the contract ordered.
    pub notional: Money,
    /// Contracts that rested until somebody took them.
    pub maker: Qty,
    /// Contracts that we took.
    pub taker: Qty,
    /// Contracts of orders that rested over a gap: nobody knows their place in the queue.
    pub uncertain: Qty,
}

impl Tally {
    /// Counts a fill.
    pub(super) fn fill(&mut self, fill: &Fill, counts: Bound, first: bool) {
        let qty = fill.qty[counts];
        self.filled += u64::from(first);
        self.notional += fill.price.times(qty);
        match fill.role {
            Role::Maker => self.maker += qty,
            Role::Taker => self.taker += qty,
        }
        if fill.uncertain {
            self.uncertain += qty;
        }
    }
}

/// The same orders in one of the three queues: cash and position without any limit, on the YES scale.
///
/// Selling YES from flat is a debt here and a NO bought in [`crate::broker::Portfolio`]; equity is the same
/// to the millionth of a dollar, because both are linear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    cash: Money,
    position: Qty,
}

/// The claims in all three queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims(Bracket<Claim>);

impl Claims {
    /// Nothing but cash.
    pub(super) fn new(cash: Money) -> Claims {
        Claims(Bracket::all(Claim { cash, position: Qty::ZERO }))
    }

    /// Books contracts in each queue.
    pub(super) fn book(
        &mut self,
        intent: Intent,
        price: Price,
        qty: Bracket<Qty>,
        fee: Bracket<Money>,
    ) {
        let yes_price = intent.yes_price(price);
        for (claim, bound) in self.0.0.iter_mut().zip(Bound::ALL) {
            let change = intent.position_change(qty[bound]);
            claim.cash -= yes_price.times(change) + fee[bound];
            claim.position += change;
        }
    }

    /// Cash comes from outside.
    pub(super) fn endow(&mut self, cash: Money) {
        self.0.0.iter_mut().for_each(|claim| claim.cash += cash);
    }

    /// Pays out when YES settled at `value`.
    pub(super) fn settle(&mut self, value: Price) {
        for claim in &mut self.0.0 {
            claim.cash += value.times(claim.position);
            claim.position = Qty::ZERO;
        }
    }

    /// Equity at the touch, by queue; a missing bid marks at zero.
    pub(super) fn equity(&self, [yes_bid, no_bid]: [Option<Price>; 2]) -> Bracket<Money> {
        let long = yes_bid.unwrap_or(Price::ZERO);
        let short = no_bid.map_or(Price::ONE, Price::complement);
        Bracket(self.0.0.map(|claim| {
            let price = if claim.position > Qty::ZERO { long } else { short };
            claim.cash + price.times(claim.position)
        }))
    }
}
