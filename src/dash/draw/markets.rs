//! The list of markets.

use super::{Paint, cut, first_row, tail};
use crate::dash::market::{Market, Staleness};
use crate::dash::panes::Pane;
use crate::units::Price;
use crate::view::text::of_price;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Columns of bid, ask and the mark at the end.
const FIGURES: u16 = 16;

/// Draws the list, sorted and filtered.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let desk = state.desk();
    let listed = desk.listed(&state.filter, state.sort, p.now);
    let filter =
        if state.filter.is_empty() { String::new() } else { format!("/{} ", state.filter) };
    let remark =
        format!("{filter}{}/{} by {}", listed.len(), desk.markets.len(), state.sort.word());
    let inner =
        p.frame(Pane::Markets, area, &cut(&remark, usize::from(area.width.saturating_sub(14))));
    if listed.is_empty() {
        return match desk.markets.is_empty() {
            true => p.marketless(inner),
            false => p.nothing(inner, &["nothing fits the filter"]),
        };
    }
    p.put_right(inner, inner.width - 9, 0, "bid", p.theme.dim());
    p.put_right(inner, inner.width - 2, 0, "ask", p.theme.dim());
    let shown = usize::from(inner.height.saturating_sub(1));
    let chosen = listed.iter().position(|i| *i == desk.selected);
    let first = first_row(chosen.unwrap_or(0), shown, listed.len());
    for (y, index) in (1..inner.height).zip(&listed[first..]) {
        row(p, inner, y, &desk.markets[*index]);
        if *index == desk.selected {
            p.choose(inner, y);
        }
    }
}

fn row(p: &mut Paint<'_>, area: Rect, y: u16, market: &Market) {
    let stale = market.staleness(p.now);
    let old = stale.is_some() || p.trouble.is_some();
    let style = if old { p.theme.dim() } else { Style::new() };
    let [bid, ask] = if old { [p.theme.stale(); 2] } else { [p.theme.bid(), p.theme.ask()] };
    let room = usize::from(area.width.saturating_sub(FIGURES + 1));
    p.put(area, 0, y, &tail(&market.ticker, room), style);
    let touch = market.book.touch();
    let text = |price: Option<Price>| price.map_or_else(|| "-".to_owned(), of_price);
    p.put_right(area, area.width.saturating_sub(9), y, &text(touch.bid.map(|b| b.0)), bid);
    p.put_right(area, area.width.saturating_sub(2), y, &text(touch.ask.map(|a| a.0)), ask);
    let held = p.state.desk().trading.last.get(&*market.ticker).is_some_and(|d| d.position_e2 != 0);
    let mark = match stale {
        Some(Staleness::Settled(_) | Staleness::Closed) => "x",
        Some(_) => "?",
        None if p.trouble.is_some() => "?",
        None if held => "●",
        None => " ",
    };
    p.put(area, area.width.saturating_sub(1), y, mark, p.theme.warn());
}
