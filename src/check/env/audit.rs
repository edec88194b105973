//! Every step booked a second time, the slow and plain way.
//!
//! **Invariant:** shares the recorded tape and the fee formula (which has its own oracle) with the
//! environment, and nothing else: prices, depth, positions, marks and rewards are computed anew.

use crate::broker::{OrderFees, Role, Verb};
use crate::check::pairs::PairAccount;
use crate::env::EnvConfig;
use crate::env::account::Rules;
use crate::env::seat::{Seat, Step};
use crate::features::episode::{Episode, TapeKind};
use crate::units::{Money, Price, Qty, Side};
use std::collections::BTreeMap;

/// A second bookkeeping of one episode.
pub struct Audit<'a> {
    episode: &'a Episode,
    config: &'a EnvConfig,
    at: usize,
    account: PairAccount,
    fees: Money,
    taken: BTreeMap<(Side, Price), Qty>,
    equity: Money,
}

impl<'a> Audit<'a> {
    /// The books before the first decision.
    pub fn new(episode: &'a Episode, config: &'a EnvConfig) -> Audit<'a> {
        let equity = config.start_cash;
        let account = PairAccount::new(equity);
        let taken = BTreeMap::new();
        Audit { episode, config, at: 0, account, fees: Money::ZERO, taken, equity }
    }

    /// Books what `action` did and compares it with the seat after the step.
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn follow<R: Rules>(
        &mut self,
        action: u32,
        step: &Step,
        seat: &Seat<R>,
    ) -> Result<(), String> {
        self.trade(action);
        self.advance();
        let book = seat.account().portfolio();
        let before = self.equity;
        self.equity = self.worth();
        let ordered = self.config.actions.order(action).is_some();
        let reward = self.config.reward.of(self.equity - before, ordered);
        let books = [
            ("cash", book.cash().e6(), self.account.cash.e6()),
            ("position (1e-2)", book.position().e2(), self.account.position().e2()),
            ("fees", book.fees().e6(), self.fees.e6()),
            ("equity", seat.account().equity().e6(), self.equity.e6()),
            ("reward", step.reward.e6(), reward.e6()),
        ];
        let name = self.config.actions.name(action);
        let at = |what: String| {
            format!("{} decision {}: {name}: {what}", self.episode.ticker, self.at - 1)
        };
        for (what, got, want) in books {
            if got != want {
                return Err(at(format!("{what} {got} (1e-6) where the audit has {want}")));
            }
        }
        if book.position().e2().abs() > self.config.limit.e2() {
            return Err(at("the position is above its limit".into()));
        }
        book.broken_invariant().map_or(Ok(()), |broken| Err(at(broken.into())))
    }

    fn trade(&mut self, action: u32) {
        let Some((intent, size)) = self.config.actions.order(action) else { return };
        let hit = match (intent.verb, intent.side) {
            (Verb::Buy, Side::Yes) | (Verb::Sell, Side::No) => Side::No,
            (Verb::Buy, Side::No) | (Verb::Sell, Side::Yes) => Side::Yes,
        };
        let mut open = size;
        let mut order = OrderFees::default();
        for &(bid, shown) in &self.episode.decisions[self.at].bids[hit.index()] {
            let taken = self.taken.entry((hit, bid)).or_default();
            let qty = open.min(shown - *taken);
            if qty <= Qty::ZERO {
                continue;
            }
            *taken += qty;
            open -= qty;
            let price = match intent.verb {
                Verb::Buy => bid.complement(),
                Verb::Sell => bid,
            };
            let fee = order.fill(&self.config.fees, Role::Taker, intent, price, qty).net;
            self.account.fill(intent, price, qty, fee);
            self.fees += fee;
        }
    }

    fn advance(&mut self) {
        let next = |at: usize| self.episode.decisions[at].next_event as usize;
        for event in &self.episode.events[next(self.at)..next(self.at + 1)] {
            match event.kind {
                TapeKind::Delta => drop(self.taken.remove(&(event.side, event.price))),
                TapeKind::Snapshot => self.taken.clear(),
                TapeKind::Trade => {}
            }
        }
        self.at += 1;
        if let (true, Some(value)) = (self.at + 1 == self.episode.len(), self.episode.settlement) {
            self.account.settle(value);
        }
    }

    fn worth(&self) -> Money {
        let [yes, no] = self.episode.decisions[self.at].bids.map(|bids| match bids[0] {
            (price, size) if size > Qty::ZERO => price,
            _ => Price::ZERO,
        });
        self.account.cash + self.account.worth(yes, no)
    }
}
