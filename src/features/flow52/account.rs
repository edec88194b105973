//! The account part: values 43 to 51 (specification, section 5).

use super::ONE;
use super::constants::*;
use crate::features::account::{AccountView, OwnOrder};
use crate::features::scale::ln_scaled;
use crate::units::{Price, Qty};

/// Writes the 9 values of `view`.
pub(in crate::features) fn write_account(view: &AccountView<'_>, out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(account_values(view)) {
        *out = value as f32;
    }
}

fn account_values(view: &AccountView<'_>) -> [f64; 9] {
    let held = view.held_e2();
    // Half price units and half micro-dollars keep the mid exact.
    let (mid2, dollar2) = (i128::from(view.mid2), i128::from(2 * ONE));
    let value2 = held * if view.pos_e2 > 0 { mid2 } else { dollar2 - mid2 };
    let profit2 = (value2 - 2 * view.paid_e6()) as f64;
    let equity2 = 2 * i128::from(view.cash_e6) + value2;
    let floor2 = EQUITY_MIN2 as i128;
    let equity_min2 = equity2.max(floor2) as f64;
    let peak2 = equity2.max(2 * i128::from(view.peak_equity_e6)).max(floor2);
    let free2 = 2 * (i128::from(view.cash_e6) - i128::from(view.reserved_e6));

    let (edge, unrealised, age) = if held == 0 {
        (0.0, 0.0, 0.0)
    } else {
        let age_ms = view.t_open_ms.map_or(0, |t| view.t_ms.saturating_sub(t).max(0));
        (
            (profit2 / held as f64 / 200.0 / ENTRY_SCALE).tanh(),
            (profit2 / equity_min2 * PROFIT_GAIN).tanh(),
            ln_scaled(age_ms as f64 / 1_000.0, POSITION_AGE_CAP_S),
        )
    };
    let (bid, ask) = nearest_orders(view);
    let nearer = match (bid, ask) {
        (Some(b), Some(a)) => Some(if b.distance <= a.distance { b } else { a }),
        (b, a) => b.or(a),
    };
    [
        (view.pos_e2 as f64 / view.limit_e2.max(1) as f64).clamp(-1.0, 1.0), // 43 position
        edge,                                                                // 44 entry_edge
        unrealised,                                                          // 45 unrealised
        (free2 as f64 / equity_min2).clamp(0.0, 1.0),                        // 46 free_cash
        ((peak2 - equity2) as f64 / peak2 as f64 * DRAWDOWN_GAIN).tanh(),    // 47 drawdown
        bid.map_or(0.0, Near::proximity),                                    // 48 own_bid_proximity
        ask.map_or(0.0, Near::proximity),                                    // 49 own_ask_proximity
        nearer.map_or(0.0, Near::priority),                                  // 50 queue_priority
        age,                                                                 // 51 position_age
    ]
}

/// An own order against the touch; ordered by distance, then queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Near {
    /// 1e-4 dollars behind the touch; negative inside the spread.
    distance: i64,
    ahead: Qty,
    level: Qty,
}

impl Near {
    /// Logistic: at the touch 0.5, improving on it above.
    fn proximity(self) -> f64 {
        1.0 / (1.0 + (self.distance as f64 / ORDER_SCALE_E4).exp())
    }

    /// 1 at the front of the queue, 0 at its end.
    fn priority(self) -> f64 {
        let level = self.level.max(self.ahead);
        if level == Qty::ZERO { 1.0 } else { 1.0 - self.ahead.e2() as f64 / level.e2() as f64 }
    }
}

/// The own orders nearest to the touch: (bid side, ask side) of the YES axis.
fn nearest_orders(view: &AccountView<'_>) -> (Option<Near>, Option<Near>) {
    let bid = view.bid.map_or(0, Price::e4);
    let ask = view.ask.map_or(ONE, Price::e4);
    let live = || view.orders.iter().filter(|o| o.remaining > Qty::ZERO);
    let near = |o: &OwnOrder, distance| Near { distance, ahead: o.ahead, level: o.level };
    (
        live().filter(|o| o.is_yes_bid()).map(|o| near(o, bid - o.yes_price().e4())).min(),
        live().filter(|o| !o.is_yes_bid()).map(|o| near(o, o.yes_price().e4() - ask)).min(),
    )
}
