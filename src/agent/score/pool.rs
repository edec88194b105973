//! Several seeds of one recipe as one row.

use super::{Fills, MarketResult, Row, concentration, interval};
use crate::agent::stats;

/// The mean of `rows`, one for each seed's model in the same markets. Figures are means over the seeds, but
/// for the intervals, which draw markets and seeds, and the drawdown, which is the worst. No seed is the
/// best one: whoever shows the best of several has chosen it. `None` without a row.
pub fn pool(rows: &[Row], seed: u64) -> Option<Row> {
    let [first, _, ..] = rows else { return rows.first().cloned() };
    let mean = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).sum::<f64>() / rows.len() as f64;
    let known = |of: fn(&Row) -> Option<f64>| known(rows.iter().map(of));
    let results: Vec<MarketResult> = (0..first.results.len()).map(|i| market(rows, i)).collect();
    let teams: Vec<&[MarketResult]> = rows.iter().map(|r| r.results.as_slice()).collect();
    let (best_market_share, best_market) = concentration(&results).unzip();
    Some(Row {
        name: first.name.clone(),
        split: first.split,
        markets: first.markets,
        equity: mean(&|r| r.equity),
        mean_return: mean(&|r| r.mean_return),
        ci95: interval(&teams, seed, |r| r.ret),
        fees: mean(&|r| r.fees),
        trades: mean(&|r| r.trades as f64).round() as u64,
        turnover: mean(&|r| r.turnover),
        bracket: std::array::from_fn(|i| mean(&|r| r.bracket[i])),
        pessimistic_ci95: interval(&teams, seed, |r| r.bracket[0]),
        fills: pooled(rows.iter().map(|r| &r.fills)),
        max_drawdown: rows.iter().map(|r| r.max_drawdown).fold(0.0, f64::max),
        // Of each seed, not of their mean: nobody trades the mean of three models.
        sharpe: known(|r| r.sharpe),
        win_rate: known(|r| r.win_rate),
        best_market_share,
        best_market,
        actions: (0..first.actions.len()).map(|a| mean(&|r| r.actions[a])).collect(),
        unsettled: first.unsettled,
        results,
    })
}

/// Market number `i` over all seeds.
fn market(rows: &[Row], i: usize) -> MarketResult {
    let n = rows.len() as f64;
    let mean =
        |of: &dyn Fn(&MarketResult) -> f64| rows.iter().map(|r| of(&r.results[i])).sum::<f64>() / n;
    MarketResult {
        ret: mean(&|m| m.ret),
        bracket: std::array::from_fn(|k| mean(&|m| m.bracket[k])),
        trades: mean(&|m| m.trades as f64).round() as u64,
        fills: pooled(rows.iter().map(|r| &r.results[i].fills)),
        ..rows[0].results[i].clone()
    }
}

/// The mean of each figure over the seeds that have it.
fn pooled<'a>(all: impl Iterator<Item = &'a Fills> + Clone) -> Fills {
    let mean = |of: &dyn Fn(&Fills) -> Option<f64>| known(all.clone().map(of));
    Fills {
        maker_share: mean(&|f| f.maker_share),
        fee_share: mean(&|f| f.fee_share),
        markout_cents: std::array::from_fn(|i| mean(&|f| f.markout_cents[i])),
        settlement_cents: mean(&|f| f.settlement_cents),
    }
}

fn known(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    stats::mean(&values.flatten().collect::<Vec<_>>())
}
