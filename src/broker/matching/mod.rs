//! Our orders in one market: what they do to the book as it was recorded, and what the market does to them.
//!
//! An order travels ([`super::Latency`]), arrives, takes what is displayed ([`super::Taken`]), and rests
//! with what is left, in three queues at once ([`Bound`]): under the pessimistic, the fitted and the
//! optimistic reading of the cancels around it. A trade that reaches it fills it, and so does an order of
//! the other side that arrives at or through its price; a level that merely vanishes does not. Training,
//! evaluation and paper trading all trade through this.
//!
//! Time is the exchange's: an event happened at its stamp, or when it was received if that is earlier, and
//! a request that arrives in between acts on the book before it. The market does not know that we are
//! there: nobody reacts, and what we took is shown on.
//!
//! **Invariant:** at every row, fills of the pessimistic queue <= of the fitted <= of the optimistic one.
//! **Invariant:** what is told at a row depends on nothing after it.
//! **Invariant:** no IO, no clock; after the first rows nothing is allocated.

mod arrival;
mod life;
mod order;
mod queues;
#[cfg(test)]
mod tests;

pub use order::{
    Amend, Bound, Bracket, End, Fill, NewOrder, OrderId, Phase, Refusal, Reports, Rules, State,
    Update,
};

use super::attribution::{Key, Pairs, Stamp};
use super::{OrderFees, Taken};
use crate::book::{Book, BookError, Change};
use crate::event::{Body, Delta, Event, Trade};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side, TsNs};
use queues::Queues;
use serde::{Deserialize, Serialize};

/// Orders at a time, those included whose last rows are not decided yet. An agent quotes a few prices on
/// two sides; a request beyond this is refused, never queued.
pub const MAX_ORDERS: usize = 32;
/// Requests under way at a time: a cancel and an amend for each order.
const MAX_REQUESTS: usize = 2 * MAX_ORDERS;

