//! A second look at the evaluated models: what they implied, and how they acted in the course of a market.
//!
//! **Invariant:** deterministic, on any number of threads; held-out markets only.

mod importance;

pub use importance::importance;

use super::calibration::{self, Forecasts};
use super::device::DeviceName;
use super::eval::episode_seed;
use super::insight::TENTHS;
use super::model::{Choice, Model, ModelPolicy};
use super::parallel;
use super::split::Plan;
use crate::env::action::Act;
use crate::env::{ActionSet, EnvConfig, Policy, run_episode};
use crate::features::episode::{Decision, Episode};
use crate::units::{Price, Qty};
use std::collections::BTreeMap;

/// What is looked at.
pub struct Scene<'a> {
    /// All episodes.
    pub episodes: &'a [Episode],
    /// Their sides.
    pub plan: &'a Plan,
    /// The rules of the game.
    pub env: &'a EnvConfig,
    /// Chance, as in the evaluation: the same episodes are seen again.
    pub seed: u64,
    /// Where the tensors live.
    pub device: DeviceName,
    /// Threads to work on.
    pub threads: usize,
}

impl Scene<'_> {
    /// Index of a split, and of an episode that it holds out.
    fn held_out(&self) -> Vec<(usize, usize)> {
        let splits = self.plan.splits.iter().enumerate();
        splits.flat_map(|(i, split)| split.test.iter().map(move |e| (i, *e))).collect()
    }

    /// The model of split `split`, acting as in the evaluation.
    fn policy(&self, models: &[Model], split: usize) -> ModelPolicy {
        ModelPolicy::new("", models[split % models.len()].clone(), Choice::Greedy, self.device)
    }
}

/// What was seen.
pub struct Seen {
    /// Of every settled market, in the order of their names.
    pub forecasts: Vec<Forecasts>,
    /// [`super::insight::Insight::actions_over_life`].
    pub actions_over_life: Vec<Vec<f64>>,
}

/// Watches the models of every seed, one for each split of the plan (or one for all).
pub fn watch(scene: &Scene<'_>, seeds: &[Vec<Model>]) -> Seen {
    let n_actions = scene.env.actions.len();
    let seeds: Vec<&Vec<Model>> = seeds.iter().filter(|models| !models.is_empty()).collect();
    let look = |seed: usize, (split, episode): (usize, usize)| {
        let mut model = scene.policy(seeds[seed], split);
        let mut watched = Watched::new(&mut model);
        let seed = episode_seed(scene.seed, episode);
        let played = &scene.episodes[episode];
        run_episode(played, scene.env, &mut watched, seed);
        (claims(played, &scene.env.actions, &watched), tenths(&watched.chosen, n_actions))
    };
    let places = scene.held_out();
    let work: Vec<(usize, (usize, usize))> =
        (0..seeds.len()).flat_map(|seed| places.iter().map(move |place| (seed, *place))).collect();
    let looks = parallel::map(work.clone(), scene.threads, |_, (seed, place)| look(seed, place));
    // A market that was recorded in pieces is one.
    let mut markets: BTreeMap<&str, Forecasts> = BTreeMap::new();
    let mut counts = vec![vec![0.0; n_actions]; TENTHS];
    for ((seed, (_, episode)), (claims, tenths)) in work.into_iter().zip(looks) {
        let episode = &scene.episodes[episode];
        if let Some(settlement) = episode.settlement {
            let market = markets.entry(&episode.ticker).or_insert_with(|| Forecasts {
                event_ticker: episode.event_ticker.to_string(),
                outcome: settlement.prob(),
                claims: vec![Vec::new(); seeds.len()],
            });
            market.claims[seed].extend(claims);
        }
        counts.iter_mut().flatten().zip(tenths.into_iter().flatten()).for_each(|(a, b)| *a += b);
    }
    for tenth in &mut counts {
        let all = tenth.iter().sum::<f64>().max(1.0);
        tenth.iter_mut().for_each(|n| *n /= all);
    }
    Seen { forecasts: markets.into_values().collect(), actions_over_life: counts }
}

