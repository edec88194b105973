//! Evaluation: what policies earn on markets that they never saw, and what may be said about it.
//!
//! Every policy trades every market from the start cash to settlement, by the same rules as in
//! training. The unit is the market: one return per market, intervals by a bootstrap over events.
//!
//! A recipe may be given as the models of several seeds: they are judged together, never the best of them.
//!
//! **Invariant:** the verdict rests on held-out markets and pessimistic fills only; in-sample rows stand apart.
//! **Invariant:** deterministic: same episodes, plan, policies and seed, same result, on any number of threads.

mod verdict;

pub use verdict::{COLLAPSE_SHARE, VERDICT_MIN, Verdict};

use super::parallel;
use super::policy::{BuyAndHold, Hardcoded, Hold, Policy, Random};
use super::score::{self, Part, Row};
use super::split::{Plan, Protocol, count_markets};
use super::tries::{Deflated, Tries};
use crate::env::{EnvConfig, EpisodeReport, run_episode};
use crate::features::episode::Episode;
use crate::rng::Rng;
use crate::units::Side;
use serde::Serialize;
use std::collections::BTreeMap;
use verdict::Finding;

/// A policy that may play on another thread.
pub type Player = Box<dyn Policy + Send>;

/// A policy under evaluation.
pub struct Entrant {
    /// As it stands in tables.
    pub name: String,
    /// One for each seed of the recipe.
    pub teams: Vec<Team>,
}

/// The policies of one seed.
pub struct Team {
    /// As it stands where seeds are told apart.
    pub name: String,
    /// One for each split of the plan, or one for all.
    pub policies: Vec<Player>,
}

impl Entrant {
    /// One seed, one policy for all splits.
    pub fn one(name: impl Into<String>, policy: Player) -> Entrant {
        let name = name.into();
        let team = Team { name: name.clone(), policies: vec![policy] };
        Entrant { name, teams: vec![team] }
    }
}

/// The scripted baselines, which stand in every table.
pub fn baselines() -> Vec<Entrant> {
    let one = |policy: Player| Entrant::one(policy.name().to_owned(), policy);
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
    /// How often was tried before the evaluated policy was chosen; `None`: it is the only one.
    pub tries: Option<Tries>,
    /// Threads to play on.
    pub threads: usize,
}

/// Everything an evaluation found out.
#[derive(Clone, Debug, Serialize)]
pub struct EvalResult {
    /// Rows in the order of the entrants: test first, then validation, then train.
    pub policies: Vec<Row>,
    /// False where what the models learned from is not known: they may know the markets of the test rows.
    pub held_out: bool,
    /// About the last entrant.
    pub verdict: Verdict,
    /// The last entrant's name.
    pub evaluated: String,
    /// The verdict's reason in a sentence.
    pub reason: String,
    /// What a reader should know before believing it.
    pub warnings: Vec<String>,
    /// Held-out rows of the evaluated recipe's seeds, where there are several.
    pub seeds: Vec<Row>,
    /// The evaluated row's Sharpe ratio after the number of tries; `null` when it is the only try.
    pub tries: Option<Deflated>,
    /// Settings tried before the evaluated one was chosen; 1 when it is the only one.
    pub tried: usize,
    /// How the held-out markets were chosen.
    pub protocol: Protocol,
    /// Markets used for nothing: too close to a border (with several splits: in any).
    pub embargoed: usize,
    /// Names of the actions, in the order of [`Row::actions`].
    pub action_names: Vec<String>,
    /// Cash at the start of each market, dollars.
    pub start_cash: f64,
    /// Seed of policies and bootstrap.
    pub seed: u64,
}

impl EvalResult {
    /// The evaluated policy on the held-out markets; on those of unknown standing without
    /// [`EvalResult::held_out`].
    pub fn judged(&self) -> Option<&Row> {
        self.policies.iter().find(|r| r.name == self.evaluated && r.split == Part::Test)
    }
}

