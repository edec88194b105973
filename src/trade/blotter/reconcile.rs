//! What the exchange holds of the account, compared with what we think it holds.
//!
//! The exchange is right. Whatever it tells is taken in as any other word; what had to be told that way is
//! reported, since it was lost on its usual way.

use super::order::Birth;
use super::{Blotter, Effect, FILL_GRACE, Order};
use crate::trade::message::{ClientId, Command, FillFact, Report, Truth, View};
use crate::units::{Qty, TsNs};
use crate::wire::portfolio::OrderState;
use std::collections::{BTreeMap, BTreeSet};

/// Something that the exchange and the blotter did not agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// An order of an earlier run rests; it is being cancelled.
    Orphan {
        /// The exchange's name for it.
        order_id: String,
        /// Its client id.
        client_id: ClientId,
    },
    /// An order that is not this program's rests; it is left alone.
    Foreign {
        /// The exchange's name for it.
        order_id: String,
    },
    /// The exchange's word on a resting order is another one than ours was.
    Order {
        /// The order.
        id: ClientId,
        /// Contracts that rest, as we thought.
        ours: Qty,
        /// As it is.
        theirs: Qty,
    },
    /// An order that we think rests does not; it is being looked up.
    Gone {
        /// The order.
        id: ClientId,
    },
    /// A fill that nobody had told.
    Fill {
        /// The order.
        id: ClientId,
        /// The trade.
        trade_id: String,
    },
    /// Contracts held, besides the fills of this run: from before it, or traded by somebody else. The
    /// exchange's number is ours from now on.
    Position {
        /// The market.
        ticker: String,
        /// As we thought.
        ours: Qty,
        /// As it is.
        theirs: Qty,
    },
}

impl Blotter {
    /// Takes in the exchange's own account of things and says what was different.
    ///
    /// The lists are not read in one moment. An order that waits for an answer is not compared, and a position
    /// is only called different when two reconciliations see the same difference; the first one of a run takes
    /// the positions over at once.
    pub fn reconcile(
        &mut self,
        truth: &Truth,
        now: TsNs,
        out: &mut Vec<Effect>,
    ) -> Vec<Difference> {
        let mut differences = Vec::new();
        for state in &truth.resting {
            differences.extend(self.compare_order(state, now, out));
        }
        for row in &truth.fills {
            differences.extend(self.compare_fill(FillFact::of_row(row), truth, now, out));
        }
        self.look_for_gone(truth, now, out, &mut differences);
        self.compare_positions(truth, &mut differences);
        self.reconciled = true;
        differences
    }

    fn compare_order(
        &mut self,
        state: &OrderState,
        now: TsNs,
        out: &mut Vec<Effect>,
    ) -> Option<Difference> {
        let order_id = state.order_id.clone();
        let Some(id) = state.client_order_id.as_deref().and_then(ClientId::of_ours) else {
            return Some(Difference::Foreign { order_id });
        };
        let Some(order) = self.orders.get(&id) else {
            out.push(Effect::Do(Command::CancelOrphan { order_id: order_id.clone() }));
            return Some(Difference::Orphan { order_id, client_id: id });
        };
        let (waits, before) = (order.awaits.is_some(), Seen::of(order));
        self.hear(Report::Order { id: id.clone(), view: View::of_state(state) }, now, out);
        let after = Seen::of(self.orders.get(&id)?);
        let (ours, theirs) = (before.left, after.left);
        (!waits && before != after).then_some(Difference::Order { id, ours, theirs })
    }

    fn compare_fill(
        &mut self,
        fill: FillFact,
        truth: &Truth,
        now: TsNs,
        out: &mut Vec<Effect>,
    ) -> Option<Difference> {
        let Some(id) = self.by_exchange.get(&fill.order_id).cloned() else {
            // It could be a fill of an order whose name we do not know yet.
            if self.orders.values().any(|order| order.order_id.is_none()) {
                self.fill(fill, now, out);
            }
            return None;
        };
        let known = self.orders.get(&id)?.fills().any(|f| f.trade_id == fill.trade_id);
        // What was traded a moment ago is still on its way to us.
        let late = truth.asked.ms() - fill.at_ms > FILL_GRACE.ms();
        let trade_id = fill.trade_id.clone();
        self.fill(fill, now, out);
        (!known && late).then_some(Difference::Fill { id, trade_id })
    }

    fn look_for_gone(
        &mut self,
        truth: &Truth,
        now: TsNs,
        out: &mut Vec<Effect>,
        differences: &mut Vec<Difference>,
    ) {
        let resting: BTreeSet<&str> = truth.resting.iter().map(|s| s.order_id.as_str()).collect();
        let is_gone = |order: &&Order| {
            let name = order.order_id.as_deref().unwrap_or_default();
            order.birth == Birth::Known
                && order.awaits.is_none()
                && order.created < truth.asked
                && !resting.contains(name)
        };
        let gone: Vec<_> = self.open().filter(is_gone).map(|order| order.id.clone()).collect();
        for id in gone {
            if let Some(order) = self.orders.get_mut(&id) {
                order.doubt(now);
            }
            self.follow_up(&id, now, out);
            differences.push(Difference::Gone { id });
        }
    }

    fn compare_positions(&mut self, truth: &Truth, differences: &mut Vec<Difference>) {
        let mut theirs: BTreeMap<&str, Qty> =
            self.positions.keys().map(|ticker| (ticker.as_str(), Qty::ZERO)).collect();
        theirs.extend(truth.positions.iter().map(|p| (p.ticker.as_str(), p.position_fp)));
        let (mut suspected, mut changed) = (BTreeMap::new(), Vec::new());
        for (ticker, theirs) in theirs {
            let ours = self.position(ticker);
            if ours == theirs || self.is_unsettled(ticker) {
                continue;
            }
            let off = theirs - ours;
            if self.reconciled && self.suspected.get(ticker) != Some(&off) {
                suspected.insert(ticker.to_owned(), off);
                continue;
            }
            let ticker = ticker.to_owned();
            changed.push((ticker.clone(), theirs));
            differences.push(Difference::Position { ticker, ours, theirs });
        }
        self.positions.extend(changed);
        self.suspected = suspected;
    }

    /// True while the last word on a market is not spoken: a payout or a fill is on its way.
    fn is_unsettled(&self, ticker: &str) -> bool {
        let open = |order: &Order| {
            order.wanted.ticker == ticker
                && (order.in_doubt() || order.missing() > Qty::ZERO || order.awaits.is_some())
        };
        self.settling.contains_key(ticker) || self.orders.values().any(open)
    }
}

/// What a reconciliation compares of an order.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    known: bool,
    filled: Qty,
    left: Qty,
}

impl Seen {
    fn of(order: &Order) -> Seen {
        let known = order.birth == Birth::Known;
        Seen { known, filled: order.filled(), left: order.left() }
    }
}
