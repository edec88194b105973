//! What an action asks for, and whether it may be asked.
//!
//! Taking is a limit order, immediate or cancel, at the worst displayed price that its size needs: when the
//! market has moved away before it arrives, less of it fills, and never at a worse price. Quoting rests a
//! post-only order at our best bid or one tick better, or moves the quote that rests there. Nothing is sent
//! while a request is under way.
//!
//! **Invariant:** what the mask allows is accepted, fits the position limit and is paid for, however and in
//! whatever order everything that rests fills.

use super::own::{Own, reserve};
use super::{Account, Rules, touch};
use crate::broker::matching::{Amend, NewOrder, OrderId};
use crate::broker::{Intent, Refused, Verb};
use crate::env::action::{Act, Placement};
use crate::env::{EnvConfig, Refusal};
use crate::features::episode::Decision;
use crate::market::TickRange;
use crate::units::{Money, Price, Qty, Side};
use crate::wire::orders::{SelfTradePrevention, TimeInForce};
use serde::{Deserialize, Serialize};

/// What is sent to the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A new order.
    Submit {
        /// Our name of it.
        id: OrderId,
        /// It.
        order: NewOrder,
    },
    /// Another price and size for the order that rests.
    Amend {
        /// Whose.
        id: OrderId,
        /// What it shall become.
        amend: Amend,
    },
    /// The end of it.
    Cancel {
        /// Whose.
        id: OrderId,
    },
}

impl Request {
    /// The order that it sends, if it sends one.
    pub fn submitted(&self) -> Option<OrderId> {
        match self {
            Request::Submit { id, .. } => Some(*id),
            Request::Amend { .. } | Request::Cancel { .. } => None,
        }
    }
}

/// What a request asks for, told as a purchase: selling a contract is buying the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The contract bought.
    pub side: Side,
    /// Limit on its scale.
    pub price: Price,
    /// Contracts.
    pub qty: Qty,
    /// Contracts of the same side that other orders may still buy.
    pub beside: Qty,
}

/// An action that may be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    Hold,
    Take {
        intent: Intent,
        limit: Price,
        size: Qty,
    },
    /// A quote that buys `side` at `price`.
    Quote {
        side: Side,
        price: Price,
        size: Qty,
    },
    CancelAll,
}

impl<R: Rules> Account<R> {
    /// Writes which actions are allowed at `decision`.
    pub fn mask(&self, decision: &Decision, config: &EnvConfig, mask: &mut [bool]) {
        mask.fill(false);
        mask[0] = true;
        if self.own.is_waiting() {
            return;
        }
        for (action, allowed) in mask.iter_mut().enumerate().skip(1) {
            *allowed = self.plan(decision, config, action as u32).is_ok();
        }
    }

    /// What an action would ask for.
    #[inline]
    pub(super) fn plan(
        &self,
        decision: &Decision,
        config: &EnvConfig,
        action: u32,
    ) -> Result<Plan, Refusal> {
        let act = config.actions.act(action).ok_or(Refusal::Unknown(action))?;
        if act == Act::Hold {
            return Ok(Plan::Hold);
        }
        if self.own.is_waiting() {
            return Err(Refusal::Waiting);
        }
        match act {
            Act::Hold => Ok(Plan::Hold),
            Act::Take(intent, size) => self.plan_take(decision, config, intent, size),
            Act::Quote(side, placement, size) => {
                self.plan_quote(decision, config, side, placement, size)
            }
            Act::Cancel => match self.own.quotes {
                [None, None] => Err(Refusal::NoQuote),
                _ => Ok(Plan::CancelAll),
            },
        }
    }