/// Our orders in one market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matcher {
    rules: Rules,
    rng: Rng,
    pairs: Pairs,
    queues: Queues,
    taken: Taken,
    /// Free where `None`; no longer than was ever needed, since most questions go through all of them.
    slots: Vec<Option<Order>>,
    /// By time of arrival.
    requests: Vec<Request>,
    /// The earliest thing that happens without an event: an arrival, an expiry, the close.
    next_due: TsNs,
    phase: Phase,
    position: Qty,
    /// Exchange time and row up to which everything has happened.
    now: TsNs,
    row: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: OrderId,
    order: NewOrder,
    fees: [OrderFees; 3],
    /// False once it is over; it may still learn of fills before that.
    working: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Request {
    due: TsNs,
    id: OrderId,
    ask: Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Ask {
    Submit(NewOrder),
    Cancel,
    Amend(Amend),
}

impl Matcher {
    /// No order yet; `rng` draws the latencies.
    pub fn new(rules: Rules, rng: Rng) -> Matcher {
        Matcher {
            rules,
            rng,
            pairs: Pairs::default(),
            queues: Queues::new(rules.fitted),
            taken: Taken::default(),
            slots: Vec::with_capacity(MAX_ORDERS),
            requests: Vec::with_capacity(MAX_REQUESTS),
            next_due: rules.close.unwrap_or(TsNs(i64::MAX)),
            phase: Phase::Active,
            position: Qty::ZERO,
            now: TsNs(i64::MIN),
            row: 0,
        }
    }

    /// No order again, in another market, reusing the memory.
    pub fn restart(&mut self, rules: Rules, rng: Rng) {
        self.pairs.restart();
        self.queues.restart(rules.fitted);
        self.taken.clear();
        self.slots.fill(None);
        self.requests.clear();
        self.next_due = rules.close.unwrap_or(TsNs(i64::MAX));
        (self.rules, self.rng) = (rules, rng);
        (self.phase, self.position) = (Phase::Active, Qty::ZERO);
        (self.now, self.row) = (TsNs(i64::MIN), 0);
    }

    /// Trading ends at `close` from what is known now.
    pub fn set_close(&mut self, close: Option<TsNs>) {
        self.rules.close = close;
        self.next_due = self.earliest();
    }

    /// Sends an order at `at`; returns when it arrives (the end of time: never).
    ///
    /// # Errors
    /// [`Refusal::Duplicate`] or [`Refusal::TooMany`]; nothing was sent.
    pub fn submit(&mut self, id: OrderId, order: NewOrder, at: TsNs) -> Result<TsNs, Refusal> {
        let same = |request: &Request| request.id == id;
        if self.slot(id).is_some() || self.requests.iter().any(same) {
            return Err(Refusal::Duplicate);
        }
        let due = self.rules.latency.submit.after(at, &mut self.rng);
        self.send(Request { due, id, ask: Ask::Submit(order) })
    }

    /// Sends a cancel at `at`; returns when it arrives. Fills before that stand.
    ///
    /// # Errors
    /// [`Refusal::TooMany`]; nothing was sent.
    pub fn cancel(&mut self, id: OrderId, at: TsNs) -> Result<TsNs, Refusal> {
        let due = self.rules.latency.cancel.after(at, &mut self.rng);
        self.send(Request { due, id, ask: Ask::Cancel })
    }

    /// Sends an amend at `at`; returns when it arrives.
    ///
    /// # Errors
    /// [`Refusal::TooMany`]; nothing was sent.
    pub fn amend(&mut self, id: OrderId, amend: Amend, at: TsNs) -> Result<TsNs, Refusal> {
        let due = self.rules.latency.amend.after(at, &mut self.rng);
        self.send(Request { due, id, ask: Ask::Amend(amend) })
    }

    /// The next event of this market, which is applied to `book` as well.
    ///
    /// # Errors
    /// That of [`Book::apply`]; the matcher has taken it as a gap.
    #[inline]
    pub fn on_event(
        &mut self,
        event: &Event,
        book: &mut Book,
        out: &mut Reports,
    ) -> Result<Change, BookError> {
        let at = Stamp::of(event);
        self.before(at, book, out);
        let applied = book.apply(event);
        match (&event.body, &applied) {
            (Body::Delta(delta), Ok(Change::Level { size, .. })) => {
                self.on_delta(at, delta, *size, out);
            }
            (Body::Trade(trade), _) => self.on_trade(at, trade, out),
            (Body::Snapshot(_), _) => self.on_snapshot(at, book, out),
            (Body::Gap(_), _) | (_, Err(_)) => self.on_gap(at),
            _ => {}
        }
        applied
    }

    /// What arrives before the event of this stamp, on the book before it. [`Matcher::on_event`] does this.
    #[inline]
    pub fn before(&mut self, at: Stamp, book: &Book, out: &mut Reports) {
        let moment = at.ts.map_or(at.recv, |ts| TsNs(ts.0.saturating_mul(1_000)).min(at.recv));
        if self.next_due < moment {
            self.act_until(TsNs(moment.0 - 1), book, out);
        }
        self.now = self.now.max(moment);
    }

    /// A level changed, and holds `size` now.
    #[inline]
    pub fn on_delta(&mut self, at: Stamp, delta: &Delta, size: Qty, out: &mut Reports) {
        let Delta { side, price, qty } = *delta;
        self.row = at.row;
        self.pairs.change(at, side, price, qty);
        let concerned = self.queues.concerned(side, price, qty < Qty::ZERO);
        if concerned | self.pairs.has_trades() | !self.taken.is_empty() {
            self.on_change(at.row, delta, size, out);
        }
        self.learn(None, out);
    }

    /// A level changed where an order of ours or a trade may wait for it.
    fn on_change(&mut self, row: u64, delta: &Delta, size: Qty, out: &mut Reports) {
        let Delta { side, price, qty } = *delta;
        self.taken.refresh(side, price);
        if qty >= Qty::ZERO {
            return self.crossed(side.other(), price.complement(), qty, out);
        }
        if self.queues.stands_at(side, price) {
            self.queues.shrink((row, self.pairs.deadline()), side, price, -qty, size - qty);
        }
        if let Some((decrease, _)) = self.pairs.claim() {
            self.learn(Some(decrease), out);
        }
    }

    /// A public trade. A block trade consumes no level and is only a row.
    pub fn on_trade(&mut self, at: Stamp, trade: &Trade, out: &mut Reports) {
        self.row = at.row;
        self.pairs.row(at);
        let counts = trade.block != Some(true);
        let key = Key::of_trade(at, trade);
        let traded = counts.then(|| self.pairs.trade(at.row, key)).flatten();
        self.learn(traded, out);
    }

    /// The book was replaced by `book`: our places are known no better than it shows.
    pub fn on_snapshot(&mut self, at: Stamp, book: &Book, out: &mut Reports) {
        self.row = at.row;
        self.pairs.row(at);
        self.learn(None, out);
        self.taken.clear();
        self.queues.anchor(at.row, |side, price| book.bids(side).size(price));
        self.free();
        for side in [Side::Yes, Side::No] {
            for (price, qty) in book.bids(side).iter() {
                self.crossed(side.other(), price.complement(), qty, out);
            }
        }
    }

    /// Something is missing before the next row.
    pub fn on_gap(&mut self, at: Stamp) {
        self.row = at.row;
        self.queues.doubt();
    }

    /// Does what is due by `until` (inclusive) while no event comes. The feed must be complete up to then:
    /// what an event would have changed before is lost on these requests.
    pub fn advance(&mut self, until: TsNs, book: &Book, out: &mut Reports) {
        self.act_until(until, book, out);
        self.now = self.now.max(until);
    }

    /// The market's phase changed at `at`.
    pub fn set_phase(&mut self, phase: Phase, at: TsNs, out: &mut Reports) {
        self.now = self.now.max(at);
        let before = std::mem::replace(&mut self.phase, phase);
        match phase {
            Phase::Closed => self.end_all(End::Closed, out),
            Phase::Active if before == Phase::Inactive => self.end_all(End::Halted, out),
            Phase::Active | Phase::Paused | Phase::Inactive => {}
        }
    }

    /// Cancels everything that works: the exchange halted the market.
    pub fn halt(&mut self, at: TsNs, out: &mut Reports) {
        self.now = self.now.max(at);
        self.end_all(End::Halted, out);
    }

    /// The recording ends: what is still undecided is decided now.
    pub fn finish(&mut self, out: &mut Reports) {
        self.decide(None, true, out);
    }

    /// How it matches.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The position that reduce-only orders reduce; moves with the fills of the queue that counts.
    pub fn set_position(&mut self, position: Qty) {
        self.position = position;
    }

    /// The position, +YES and -NO.
    pub fn position(&self) -> Qty {
        self.position
    }

    /// Contracts of others before a working order, by queue, as far as is known.
    pub fn ahead(&self, id: OrderId) -> Option<Bracket<Qty>> {
        self.queues.ahead(self.slot(id)?, &self.pairs).map(Bracket)
    }

    /// Orders that work now: name, order (its size with what is filled), and what is filled by queue.
    pub fn working(&self) -> impl Iterator<Item = (OrderId, &NewOrder, Bracket<Qty>)> {
        let all = self.slots.iter().enumerate();
        let working = all.filter_map(|(slot, o)| Some((slot, o.as_ref().filter(|o| o.working)?)));
        working.map(|(slot, o)| (o.id, &o.order, Bracket(self.queues.filled(slot))))
    }

    /// True while an order may fill, or may turn out to have filled before it ended.
    pub fn is_open(&self, id: OrderId) -> bool {
        self.slot(id).is_some()
    }

    /// True while an order may turn out to have filled where it rested before it was amended or ended.
    pub fn is_moving(&self, id: OrderId) -> bool {
        self.slot(id).is_some_and(|slot| self.queues.is_leaving(slot))
    }

    /// Contracts of a displayed bid that we have not taken.
    #[inline]
    pub fn left(&self, side: Side, level: (Price, Qty)) -> Qty {
        self.taken.left(side, level)
    }
}