/// Lets all entrants trade; the verdict is about the last one. `progress` hears how many of how many
/// episodes are done.
pub fn evaluate(
    setup: &Setup<'_>,
    entrants: Vec<Entrant>,
    mut progress: impl FnMut(usize, usize),
) -> EvalResult {
    let parts = parts(setup.plan);
    let episodes = parts.iter().map(|(_, _, e)| e.len()).sum::<usize>();
    let evaluated = entrants.last().map_or_else(String::new, |e| e.name.clone());
    let (names, teams): (Vec<(String, usize)>, Vec<Vec<Team>>) =
        entrants.into_iter().map(|e| ((e.name, e.teams.len()), e.teams)).unzip();
    let teams: Vec<Team> = teams.into_iter().flatten().collect();
    let total = teams.len() * episodes;
    let mut played: Vec<Vec<Row>> = Vec::new();
    let Ok(()) = parallel::in_order(
        teams,
        setup.threads,
        |_, team| play(setup, &parts, team),
        |_, rows| {
            played.push(rows);
            progress(played.len() * episodes, total);
            Ok::<(), std::convert::Infallible>(())
        },
    );
    let (mut rows, mut seeds, mut played) = (Vec::new(), Vec::new(), played.into_iter());
    for (name, n) in names {
        seeds = played.by_ref().take(n).collect::<Vec<_>>();
        for part in [Part::Test, Part::Validation, Part::Train] {
            let of_part: Vec<Row> =
                seeds.iter().flatten().filter(|r| r.split == part).cloned().collect();
            let pooled = score::pool(&of_part, setup.seed);
            rows.extend(pooled.map(|row| Row { name: name.clone(), ..row }));
        }
    }
    // Stable: the entrants stay in their order.
    rows.sort_by_key(|row| row.split);
    // The last entrant's.
    let mut seeds: Vec<Row> =
        seeds.into_iter().flatten().filter(|r| r.split == Part::Test).collect();
    if seeds.len() < 2 {
        seeds.clear();
    }
    conclude(setup, rows, seeds, evaluated)
}

/// What one team does on every part that holds a market: test, validation, train.
fn play(setup: &Setup<'_>, parts: &[Share], mut team: Team) -> Vec<Row> {
    let mut reports: BTreeMap<Part, Vec<EpisodeReport>> = BTreeMap::new();
    let models = team.policies.len();
    for (part, split, episodes) in parts {
        let Some(policy) = team.policies.get_mut(split % models.max(1)) else { continue };
        let played = episodes.iter().map(|index| {
            let (episode, seed) = (&setup.episodes[*index], episode_seed(setup.seed, *index));
            run_episode(episode, setup.env, policy.as_mut(), seed)
        });
        reports.entry(*part).or_default().extend(played);
    }
    let cash = setup.env.start_cash;
    let row = |(part, reports)| score::row(&team.name, part, reports, cash, setup.seed);
    reports.into_iter().map(row).collect()
}

/// The chance of episode number `index`: the same for every policy.
pub(super) fn episode_seed(seed: u64, index: usize) -> u64 {
    Rng::stream(seed, "evaluation", index as u64).next_u64()
}

/// A part, the split that it belongs to, and its episodes.
type Share = (Part, usize, Vec<usize>);

/// What is played, each episode of a part once.
fn parts(plan: &Plan) -> Vec<Share> {
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

fn conclude(setup: &Setup<'_>, rows: Vec<Row>, seeds: Vec<Row>, evaluated: String) -> EvalResult {
    let judged = rows.iter().find(|r| r.name == evaluated && r.split == Part::Test);
    let tries = judged.and_then(|row| setup.tries?.deflate(&row.by_event()));
    let mut found = Finding::of(judged, setup.env.execution.counts, seeds.len());
    if let Some(all) = setup.tries {
        found.deflate(all.tries, tries);
    }
    let Finding { verdict, reason } = found;
    let mut embargoed: Vec<usize> =
        setup.plan.splits.iter().flat_map(|s| s.embargoed.iter().copied()).collect();
    embargoed.sort_unstable();
    embargoed.dedup();
    let actions = &setup.env.actions;
    EvalResult {
        held_out: true,
        verdict,
        reason,
        warnings: judged.map(verdict::warnings).unwrap_or_default(),
        seeds,
        tries,
        tried: setup.tries.map_or(1, |all| all.tries),
        protocol: setup.plan.protocol,
        embargoed: count_markets(setup.episodes, &embargoed),
        action_names: (0..actions.len() as u32).map(|a| actions.name(a)).collect(),
        start_cash: setup.env.start_cash.as_dollars(),
        seed: setup.seed,
        policies: rows,
        evaluated,
    }
}
