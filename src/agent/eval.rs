//! Evaluation: what policies earn on markets that they never saw, and what may be said about it.
//!
//! Every policy trades every market from the start cash to settlement, by the same rules as in
//! training. The unit is the market: one return per market, intervals by a bootstrap over events.
//!
//! **Invariant:** the verdict rests on held-out markets only; in-sample rows stand apart.
//! **Invariant:** deterministic: same episodes, plan, policies and seed, same result.

use super::policy::{BuyAndHold, Hardcoded, Hold, Policy, Random};
use super::score::{self, Part, Row};
use super::split::{Plan, Protocol, count_markets};
use crate::env::{EnvConfig, EpisodeReport, run_episode};
use crate::features::episode::Episode;
use crate::rng::Rng;
use crate::units::Side;
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
        rows.extend(
            reports.into_iter().map(|(part, r)| {
                score::row(&entrant.name, part, r, setup.env.start_cash, setup.seed)
            }),
        );
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
    if n >= VERDICT_MIN && row.is_some_and(|r| r.ci95.is_none()) {
        let reason = "all held-out markets belong to one event: no interval can be drawn";
        return (Verdict::NoVerdict, reason.to_owned());
    }
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
    if row.unsettled > 0 {
        let n = row.unsettled;
        all.push(format!("the outcome of {n} markets is not recorded: marked at the last touch"));
    }
    if row.trades == 0 {
        all.push("the policy never traded".to_owned());
    }
    if let Some(share) = row.actions.iter().copied().find(|s| *s > 0.95 && row.trades > 0) {
        all.push(format!("{:.0} % of all decisions chose the same action", 100.0 * share));
    }
    all
}
