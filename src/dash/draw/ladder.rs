//! The depth ladder.
//!
//! ```text
//!     cum     size │     ▐███ │  0.46 │          │ size      cum
//! ```

use super::grid::{Columns, PRICE, Scale};
use super::{Paint, touch};
use crate::dash::ladder::{Book, Depth, LadderView, Row, row_of, rows};
use crate::dash::market::Market;
use crate::dash::orders::OwnOrder;
use crate::dash::panes::Pane;
use crate::units::{Price, Qty, Side};
use crate::view::text::{of_cents, of_price, of_qty};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Draws title, book and figures of the market that is looked at.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let Some(market) = state.desk().market() else {
        let inner = p.frame(Pane::Ladder, area, "");
        return p.marketless(inner);
    };
    let view = p.state.ladder;
    let axis = match view.book {
        Book::Yes => "YES",
        Book::No => "NO",
        Book::Raw => "raw bids",
    };
    let log = if view.log_bars { ", log" } else { "" };
    let inner = p.frame(Pane::Ladder, area, &format!("{axis}, {}{log}", view.group.word()));
    let trouble = p.trouble.as_ref().map(|trouble| trouble.text.as_str());
    let stale = p.state.desk().staleness(trouble, p.now).map(|why| why.text());
    touch::head(p, inner, market, stale.as_deref());
    let table = Rect { y: inner.y + 1, height: inner.height.saturating_sub(2), ..inner };
    let mut hidden = String::new();
    if !market.book.is_valid() && market.book.touch() == Default::default() {
        p.nothing(table, &["book not known", &stale.unwrap_or_default()]);
    } else if market.book.touch() == Default::default() {
        p.nothing(table, &["empty book", "no order stands on either side"]);
    } else if view.book == Book::Raw {
        touch::raw(p, table, market, stale.is_some());
    } else {
        hidden = derived(p, table, market, stale.is_some());
    }
    touch::foot(p, inner, market, &hidden);
}

/// Draws the rows around the middle; says how many more there are above and below.
fn derived(p: &mut Paint<'_>, area: Rect, market: &Market, stale: bool) -> String {
    let view = p.state.ladder;
    let rows = rows(&market.book, view.side(), view.group, &own_rows(p, market));
    let anchor_e4 = view.anchor_e4.unwrap_or(5_000);
    let middle = rows.partition_point(|row| row.price.e4() > anchor_e4);
    let shown = usize::from(area.height.saturating_sub(2));
    let first = middle.saturating_sub(shown / 2).min(rows.len().saturating_sub(shown));
    let window = &rows[first..(first + shown).min(rows.len())];
    let columns = Columns::of(area.width);
    captions(p, area, &columns);
    let below = rows.len() - first - window.len();
    let scale = Scale::of(window, view.log_bars);
    let mut y = 1;
    let split = window.iter().position(|row| row.bid.is_some());
    for (i, row) in window.iter().enumerate() {
        if Some(i) == split {
            touch::spread(p, area, y, market);
            y += 1;
        }
        one(p, area, y, row, &RowLook { columns: &columns, scale: &scale, market, stale });
        y += 1;
    }
    let hidden = |sign: &str, rows: usize| match rows {
        0 => String::new(),
        n => format!("{sign}{n} "),
    };
    hidden("▲", first) + &hidden("▼", below)
}

fn captions(p: &mut Paint<'_>, area: Rect, columns: &Columns) {
    let dim = p.theme.dim();
    let name =
        if p.state.ladder.book == Book::No { ["no bid", "no ask"] } else { ["yes bid", "yes ask"] };
    p.put(area, columns.price + 3, 0, "price", dim);
    // A name that does not fit says nothing: bids are on the left in any case.
    if usize::from(columns.bars) > name[1].len() {
        p.put_right(area, columns.price - 1, 0, name[0], dim);
        p.put(area, columns.right + 1, 0, name[1], dim);
    }
    if columns.cum {
        for (size, cum) in columns.ends() {
            p.put_right(area, size, 0, "size", dim);
            p.put_right(area, cum, 0, "cum", dim);
        }
    }
}

struct RowLook<'a> {
    columns: &'a Columns,
    scale: &'a Scale,
    market: &'a Market,
    stale: bool,
}

fn one(p: &mut Paint<'_>, area: Rect, y: u16, row: &Row, look: &RowLook<'_>) {
    let RowLook { columns, market, stale, .. } = look;
    let side = p.state.ladder.side();
    let price = if p.state.ladder.cents { of_cents(row.price) } else { of_price(row.price) };
    let touched = row.bid.or(row.ask).is_some();
    let style = match (stale, touched) {
        (true, _) => p.theme.stale(),
        (false, true) => p.theme.title(),
        (false, false) => p.theme.dim(),
    };
    p.put_right(area, columns.price + PRICE - 3, y, &price, style);
    let last = market.last().map(|last| if side == Side::Yes { last } else { last.complement() });
    // It stands with the bids where it is not above them, and with the asks otherwise.
    let is_bid = |price| market.book.bids(side).best().is_some_and(|(bid, _)| price <= bid);
    let group = p.state.ladder.group;
    if last.is_some_and(|last| row_of(last, is_bid(last), group) == row.price) {
        p.put(area, columns.price + PRICE - 2, y, "◂", p.theme.warn());
    }
    if let Some(depth) = row.bid {
        bid(p, area, y, (row.price, depth), look);
    }
    if let Some(depth) = row.ask {
        ask(p, area, y, (row.price, depth), look);
    }
    own(p, area, y, row.price, look);
}

