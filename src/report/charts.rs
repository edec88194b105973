//! The pictures of an evaluation: equity, returns, actions.

use super::svg::Plot;
use crate::agent::eval::EvalResult;
use crate::agent::score::{Part, Row};

/// Held-out rows, the evaluated policy last.
pub fn held_out(result: &EvalResult) -> Vec<&Row> {
    result.policies.iter().filter(|r| r.split == Part::Test).collect()
}

/// The colour class of row `index`: the evaluated policy is always number 0.
pub fn class(result: &EvalResult, index: usize, row: &Row) -> String {
    if row.name == result.evaluated { "s0".into() } else { format!("s{}", index + 1) }
}

/// Equity after each held-out market, one line per policy.
pub fn equity(result: &EvalResult) -> String {
    let rows = held_out(result);
    let paths: Vec<Vec<[f64; 2]>> = rows.iter().map(|r| path(r, result.start_cash)).collect();
    let all = paths.iter().flatten();
    let n = all.clone().map(|p| p[0]).fold(1.0, f64::max);
    let mut plot = Plot::new([0.0, n], range(all.map(|p| p[1])), 340.0);
    plot.y_axis(|v| dollars(v, 0));
    plot.x_axis("markets in order of settlement", |v| format!("{v:.0}"));
    for (i, (row, path)) in rows.iter().zip(&paths).enumerate() {
        plot.curve(path, &class(result, i, row), &row.name);
    }
    plot.finish("Chained equity of every policy over these markets")
}

fn path(row: &Row, start: f64) -> Vec<[f64; 2]> {
    let mut equity = start;
    let after = row.results.iter().enumerate().map(|(i, market)| {
        equity += market.ret * start;
        [(i + 1) as f64, equity]
    });
    std::iter::once([0.0, start]).chain(after).collect()
}

/// Per policy: each market's return as a dot, their mean and its interval on top.
pub fn returns(result: &EvalResult) -> String {
    let rows = held_out(result);
    let of = |r: &&Row| r.results.iter().map(|m| m.ret).collect::<Vec<_>>();
    let x = range(rows.iter().flat_map(of).chain([0.0]));
    let mut plot = Plot::new(x, [0.0, rows.len() as f64], 40.0 + 46.0 * rows.len() as f64);
    plot.x_axis("return per market", percent);
    plot.mark(0.0, "zero");
    for (i, row) in rows.iter().enumerate() {
        let (y, class) = (rows.len() as f64 - i as f64 - 0.5, class(result, i, row));
        plot.y_label(y, &row.name);
        for (k, market) in row.results.iter().enumerate() {
            // Spread by index, not by chance: the picture of a result never changes.
            let off = ((k * 7) % 11) as f64 / 11.0 - 0.45;
            let text = format!("{}: {}", market.ticker, percent(market.ret));
            plot.dot([market.ret, y + 0.6 * off], 2.5, &format!("faint {class}"), &text);
        }
        if let Some([low, high]) = row.ci95 {
            plot.line([low, y], [high, y], &format!("interval {class}"));
        }
        plot.dot([row.mean_return, y], 5.0, &class, &format!("mean {}", percent(row.mean_return)));
    }
    plot.finish("Return of every market, mean and 95 % interval, per policy")
}

/// Per policy: shares of the actions, as one bar.
pub fn actions(result: &EvalResult) -> String {
    let rows = held_out(result);
    let mut plot = Plot::new([0.0, 1.0], [0.0, rows.len() as f64], 40.0 + 30.0 * rows.len() as f64);
    plot.x_axis("share of all decisions", percent);
    for (i, row) in rows.iter().enumerate() {
        let y = rows.len() as f64 - i as f64 - 0.5;
        plot.y_label(y, &row.name);
        let mut left = 0.0;
        for (a, share) in row.actions.iter().enumerate().filter(|(_, s)| **s > 0.0) {
            let name = result.action_names.get(a).map_or("", String::as_str);
            let text = format!("{name} {}", percent(*share));
            plot.bar([left, y - 0.32], [left + share, y + 0.32], &format!("a{}", a % 6), &text);
            left += share;
        }
    }
    plot.finish("Shares of the actions, per policy")
}

/// A share or return as a percentage.
pub fn percent(v: f64) -> String {
    let p = v * 100.0;
    if (p - p.round()).abs() < 1e-9 { format!("{p:.0} %") } else { format!("{p:.1} %") }
}

/// An amount with its sign before the dollar.
pub fn dollars(v: f64, digits: usize) -> String {
    let sign = if v < 0.0 { "-" } else { "" };
    format!("{sign}${:.digits$}", v.abs())
}

/// The range of all values with some air; 0..1 without one.
pub fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return [0.0, 1.0];
    }
    let air = (high - low) * 0.04;
    [low - air, high + air]
}
