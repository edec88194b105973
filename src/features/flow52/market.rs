//! The market part of a row: values 0 to 42, each with its number (specification, section 4).

use super::constants::*;
use super::depth::Depth;
use super::{Flow52, MARKET_LEN, ONE, eastern};
use crate::book::Book;
use crate::features::kernel::Hours;
use crate::features::scale::{imbalance, ln_scaled};
use crate::units::Side;
use std::f64::consts::TAU;

const S1: usize = 0;
const S10: usize = 1;
const S60: usize = 2;

/// Price units (1e-4 dollars) per cent, and sizes (1e-2) per contract.
const PER_CENT: f64 = 100.0;
const PER_CONTRACT: f64 = 100.0;
/// Half price units per cent and per dollar: the unit of `mid2`.
const MID2_PER_CENT: f64 = 200.0;
const MID2_PER_DOLLAR: f64 = 20_000.0;

impl Flow52 {
    /// Values 0 to 42 at `t`, the windows having been advanced to it.
    pub(super) fn market_values(&self, t: i64, book: &Book, hours: Hours) -> [f64; MARKET_LEN] {
        let mut x = [0.0; MARKET_LEN];
        x[0..8].copy_from_slice(&self.touch_values(t, book));
        x[8..20].copy_from_slice(&self.depth_values(book));
        x[20..28].copy_from_slice(&self.trade_values(t));
        x[28..32].copy_from_slice(&self.order_flow_values());
        x[32..38].copy_from_slice(&self.price_values());
        x[38..43].copy_from_slice(&self.time_values(t, hours));
        x
    }

    fn touch_values(&self, t: i64, book: &Book) -> [f64; 8] {
        let touch = &self.touch;
        let mid = self.mid2 as f64 / MID2_PER_DOLLAR;
        let spread_cents = touch.spread() as f64 / PER_CENT;
        let (twap, mean_spread_cents) = match self.quotes.means(t) {
            Some((mid2, spread)) => (mid2 / MID2_PER_DOLLAR, spread / PER_CENT),
            None => (mid, spread_cents),
        };
        [
            mid,                                                   // 0 mid
            4.0 * mid * (1.0 - mid),                               // 1 outcome_variance
            ((mid - twap) * 100.0 / TWAP_SCALE).tanh(),            // 2 mid_minus_twap_60s
            (self.microprice_offset_cents() / MICRO_SCALE).tanh(), // 3 microprice_offset
            ln_scaled(spread_cents, CENT_CAP),                     // 4 spread
            ln_scaled(mean_spread_cents, CENT_CAP),                // 5 mean_spread_60s
            f64::from(u8::from(!book.bids(Side::Yes).is_empty())), // 6 has_bid
            f64::from(u8::from(!book.bids(Side::No).is_empty())),  // 7 has_ask
        ]
    }

    /// Size-weighted price at the touch against mid; 0 unless both sides have size.
    fn microprice_offset_cents(&self) -> f64 {
        let (bid, ask) = (i128::from(self.touch.bid_size), i128::from(self.touch.ask_size));
        if bid == 0 || ask == 0 {
            return 0.0;
        }
        (i128::from(self.touch.spread()) * (bid - ask)) as f64 / (bid + ask) as f64 / MID2_PER_CENT
    }

    fn depth_values(&self, book: &Book) -> [f64; 12] {
        let touch = &self.touch;
        let bids = Depth::of(book.bids(Side::Yes), self.mid2);
        let asks = Depth::of(book.bids(Side::No), 2 * ONE - self.mid2);
        let size = |e2: f64| ln_scaled(e2 / PER_CONTRACT, SIZE_CAP);
        let sweep = |side: &Depth| match side.total {
            0 => 1.0,
            _ => ln_scaled(side.sweep_cents(), CENT_CAP),
        };
        [
            size(touch.bid_size as f64), // 8 bid_touch_size
            size(touch.ask_size as f64), // 9 ask_touch_size
            imbalance(touch.bid_size.into(), touch.ask_size.into()), // 10 imbalance_touch
            imbalance(bids.top3, asks.top3), // 11 imbalance_top3
            imbalance(bids.top5, asks.top5), // 12 imbalance_top5
            imbalance(bids.total, asks.total), // 13 imbalance_all
            size(bids.near as f64),      // 14 bid_depth_5c
            size(asks.near as f64),      // 15 ask_depth_5c
            bids.mean_distance(),        // 16 bid_mean_distance
            asks.mean_distance(),        // 17 ask_mean_distance
            sweep(&bids),                // 18 sell_cost_1000
            sweep(&asks),                // 19 buy_cost_1000
        ]
    }

