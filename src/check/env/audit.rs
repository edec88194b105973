//! Every step booked a second time, the slow and plain way.
//!
//! **Invariant:** shares the recorded tape, the fills and the fee formula (which has its own oracle) with the
//! environment, and nothing else: the book that a fill must stand in, prices, positions, marks and rewards
//! are computed anew.

use crate::broker::matching::{Fill, OrderId};
use crate::broker::{Intent, OrderFees, Role};
use crate::check::pairs::PairAccount;
use crate::env::EnvConfig;
use crate::env::account::{Request, Rules};
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
    orders: BTreeMap<OrderId, Asked>,
    /// Displayed bids after the events so far.
    levels: BTreeMap<(Side, Price), Qty>,
    /// Events so far.
    seen: usize,
    equity: Money,
}

/// What was asked for under one name.
struct Asked {
    intent: Intent,
    post_only: bool,
    prices: Vec<Price>,
    fees: OrderFees,
}

impl<'a> Audit<'a> {
    /// The books before the first decision.
    pub fn new(episode: &'a Episode, config: &'a EnvConfig) -> Audit<'a> {
        let equity = config.start_cash;
        Audit {
            episode,
            config,
            at: 0,
            account: PairAccount::new(equity),
            fees: Money::ZERO,
            orders: BTreeMap::new(),
            levels: BTreeMap::new(),
            seen: 0,
            equity,
        }
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
        let name = self.config.actions.name(action);
        let at = format!("{} decision {}: {name}", self.episode.ticker, self.at);
        self.compare(step, seat).map_err(|what| format!("{at}: {what}"))
    }

    fn compare<R: Rules>(&mut self, step: &Step, seat: &Seat<R>) -> Result<(), String> {
        let sent = seat.account().sent();
        sent.iter().for_each(|request| self.note(request));
        for fill in &seat.account().news().fills {
            self.book(fill)?;
        }
        self.advance();
        let book = seat.account().portfolio();
        let before = self.equity;
        self.equity = self.worth();
        let ordered = sent.iter().any(|request| !matches!(request, Request::Cancel { .. }));
        let reward = self.config.reward.of(self.equity - before, ordered);
        let books = [
            ("cash", book.cash().e6(), self.account.cash.e6()),
            ("position (1e-2)", book.position().e2(), self.account.position().e2()),
            ("fees", book.fees().e6(), self.fees.e6()),
            ("equity", seat.account().equity().e6(), self.equity.e6()),
            ("reward", step.reward.e6(), reward.e6()),
        ];
        for (what, got, want) in books {
            if got != want {
                return Err(format!("{what} {got} (1e-6) where the audit has {want}"));
            }
        }
        let counts = self.config.execution.counts;
        let decision = &self.episode.decisions[self.at];
        if step.end.is_none() && seat.account().bracket(decision)[counts] != self.equity {
            return Err("the bracket does not hold the equity that counts".into());
        }
        if book.position().e2().abs() > self.config.limit.e2() {
            return Err("the position is above its limit".into());
        }
        book.broken_invariant().map_or(Ok(()), |broken| Err(broken.into()))
    }

    fn note(&mut self, request: &Request) {
        match *request {
            Request::Submit { id, order } => {
                let (intent, post_only) = (order.intent, order.post_only);
                let (prices, fees) = (vec![order.price], OrderFees::default());
                self.orders.insert(id, Asked { intent, post_only, prices, fees });
            }
            Request::Amend { id, amend: crate::broker::matching::Amend::Replace { price, .. } } => {
                if let Some(asked) = self.orders.get_mut(&id) {
                    asked.prices.push(price);
                }
            }
            Request::Amend { .. } | Request::Cancel { .. } => {}
        }
    }

    fn book(&mut self, fill: &Fill) -> Result<(), String> {
        self.replay_to(fill.exchange_row as usize + 1);
        let asked = self.orders.get_mut(&fill.order).ok_or("a fill of no order")?;
        if fill.intent != asked.intent || asked.post_only != (fill.role == Role::Maker) {
            return Err("a fill is not what was ordered".into());
        }
        if asked.post_only && !asked.prices.contains(&fill.price) {
            return Err(format!("a quote filled at {}, where it never rested", fill.price));
        }
        let counts = self.config.execution.counts;
        let qty = fill.qty[counts];
        if !asked.post_only {
            let bid = fill.intent.price_against(fill.price);
            let shown = self.levels.get(&(fill.intent.hits(), bid)).copied().unwrap_or_default();
            if qty > shown {
                return Err(format!("{qty} contracts taken from a bid of {shown} at {bid}"));
            }
        }
        if qty > Qty::ZERO {
            let fees = &self.config.fees;
            let fee = asked.fees.fill(fees, fill.role, fill.intent, fill.price, qty).net;
            self.account.fill(fill.intent, fill.price, qty, fee);
            self.fees += fee;
        }
        Ok(())
    }

    /// Shows the book after so many events. Fills may tell of rows that are long past; the book stays.
    fn replay_to(&mut self, events: usize) {
        while self.seen < events.min(self.episode.events.len()) {
            match self.episode.events[self.seen].kind {
                TapeKind::Delta(d) => *self.levels.entry((d.side, d.price)).or_default() += d.qty,
                TapeKind::Trade { .. } | TapeKind::Phase(_) => {}
                TapeKind::Snapshot(number) => {
                    self.levels.clear();
                    let book = &self.episode.books[number as usize];
                    for (side, levels) in [(Side::Yes, &book.yes), (Side::No, &book.no)] {
                        for (price, qty) in levels {
                            *self.levels.entry((side, *price)).or_default() += *qty;
                        }
                    }
                }
            }
            self.seen += 1;
        }
    }

    fn advance(&mut self) {
        self.at += 1;
        self.replay_to(self.episode.decisions[self.at].next_event as usize);
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
