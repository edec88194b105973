//! Orders on their way to the exchange: judged, named, submitted, cancelled.

use super::entry::{Entry, Judged};
use super::funds::fee_max;
use super::words::{Act, Outcome, Placed, Refusal};
use super::{BLIND, Desk, NUMBERS_MAX, Ours};
use crate::broker::Intent;
use crate::trade::blotter::{CannotChange, Effect, Order};
use crate::trade::message::{Change, ClientId, Wanted};
use crate::trade::risk::{Proposal, Scene};
use crate::units::{Money, Qty, TsNs};

impl Desk {
    pub(super) fn place(&mut self, placed: &Placed, now: TsNs, out: &mut Vec<Act>) {
        let (number, wanted) = (placed.number, placed.wanted());
        let names = (Some(number), Some(placed.row_id));
        let verdict = match self.numbers.contains_key(&number) {
            true => Err(Refusal::UsedNumber),
            false => self.judge(&wanted, None, now),
        };
        match verdict {
            Ok(()) => {
                let id = self.submit(names, placed.intent, wanted, now, out);
                self.numbers.insert(number, id);
            }
            Err(why) => {
                out.push(Act::Write(Judged::entry(names, &wanted, Err(why.word()))));
                out.push(Act::Tell(Outcome::Refused { number, why }));
                if matches!(why, Refusal::Risk(refused) if refused.withdraws()) {
                    self.withdraw(Some((&wanted.ticker, why.word())), now, out);
                }
            }
        }
    }

    /// Asks risk, and what risk does not know. `instead` of an order of ours: it is not counted beside.
    pub(super) fn judge(
        &mut self,
        wanted: &Wanted,
        instead: Option<&ClientId>,
        now: TsNs,
    ) -> Result<(), Refusal> {
        if self.ending {
            return Err(Refusal::Ending);
        }
        let market = self.markets.get(&wanted.ticker).ok_or(Refusal::UnknownMarket)?;
        // A stop is told as such, whatever else there is.
        let seen = self.funds.read_at().filter(|at| self.clean && now.0 - at.0 <= BLIND.0);
        if seen.is_none() && self.risk.tripped().is_none() {
            return Err(Refusal::NotRead);
        }
        let proposal = Proposal {
            side: wanted.side.outcome(),
            price: wanted.side.own_price(wanted.price),
            qty: wanted.count,
            fee_max: fee_max(&self.fees.of(&wanted.ticker), wanted.price, wanted.count),
        };
        let beside = self.blotter.open().filter(|order| {
            order.wanted.ticker == wanted.ticker
                && order.wanted.side == wanted.side
                && instead != Some(&order.id)
        });
        let scene = Scene {
            info: &market.info,
            book_at: self.markets.book_at(market),
            position: self.blotter.position(&wanted.ticker),
            resting: beside.fold(Qty::ZERO, |sum, order| sum + order.left()),
            cash: self.funds.cash(&self.blotter, &self.fees),
            exposure: self.funds.exposure(&self.blotter),
        };
        self.risk.judge(&proposal, &scene, now).map_err(Refusal::Risk)
    }

    pub(super) fn submit(
        &mut self,
        names: (Option<u64>, Option<u64>),
        intent: Intent,
        wanted: Wanted,
        now: TsNs,
        out: &mut Vec<Act>,
    ) -> ClientId {
        self.forget();
        let mut effects = Vec::new();
        let id = self.blotter.submit(wanted.clone(), now, &mut effects);
        out.push(Act::Write(Judged::entry(names, &wanted, Ok(&id))));
        let ours = Ours { number: names.0, intent, changing: false, shown: None, rests: false };
        self.orders.insert(id.clone(), ours);
        self.live.insert(id.clone());
        self.funds.ordered(id.clone());
        self.note(out);
        self.follow(effects, out);
        id
    }

    pub(super) fn change(&mut self, number: u64, change: Change, now: TsNs, out: &mut Vec<Act>) {
        let id = self.numbers.get(&number).cloned();
        let mut effects = Vec::new();
        let done = self.try_change(id.as_ref(), change, now, &mut effects);
        let (price_e4, count_e2) = match change {
            Change::Cancel => (None, 0),
            Change::Amend { price, count } => (Some(price.e4()), count.e2()),
            Change::Decrease { to } => (None, to.e2()),
        };
        let (id, refused) = (id.map(|id| id.to_string()), done.clone().err());
        out.push(Act::Write(Entry::Change { id, number, price_e4, count_e2, refused }));
        if let Err(why) = done {
            out.push(Act::Tell(Outcome::Unchanged { number, why }));
        }
        self.follow(effects, out);
    }

    fn try_change(
        &mut self,
        id: Option<&ClientId>,
        change: Change,
        now: TsNs,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let known = id.and_then(|id| self.blotter.order(id));
        let order = known.ok_or_else(|| CannotChange::NoOrder.to_string())?;
        let id = order.id.clone();
        let mut cost = Money::ZERO;
        if let Change::Amend { price, count } = change {
            let count = count - order.filled();
            let wanted = Wanted { price, count, ..order.wanted.clone() };
            self.judge(&wanted, Some(&id), now).map_err(|why| why.word().to_owned())?;
            let own_price = wanted.side.own_price(price);
            let fees = self.fees.of(&wanted.ticker);
            cost = own_price.times(count) + fee_max(&fees, price, count);
        }
        self.blotter.change(&id, change, effects).map_err(|why| why.to_string())?;
        self.funds.amended(id.clone(), cost);
        if let Some(ours) = self.orders.get_mut(&id) {
            ours.changing = true;
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, number: u64, now: TsNs, out: &mut Vec<Act>) {
        let id = self.numbers.get(&number).cloned();
        out.push(Act::Write(Entry::Cancel { id: id.as_ref().map(ClientId::to_string), number }));
        let Some(id) = id else { return };
        // One that the blotter has forgotten is long over.
        self.with_blotter(now, out, |blotter, effects| {
            let _ = blotter.cancel(&id, now, effects);
        });
    }

    /// Cancels what is open and not being cancelled: in a market for a reason, or everywhere.
    pub(super) fn withdraw(
        &mut self,
        market: Option<(&str, &'static str)>,
        now: TsNs,
        out: &mut Vec<Act>,
    ) {
        let ticker = market.map(|(ticker, _)| ticker);
        let meant = |order: &&Order| ticker.is_none_or(|ticker| ticker == order.wanted.ticker);
        if self.blotter.open().filter(meant).all(Order::is_unwanted) {
            return;
        }
        if let Some((ticker, why)) = market {
            out.push(Act::Write(Entry::Withdrawn { ticker: ticker.to_owned(), why }));
        }
        self.with_blotter(now, out, |blotter, effects| {
            blotter.cancel_open(ticker, now, effects);
        });
    }

    /// Drops the names of orders that the blotter has dropped.
    pub(super) fn forget(&mut self) {
        if self.orders.len() < NUMBERS_MAX {
            return;
        }
        let blotter = &self.blotter;
        self.orders.retain(|id, _| blotter.order(id).is_some());
        self.numbers.retain(|_, id| blotter.order(id).is_some());
    }
}