    fn trade_values(&self, t: i64) -> [f64; 8] {
        let flow = |window: usize, scale: f64| {
            let [signed, ..] = self.trades.sums(window);
            (signed as f64 / PER_CONTRACT / scale).tanh()
        };
        let [_, total, bought] = self.trades.sums(S60).map(|e2| e2 as f64);
        let (last_offset, last_age) = match self.last_trade {
            Some((at, price)) => (
                ((2 * price - self.mid2) as f64 / MID2_PER_CENT / LAST_TRADE_SCALE).tanh(),
                ln_scaled((t - at + 1) as f64, AGE_CAP_MS),
            ),
            None => (0.0, 1.0),
        };
        let touch_e2 = PER_CONTRACT + self.touch.bid_size as f64 + self.touch.ask_size as f64;
        [
            flow(S1, FLOW_SCALE_1S),                                   // 20 taker_flow_1s
            flow(S10, FLOW_SCALE_10S),                                 // 21 taker_flow_10s
            flow(S60, FLOW_SCALE_60S),                                 // 22 taker_flow_60s
            ln_scaled(self.trades.count(S60) as f64, TRADE_COUNT_CAP), // 23 trade_count_60s
            last_offset,                                               // 24 last_trade_minus_mid
            last_age,                                                  // 25 last_trade_age
            if total > 0.0 { bought / total } else { 0.5 },            // 26 taker_buy_share_60s
            ln_scaled(total / touch_e2, RELATIVE_VOLUME_CAP),          // 27 volume_to_touch_60s
        ]
    }

    fn order_flow_values(&self) -> [f64; 4] {
        let [changes_1s, flow_1s] = self.changes.sums(S1).map(|sum| sum as f64);
        let [_, flow_10s] = self.changes.sums(S10).map(|sum| sum as f64);
        let [changes_60s, _] = self.changes.sums(S60).map(|sum| sum as f64);
        [
            (flow_1s / PER_CONTRACT / OFI_SCALE_1S).tanh(), // 28 ofi_1s
            (flow_10s / PER_CONTRACT / OFI_SCALE_10S).tanh(), // 29 ofi_10s
            ln_scaled(changes_1s, RATE_CAP_1S),             // 30 book_rate_1s
            ln_scaled(changes_60s, RATE_CAP_60S),           // 31 book_rate_60s
        ]
    }

    fn price_values(&self) -> [f64; 6] {
        let change = |window: usize, scale: f64| {
            ((self.mid2 - self.quotes.mid2_before(window)) as f64 / MID2_PER_CENT / scale).tanh()
        };
        let volatility = |window| (self.volatility.dollars(window) / VOLATILITY_SCALE).tanh();
        let (low, high) = self.quotes.range();
        [
            change(S1, MOVE_SCALE_1S),   // 32 mid_change_1s
            change(S10, MOVE_SCALE_10S), // 33 mid_change_10s
            change(S60, MOVE_SCALE_60S), // 34 mid_change_60s
            volatility(0),               // 35 volatility_60s
            volatility(1),               // 36 volatility_300s
            ((self.mid2 - low) as f64 + RANGE_PAD) / ((high - low) as f64 + 2.0 * RANGE_PAD), // 37 range_position_300s
        ]
    }

    fn time_values(&self, t: i64, hours: Hours) -> [f64; 5] {
        let to_close = hours.close_ms.map_or(1.0, |close| {
            ln_scaled(close.saturating_sub(t).max(0) as f64 / 1_000.0, CLOSE_CAP_S)
        });
        let elapsed = match (hours.open_ms, hours.close_ms) {
            (Some(open), Some(close)) if close > open => {
                ((t - open) as f64 / (close - open) as f64).clamp(0.0, 1.0)
            }
            _ => 0.0,
        };
        let day = TAU * eastern::day_share(t);
        [
            to_close,                                                     // 38 time_to_close
            elapsed,                                                      // 39 life_elapsed
            day.sin(),                                                    // 40 eastern_sin
            day.cos(),                                                    // 41 eastern_cos
            ln_scaled((t - self.quotes.since(t) + 1) as f64, AGE_CAP_MS), // 42 quote_age
        ]
    }
}
