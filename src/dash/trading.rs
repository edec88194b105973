//! What a policy did, as its journal tells it.

use super::orders::OwnOrders;
use crate::actor::{Reason, Verdict};
use crate::broker::matching::Bound;
use crate::env::account::Request;
use crate::view::TradeStatus;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// Decisions kept for the list.
const DEEDS: usize = 1_000;
/// Points of the equity curve kept; when full, every second one goes.
const POINTS: usize = 2_048;

/// One decision. Fields that a journal does not have are left at their default: an older or newer one is shown
/// as far as it goes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Deed {
    /// The last record that it has seen.
    pub row_id: u64,
    /// The market.
    pub ticker: String,
    /// Exchange time, milliseconds.
    pub ts_ms: i64,
    /// What was chosen: 0 holds.
    pub action: u32,
    /// Its name.
    pub action_name: String,
    /// What became of it.
    pub reason: String,
    /// True if an order was placed.
    pub ordered: bool,
    /// How probable the policy held this action, 0..1, where it says so.
    pub confidence: Option<f64>,
    /// Position afterwards: +YES, -NO, 1e-2 contracts.
    pub position_e2: i64,
    /// Cash afterwards.
    pub cash_e6: i64,
    /// Equity at the decision.
    pub equity_e6: i64,
    /// From the receipt of the frame to the decision.
    pub latency_us: i64,
    /// The limit that forbade it; empty where none did.
    pub limit: String,
    /// What was sent to the exchange, as the actor writes it down.
    pub requests: Vec<Value>,
}

impl Deed {
    /// What was sent, as far as it can be read.
    pub fn sent(&self) -> impl Iterator<Item = Request> + '_ {
        self.requests.iter().filter_map(|request| serde_json::from_value(request.clone()).ok())
    }

    /// What became of it, where this program knows the word.
    fn reason(&self) -> Option<Reason> {
        serde_json::from_value(Value::from(self.reason.as_str())).ok()
    }
}

/// What is known of a trading session before its first decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Name of its folder.
    pub id: String,
    /// Name of the policy.
    pub policy: String,
    /// SHA-256 of the model's weights; empty for a scripted policy.
    pub model_hash: String,
    /// Orders go to an exchange; otherwise they are paper.
    pub elsewhere: bool,
    /// The queue whose fills count; `None` where its journal does not say so.
    pub counts: Option<Bound>,
    /// Cash that each market's account begins with.
    pub start_cash_e6: i64,
    /// What had stopped all orders when it began, in words; empty where nothing had.
    pub stopped: String,
}

/// A trading session.
#[derive(Clone, Debug, Default)]
pub struct Trading {
    /// Its figures; `None` when there is none.
    pub status: Option<TradeStatus>,
    /// The last decisions, newest last.
    pub deeds: VecDeque<Deed>,
    /// The last decision of each market.
    pub last: HashMap<String, Deed>,
    /// Own orders that rest.
    pub orders: OwnOrders,
    /// Exchange milliseconds and profit in dollars, oldest first.
    pub profit: Vec<(f64, f64)>,
    start_cash_e6: i64,
    /// Every so manyth decision becomes a point.
    stride: u64,
    seen: u64,
}

impl Trading {
    /// A session without a decision.
    pub fn begin(opening: Opening) -> Trading {
        let Opening { id, policy, model_hash, elsewhere, counts, start_cash_e6, stopped } = opening;
        let told = TradeStatus { id, policy, model_hash, elsewhere, stopped, ..Default::default() };
        let (status, orders) = (Some(told), OwnOrders::counted_by(counts));
        Trading { status, orders, start_cash_e6, stride: 1, ..Trading::default() }
    }

