//! Taking an order in: its own rules, the client id, the money, then the match.

use super::{Desk, MarketRef, Order, OrderError, OrderIndex, Trading, orderable, own_price};
use crate::broker::{Intent, Role, Verb};
use crate::sim::accounts::{Claim, collateral};
use crate::sim::exchange::{AccountId, Fact, Incoming, Rest, random_uuid};
use crate::units::{Money, Price, Qty, Side};
use crate::wire::convert::uuid_text;
use crate::wire::orders::{BookSide, CreateOrder, OrderAck, TimeInForce};
use crate::wire::portfolio::UpdateReason;

/// A billion contracts: keeps every product of the ledger far inside 64 bits.
const COUNT_MAX: Qty = Qty::contracts(1_000_000_000);

impl Desk {
    /// `POST /portfolio/events/orders`.
    ///
    /// # Errors
    /// [`OrderError`]; only the client id of a killed order is used up.
    pub fn create(
        &mut self,
        market: &mut MarketRef<'_>,
        account: AccountId,
        wanted: CreateOrder,
        facts: &mut Vec<Fact>,
    ) -> Result<OrderAck, OrderError> {
        check_rules(&wanted, market)?;
        let client_id = wanted.client_order_id.clone().map(|id| (account, id));
        if client_id.as_ref().is_some_and(|id| self.client_ids.contains(id)) {
            return Err(OrderError::ClientIdUsed);
        }
        let name = uuid_text(random_uuid(&mut self.ids));
        let (kill, reduce_only) =
            (wanted.time_in_force == TimeInForce::FillOrKill, wanted.reduce_only);
        let order = Order::new(name, account, market.event_ticker, wanted, market.now_ms);
        let most = match reduce_only {
            true => order.left.min(self.reducible(market.ticker, account, order.side)),
            false => order.left,
        };
        let incoming = incoming(&order, most);
        if order.post_only && market.exchange.would_cross(incoming.side, incoming.price) {
            return Err(OrderError::PostOnlyCross);
        }
        let fills = market.exchange.preview(&incoming);
        let whole = fills.iter().fold(Qty::ZERO, |sum, fill| sum + fill.1) == order.left;
        if kill && !whole {
            self.client_ids.extend(client_id);
            return Err(OrderError::Killed);
        }
        self.check_money(market, &order, &fills, None)?;
        self.client_ids.extend(client_id);
        self.events.insert(market.ticker.to_owned(), market.event_ticker.to_owned());

        let index = self.orders.len();
        self.names.insert(order.order_id.clone(), index);
        self.orders.push(order);
        Ok(self.enter(market, index, most, facts))
    }

    /// Lets `most` contracts of an order into the book, as taker first; the answer tells of the fills of
    /// this moment.
    pub(super) fn enter(
        &mut self,
        market: &mut MarketRef<'_>,
        index: OrderIndex,
        most: Qty,
        facts: &mut Vec<Fact>,
    ) -> OrderAck {
        let from = facts.len();
        let before = self.executed(index);
        let order = &self.orders[index];
        let capped = most < order.left;
        // The rules were checked: only a reduce-only order that has nothing to reduce is refused.
        if let Ok(placed) = market.exchange.place(incoming(order, most), facts) {
            self.orders[index].place = Some(placed.id);
            self.resting.entry(market.ticker.to_owned()).or_default().insert(placed.id, index);
            for (place, _) in placed.withdrawn {
                if let Some(own) = self.at(market.ticker, place) {
                    self.end(market, own, UpdateReason::SelfTradeCancel);
                }
            }
            self.book(market, facts, from);
            if placed.self_crossed {
                self.end(market, index, UpdateReason::SelfTradeCancel);
            }
        }
        let order = &self.orders[index];
        if order.left > Qty::ZERO && order.time_in_force != TimeInForce::GoodTillCanceled {
            // In the exchange's words a cancel is a decrease to nothing.
            let reason =
                if capped { UpdateReason::ReduceOnlyCancel } else { UpdateReason::Decrease };
            self.end(market, index, reason);
        }
        self.keep_collateral(market, self.orders[index].account);
        self.ack(index, before, market.now_ms)
    }

