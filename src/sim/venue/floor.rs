//! Where accounts meet the markets: the desk with one market lent to it, and what the life of a market
//! means for orders and positions.

use super::{Definition, FeeType, Market, Phase, Venue, What};
use crate::broker::FeeSchedule;
use crate::broker::fees::MAKER_K_E4;
use crate::event::Trade;
use crate::sim::desk::{Desk, MarketRef, OrderError, Trading};
use crate::sim::exchange::{AccountId, Exchange, Fact};
use crate::units::{Money, Price, TsUs};
use crate::wire::portfolio::UpdateReason;
use std::collections::VecDeque;

/// Trades that `GET /markets/trades` can look back on: about a minute of a busy exchange.
const TRADES_KEPT: usize = 100_000;

/// A public trade that was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastTrade {
    /// When.
    pub at: TsUs,
    /// Index of the market.
    pub market: u32,
    /// What.
    pub trade: Trade,
}

pub(super) fn remember(trades: &mut VecDeque<PastTrade>, trade: PastTrade) {
    if trades.len() == TRADES_KEPT {
        trades.pop_front();
    }
    trades.push_back(trade);
}

impl Venue {
    /// A new account with `cash`.
    pub fn open_account(&mut self, cash: Money) -> AccountId {
        self.desk.open_account(cash)
    }

    /// All accounts and their orders.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The last public trades, newest first.
    pub fn trades(&self) -> impl Iterator<Item = &PastTrade> {
        self.trades.iter().rev()
    }

    /// The engine of a market that is not over.
    pub fn exchange(&self, ticker: &str) -> Option<&Exchange> {
        self.market(self.find(ticker)?)?.live.as_ref().map(|live| &live.exchange)
    }

    /// Lets the desk act on a market for an account. What happens is told, private news before the answer.
    ///
    /// # Errors
    /// What `act` gave; [`OrderError::NoMarket`] and [`OrderError::MarketClosed`] before it.
    pub fn order<R>(
        &mut self,
        ticker: &str,
        act: impl FnOnce(&mut Desk, &mut MarketRef<'_>, &mut Vec<Fact>) -> Result<R, OrderError>,
    ) -> Result<R, OrderError> {
        let index = self.find(ticker).ok_or(OrderError::NoMarket)?;
        let result = self.at_desk(index, act).unwrap_or(Err(OrderError::MarketClosed));
        self.publish(index);
        self.tell_private(index);
        result
    }

    /// An order in that market expires then, seconds since the epoch.
    pub fn expires(&mut self, ticker: &str, at_s: i64) {
        if let Some(index) = self.find(ticker) {
            self.plan_expiry(index, at_s.saturating_mul(1_000));
        }
    }

    /// Cancels the expired orders of a market.
    pub(super) fn expire_orders(&mut self, index: u32) {
        self.at_desk(index, Desk::expire);
        self.publish(index);
        self.tell_private(index);
    }

    /// After the crowd acted and before it is published: the accounts whose orders it met hear of it.
    pub(super) fn accounts_hear(&mut self, index: u32) {
        let Some(market) = self.market(index) else { return };
        if self.desk.concerns(&market.definition.ticker) {
            self.at_desk(index, Desk::on_facts);
            self.tell_private(index);
        }
    }

    /// Takes every order out of a market's book; the caller publishes that or not.
    pub(super) fn empty_book(&mut self, index: u32, reason: UpdateReason) {
        self.at_desk(index, |desk, market, facts| {
            desk.close(market, reason, facts);
            market.exchange.clear(facts);
        });
        self.tell_private(index);
    }

    /// The whole exchange pauses.
    pub(super) fn pause_orders(&mut self) {
        for ticker in self.desk.markets_with_orders(None) {
            let Some(index) = self.find(&ticker) else { continue };
            self.at_desk(index, Desk::pause);
            self.publish(index);
            self.tell_private(index);
        }
    }

    /// Positions of a market are paid out.
    pub(super) fn pay_out(&mut self, index: u32, value: Price) {
        let Some(market) = self.markets.get(index as usize) else { return };
        self.desk.settle(&market.definition.ticker, value, self.now.ms());
        self.tell_private(index);
    }

    fn at_desk<R>(
        &mut self,
        index: u32,
        act: impl FnOnce(&mut Desk, &mut MarketRef<'_>, &mut Vec<Fact>) -> R,
    ) -> Option<R> {
        let trading = self.is_trading();
        let Market { definition, live, .. } = self.markets.get_mut(index as usize)?;
        let ticks = definition.structure.ranges();
        let mut market = MarketRef {
            ticker: &definition.ticker,
            event_ticker: &definition.event_ticker,
            exchange: &mut live.as_mut()?.exchange,
            ticks: &ticks,
            fees: fees(definition),
            state: match definition.phase {
                Phase::Active if trading => Trading::Open,
                Phase::Active | Phase::Inactive => Trading::Paused,
                _ => Trading::Closed,
            },
            now_ms: self.now.ms(),
        };
        Some(act(&mut self.desk, &mut market, &mut self.facts))
    }

    fn tell_private(&mut self, index: u32) {
        for event in self.desk.drain() {
            // These are plain data: writing them as JSON cannot fail.
            let Ok(msg) = event.what.msg() else { continue };
            let (account, kind) = (event.account.0, event.what.kind());
            self.tell(index, self.now, What::Private { account, kind, msg: msg.into() });
        }
    }
}

/// The fees of a market's series.
fn fees(definition: &Definition) -> FeeSchedule {
    match definition.fee_type {
        FeeType::Quadratic => FeeSchedule::default(),
        FeeType::QuadraticWithMakerFees => {
            FeeSchedule { maker_k_e4: MAKER_K_E4, ..FeeSchedule::default() }
        }
    }
}
