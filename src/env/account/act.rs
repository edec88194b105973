//! From an action to requests on their way.

use super::own::Own;
use super::plan::Plan;
use super::{Account, Request, Rules};
use crate::env::{EnvConfig, Refusal};
use crate::features::episode::Decision;
use crate::units::{Qty, TsNs};

impl<R: Rules> Account<R> {
    /// Performs an action at `decision`; true if contracts were asked for.
    ///
    /// # Errors
    /// [`Refusal`] when the mask forbids the action; nothing changed.
    pub fn act(
        &mut self,
        decision: &Decision,
        config: &EnvConfig,
        action: u32,
    ) -> Result<bool, Refusal> {
        self.propose(decision, config, action)?;
        Ok(self.commit(decision))
    }

    /// Puts the requests of an action into [`Account::sent`], and sends none of them yet.
    ///
    /// # Errors
    /// [`Refusal`] when the mask forbids the action; nothing changed.
    pub fn propose(
        &mut self,
        decision: &Decision,
        config: &EnvConfig,
        action: u32,
    ) -> Result<(), Refusal> {
        self.sent.clear();
        let plan = self.plan(decision, config, action)?;
        self.prepare(plan);
        Ok(())
    }

    /// Sends what was proposed; true if contracts were asked for.
    pub fn commit(&mut self, decision: &Decision) -> bool {
        let sent = std::mem::take(&mut self.sent);
        let mut ordered = false;
        for request in &sent {
            ordered |= self.send(*request, decision);
        }
        self.sent = sent;
        self.tally.orders += u64::from(ordered);
        ordered
    }

    /// Nothing of what was proposed is sent.
    pub fn withdraw(&mut self) {
        self.sent.clear();
    }

    /// Takes back all quotes, unless a request is under way.
    pub fn retreat(&mut self, decision: &Decision) {
        self.sent.clear();
        if !self.own.is_waiting() && self.is_quoting() {
            self.prepare(Plan::CancelAll);
            self.commit(decision);
        }
    }

    /// Puts into [`Account::sent`] what gives the position up, and sends none of it yet: what rests is taken back
    /// first, then what is held is sold at the displayed bids, at most `most` contracts at a time.
    pub fn propose_exit(&mut self, decision: &Decision, most: Qty) {
        self.sent.clear();
        if self.own.is_waiting() {
            return;
        }
        let plan = match self.is_quoting() {
            true => Some(Plan::CancelAll),
            false => self.plan_exit(decision, most),
        };
        if let Some(plan) = plan {
            self.prepare(plan);
        }
    }

    fn prepare(&mut self, plan: Plan) {
        let mut sent = std::mem::take(&mut self.sent);
        self.requests(plan, &mut sent);
        self.sent = sent;
    }

    /// Puts a request on its way; true if it asks for contracts.
    fn send(&mut self, request: Request, decision: &Decision) -> bool {
        let (id, due) = match request {
            Request::Submit { id, order } => {
                let own = Own {
                    id,
                    intent: order.intent,
                    price: order.price,
                    qty: order.qty,
                    filled: Qty::ZERO,
                    worst: (order.intent.resting_price(order.price), order.qty),
                    placed_ms: decision.ts_ms,
                    rests: false,
                    asked: None,
                };
                let slot = match order.post_only {
                    true => &mut self.own.quotes[order.intent.rests().index()],
                    false => &mut self.own.take,
                };
                *slot = Some(own);
                (id, (!self.remote).then(|| self.matcher.submit(id, order, decision.recv)))
            }
            Request::Amend { id, amend } => {
                self.own.ask(id, amend);
                (id, (!self.remote).then(|| self.matcher.amend(id, amend, decision.recv)))
            }
            Request::Cancel { id } => {
                (id, (!self.remote).then(|| self.matcher.cancel(id, decision.recv)))
            }
        };
        match due {
            // It will never arrive, and nobody will ever hear of it.
            Some(Ok(TsNs(i64::MAX)) | Err(_)) => self.own.lose(id),
            _ => self.own.wait(id),
        }
        !matches!(request, Request::Cancel { .. })
    }
}
