//! What an account may ask for: orders, fills, positions, settlements, balance, queue places.

use super::{Desk, OrderError};
use crate::book::Touch;
use crate::sim::exchange::{AccountId, OrderId};
use crate::units::{Money, Price, Qty, TsUs};
use crate::wire::convert::time_text;
use crate::wire::portfolio::{
    Balance, EventPosition, FillRow, MarketPosition, OrderState, OrderStatus, Settlement,
};
use std::collections::BTreeMap;

/// Which rows; empty fields do not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// One market.
    pub ticker: Option<String>,
    /// One event.
    pub event_ticker: Option<String>,
    /// One state (orders).
    pub status: Option<OrderStatus>,
    /// One client id (orders).
    pub client_order_id: Option<String>,
    /// One order (fills).
    pub order_id: Option<String>,
    /// Not before, seconds since the epoch.
    pub min_ts: Option<i64>,
    /// Not after, seconds since the epoch.
    pub max_ts: Option<i64>,
}

/// The desk as one account sees it.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    desk: &'a Desk,
    account: AccountId,
}

impl Desk {
    /// What `account` may see.
    pub fn read(&self, account: AccountId) -> Reading<'_> {
        Reading { desk: self, account }
    }
}

fn fits(wanted: &Option<String>, have: &str) -> bool {
    wanted.as_deref().is_none_or(|w| w == have)
}

impl<'a> Reading<'a> {
    /// Orders, newest first.
    pub fn orders(self, filter: &OrderFilter) -> Vec<OrderState> {
        let user_id = &self.desk.accounts[self.account.0 as usize].user_id;
        let own = self.desk.orders.iter().rev().filter(|o| o.account == self.account);
        own.filter(|o| {
            fits(&filter.ticker, &o.ticker)
                && fits(&filter.event_ticker, &o.event_ticker)
                && fits(&filter.client_order_id, o.client_order_id.as_deref().unwrap_or_default())
                && filter.status.is_none_or(|s| s == o.status)
                && filter.min_ts.is_none_or(|ts| o.created_ms >= ts.saturating_mul(1_000))
                && filter.max_ts.is_none_or(|ts| o.created_ms <= ts.saturating_mul(1_000))
        })
        .map(|o| o.row(user_id))
        .collect()
    }

    /// One order.
    ///
    /// # Errors
    /// [`OrderError::NotFound`], also for orders of others.
    pub fn order(self, order_id: &str) -> Result<OrderState, OrderError> {
        let index = self.desk.own(self.account, order_id)?;
        let user_id = &self.desk.accounts[self.account.0 as usize].user_id;
        Ok(self.desk.orders[index].row(user_id))
    }

    /// Resting orders with their markets and places, oldest first per market.
    pub fn places(self) -> impl Iterator<Item = (&'a str, &'a str, OrderId)> {
        let orders = self.desk.orders.iter().filter(move |o| o.account == self.account);
        orders.filter_map(|o| Some((o.order_id.as_str(), o.ticker.as_str(), o.place?)))
    }

    /// Fills, newest first.
    pub fn fills(self, filter: &OrderFilter) -> Vec<FillRow> {
        let own = self.desk.fills.iter().rev().filter(|f| f.0 == self.account).map(|f| &f.1);
        own.filter(|f| {
            fits(&filter.ticker, &f.ticker)
                && fits(&filter.order_id, &f.order_id)
                && filter.min_ts.is_none_or(|ts| f.ts >= ts)
                && filter.max_ts.is_none_or(|ts| f.ts <= ts)
        })
        .cloned()
        .collect()
    }

    /// Positions of every market ever traded, and their sums per event.
    pub fn positions(self, filter: &OrderFilter) -> (Vec<MarketPosition>, Vec<EventPosition>) {
        let (desk, mut markets, mut events) = (self.desk, Vec::new(), BTreeMap::new());
        let event_of = |ticker: &str| desk.events.get(ticker).map_or("", String::as_str);
        for (ticker, h) in desk.accounts[self.account.0 as usize].holdings() {
            let event = event_of(ticker);
            if !fits(&filter.ticker, ticker) || !fits(&filter.event_ticker, event) {
                continue;
            }
            let sum = events.entry(event).or_insert_with(|| EventPosition {
                event_ticker: event.to_owned(),
                event_exposure_dollars: Money::ZERO,
                total_cost_dollars: Money::ZERO,
                total_cost_shares_fp: Qty::ZERO,
                realized_pnl_dollars: Money::ZERO,
                fees_paid_dollars: Money::ZERO,
            });
            sum.event_exposure_dollars += h.basis;
            sum.total_cost_dollars += h.traded;
            sum.total_cost_shares_fp += h.volume;
            sum.realized_pnl_dollars += h.realized;
            sum.fees_paid_dollars += h.fees;
            markets.push(MarketPosition {
                ticker: ticker.to_owned(),
                position_fp: h.position,
                market_exposure_dollars: h.basis,
                total_traded_dollars: h.traded,
                realized_pnl_dollars: h.realized,
                fees_paid_dollars: h.fees,
                resting_orders_count: desk.claims(ticker, self.account, None).len() as u64,
                last_updated_ts: time_text(TsUs::from_ms(h.updated_ms)),
            });
        }
        (markets, events.into_values().collect())
    }

    /// Settlements, newest first.
    pub fn settlements(self, filter: &OrderFilter) -> Vec<Settlement> {
        let own = self.desk.settlements.iter().rev().filter(|s| s.0 == self.account);
        own.map(|s| &s.1)
            .filter(|s| {
                fits(&filter.ticker, &s.ticker) && fits(&filter.event_ticker, &s.event_ticker)
            })
            .cloned()
            .collect()
    }

    /// Cash that can be spent, and the open positions at the touch that `touch` gives per market: YES at
    /// the YES bid, NO at the NO bid, nothing where nobody bids.
    pub fn balance(self, now_ms: i64, touch: impl Fn(&str) -> Touch) -> Balance {
        let account = &self.desk.accounts[self.account.0 as usize];
        let worth = account.holdings().filter(|(_, h)| h.position != Qty::ZERO).map(|(t, h)| {
            let touch = touch(t);
            let bid = match h.position > Qty::ZERO {
                true => touch.bid.map(|b| b.0),
                false => touch.ask.map(|a| a.0.complement()),
            };
            bid.unwrap_or(Price::ZERO).times(Qty(h.position.0.abs()))
        });
        let value = worth.fold(Money::ZERO, |sum, one| sum + one);
        Balance {
            balance: account.free().0 / 10_000,
            balance_dollars: account.free(),
            portfolio_value: value.0 / 10_000,
            updated_ts: now_ms.div_euclid(1_000),
        }
    }
}
