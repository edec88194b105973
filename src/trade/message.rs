//! The words between who decides, the blotter that keeps the orders, and the gateway that sends them.
//!
//! Prices are YES prices, as in the exchange's one book: a bid buys YES, an ask sells YES, which is buying NO.

use crate::event::SessionId;
use crate::feed::rest::Refusal;
use crate::units::{Money, Price, Qty, Side, TsNs};
use crate::wire::convert;
use crate::wire::frame::Fill;
use crate::wire::orders::{
    BookSide, CreateOrder, DecreaseAck, OrderAck, SelfTradePrevention, TimeInForce,
};
use crate::wire::portfolio::{FillRow, MarketPosition, OrderState, OrderStatus, UpdateReason};

/// What all client ids of this program begin with.
const OURS: &str = "kflow-";

/// Our own name for an order: `kflow-`, the run, and a number that the run uses once. The exchange takes a
/// client id once, so the same order can never be placed twice, whatever is sent again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// The `number`-th order of a run.
    pub fn new(run: SessionId, number: u64) -> ClientId {
        ClientId(format!("{OURS}{run}-{number}"))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A client id that the exchange told; `None` when another program made it.
    pub fn of_ours(text: &str) -> Option<ClientId> {
        text.starts_with(OURS).then(|| ClientId(text.to_owned()))
    }
}

impl std::fmt::Display for ClientId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An order as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The market.
    pub ticker: String,
    /// Bid or ask.
    pub side: BookSide,
    /// Limit, YES scale.
    pub price: Price,
    /// Contracts, above zero.
    pub count: Qty,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// It never takes; good till cancelled only.
    pub post_only: bool,
    /// It only takes off what is held; immediate or cancel only.
    pub reduce_only: bool,
    /// Seconds since the epoch; good till cancelled only.
    pub expires_s: Option<i64>,
}

impl Wanted {
    /// The body of the call that places it. Meeting an own order cancels the rest of the incoming one, so that
    /// no order of ours trades with another.
    pub fn body(&self, id: &ClientId) -> CreateOrder {
        CreateOrder {
            ticker: self.ticker.clone(),
            client_order_id: Some(id.0.clone()),
            side: self.side,
            count: self.count,
            price: self.price,
            time_in_force: self.time_in_force,
            self_trade_prevention_type: SelfTradePrevention::TakerAtCross,
            expiration_time: self.expires_s,
            post_only: self.post_only,
            reduce_only: self.reduce_only,
            cancel_order_on_pause: false,
            order_group_id: None,
            subaccount: None,
            exchange_index: None,
        }
    }
}

/// What the blotter asks of a gateway. Each is answered by one [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Place an order; said once per client id.
    Submit {
        /// Its name.
        id: ClientId,
        /// The order.
        order: Wanted,
    },
    /// Change or end an order.
    Change {
        /// Our name for it.
        id: ClientId,
        /// The exchange's.
        order_id: String,
        /// Its market.
        ticker: String,
        /// Its side.
        side: BookSide,
        /// How.
        change: Change,
    },
    /// Look an order up by our name among all orders of the market since then, and read its fills after that.
    Query {
        /// Our name for it.
        id: ClientId,
        /// Its market.
        ticker: String,
        /// Where to begin, seconds since the epoch.
        since_s: i64,
    },
    /// Cancel an order that the blotter does not keep: one of an earlier run.
    CancelOrphan {
        /// The exchange's name for it.
        order_id: String,
    },
}

/// A change of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The end of what rests.
    Cancel,
    /// Another limit and size.
    Amend {
        /// YES price.
        price: Price,
        /// Contracts filled already plus contracts that shall rest.
        count: Qty,
    },
    /// Less of it, which keeps its place in the queue.
    Decrease {
        /// Contracts that shall rest.
        to: Qty,
    },
}

/// What an answer is an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The submit.
    Submit,
    /// A change.
    Change(Change),
}

/// What an exchange, or its silence, said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A submit is on its way.
    Sent(ClientId),
    /// The answer to a submit or a change.
    Answer {
        /// Our name for the order.
        id: ClientId,
        /// What it answers.
        to: Request,
        /// What came back.
        answer: Answer,
    },
    /// The answer to a query.
    Queried {
        /// Our name for the order.
        id: ClientId,
        /// The order and its fills, or that there is none, or that there was no answer.
        found: Found,
    },
    /// A fill, by whatever channel, as often as it is told.
    Fill(FillFact),
    /// An order's state, by whatever channel.
    Order {
        /// Our name for it.
        id: ClientId,
        /// What was said.
        view: View,
    },
    /// A market was paid out.
    Settled {
        /// The market.
        ticker: String,
        /// What one YES paid.
        value: Price,
    },
    /// An order of an earlier run was cancelled, or not; reconciliation looks again.
    OrphanCancelled {
        /// The exchange's name for it.
        order_id: String,
    },
}

/// What came back for a submit or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done(View),
    /// Refused by the exchange: nothing happened.
    Refused(Refusal),
    /// Never reached the exchange; the reason in words.
    NotTaken(String),
    /// Nobody knows; the reason in words.
    Unknown(String),
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The order, and its fills as read after it.
    Order(View, Vec<FillFact>),
    /// No such order.
    Nothing,
    /// No answer.
    Unknown(String),
}

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

impl Report {
    /// Of an order's state as told by REST or WebSocket; `None` when it is not one of this program's orders.
    pub fn of_state(state: &OrderState) -> Option<Report> {
        let id = state.client_order_id.as_deref().and_then(ClientId::of_ours)?;
        Some(Report::Order { id, view: View::of_state(state) })
    }
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