/// A model whose distributions and actions are noted.
pub struct Watched<'a> {
    model: &'a mut ModelPolicy,
    /// `[decisions, n_actions]`.
    probabilities: Vec<f32>,
    /// Likewise.
    allowed: Vec<bool>,
    chosen: Vec<u32>,
}

impl<'a> Watched<'a> {
    /// A model of which nothing is noted yet.
    pub fn new(model: &'a mut ModelPolicy) -> Watched<'a> {
        Watched { model, probabilities: Vec::new(), allowed: Vec::new(), chosen: Vec::new() }
    }

    /// How probable it held what it chose, decision by decision.
    pub fn confidences(&self) -> impl Iterator<Item = f32> + '_ {
        let n_actions = self.probabilities.len() / self.chosen.len().max(1);
        let chosen = self.chosen.iter().enumerate();
        chosen.map(move |(i, action)| self.probabilities[i * n_actions + *action as usize])
    }
}

impl Policy for Watched<'_> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn begin(&mut self, seed: u64) {
        self.model.begin(seed);
    }

    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32 {
        let action = self.model.act(obs, mask);
        self.probabilities.extend_from_slice(self.model.probabilities(mask));
        self.allowed.extend_from_slice(mask);
        self.chosen.push(action);
        action
    }
}

/// What the model implied, and the mid, wherever it could trade both ways.
fn claims(episode: &Episode, actions: &ActionSet, watched: &Watched<'_>) -> Vec<[f64; 2]> {
    let leans: Vec<Option<bool>> = (0..actions.len() as u32).map(|a| lean(actions, a)).collect();
    let rows = watched.probabilities.chunks_exact(actions.len());
    // Whoever cannot buy any more says nothing by not buying: what is left to him leans the other way.
    let free = |allowed: &[bool]| {
        let open = |yes| leans.iter().zip(allowed).any(|(lean, ok)| *ok && *lean == Some(yes));
        open(true) && open(false)
    };
    let free = watched.allowed.chunks_exact(actions.len()).map(free);
    let claim = |(row, decision): (&[f32], &Decision)| {
        let toward = |yes: bool| {
            let towards = row.iter().zip(&leans).filter(|(_, lean)| **lean == Some(yes));
            towards.map(|(p, _)| f64::from(*p)).sum::<f64>()
        };
        let [mid, bid, ask] = prices(decision);
        [calibration::implied(mid, bid, ask, [toward(true), toward(false)]), mid]
    };
    let moments = rows.zip(&episode.decisions).zip(free).filter(|(_, free)| *free);
    moments.map(|(moment, _)| claim(moment)).collect()
}

/// Whether an action takes towards YES, towards NO, or neither.
fn lean(actions: &ActionSet, action: u32) -> Option<bool> {
    match actions.act(action) {
        Some(Act::Take(intent, _)) => Some(intent.adds_yes()),
        _ => None,
    }
}

/// Mid, best bid and best ask of YES as probabilities; an empty side stands at the mid.
fn prices(decision: &Decision) -> [f64; 3] {
    let mid = f64::from(decision.mid2) / (2.0 * Price::ONE.e4() as f64);
    let best = |side: usize| {
        let (price, qty) = decision.bids[side][0];
        (qty > Qty::ZERO).then_some(price)
    };
    let bid = best(0).map_or(mid, Price::prob);
    let ask = best(1).map_or(mid, |price| price.complement().prob());
    [mid, bid, ask]
}

/// How often each action was chosen in each tenth of the decisions.
fn tenths(chosen: &[u32], n_actions: usize) -> Vec<Vec<f64>> {
    let mut counts = vec![vec![0.0; n_actions]; TENTHS];
    for (i, action) in chosen.iter().enumerate() {
        counts[i * TENTHS / chosen.len()][*action as usize] += 1.0;
    }
    counts
}
