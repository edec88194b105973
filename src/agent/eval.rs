//! Evaluation: what policies earn on markets that they never saw, and what may be said about it.
//!
//! Every policy trades every market from the start cash to settlement, by the same rules as in
//! training. The unit is the market: one return per market, intervals by a bootstrap over events.
//! Equity is chained by adding the markets' results in order of settlement; each market starts anew
//! with the start cash, so a loss never ends the chain.
//!
//! **Invariant:** the verdict rests on held-out markets only; in-sample rows stand apart.
//! **Invariant:** deterministic: same episodes, plan, policies and seed, same result.

use super::policy::{BuyAndHold, Hardcoded, Hold, Policy, Random};
use super::split::{Plan, Protocol, count_markets};
use super::stats;
use crate::env::{EnvConfig, EpisodeReport, run_episode};
use crate::features::episode::Episode;
use crate::rng::Rng;
use crate::units::{Money, Side};
use serde::Serialize;
use std::collections::BTreeMap;

/// Fewer held-out markets than this give no verdict.
pub const VERDICT_MIN: usize = 20;
/// One market with a larger share of the profit than this is pointed at.
const CONCENTRATED: f64 = 0.3;

/// A policy under evaluation.
pub struct Entrant {
    /// As it stands in tables.
    pub name: String,
    /// One for each split of the plan, or one for all.
    pub policies: Vec<Box<dyn Policy>>,
}

/// The scripted baselines, which stand in every table.
pub fn baselines() -> Vec<Entrant> {
    let one = |policy: Box<dyn Policy>| Entrant {
        name: policy.name().to_owned(),
        policies: vec![policy],
    };
    vec![
        one(Box::new(Hold)),
        one(Box::<Random>::default()),
        one(Box::<Hardcoded>::default()),
        one(Box::new(BuyAndHold(Side::Yes))),
        one(Box::new(BuyAndHold(Side::No))),
    ]
}

/// What is evaluated and on what.
pub struct Setup<'a> {
    /// All episodes.
    pub episodes: &'a [Episode],
    /// Their sides.
    pub plan: &'a Plan,
    /// The rules of the game.
    pub env: &'a EnvConfig,
    /// Chance of the policies and of the bootstrap.
    pub seed: u64,
}

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
    /// Largest fall of chained equity, decision by decision.
    pub max_drawdown: f64,
    /// Mean / standard deviation of the markets' returns, not annualised; `null` without deviation.
    pub sharpe: Option<f64>,
    /// Share of the traded markets that ended with a profit; `null` when none was traded.
    pub win_rate: Option<f64>,
    /// The best market's share of the total profit; `null` without a total profit.
    pub best_market_share: Option<f64>,
    /// How often each action was chosen, as shares.
    pub actions: Vec<f64>,
    /// The markets in order of settlement.
    pub results: Vec<MarketResult>,
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
    /// Orders filled.
    pub trades: u64,
}

/// What may be said about the evaluated policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// The interval's lower end is above 0.
    #[serde(rename = "beats holding")]
    BeatsHolding,
    /// The interval's upper end is below 0.
    #[serde(rename = "loses")]
    Loses,
    /// The interval holds 0.
    #[serde(rename = "no evidence")]
    NoEvidence,
    /// Too little was held out to say anything.
    #[serde(rename = "no verdict")]
    NoVerdict,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::BeatsHolding => "beats holding",
            Verdict::Loses => "loses",
            Verdict::NoEvidence => "no evidence",
            Verdict::NoVerdict => "no verdict",
        }
    }
}

/// Everything an evaluation found out.
#[derive(Clone, Debug, Serialize)]
pub struct EvalResult {
    /// Rows in the order of the entrants: test first, then validation, then train.
    pub policies: Vec<Row>,
    /// About the last entrant.
    pub verdict: Verdict,
    /// The last entrant's name.
    pub evaluated: String,
    /// The verdict's reason in a sentence.
    pub reason: String,
    /// What a reader should know before believing it.
    pub warnings: Vec<String>,
    /// How the held-out markets were chosen.
    pub protocol: Protocol,
    /// Markets used for nothing: too close to a border (with five blocks: in any split).
    pub embargoed: usize,
    /// Names of the actions, in the order of [`Row::actions`].
    pub action_names: Vec<String>,
    /// Cash at the start of each market, dollars.
    pub start_cash: f64,
    /// Seed of policies and bootstrap.
    pub seed: u64,
}

/// Lets all entrants trade; the verdict is about the last one. `progress` hears how many of how many
/// episodes are done.
pub fn evaluate(
    setup: &Setup<'_>,
    entrants: &mut [Entrant],
    mut progress: impl FnMut(usize, usize),
) -> EvalResult {
    let parts = parts(setup.plan);
    let total = entrants.len() * parts.iter().map(|(_, _, e)| e.len()).sum::<usize>();
    let (mut rows, mut done) = (Vec::new(), 0);
    for entrant in entrants.iter_mut() {
        let mut reports: BTreeMap<Part, Vec<EpisodeReport>> = BTreeMap::new();
        for (part, split, episodes) in &parts {
            let models = entrant.policies.len();
            let Some(policy) = entrant.policies.get_mut(split % models.max(1)) else { continue };
            let played = episodes.iter().map(|index| {
                let seed = Rng::stream(setup.seed, "evaluation", *index as u64).next_u64();
                run_episode(&setup.episodes[*index], setup.env, policy.as_mut(), seed)
            });
            reports.entry(*part).or_default().extend(played);
            done += episodes.len();
            progress(done, total);
        }
        rows.extend(reports.into_iter().map(|(part, r)| row(setup, &entrant.name, part, r)));
    }
    rows.sort_by_key(|row| row.split);
    conclude(setup, rows, entrants.last().map_or_else(String::new, |e| e.name.clone()))
}

