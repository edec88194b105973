//! Public trades of the market that is looked at.

use super::{Paint, clock, top_row};
use crate::dash::panes::Pane;
use crate::units::Side;
use crate::view::text::{of_price, of_qty};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Draws the tape, newest first.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let Some(market) = state.desk().market() else {
        let inner = p.frame(Pane::Trades, area, "");
        return p.marketless(inner);
    };
    let (_, all) = market.flow(p.now);
    let inner = p.frame(Pane::Trades, area, &format!("1m {}", of_qty(all)));
    if market.trades.is_empty() {
        return p.nothing(inner, &["no trade seen"]);
    }
    let first = top_row(state.rows[7], inner, market.trades.len());
    for (y, (at, trade)) in (0..inner.height).zip(market.trades.iter().rev().skip(first)) {
        let (arrow, style) = match trade.taker {
            Side::Yes => ("▲", p.theme.bid()),
            Side::No => ("▼", p.theme.ask()),
        };
        p.put(inner, 0, y, &clock(*at), p.theme.dim());
        p.put(inner, 9, y, arrow, style);
        p.put_right(inner, 18, y, &of_price(trade.yes_price), style);
        p.put_right(inner, inner.width.min(30), y, &of_qty(trade.qty), Style::new());
    }
}
