//! The account part: values 36 to 51.

use super::constants::*;
use super::delivered;
use super::view::cents;
use crate::features::account::{AccountView, Action, OwnOrder};
use crate::units::Qty;

const E6_PER_CENT: f64 = 10_000.0;

/// Cash and the one position, in contracts and cents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portfolio {
    /// Contracts; NO is negative.
    pub(crate) position: f64,
    /// What the position cost.
    pub(crate) cost_basis: f64,
    /// All cash.
    pub(crate) cash: f64,
    /// Cash and position together.
    pub(crate) value: f64,
}

/// Writes the 16 values of `view`.
pub(in crate::features) fn write_account(view: &AccountView<'_>, out: &mut [f32]) {
    let mid = match (view.bid, view.ask) {
        (Some(bid), Some(ask)) => Some((cents(bid) + cents(ask)) / 2.0),
        _ => None,
    };
    let position = view.pos_e2 as f64 / 100.0;
    let cash = view.cash_e6 as f64 / E6_PER_CENT;
    let value = cash + position_value(position, mid);
    let cost_basis = if view.pos_e2 == 0 { 0.0 } else { view.paid_e6() as f64 / E6_PER_CENT };
    let portfolio = Portfolio { position, cost_basis, cash, value };
    let values = account_values(&portfolio, mid, view.orders, view.t_ms);
    for (out, value) in out.iter_mut().zip(values) {
        *out = value as f32;
    }
}

/// Values 36 to 51; `mid` is the YES mid in cents where both sides have a level, `orders` are oldest
/// first.
pub(crate) fn account_values(
    portfolio: &Portfolio,
    mid: Option<f64>,
    orders: &[OwnOrder],
    t_ms: i64,
) -> [f64; 16] {
    let mut x = [0.0; 16];
    x[0..11].copy_from_slice(&portfolio_values(portfolio, mid));
    x[11..16].copy_from_slice(&order_values(mid, orders, t_ms));
    x.map(delivered)
}

/// What the position is worth in cents: NO at the NO mid, which is what the original got wrong.
fn position_value(position: f64, mid: Option<f64>) -> f64 {
    let margin = 100.0 * MID_MARGIN;
    let yes = mid.map_or(100.0 * DEFAULT_PRICE, |mid| mid.clamp(margin, 100.0 - margin));
    position.abs() * if position > 0.0 { yes } else { 100.0 - yes }
}

fn portfolio_values(portfolio: &Portfolio, mid: Option<f64>) -> [f64; 11] {
    let Portfolio { position, cost_basis, cash, value } = *portfolio;
    let mut x = [0.0; 11];
    if value <= PORTFOLIO_MIN {
        x[0] = 1.0;
        return x;
    }
    x[0] = (cash / value).clamp(0.0, 1.0); // 36 cash_ratio
    x[1] = ((value - cash) / value).clamp(0.0, 1.0); // 37 position_ratio
    if position == 0.0 {
        return x;
    }
    let held = position_value(position, mid);
    let size = (position.abs() / POSITION_CAP).min(1.0);
    x[2] = 1.0 / POSITION_COUNT_CAP; // 38 position_count_norm
    x[3] = size; // 39 average_position_size_norm
    x[4] = f64::from(u8::from(position > 0.0)); // 40 long_position_ratio
    x[5] = f64::from(u8::from(position < 0.0)); // 41 short_position_ratio
    x[6] = position.signum().tanh(); // 42 net_position_bias
    x[7] = (held / value).min(1.0); // 43 position_concentration
    x[8] = size; // 44 largest_position_norm
    x[9] = ((held - cost_basis) / value).tanh(); // 45 unrealized_pnl_ratio
    x[10] = (held / value).min(LEVERAGE_CAP) / LEVERAGE_CAP; // 46 leverage
    x
}

fn order_values(mid: Option<f64>, orders: &[OwnOrder], t_ms: i64) -> [f64; 5] {
    let yes_mid = mid.unwrap_or(100.0 * DEFAULT_PRICE);
    let live = || orders.iter().filter(|o| o.remaining > Qty::ZERO);
    let oldest = |action: Action| live().find(|o| o.action == action);
    let flag = |order: Option<&OwnOrder>| f64::from(u8::from(order.is_some()));
    let distance = |order: Option<&OwnOrder>| {
        order.map_or(0.0, |o| ((yes_mid - cents(o.yes_price())).abs() / 100.0).min(1.0))
    };
    let age_s = |o: &OwnOrder| (t_ms.saturating_sub(o.placed_ms)).max(0) as f64 / 1_000.0;
    let (buy, sell) = (oldest(Action::Buy), oldest(Action::Sell));
    [
        flag(buy),                                                           // 47 has_open_buy
        flag(sell),                                                          // 48 has_open_sell
        distance(buy),  // 49 buy_distance_from_mid
        distance(sell), // 50 sell_distance_from_mid
        live().next_back().map_or(0.0, |o| (age_s(o) / GAP_CAP_S).min(1.0)), // 51 time_since_order
    ]
}
