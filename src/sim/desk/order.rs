//! One order of an account, from its creation to its end.

use crate::broker::OrderFees;
use crate::sim::exchange::{AccountId, OrderId, SelfTrade};
use crate::units::{Money, Price, Qty, TsUs};
use crate::wire::convert::time_text;
use crate::wire::orders::{BookSide, CreateOrder, SelfTradePrevention, TimeInForce};
use crate::wire::portfolio::{OrderState, OrderStatus, UpdateReason};

/// One order.
#[derive(Clone, Debug)]
pub struct Order {
    /// The exchange's name for it, a UUID.
    pub order_id: String,
    /// The owner's name for it.
    pub client_order_id: Option<String>,
    /// Whose.
    pub account: AccountId,
    /// The market.
    pub ticker: String,
    /// Its event.
    pub event_ticker: String,
    /// Bid or ask.
    pub side: BookSide,
    /// Limit on the YES scale.
    pub yes_price: Price,
    /// Contracts wanted.
    pub initial: Qty,
    /// Contracts filled.
    pub filled: Qty,
    /// Contracts that rest or, inside a call, may still trade.
    pub left: Qty,
    /// Where it stands.
    pub status: OrderStatus,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Its rule for meeting own orders.
    pub self_trade: SelfTradePrevention,
    /// It never takes.
    pub post_only: bool,
    /// It ends when trading pauses.
    pub cancel_on_pause: bool,
    /// When it expires, milliseconds since the epoch.
    pub expires_ms: Option<i64>,
    /// Its place in the book, while it rests.
    pub place: Option<OrderId>,
    /// The accumulator of its rounding fees.
    pub fees: OrderFees,
    /// Cost of fills and fees, as taker and as maker.
    pub taker_cost: Money,
    /// See `taker_cost`.
    pub taker_fees: Money,
    /// See `taker_cost`.
    pub maker_cost: Money,
    /// See `taker_cost`.
    pub maker_fees: Money,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Why it changed last.
    pub reason: Option<UpdateReason>,
    /// The subaccount that it named.
    pub subaccount: u8,
}

impl Order {
    /// A new order that wants `count` contracts.
    pub(super) fn new(
        order_id: String,
        account: AccountId,
        event_ticker: &str,
        wanted: CreateOrder,
        now_ms: i64,
    ) -> Order {
        Order {
            order_id,
            client_order_id: wanted.client_order_id,
            account,
            ticker: wanted.ticker,
            event_ticker: event_ticker.to_owned(),
            side: wanted.side,
            yes_price: wanted.price,
            initial: wanted.count,
            filled: Qty::ZERO,
            left: wanted.count,
            status: OrderStatus::Resting,
            time_in_force: wanted.time_in_force,
            self_trade: wanted.self_trade_prevention_type,
            post_only: wanted.post_only,
            cancel_on_pause: wanted.cancel_order_on_pause,
            expires_ms: wanted.expiration_time.map(|s| s.saturating_mul(1_000)),
            place: None,
            fees: OrderFees::default(),
            taker_cost: Money::ZERO,
            taker_fees: Money::ZERO,
            maker_cost: Money::ZERO,
            maker_fees: Money::ZERO,
            created_ms: now_ms,
            updated_ms: now_ms,
            reason: None,
            subaccount: wanted.subaccount.unwrap_or(0),
        }
    }

    /// Its limit on the scale of what it buys.
    pub fn own_price(&self) -> Price {
        self.side.own_price(self.yes_price)
    }

    /// The tag that its bids carry in the matching engine.
    pub(super) fn owner(&self) -> (AccountId, SelfTrade) {
        let rule = match self.self_trade {
            SelfTradePrevention::TakerAtCross => SelfTrade::CancelTaker,
            SelfTradePrevention::Maker => SelfTrade::CancelMaker,
        };
        (self.account, rule)
    }

    /// As `GET /portfolio/orders` shows it.
    pub fn row(&self, user_id: &str) -> OrderState {
        let last_update_time = Some(time_text(TsUs::from_ms(self.updated_ms)));
        OrderState { last_update_time, ..self.state(user_id) }
    }

    /// As a `user_order` frame tells it.
    pub fn frame(&self, user_id: &str) -> OrderState {
        OrderState {
            created_ts_ms: Some(self.created_ms),
            expiration_ts_ms: self.expires_ms,
            last_updated_ts_ms: Some(self.updated_ms),
            ..self.state(user_id)
        }
    }

    fn state(&self, user_id: &str) -> OrderState {
        OrderState {
            order_id: self.order_id.clone(),
            user_id: user_id.to_owned(),
            ticker: self.ticker.clone(),
            client_order_id: self.client_order_id.clone(),
            status: self.status,
            outcome_side: self.side.outcome(),
            book_side: self.side,
            yes_price_dollars: self.yes_price,
            initial_count_fp: self.initial,
            fill_count_fp: self.filled,
            remaining_count_fp: self.left,
            taker_fill_cost_dollars: self.taker_cost,
            maker_fill_cost_dollars: self.maker_cost,
            taker_fees_dollars: self.taker_fees,
            maker_fees_dollars: self.maker_fees,
            self_trade_prevention_type: Some(self.self_trade),
            last_update_reason: self.reason,
            created_time: time_text(TsUs::from_ms(self.created_ms)),
            expiration_time: self.expires_ms.map(|ms| time_text(TsUs::from_ms(ms))),
            last_update_time: None,
            created_ts_ms: None,
            expiration_ts_ms: None,
            last_updated_ts_ms: None,
            exchange_index: 0,
            subaccount_number: Some(self.subaccount),
        }
    }
}