    fn plan_take(
        &self,
        decision: &Decision,
        config: &EnvConfig,
        intent: Intent,
        size: Qty,
    ) -> Result<Plan, Refusal> {
        two_sided(decision)?;
        let hit = intent.hits();
        let (mut open, mut worst) = (size, None);
        for level in decision.bids[hit.index()].iter().take_while(|l| l.1 > Qty::ZERO) {
            let left = self.matcher.left(hit, *level);
            if left > Qty::ZERO {
                worst = Some(level.0);
                open -= left.min(open);
            }
            if open == Qty::ZERO {
                break;
            }
        }
        let worst = worst.ok_or(Refusal::NoDepth)?;
        let own = self.own.quotes[hit.index()];
        if own.is_some_and(|own| own.intent.resting_price(own.price) >= worst) {
            return Err(Refusal::OwnQuote);
        }
        let limit = intent.price_against(worst);
        if limit <= Price::ZERO || limit >= Price::ONE {
            return Err(Refusal::NoDepth);
        }
        self.afford(config, hit.other(), worst.complement(), size, None)?;
        Ok(Plan::Take { intent, limit, size })
    }

    fn plan_quote(
        &self,
        decision: &Decision,
        config: &EnvConfig,
        side: Side,
        placement: Placement,
        size: Qty,
    ) -> Result<Plan, Refusal> {
        let contra = two_sided(decision)?[side.other().index()];
        let best = self.best_of_others(decision, side).ok_or(Refusal::NoRoom)?;
        let price = match placement {
            Placement::Join => best,
            Placement::Improve => {
                let tick = tick_above(side, best, &self.ticks).ok_or(Refusal::NoRoom)?;
                Price::new(best.e4() + tick).ok_or(Refusal::NoRoom)?
            }
        };
        if price <= Price::ZERO || price >= contra.complement() {
            return Err(Refusal::NoRoom);
        }
        let replaced = self.own.quotes[side.index()];
        if replaced
            .is_some_and(|own| own.intent.resting_price(own.price) == price && own.left() == size)
        {
            return Err(Refusal::SameQuote);
        }
        self.afford(config, side, price, size, replaced)?;
        Ok(Plan::Quote { side, price, size })
    }

    /// The best bid of somebody else: elsewhere the book shows our own quote as well.
    fn best_of_others(&self, decision: &Decision, side: Side) -> Option<Price> {
        let own = self.own.quotes[side.index()].filter(|own| self.remote && own.rests);
        let own = own.map(|own| (own.intent.resting_price(own.price), own.left()));
        let theirs = |level: &&(Price, Qty)| match own {
            Some((price, left)) if price == level.0 => level.1 > left,
            _ => level.1 > Qty::ZERO,
        };
        decision.bids[side.index()].iter().find(theirs).map(|level| level.0)
    }

    /// Whether limit and cash bear `size` more contracts of `side` at `price`, beside all that may still
    /// fill. While `replaced` becomes the new order, either of the two may fill.
    fn afford(
        &self,
        config: &EnvConfig,
        side: Side,
        price: Price,
        size: Qty,
        replaced: Option<Own>,
    ) -> Result<(), Refusal> {
        let old = replaced.map_or((price, Qty::ZERO), |own| own.exposure());
        let others = self.own.exposure(side).unwrap_or((price, Qty::ZERO));
        let qty = others.1 - old.1 + size.max(old.1);
        let towards = self.towards(side);
        if towards + qty > config.limit {
            return Err(Refusal::Limit);
        }
        let need = reserve(&self.matcher.rules().fees, price.max(others.0), qty, towards);
        let short = need + self.held_for(side.other()) - self.portfolio.cash();
        if short > Money::ZERO { Err(Refusal::Cash(Refused { short })) } else { Ok(()) }
    }

    /// Cash held by what may still fill by adding to `side`.
    pub(super) fn held_for(&self, side: Side) -> Money {
        self.own.exposure(side).map_or(Money::ZERO, |(price, qty)| {
            reserve(&self.matcher.rules().fees, price, qty, self.towards(side))
        })
    }

