//! One line of the order journal: what risk decided, and every change of an order.
//!
//! `DATA/trade/ID/orders.jsonl` holds one object per line. `at_ns` is our clock; `what` names the kind of line;
//! prices are on the YES scale in 1e-4 dollars, contracts in 1e-2, money in 1e-6 dollars.

use crate::trade::blotter::Order;
use crate::trade::message::{ClientId, FillFact, Wanted};
use crate::wire::orders::{BookSide, TimeInForce};
use serde::Serialize;

/// A line, without its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// The desk was opened.
    Opened {
        /// The run, part of the client id of every order.
        run: String,
        /// `sim` or `demo`, and the address.
        exchange: String,
        /// Id of the key in whose name it trades.
        account: String,
    },
    /// An order was wanted.
    Judged(Judged),
    /// An order is wanted no more.
    Cancel {
        /// Its client id; `None` when there is no such order.
        id: Option<String>,
        /// The caller's number of it.
        number: u64,
    },
    /// Another limit or size was wanted.
    Change {
        /// Its client id; `None` when there is no such order.
        id: Option<String>,
        /// The caller's number of it.
        number: u64,
        /// The new limit; absent when only the size changes.
        price_e4: Option<i64>,
        /// Contracts: filled and resting with a limit, resting without.
        count_e2: i64,
        /// Why it was not sent; absent when it was.
        refused: Option<String>,
    },
    /// An order changed.
    Order(OrderLine),
    /// A fill.
    Fill(FillLine),
    /// A market was paid out.
    Settled {
        /// The market.
        ticker: String,
        /// What one YES paid.
        value_e4: i64,
        /// Contracts paid out, +YES and -NO.
        position_e2: i64,
    },
    /// The open orders of a market are being cancelled.
    Withdrawn {
        /// The market.
        ticker: String,
        /// Why.
        why: &'static str,
    },
    /// The account was read: what it holds, and what was not as expected.
    Account {
        /// Cash that can be spent.
        balance_e6: i64,
        /// Cash, what is kept for orders, and positions at the touch.
        equity_e6: i64,
        /// Orders that rest.
        resting: usize,
        /// One sentence each.
        differences: Vec<String>,
    },
    /// The account could not be read.
    Unread {
        /// Why.
        why: String,
    },
    /// The places of the orders in their queues could not be read.
    QueuesUnread {
        /// Why.
        why: String,
    },
    /// Trading was stopped.
    Tripped {
        /// By what.
        cause: &'static str,
        /// In words.
        detail: String,
    },
    /// A frame of a private channel, as it came.
    Frame {
        /// Its text.
        frame: String,
    },
    /// The session ends.
    Ending {
        /// True when open orders are cancelled.
        cancels: bool,
    },
    /// The session has ended.
    Ended {
        /// What is left open, one sentence each.
        left: Vec<String>,
    },
}

/// A wanted order, and what risk said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The caller's number; absent for an order of the desk's own.
    pub number: Option<u64>,
    /// The record of the log that it was decided on; absent for an order of the desk's own.
    pub row_id: Option<u64>,
    /// The market.
    pub ticker: String,
    /// Bid or ask.
    pub side: BookSide,
    /// Limit.
    pub price_e4: i64,
    /// Contracts.
    pub count_e2: i64,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// It never takes.
    pub post_only: bool,
    /// It only takes off what is held.
    pub reduce_only: bool,
    /// Why it was refused; absent when it was let through.
    pub refused: Option<&'static str>,
    /// Its client id, when it was let through.
    pub id: Option<String>,
}

impl Judged {
    pub(super) fn entry(
        (number, row_id): (Option<u64>, Option<u64>),
        wanted: &Wanted,
        verdict: Result<&ClientId, &'static str>,
    ) -> Entry {
        Entry::Judged(Judged {
            number,
            row_id,
            ticker: wanted.ticker.clone(),
            side: wanted.side,
            price_e4: wanted.price.e4(),
            count_e2: wanted.count.e2(),
            time_in_force: wanted.time_in_force,
            post_only: wanted.post_only,
            reduce_only: wanted.reduce_only,
            refused: verdict.err(),
            id: verdict.ok().map(ClientId::to_string),
        })
    }
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderLine {
    /// Its client id.
    pub id: String,
    /// The exchange's name for it, once it is known.
    pub order_id: Option<String>,
    /// Its market.
    pub ticker: String,
    /// One word.
    pub state: &'static str,
    /// Contracts filled.
    pub filled_e2: i64,
    /// Contracts that may still be filled.
    pub left_e2: i64,
    /// Its limit.
    pub price_e4: i64,
    /// Why it was rejected.
    pub why: Option<String>,
}

impl OrderLine {
    pub(super) fn new(order: &Order) -> OrderLine {
        OrderLine {
            id: order.id.to_string(),
            order_id: order.order_id.clone(),
            ticker: order.wanted.ticker.clone(),
            state: order.state().word(),
            filled_e2: order.filled().e2(),
            left_e2: order.left().e2(),
            price_e4: order.price().e4(),
            why: order.rejected.clone(),
        }
    }
}

/// A fill, told for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FillLine {
    /// The order's client id.
    pub id: String,
    /// The trade.
    pub trade_id: String,
    /// The market.
    pub ticker: String,
    /// The contract bought, `yes` or `no`.
    pub bought: &'static str,
    /// YES price.
    pub price_e4: i64,
    /// Contracts.
    pub count_e2: i64,
    /// Its fee, where the exchange said it.
    pub fee_e6: Option<i64>,
    /// True when we took.
    pub is_taker: bool,
    /// The exchange's time, milliseconds since the epoch.
    pub ts_ms: i64,
}

impl FillLine {
    pub(super) fn entry(id: &ClientId, fill: &FillFact) -> Entry {
        Entry::Fill(FillLine {
            id: id.to_string(),
            trade_id: fill.trade_id.clone(),
            ticker: fill.ticker.clone(),
            bought: fill.side.word(),
            price_e4: fill.yes_price.e4(),
            count_e2: fill.qty.e2(),
            fee_e6: fill.fee.map(|fee| fee.e6()),
            is_taker: fill.is_taker,
            ts_ms: fill.at_ms,
        })
    }
}
