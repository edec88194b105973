//! Price-time matching of one market: limit bids for YES and for NO.
//!
//! A YES bid at $0.66 and a NO bid at $0.34 pay for one pair of contracts together, so a bid crosses
//! every opposite bid at or above the complement of its price. It trades at the *resting* bid's price,
//! best price first, oldest first; what is left rests.
//!
//! **Invariant:** the two best bids never add up to a dollar or more after an order.
//! **Invariant:** the sum of all [`Fact::Level`] changes is the book, level by level.

use crate::book::Touch;
use crate::event::{Delta, Snapshot};
use crate::units::{Price, Qty, Side};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Identity of an order; counts up from 1 in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// A resting bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// What it buys.
    pub side: Side,
    /// At most this much is paid per contract.
    pub price: Price,
    /// Contracts not filled yet; positive.
    pub left: Qty,
}

/// What happened on the exchange, in the order in which its feed tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The size of one bid level changed.
    Level(Delta),
    /// Two orders met.
    Fill {
        /// The order that rested.
        maker: OrderId,
        /// The order that came.
        taker: OrderId,
        /// What the taker bought.
        side: Side,
        /// Price of YES; NO traded at the complement.
        yes_price: Price,
        /// Contracts.
        qty: Qty,
    },
}

/// What becomes of the part of an order that does not trade at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It rests in the book.
    Keep,
    /// It is dropped (immediate or cancel).
    Drop,
}

/// Why an order was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Only prices strictly between 0 and 1 dollar can trade.
    #[error("price {0} is not between 0 and 1 dollar")]
    Price(Price),
    /// An order buys something.
    #[error("size {0} is not positive")]
    Size(Qty),
}

#[derive(Clone, Debug, Default)]
struct Level {
    total: Qty,
    queue: VecDeque<(OrderId, Qty)>,
}

/// One market's orders.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    bids: [BTreeMap<Price, Level>; 2],
    places: HashMap<OrderId, (Side, Price)>,
    last_id: u64,
}

impl Exchange {
    /// A bid for `qty` contracts of `side` at `price` or better; `facts` receives what happens.
    ///
    /// # Errors
    /// [`Refused`], and nothing has happened.
    pub fn bid(
        &mut self,
        side: Side,
        price: Price,
        qty: Qty,
        rest: Rest,
        facts: &mut Vec<Fact>,
    ) -> Result<OrderId, Refused> {
        if price <= Price::ZERO || price >= Price::ONE {
            return Err(Refused::Price(price));
        }
        if qty <= Qty::ZERO {
            return Err(Refused::Size(qty));
        }
        self.last_id += 1;
        let id = OrderId(self.last_id);
        let left = self.cross(id, side, price, qty, facts);
        if left > Qty::ZERO && rest == Rest::Keep {
            let level = self.bids[side.index()].entry(price).or_default();
            level.total += left;
            level.queue.push_back((id, left));
            self.places.insert(id, (side, price));
            facts.push(Fact::Level(Delta { side, price, qty: left }));
        }
        Ok(id)
    }

    /// Takes `qty` contracts (at most what is left) off a resting order; returns what was taken off,
    /// which is zero for an order that rests no more. The order keeps its place in the queue.
    pub fn reduce(&mut self, id: OrderId, qty: Qty, facts: &mut Vec<Fact>) -> Qty {
        let Some(&(side, price)) = self.places.get(&id) else { return Qty::ZERO };
        let Some(level) = self.bids[side.index()].get_mut(&price) else { return Qty::ZERO };
        let Some(at) = level.queue.iter().position(|o| o.0 == id) else { return Qty::ZERO };
        let off = qty.clamp(Qty::ZERO, level.queue[at].1);
        level.queue[at].1 -= off;
        level.total -= off;
        if level.queue[at].1 == Qty::ZERO {
            level.queue.remove(at);
            self.places.remove(&id);
        }
        if level.queue.is_empty() {
            self.bids[side.index()].remove(&price);
        }
        if off > Qty::ZERO {
            facts.push(Fact::Level(Delta { side, price, qty: -off }));
        }
        off
    }

