//! The blotter: every order of this run, kept true to the exchange whatever gets lost on the way.
//!
//! ```text
//!  submit, cancel, amend ─► Blotter ─ Effect::Do(Command) ─► gateway ─► exchange
//!                              ▲                                │
//!                              └────── Report ◄─────────────────┘   fills and orders of the WebSocket too
//! ```
//!
//! **Invariant:** pure; time comes in and must not run backwards.
//! **Invariant:** an order is submitted once. A submit without a clear answer is looked up by its client id;
//! only the exchange's word (the order, a fill, or that there is none long after) ends the doubt.
//! **Invariant:** a fill counts once, by its trade, whether it is told before, after or without its order.
//! **Invariant:** what was cancelled stays unwanted: should it turn up late, it is cancelled again.

mod hear;
mod order;
mod reconcile;

pub use order::{Order, State};
pub use reconcile::Difference;

use super::message::{Change, ClientId, Command, FillFact, Wanted};
use crate::event::SessionId;
use crate::units::{Price, Qty, TsNs};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A fill is told by the WebSocket within milliseconds of its order; after this long it is asked for.
const FILL_GRACE: TsNs = TsNs::from_ms(1_000);
/// Between two attempts at what had no answer.
const RETRY: TsNs = TsNs::from_ms(1_000);
/// So long after a submit an order that is not listed never arrived: its signature would be refused by then
/// (the simulator tolerates 5 s; the exchange's tolerance is not published).
const ABSENT_GRACE: TsNs = TsNs::from_ms(10_000);
/// Fills of orders that are not ours, or not yet known to be: more than a busy account has in flight. The
/// oldest go first, and reconciliation would tell them again.
const UNCLAIMED_MAX: usize = 1_024;
/// Orders kept after their end, so that what is told of them again is known: hours at one order per second.
const SETTLED_MAX: usize = 10_000;

/// What follows from a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A gateway has to do this.
    Do(Command),
    /// A fill of ours, told for the first time: once per trade and order.
    Filled {
        /// Our order.
        id: ClientId,
        /// The fill.
        fill: FillFact,
    },
    /// All about an order is known.
    Ended {
        /// The order.
        id: ClientId,
        /// How it ended.
        state: State,
    },
    /// A market was paid out, and every fill in it was told before.
    Settled {
        /// The market.
        ticker: String,
        /// What one YES paid.
        value: Price,
        /// Contracts that were paid out, +YES and -NO.
        position: Qty,
    },
}

/// Why an order cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotChange {
    /// No such order in this run.
    #[error("no such order")]
    NoOrder,
    /// It is over, or the exchange does not know it yet.
    #[error("the order is {}", .0.word())]
    State(State),
    /// Something about it is not answered yet.
    #[error("the order waits for an answer")]
    Busy,
}

/// All orders of one run.
#[derive(Clone, Debug)]
pub struct Blotter {
    run: SessionId,
    next: u64,
    orders: BTreeMap<ClientId, Order>,
    by_exchange: HashMap<String, ClientId>,
    unclaimed: VecDeque<FillFact>,
    /// Contracts held, +YES and -NO: own fills, and what reconciliation found besides.
    positions: BTreeMap<String, Qty>,
    /// Payouts that wait for the last fills of their market.
    settling: BTreeMap<String, Price>,
    /// Differences of positions that the last reconciliation saw for the first time.
    suspected: BTreeMap<String, Qty>,
    /// The exchange's own account of things was compared with ours.
    reconciled: bool,
}

impl Blotter {
    /// An empty one for a run.
    pub fn new(run: SessionId) -> Blotter {
        Blotter {
            run,
            next: 0,
            orders: BTreeMap::new(),
            by_exchange: HashMap::new(),
            unclaimed: VecDeque::new(),
            positions: BTreeMap::new(),
            settling: BTreeMap::new(),
            suspected: BTreeMap::new(),
            reconciled: false,
        }
    }

    /// Places an order.
    pub fn submit(&mut self, wanted: Wanted, now: TsNs, out: &mut Vec<Effect>) -> ClientId {
        let id = ClientId::new(self.run, self.next);
        self.next += 1;
        self.forget();
        self.orders.insert(id.clone(), Order::new(id.clone(), wanted.clone(), now));
        out.push(Effect::Do(Command::Submit { id: id.clone(), order: wanted }));
        id
    }

