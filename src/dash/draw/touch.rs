//! What stands around the rows of the ladder: the market, the spread, the figures, and the book as it was sent.

use super::Paint;
use crate::dash::market::Market;
use crate::units::{Price, Qty, Side};
use crate::view::text::{of_price, of_qty, of_span};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Name, age and state of the market.
pub(super) fn head(p: &mut Paint<'_>, area: Rect, market: &Market, stale: Option<&str>) {
    let mut spans = vec![Span::styled(market.ticker.to_string(), p.theme.title())];
    match stale {
        Some(why) => spans.push(Span::styled(format!("  STALE: {why}"), p.theme.warn())),
        None => {
            if let Some(close) = market.info.close {
                let left_s = (close.ms() - p.now.ms()) / 1_000;
                spans.push(Span::styled(format!("  closes in {}", of_span(left_s)), p.theme.dim()));
            }
            for text in [format!("  lag {} ms", market.lag_ms), format!("  seq {}", market.seq)] {
                spans.push(Span::styled(text, p.theme.dim()));
            }
        }
    }
    if !market.info.title.is_empty() {
        spans.push(Span::styled(format!("  {}", market.info.title), p.theme.dim()));
    }
    // A figure that is cut is another figure: what does not fit is left out whole, after the name and the state.
    while spans.len() > 2 && Line::from(spans.clone()).width() > usize::from(area.width) {
        spans.pop();
    }
    p.line(area, 0, &Line::from(spans));
}

/// Best bid and best ask on the axis of `side`.
fn touch_of(market: &Market, side: Side) -> [Option<(Price, Qty)>; 2] {
    let best = |side| market.book.bids(side).best();
    [best(side), best(side.other()).map(|(price, size)| (price.complement(), size))]
}

/// The line between asks and bids.
pub(super) fn spread(p: &mut Paint<'_>, area: Rect, y: u16, market: &Market) {
    let mut text = "─".repeat(2);
    if let [Some((bid, bid_size)), Some((ask, ask_size))] = touch_of(market, p.state.ladder.side())
    {
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

/// What is hidden, and who is stronger.
pub(super) fn foot(p: &mut Paint<'_>, area: Rect, market: &Market, hidden: &str) {
    let side = p.state.ladder.side();
    let total = |side| market.book.bids(side).total().e2() as f64;
    let all = (total(Side::Yes) + total(Side::No)).max(1.0);
    let imbalance = match touch_of(market, side) {
        [Some((_, b)), Some((_, a))] => {
            format!("imb {:+.2}  ", (b.e2() - a.e2()) as f64 / (b.e2() + a.e2()).max(1) as f64)
        }
        _ => String::new(),
    };
    let depth = (total(side) - total(side.other())) / all;
    let (yes_net, _) = market.flow(p.now);
    let net = if side == Side::Yes { yes_net } else { -yes_net };
    let sign = if net > Qty::ZERO { "+" } else { "" };
    let text = format!("{imbalance}depth {depth:+.2}  flow 1m {sign}{}", of_qty(net));
    let y = area.height.saturating_sub(1);
    p.put_right(area, area.width, y, &text, p.theme.dim());
    // How much is hidden is believed; it is cut never.
    p.put(area, 0, y, hidden, p.theme.dim());
}

/// Both sides' bids as the exchange sends them, best first.
pub(super) fn raw(p: &mut Paint<'_>, area: Rect, market: &Market, stale: bool) {
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
