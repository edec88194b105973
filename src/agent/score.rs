//! The figures of one policy on one part of the data.
//!
//! Equity is chained by adding the markets' results in order of settlement; each market starts anew
//! with the start cash, so a loss never ends the chain. A market that was recorded in pieces (a gap
//! ends an episode) starts anew in each piece, and its result is their mean.

mod pool;

pub use pool::pool;

use super::stats;
use crate::env::{EpisodeReport, Markouts};
use crate::rng::Rng;
use crate::units::{Money, Qty};
use serde::Serialize;
use std::collections::BTreeSet;

/// Where a row's markets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Held out: the verdict's rows.
    Test,
    /// What models were chosen by.
    Validation,
    /// What models learned from.
    Train,
}

/// One policy on one part of the data. Money in dollars, shares and returns as fractions.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The policy.
    pub name: String,
    /// Which markets.
    pub split: Part,
    /// How many of them.
    pub markets: usize,
    /// Start cash plus the results of all markets.
    pub equity: f64,
    /// Mean over markets of result / start cash.
    #[serde(rename = "return")]
    pub mean_return: f64,
    /// Its 95 % bootstrap interval, events drawn whole; `null` with fewer than two events.
    pub ci95: Option<[f64; 2]>,
    /// Fees paid in all markets.
    pub fees: f64,
    /// Orders filled in all markets.
    pub trades: u64,
    /// Notional traded in all markets / start cash.
    pub turnover: f64,
    /// [`Row::mean_return`] had the fills been those of the pessimistic, fitted and optimistic queue, with
    /// the same orders.
    pub bracket: [f64; 3],
    /// The 95 % interval of [`Row::mean_return`] under the pessimistic fills, whichever counted: the
    /// verdict's.
    pub pessimistic_ci95: Option<[f64; 2]>,
    /// How orders filled, and what came of it.
    pub fills: Fills,
    /// Largest fall of chained equity, decision by decision.
    pub max_drawdown: f64,
    /// Mean / standard deviation of the markets' returns, not annualised; `null` without deviation.
    pub sharpe: Option<f64>,
    /// Share of the traded markets that ended with a profit; `null` when none was traded.
    pub win_rate: Option<f64>,
    /// The best market's share of the total profit; `null` without a total profit.
    pub best_market_share: Option<f64>,
    /// That market.
    pub best_market: Option<String>,
    /// How often each action was chosen, as shares.
    pub actions: Vec<f64>,
    /// Markets whose outcome the recording does not hold: marked at the last touch.
    pub unsettled: usize,
    /// The markets in order of settlement.
    pub results: Vec<MarketResult>,
}

/// How orders filled, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fills {
    /// Share of the contracts that rested until somebody took them; `null` without a fill.
    pub maker_share: Option<f64>,
    /// Fees / notional; `null` without a fill.
    pub fee_share: Option<f64>,
    /// Mid after 1, 10 and 60 seconds less the price paid, towards our side, cents per contract, fees apart.
    pub markout_cents: [Option<f64>; 3],
    /// The same with the outcome in place of the mid.
    pub settlement_cents: Option<f64>,
}

/// One policy in one market.
#[derive(Clone, Debug, Serialize)]
pub struct MarketResult {
    /// The market.
    pub ticker: String,
    /// Its event: the cluster of the bootstrap.
    pub event_ticker: String,
    /// When the outcome was known, milliseconds since the epoch.
    pub settled_ms: i64,
    /// Result / start cash.
    #[serde(rename = "return")]
    pub ret: f64,
    /// The same in the pessimistic, fitted and optimistic queue.
    pub bracket: [f64; 3],
    /// Orders filled.
    pub trades: u64,
    /// How they filled, and what came of it.
    pub fills: Fills,
}

impl Row {
    /// Mean return per event under the pessimistic fills, in order of settlement: markets of one event share
    /// an outcome and are one result.
    pub fn by_event(&self) -> Vec<f64> {
        let mut events: Vec<(&str, f64, f64)> = Vec::new();
        for market in &self.results {
            match events.iter_mut().find(|(event, ..)| *event == market.event_ticker) {
                Some((_, sum, n)) => (*sum, *n) = (*sum + market.bracket[0], *n + 1.0),
                None => events.push((&market.event_ticker, market.bracket[0], 1.0)),
            }
        }
        events.into_iter().map(|(_, sum, n)| sum / n).collect()
    }