/// Which episodes each split's policy plays.
fn parts(plan: &Plan) -> Vec<(Part, usize, Vec<usize>)> {
    let part = |part, episodes: &dyn Fn(usize) -> Vec<usize>| -> Vec<_> {
        (0..plan.splits.len())
            .map(|i| (part, i, episodes(i)))
            .filter(|(_, _, e)| !e.is_empty())
            .collect()
    };
    let mut all = part(Part::Test, &|i| plan.splits[i].test.clone());
    all.extend(part(Part::Validation, &|i| plan.splits[i].validation.clone()));
    all.extend(part(Part::Train, &|i| plan.in_sample(i)));
    all
}

fn row(setup: &Setup<'_>, name: &str, split: Part, mut reports: Vec<EpisodeReport>) -> Row {
    reports.sort_by(|a, b| (a.settled, &a.ticker).cmp(&(b.settled, &b.ticker)));
    let start = setup.env.start_cash.as_dollars();
    let results = per_market(&reports, start);
    let returns: Vec<f64> = results.iter().map(|r| r.ret).collect();
    let clusters: Vec<&str> = results.iter().map(|r| r.event_ticker.as_str()).collect();
    // The same draws for every row: policies are compared on the same resamples.
    let mut rng = Rng::stream(setup.seed, "bootstrap", 0);
    let traded: Vec<f64> = results.iter().filter(|r| r.trades > 0).map(|r| r.ret).collect();
    let wins = traded.iter().filter(|r| **r > 0.0).count();
    let dollars =
        |of: fn(&EpisodeReport) -> Money| reports.iter().map(|r| of(r).as_dollars()).sum::<f64>();
    let profit: f64 = returns.iter().sum();
    let best = returns.iter().copied().fold(0.0, f64::max);
    let mean = stats::mean(&returns).unwrap_or(0.0);
    Row {
        name: name.to_owned(),
        split,
        markets: results.len(),
        equity: start + dollars(|r| r.final_equity - r.start),
        mean_return: mean,
        ci95: stats::bootstrap_mean95(&returns, &clusters, &mut rng),
        fees: dollars(|r| r.fees),
        trades: reports.iter().map(|r| r.trades).sum(),
        turnover: dollars(|r| r.notional) / start,
        max_drawdown: max_drawdown(&reports).as_dollars(),
        sharpe: stats::sd(&returns).filter(|sd| *sd > 0.0).map(|sd| mean / sd),
        win_rate: (!traded.is_empty()).then(|| wins as f64 / traded.len() as f64),
        best_market_share: (profit > 0.0).then(|| best / profit),
        actions: action_shares(&reports),
        results,
    }
}

/// A market that was recorded in several pieces is one result.
fn per_market(reports: &[EpisodeReport], start: f64) -> Vec<MarketResult> {
    let mut results: Vec<MarketResult> = Vec::new();
    for report in reports {
        let ret = (report.final_equity - report.start).as_dollars() / start;
        match results.iter_mut().find(|r| *r.ticker == *report.ticker) {
            Some(known) => {
                known.ret += ret;
                known.trades += report.trades;
            }
            None => results.push(MarketResult {
                ticker: report.ticker.to_string(),
                event_ticker: report.event_ticker.to_string(),
                settled_ms: report.settled.ms(),
                ret,
                trades: report.trades,
            }),
        }
    }
    results
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

fn conclude(setup: &Setup<'_>, rows: Vec<Row>, evaluated: String) -> EvalResult {
    let judged = rows.iter().find(|r| r.name == evaluated && r.split == Part::Test);
    let (verdict, reason) = judge(judged);
    let mut embargoed: Vec<usize> =
        setup.plan.splits.iter().flat_map(|s| s.embargoed.iter().copied()).collect();
    embargoed.sort_unstable();
    embargoed.dedup();
    let actions = &setup.env.actions;
    EvalResult {
        verdict,
        reason,
        warnings: judged.map(warnings).unwrap_or_default(),
        protocol: setup.plan.protocol,
        embargoed: count_markets(setup.episodes, &embargoed),
        action_names: (0..actions.len() as u32).map(|a| actions.name(a)).collect(),
        start_cash: setup.env.start_cash.as_dollars(),
        seed: setup.seed,
        policies: rows,
        evaluated,
    }
}

fn judge(row: Option<&Row>) -> (Verdict, String) {
    let n = row.map_or(0, |r| r.markets);
    let Some((row, [low, high])) =
        row.filter(|_| n >= VERDICT_MIN).and_then(|r| Some((r, r.ci95?)))
    else {
        let reason = format!("{n} held-out markets are too few: {VERDICT_MIN} are needed");
        return (Verdict::NoVerdict, reason);
    };
    let verdict = match () {
        () if low > 0.0 => Verdict::BeatsHolding,
        () if high < 0.0 => Verdict::Loses,
        () => Verdict::NoEvidence,
    };
    let reason = format!(
        "mean return per market {:+.2} %, 95 % interval {:+.2} % to {:+.2} %, {n} held-out markets",
        100.0 * row.mean_return,
        100.0 * low,
        100.0 * high,
    );
    (verdict, reason)
}

fn warnings(row: &Row) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(share) = row.best_market_share.filter(|s| *s > CONCENTRATED) {
        all.push(format!("one market carries {:.0} % of the profit", 100.0 * share));
    }
    if row.trades == 0 {
        all.push("the policy never traded".to_owned());
    }
    if let Some(share) = row.actions.iter().copied().find(|s| *s > 0.95 && row.trades > 0) {
        all.push(format!("{:.0} % of all decisions chose the same action", 100.0 * share));
    }
    all
}
