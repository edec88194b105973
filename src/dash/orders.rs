//! Own orders that rest, as far as requests and fills tell, and how much stands before them.

use crate::actor::Filled;
use crate::broker::matching::{Amend, Bound, NewOrder, OrderId};
use crate::broker::{Role, Verb};
use crate::env::account::Request;
use crate::units::{Price, Qty, Side};
use crate::wire::orders::TimeInForce;
use std::collections::HashMap;

/// An own order that rests, told as a purchase: selling a contract is buying the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOrder {
    /// Our name of it.
    pub id: OrderId,
    /// Bids for YES or for NO.
    pub side: Side,
    /// On that side's axis.
    pub price: Price,
    /// Contracts not filled yet.
    pub qty: Qty,
    /// Contracts that stood at its price when it was sent, or, where the book was not known then, when it became
    /// known: no more stand before it. `None` until then.
    pub ahead: Option<Qty>,
}

/// Those of all markets.
#[derive(Clone, Debug)]
pub struct OwnOrders {
    /// The queue whose fills count: by any other, an order would leave the screen that the account still holds.
    counts: Bound,
    by_market: HashMap<String, Vec<OwnOrder>>,
}

impl Default for OwnOrders {
    fn default() -> OwnOrders {
        OwnOrders::counted_by(None)
    }
}

impl OwnOrders {
    /// No order yet, where the fills of this queue count; `None`: of the one that counts unless it is said otherwise.
    pub fn counted_by(counts: Option<Bound>) -> OwnOrders {
        let counts = counts.unwrap_or(Bound::Pessimistic);
        OwnOrders { counts, by_market: HashMap::new() }
    }

    /// Those of a market.
    pub fn of(&self, ticker: &str) -> &[OwnOrder] {
        self.by_market.get(ticker).map_or(&[], Vec::as_slice)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_market.values().map(Vec::len).sum()
    }

    /// Takes what was sent to the exchange; `size_at` is the size of a bid now, where the book is known.
    pub fn asked(
        &mut self,
        ticker: &str,
        request: &Request,
        size_at: impl Fn(Side, Price) -> Option<Qty>,
    ) {
        match *request {
            Request::Submit { id, order } => {
                if let Some((side, price)) = rests(&order) {
                    let ahead = size_at(side, price);
                    let orders = self.by_market.entry(ticker.to_owned()).or_default();
                    orders.push(OwnOrder { id, side, price, qty: order.qty, ahead });
                }
            }
            Request::Cancel { id } => self.ended(ticker, id),
            Request::Amend { id, amend } => {
                let mut orders = self.by_market.get_mut(ticker).into_iter().flatten();
                if let Some(order) = orders.find(|order| order.id == id) {
                    amended(order, amend, size_at);
                }
            }
        }
    }

    /// The book of a market became known: before an order of which nothing is known yet stands no more than
    /// `size_at` says of its price.
    pub fn bound(&mut self, ticker: &str, size_at: impl Fn(Side, Price) -> Qty) {
        let orders = self.by_market.get_mut(ticker).into_iter().flatten();
        for order in orders.filter(|order| order.ahead.is_none()) {
            order.ahead = Some(size_at(order.side, order.price));
        }
    }

    /// Takes a fill, by the queue that counts.
    pub fn filled(&mut self, filled: &Filled) {
        let Some(orders) = self.by_market.get_mut(&filled.ticker) else { return };
        let (id, qty) = (filled.fill.order, filled.fill.qty[self.counts]);
        for order in orders.iter_mut().filter(|order| order.id == id) {
            order.qty -= qty;
            if filled.fill.role == Role::Maker && qty > Qty::ZERO {
                order.ahead = Some(Qty::ZERO);
            }
        }
        orders.retain(|order| order.qty > Qty::ZERO);
    }

    /// An order does not rest, or not any more.
    pub fn ended(&mut self, ticker: &str, id: OrderId) {
        if let Some(orders) = self.by_market.get_mut(ticker) {
            orders.retain(|order| order.id != id);
        }
    }

    /// The market is over: nothing rests there.
    pub fn over(&mut self, ticker: &str) {
        self.by_market.remove(ticker);
    }
}

/// Where an order rests, if it does.
fn rests(order: &NewOrder) -> Option<(Side, Price)> {
    let side = order.intent.side;
    (order.time_in_force == TimeInForce::GoodTillCanceled).then_some(match order.intent.verb {
        Verb::Buy => (side, order.price),
        Verb::Sell => (side.other(), order.price.complement()),
    })
}

fn amended(order: &mut OwnOrder, amend: Amend, size_at: impl Fn(Side, Price) -> Option<Qty>) {
    match amend {
        Amend::ReduceBy(qty) => order.qty -= qty,
        Amend::ReduceTo(qty) => order.qty = qty.min(order.qty),
        Amend::Replace { price, count, .. } => {
            // Another price or a larger size goes to the end of the queue.
            if price != order.price || count > order.qty {
                order.ahead = size_at(order.side, price);
            }
            (order.price, order.qty) = (price, count);
        }
    }
}
