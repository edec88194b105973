//! An account in one market: ledger, what we took from the book, and the orders that are allowed.
//!
//! An order is a marketable limit at the last displayed level ([`FILL_LEVELS`] deep): it walks the
//! displayed depth up to its whole size and fills in part where the depth ends. It is allowed when the
//! book has both sides, at least something is left to take, the position afterwards is inside the
//! limit, and the cash pays every fill of that walk with collateral and fees. The mask and the fill
//! are computed by the same function, so an allowed order is never refused.
//!
//! **Invariant:** training, evaluation and paper trading trade through this one type.
//! **Invariant:** observation, mask and fill at a decision depend on nothing recorded after it.
//! **Invariant:** nothing here allocates.
//!
//! [`FILL_LEVELS`]: crate::features::episode::FILL_LEVELS

use super::{EnvConfig, Refusal};
use crate::broker::{Intent, OrderFees, Portfolio, Refused, Role, Taken};
use crate::features::account::{AccountView, write_account};
use crate::features::episode::{Decision, TapeEvent, TapeKind};
use crate::units::{Money, Price, Qty, Side};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// The places where a mistake would print money. [`Exact`] is how it is; tests put known mistakes here
/// and the exploit alarm must find each of them.
pub trait Rules: Copy + std::fmt::Debug {
    /// The price, on the order's own scale, of a fill against a bid.
    fn price(intent: Intent, bid: Price) -> Price {
        intent.price_against(bid)
    }

    /// Books a fill.
    ///
    /// # Errors
    /// [`Refused`] when the cash does not suffice.
    fn fill(
        portfolio: &mut Portfolio,
        intent: Intent,
        price: Price,
        qty: Qty,
        fee: Money,
    ) -> Result<(), Refused> {
        portfolio.fill(intent, price, qty, fee)
    }

    /// Pays out the position when YES settled at `value`.
    fn settle(portfolio: &mut Portfolio, value: Price) {
        portfolio.settle(value);
    }
}

/// The rules of the exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exact;

impl Rules for Exact {}

/// Cash and position of one agent in one market. The configuration is handed in with each call and must be
/// the one that it began with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Account<R: Rules = Exact> {
    portfolio: Portfolio,
    taken: Taken,
    equity: Money,
    peak: Money,
    max_drawdown: Money,
    /// When the position last left zero or changed sign, exchange milliseconds; `None` when flat.
    opened_ms: Option<i64>,
    orders: u64,
    notional: Money,
    #[serde(skip)]
    rules: PhantomData<R>,
}

impl<R: Rules> Account<R> {
    /// A flat account.
    pub fn new(config: &EnvConfig) -> Account<R> {
        Account {
            portfolio: Portfolio::new(config.start_cash),
            taken: Taken::default(),
            equity: config.start_cash,
            peak: config.start_cash,
            max_drawdown: Money::ZERO,
            opened_ms: None,
            orders: 0,
            notional: Money::ZERO,
            rules: PhantomData,
        }
    }

    /// Back to a flat account, reusing the memory.
    pub fn restart(&mut self, config: &EnvConfig) {
        let mut taken = std::mem::take(&mut self.taken);
        taken.clear();
        *self = Account { taken, ..Account::new(config) };
    }