    /// Takes a resting order away; returns what was left of it.
    pub fn cancel(&mut self, id: OrderId, facts: &mut Vec<Fact>) -> Qty {
        self.reduce(id, Qty(i64::MAX), facts)
    }

    /// Takes every resting order away: the market closed or was halted.
    pub fn clear(&mut self, facts: &mut Vec<Fact>) {
        self.places.clear();
        for side in [Side::Yes, Side::No] {
            for (price, level) in std::mem::take(&mut self.bids[side.index()]) {
                facts.push(Fact::Level(Delta { side, price, qty: -level.total }));
            }
        }
    }

    /// The order, while it rests.
    pub fn order(&self, id: OrderId) -> Option<Resting> {
        let &(side, price) = self.places.get(&id)?;
        let queue = &self.bids[side.index()].get(&price)?.queue;
        let left = queue.iter().find(|o| o.0 == id)?.1;
        Some(Resting { side, price, left })
    }

    /// Best YES bid and YES ask.
    pub fn touch(&self) -> Touch {
        let best =
            |side: Side| self.bids[side.index()].last_key_value().map(|(p, l)| (*p, l.total));
        Touch { bid: best(Side::Yes), ask: best(Side::No).map(|(p, q)| (p.complement(), q)) }
    }

    /// The whole book as the feed's snapshot shows it: ascending prices.
    pub fn snapshot(&self) -> Snapshot {
        let levels =
            |side: Side| self.bids[side.index()].iter().map(|(p, l)| (*p, l.total)).collect();
        Snapshot { yes: levels(Side::Yes), no: levels(Side::No) }
    }

