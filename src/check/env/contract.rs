//! What every environment promises to a learner.

use crate::agent::policy::Random;
use crate::broker::{Intent, Verb};
use crate::env::account::Rules;
use crate::env::action::HOLD;
use crate::env::run::watch_episode;
use crate::env::seat::{Seat, Step};
use crate::env::{EnvConfig, EnvError, Policy, StepBuf, TradingEnv, VecEnv};
use crate::features::episode::Episode;
use crate::rng::Rng;
use crate::units::{Money, Side};
use serde::Serialize;
use std::sync::Arc;

const LANES: usize = 4;
const STEPS: usize = 2_000;

/// One promise.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What is promised.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was seen instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Check {
    fn new(name: &'static str, result: Result<(), String>) -> Check {
        Check { name, ok: result.is_ok(), why: result.err() }
    }

    /// Adds what another tape showed: a promise holds when it holds on all of them.
    pub(super) fn merge(all: &mut Vec<Check>, found: Vec<Check>, tape: &str) {
        for mut check in found {
            check.why = check.why.map(|why| format!("{tape} tape: {why}"));
            match all.iter_mut().find(|known| known.name == check.name) {
                Some(known) if known.ok => *known = check,
                Some(_) => {}
                None => all.push(check),
            }
        }
    }
}

/// Checks every promise with random actions.
pub(super) fn check<R: Rules>(
    episodes: &Arc<[Episode]>,
    config: &EnvConfig,
    seed: u64,
) -> Result<Vec<Check>, EnvError> {
    let new = || TradingEnv::<R>::under(episodes.clone(), config.clone(), LANES);
    Ok(vec![
        Check::new("shapes, finite values and declared ranges", observations(&mut new()?, seed)),
        Check::new("same seed, same bytes", repeatable(&mut new()?, &mut new()?, seed)),
        Check::new(
            "a saved state continues bit for bit",
            resumable(&mut new()?, &mut new()?, seed),
        ),
        Check::new(
            "masked actions are refused, others accepted",
            masks::<R>(episodes, config, seed),
        ),
        Check::new("rewards sum to the change of equity", rewards::<R>(episodes, config, seed)),
        Check::new("selling from flat is buying the other side", twins::<R>(episodes, config)),
    ])
}

/// Steps `env` at random, showing `look` every buffer.
fn drive(
    env: &mut dyn VecEnv,
    out: &mut StepBuf,
    policy: &mut Random,
    steps: usize,
    mut look: impl FnMut(&StepBuf) -> Result<(), String>,
) -> Result<(), String> {
    let (n, len) = (env.n_envs(), env.n_actions());
    let mut actions = vec![0; n];
    for _ in 0..steps {
        for (i, action) in actions.iter_mut().enumerate() {
            *action = policy.act(&[], &out.mask[i * len..(i + 1) * len]);
        }
        env.step(&actions, out);
        look(out)?;
    }
    Ok(())
}

fn started(env: &mut dyn VecEnv, seed: u64) -> (StepBuf, Random) {
    let mut out = StepBuf::for_env(env);
    env.reset(seed, &mut out);
    let mut policy = Random::default();
    policy.begin(seed);
    (out, policy)
}

fn observations<R: Rules>(env: &mut TradingEnv<R>, seed: u64) -> Result<(), String> {
    let columns = env.config().layout.columns();
    if (env.obs_len(), env.n_actions()) != (columns.len(), env.config().actions.len()) {
        return Err(format!("{} values, {} actions", env.obs_len(), env.n_actions()));
    }
    let inside = |obs: &[f32]| {
        for (i, value) in obs.iter().enumerate() {
            let column = &columns[i % columns.len()];
            if !(column.lo..=column.hi).contains(value) {
                let (lo, hi) = (column.lo, column.hi);
                return Err(format!("{} is {value}, outside {lo}..={hi}", column.name));
            }
        }
        Ok(())
    };
    let (mut out, mut policy) = started(env, seed);
    inside(&out.obs)?;
    drive(env, &mut out, &mut policy, STEPS, |out| {
        inside(&out.obs)?;
        for (env, _) in out.ended.iter().enumerate().filter(|(_, end)| end.len > 0) {
            inside(&out.final_obs[env * columns.len()..(env + 1) * columns.len()])?;
        }
        match out.reward.iter().find(|reward| !reward.is_finite()) {
            Some(reward) => Err(format!("a reward is {reward}")),
            None => Ok(()),
        }
    })
}

fn repeatable(one: &mut dyn VecEnv, two: &mut dyn VecEnv, seed: u64) -> Result<(), String> {
    let (mut a, mut choose) = started(one, seed);
    let (mut b, mut choose_too) = started(two, seed);
    let mut seen = vec![digest(&a)];
    drive(one, &mut a, &mut choose, STEPS, |out| {
        seen.push(digest(out));
        Ok(())
    })?;
    let mut again = seen.iter().skip(1);
    if digest(&b) != seen[0] {
        return Err("the first observations differ".into());
    }
    drive(two, &mut b, &mut choose_too, STEPS, |out| match again.next() {
        Some(first) if *first == digest(out) => Ok(()),
        _ => Err("two runs with one seed differ".into()),
    })
}

