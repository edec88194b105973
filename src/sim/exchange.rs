//! Price-time matching of one market: limit bids for YES and for NO.
//!
//! A YES bid at $0.66 and a NO bid at $0.34 pay for one pair of contracts together, so a bid crosses
//! every opposite bid at or above the complement of its price. It trades at the *resting* bid's price,
//! best price first, oldest first; what is left rests.
//!
//! Orders of an account carry its name, so that an order never trades with another one of the same
//! account (protocol notes 8); the crowd's orders carry none.
//!
//! **Invariant:** the two best bids never add up to a dollar or more after an order.
//! **Invariant:** the sum of all [`Fact::Level`] changes is the book, level by level.

use crate::book::Touch;
use crate::event::{Delta, Snapshot};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side};
use std::collections::{BTreeMap, HashMap, VecDeque};

mod look;

/// Identity of an order; counts up from 1 in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// An account of the simulated exchange; the crowd that fills the books has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// What happens when an order meets one of its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTrade {
    /// What is left of the incoming order is dropped; its fills so far stay (`taker_at_cross`).
    CancelTaker,
    /// The resting order is taken away and the incoming one goes on (`maker`).
    CancelMaker,
}

/// An order as it arrives: a bid for `qty` contracts of `side` at `price` or better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// What it buys.
    pub side: Side,
    /// At most this much is paid per contract.
    pub price: Price,
    /// Contracts; positive.
    pub qty: Qty,
    /// What becomes of the part that does not trade at once.
    pub rest: Rest,
    /// Whose it is, and its rule for meeting an own order; `None` for the crowd.
    pub owner: Option<(AccountId, SelfTrade)>,
}

/// What became of an order on arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name.
    pub id: OrderId,
    /// What did not trade: rests or was dropped.
    pub left: Qty,
    /// True when `left` was dropped because the next contracts were the account's own.
    pub self_crossed: bool,
    /// Own resting orders that were in the way and were taken away, with what was left of them.
    pub withdrawn: Vec<(OrderId, Qty)>,
}

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

/// The public name of a trade, as bytes of a UUID. Two orders meet once at most, so their names and the
/// market tell trades apart; the public trade and the private fills of one execution share it.
pub fn trade_id(ticker: &str, maker: OrderId, taker: OrderId) -> [u8; 16] {
    random_uuid(&mut Rng::stream(maker.0, ticker, taker.0))
}

/// The next random UUID (version 4) of a stream.
pub fn random_uuid(rng: &mut Rng) -> [u8; 16] {
    let bits = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().into_bytes()
}

#[derive(Clone, Debug, Default)]
struct Level {
    total: Qty,
    queue: VecDeque<(OrderId, Qty)>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    side: Side,
    price: Price,
    account: Option<AccountId>,
}

/// One market's orders.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    bids: [BTreeMap<Price, Level>; 2],
    places: HashMap<OrderId, Place>,
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
        self.place(Incoming { side, price, qty, rest, owner: None }, facts).map(|placed| placed.id)
    }

    /// Takes an order in; `facts` receives what happens.
    ///
    /// # Errors
    /// [`Refused`], and nothing has happened.
    pub fn place(&mut self, order: Incoming, facts: &mut Vec<Fact>) -> Result<Placed, Refused> {
        let Incoming { side, price, qty, rest, owner } = order;
        if price <= Price::ZERO || price >= Price::ONE {
            return Err(Refused::Price(price));
        }
        if qty <= Qty::ZERO {
            return Err(Refused::Size(qty));
        }
        self.last_id += 1;
        let id = OrderId(self.last_id);
        let mut placed = Placed { id, left: qty, self_crossed: false, withdrawn: Vec::new() };
        self.cross(&order, &mut placed, facts);
        let left = placed.left;
        if left > Qty::ZERO && rest == Rest::Keep && !placed.self_crossed {
            let level = self.bids[side.index()].entry(price).or_default();
            level.total += left;
            level.queue.push_back((id, left));
            self.places.insert(id, Place { side, price, account: owner.map(|o| o.0) });
            facts.push(Fact::Level(Delta { side, price, qty: left }));
        }
        Ok(placed)
    }

    /// Takes `qty` contracts (at most what is left) off a resting order; returns what was taken off,
    /// which is zero for an order that rests no more. The order keeps its place in the queue.
    pub fn reduce(&mut self, id: OrderId, qty: Qty, facts: &mut Vec<Fact>) -> Qty {
        let Some(&Place { side, price, .. }) = self.places.get(&id) else { return Qty::ZERO };
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
        let &Place { side, price, .. } = self.places.get(&id)?;
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

    /// Fills what crosses; leaves the rest of the taker in `placed`.
    fn cross(&mut self, order: &Incoming, placed: &mut Placed, facts: &mut Vec<Fact>) {
        let side = order.side;
        while placed.left > Qty::ZERO {
            let Some(mut best) = self.bids[side.other().index()].last_entry() else { break };
            let at = *best.key();
            if at < order.price.complement() {
                break;
            }
            let level = best.get_mut();
            let Some((maker, size)) = level.queue.front_mut() else {
                best.remove();
                continue;
            };
            let maker = *maker;
            let own = meets_own(&self.places, maker, order.owner);
            if own == Some(SelfTrade::CancelTaker) {
                placed.self_crossed = true;
                break;
            }
            let gone = if own.is_some() { *size } else { placed.left.min(*size) };
            *size -= gone;
            level.total -= gone;
            if *size == Qty::ZERO {
                level.queue.pop_front();
                self.places.remove(&maker);
            }
            if level.queue.is_empty() {
                best.remove();
            }
            if own.is_some() {
                placed.withdrawn.push((maker, gone));
            } else {
                placed.left -= gone;
                let yes_price = if side == Side::Yes { at.complement() } else { at };
                facts.push(Fact::Fill { maker, taker: placed.id, side, yes_price, qty: gone });
            }
            facts.push(Fact::Level(Delta { side: side.other(), price: at, qty: -gone }));
        }
    }
}

/// The rule that applies when `owner`'s order meets `maker`; `None` when it is somebody else's.
fn meets_own(
    places: &HashMap<OrderId, Place>,
    maker: OrderId,
    owner: Option<(AccountId, SelfTrade)>,
) -> Option<SelfTrade> {
    let (account, rule) = owner?;
    (places.get(&maker)?.account == Some(account)).then_some(rule)
}

#[cfg(test)]
mod tests;
