//! What happens when a request reaches the exchange, and what happens by time alone.

use super::life::Booking;
use super::queues::{Filled, Three};
use super::{Amend, Ask, Bound, Bracket, End, Matcher, NewOrder, Order, OrderId, Phase, Refusal};
use super::{Reports, State, Update};
use crate::book::Book;
use crate::broker::{OrderFees, Role};
use crate::units::{Price, Qty, Side, TsNs};
use crate::wire::orders::{SelfTradePrevention, TimeInForce};

/// Larger orders are refused: their cost would not fit into [`crate::units::Money`].
const MAX_QTY: Qty = Qty::contracts(10_000_000_000);
/// What is due then never comes.
const NEVER: TsNs = TsNs(i64::MAX);

/// Why an order takes no more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It is filled, or nothing within its limit is left.
    Done,
    /// The next contracts are our own.
    OwnOrder,
}

impl Matcher {
    /// Does everything that is due by `until`, in the order of time; at the same time expiries come first,
    /// then arrivals, then the close.
    pub(super) fn act_until(&mut self, until: TsNs, book: &Book, out: &mut Reports) {
        // What our own orders have before them; the other queues are never behind.
        if self.rules.counts == Bound::Fitted && !self.queues.is_empty() {
            self.decide(None, false, out);
        }
        while self.next_due <= until && self.next_due < NEVER {
            let due = self.next_due;
            self.now = self.now.max(due);
            if let Some(slot) = self.expiring(due) {
                self.end(slot, End::Expired, out);
            } else if self.requests.first().is_some_and(|r| r.due <= due) {
                let request = self.requests.remove(0);
                self.act(request.id, request.ask, book, out);
            } else if self.rules.close.is_some_and(|close| close <= due) {
                self.phase = Phase::Closed;
                self.end_all(End::Closed, out);
            } // else the order that would have expired ended before
            self.next_due = self.earliest();
        }
    }

    pub(super) fn earliest(&self) -> TsNs {
        let close = self.rules.close.filter(|_| self.phase != Phase::Closed);
        let expiries = self.slots.iter().flatten().filter(|o| o.working);
        let expiries = expiries.filter_map(|o| o.order.expires);
        let arrival = self.requests.first().map(|r| r.due);
        expiries.chain(arrival).chain(close).fold(NEVER, TsNs::min)
    }

    fn expiring(&self, due: TsNs) -> Option<usize> {
        let expires = |o: &Order| o.working && o.order.expires.is_some_and(|at| at <= due);
        self.slots.iter().position(|o| o.as_ref().is_some_and(expires))
    }

    fn act(&mut self, id: OrderId, ask: Ask, book: &Book, out: &mut Reports) {
        let done = match ask {
            Ask::Submit(order) => self.arrive(id, order, book, out),
            Ask::Cancel => self.working_slot(id).map(|slot| self.end(slot, End::Cancelled, out)),
            Ask::Amend(amend) => self.change(id, amend, book, out),
        };
        if let Err(refusal) = done {
            self.update(id, State::Refused(refusal), out);
        }
    }

    fn update(&self, order: OrderId, state: State, out: &mut Reports) {
        out.updates.push(Update { order, at: self.now, row: self.row, state });
    }

    fn working_slot(&self, id: OrderId) -> Result<usize, Refusal> {
        if self.phase == Phase::Closed {
            return Err(Refusal::NotActive);
        }
        let slot = self.slot(id).ok_or(Refusal::Unknown)?;
        self.slots[slot].filter(|o| o.working).map(|_| slot).ok_or(Refusal::Unknown)
    }

    fn arrive(
        &mut self,
        id: OrderId,
        mut order: NewOrder,
        book: &Book,
        out: &mut Reports,
    ) -> Result<(), Refusal> {
        if self.phase != Phase::Active {
            return Err(Refusal::NotActive);
        }
        check(&order, self.now)?;
        if order.reduce_only {
            let held = -order.intent.position_change(self.position).0;
            order.qty = Qty(held.min(order.qty.0));
            if order.qty <= Qty::ZERO {
                return Err(Refusal::NothingToReduce);
            }
        }
        if order.post_only && self.would_trade(&order, book) {
            return Err(Refusal::PostOnly);
        }
        let kill = order.time_in_force == TimeInForce::FillOrKill;
        if kill && self.available(&order, book) < order.qty {
            return Err(Refusal::FillOrKill);
        }
        let slot = self.free_slot().ok_or(Refusal::TooMany)?;
        self.slots[slot] =
            Some(Order { id, order, fees: [OrderFees::default(); 3], working: true });
        self.queues.open(slot);
        self.enter(slot, book, out);
        Ok(())
    }