    /// How its orders filled and how wide the bracket is, in a sentence; `None` where nothing filled.
    pub fn execution(&self) -> Option<String> {
        let Fills { maker_share, fee_share, markout_cents, settlement_cents } = &self.fills;
        let percent = |v: f64| format!("{:.1} %", 100.0 * v);
        let cents = |v: &Option<f64>| v.map_or("-".to_owned(), |c| format!("{c:+.2}"));
        let [after_1, after_10, after_60] = markout_cents.each_ref().map(cents);
        let maker_share = (*maker_share)?;
        let mut text = format!(
            "{} of the contracts rested, fees took {} of the notional; markout in cents a contract {after_1} \
             after 1 s, {after_10} after 10 s, {after_60} after 60 s, {} at settlement",
            percent(maker_share),
            percent((*fee_share)?),
            cents(settlement_cents),
        );
        // Who only takes does not queue.
        if maker_share > 0.0 {
            let [worst, fitted, best] = self.bracket.map(|r| format!("{:+.2} %", 100.0 * r));
            text.push_str(&format!(
                "; mean return {worst} in the pessimistic, {fitted} in the fitted, {best} in the optimistic queue"
            ));
        }
        Some(text)
    }
}

/// Scores what `name` did in `reports`, one for each episode that started with `start_cash`; `seed` draws
/// the bootstrap.
pub fn row(
    name: &str,
    split: Part,
    mut reports: Vec<EpisodeReport>,
    start_cash: Money,
    seed: u64,
) -> Row {
    reports.sort_by(|a, b| (a.settled, &a.ticker).cmp(&(b.settled, &b.ticker)));
    let start = start_cash.as_dollars();
    let results = per_market(&reports, start);
    let returns: Vec<f64> = results.iter().map(|r| r.ret).collect();
    let traded: Vec<f64> = results.iter().filter(|r| r.trades > 0).map(|r| r.ret).collect();
    let wins = traded.iter().filter(|r| **r > 0.0).count();
    let dollars =
        |of: fn(&EpisodeReport) -> Money| reports.iter().map(|r| of(r).as_dollars()).sum::<f64>();
    let mean = stats::mean(&returns).unwrap_or(0.0);
    let (best_market_share, best_market) = concentration(&results).unzip();
    Row {
        name: name.to_owned(),
        split,
        markets: results.len(),
        equity: start + start * returns.iter().sum::<f64>(),
        mean_return: mean,
        ci95: interval(&[&results], seed, |r| r.ret),
        fees: dollars(|r| r.fees),
        trades: reports.iter().map(|r| r.tally.filled).sum(),
        turnover: dollars(|r| r.tally.notional) / start,
        bracket: std::array::from_fn(|i| {
            let returns: Vec<f64> = results.iter().map(|r| r.bracket[i]).collect();
            stats::mean(&returns).unwrap_or(0.0)
        }),
        pessimistic_ci95: interval(&[&results], seed, |r| r.bracket[0]),
        fills: fills(reports.iter()),
        max_drawdown: max_drawdown(&reports).as_dollars(),
        sharpe: stats::sd(&returns).filter(|sd| *sd > 0.0).map(|sd| mean / sd),
        win_rate: (!traded.is_empty()).then(|| wins as f64 / traded.len() as f64),
        best_market_share,
        best_market,
        actions: action_shares(&reports),
        unsettled: unsettled(&reports),
        results,
    }
}

/// 95 % interval of the mean of `of` over the results of several models in the same markets, events and
/// models drawn.
fn interval(
    teams: &[&[MarketResult]],
    seed: u64,
    of: fn(&MarketResult) -> f64,
) -> Option<[f64; 2]> {
    let values: Vec<Vec<f64>> = teams.iter().map(|t| t.iter().map(of).collect()).collect();
    let rows: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let clusters: Vec<&str> = teams.first()?.iter().map(|r| r.event_ticker.as_str()).collect();
    // The same draws for every row: policies are compared on the same resamples.
    stats::crossed_mean95(&rows, &clusters, &mut Rng::stream(seed, "bootstrap", 0))
}

