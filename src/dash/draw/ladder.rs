//! The depth ladder.
//!
//! ```text
//!     cum     size │     ▐███ │  0.46 │          │ size      cum
//! ```

use super::{Paint, cut};
use crate::dash::ladder::{Book, Depth, Row, rows};
use crate::dash::market::Market;
use crate::dash::panes::Pane;
use crate::units::{Price, Qty, Side};
use crate::view::text::{of_cents, of_price, of_qty, of_span};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Columns of a size or a sum.
const SIZE: u16 = 9;
/// Columns of a price.
const PRICE: u16 = 9;

/// Draws title, book and figures of the market that is looked at.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let Some(market) = state.desk().market() else {
        let inner = p.frame(Pane::Ladder, area, "");
        return p.nothing(inner, &["no market yet"]);
    };
    let view = p.state.ladder;
    let axis = match view.book {
        Book::Yes => "YES",
        Book::No => "NO",
        Book::Raw => "raw bids",
    };
    let log = if view.log_bars { ", log" } else { "" };
    let inner = p.frame(Pane::Ladder, area, &format!("{axis}, {}{log}", view.group.word()));
    let stale = p.state.desk().staleness(p.trouble.as_deref(), p.now).map(|why| why.text());
    head(p, inner, market, stale.as_deref());
    let table = Rect { y: inner.y + 1, height: inner.height.saturating_sub(2), ..inner };
    let mut hidden = String::new();
    if !market.book.is_valid() && market.book.touch() == Default::default() {
        p.nothing(table, &["book not known", &stale.unwrap_or_default()]);
    } else if view.book == Book::Raw {
        raw(p, table, market, stale.is_some());
    } else {
        hidden = derived(p, table, market, stale.is_some());
    }
    foot(p, inner, market, &hidden);
}

fn head(p: &mut Paint<'_>, area: Rect, market: &Market, stale: Option<&str>) {
    let mut spans = vec![Span::styled(market.ticker.to_string(), p.theme.title())];
    match stale {
        Some(why) => spans.push(Span::styled(format!("  STALE: {why}"), p.theme.warn())),
        None => {
            if let Some(close) = market.info.close {
                let left_s = (close.ms() - p.now.ms()) / 1_000;
                spans.push(Span::styled(format!("  closes in {}", of_span(left_s)), p.theme.dim()));
            }
            let text = format!("  seq {}  lag {} ms", market.seq, market.lag_ms);
            spans.push(Span::styled(text, p.theme.dim()));
        }
    }
    if !market.info.title.is_empty() {
        spans.push(Span::styled(format!("  {}", market.info.title), p.theme.dim()));
    }
    p.line(area, 0, &Line::from(spans));
}

/// Where the columns stand.
struct Columns {
    cum: bool,
    bars: u16,
    price: u16,
    right: u16,
}

impl Columns {
    fn of(width: u16) -> Columns {
        let cum = width >= 4 * SIZE + PRICE + 12;
        let sizes = if cum { 2 * SIZE } else { SIZE };
        let bars = width.saturating_sub(2 * sizes + PRICE + 2) / 2;
        let price = sizes + 1 + bars;
        Columns { cum, bars, price, right: price + PRICE }
    }
}

/// Draws the rows around the middle; says how many more there are above and below.
fn derived(p: &mut Paint<'_>, area: Rect, market: &Market, stale: bool) -> String {
    let view = p.state.ladder;
    let rows = rows(&market.book, view.side(), view.group);
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
            spread(p, area, y, market);
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
    p.put_right(area, columns.price - 1, 0, &cut(name[0], usize::from(columns.bars)), dim);
    p.put(area, columns.price + 3, 0, "price", dim);
    p.put(area, columns.right + 1, 0, &cut(name[1], usize::from(columns.bars)), dim);
    if columns.cum {
        p.put_right(area, 2 * SIZE, 0, "size", dim);
        p.put_right(area, area.width, 0, "cum", dim);
    }
}

/// How long bars are.
struct Scale {
    max: f64,
    log: bool,
    /// From here on a size stands out: five times the median.
    unusual: Qty,
}

impl Scale {
    fn of(rows: &[Row], log: bool) -> Scale {
        let mut sizes: Vec<Qty> =
            rows.iter().flat_map(|row| [row.bid, row.ask]).flatten().map(|d| d.size).collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(Qty::ZERO);
        let max = sizes.last().map_or(1.0, |q| q.e2() as f64);
        let unusual = Qty(median.e2().saturating_mul(5).max(1));
        Scale { max: if log { max.ln_1p() } else { max }, log, unusual }
    }

