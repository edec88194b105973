//! Price and spread of the market that is looked at, over time.

use super::Paint;
use super::chart::{Plot, Series};
use crate::dash::market::Point;
use crate::dash::panes::{Pane, Screen};
use crate::units::{Price, TsNs};
use crate::view::text::of_span;
use ratatui::layout::Rect;
use std::collections::VecDeque;

/// Rows that the spread needs beside the price.
const SPREAD_ROWS: u16 = 3;

/// Draws bid and ask, and the spread below where there is room.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let span_s = state.window_s();
    let market = state.desk().market();
    let from = TsNs(p.now.0 - span_s * 1_000_000_000);
    let shown = market.map_or_else(Vec::new, |market| window(&market.curve, from));
    // What is drawn may begin later than asked for.
    let drawn_s = shown.first().map_or(span_s, |first| (p.now.0 - first.at.0) / 1_000_000_000);
    let turns =
        if state.screen == Screen::Live && area.width > 40 { ", +/- changes it" } else { "" };
    let inner = p.frame(Pane::Curve, area, &format!("{}{turns}", of_span(drawn_s.min(span_s))));
    if market.is_none() {
        return p.marketless(inner);
    }
    let seconds = |point: &Point| (point.at.0 - p.now.0) as f64 / 1e9;
    let line = |pick: fn(&Point) -> Option<f64>| -> Vec<(f64, f64)> {
        let mut all: Vec<(f64, f64)> = Vec::with_capacity(2 * shown.len() + 1);
        for point in &shown {
            // It stays as it was until it changes.
            all.extend(all.last().map(|(_, y)| (seconds(point), *y)));
            all.push((seconds(point), pick(point).unwrap_or(f64::NAN)));
        }
        all.extend(all.last().map(|(_, y)| (0.0, *y)));
        all
    };
    let bid = line(|point| point.bid.map(Price::prob));
    let ask = line(|point| point.ask.map(Price::prob));
    let spread = line(|point| Some(point.ask?.prob() - point.bid?.prob()));
    let below = if inner.height > 2 * SPREAD_ROWS { SPREAD_ROWS } else { 0 };
    let above = Rect { height: inner.height - below, ..inner };
    let series = [Series::new(&bid, p.theme.bid()), Series::new(&ask, p.theme.ask())];
    Plot { area: above, label: |v: f64| format!("{v:.3}") }.draw(p, &series);
    let under = Rect { y: inner.y + above.height, height: below, ..inner };
    let series = [Series::new(&spread, p.theme.dim())];
    Plot { area: under, label: |v: f64| format!("{:.1}¢", v * 100.0) }.draw(p, &series);
}

/// The points since `from`. What was known before it holds from its beginning on. Those before are not looked at.
fn window(points: &VecDeque<Point>, from: TsNs) -> Vec<Point> {
    let first = points.partition_point(|point| point.at <= from).saturating_sub(1);
    points.range(first..).map(|point| Point { at: point.at.max(from), ..*point }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A market in which nothing changed for a while had no curve, although its book was known.
    #[test]
    fn what_was_known_before_the_window_holds_in_it() {
        let point =
            |s: i64, e4| Point { at: TsNs::from_ms(1_000 * s), bid: Price::new(e4), ask: None };
        let points = VecDeque::from([point(1, 100), point(2, 200), point(9, 300)]);
        let shown = window(&points, TsNs::from_ms(5_000));
        assert_eq!(shown, [point(5, 200), point(9, 300)]);
        assert_eq!(
            window(&points.range(..2).copied().collect(), TsNs::from_ms(5_000)),
            [point(5, 200)]
        );
        assert!(window(&VecDeque::new(), TsNs(0)).is_empty());
        assert_eq!(VecDeque::from(window(&points, TsNs::from_ms(0))), points);
    }
}
