//! What time alone brings about: books grow old, markets close.

use super::words::buying;
use super::{Act, Desk, Judged};
use crate::trade::blotter::Order;
use crate::trade::message::Wanted;
use crate::units::{Qty, TsNs};
use crate::wire::orders::{BookSide, TimeInForce};
use std::collections::BTreeSet;

/// This often, while there is anything to watch: well within the second in which a stale book is noticed.
const WATCH_EVERY: TsNs = TsNs::from_ms(100);
/// Between two attempts to give up a position.
const EXIT_EVERY: TsNs = TsNs::from_ms(1_000);

impl Desk {
    /// Withdraws orders where the market may not be traded in any more, and gives up positions before a close.
    pub(super) fn watch(&mut self, now: TsNs, out: &mut Vec<Act>) {
        self.watch_at = TsNs(now.0 + WATCH_EVERY.0);
        let open = self.blotter.open().map(|order| order.wanted.ticker.clone());
        let held = self.blotter.positions().filter(|(_, qty)| *qty != Qty::ZERO);
        let tickers: BTreeSet<_> = open.chain(held.map(|(ticker, _)| ticker.to_owned())).collect();
        for ticker in tickers {
            let Some(market) = self.markets.get(&ticker) else { continue };
            let book_at = self.markets.book_at(market);
            match self.risk.check_market(&market.info, book_at, now) {
                Err(why) if why.withdraws() => {
                    self.withdraw(Some((&ticker, why.word())), now, out);
                }
                _ if self.risk.is_closing(&market.info, now) => self.close_out(&ticker, now, out),
                _ => {}
            }
        }
    }

    /// Shortly before the close: what rests is cancelled; when it is gone, what is held is given up at the touch.
    fn close_out(&mut self, ticker: &str, now: TsNs, out: &mut Vec<Act>) {
        self.withdraw(Some((ticker, "closing")), now, out);
        let position = self.blotter.position(ticker);
        let here = |order: &Order| order.wanted.ticker == ticker && !order.is_settled();
        let busy = self.live.iter().filter_map(|id| self.blotter.order(id)).any(here);
        let Some(market) = self.markets.get_mut(ticker) else { return };
        if busy || market.exit_from > now || !self.risk.must_exit(&market.info, position, now) {
            return;
        }
        let side = if position > Qty::ZERO { BookSide::Ask } else { BookSide::Bid };
        let touch = if position > Qty::ZERO { market.bid } else { market.ask };
        // Nobody there to trade with: the next look may find somebody.
        let Some(price) = touch else { return };
        market.exit_from = TsNs(now.0 + EXIT_EVERY.0);
        let wanted = Wanted {
            ticker: ticker.to_owned(),
            side,
            price,
            count: Qty(position.0.abs()).min(self.risk.limits().order_max),
            time_in_force: TimeInForce::ImmediateOrCancel,
            post_only: false,
            reduce_only: true,
            expires_s: None,
        };
        match self.judge(&wanted, None, now) {
            Ok(()) => drop(self.submit((None, None), buying(side), wanted, now, out)),
            Err(why) => out.push(Act::Write(Judged::new((None, None), &wanted, Err(why.word())))),
        }
    }
}
