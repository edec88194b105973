//! What the result owes to each observation column.
//!
//! The held-out markets are traded once more for each column, which then shows what it showed at a random
//! other moment of these markets: its own values, but without their meaning. What the result loses is
//! what the column was worth to this policy; columns that say the same share their worth.

use super::{Model, ModelPolicy, Scene, episode_seed};
use crate::agent::insight::Importance;
use crate::agent::{parallel, stats};
use crate::env::{Policy, run_episode};
use crate::rng::Rng;

/// Moments that shuffled values are drawn from, about: 14 MB of observations.
const MOMENTS: usize = 65_536;

/// Importance of every column to `models` (one for each split of the plan, or one for all), the most
/// important first. `progress` hears how many of how many columns are done. Empty without a model.
pub fn importance(
    scene: &Scene<'_>,
    models: &[Model],
    mut progress: impl FnMut(usize, usize),
) -> Vec<Importance> {
    let places = scene.held_out();
    if models.is_empty() || places.is_empty() {
        return Vec::new();
    }
    let (base, moments) = as_it_was(scene, models, &places);
    let events: Vec<&str> = places.iter().map(|(_, e)| &*scene.episodes[*e].event_ticker).collect();
    let columns: Vec<usize> = (0..scene.env.layout.len()).collect();
    let mut found = Vec::new();
    let Ok(()) = parallel::in_order(
        columns,
        scene.threads,
        |_, column| {
            let (returns, changed) = blinded(scene, models, &places, (column, &moments));
            let drops: Vec<f64> = base.iter().zip(&returns).map(|(a, b)| a - b).collect();
            let mut rng = Rng::stream(scene.seed, "bootstrap", 0);
            Importance {
                column: scene.env.layout.columns()[column].name,
                drop: stats::mean(&drops).unwrap_or(0.0),
                ci95: stats::bootstrap_mean95(&drops, &events, &mut rng),
                changed,
            }
        },
        |done, column| {
            found.push(column);
            progress(done + 1, scene.env.layout.len());
            Ok::<(), std::convert::Infallible>(())
        },
    );
    // Stable: columns of equal worth stay in the order of the layout.
    found.sort_by(|a, b| b.drop.total_cmp(&a.drop).then(b.changed.total_cmp(&a.changed)));
    found
}

/// The returns with all columns true, and what was observed.
fn as_it_was(
    scene: &Scene<'_>,
    models: &[Model],
    places: &[(usize, usize)],
) -> (Vec<f64>, Vec<f32>) {
    let played = parallel::map(places.to_vec(), scene.threads, |_, (split, episode)| {
        let model = scene.policy(models, split);
        let mut policy = Noting { model, seen: Vec::new() };
        let gain = play(scene, episode, &mut policy);
        (gain, policy.seen)
    });
    let width = scene.env.layout.len();
    let all: usize = played.iter().map(|(_, seen)| seen.len() / width).sum();
    let every = all.div_ceil(MOMENTS).max(1);
    let rows = played.iter().flat_map(|(_, seen)| seen.chunks_exact(width));
    let moments = rows.step_by(every).flatten().copied().collect();
    (played.into_iter().map(|(gain, _)| gain).collect(), moments)
}

/// The returns with `column` shuffled, and the share of the decisions that this changed.
fn blinded(
    scene: &Scene<'_>,
    models: &[Model],
    places: &[(usize, usize)],
    (column, moments): (usize, &[f32]),
) -> (Vec<f64>, f64) {
    let (mut decisions, mut changed) = (0u64, 0u64);
    let returns = places.iter().map(|(split, episode)| {
        let mut policy = Blinded {
            model: scene.policy(models, *split),
            column,
            moments,
            rng: Rng::stream(0, "shuffled", 0),
            obs: vec![0.0; scene.env.layout.len()],
            decisions: 0,
            changed: 0,
        };
        let gain = play(scene, *episode, &mut policy);
        decisions += policy.decisions;
        changed += policy.changed;
        gain
    });
    let returns = returns.collect();
    (returns, changed as f64 / decisions.max(1) as f64)
}

/// The return of an episode under the pessimistic fills.
fn play(scene: &Scene<'_>, episode: usize, policy: &mut dyn Policy) -> f64 {
    let seed = episode_seed(scene.seed, episode);
    let report = run_episode(&scene.episodes[episode], scene.env, policy, seed);
    (report.bracket.0[0] - report.start).as_dollars() / report.start.as_dollars()
}

/// Keeps what the model sees.
struct Noting {
    model: ModelPolicy,
    seen: Vec<f32>,
}

impl Policy for Noting {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn begin(&mut self, seed: u64) {
        self.model.begin(seed);
    }

    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32 {
        self.seen.extend_from_slice(obs);
        self.model.act(obs, mask)
    }
}

/// Sees one column of another moment.
struct Blinded<'a> {
    model: ModelPolicy,
    column: usize,
    moments: &'a [f32],
    rng: Rng,
    obs: Vec<f32>,
    decisions: u64,
    changed: u64,
}

impl Policy for Blinded<'_> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn begin(&mut self, seed: u64) {
        self.rng = Rng::stream(seed, "shuffled", self.column as u64);
        self.model.begin(seed);
    }

    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32 {
        let moment = self.rng.below((self.moments.len() / obs.len()) as u64) as usize;
        self.obs.copy_from_slice(obs);
        self.obs[self.column] = self.moments[moment * obs.len() + self.column];
        let before = self.model.act(obs, mask);
        let action = self.model.act(&self.obs, mask);
        self.decisions += 1;
        self.changed += u64::from(action != before);
        action
    }
}
