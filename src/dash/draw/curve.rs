//! Price and spread of the market that is looked at, over time.

use super::Paint;
use super::chart::{Plot, Series};
use crate::dash::market::Point;
use crate::dash::panes::Pane;
use crate::units::Price;
use crate::view::text::of_span;
use ratatui::layout::Rect;

/// Rows that the spread needs beside the price.
const SPREAD_ROWS: u16 = 3;

/// Draws bid and ask, and the spread below where there is room.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let span_s = state.window_s();
    let inner = p.frame(Pane::Curve, area, &format!("{}, +/- changes it", of_span(span_s)));
    let Some(market) = state.desk().market() else { return };
    let from_ns = p.now.0 - span_s * 1_000_000_000;
    let shown: Vec<Point> =
        market.curve.iter().filter(|point| point.at.0 >= from_ns).copied().collect();
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