    /// The order takes what is there for it, and rests with what is left.
    fn enter(&mut self, slot: usize, book: &Book, out: &mut Reports) {
        let stop = self.take(slot, book, out);
        let Some(Order { id, order, .. }) = self.slots[slot] else { return };
        let filled = self.queues.filled(slot)[self.rules.counts as usize];
        if filled >= order.qty {
            self.end(slot, End::Filled, out);
        } else if stop == Stop::OwnOrder {
            self.end(slot, End::SelfTrade, out);
        } else if order.time_in_force != TimeInForce::GoodTillCanceled {
            self.end(slot, End::Immediate, out);
        } else {
            let (side, price) = (order.intent.rests(), order.intent.resting_price(order.price));
            let shown = book.is_valid().then(|| book.bids(side).size(price));
            self.queues.join((slot, side, price), order.qty, self.row, shown);
            let ahead = Bracket(self.queues.ahead(slot, &self.pairs).unwrap_or_default());
            self.update(id, State::Resting { ahead }, out);
        }
    }

    /// Walks the displayed bids of the other side down to the limit, as far as an own order allows.
    fn take(&mut self, slot: usize, book: &Book, out: &mut Reports) -> Stop {
        loop {
            let Some(Order { order, .. }) = self.slots[slot] else { return Stop::Done };
            let (side, floor) = target(&order);
            let own = self.own_in_the_way(side, floor);
            for (price, shown) in book.bids(side).iter().take_while(|level| level.0 >= floor) {
                let Some(there) = before_own(own, price, self.taken.left(side, (price, shown)))
                else {
                    break;
                };
                self.hit(slot, (side, price), there, out);
            }
            let done = self.queues.filled(slot)[self.rules.counts as usize] >= order.qty;
            match own {
                Some(_) if done => return Stop::Done,
                None => return Stop::Done,
                Some((own, ..)) => match order.self_trade {
                    SelfTradePrevention::TakerAtCross => return Stop::OwnOrder,
                    SelfTradePrevention::Maker => self.end(own, End::SelfTrade, out),
                },
            }
        }
    }

    /// The order trades with up to `there` contracts of one displayed bid.
    fn hit(&mut self, slot: usize, (side, bid): (Side, Price), there: Qty, out: &mut Reports) {
        let Some(Order { order, .. }) = self.slots[slot] else { return };
        let left = self.queues.filled(slot).map(|done| (order.qty - done).max(Qty::ZERO));
        let qty: Three = left.map(|left| left.min(there));
        if there <= Qty::ZERO || qty == [Qty::ZERO; 3] {
            return;
        }
        self.taken.note(side, bid, qty[self.rules.counts as usize]);
        self.queues.took(slot, qty);
        let (row, at) = (self.row, self.now);
        let price = bid.complement();
        let filled = Filled { slot, row, at, price, qty, uncertain: false, crossed: None };
        Booking::of(&self.rules, &mut self.slots, &mut self.position, row, out)
            .fill(&filled, Role::Taker);
    }

    /// Contracts that the order could trade now.
    fn available(&self, order: &NewOrder, book: &Book) -> Qty {
        let (side, floor) = target(order);
        let own = match order.self_trade {
            SelfTradePrevention::TakerAtCross => self.own_in_the_way(side, floor),
            SelfTradePrevention::Maker => None,
        };
        let levels = book.bids(side).iter().take_while(|level| level.0 >= floor);
        let there = levels.map_while(|l| before_own(own, l.0, self.taken.left(side, l)));
        there.fold(Qty::ZERO, |sum, qty| sum + qty)
    }

