//! What follows from what was told: effects of the blotter become acts, and every change of an order a line.

use super::Desk;
use super::entry::{Entry, FillLine, OrderLine};
use super::words::{Act, OrderFill, Outcome, role};
use crate::trade::blotter::{Blotter, Effect, State};
use crate::trade::message::ClientId;
use crate::units::TsNs;

impl Desk {
    /// Does something to the blotter, and passes on what follows.
    pub(super) fn with_blotter(
        &mut self,
        now: TsNs,
        out: &mut Vec<Act>,
        act: impl FnOnce(&mut Blotter, &mut Vec<Effect>),
    ) {
        let mut effects = Vec::new();
        act(&mut self.blotter, &mut effects);
        self.note(out);
        self.follow(effects, out);
        let late = self.risk.tripped().is_some() || (self.ending && self.cancels);
        if late && self.blotter.open().any(|order| !order.is_unwanted()) {
            self.withdraw(None, now, out);
        }
    }

    pub(super) fn follow(&mut self, effects: Vec<Effect>, out: &mut Vec<Act>) {
        for effect in effects {
            match effect {
                Effect::Do(command) => out.push(Act::Do(command)),
                Effect::Filled { id, fill } => {
                    out.push(Act::Write(FillLine::entry(&id, &fill)));
                    let Some(ours) = self.orders.get(&id) else { continue };
                    let formula = || {
                        let fees = self.fees.of(&fill.ticker);
                        fees.trade_fee(role(fill.is_taker), fill.yes_price, fill.qty)
                    };
                    let fee = fill.fee.unwrap_or_else(formula);
                    let told = OrderFill::new(ours.number, ours.intent, &fill, fee);
                    out.push(Act::Tell(Outcome::Filled(told)));
                }
                Effect::Ended { id, state } => self.ended(&id, state, out),
                Effect::Settled { ticker, value, position } => {
                    let (value_e4, position_e2) = (value.e4(), position.e2());
                    out.push(Act::Write(Entry::Settled { ticker, value_e4, position_e2 }));
                }
            }
        }
    }

    pub(super) fn ended(&mut self, id: &ClientId, state: State, out: &mut Vec<Act>) {
        // A fill that turns up after the end ends the order again; it was told when it ended first.
        let (true, Some(ours)) = (self.live.remove(id), self.orders.get(id)) else { return };
        let Some(order) = self.blotter.order(id) else { return };
        let (number, ticker) = (ours.number, order.wanted.ticker.clone());
        out.push(Act::Tell(Outcome::Ended { number, ticker, state, why: order.rejected.clone() }));
    }

    /// Writes down which orders changed, and tells of those that rest.
    pub(super) fn note(&mut self, out: &mut Vec<Act>) {
        for id in &self.live {
            let (Some(order), Some(ours)) = (self.blotter.order(id), self.orders.get_mut(id))
            else {
                continue;
            };
            let line = OrderLine::new(order);
            if ours.shown.as_ref() != Some(&line) {
                out.push(Act::Write(Entry::Order(line.clone())));
                ours.shown = Some(line);
                let rests = matches!(order.state(), State::Resting | State::Part)
                    && !std::mem::replace(&mut ours.rests, true);
                if let Some(number) = ours.number.filter(|_| rests) {
                    out.push(Act::Tell(Outcome::Resting { number }));
                }
            }
            let answered = !order.waits() && !order.in_doubt();
            if let (true, true, Some(number)) = (ours.changing, answered, ours.number) {
                ours.changing = false;
                let (price, left) = (ours.intent.yes_price(order.price()), order.left());
                if !order.state().is_over() {
                    out.push(Act::Tell(Outcome::Changed { number, price, left }));
                }
            }
        }
    }
}
