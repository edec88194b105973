//! The account part of an observation: what the agent holds, owes and has resting.
//!
//! One plain view of integers serves both layouts. The environment and a live session fill it from
//! the same ledger, so training and trading cannot see an account differently.
//!
//! **Invariant:** nothing is allocated; the result depends on the view alone.

use super::{Layout, flow52, kalshiflow52};
use crate::units::{Price, Qty, Side};

/// The integers that both layouts compute their account part from.
#[derive(Clone, Copy, Debug)]
pub struct AccountView<'a> {
    /// Time of the decision, exchange milliseconds.
    pub t_ms: i64,
    /// Best YES bid.
    pub bid: Option<Price>,
    /// Best YES ask.
    pub ask: Option<Price>,
    /// [`crate::features::Row::mid2`].
    pub mid2: i64,
    /// Position, 1e-2 contracts; NO is negative.
    pub pos_e2: i64,
    /// Position limit, 1e-2 contracts, positive.
    pub limit_e2: i64,
    /// Sum over the open position of YES-axis entry price x size, 1e-6 dollars, fees apart: a NO
    /// bought at q has the YES-axis price 1 - q.
    pub entry_cost_e6: i64,
    /// All cash, that held by resting orders included, 1e-6 dollars.
    pub cash_e6: i64,
    /// Cash held by resting orders, 1e-6 dollars.
    pub reserved_e6: i64,
    /// Highest equity so far, 1e-6 dollars.
    pub peak_equity_e6: i64,
    /// When the position last left zero or changed sign, exchange milliseconds; `None` when flat.
    pub t_open_ms: Option<i64>,
    /// Own resting orders, oldest first.
    pub orders: &'a [OwnOrder],
}

/// Buy or sell, of one contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pays for contracts.
    Buy,
    /// Gives contracts.
    Sell,
}

/// An own resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOrder {
    /// Which contract.
    pub contract: Side,
    /// Which way.
    pub action: Action,
    /// Limit, on the contract's own price axis.
    pub price: Price,
    /// Contracts still to be filled; an order with none is ignored.
    pub remaining: Qty,
    /// Contracts estimated to stand before it in the queue.
    pub ahead: Qty,
    /// Contracts that the public book shows at its price, own size taken out.
    pub level: Qty,
    /// When it was placed, exchange milliseconds.
    pub placed_ms: i64,
}

impl OwnOrder {
    /// True for what buys YES or sells NO: it rests on the bid side of the YES axis.
    pub fn is_yes_bid(&self) -> bool {
        (self.contract == Side::Yes) == (self.action == Action::Buy)
    }

    /// The limit on the YES axis.
    pub fn yes_price(&self) -> Price {
        match self.contract {
            Side::Yes => self.price,
            Side::No => self.price.complement(),
        }
    }
}

impl AccountView<'static> {
    /// An account that holds nothing but cash, beside a book without a level.
    pub const fn flat(cash_e6: i64) -> AccountView<'static> {
        AccountView {
            t_ms: 0,
            bid: None,
            ask: None,
            mid2: Price::ONE.e4(),
            pos_e2: 0,
            limit_e2: 10_000,
            entry_cost_e6: 0,
            cash_e6,
            reserved_e6: 0,
            peak_equity_e6: cash_e6,
            t_open_ms: None,
            orders: &[],
        }
    }
}

impl AccountView<'_> {
    /// Contracts held, 1e-2, without their sign.
    pub(super) fn held_e2(&self) -> i128 {
        i128::from(self.pos_e2).abs()
    }

    /// What the open position cost on its own axis, 1e-6 dollars.
    pub(super) fn paid_e6(&self) -> i128 {
        let entry = i128::from(self.entry_cost_e6);
        if self.pos_e2 > 0 { entry } else { self.held_e2() * i128::from(Price::ONE.e4()) - entry }
    }
}

/// Writes the account part of `layout` for `view` into `out`, which holds
/// [`Layout::account_len`] values.
pub fn write_account(layout: Layout, view: &AccountView<'_>, out: &mut [f32]) {
    debug_assert_eq!(out.len(), layout.account_len(), "the account part has a fixed length");
    match layout {
        Layout::Flow52V1 => flow52::write_account(view, out),
        Layout::KalshiFlow52V2 => kalshiflow52::write_account(view, out),
    }
}