/// The best market's share of the total profit, and its name; `None` without a total profit.
fn concentration(results: &[MarketResult]) -> Option<(f64, String)> {
    let profit: f64 = results.iter().map(|r| r.ret).sum();
    let best = results.iter().max_by(|a, b| a.ret.total_cmp(&b.ret))?;
    (profit > 0.0).then(|| (best.ret / profit, best.ticker.clone()))
}

/// Markets of which no piece was paid out.
fn unsettled(reports: &[EpisodeReport]) -> usize {
    let settled: BTreeSet<&str> =
        reports.iter().filter(|r| r.paid_out).map(|r| &*r.ticker).collect();
    let all: BTreeSet<&str> = reports.iter().map(|r| &*r.ticker).collect();
    all.difference(&settled).count()
}

/// A market that was recorded in pieces is one result: their mean, for each began with a whole stake.
fn per_market(reports: &[EpisodeReport], start: f64) -> Vec<MarketResult> {
    let mut markets: Vec<Vec<&EpisodeReport>> = Vec::new();
    for report in reports {
        match markets.iter_mut().find(|pieces| pieces[0].ticker == report.ticker) {
            Some(pieces) => pieces.push(report),
            None => markets.push(vec![report]),
        }
    }
    markets.iter().map(|pieces| market(pieces, start)).collect()
}

fn market(pieces: &[&EpisodeReport], start: f64) -> MarketResult {
    let mean = |of: &dyn Fn(&EpisodeReport) -> Money| {
        let gains = pieces.iter().map(|r| (of(r) - r.start).as_dollars() / start);
        gains.sum::<f64>() / pieces.len() as f64
    };
    MarketResult {
        ticker: pieces[0].ticker.to_string(),
        event_ticker: pieces[0].event_ticker.to_string(),
        settled_ms: pieces[0].settled.ms(),
        ret: mean(&|r| r.final_equity),
        bracket: std::array::from_fn(|i| mean(&|r| r.bracket.0[i])),
        trades: pieces.iter().map(|r| r.tally.filled).sum(),
        fills: fills(pieces.iter().copied()),
    }
}

/// How the orders of some episodes filled.
pub fn fills<'a>(reports: impl Iterator<Item = &'a EpisodeReport> + Clone) -> Fills {
    let contracts =
        |of: fn(&EpisodeReport) -> Qty| reports.clone().map(|r| of(r).e2()).sum::<i64>();
    let (maker, taker) = (contracts(|r| r.tally.maker), contracts(|r| r.tally.taker));
    let sum =
        |of: fn(&EpisodeReport) -> Money| reports.clone().map(|r| of(r).as_dollars()).sum::<f64>();
    let markouts = reports.clone().fold(Markouts::default(), |all, r| all.and(r.markouts));
    let all = (maker + taker > 0).then_some((maker + taker) as f64);
    Fills {
        maker_share: all.map(|all| maker as f64 / all),
        fee_share: all.map(|_| sum(|r| r.fees) / sum(|r| r.tally.notional)),
        markout_cents: markouts.after.map(|markout| markout.cents()),
        settlement_cents: markouts.settlement.cents(),
    }
}

fn max_drawdown(reports: &[EpisodeReport]) -> Money {
    let (mut base, mut peak, mut worst) = (Money::ZERO, Money::ZERO, Money::ZERO);
    for report in reports {
        for equity in &report.equity {
            let chained = base + *equity - report.start;
            peak = peak.max(chained);
            worst = worst.max(peak - chained);
        }
        base += report.final_equity - report.start;
    }
    worst
}

fn action_shares(reports: &[EpisodeReport]) -> Vec<f64> {
    let n = reports.first().map_or(0, |r| r.actions.len());
    let count = |a| reports.iter().map(|r| r.actions[a]).sum::<u64>() as f64;
    let counts: Vec<f64> = (0..n).map(count).collect();
    let all = counts.iter().sum::<f64>().max(1.0);
    counts.into_iter().map(|c| c / all).collect()
}

#[cfg(test)]
mod tests;
