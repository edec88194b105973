//! What the exchange does to orders and positions by itself: expiry, pause, close, settlement.

use super::{Desk, MarketRef, Order, OrderIndex};
use crate::sim::exchange::{AccountId, Fact};
use crate::units::{Money, Price, Qty, TsUs};
use crate::wire::convert::time_text;
use crate::wire::portfolio::{Settlement, UpdateReason};

impl Desk {
    /// Cancels the market's expired orders (`ExpiryCancel`).
    pub fn expire(&mut self, market: &mut MarketRef<'_>, facts: &mut Vec<Fact>) {
        let now_ms = market.now_ms;
        let due = |order: &Order| order.expires_ms.is_some_and(|ms| ms <= now_ms);
        self.withdraw_where(market, due, UpdateReason::ExpiryCancel, facts);
    }

    /// Trading pauses: cancels the orders that asked for it (`HaltCancel`).
    pub fn pause(&mut self, market: &mut MarketRef<'_>, facts: &mut Vec<Fact>) {
        let asked = |order: &Order| order.cancel_on_pause;
        self.withdraw_where(market, asked, UpdateReason::HaltCancel, facts);
    }

    /// The market closes or is deactivated: cancels all orders of accounts, `reason` being `CloseCancel`
    /// or `HaltCancel`. The crowd's orders are the market's own affair.
    pub fn close(
        &mut self,
        market: &mut MarketRef<'_>,
        reason: UpdateReason,
        facts: &mut Vec<Fact>,
    ) {
        self.withdraw_where(market, |_| true, reason, facts);
    }

    /// `DELETE /portfolio/events/orders` for one of the account's markets ([`Desk::markets_with_orders`]).
    pub fn cancel_all(
        &mut self,
        market: &mut MarketRef<'_>,
        account: AccountId,
        facts: &mut Vec<Fact>,
    ) {
        let own = |order: &Order| order.account == account;
        self.withdraw_where(market, own, UpdateReason::Decrease, facts);
    }

    /// Markets in which the account (or, for `None`, anybody) has resting orders.
    pub fn markets_with_orders(&self, account: Option<AccountId>) -> Vec<String> {
        let own = |index: &OrderIndex| account.is_none_or(|a| self.orders[*index].account == a);
        let mut tickers: Vec<_> =
            self.resting.iter().filter(|(_, r)| r.values().any(own)).map(|m| m.0.clone()).collect();
        tickers.sort_unstable();
        tickers
    }

    /// Pays out everybody's position in a market when YES is worth `value` (protocol notes 9). Orders must
    /// have been cancelled before.
    pub fn settle(&mut self, ticker: &str, value: Price, now_ms: i64) {
        self.house.settle(ticker, value, now_ms);
        for at in 0..self.accounts.len() {
            let id = self.accounts[at].id;
            let before = self.accounts[at].holding(ticker);
            if before.volume == Qty::ZERO {
                continue;
            }
            let payout = self.accounts[at].settle(ticker, value, now_ms);
            let result = match value {
                Price::ONE => "yes",
                Price::ZERO => "no",
                _ => "scalar",
            };
            let held = |yes: bool| match yes == (before.position > Qty::ZERO) {
                true => (Qty(before.position.0.abs()), before.basis),
                false => (Qty::ZERO, Money::ZERO),
            };
            let (yes, no) = (held(true), held(false));
            let row = Settlement {
                ticker: ticker.to_owned(),
                event_ticker: self.events.get(ticker).cloned().unwrap_or_default(),
                market_result: result.to_owned(),
                yes_count_fp: yes.0,
                yes_total_cost_dollars: yes.1,
                no_count_fp: no.0,
                no_total_cost_dollars: no.1,
                revenue: payout.0 / 10_000,
                value: value.e4() / 100,
                fee_cost: before.fees,
                settled_time: time_text(TsUs::from_ms(now_ms)),
            };
            self.settlements.push((id, row));
            self.tell_position(ticker, id);
        }
    }

    fn withdraw_where(
        &mut self,
        market: &mut MarketRef<'_>,
        which: impl Fn(&Order) -> bool,
        reason: UpdateReason,
        facts: &mut Vec<Fact>,
    ) {
        let resting = self.resting.get(market.ticker).into_iter().flatten();
        let chosen: Vec<_> = resting.map(|(_, i)| *i).filter(|i| which(&self.orders[*i])).collect();
        for index in chosen {
            self.withdraw(market, index, reason, facts);
        }
    }
}
