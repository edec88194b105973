//! Questions to the book that change nothing: what an order would do, and how long it has to wait.

use super::{Exchange, Incoming, OrderId, Place, SelfTrade, meets_own};
use crate::units::{Price, Qty, Side};

impl Exchange {
    /// The fills that [`Exchange::place`] would give now: YES price and contracts, in order.
    ///
    /// Fill or kill asks whether they add up, the account's money whether they can be paid for.
    pub fn preview(&self, order: &Incoming) -> Vec<(Price, Qty)> {
        let mut fills = Vec::new();
        let mut left = order.qty;
        for (at, level) in self.crossed(order.side, order.price) {
            for &(maker, size) in &level.queue {
                match meets_own(&self.places, maker, order.owner) {
                    Some(SelfTrade::CancelTaker) => return fills,
                    Some(SelfTrade::CancelMaker) => continue,
                    None => {}
                }
                if left == Qty::ZERO {
                    return fills;
                }
                let qty = left.min(size);
                left -= qty;
                fills.push((if order.side == Side::Yes { at.complement() } else { *at }, qty));
            }
        }
        fills
    }

    /// True when a bid of `side` at `price` would meet any resting order, own ones included: what a
    /// post-only order must not do.
    pub fn would_cross(&self, side: Side, price: Price) -> bool {
        self.crossed(side, price).next().is_some()
    }

    /// Contracts that trade before this order does: every better level and the older orders of its own.
    /// `None` when it does not rest.
    pub fn ahead(&self, id: OrderId) -> Option<Qty> {
        let &Place { side, price, .. } = self.places.get(&id)?;
        let levels = &self.bids[side.index()];
        let better = levels.range(price..).skip(1).map(|(_, level)| level.total);
        let older = levels.get(&price)?.queue.iter().take_while(|o| o.0 != id).map(|o| o.1);
        Some(better.chain(older).fold(Qty::ZERO, |sum, qty| sum + qty))
    }

    /// The name of the last order that came.
    pub fn last_id(&self) -> OrderId {
        OrderId(self.last_id)
    }

    /// Contracts of the bids at `price` whose orders are no younger than `youngest`: names count up in order
    /// of arrival, so this is what stands before somebody who joined the level right after it.
    pub fn older(&self, side: Side, price: Price, youngest: OrderId) -> Qty {
        let level = self.bids[side.index()].get(&price);
        let older =
            level.into_iter().flat_map(|level| &level.queue).take_while(|o| o.0 <= youngest);
        older.fold(Qty::ZERO, |sum, order| sum + order.1)
    }

    /// Levels that a bid of `side` at `price` reaches, best first.
    fn crossed(&self, side: Side, price: Price) -> impl Iterator<Item = (&Price, &super::Level)> {
        self.bids[side.other().index()].range(price.complement()..).rev()
    }
}