    /// The ledger.
    pub fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }

    /// Cash and the position marked at the touch (settled: cash).
    pub fn equity(&self) -> Money {
        self.equity
    }

    /// Largest fall of equity from an earlier peak so far.
    pub fn max_drawdown(&self) -> Money {
        self.max_drawdown
    }

    /// Orders that filled, at least in part.
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// Dollars that changed hands: price times quantity over all fills, on the scale of the contract ordered.
    pub fn notional(&self) -> Money {
        self.notional
    }

    /// Writes the observation at `decision`: `row`, its market part, then the account part.
    pub fn observe(&self, decision: &Decision, row: &[f32], config: &EnvConfig, obs: &mut [f32]) {
        let (market, account) = obs.split_at_mut(row.len());
        market.copy_from_slice(row);
        let [yes_bid, no_bid] = touch(decision);
        let position = self.portfolio.position();
        let basis_e6 = self.portfolio.basis().e6();
        let view = AccountView {
            t_ms: decision.ts_ms,
            bid: yes_bid,
            ask: no_bid.map(Price::complement),
            mid2: decision.mid2.into(),
            pos_e2: position.e2(),
            limit_e2: config.limit.e2(),
            // On the YES axis: a NO bought at q stands at 1 - q.
            entry_cost_e6: match position.e2() {
                n if n < 0 => Price::ONE.times(-position).e6() - basis_e6,
                _ => basis_e6,
            },
            cash_e6: self.portfolio.cash().e6(),
            reserved_e6: 0,
            peak_equity_e6: self.peak.e6(),
            t_open_ms: self.opened_ms,
            orders: &[],
        };
        write_account(config.layout, &view, account);
    }

    /// Writes which actions are allowed at `decision`.
    pub fn mask(&self, decision: &Decision, config: &EnvConfig, mask: &mut [bool]) {
        for (action, allowed) in mask.iter_mut().enumerate() {
            *allowed = match config.actions.order(action as u32) {
                Some((intent, size)) => self.plan(decision, config, intent, size).is_ok(),
                None => true,
            };
        }
    }

    /// Performs an action at `decision`; true if it was an order.
    ///
    /// # Errors
    /// [`Refusal`] when the mask forbids the action; nothing changed.
    pub fn act(
        &mut self,
        decision: &Decision,
        config: &EnvConfig,
        action: u32,
    ) -> Result<bool, Refusal> {
        if action as usize >= config.actions.len() {
            return Err(Refusal::Unknown(action));
        }
        let Some((intent, size)) = config.actions.order(action) else { return Ok(false) };
        let plan = self.plan(decision, config, intent, size)?;
        self.carry_out(decision, intent, size, plan);
        Ok(true)
    }

    /// What the market did after a decision.
    #[inline]
    pub fn see(&mut self, events: &[TapeEvent]) {
        if self.taken.is_empty() {
            return;
        }
        for event in events {
            match event.kind {
                TapeKind::Delta => self.taken.refresh(event.side, event.price),
                TapeKind::Snapshot => self.taken.clear(),
                TapeKind::Trade => {}
            }
        }
    }

    /// Marks the position at the touch of `decision`; how much equity grew.
    pub fn mark(&mut self, decision: &Decision) -> Money {
        let [yes_bid, no_bid] = touch(decision);
        let before = self.equity;
        self.equity = self.portfolio.equity(yes_bid, no_bid);
        self.peak = self.peak.max(self.equity);
        self.max_drawdown = self.max_drawdown.max(self.peak - self.equity);
        self.equity - before
    }

    /// Pays the position out when YES settled at `value`; [`Account::mark`] then tells the equity.
    pub fn settle(&mut self, value: Price) {
        R::settle(&mut self.portfolio, value);
        self.opened_ms = None;
    }

    /// What an order would do, if it is allowed.
    #[inline]
    fn plan(
        &self,
        decision: &Decision,
        config: &EnvConfig,
        intent: Intent,
        size: Qty,
    ) -> Result<Plan, Refusal> {
        if touch(decision).iter().any(Option::is_none) {
            return Err(Refusal::OneSided);
        }
        let side = intent.hits();
        let mut plan = Plan { portfolio: self.portfolio, notional: Money::ZERO };
        let mut fees = OrderFees::default();
        for (bid, qty) in self.taken.sweep(side, &decision.bids[side.index()], size) {
            let price = R::price(intent, bid);
            let fee = fees.fill(&config.fees, Role::Taker, intent, price, qty).net;
            R::fill(&mut plan.portfolio, intent, price, qty, fee)?;
            plan.notional += price.times(qty);
        }
        let position = plan.portfolio.position();
        if position == self.portfolio.position() {
            Err(Refusal::NoDepth)
        } else if position.e2().abs() > config.limit.e2() {
            Err(Refusal::Limit)
        } else {
            Ok(plan)
        }
    }

    /// Carries out what was planned.
    fn carry_out(&mut self, decision: &Decision, intent: Intent, size: Qty, plan: Plan) {
        let side = intent.hits();
        self.taken.take(side, &decision.bids[side.index()], size);
        let before = self.portfolio.position().e2().signum();
        let after = plan.portfolio.position().e2().signum();
        if after != before {
            self.opened_ms = (after != 0).then_some(decision.ts_ms);
        }
        self.portfolio = plan.portfolio;
        self.notional += plan.notional;
        self.orders += 1;
    }
}

/// What an order would leave behind.
struct Plan {
    portfolio: Portfolio,
    notional: Money,
}

/// Best YES bid and best NO bid.
#[inline]
fn touch(decision: &Decision) -> [Option<Price>; 2] {
    [Side::Yes, Side::No].map(|side| {
        let (price, size) = decision.bids[side.index()][0];
        (size > Qty::ZERO).then_some(price)
    })
}