    /// Half cells.
    fn halves(&self, size: Qty, room: u16) -> u16 {
        let size = if self.log { (size.e2() as f64).ln_1p() } else { size.e2() as f64 };
        let share = (size / self.max.max(1.0)).clamp(0.0, 1.0);
        ((share * f64::from(room) * 2.0).round() as u16).max(1)
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
    if last == Some(row.price) {
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
    let changed = look.market.is_fresh(p.state.ladder.side(), price, p.now);
    let style = size_style(p, changed, depth.size, look);
    let end = if columns.cum { 2 * SIZE } else { SIZE };
    p.put_right(area, end, y, &of_qty(depth.size), style);
    if columns.cum {
        p.put_right(area, SIZE, y, &of_qty(depth.cum), p.theme.dim());
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
    let side = p.state.ladder.side().other();
    let changed = look.market.is_fresh(side, price.complement(), p.now);
    let style = size_style(p, changed, depth.size, look);
    let halves = look.scale.halves(depth.size, columns.bars);
    let bar = format!(
        "{}{}",
        "█".repeat(usize::from(halves / 2)),
        if halves % 2 == 1 { "▌" } else { "" }
    );
    let bar_style = if look.stale { p.theme.dim() } else { p.theme.ask() };
    p.put(area, columns.right, y, &bar, bar_style);
    let end = columns.right + columns.bars + SIZE;
    p.put_right(area, end, y, &of_qty(depth.size), style);
    if columns.cum {
        p.put_right(area, end + SIZE, y, &of_qty(depth.cum), p.theme.dim());
    }
}

/// Own orders at this price: how much, and how much stands before it at most.
fn own(p: &mut Paint<'_>, area: Rect, y: u16, price: Price, look: &RowLook<'_>) {
    let state = p.state;
    let axis = state.ladder.side();
    let orders = state.desk().trading.orders.of(&look.market.ticker);
    let here = orders.iter().find(|order| {
        let shown = if order.side == axis { order.price } else { order.price.complement() };
        shown == price
    });
    let Some(order) = here else { return };
    let size = look.market.book.bids(order.side).size(order.price);
    let ahead =
        order.ahead.map_or_else(String::new, |q| format!(" ≤{} before", of_qty(q.min(size))));
    let text = format!("● {}{ahead}", of_qty(order.qty));
    // On the side where no bar is.
    match order.side == axis {
        true => p.put(area, look.columns.right, y, &text, p.theme.warn()),
        false => p.put_right(area, look.columns.price, y, &text, p.theme.warn()),
    }
}

fn spread(p: &mut Paint<'_>, area: Rect, y: u16, market: &Market) {
    let touch = market.book.touch();
    let mut text = "─".repeat(2);
    if let (Some((bid, bid_size)), Some((ask, ask_size))) = (touch.bid, touch.ask) {
        let spread_e4 = ask.e4() - bid.e4();
        let mid_e4 = (bid.e4() + ask.e4()) as f64 / 2.0;
        let sizes = (bid_size.e2() + ask_size.e2()).max(1) as f64;
        let micro_e4 = (bid.e4() as f64 * ask_size.e2() as f64
            + ask.e4() as f64 * bid_size.e2() as f64)
            / sizes;
        text += &format!(
            " spread {}¢  mid {:.4}  micro {:.4} ",
            spread_e4 as f64 / 100.0,
            mid_e4 / 1e4,
            micro_e4 / 1e4
        );
    }
    let rest = usize::from(area.width).saturating_sub(text.chars().count());
    p.put(area, 0, y, &(text + &"─".repeat(rest)), p.theme.dim());
}

fn foot(p: &mut Paint<'_>, area: Rect, market: &Market, hidden: &str) {
    let touch = market.book.touch();
    let total = |side| market.book.bids(side).total().e2() as f64;
    let all = (total(Side::Yes) + total(Side::No)).max(1.0);
    let imbalance = match (touch.bid, touch.ask) {
        (Some((_, b)), Some((_, a))) => {
            format!("imb {:+.2}  ", (b.e2() - a.e2()) as f64 / (b.e2() + a.e2()).max(1) as f64)
        }
        _ => String::new(),
    };
    let depth = (total(Side::Yes) - total(Side::No)) / all;
    let (net, _) = market.flow(p.now);
    let sign = if net > Qty::ZERO { "+" } else { "" };
    let text = format!("{imbalance}depth {depth:+.2}  flow 1m {sign}{}", of_qty(net));
    let y = area.height.saturating_sub(1);
    p.put(area, 0, y, hidden, p.theme.dim());
    p.put_right(area, area.width, y, &text, p.theme.dim());
}

/// Both sides' bids as the exchange sends them, best first.
fn raw(p: &mut Paint<'_>, area: Rect, market: &Market, stale: bool) {
    let half = area.width / 2;
    for (side, x, style) in [(Side::Yes, 0, p.theme.bid()), (Side::No, half, p.theme.ask())] {
        let column = Rect { x: area.x + x, width: half, ..area };
        p.put(column, 1, 0, &format!("{} bids", side.word()), style);
        for (y, (price, size)) in (1..column.height).zip(market.book.bids(side).iter()) {
            let style = if stale { p.theme.stale() } else { Style::new() };
            p.put(column, 1, y, &of_price(price), style);
            p.put_right(column, (half).min(24), y, &of_qty(size), style);
        }
    }
}
