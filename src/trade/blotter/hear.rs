//! What is told, and what follows from it: answers, queries, words on orders, fills.

use super::order::Birth;
use super::{ABSENT_GRACE, Blotter, Effect, RETRY, UNCLAIMED_MAX};
use crate::feed::rest::Refusal;
use crate::trade::message::{Answer, Change, ClientId, FillFact, Found, Report, Request, View};
use crate::units::{Qty, TsNs};

impl Blotter {
    /// Takes in what an exchange, or its silence, said.
    pub fn hear(&mut self, report: Report, now: TsNs, out: &mut Vec<Effect>) {
        match report {
            Report::Sent(id) => {
                if let Some(order) = self.orders.get_mut(&id).filter(|o| o.birth == Birth::New) {
                    order.birth = Birth::Sent;
                }
            }
            Report::Answer { id, to, answer } => self.answered(&id, to, answer, now, out),
            Report::Queried { id, found } => self.queried(&id, found, now, out),
            Report::Fill(fill) => self.fill(fill, now, out),
            Report::Order { id, view } => self.see(&id, view, now, out),
            Report::Settled { ticker, value } => self.settle(&ticker, value, now, out),
            Report::OrphanCancelled { .. } => {}
        }
    }

    fn answered(
        &mut self,
        id: &ClientId,
        to: Request,
        answer: Answer,
        now: TsNs,
        out: &mut Vec<Effect>,
    ) {
        let Some(order) = self.orders.get_mut(id) else { return };
        let awaited = order.awaits == Some(to);
        if awaited {
            order.awaits = None;
        }
        if to == Request::Change(Change::Cancel) {
            order.cancel_from = Some(TsNs(now.0 + RETRY.0));
        }
        match (answer, to) {
            // Told twice, it is a word like any other.
            (Answer::Done(view), _) => return self.see(id, view, now, out),
            _ if !awaited => {}
            (Answer::Unknown(_) | Answer::Refused(Refusal::AlreadyExists), Request::Submit) => {
                order.lose_submit(now);
            }
            (Answer::Refused(why), Request::Submit) => order.reject(why.word()),
            (Answer::NotTaken(why), Request::Submit) => order.reject(&why),
            // It is gone, filled or never was. A query says which; until then no cancel would find it.
            (Answer::Refused(Refusal::NotFound), _) => {
                order.cancel_from = None;
                order.doubt(now);
            }
            (Answer::Unknown(_), _) => order.doubt(now),
            (Answer::Refused(_) | Answer::NotTaken(_), _) => {}
        }
        self.follow_up(id, now, out);
    }

    fn queried(&mut self, id: &ClientId, found: Found, now: TsNs, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(id) else { return };
        let Some((asked, doubts)) = order.asking.take() else { return };
        order.cancel_from.get_or_insert(TsNs(now.0 + RETRY.0));
        match found {
            Found::Order(view, fills) => {
                order.ask_at = None;
                order.resolve(doubts);
                self.see(id, view, now, out);
                for fill in fills {
                    self.fill(fill, now, out);
                }
                if let Some(order) = self.orders.get_mut(id).filter(|o| o.missing() > Qty::ZERO) {
                    order.ask_again(now);
                }
            }
            Found::Nothing if order.birth == Birth::Known || order.filled() > Qty::ZERO => {
                // The exchange knows it: a list that lags behind does not make it unknown.
                order.ask_again(now);
            }
            Found::Nothing if asked.0 >= order.lost.0 + ABSENT_GRACE.0 => {
                order.resolve(doubts);
                order.reject("never arrived");
            }
            Found::Nothing => order.ask_at = Some(TsNs(order.lost.0 + ABSENT_GRACE.0)),
            Found::Unknown(_) => order.ask_again(now),
        }
        self.follow_up(id, now, out);
    }

    /// The exchange's word on an order.
    fn see(&mut self, id: &ClientId, view: View, now: TsNs, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(id) else { return };
        self.by_exchange.insert(view.order_id.clone(), id.clone());
        let order_id = view.order_id.clone();
        order.see(view, now);
        self.claim(&order_id, now, out);
        self.follow_up(id, now, out);
    }

    pub(super) fn fill(&mut self, fill: FillFact, now: TsNs, out: &mut Vec<Effect>) {
        let by_client = fill.client_id.as_deref().and_then(ClientId::of_ours);
        let known = by_client.filter(|id| self.orders.contains_key(id));
        let Some(id) = known.or_else(|| self.by_exchange.get(&fill.order_id).cloned()) else {
            return self.keep_unclaimed(fill);
        };
        let Some(order) = self.orders.get_mut(&id) else { return };
        self.by_exchange.insert(fill.order_id.clone(), id.clone());
        if order.fill(fill.clone()) {
            *self.positions.entry(fill.ticker.clone()).or_default() += fill.position_change();
            out.push(Effect::Filled { id: id.clone(), fill });
        }
        self.follow_up(&id, now, out);
    }

    fn keep_unclaimed(&mut self, fill: FillFact) {
        if self.unclaimed.contains(&fill) {
            return;
        }
        if self.unclaimed.len() == UNCLAIMED_MAX {
            self.unclaimed.pop_front();
        }
        self.unclaimed.push_back(fill);
    }

    /// Fills that came before anybody knew whose they were.
    fn claim(&mut self, order_id: &str, now: TsNs, out: &mut Vec<Effect>) {
        while let Some(at) = self.unclaimed.iter().position(|fill| fill.order_id == order_id)
            && let Some(fill) = self.unclaimed.remove(at)
        {
            self.fill(fill, now, out);
        }
    }
}
