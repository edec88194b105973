//! What an exchange says of orders, fills and the account, from whichever answer or frame it came.

use super::{ClientId, Report, Wanted};
use crate::units::{Money, Price, Qty, Side, TsNs};
use crate::wire::convert;
use crate::wire::frame::Fill;
use crate::wire::orders::{DecreaseAck, OrderAck, TimeInForce};
use crate::wire::portfolio::{FillRow, MarketPosition, OrderState, OrderStatus, UpdateReason};

/// What the exchange said of an order at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The exchange's name for it.
    pub order_id: String,
    /// Contracts filled until then; `None` where the answer does not say.
    pub filled: Option<Qty>,
    /// Contracts that rest then. For a cancel: nothing.
    pub left: Qty,
    /// Contracts that a cancel took off, where it says so.
    pub taken_off: Option<Qty>,
    /// Its limit then, YES scale, where the answer says it.
    pub price: Option<Price>,
    /// Why it is over; `None` while it rests.
    pub over: Option<Over>,
    /// The exchange's time, milliseconds since the epoch.
    pub at_ms: i64,
}

/// How an order ended at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Filled whole.
    Executed,
    /// Ended before, for the reason where it is known.
    Cancelled(Option<UpdateReason>),
}

impl View {
    /// Of the answer to a submit. Only an order that is good till cancelled can rest after it.
    pub fn of_create(ack: &OrderAck, wanted: &Wanted) -> View {
        let rests = wanted.time_in_force == TimeInForce::GoodTillCanceled
            && ack.remaining_count > Qty::ZERO;
        let over = match ack.fill_count >= wanted.count {
            true => Over::Executed,
            false => Over::Cancelled(None),
        };
        View {
            order_id: ack.order_id.clone(),
            filled: Some(ack.fill_count),
            left: if rests { ack.remaining_count } else { Qty::ZERO },
            taken_off: None,
            price: Some(wanted.price),
            over: (!rests).then_some(over),
            at_ms: ack.ts_ms,
        }
    }

    /// Of the answer to an amend to `price` and `count`: what does not rest of the count was filled.
    pub fn of_amend(ack: &OrderAck, price: Price, count: Qty) -> View {
        let filled = count - ack.remaining_count;
        View {
            order_id: ack.order_id.clone(),
            filled: Some(filled),
            left: ack.remaining_count,
            taken_off: None,
            price: Some(price),
            over: (ack.remaining_count <= Qty::ZERO).then_some(Over::Executed),
            at_ms: ack.ts_ms,
        }
    }

    /// Of the answer to a decrease; to nothing, it is a cancel.
    pub fn of_decrease(ack: &DecreaseAck) -> View {
        let ended = ack.remaining_count <= Qty::ZERO;
        View {
            order_id: ack.order_id.clone(),
            filled: None,
            left: ack.remaining_count,
            taken_off: None,
            price: None,
            over: ended.then_some(Over::Cancelled(Some(UpdateReason::Decrease))),
            at_ms: ack.ts_ms,
        }
    }

    /// Of a cancel that took `taken_off` contracts off.
    pub fn of_cancel(order_id: &str, taken_off: Qty, at_ms: i64) -> View {
        View {
            order_id: order_id.to_owned(),
            filled: None,
            left: Qty::ZERO,
            taken_off: Some(taken_off),
            price: None,
            over: Some(Over::Cancelled(Some(UpdateReason::Decrease))),
            at_ms,
        }
    }

    /// Of an order's state by REST or WebSocket.
    pub fn of_state(state: &OrderState) -> View {
        let millis = |text: &String| convert::time(text.as_bytes()).ok().map(|ts| ts.ms());
        let at_ms = state
            .last_updated_ts_ms
            .or_else(|| state.last_update_time.as_ref().and_then(millis))
            .or(state.created_ts_ms)
            .or_else(|| millis(&state.created_time));
        let over = match state.status {
            OrderStatus::Resting => None,
            OrderStatus::Executed => Some(Over::Executed),
            OrderStatus::Canceled => Some(Over::Cancelled(state.last_update_reason)),
        };
        View {
            order_id: state.order_id.clone(),
            filled: Some(state.fill_count_fp),
            left: state.remaining_count_fp,
            taken_off: None,
            price: Some(state.yes_price_dollars),
            over,
            at_ms: at_ms.unwrap_or(i64::MIN),
        }
    }
}

/// A fill of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillFact {
    /// The trade: what makes two tellings of a fill one.
    pub trade_id: String,
    /// The exchange's name for the order.
    pub order_id: String,
    /// The order's client id, where it is told.
    pub client_id: Option<String>,
    /// The market.
    pub ticker: String,
    /// The contract bought.
    pub side: Side,
    /// YES price.
    pub yes_price: Price,
    /// Contracts.
    pub qty: Qty,
    /// Its fee, where it is told.
    pub fee: Option<Money>,
    /// True when we took.
    pub is_taker: bool,
    /// The exchange's time, milliseconds since the epoch.
    pub at_ms: i64,
}

impl FillFact {
    /// Of a row of `GET /portfolio/fills`.
    pub fn of_row(row: &FillRow) -> FillFact {
        let at = convert::time(row.created_time.as_bytes());
        FillFact {
            trade_id: row.trade_id.clone(),
            order_id: row.order_id.clone(),
            client_id: None,
            ticker: row.ticker.clone(),
            side: row.outcome_side,
            yes_price: row.yes_price_dollars,
            qty: row.count_fp,
            fee: Some(row.fee_cost),
            is_taker: row.is_taker,
            at_ms: at.map_or(row.ts.saturating_mul(1_000), |ts| ts.ms()),
        }
    }

    /// Of a `fill` frame; `None` when it does not say what was bought (before 2026 it did in other words).
    pub fn of_frame(fill: &Fill) -> Option<FillFact> {
        let client_id = fill.extra.get("client_order_id").and_then(|id| id.as_str());
        Some(FillFact {
            trade_id: fill.trade_id.clone(),
            order_id: fill.order_id.clone(),
            client_id: client_id.map(str::to_owned),
            ticker: fill.market_ticker.clone(),
            side: fill.outcome_side?,
            yes_price: fill.yes_price_dollars,
            qty: fill.count_fp,
            fee: fill.fee_cost,
            is_taker: fill.is_taker,
            at_ms: fill.ts_ms?,
        })
    }

    /// The change of the signed position, +YES and -NO.
    pub fn position_change(&self) -> Qty {
        match self.side {
            Side::Yes => self.qty,
            Side::No => -self.qty,
        }
    }
}

/// What the exchange holds of the account, as read for a reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// When reading began, by our clock: orders placed later may be missing.
    pub asked: TsNs,
    /// All orders that rest.
    pub resting: Vec<OrderState>,
    /// Fills since the run began, read after the orders.
    pub fills: Vec<FillRow>,
    /// Positions, read last.
    pub positions: Vec<MarketPosition>,
    /// Cash that can be spent.
    pub balance: Money,
}

impl Report {
    /// Of an order's state as told by REST or WebSocket; `None` when it is not one of this program's orders.
    pub fn of_state(state: &OrderState) -> Option<Report> {
        let id = state.client_order_id.as_deref().and_then(ClientId::of_ours)?;
        Some(Report::Order { id, view: View::of_state(state) })
    }
}