    /// Takes a decision.
    pub fn push(&mut self, deed: Deed) {
        let status = self.status.get_or_insert_default();
        let before = self.last.get(&deed.ticker);
        let of = |deed: &Deed| (deed.cash_e6, deed.equity_e6, u64::from(deed.position_e2 != 0));
        let (cash, equity, open) = before.map_or((self.start_cash_e6, self.start_cash_e6, 0), of);
        if before.is_none() {
            status.markets += 1;
            status.cash_e6 += self.start_cash_e6;
            status.equity_e6 += self.start_cash_e6;
        }
        let reason = deed.reason();
        status.decisions += u64::from(reason != Some(Reason::Withdrawn));
        status.orders += u64::from(deed.ordered);
        status.held_back += u64::from(reason.is_some_and(Reason::holds_back));
        status.cash_e6 += deed.cash_e6 - cash;
        status.equity_e6 += deed.equity_e6 - equity;
        status.profit_e6 += deed.equity_e6 - equity;
        status.open_positions += u64::from(deed.position_e2 != 0);
        status.open_positions -= open;
        let profit = status.profit_e6 as f64 / 1e6;
        self.point(deed.ts_ms as f64, profit);
        if self.deeds.len() == DEEDS {
            self.deeds.pop_front();
        }
        self.last.insert(deed.ticker.clone(), deed.clone());
        self.deeds.push_back(deed);
    }

    /// Takes what became of an order that was asked for: it rests nowhere, and its decision says why.
    pub fn judged(&mut self, verdict: &Verdict) {
        let status = self.status.get_or_insert_default();
        status.held_back += u64::from(verdict.refused);
        status.orders = status.orders.saturating_sub(u64::from(verdict.refused));
        self.orders.ended(&verdict.ticker, verdict.order);
        let decides = |deed: &&mut Deed| {
            deed.row_id == verdict.row_id && deed.ticker == verdict.ticker && deed.ordered
        };
        if let Some(deed) = self.deeds.iter_mut().rev().find(decides) {
            (deed.ordered, deed.limit) = (false, verdict.why.clone());
        }
    }

    /// Decisions for the list, newest first: without `holds` those that changed nothing and that nobody forbade are
    /// left out.
    pub fn listed(&self, holds: bool) -> impl Iterator<Item = &Deed> {
        self.deeds.iter().rev().filter(move |deed| holds || deed.action != 0 || deed.ordered)
    }

    fn point(&mut self, ts_ms: f64, profit: f64) {
        self.seen += 1;
        if self.profit.len() == POINTS {
            let mut keep = false;
            self.profit.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
        if self.seen >= self.stride {
            self.seen = 0;
            // Markets have their own clocks; the curve has one.
            let last_ms = self.profit.last().map_or(ts_ms, |point| point.0);
            self.profit.push((ts_ms.max(last_ms), profit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(ticker: &str, equity_e6: i64, position_e2: i64) -> Deed {
        let (ticker, cash_e6) = (ticker.to_owned(), 90);
        Deed { ticker, equity_e6, cash_e6, position_e2, ordered: true, ..Deed::default() }
    }

    #[test]
    fn the_sum_of_all_accounts_is_kept_however_often_each_decides() {
        let mut trading = Trading::begin(Opening { start_cash_e6: 100, ..Opening::default() });
        for (ticker, equity, position) in
            [("A", 101, 100), ("B", 95, 0), ("A", 107, 0), ("B", 99, -5)]
        {
            trading.push(deed(ticker, equity, position));
        }
        let status = trading.status.as_ref().expect("begun");
        assert_eq!((status.markets, status.open_positions, status.orders), (2, 1, 4));
        assert_eq!((status.equity_e6, status.profit_e6, status.cash_e6), (206, 6, 180));
        (0..10_000).for_each(|i| trading.push(deed("A", 107 + i % 2, 0)));
        assert!(trading.profit.len() <= POINTS && trading.profit.len() > POINTS / 4);
    }

    #[test]
    fn a_journal_of_another_version_is_shown_as_far_as_it_goes() {
        let line = r#"{"ticker":"A","action":1,"brand_new":[1,2],"confidence":0.7}"#;
        let deed: Deed = serde_json::from_str(line).expect("readable");
        assert_eq!((deed.action, deed.confidence, deed.row_id), (1, Some(0.7), 0));
    }
}