    /// What a request asks for; `None` for a cancel.
    pub fn wish(&self, request: &Request) -> Option<Wish> {
        let (intent, price, qty, replaced) = match *request {
            Request::Submit { order, .. } => (order.intent, order.price, order.qty, None),
            Request::Amend { id, amend: Amend::Replace { price, count, .. } } => {
                let own = self.own.quotes.iter().flatten().find(|own| own.id == id)?;
                (own.intent, price, count - own.filled, Some(own))
            }
            Request::Amend { .. } | Request::Cancel { .. } => return None,
        };
        let side = intent.rests();
        let others = self.own.exposure(side).map_or(Qty::ZERO, |others| others.1);
        let beside = others - replaced.map_or(Qty::ZERO, |own| own.exposure().1);
        Some(Wish { side, price: intent.resting_price(price), qty, beside })
    }

    /// Gives the position up, at any displayed price and at most `most` contracts at a time.
    pub(super) fn plan_exit(&self, decision: &Decision, most: Qty) -> Option<Plan> {
        let position = self.portfolio.position();
        let side = if position > Qty::ZERO { Side::Yes } else { Side::No };
        let shown = decision.bids[side.index()].iter().take_while(|level| level.1 > Qty::ZERO);
        let limit = shown.last()?.0;
        let intent = Intent { side, verb: Verb::Sell };
        let size = Qty(position.e2().abs()).min(most);
        (size > Qty::ZERO).then_some(Plan::Take { intent, limit, size })
    }

    fn towards(&self, side: Side) -> Qty {
        match side {
            Side::Yes => self.portfolio.position(),
            Side::No => -self.portfolio.position(),
        }
    }

    /// The requests of a plan.
    pub(super) fn requests(&mut self, plan: Plan, sent: &mut Vec<Request>) {
        match plan {
            Plan::Hold => {}
            Plan::Take { intent, limit, size } => {
                let id = self.own.new_id();
                let order = order(intent, limit, size, TimeInForce::ImmediateOrCancel);
                sent.push(Request::Submit { id, order });
            }
            Plan::Quote { side, price, size } => {
                let quote = match self.own.quotes[side.index()] {
                    // The place in the queue is lost either way, and a cancel is understood everywhere.
                    Some(Own { id, .. }) if self.remote => Request::Cancel { id },
                    Some(Own { id, filled, .. }) => {
                        let count = filled + size;
                        let amend = Amend::Replace { price, count, expires: None };
                        Request::Amend { id, amend }
                    }
                    None => {
                        let intent = Intent { side, verb: Verb::Buy };
                        let order = order(intent, price, size, TimeInForce::GoodTillCanceled);
                        Request::Submit { id: self.own.new_id(), order }
                    }
                };
                sent.push(quote);
            }
            Plan::CancelAll => {
                let quotes = self.own.quotes.iter().flatten();
                sent.extend(quotes.map(|own| Request::Cancel { id: own.id }));
            }
        }
    }
}

fn order(intent: Intent, price: Price, qty: Qty, time_in_force: TimeInForce) -> NewOrder {
    NewOrder {
        intent,
        price,
        qty,
        time_in_force,
        expires: None,
        post_only: time_in_force == TimeInForce::GoodTillCanceled,
        reduce_only: false,
        self_trade: SelfTradePrevention::TakerAtCross,
    }
}

/// Best YES and NO bid of a book with both.
#[inline]
fn two_sided(decision: &Decision) -> Result<[Price; 2], Refusal> {
    match touch(decision) {
        [Some(yes), Some(no)] => Ok([yes, no]),
        _ => Err(Refusal::OneSided),
    }
}

/// Distance from `price` of `side` to the next better price, 1e-4 dollars; a cent where the grid is unknown.
fn tick_above(side: Side, price: Price, ticks: &[TickRange]) -> Option<i64> {
    if ticks.is_empty() {
        return Some(100);
    }
    // The grid is on the YES axis, where a better NO bid is a lower ask.
    let range = match side {
        Side::Yes => ticks.iter().find(|t| t.start <= price && price < t.end),
        Side::No => {
            let ask = price.complement();
            ticks.iter().find(|t| t.start < ask && ask <= t.end)
        }
    };
    range.map(|t| t.step.e4()).filter(|step| *step > 0)
}
