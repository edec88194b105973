//! The tables of an evaluation's page.

use super::charts::{dollars, percent};
use super::escape;
use crate::agent::eval::EvalResult;
use crate::agent::insight::Importance;
use crate::agent::score::{MarketResult, Row};
use std::fmt::Write as _;

/// Columns of the policies' tables: title and meaning.
pub const COLUMNS: [(&str, &str); 12] = [
    ("policy", "who traded"),
    ("markets", "each traded once, from the start cash to settlement"),
    ("equity", "start cash plus the results of all markets"),
    ("return", "mean over markets of result / start cash"),
    (
        "95 % interval",
        "bootstrap of the mean return, 10 000 resamples, events drawn whole, and seeds where there are several",
    ),
    ("fees", "fees paid, already in equity"),
    ("trades", "orders filled"),
    ("turnover", "notional / start cash"),
    ("drawdown", "largest fall of chained equity, decision by decision"),
    ("Sharpe", "mean / standard deviation of the markets' returns, not annualised"),
    ("win rate", "share of traded markets with a profit"),
    ("hold", "share of decisions that did nothing"),
];

/// One line for each policy.
pub fn policies(page: &mut String, result: &EvalResult, rows: &[&Row]) {
    let line = |row: &&Row| (row.name == result.evaluated, cells(row).to_vec());
    table(page, &COLUMNS, rows.iter().map(line));
}

/// Every market of the evaluated policy, in order of settlement.
pub fn markets(page: &mut String, results: &[MarketResult]) {
    const HEAD: [(&str, &str); 10] = [
        ("market", "ticker"),
        ("event", "markets of one event are drawn together"),
        ("return", "result / start cash"),
        ("pessimistic", "the same with the fills of the pessimistic queue"),
        ("optimistic", "the same with those of the optimistic one"),
        ("trades", "orders filled"),
        ("rested", "share of the contracts that rested until somebody took them"),
        ("fees", "fees / notional"),
        ("after 1, 10, 60 s", "mid less the price paid, towards our side, cents per contract"),
        ("at settlement", "outcome less the price paid, towards our side, cents per contract"),
    ];
    let line = |m: &MarketResult| {
        let [worst, _, best] = m.bracket.map(signed);
        let (ticker, event) = (m.ticker.clone(), m.event_ticker.clone());
        let share = |share: Option<f64>| share.map_or("-".to_owned(), percent);
        let cents = |of: Option<f64>| of.map_or("-".to_owned(), |c| format!("{c:+.2}"));
        let markouts = m.fills.markout_cents.map(cents).join(", ");
        let (rested, fees) = (share(m.fills.maker_share), share(m.fills.fee_share));
        let settled = cents(m.fills.settlement_cents);
        let result = [ticker, event, signed(m.ret), worst, best, m.trades.to_string()];
        (false, result.into_iter().chain([rested, fees, markouts, settled]).collect())
    };
    table(page, &HEAD, results.iter().map(line));
}

/// What the result owes to each column.
pub fn importance(page: &mut String, columns: &[Importance]) {
    const HEAD: [(&str, &str); 4] = [
        ("column", "of the observation"),
        ("return lost", "mean return per market less that with the column shuffled"),
        ("95 % interval", "bootstrap, events drawn whole"),
        ("decisions changed", "share of the decisions that the shuffled column changed"),
    ];
    let line = |c: &Importance| {
        (false, vec![c.column.to_owned(), signed(c.drop), interval(c.ci95), percent(c.changed)])
    };
    table(page, &HEAD, columns.iter().map(line));
}

/// Lines that are judged or not, below their head.
fn table(
    page: &mut String,
    head: &[(&str, &str)],
    lines: impl Iterator<Item = (bool, Vec<String>)>,
) {
    page.push_str("<div class=\"wide\"><table><thead><tr>");
    for (title, meaning) in head {
        let _ = write!(page, "<th title=\"{}\">{title}</th>", escape(meaning));
    }
    page.push_str("</tr></thead><tbody>");
    for (judged, cells) in lines {
        page.push_str(if judged { "<tr class=\"judged\">" } else { "<tr>" });
        for cell in cells {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
}

/// One row of a table of policies, in the order of [`COLUMNS`].
fn cells(row: &Row) -> [String; 12] {
    let or_dash = |v: Option<String>| v.unwrap_or_else(|| "–".into());
    [
        row.name.clone(),
        row.markets.to_string(),
        dollars(row.equity, 2),
        signed(row.mean_return),
        interval(row.ci95),
        dollars(row.fees, 2),
        row.trades.to_string(),
        format!("{:.1}", row.turnover),
        dollars(row.max_drawdown, 2),
        or_dash(row.sharpe.map(|s| format!("{s:.2}"))),
        or_dash(row.win_rate.map(percent)),
        percent(row.actions.first().copied().unwrap_or(0.0)),
    ]
}

fn interval(ends: Option<[f64; 2]>) -> String {
    ends.map_or_else(|| "–".into(), |[l, h]| format!("{} to {}", signed(l), signed(h)))
}

fn signed(v: f64) -> String {
    format!("{:+.2} %", 100.0 * v)
}
