//! The market part of a row: values 0 to 35, each with its number.

use super::constants::*;
use super::view::{ContractView, View, insert_largest};
use super::{MARKET_LEN, delivered};
use crate::features::scale::ln_scaled;
use std::collections::VecDeque;

const HISTORY_LEN: usize = HISTORY as usize;
const RECENT_LEN: usize = RECENT as usize;
const MS_PER_HOUR: i64 = 3_600_000;

/// One row's place in the history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Exchange time, milliseconds.
    pub(crate) ts_ms: i64,
    /// Seconds since the previous row, 0 for the first.
    pub(crate) gap_s: f64,
    /// Log of the resting volume, scaled.
    pub(crate) activity: f64,
    /// Last change of the mid against the change before it, tanh.
    pub(crate) momentum: f64,
    /// YES mid, cents, where both sides have a level.
    pub(crate) mid: Option<f64>,
}

/// The rows before the current one, newest last, and the last mids.
pub(crate) struct History {
    points: VecDeque<Point>,
    /// Mids of the last three rows that had one, newest last.
    mids: [Option<f64>; 3],
}

impl Default for History {
    fn default() -> History {
        History { points: VecDeque::with_capacity(HISTORY_LEN + 1), mids: [None; 3] }
    }
}

impl History {
    /// Enters the current row.
    pub(crate) fn push(&mut self, point: Point) {
        self.points.push_back(point);
        if self.points.len() > HISTORY_LEN {
            self.points.pop_front();
        }
        self.mids = self.with_mid(point.mid);
    }

    /// Forgets every row.
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.mids = [None; 3];
    }

    /// What the row at `ts_ms` adds to the history.
    pub(super) fn next_point(&self, ts_ms: i64, view: &View) -> Point {
        let mid = view.yes.mid();
        let gap_s = self.points.back().map_or(0.0, |p| (ts_ms - p.ts_ms) as f64 / 1_000.0);
        let activity = (view.volume().ln_1p() / ACTIVITY_SCALE).min(1.0);
        Point { ts_ms, gap_s, activity, momentum: momentum(self.with_mid(mid)), mid }
    }

    fn with_mid(&self, mid: Option<f64>) -> [Option<f64>; 3] {
        match mid {
            Some(_) => [self.mids[1], self.mids[2], mid],
            None => self.mids,
        }
    }

    /// The last `n` rows, oldest first.
    fn last(&self, n: usize) -> impl ExactSizeIterator<Item = &Point> + Clone {
        self.points.iter().skip(self.points.len().saturating_sub(n))
    }
}

/// How much larger the last change of the mid was than the one before; 0 after no change.
fn momentum(mids: [Option<f64>; 3]) -> f64 {
    let [Some(a), Some(b), Some(c)] = mids else { return 0.0 };
    let (before, last) = (b - a, c - b);
    if before.abs() <= MOMENTUM_MIN {
        return 0.0;
    }
    ((last - before) / before.abs()).tanh()
}

/// Values 0 to 35 of the row `point` with the book `view` after `history`.
pub(crate) fn market_values(view: &View, point: &Point, history: &History) -> [f64; MARKET_LEN] {
    let mut x = [0.0; MARKET_LEN];
    x[0..26].copy_from_slice(&book_values(view));
    x[26..36].copy_from_slice(&time_values(point, history));
    x.map(delivered)
}

fn book_values(view: &View) -> [f64; 26] {
    let (yes, no) = (&view.yes, &view.no);
    let price = |best: Option<f64>| best.map_or(DEFAULT_PRICE, |cents| cents / 100.0);
    let clipped = |c: &ContractView| mid(c).clamp(MID_MARGIN, 1.0 - MID_MARGIN);
    let volume = view.volume();
    let bids = yes.bids.total + no.bids.total;
    let asks = yes.asks.total + no.asks.total;
    let consistency = match (yes.bids.best, no.asks.best) {
        (Some(bid), Some(ask)) => (bid + ask - 100.0).abs() / 100.0,
        _ => 0.5,
    };
    [
        price(yes.bids.best),                         // 0 best_yes_bid_norm
        price(yes.asks.best),                         // 1 best_yes_ask_norm
        price(no.bids.best),                          // 2 best_no_bid_norm
        price(no.asks.best),                          // 3 best_no_ask_norm
        clipped(yes),                                 // 4 yes_mid_price_norm
        clipped(no),                                  // 5 no_mid_price_norm
        spread(yes) / 100.0,                          // 6 yes_spread_cents
        spread(no) / 100.0,                           // 7 no_spread_cents
        spread(yes) / (100.0 * mid(yes)),             // 8 yes_spread_pct
        spread(no) / (100.0 * mid(no)),               // 9 no_spread_pct
        regime(spread(yes)),                          // 10 yes_spread_regime
        regime(spread(no)),                           // 11 no_spread_regime
        spread(yes) / 100.0,                          // 12 yes_breakeven_move
        spread(no) / 100.0,                           // 13 no_breakeven_move
        ln_scaled(volume, VOLUME_CAP),                // 14 total_volume_norm
        share(yes.total(), no.total()),               // 15 volume_imbalance
        share(yes.bids.total, yes.asks.total),        // 16 yes_side_imbalance
        share(no.bids.total, no.asks.total),          // 17 no_side_imbalance
        (0.5 * (bids.ln_1p() - asks.ln_1p())).tanh(), // 18 bid_ask_depth_ratio
        consistency,                                  // 19 yes_no_consistency
        microprice(yes),                              // 20 yes_microprice_norm
        microprice(no),                               // 21 no_microprice_norm
        depth(yes),                                   // 22 yes_book_depth_norm
        depth(no),                                    // 23 no_book_depth_norm
        concentration(yes),                           // 24 yes_liquidity_concentration
        concentration(no),                            // 25 no_liquidity_concentration
    ]
}

