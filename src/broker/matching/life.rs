//! The bookkeeping of a matcher: requests on their way, what rows decide, and how orders end.

use super::queues::Filled;
use super::{
    Bound, Bracket, End, Fill, MAX_ORDERS, MAX_REQUESTS, Matcher, Order, OrderId, Refusal, Reports,
    Request, Rules, State, Update,
};
use crate::broker::Role;
use crate::broker::attribution::Waiting;
use crate::units::{Price, Qty, Side, TsNs};

impl Matcher {
    pub(super) fn slot(&self, id: OrderId) -> Option<usize> {
        self.slots.iter().position(|o| o.as_ref().is_some_and(|o| o.id == id))
    }

    /// A slot for one more order.
    pub(super) fn free_slot(&mut self) -> Option<usize> {
        let free = self.slots.iter().position(Option::is_none);
        if free.is_none() && self.slots.len() < MAX_ORDERS {
            self.slots.push(None);
            return Some(self.slots.len() - 1);
        }
        free
    }

    /// Puts a request on its way, behind everything asked of the same order before.
    pub(super) fn send(&mut self, mut request: Request) -> Result<TsNs, Refusal> {
        if self.requests.len() >= MAX_REQUESTS {
            return Err(Refusal::TooMany);
        }
        if request.due == TsNs(i64::MAX) {
            return Ok(request.due); // lost on its way
        }
        let earlier = self.requests.iter().filter(|r| r.id == request.id).map(|r| r.due);
        request.due = earlier.fold(request.due, TsNs::max);
        let place = self.requests.partition_point(|r| r.due <= request.due);
        self.requests.insert(place, request);
        self.next_due = self.next_due.min(request.due);
        Ok(request.due)
    }

    /// An order of `qty` contracts that would trade with bids of `side` at `price` or better arrived.
    #[inline]
    pub(super) fn crossed(&mut self, side: Side, price: Price, qty: Qty, out: &mut Reports) {
        if self.queues.meets(side, price) {
            self.met(side, price, qty, out);
        }
    }

    fn met(&mut self, side: Side, price: Price, qty: Qty, out: &mut Reports) {
        let mut booking =
            Booking::of(&self.rules, &mut self.slots, &mut self.position, self.row, out);
        let (taken, before) = (&mut self.taken, booking.out.fills.len());
        let row = (self.row, self.now, self.pairs.deadline());
        self.queues.cross(row, side, price, qty, |filled| {
            // The order that we met is shown as if it had not met us.
            if let Some(level) = filled.crossed {
                taken.note(side.other(), level, filled.qty[booking.counts as usize]);
            }
            booking.fill(&filled, Role::Maker);
        });
        self.retire(before, out);
    }

    /// Learns what the last row decided: `traded` is a decrease that has found its trade.
    #[inline]
    pub(super) fn learn(&mut self, traded: Option<Waiting>, out: &mut Reports) {
        let due = traded.is_some() || self.pairs.is_over(self.queues.due());
        if due && !self.queues.is_empty() {
            self.decide(traded, false, out);
        }
    }

    pub(super) fn decide(&mut self, traded: Option<Waiting>, ends: bool, out: &mut Reports) {
        let before = out.fills.len();
        let mut booking =
            Booking::of(&self.rules, &mut self.slots, &mut self.position, self.row, out);
        let mut told = |filled: Filled| booking.fill(&filled, Role::Maker);
        self.queues.give_up(&self.pairs, ends, &mut told);
        if let Some(Waiting { row, until, key }) = traded {
            self.queues.traded((row, until), &key, told);
        }
        self.retire(before, out);
        if out.fills.len() > before || ends || self.queues.settles(&self.pairs) {
            let horizon = if ends { u64::MAX } else { self.pairs.horizon() };
            if self.queues.settle(horizon) {
                self.free();
            }
        }
        self.queues.look_ahead();
    }

    /// Ends the orders that are filled in the queue that counts, if there are fills beyond `before`.
    fn retire(&mut self, before: usize, out: &mut Reports) {
        if out.fills.len() == before {
            return;
        }
        for slot in 0..self.slots.len() {
            let working = self.slots[slot].as_ref().filter(|o| o.working);
            let Some(qty) = working.map(|o| o.order.qty) else { continue };
            if self.queues.filled(slot)[self.rules.counts as usize] >= qty {
                self.end(slot, End::Filled, out);
            }
        }
    }

    /// Forgets orders that are over and can learn of nothing more.
    pub(super) fn free(&mut self) {
        for (slot, order) in self.slots.iter_mut().enumerate() {
            if order.as_ref().is_some_and(|o| !o.working) && !self.queues.is_pending(slot) {
                *order = None;
            }
        }
    }

    pub(super) fn end_all(&mut self, why: End, out: &mut Reports) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(|o| o.working) {
                self.end(slot, why, out);
            }
        }
    }

    /// The order is over after the last row.
    pub(super) fn end(&mut self, slot: usize, why: End, out: &mut Reports) {
        let Some(order) = self.slots[slot].as_mut() else { return };
        order.working = false;
        let filled = self.queues.filled(slot)[self.rules.counts as usize];
        let left = (order.order.qty - filled).max(Qty::ZERO);
        let state = State::Ended { why, left };
        out.updates.push(Update { order: order.id, at: self.now, row: self.row, state });
        self.queues.leave(slot, self.row, &self.pairs);
        if !self.queues.is_pending(slot) {
            self.slots[slot] = None;
        }
    }
}

/// Turns what the queues tell into fills with fees.
pub(super) struct Booking<'a> {
    rules: &'a Rules,
    slots: &'a mut [Option<Order>],
    position: &'a mut Qty,
    row: u64,
    counts: Bound,
    out: &'a mut Reports,
}

impl<'a> Booking<'a> {
    pub(super) fn of(
        rules: &'a Rules,
        slots: &'a mut [Option<Order>],
        position: &'a mut Qty,
        row: u64,
        out: &'a mut Reports,
    ) -> Booking<'a> {
        Booking { rules, slots, position, row, counts: rules.counts, out }
    }

    /// An order's new contracts.
    pub(super) fn fill(&mut self, filled: &Filled, role: Role) {
        let Some(order) = self.slots[filled.slot].as_mut() else { return };
        let intent = order.order.intent;
        let price = intent.resting_price(filled.price);
        let mut fee = Bracket::default();
        for (i, qty) in filled.qty.into_iter().enumerate().filter(|(_, qty)| *qty > Qty::ZERO) {
            fee.0[i] = order.fees[i].fill(&self.rules.fees, role, intent, price, qty).net;
        }
        *self.position += intent.position_change(filled.qty[self.counts as usize]);
        self.out.fills.push(Fill {
            order: order.id,
            intent,
            price,
            role,
            qty: Bracket(filled.qty),
            fee,
            at: filled.at,
            exchange_row: filled.row,
            known_row: self.row,
            uncertain: filled.uncertain,
        });
    }
}