    /// Fills what crosses and returns what is left of the taker.
    fn cross(
        &mut self,
        taker: OrderId,
        side: Side,
        price: Price,
        qty: Qty,
        facts: &mut Vec<Fact>,
    ) -> Qty {
        let mut left = qty;
        while left > Qty::ZERO {
            let Some(mut best) = self.bids[side.other().index()].last_entry() else { break };
            let at = *best.key();
            if at < price.complement() {
                break;
            }
            let level = best.get_mut();
            let Some((maker, size)) = level.queue.front_mut() else {
                best.remove();
                continue;
            };
            let maker = *maker;
            let filled = left.min(*size);
            *size -= filled;
            left -= filled;
            level.total -= filled;
            if *size == Qty::ZERO {
                level.queue.pop_front();
                self.places.remove(&maker);
            }
            if level.queue.is_empty() {
                best.remove();
            }
            let yes_price = if side == Side::Yes { at.complement() } else { at };
            facts.push(Fact::Fill { maker, taker, side, yes_price, qty: filled });
            facts.push(Fact::Level(Delta { side: side.other(), price: at, qty: -filled }));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Book;
    use proptest::prelude::*;

    fn cents(c: i64) -> Price {
        Price::new(c * 100).expect("in range")
    }

    fn fills(facts: &[Fact]) -> Vec<(u64, i64, i64)> {
        let fill = |f: &Fact| match *f {
            Fact::Fill { maker, yes_price, qty, .. } => Some((maker.0, yes_price.e4(), qty.e2())),
            Fact::Level(_) => None,
        };
        facts.iter().filter_map(fill).collect()
    }

    #[test]
    fn better_price_first_then_older_first() {
        let (mut ex, mut facts) = (Exchange::default(), Vec::new());
        for (price, qty) in [(40, 5), (41, 3), (41, 4)] {
            ex.bid(Side::Yes, cents(price), Qty::contracts(qty), Rest::Keep, &mut facts).unwrap();
        }
        facts.clear();
        // A NO bid at 60 takes YES bids at 40 and better: orders 2, 3, then 1.
        ex.bid(Side::No, cents(60), Qty::contracts(10), Rest::Keep, &mut facts).unwrap();
        assert_eq!(fills(&facts), [(2, 4_100, 300), (3, 4_100, 400), (1, 4_000, 300)]);
        assert_eq!(ex.order(OrderId(1)).unwrap().left, Qty::contracts(2));
        assert_eq!(ex.touch().ask, None);
    }

    #[test]
    fn a_reduced_order_keeps_its_place_and_an_immediate_one_never_rests() {
        let (mut ex, mut facts) = (Exchange::default(), Vec::new());
        let first = ex.bid(Side::No, cents(30), Qty(500), Rest::Keep, &mut facts).unwrap();
        ex.bid(Side::No, cents(30), Qty(500), Rest::Keep, &mut facts).unwrap();
        assert_eq!(ex.reduce(first, Qty(10), &mut facts), Qty(10));
        facts.clear();
        ex.bid(Side::Yes, cents(70), Qty(600), Rest::Drop, &mut facts).unwrap();
        assert_eq!(fills(&facts), [(1, 7_000, 490), (2, 7_000, 110)]);
        ex.bid(Side::Yes, cents(69), Qty(100), Rest::Drop, &mut facts).unwrap();
        assert_eq!(ex.touch().bid, None);
        assert_eq!(ex.cancel(first, &mut facts), Qty::ZERO);
    }

    #[test]
    fn worthless_prices_and_empty_orders_are_refused() {
        let mut ex = Exchange::default();
        let mut bid = |p, q| ex.bid(Side::Yes, p, q, Rest::Keep, &mut Vec::new());
        assert_eq!(bid(Price::ZERO, Qty(1)), Err(Refused::Price(Price::ZERO)));
        assert_eq!(bid(Price::ONE, Qty(1)), Err(Refused::Price(Price::ONE)));
        assert_eq!(bid(cents(5), Qty(0)), Err(Refused::Size(Qty(0))));
    }

    proptest! {
        /// A client that folds the deltas sees the exchange's book, never crossed, and every contract
        /// that was ever bid for is filled, cancelled, dropped or resting.
        #[test]
        fn deltas_add_up_to_the_book_and_no_contract_is_lost(
            orders in prop::collection::vec((any::<bool>(), 1i64..10_000, 1i64..900, 0u8..4), 1..120)
        ) {
            let (mut ex, mut facts) = (Exchange::default(), Vec::new());
            let (mut placed, mut gone) = (0, 0);
            let mut ids = Vec::new();
            for (yes, e4, qty, kind) in orders {
                let side = if yes { Side::Yes } else { Side::No };
                let at = facts.len();
                match kind {
                    0 if !ids.is_empty() => gone += ex.cancel(ids[qty as usize % ids.len()], &mut facts).e2(),
                    1 if !ids.is_empty() => gone += ex.reduce(ids[qty as usize % ids.len()], Qty(qty), &mut facts).e2(),
                    _ => {
                        let rest = if kind == 2 { Rest::Drop } else { Rest::Keep };
                        let price = Price::new(e4).unwrap();
                        ids.push(ex.bid(side, price, Qty(qty), rest, &mut facts).unwrap());
                        let filled: i64 = fills(&facts[at..]).iter().map(|f| f.2).sum();
                        placed += qty + if rest == Rest::Drop { filled - qty } else { 0 };
                        gone += 2 * filled;
                    }
                }
                let touch = ex.touch();
                if let (Some(b), Some(a)) = (touch.bid, touch.ask) {
                    prop_assert!(b.0 < a.0);
                }
            }
            let mut book = Book::default();
            book.snapshot(&Snapshot::default());
            for fact in &facts {
                if let Fact::Level(delta) = fact {
                    prop_assert!(book.delta(delta).is_ok());
                }
            }
            let mut shown = Book::default();
            shown.snapshot(&ex.snapshot());
            prop_assert_eq!(&book, &shown);
            let resting = book.bids(Side::Yes).total() + book.bids(Side::No).total();
            prop_assert_eq!(placed, gone + resting.e2());
        }
    }
}