    /// The answer to a create or an amend; the triple is what was executed before it.
    pub(super) fn ack(
        &self,
        index: OrderIndex,
        (filled, cost, fees): (Qty, Money, Money),
        now_ms: i64,
    ) -> OrderAck {
        let order = &self.orders[index];
        let fill_count = order.filled - filled;
        let average = |total: Money| {
            let each = i128::from(total.0) * 100 / i128::from(fill_count.0.max(1));
            (fill_count > Qty::ZERO).then_some(Money(each as i64))
        };
        let own = average(order.taker_cost - cost);
        OrderAck {
            order_id: order.order_id.clone(),
            client_order_id: order.client_order_id.clone(),
            fill_count,
            remaining_count: order.left,
            average_fill_price: match order.side {
                BookSide::Bid => own,
                BookSide::Ask => own.map(|price| Money::dollars(1) - price),
            },
            average_fee_paid: average(order.taker_fees - fees),
            ts_ms: now_ms,
        }
    }

    /// Checks that the account can pay for `fills` and keep the collateral of what rests then.
    pub(super) fn check_money(
        &self,
        market: &MarketRef<'_>,
        order: &Order,
        fills: &[(Price, Qty)],
        replaces: Option<OrderIndex>,
    ) -> Result<(), OrderError> {
        let account = &self.accounts[order.account.0 as usize];
        let side = order.side.outcome();
        let (mut holding, mut fees) = (account.holding(market.ticker), order.fees);
        let (mut cash, mut left) = (account.cash(), order.left);
        for &(yes_price, qty) in fills {
            let (intent, price) = (Intent { side, verb: Verb::Buy }, own_price(side, yes_price));
            let fee = fees.fill(&market.fees, Role::Taker, intent, price, qty);
            cash += holding.fill(side, yes_price, qty, fee.net);
            left -= qty;
        }
        let mut claims = self.claims(market.ticker, order.account, replaces);
        if left > Qty::ZERO && order.time_in_force == TimeInForce::GoodTillCanceled {
            claims.push(Claim { side, price: order.own_price(), left, place: u64::MAX });
        }
        let others = account.kept() - account.kept_for(market.ticker);
        let free = cash - others - collateral(holding.position, &mut claims, &market.fees);
        if free < Money::ZERO { Err(OrderError::InsufficientBalance(-free)) } else { Ok(()) }
    }

    /// Contracts that an order on `side` can take off the account's position.
    fn reducible(&self, ticker: &str, account: AccountId, side: BookSide) -> Qty {
        let held = self.accounts[account.0 as usize].holding(ticker).position;
        match side.outcome() {
            Side::Yes => Qty((-held.0).max(0)),
            Side::No => Qty(held.0.max(0)),
        }
    }
}

/// The order as the matching engine takes it.
pub(super) fn incoming(order: &Order, qty: Qty) -> Incoming {
    let keeps = order.time_in_force == TimeInForce::GoodTillCanceled;
    Incoming {
        side: order.side.outcome(),
        price: order.own_price(),
        qty,
        rest: if keeps { Rest::Keep } else { Rest::Drop },
        owner: Some(order.owner()),
    }
}

fn check_rules(order: &CreateOrder, market: &MarketRef<'_>) -> Result<(), OrderError> {
    match market.state {
        Trading::Open => {}
        Trading::Paused => return Err(OrderError::Paused),
        Trading::Closed => return Err(OrderError::MarketClosed),
    }
    let keeps = order.time_in_force == TimeInForce::GoodTillCanceled;
    let immediate = order.time_in_force == TimeInForce::ImmediateOrCancel;
    let past = order.expiration_time.is_some_and(|s| s.saturating_mul(1_000) <= market.now_ms);
    let rules = [
        (order.count <= Qty::ZERO, "count must be positive"),
        (order.count > COUNT_MAX, "count is too large"),
        (!orderable(market.ticks, order.price), "price is not on the market's price levels"),
        (order.post_only && !keeps, "post_only needs good_till_canceled"),
        (order.reduce_only && !immediate, "reduce_only needs immediate_or_cancel"),
        (order.expiration_time.is_some() && !keeps, "expiration_time needs good_till_canceled"),
        (past, "expiration_time is in the past"),
        (order.order_group_id.is_some(), "order group not found"),
        (order.subaccount.is_some_and(|n| n > 63), "subaccount is out of range"),
        (order.client_order_id.as_deref() == Some(""), "client_order_id is empty"),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, why)) => Err(OrderError::Invalid(why)),
        None => Ok(()),
    }
}

/// The rule that an amended size keeps as well.
pub(super) fn countable(count: Qty) -> bool {
    count > Qty::ZERO && count <= COUNT_MAX
}