fn resumable(one: &mut dyn VecEnv, two: &mut dyn VecEnv, seed: u64) -> Result<(), String> {
    let (mut out, mut choose) = started(one, seed);
    drive(one, &mut out, &mut choose, STEPS / 4, |_| Ok(()))?;
    // Through text, as a checkpoint would.
    let text = one.save().to_string();
    let state = serde_json::from_str(&text).map_err(|e| format!("the state is not JSON: {e}"))?;
    let mut resumed = StepBuf::for_env(two);
    two.load(&state, &mut resumed)?;
    if bits(&resumed.obs) != bits(&out.obs) || resumed.mask != out.mask {
        return Err("the loaded state shows something else".into());
    }
    let mut choose_too = choose.clone();
    let mut seen = Vec::new();
    drive(one, &mut out, &mut choose, STEPS / 4, |out| {
        seen.push(digest(out));
        Ok(())
    })?;
    let mut again = seen.iter();
    drive(two, &mut resumed, &mut choose_too, STEPS / 4, |out| match again.next() {
        Some(first) if *first == digest(out) => Ok(()),
        _ => Err("the resumed run differs".into()),
    })
}

type Digest = (Vec<u32>, Vec<bool>, Vec<u32>, Vec<bool>, Vec<bool>);

/// All that a learner reads at every step, as bits.
fn digest(out: &StepBuf) -> Digest {
    let reward = bits(&out.reward);
    (bits(&out.obs), out.mask.clone(), reward, out.terminated.clone(), out.truncated.clone())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn masks<R: Rules>(episodes: &[Episode], config: &EnvConfig, seed: u64) -> Result<(), String> {
    each_decision::<R>(episodes, config, seed, |episode, seat, mask| {
        if !mask[0] {
            return Err("holding is masked".into());
        }
        for (action, allowed) in mask.iter().enumerate() {
            if seat.clone().step(episode, config, action as u32).is_ok() != *allowed {
                return Err(format!(
                    "the mask says {allowed} for {}",
                    config.actions.name(action as u32)
                ));
            }
        }
        match seat.clone().step(episode, config, mask.len() as u32) {
            Ok(_) => Err("an action outside the set is accepted".into()),
            Err(_) => Ok(()),
        }
    })
}

fn rewards<R: Rules>(episodes: &[Episode], config: &EnvConfig, seed: u64) -> Result<(), String> {
    for episode in episodes {
        let mut sum = Money::ZERO;
        let mut watch = |_: u32, step: &Step, _: &Seat<R>| sum += step.reward;
        let mut policy = Random::default();
        let report = watch_episode::<R>(episode, config, &mut policy, seed, &mut watch);
        let shaping = Money(config.reward.order_penalty.e6() * report.tally.orders as i64);
        if sum + shaping != report.final_equity - report.start {
            let change = report.final_equity - report.start;
            return Err(format!("{}: rewards {sum}, equity changed {change}", episode.ticker));
        }
    }
    Ok(())
}

/// L3, at the first decision of every episode: both ways leave the same account at the end.
fn twins<R: Rules>(episodes: &[Episode], config: &EnvConfig) -> Result<(), String> {
    for episode in episodes {
        for side in [Side::Yes, Side::No] {
            let ways =
                [Intent { side, verb: Verb::Sell }, Intent { side: side.other(), verb: Verb::Buy }];
            let [sold, bought] = ways.map(|intent| {
                let mut seat = Seat::<R>::new(episode, config, Rng::stream(0, "twins", 0));
                seat.step(episode, config, config.actions.take(intent, 0)).ok()?;
                while seat.step(episode, config, HOLD).is_ok() {}
                Some(*seat.account().portfolio())
            });
            if sold != bought {
                let (one, two) = (ways[0].name(), ways[1].name());
                return Err(format!("{}: {one} gives {sold:?}, {two} {bought:?}", episode.ticker));
            }
        }
    }
    Ok(())
}

/// Walks every episode at random, showing `look` each decision.
fn each_decision<R: Rules>(
    episodes: &[Episode],
    config: &EnvConfig,
    seed: u64,
    mut look: impl FnMut(&Episode, &Seat<R>, &[bool]) -> Result<(), String>,
) -> Result<(), String> {
    let mut mask = vec![true; config.actions.len()];
    let mut policy = Random::default();
    for (i, episode) in episodes.iter().enumerate() {
        policy.begin(seed + i as u64);
        let mut seat = Seat::<R>::new(episode, config, Rng::stream(seed, "orders", i as u64));
        while seat.at() + 1 < episode.len() {
            seat.mask(episode, config, &mut mask);
            look(episode, &seat, &mask)
                .map_err(|why| format!("{} decision {}: {why}", episode.ticker, seat.at()))?;
            let action = policy.act(&[], &mask);
            seat.step(episode, config, action).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}