fn spread(contract: &ContractView) -> f64 {
    contract.spread().unwrap_or(DEFAULT_SPREAD)
}

/// Mid as a probability, 0.5 where a side is missing.
fn mid(contract: &ContractView) -> f64 {
    contract.mid().map_or(DEFAULT_PRICE, |cents| cents / 100.0)
}

fn regime(spread_cents: f64) -> f64 {
    let steps = [2.0, 5.0, 10.0, 20.0].into_iter().filter(|limit| spread_cents >= *limit).count();
    steps as f64 / 4.0
}

/// (a - b) / (a + b), 0 where there is nothing.
fn share(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { (a - b) / (a + b) } else { 0.0 }
}

fn microprice(contract: &ContractView) -> f64 {
    let ContractView { bids, asks } = contract;
    match (bids.best, asks.best) {
        (Some(bid), Some(ask)) if contract.total() > 0.0 => {
            (bid * asks.total + ask * bids.total) / contract.total() / 100.0
        }
        _ => mid(contract),
    }
}

fn depth(contract: &ContractView) -> f64 {
    (contract.bids.levels + contract.asks.levels).min(LEVELS_CAP) / LEVELS_CAP
}

fn concentration(contract: &ContractView) -> f64 {
    if contract.total() <= 0.0 {
        return 0.5;
    }
    let mut largest = contract.bids.largest;
    contract.asks.largest.iter().for_each(|size| insert_largest(&mut largest, *size));
    largest.iter().sum::<f64>() / contract.total()
}

fn time_values(point: &Point, history: &History) -> [f64; 10] {
    let hour = point.ts_ms.div_euclid(MS_PER_HOUR).rem_euclid(24) as f64;
    let in_day = (DAY_FROM_H..=DAY_TO_H).contains(&hour);
    let time_of_day = if in_day { (hour - DAY_FROM_H) / (DAY_TO_H - DAY_FROM_H) } else { 0.0 };
    let change = history.points.back().map_or(0.0, |last| (point.activity - last.activity).tanh());

    // The activities of the history and of the current row, oldest first.
    let mut window = [point.activity; HISTORY_LEN + 1];
    for (slot, past) in window.iter_mut().zip(&history.points) {
        *slot = past.activity;
    }
    let window = &window[..=history.points.len()];
    [
        (point.gap_s.max(0.0) / GAP_CAP_S).min(1.0), // 26 time_since_last_update
        time_of_day,                                 // 27 time_of_day_norm
        point.activity,                              // 28 current_activity_score
        change,                                      // 29 activity_change
        frequency(point, history),                   // 30 update_frequency
        burst(point.activity, window),               // 31 activity_burst_indicator
        trend(window),                               // 32 activity_trend
        point.momentum,                              // 33 price_momentum
        volatility(point, history),                  // 34 volatility_regime
        stability(history),                          // 35 price_stability
    ]
}

fn frequency(point: &Point, history: &History) -> f64 {
    let recent = history.last(RECENT_LEN);
    let (n, Some(oldest)) = (recent.len(), recent.clone().next()) else { return SHORT_HISTORY };
    if n < 2 {
        return SHORT_HISTORY;
    }
    let seconds = ((point.ts_ms - oldest.ts_ms) as f64 / 1_000.0).max(1.0);
    (n as f64 / seconds / FREQUENCY_CAP).min(1.0)
}

fn burst(activity: f64, window: &[f64]) -> f64 {
    if window.len() < 3 {
        return 0.0;
    }
    let values = window.iter().copied();
    let limit = mean(values.clone()) + BURST_SIGMAS * deviation(values) + BURST_TOLERANCE;
    f64::from(u8::from(activity > limit))
}

/// Least-squares slope of the activity over the rows.
fn trend(window: &[f64]) -> f64 {
    if window.len() < 5 {
        return 0.0;
    }
    let centre = (window.len() - 1) as f64 / 2.0;
    let level = mean(window.iter().copied());
    let (mut rise, mut run) = (0.0, 0.0);
    for (i, value) in window.iter().enumerate() {
        let x = i as f64 - centre;
        rise += x * (value - level);
        run += x * x;
    }
    (TREND_GAIN * rise / run).tanh()
}

fn volatility(point: &Point, history: &History) -> f64 {
    if history.points.len() < RECENT_LEN {
        return SHORT_HISTORY;
    }
    let changes = moves(history.last(RECENT_LEN).chain(std::iter::once(point)));
    if changes.clone().next().is_none() {
        return SHORT_HISTORY;
    }
    (deviation(changes) / MOVE_CAP).min(1.0)
}

/// The current move is not part of it: the original compared rows of its history only.
fn stability(history: &History) -> f64 {
    let changes = moves(history.last(4));
    if history.points.len() < 3 || changes.clone().next().is_none() {
        return 0.5;
    }
    (1.0 - mean(changes) / MOVE_CAP).max(0.0)
}

/// Absolute changes of the mid, in cents, between neighbours that both have one.
fn moves<'a>(points: impl Iterator<Item = &'a Point> + Clone) -> impl Iterator<Item = f64> + Clone {
    let next = points.clone().skip(1);
    points.zip(next).filter_map(|(a, b)| Some((b.mid? - a.mid?).abs()))
}

/// Mean; NaN without a value.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    sum / n
}

/// Population standard deviation; NaN without a value.
fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let centre = mean(values.clone());
    mean(values.map(|v| (v - centre) * (v - centre))).sqrt()
}