    /// True when the order would meet anything, an own order included.
    fn would_trade(&self, order: &NewOrder, book: &Book) -> bool {
        let (side, floor) = target(order);
        let mut levels = book.bids(side).iter().take_while(|level| level.0 >= floor);
        self.own_in_the_way(side, floor).is_some()
            || levels.any(|level| self.taken.left(side, level) > Qty::ZERO)
    }

    /// Our own best resting order on `side` at `floor` or better, and the contracts before it.
    fn own_in_the_way(&self, side: Side, floor: Price) -> Option<(usize, Price, Qty)> {
        let (slot, price, ahead) = self.queues.best(side, floor)?;
        Some((slot, price, ahead[self.rules.counts as usize]))
    }

    fn change(
        &mut self,
        id: OrderId,
        amend: Amend,
        book: &Book,
        out: &mut Reports,
    ) -> Result<(), Refusal> {
        let slot = self.working_slot(id)?;
        let Some(Order { order: old, .. }) = self.slots[slot] else { return Err(Refusal::Unknown) };
        let filled = self.queues.filled(slot)[self.rules.counts as usize];
        let new = amended(&old, amend, filled);
        // What trades nowhere may be made smaller, and nothing else.
        if self.phase != Phase::Active && (new.qty >= old.qty || new.price != old.price) {
            return Err(Refusal::NotActive);
        }
        check(&NewOrder { qty: new.qty.max(Qty(1)), ..new }, self.now)?;
        if let Some(order) = self.slots[slot].as_mut() {
            order.order = new;
        }
        self.next_due = self.earliest();
        if new.qty <= filled {
            self.end(slot, End::Reduced, out);
        } else if new.price == old.price && new.qty <= old.qty {
            self.queues.resize(slot, new.qty, self.row);
            let ahead = Bracket(self.queues.ahead(slot, &self.pairs).unwrap_or_default());
            self.update(id, State::Resting { ahead }, out);
        } else {
            self.queues.leave(slot, self.row, &self.pairs);
            self.queues.renew(slot, new.qty);
            if new.post_only && self.would_trade(&new, book) {
                self.end(slot, End::PostOnlyCross, out);
            } else {
                self.enter(slot, book, out);
            }
        }
        Ok(())
    }
}

/// The bids that an order takes from, and the worst of them that its limit allows.
fn target(order: &NewOrder) -> (Side, Price) {
    (order.intent.hits(), order.intent.resting_price(order.price).complement())
}

/// What of a level can be taken before an own order is met; `None` behind it.
fn before_own(own: Option<(usize, Price, Qty)>, price: Price, left: Qty) -> Option<Qty> {
    match own {
        Some((_, at, _)) if price < at => None,
        Some((_, at, ahead)) if price == at => Some(left.min(ahead)),
        _ => Some(left),
    }
}

fn amended(old: &NewOrder, amend: Amend, filled: Qty) -> NewOrder {
    match amend {
        Amend::Replace { price, count, expires } => NewOrder { price, qty: count, expires, ..*old },
        Amend::ReduceBy(qty) => NewOrder { qty: old.qty - qty.max(Qty::ZERO), ..*old },
        Amend::ReduceTo(left) => {
            NewOrder { qty: old.qty.min(Qty(filled.0.saturating_add(left.0.max(0)))), ..*old }
        }
    }
}

/// What is wrong with an order whatever the book.
fn check(order: &NewOrder, now: TsNs) -> Result<(), Refusal> {
    let rests = order.time_in_force == TimeInForce::GoodTillCanceled;
    let immediate = order.time_in_force == TimeInForce::ImmediateOrCancel;
    // Only what rests can expire or be passive; only what does not can be bound to a position.
    let flags = (order.expires.is_some() || order.post_only) && !rests
        || order.reduce_only && !immediate
        || order.expires.is_some_and(|at| at <= now);
    if order.price <= Price::ZERO || order.price >= Price::ONE {
        Err(Refusal::Price)
    } else if order.qty <= Qty::ZERO || order.qty > MAX_QTY {
        Err(Refusal::Size)
    } else if flags {
        Err(Refusal::Flags)
    } else {
        Ok(())
    }
}