fn size_style(p: &Paint<'_>, changed: bool, size: Qty, look: &RowLook<'_>) -> Style {
    match (look.stale, changed) {
        (true, _) => p.theme.stale(),
        (_, true) => p.theme.flash(),
        _ if size >= look.scale.unusual => p.theme.title(),
        _ => Style::new(),
    }
}

fn bid(p: &mut Paint<'_>, area: Rect, y: u16, (price, depth): (Price, Depth), look: &RowLook<'_>) {
    let columns = look.columns;
    let view = p.state.ladder;
    let here = |bid| row_of(bid, true, view.group) == price;
    let changed = look.market.is_fresh(view.side(), p.now, here);
    let style = size_style(p, changed, depth.size, look);
    let [(size, cum), _] = columns.ends();
    p.put_right(area, size, y, &columns.amount(depth.size), style);
    if columns.cum {
        p.put_right(area, cum, y, &columns.amount(depth.cum), p.theme.dim());
    }
    let halves = look.scale.halves(depth.size, columns.bars);
    let bar = format!(
        "{}{}",
        if halves % 2 == 1 { "▐" } else { "" },
        "█".repeat(usize::from(halves / 2))
    );
    let style = if look.stale { p.theme.dim() } else { p.theme.bid() };
    p.put_right(area, columns.price, y, &bar, style);
}

fn ask(p: &mut Paint<'_>, area: Rect, y: u16, (price, depth): (Price, Depth), look: &RowLook<'_>) {
    let columns = look.columns;
    let view = p.state.ladder;
    let here = |bid: Price| row_of(bid.complement(), false, view.group) == price;
    let changed = look.market.is_fresh(view.side().other(), p.now, here);
    let style = size_style(p, changed, depth.size, look);
    let halves = look.scale.halves(depth.size, columns.bars);
    let bar = format!(
        "{}{}",
        "█".repeat(usize::from(halves / 2)),
        if halves % 2 == 1 { "▌" } else { "" }
    );
    let bar_style = if look.stale { p.theme.dim() } else { p.theme.ask() };
    p.put(area, columns.right, y, &bar, bar_style);
    let [_, (size, cum)] = columns.ends();
    p.put_right(area, size, y, &columns.amount(depth.size), style);
    if columns.cum {
        p.put_right(area, cum, y, &columns.amount(depth.cum), p.theme.dim());
    }
}

/// Where an own order stands on the axis that is shown.
fn place(view: LadderView, order: &OwnOrder) -> (Price, bool) {
    let is_bid = order.side == view.side();
    let shown = if is_bid { order.price } else { order.price.complement() };
    (row_of(shown, is_bid, view.group), is_bid)
}

fn own_rows(p: &Paint<'_>, market: &Market) -> Vec<Price> {
    let orders = p.state.desk().trading.orders.of(&market.ticker);
    orders.iter().map(|order| place(p.state.ladder, order).0).collect()
}

/// Own orders of this row: how much, and how much stands before it at most.
fn own(p: &mut Paint<'_>, area: Rect, y: u16, price: Price, look: &RowLook<'_>) {
    let view = p.state.ladder;
    let orders = p.state.desk().trading.orders.of(&look.market.ticker);
    for is_bid in [true, false] {
        let here = orders.iter().filter(|order| place(view, order) == (price, is_bid));
        let Some(text) = told(here, look.market) else { continue };
        // On the side where no bar is.
        match is_bid {
            true => p.put(area, look.columns.right, y, &text, p.theme.warn()),
            false => p.put_right(area, look.columns.price, y, &text, p.theme.warn()),
        }
    }
}

/// `● 10 ≤640 before`: contracts of some orders, and what stands before the last of them at most.
fn told<'a>(orders: impl Iterator<Item = &'a OwnOrder>, market: &Market) -> Option<String> {
    let (mut qty, mut ahead) = (Qty::ZERO, Some(Qty::ZERO));
    for order in orders {
        let size = market.book.bids(order.side).size(order.price);
        qty += order.qty;
        ahead = ahead.and_then(|most| Some(most.max(order.ahead?.min(size))));
    }
    let ahead = ahead.map_or_else(String::new, |most| format!(" ≤{} before", of_qty(most)));
    (qty > Qty::ZERO).then(|| format!("● {}{ahead}", of_qty(qty)))
}
