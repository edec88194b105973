//! What the policy did and why, and what it came to.

use super::chart::{Plot, Series};
use super::{Paint, clock, cut, tail, top_row};
use crate::dash::panes::{Pane, Screen};
use crate::dash::trading::Deed;
use crate::units::{Qty, TsNs};
use crate::view::text::{of_profit, of_qty, of_span};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// A policy that has decided nothing for this long is not trading now, seconds.
const OLD_S: i64 = 60;

/// Decisions, newest first.
pub(super) fn actions(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let trading = &state.desk().trading;
    let Some(status) = &trading.status else {
        let inner = p.frame(Pane::Actions, area, "");
        return p.nothing(inner, &["no policy trades here", "kflow trade"]);
    };
    let remark =
        format!("{} of {} held back {}", status.orders, status.decisions, status.held_back);
    let inner =
        p.frame(Pane::Actions, area, &cut(&remark, usize::from(area.width.saturating_sub(14))));
    let count = trading.listed(state.holds).count();
    let first = top_row(state.rows[4], inner, count);
    for (y, deed) in (0..inner.height).zip(trading.listed(state.holds).skip(first)) {
        p.line(inner, y, &action(p, deed, inner.width));
    }
}

/// When, what, how sure, why it was not done, where.
fn action(p: &Paint<'_>, deed: &Deed, width: u16) -> Line<'static> {
    let (mark, style) = match (deed.ordered, deed.action) {
        (_, 0) => ("·", p.theme.dim()),
        (true, _)
            if deed.action_name.contains("buy_yes") || deed.action_name.contains("sell_no") =>
        {
            ("▲", p.theme.bid())
        }
        (true, _) => ("▼", p.theme.ask()),
        (false, _) => ("x", p.theme.warn()),
    };
    let name = match deed.action_name.as_str() {
        "" => deed.action.to_string(),
        name => name.to_owned(),
    };
    let sure = deed.confidence.map_or_else(String::new, |c| format!("{:>4.0}%", c * 100.0));
    let why = match deed.reason.as_str() {
        "" | "policy" | "asked" if deed.limit.is_empty() => String::new(),
        // A policy that holds is not held back.
        "refused" if deed.action == 0 => String::new(),
        reason if deed.limit.is_empty() => format!("{reason} "),
        _ => format!("{} ", deed.limit),
    };
    let told = 24 + sure.len() + why.chars().count();
    let room = usize::from(width).saturating_sub(told);
    Line::from(vec![
        Span::styled(clock(TsNs::from_ms(deed.ts_ms)), p.theme.dim()),
        Span::styled(format!(" {mark} "), style),
        Span::raw(format!("{name:<11}{sure}  ")),
        Span::styled(why, p.theme.warn()),
        Span::styled(tail(&deed.ticker, room), p.theme.dim()),
    ])
}

/// Position, cash, equity and its curve.
pub(super) fn draw(p: &mut Paint<'_>, area: Rect) {
    let state = p.state;
    let trading = &state.desk().trading;
    let Some(status) = &trading.status else {
        let inner = p.frame(Pane::Account, area, "");
        return p.nothing(inner, &["no policy trades here", "kflow trade"]);
    };
    let age_s = trading.deeds.back().map_or(0, |deed| (p.now.ms() - deed.ts_ms) / 1_000);
    let is_old = age_s >= OLD_S;
    let remark = match age_s {
        OLD_S.. => format!("last decision {} ago", of_span(age_s)),
        _ if status.elsewhere => "orders at an exchange".to_owned(),
        _ => "paper".to_owned(),
    };
    let inner = p.frame(Pane::Account, area, &remark);
    let dollars = |e6: i64| format!("{:.2}", e6 as f64 / 1e6);
    let here = state.desk().market().and_then(|m| trading.last.get(&*m.ticker));
    let position = here.map_or_else(
        || "none here".to_owned(),
        |d| match d.position_e2 {
            0 => "flat here".to_owned(),
            n if n > 0 => format!("{} YES here", of_qty(Qty(n))),
            n => format!("{} NO here", of_qty(Qty(-n))),
        },
    );
    let model = if status.model_hash.is_empty() {
        String::new()
    } else {
        format!(" {}", cut(&status.model_hash, 9))
    };
    let resting = format!(
        "{} here, {} in all",
        state.desk().market().map_or(0, |m| trading.orders.of(&m.ticker).len()),
        trading.orders.count(),
    );
    let mut rows = vec![
        ("policy", format!("{}{model}", status.policy), Style::new()),
        ("position", position, p.theme.title()),
        ("open", format!("{} of {} markets", status.open_positions, status.markets), Style::new()),
        ("resting", resting, Style::new()),
        ("cash", dollars(status.cash_e6), Style::new()),
        ("equity", dollars(status.equity_e6), Style::new()),
        ("profit", of_profit(status.profit_e6), p.theme.sign(status.profit_e6 as f64)),
    ];
    if is_old {
        rows.iter_mut().for_each(|row| row.2 = p.theme.dim());
    }
    if let (Screen::Live, Some(why)) = (state.screen, state.orders_stopped()) {
        rows.insert(0, ("STOPPED", why, p.theme.warn()));
    }
    let top = (rows.len() as u16).min(inner.height);
    for (y, (name, text, style)) in (0..top).zip(rows) {
        p.put(inner, 0, y, name, p.theme.dim());
        p.put(inner, 9, y, &text, style);
    }
    p.put(inner, 0, top, "equity since the start, dollars", p.theme.dim());
    let top = (top + 1).min(inner.height);
    let below = Rect { y: inner.y + top, height: inner.height - top, ..inner };
    let style = if is_old { p.theme.dim() } else { p.theme.series(0) };
    let series = [Series::new(&trading.profit, style)];
    Plot { area: below, label: |v: f64| format!("{v:+.2}") }.draw(p, &series);
}
