//! Changing and ending orders: amend, decrease, cancel, one by one or many at once.

use super::create::{countable, incoming};
use super::{Desk, MarketRef, OrderError, OrderIndex, Trading, orderable};
use crate::sim::exchange::{AccountId, Fact};
use crate::units::{Money, Qty};
use crate::wire::orders::{AmendOrder, CancelAck, DecreaseAck, DecreaseOrder, OrderAck};
use crate::wire::portfolio::{OrderStatus, UpdateReason};

impl Desk {
    /// The market of an account's resting order.
    ///
    /// # Errors
    /// [`OrderError::NotFound`] when it is somebody else's, gone, or never was.
    pub fn market_of(&self, account: AccountId, order_id: &str) -> Result<&str, OrderError> {
        let index = self.resting_own(account, order_id)?;
        Ok(&self.orders[index].ticker)
    }

    /// `POST .../{id}/amend`. An order keeps its place when at most its expiry changes or its size
    /// shrinks; another price or a larger size sends it to the end of the queue (protocol notes 8).
    ///
    /// # Errors
    /// [`OrderError`], and nothing has happened.
    pub fn amend(
        &mut self,
        market: &mut MarketRef<'_>,
        account: AccountId,
        order_id: &str,
        change: AmendOrder,
        facts: &mut Vec<Fact>,
    ) -> Result<OrderAck, OrderError> {
        let index = self.resting_own(account, order_id)?;
        self.check_amend(market, index, &change)?;
        let order = &self.orders[index];
        let left = change.count - order.filled;
        let keeps_place = change.price == order.yes_price && left <= order.left;
        if !keeps_place {
            let mut amended = order.clone();
            (amended.yes_price, amended.left) = (change.price, left);
            let incoming = incoming(&amended, left);
            if order.post_only && market.exchange.would_cross(incoming.side, incoming.price) {
                return Err(OrderError::PostOnlyCross);
            }
            let fills = market.exchange.preview(&incoming);
            self.check_money(market, &amended, &fills, Some(index))?;
        }
        self.rename(index, change.updated_client_order_id);
        let order = &mut self.orders[index];
        if let Some(seconds) = change.expiration_time {
            order.expires_ms = (seconds != 0).then(|| seconds.saturating_mul(1_000));
        }
        let place = order.place.take();
        let off = order.left - left;
        order.yes_price = change.price;
        order.initial = change.count;
        order.left = left;
        (order.reason, order.updated_ms) = (Some(UpdateReason::Amend), market.now_ms);
        if let (true, Some(place)) = (keeps_place, place) {
            market.exchange.reduce(place, off, facts);
            order.place = Some(place);
            let ack = self.ack(index, self.executed(index), market.now_ms);
            self.keep_collateral(market, account);
            self.tell_order(index);
            return Ok(ack);
        }
        if let Some(place) = place {
            market.exchange.cancel(place, facts);
            self.resting.entry(market.ticker.to_owned()).or_default().remove(&place);
        }
        self.tell_order(index);
        Ok(self.enter(market, index, left, facts))
    }

    /// `POST .../{id}/decrease`; to nothing, it is a cancel.
    ///
    /// # Errors
    /// [`OrderError`], and nothing has happened.
    pub fn decrease(
        &mut self,
        market: &mut MarketRef<'_>,
        account: AccountId,
        order_id: &str,
        change: DecreaseOrder,
        facts: &mut Vec<Fact>,
    ) -> Result<DecreaseAck, OrderError> {
        let index = self.resting_own(account, order_id)?;
        let left = self.orders[index].left;
        let to = match (change.reduce_by, change.reduce_to) {
            (Some(by), None) if by > Qty::ZERO => (left - by.min(left)).max(Qty::ZERO),
            (None, Some(to)) if to >= Qty::ZERO && to <= left => to,
            (Some(_), None) => return Err(OrderError::Invalid("reduce_by must be positive")),
            (None, Some(_)) => {
                return Err(OrderError::Invalid("reduce_to must be between zero and what rests"));
            }
            _ => {
                return Err(OrderError::Invalid("exactly one of reduce_by, reduce_to is needed"));
            }
        };
        if let Some(place) = self.orders[index].place {
            market.exchange.reduce(place, left - to, facts);
        }
        if to == Qty::ZERO {
            self.end(market, index, UpdateReason::Decrease);
        } else {
            let order = &mut self.orders[index];
            (order.left, order.updated_ms) = (to, market.now_ms);
            order.reason = Some(UpdateReason::Decrease);
            self.keep_collateral(market, account);
            self.tell_order(index);
        }
        let order = &self.orders[index];
        Ok(DecreaseAck {
            order_id: order.order_id.clone(),
            client_order_id: order.client_order_id.clone(),
            remaining_count: to,
            ts_ms: market.now_ms,
        })
    }