    /// Ends an order as soon as that is possible; what is not known to the exchange yet is cancelled when it
    /// is. An order that is over stays as it is.
    ///
    /// # Errors
    /// [`CannotChange::NoOrder`].
    pub fn cancel(
        &mut self,
        id: &ClientId,
        now: TsNs,
        out: &mut Vec<Effect>,
    ) -> Result<(), CannotChange> {
        let order = self.orders.get_mut(id).ok_or(CannotChange::NoOrder)?;
        order.unwanted = true;
        self.follow_up(id, now, out);
        Ok(())
    }

    /// Ends every order of a market, or of all; gives their number.
    pub fn cancel_open(&mut self, ticker: Option<&str>, now: TsNs, out: &mut Vec<Effect>) -> usize {
        let meant = |order: &&Order| ticker.is_none_or(|t| t == order.wanted.ticker);
        let ids: Vec<_> = self.open().filter(meant).map(|order| order.id.clone()).collect();
        for id in &ids {
            if let Some(order) = self.orders.get_mut(id) {
                order.unwanted = true;
            }
            self.follow_up(id, now, out);
        }
        ids.len()
    }

    /// Amends or decreases a resting order.
    ///
    /// # Errors
    /// [`CannotChange`], and nothing was asked.
    pub fn change(
        &mut self,
        id: &ClientId,
        change: Change,
        out: &mut Vec<Effect>,
    ) -> Result<(), CannotChange> {
        let order = self.orders.get_mut(id).ok_or(CannotChange::NoOrder)?;
        let state = order.state();
        if !matches!(state, State::Resting | State::Part) {
            return Err(CannotChange::State(state));
        }
        if order.awaits.is_some() || order.in_doubt() || order.unwanted {
            return Err(CannotChange::Busy);
        }
        let command = order.change(change).ok_or(CannotChange::State(state))?;
        out.push(Effect::Do(command));
        Ok(())
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: TsNs, out: &mut Vec<Effect>) {
        let is_due = |order: &&Order| order.next_due().is_some_and(|at| at <= now);
        let ids: Vec<_> = self.orders.values().filter(is_due).map(|o| o.id.clone()).collect();
        for id in ids {
            self.follow_up(&id, now, out);
        }
    }

    /// When [`Blotter::tick`] has something to do next.
    pub fn next_tick(&self) -> Option<TsNs> {
        self.orders.values().filter_map(Order::next_due).min()
    }

    /// One order.
    pub fn order(&self, id: &ClientId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// Orders that may still be filled.
    pub fn open(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(|order| !order.state().is_over())
    }

    /// Contracts held in a market, +YES and -NO.
    pub fn position(&self, ticker: &str) -> Qty {
        self.positions.get(ticker).copied().unwrap_or_default()
    }

    /// Contracts held by market, +YES and -NO.
    pub fn positions(&self) -> impl Iterator<Item = (&str, Qty)> {
        self.positions.iter().map(|(ticker, position)| (ticker.as_str(), *position))
    }

    /// A market is paid out when the last of its fills was told.
    fn settle(&mut self, ticker: &str, value: Price, now: TsNs, out: &mut Vec<Effect>) {
        self.settling.insert(ticker.to_owned(), value);
        let open = self.orders.values_mut();
        let open = open.filter(|o| o.wanted.ticker == ticker && !o.is_settled());
        let ids: Vec<_> = open
            .map(|order| {
                order.doubt(now);
                order.id.clone()
            })
            .collect();
        for id in ids {
            self.follow_up(&id, now, out);
        }
        self.pay_out(ticker, out);
    }

    fn pay_out(&mut self, ticker: &str, out: &mut Vec<Effect>) {
        let Some(value) = self.settling.get(ticker).copied() else { return };
        let mut orders = self.orders.values().filter(|order| order.wanted.ticker == ticker);
        if orders.all(Order::is_settled) {
            self.settling.remove(ticker);
            let position = self.positions.remove(ticker).unwrap_or_default();
            out.push(Effect::Settled { ticker: ticker.to_owned(), value, position });
        }
    }

    fn follow_up(&mut self, id: &ClientId, now: TsNs, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(id) else { return };
        order.due(now, out);
        let ended = order.is_settled();
        if ended && !order.told {
            out.push(Effect::Ended { id: id.clone(), state: order.state() });
        }
        order.told = ended;
        if ended {
            let ticker = order.wanted.ticker.clone();
            self.pay_out(&ticker, out);
        }
    }

    /// Makes room by dropping the oldest order that is settled.
    fn forget(&mut self) {
        if self.orders.len() < SETTLED_MAX {
            return;
        }
        let oldest = self.orders.values().filter(|o| o.is_settled()).min_by_key(|o| o.created);
        if let Some(id) = oldest.map(|order| order.id.clone()) {
            self.orders.remove(&id);
            self.by_exchange.retain(|_, of| *of != id);
        }
    }
}
