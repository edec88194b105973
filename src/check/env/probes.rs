//! Scripted policies that do not look, and what they earn.
//!
//! On a fair tape each market is traded twice: as it is, and mirrored (YES and NO exchanged, outcome
//! too). Whoever holds the same position in both holds a YES and a NO and gets one dollar whatever
//! happens, so a constant policy's gain is its spread and fees without any luck: the alarm needs no
//! statistics to be exact. Policies that draw lots keep some luck, hence the interval.

use super::{Audit, Tape};
use crate::agent::policy::{BuyAndHold, Constant, Hardcoded, Hold, Random};
use crate::env::run::watch_episode;
use crate::env::seat::Rules;
use crate::env::{EnvConfig, Policy};
use crate::features::episode::Episode;
use crate::rng::Rng;
use crate::units::{Price, Side};
use serde::Serialize;
use std::collections::BTreeMap;

const RESAMPLES: usize = 10_000;
const SIGNIFICANCE: f64 = 0.05;

/// What one scripted policy earned on one tape.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    /// The policy.
    pub name: String,
    /// The tape.
    pub tape: &'static str,
    /// Episodes played; a fair tape is played twice.
    pub episodes: usize,
    /// Mean over episodes of gain / start cash.
    pub mean_return: f64,
    /// Its 95 % bootstrap interval; resampled by market pair (fair) or by event (recorded).
    pub ci95: [f64; 2],
    /// Share of resampled means that are not positive: how easily luck explains a gain.
    pub p_no_gain: f64,
}

/// What the probes of one tape found.
#[derive(Default)]
pub(super) struct Probed {
    pub policies: Vec<Probe>,
    pub alarms: Vec<String>,
    pub warnings: Vec<String>,
}

/// Plays every scripted policy on `tape`, audited.
pub(super) fn run<R: Rules>(tape: &Tape, config: &EnvConfig, seed: u64) -> Probed {
    let mut probed = Probed::default();
    let mirrors: Vec<Episode> =
        if tape.fair { tape.episodes.iter().map(mirrored).collect() } else { Vec::new() };
    for mut policy in scripted(config) {
        let mut clusters: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut fault = None;
        for (i, episode) in tape.episodes.iter().enumerate() {
            let key = if tape.fair { i.to_string() } else { episode.event_ticker.to_string() };
            let gains = clusters.entry(key).or_default();
            for episode in std::iter::once(episode).chain(mirrors.get(i)) {
                let seed = seed + i as u64;
                let (gain, found) = audited::<R>(episode, config, policy.as_mut(), seed);
                gains.push(gain);
                fault = fault.or(found);
            }
        }
        let probe = Probe::of(policy.name(), tape.name, &clusters, seed);
        if let Some(fault) = fault {
            probed.alarms.push(format!("{} on the {} tape: {fault}", probe.name, tape.name));
        }
        if tape.fair && probe.ci95[0] > 0.0 {
            probed.alarms.push(format!(
                "{} gains {:+.3} % a market on the fair tape",
                probe.name,
                100.0 * probe.mean_return
            ));
        }
        probed.policies.push(probe);
    }
    if !tape.fair {
        probed.warnings = suspicious(&probed.policies);
    }
    probed
}

/// Each constant action, and the baselines of every evaluation.
fn scripted(config: &EnvConfig) -> Vec<Box<dyn Policy>> {
    let always = |action: u32| -> Box<dyn Policy> {
        Box::new(Constant::new(format!("always_{}", config.actions.name(action)), action))
    };
    let mut policies: Vec<Box<dyn Policy>> = vec![Box::new(Hold)];
    policies.extend((1..config.actions.len() as u32).map(always));
    policies.push(Box::new(Random::default()));
    policies.push(Box::new(Hardcoded::default()));
    policies.push(Box::new(BuyAndHold(Side::Yes)));
    policies.push(Box::new(BuyAndHold(Side::No)));
    policies
}

/// The return of one episode, and the first step that the audit disagrees with.
fn audited<R: Rules>(
    episode: &Episode,
    config: &EnvConfig,
    policy: &mut dyn Policy,
    seed: u64,
) -> (f64, Option<String>) {
    let mut audit = Audit::new(episode, config);
    let mut fault = None;
    let report = watch_episode::<R>(episode, config, policy, seed, &mut |action, step, seat| {
        // After one difference the books stay apart; only the first one says something.
        if fault.is_none() {
            fault = audit.follow(action, step, seat).err();
        }
    });
    let gain = (report.final_equity - report.start).as_dollars();
    (gain / config.start_cash.as_dollars(), fault)
}

impl Probe {
    fn of(
        name: &str,
        tape: &'static str,
        clusters: &BTreeMap<String, Vec<f64>>,
        seed: u64,
    ) -> Probe {
        let sums: Vec<(f64, usize)> =
            clusters.values().map(|gains| (gains.iter().sum(), gains.len())).collect();
        let mean = |picked: &mut dyn Iterator<Item = usize>| {
            let (sum, n) = picked.fold((0.0, 0), |(s, n), i| (s + sums[i].0, n + sums[i].1));
            sum / n.max(1) as f64
        };
        let mut rng = Rng::stream(seed, name, 0);
        let n = sums.len();
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| mean(&mut (0..n).map(|_| rng.below(n as u64) as usize)))
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[(share * (RESAMPLES - 1) as f64).round() as usize];
        let not_positive = means.partition_point(|m| *m <= 0.0);
        Probe {
            name: name.to_owned(),
            tape,
            episodes: sums.iter().map(|s| s.1).sum(),
            mean_return: mean(&mut (0..n)),
            ci95: [at(0.025), at(0.975)],
            p_no_gain: (not_positive + 1) as f64 / (RESAMPLES + 1) as f64,
        }
    }
}

/// Policies whose gain luck does not explain, by Holm's step-down procedure (1979).
fn suspicious(probes: &[Probe]) -> Vec<String> {
    let mut ranked: Vec<&Probe> = probes.iter().collect();
    ranked.sort_by(|a, b| a.p_no_gain.total_cmp(&b.p_no_gain));
    let left = |i: usize| (ranked.len() - i) as f64;
    let holds = |(i, probe): &(usize, &&Probe)| probe.p_no_gain <= SIGNIFICANCE / left(*i);
    ranked
        .iter()
        .enumerate()
        .take_while(holds)
        .map(|(_, probe)| {
            format!(
                "{} earned {:+.3} % a market on the {} tape without looking; one side may simply \
                 have won often",
                probe.name,
                100.0 * probe.mean_return,
                probe.tape
            )
        })
        .collect()
}

/// The same market with YES and NO exchanged. The rows stay: scripted policies do not look at them.
fn mirrored(episode: &Episode) -> Episode {
    let mut mirror = episode.clone();
    mirror.settlement = mirror.settlement.map(Price::complement);
    for decision in &mut mirror.decisions {
        decision.bids.swap(0, 1);
        decision.mid2 = 2 * Price::ONE.e4() as i32 - decision.mid2;
    }
    mirror.events.iter_mut().for_each(|event| event.side = event.side.other());
    mirror
}
