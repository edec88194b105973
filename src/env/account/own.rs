//! Our own orders as we know them: what was asked for, and what we have heard of it.
//!
//! At most one quote rests on each ladder, and while a request is under way nothing else is sent: what
//! comes of it is known before the next one.

use crate::broker::matching::{Amend, Bound, Fill, OrderId, State, Update};
use crate::broker::{FeeSchedule, Intent, Matcher, Role};
use crate::features::account::{Action, OwnOrder};
use crate::units::{Money, Price, Qty, Side};
use serde::{Deserialize, Serialize};

/// An order of ours that may still fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Own {
    pub(super) id: OrderId,
    pub(super) intent: Intent,
    /// On the scale of `intent.side`.
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) filled: Qty,
    /// Exchange time of the decision that sent it, milliseconds.
    pub(super) placed_ms: i64,
    /// Highest price on the axis of its ladder at which it may still turn out to have filled, and most
    /// contracts in all.
    pub(super) worst: (Price, Qty),
    /// The exchange has it.
    pub(super) rests: bool,
    /// Price and size that an amend under way asks for.
    pub(super) asked: Option<(Price, Qty)>,
}

impl Own {
    /// Contracts still to be filled.
    pub(super) fn left(&self) -> Qty {
        (self.qty - self.filled).max(Qty::ZERO)
    }

    /// What it may still cost: the highest price on the axis of its ladder, and the most contracts.
    pub(super) fn exposure(&self) -> (Price, Qty) {
        (self.worst.0, (self.worst.1 - self.filled).max(Qty::ZERO))
    }

    /// The order as observations show it.
    pub(super) fn seen(&self, ahead: Qty, level: Qty) -> OwnOrder {
        OwnOrder {
            contract: self.intent.side,
            action: match self.intent.verb {
                crate::broker::Verb::Buy => Action::Buy,
                crate::broker::Verb::Sell => Action::Sell,
            },
            price: self.price,
            remaining: self.left(),
            ahead,
            level,
            placed_ms: self.placed_ms,
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnOrders {
    /// Quotes by the ladder in which they rest.
    pub(super) quotes: [Option<Own>; 2],
    /// The marketable order under way.
    pub(super) take: Option<Own>,
    /// Orders that are over and may still turn out to have filled before.
    late: Vec<Own>,
    /// Orders with a request under way.
    waiting: Vec<OrderId>,
    next_id: u64,
}

impl OwnOrders {
    /// No order; keeps the memory.
    pub(super) fn restart(&mut self) {
        self.quotes = [None; 2];
        self.take = None;
        self.late.clear();
        self.waiting.clear();
        self.next_id = 0;
    }

    /// A name that no order had.
    pub(super) fn new_id(&mut self) -> OrderId {
        self.next_id += 1;
        OrderId(self.next_id)
    }

    /// True while a request is under way.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// True while an order may still fill.
    pub(super) fn is_working(&self) -> bool {
        self.iter().next().is_some()
    }

    /// A request about `id` is under way.
    pub(super) fn wait(&mut self, id: OrderId) {
        self.waiting.push(id);
    }

    /// The request will never arrive: the order is what it was.
    pub(super) fn lose(&mut self, id: OrderId) {
        for own in self.quotes.iter_mut().chain(std::iter::once(&mut self.take)) {
            match own {
                Some(lost) if lost.id == id && !lost.rests => *own = None,
                Some(kept) if kept.id == id => kept.asked = None,
                _ => {}
            }
        }
    }

    /// An amend of the quote `id` is under way.
    pub(super) fn ask(&mut self, id: OrderId, amend: Amend) {
        let Amend::Replace { price, count, .. } = amend else { return };
        if let Some(own) = self.quotes.iter_mut().flatten().find(|own| own.id == id) {
            own.asked = Some((price, count));
            own.worst.0 = own.worst.0.max(own.intent.resting_price(price));
            own.worst.1 = own.worst.1.max(count);
        }
    }

    /// Forgets what cannot fill any more.
    #[inline]
    pub(super) fn tidy(&mut self, matcher: &Matcher) {
        if !self.late.is_empty() {
            self.late.retain(|own| matcher.is_open(own.id));
        }
        for own in self.quotes.iter_mut().flatten() {
            if own.asked.is_none() && !matcher.is_moving(own.id) {
                own.worst = (own.intent.resting_price(own.price), own.qty);
            }
        }
    }

    /// All that may still fill.
    #[inline]
    fn iter(&self) -> impl Iterator<Item = &Own> {
        self.quotes.iter().flatten().chain(&self.take).chain(&self.late)
    }

    /// What may still fill by adding to `side`: the highest price on its axis, and the contracts.
    #[inline]
    pub(super) fn exposure(&self, side: Side) -> Option<(Price, Qty)> {
        let adding = self.iter().filter(|own| own.intent.rests() == side);
        adding.map(Own::exposure).reduce(|a, b| (a.0.max(b.0), a.1 + b.1))
    }

    /// Something became of an order.
    pub(super) fn update(&mut self, update: &Update) {
        self.waiting.retain(|id| *id != update.order);
        if self.take.is_some_and(|own| own.id == update.order) {
            if !matches!(update.state, State::Resting { .. }) {
                self.take = None;
            }
            return;
        }
        for quote in &mut self.quotes {
            let Some(own) = quote.as_mut().filter(|own| own.id == update.order) else { continue };
            let asked = own.asked.take();
            match update.state {
                State::Resting { .. } => {
                    own.rests = true;
                    (own.price, own.qty) = asked.unwrap_or((own.price, own.qty));
                }
                // What rests goes on when a request about it is refused.
                State::Refused(_) if own.rests => {}
                State::Refused(_) => *quote = None,
                State::Ended { .. } => self.late.extend(quote.take()),
            }
        }
    }

    /// An order traded; true if that was the first time.
    pub(super) fn fill(&mut self, fill: &Fill, counts: Bound) -> bool {
        let own = self.quotes.iter_mut().flatten().chain(&mut self.take).chain(&mut self.late);
        let Some(own) = own.into_iter().find(|own| own.id == fill.order) else { return false };
        let first = own.filled == Qty::ZERO;
        own.filled += fill.qty[counts];
        first
    }
}

/// Cash that an order may need, at most, however it fills: `qty` contracts bought at `price` on the axis of
/// the side that they add to, when the position towards that side is `position`.
///
/// What closes a position comes first and brings cash. The net fee of a fill is at most its trade fee and
/// one unit of the member's precision ([`crate::broker::OrderFees`]), and no fill is smaller than a
/// hundredth of a contract; price and fee together fall with the price, so a better one needs no more.
#[inline]
pub(super) fn reserve(fees: &FeeSchedule, price: Price, qty: Qty, position: Qty) -> Money {
    let fee = |role| fees.trade_fee(role, price, Qty(1));
    let fee_e6 = fee(Role::Taker).max(fee(Role::Maker)).e6() + fees.precision_e6;
    let closes = qty.min((-position).max(Qty::ZERO));
    let cost_e6 = (qty - closes).e2() * (price.e4() + fee_e6);
    let gain_e6 = closes.e2() * (price.complement().e4() - fee_e6);
    Money((cost_e6 - gain_e6).max(0))
}
