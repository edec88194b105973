//! What the desk knows of the markets: what they are, and what their books showed last.

use super::words::Quote;
use crate::market::MarketInfo;
use crate::units::{Money, Price, Qty, TsNs};
use std::collections::BTreeMap;

/// One market.
#[derive(Clone, Debug)]
pub(super) struct Market {
    /// What it is.
    pub(super) info: MarketInfo,
    /// True while its book is whole.
    whole: bool,
    /// When its book was as it was told last.
    at: TsNs,
    /// Best YES bid and ask now.
    pub(super) bid: Option<Price>,
    pub(super) ask: Option<Price>,
    /// The last ones that there were: what a position is worth while a side is empty.
    last: (Option<Price>, Option<Price>),
    /// No forced exit before this.
    pub(super) exit_from: TsNs,
}

impl Market {
    fn new(info: MarketInfo) -> Market {
        let (bid, ask, last) = (None, None, (None, None));
        Market { info, whole: false, at: TsNs(0), bid, ask, last, exit_from: TsNs(0) }
    }

    /// What `position` is worth: what it paid, else at the touch; `None` where nothing was ever quoted.
    fn worth(&self, position: Qty) -> Option<Money> {
        let yes = self.info.settlement.or(if position > Qty::ZERO {
            self.last.0
        } else {
            self.last.1
        })?;
        let held = if position > Qty::ZERO { yes } else { yes.complement() };
        Some(held.times(Qty(position.0.abs())))
    }
}

/// All markets that were told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Markets {
    by_ticker: BTreeMap<String, Market>,
    /// How far market data have come.
    heard: TsNs,
}

impl Markets {
    /// Takes in a definition; true when it is the first that names an outcome.
    pub(super) fn define(&mut self, info: MarketInfo) -> bool {
        let paid = info.settlement.is_some();
        match self.by_ticker.get_mut(&info.ticker) {
            Some(market) => {
                let news = paid && market.info.settlement.is_none();
                market.info = info;
                news
            }
            None => {
                self.by_ticker.insert(info.ticker.clone(), Market::new(info));
                paid
            }
        }
    }

    /// Takes in a book. A market that was not defined yet has nothing to be quoted for.
    pub(super) fn quote(&mut self, quote: &Quote) {
        self.heard(quote.at);
        let Some(market) = self.by_ticker.get_mut(&quote.ticker) else { return };
        (market.whole, market.at) = (quote.whole, quote.at);
        (market.bid, market.ask) = (quote.bid, quote.ask);
        market.last = (quote.bid.or(market.last.0), quote.ask.or(market.last.1));
    }

    pub(super) fn heard(&mut self, at: TsNs) {
        self.heard = self.heard.max(at);
    }

    pub(super) fn get(&self, ticker: &str) -> Option<&Market> {
        self.by_ticker.get(ticker)
    }

    pub(super) fn get_mut(&mut self, ticker: &str) -> Option<&mut Market> {
        self.by_ticker.get_mut(ticker)
    }

    /// When the market's book was last known to be right: while data comes and says nothing of it, it is.
    pub(super) fn book_at(&self, market: &Market) -> Option<TsNs> {
        market.whole.then(|| market.at.max(self.heard))
    }

    /// What `position` is worth, else what it cost.
    pub(super) fn worth(&self, ticker: &str, position: Qty, cost: Money) -> Money {
        self.get(ticker).and_then(|market| market.worth(position)).unwrap_or(cost)
    }
}