    /// `DELETE .../{id}`; allowed while trading pauses.
    ///
    /// # Errors
    /// [`OrderError::NotFound`] for an order that rests no more: done, for the caller.
    pub fn cancel(
        &mut self,
        market: &mut MarketRef<'_>,
        account: AccountId,
        order_id: &str,
        facts: &mut Vec<Fact>,
    ) -> Result<CancelAck, OrderError> {
        let index = self.resting_own(account, order_id)?;
        let reduced_by = self.orders[index].left;
        self.withdraw(market, index, UpdateReason::Decrease, facts);
        let order = &self.orders[index];
        Ok(CancelAck {
            order_id: order.order_id.clone(),
            client_order_id: order.client_order_id.clone(),
            reduced_by,
            ts_ms: Some(market.now_ms),
            error: None,
        })
    }

    /// Takes a resting order out of the book and ends it.
    pub(super) fn withdraw(
        &mut self,
        market: &mut MarketRef<'_>,
        index: OrderIndex,
        reason: UpdateReason,
        facts: &mut Vec<Fact>,
    ) {
        if let Some(place) = self.orders[index].place {
            market.exchange.cancel(place, facts);
        }
        self.end(market, index, reason);
    }

    /// Ends an order that the book does not hold any more.
    pub(super) fn end(&mut self, market: &MarketRef<'_>, index: OrderIndex, reason: UpdateReason) {
        self.leave_book(market.ticker, index);
        let order = &mut self.orders[index];
        order.left = Qty::ZERO;
        order.status = OrderStatus::Canceled;
        (order.reason, order.updated_ms) = (Some(reason), market.now_ms);
        let account = order.account;
        self.keep_collateral(market, account);
        self.tell_order(index);
    }

    /// Forgets an order's place.
    pub(super) fn leave_book(&mut self, ticker: &str, index: OrderIndex) {
        let Some(place) = self.orders[index].place.take() else { return };
        if let Some(resting) = self.resting.get_mut(ticker) {
            resting.remove(&place);
            if resting.is_empty() {
                self.resting.remove(ticker);
            }
        }
    }

    fn resting_own(&self, account: AccountId, order_id: &str) -> Result<OrderIndex, OrderError> {
        let index = self.own(account, order_id)?;
        let rests = self.orders[index].status == OrderStatus::Resting;
        rests.then_some(index).ok_or(OrderError::NotFound)
    }

    fn check_amend(
        &self,
        market: &MarketRef<'_>,
        index: OrderIndex,
        change: &AmendOrder,
    ) -> Result<(), OrderError> {
        match market.state {
            Trading::Open => {}
            Trading::Paused => return Err(OrderError::Paused),
            Trading::Closed => return Err(OrderError::MarketClosed),
        }
        let order = &self.orders[index];
        let other_id =
            change.client_order_id.is_some() && change.client_order_id != order.client_order_id;
        let expiry_ms = change.expiration_time.filter(|s| *s != 0).map(|s| s.saturating_mul(1_000));
        let rules = [
            (change.ticker != order.ticker, "ticker is another one"),
            (change.side != order.side, "side cannot be amended"),
            (other_id, "client_order_id is another one"),
            (!countable(change.count), "count is out of range"),
            (change.count <= order.filled, "count must exceed what is filled"),
            (!orderable(market.ticks, change.price), "price is not on the market's price levels"),
            (expiry_ms.is_some_and(|ms| ms <= market.now_ms), "expiration_time is in the past"),
        ];
        if let Some((_, why)) = rules.iter().find(|(broken, _)| *broken) {
            return Err(OrderError::Invalid(why));
        }
        match &change.updated_client_order_id {
            Some(id) if self.client_ids.contains(&(order.account, id.clone())) => {
                Err(OrderError::ClientIdUsed)
            }
            _ => Ok(()),
        }
    }

    fn rename(&mut self, index: OrderIndex, client_order_id: Option<String>) {
        if let Some(id) = client_order_id {
            let order = &mut self.orders[index];
            self.client_ids.insert((order.account, id.clone()));
            order.client_order_id = Some(id);
        }
    }

    /// What an order has traded as taker so far: contracts, cost, fees.
    pub(super) fn executed(&self, index: OrderIndex) -> (Qty, Money, Money) {
        let order = &self.orders[index];
        (order.filled, order.taker_cost, order.taker_fees)
    }
}
