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

impl Claim {
    fn new(cash: Money) -> Claim {
        Claim { cash, position: Qty::ZERO }
    }

    /// `change` contracts of YES at `yes_price`.
    fn book(&mut self, change: Qty, yes_price: Price, fee: Money) {
        self.cash -= yes_price.times(change) + fee;
        self.position += change;
    }

    fn settle(&mut self, value: Price) {
        self.cash += value.times(self.position);
        self.position = Qty::ZERO;
    }

    /// Equity at the touch; a missing bid marks at zero.
    fn equity(&self, [yes_bid, no_bid]: [Option<Price>; 2]) -> Money {
        let long = yes_bid.unwrap_or(Price::ZERO);
        let short = no_bid.map_or(Price::ONE, Price::complement);
        let price = if self.position > Qty::ZERO { long } else { short };
        self.cash + price.times(self.position)
    }
}

/// The claims in all three queues, and what is certain of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    by_queue: Bracket<Claim>,
    /// The queue that counts, without fills of orders that rested over a gap.
    certain: Claim,
}

impl Claims {
    /// Nothing but cash.
    pub(super) fn new(cash: Money) -> Claims {
        let claim = Claim::new(cash);
        Claims { by_queue: Bracket::all(claim), certain: claim }
    }

    /// Books contracts in each queue; `certain` names the one that counts, unless the order rested over a gap.
    pub(super) fn book(
        &mut self,
        intent: Intent,
        price: Price,
        qty: Bracket<Qty>,
        fee: Bracket<Money>,
        certain: Option<Bound>,
    ) {
        let yes_price = intent.yes_price(price);
        let change = |bound| intent.position_change(qty[bound]);
        for (claim, bound) in self.by_queue.0.iter_mut().zip(Bound::ALL) {
            claim.book(change(bound), yes_price, fee[bound]);
        }
        if let Some(counts) = certain {
            self.certain.book(change(counts), yes_price, fee[counts]);
        }
    }

    /// Cash comes from outside.
    pub(super) fn endow(&mut self, cash: Money) {
        self.all().for_each(|claim| claim.cash += cash);
    }

    /// Pays out when YES settled at `value`.
    pub(super) fn settle(&mut self, value: Price) {
        self.all().for_each(|claim| claim.settle(value));
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Claim> {
        self.by_queue.0.iter_mut().chain(std::iter::once(&mut self.certain))
    }

    /// Equity at the touch, by queue; a missing bid marks at zero.
    pub(super) fn equity(&self, touch: [Option<Price>; 2]) -> Bracket<Money> {
        Bracket(self.by_queue.0.map(|claim| claim.equity(touch)))
    }

    /// The same in the queue that counts, had nothing filled that rested over a gap.
    pub(super) fn certain(&self, touch: [Option<Price>; 2]) -> Money {
        self.certain.equity(touch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Verb;
    use crate::units::Side;

    #[test]
    fn what_is_certain_leaves_out_only_orders_that_rested_over_a_gap() {
        let yes = Price::new(4_000).expect("a price");
        let touch = [Price::new(5_000), Price::new(4_500)];
        let buy = Intent { side: Side::Yes, verb: Verb::Buy };
        let mut claims = Claims::new(Money::dollars(100));
        let book = |claims: &mut Claims, certain| {
            claims.book(buy, yes, Bracket::all(Qty::contracts(10)), Bracket::default(), certain);
        };
        book(&mut claims, Some(Bound::Pessimistic));
        assert_eq!(claims.equity(touch), Bracket::all(claims.certain(touch)));
        assert_eq!(claims.certain(touch), Money::dollars(101), "ten contracts, ten cents each");
        book(&mut claims, None);
        assert_eq!(claims.equity(touch), Bracket::all(Money::dollars(102)));
        assert_eq!(claims.certain(touch), Money::dollars(101));
        claims.settle(Price::ONE);
        assert_eq!(claims.certain(touch), Money::dollars(106));
    }
}
