//! Where the orders that rest stand in their queues: asked at intervals and written down, so that the queues of
//! paper orders can be held against a truth afterwards (`kflow fills calibrate --positions`).
//!
//! **Invariant:** nothing is decided by it, and a question that fails is noted and no more.
//! **Invariant:** a place is written down only for an order that was the same when it was asked for and when the
//! answer came, and only beside markets of the exchange that it rests at: other books have other queues.

use super::{Act, Desk, Entry};
use crate::trade::blotter::{Order, State};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use crate::wire::convert::time_text;
use crate::wire::portfolio::QueuePosition;
use crate::wire::text;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// One request tells of all orders: a twentieth of what a new account may read in that time, and often enough that
/// an order of a few seconds is looked at twice.
const ASK_EVERY: TsNs = TsNs::from_ms(1_000);
/// An answer that took longer could be of any moment in that time, and busy queues change several times within it.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Markets of one question: their names have to fit into an address.
const MARKETS_MAX: usize = 100;

/// One order's place at one time: a line of `queue_positions.jsonl`, in the form that `kflow fills calibrate` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueLine {
    /// When, by our clock: in the middle between question and answer.
    pub ts: String,
    /// The exchange's name for the order.
    pub order_id: String,
    /// Its market.
    pub ticker: String,
    /// The ladder that it rests in.
    pub side: Side,
    /// Limit on the axis of `side`, dollars.
    #[serde(with = "text")]
    pub price: Price,
    /// Contracts that trade before it.
    #[serde(with = "text")]
    pub queue_position_fp: Qty,
    /// Contracts that are left of it.
    #[serde(with = "text")]
    pub remaining_count_fp: Qty,
}

/// The answer of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAnswer {
    /// The places of all orders that rest.
    pub places: Vec<QueuePosition>,
    /// From question to answer.
    pub took: Duration,
}

/// How an order rests; another price is another queue.
type Rest = (Side, Price, Qty);

/// What is asked, and when next.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    next: TsNs,
    /// The orders that rested when it was asked, by the exchange's names; `None` while nothing is asked.
    asked: Option<BTreeMap<String, Rest>>,
}

impl Queues {
    pub(super) fn new(now: TsNs) -> Queues {
        Queues { next: now, asked: None }
    }
}

impl Desk {
    /// When to ask next; `None` while an answer is awaited or nothing rests.
    pub(super) fn next_queues(&self) -> Option<TsNs> {
        let can_ask = self.own_markets && !self.ending && self.queues.asked.is_none();
        (can_ask && self.resting().next().is_some()).then_some(self.queues.next)
    }

    pub(super) fn ask_queues(&mut self, now: TsNs, out: &mut Vec<Act>) {
        if self.next_queues().is_none_or(|next| next > now) {
            return;
        }
        let mut tickers: Vec<String> =
            self.resting().map(|(_, order)| order.wanted.ticker.clone()).collect();
        tickers.sort();
        tickers.dedup();
        tickers.truncate(MARKETS_MAX);
        self.queues = Queues { next: TsNs(now.0 + ASK_EVERY.0), asked: Some(self.rests()) };
        out.push(Act::LookAtQueues { tickers });
    }

    /// Takes in the places of our orders, or why they are not known.
    pub fn queues(&mut self, answer: Result<QueueAnswer, String>, now: TsNs, out: &mut Vec<Act>) {
        let Some(before) = self.queues.asked.take() else { return };
        let unread = |why| Act::Write(Entry::QueuesUnread { why });
        let QueueAnswer { places, took } = match answer {
            Ok(answer) if answer.took <= ANSWER_MAX => answer,
            Ok(answer) => {
                return out.push(unread(format!("the answer took {} ms", answer.took.as_millis())));
            }
            Err(why) => return out.push(unread(why)),
        };
        let half_ns = i64::try_from(took.as_nanos() / 2).unwrap_or(0);
        let ts = time_text(TsUs((now.0 - half_ns) / 1_000));
        let after = self.rests();
        for place in places {
            let rest = before.get(&place.order_id);
            let Some(&(side, price, left)) = rest.filter(|r| after.get(&place.order_id) == Some(r))
            else {
                continue;
            };
            out.push(Act::Stands(QueueLine {
                ts: ts.clone(),
                order_id: place.order_id,
                ticker: place.market_ticker,
                side,
                price,
                queue_position_fp: place.queue_position_fp,
                remaining_count_fp: left,
            }));
        }
    }

    /// Orders in the book that nothing is under way for.
    fn resting(&self) -> impl Iterator<Item = (&str, &Order)> {
        let live = self.live.iter().filter_map(|id| self.blotter.order(id));
        let rests = |order: &&Order| {
            matches!(order.state(), State::Resting | State::Part)
                && !order.waits()
                && !order.in_doubt()
                && !order.is_unwanted()
        };
        live.filter(rests).filter_map(|order| Some((order.order_id.as_deref()?, order)))
    }

    fn rests(&self) -> BTreeMap<String, Rest> {
        let rest = |order: &Order| {
            let side = order.wanted.side;
            (side.outcome(), side.own_price(order.price()), order.left())
        };
        self.resting().map(|(id, order)| (id.to_owned(), rest(order))).collect()
    }
}
