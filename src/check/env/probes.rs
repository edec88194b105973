//! Scripted policies that do not look, and what they earn.
//!
//! On a fair tape each market is traded twice: as it is, and mirrored (YES and NO exchanged, outcome
//! too). Whoever holds the same position in both holds a YES and a NO and gets one dollar whatever
//! happens, so a constant policy's gain is its spread and fees without any luck: the alarm needs no
//! statistics to be exact. Policies that draw lots keep some luck, hence the interval.

use super::{Audit, Tape};
use crate::agent::policy::{BuyAndHold, Constant, Hardcoded, Hold, Random};
use crate::agent::stats::{bootstrap_means, interval95, mean};
use crate::env::account::Rules;
use crate::env::run::watch_episode;
use crate::env::{EnvConfig, Policy};
use crate::features::episode::{Episode, TapeKind};
use crate::rng::Rng;
use crate::units::{Price, Side};
use serde::Serialize;

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
    /// Its 95 % bootstrap interval, drawn by market pair (fair) or by event (recorded); `None` with a
    /// single one.
    pub ci95: Option<[f64; 2]>,
    /// Share of resampled means that are not positive: how easily luck explains a gain; 1 where
    /// nothing can be drawn.
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
        let (mut gains, mut clusters) = (Vec::new(), Vec::new());
        let mut fault = None;
        for (i, episode) in tape.episodes.iter().enumerate() {
            for played in std::iter::once(episode).chain(mirrors.get(i)) {
                let seed = seed + i as u64;
                let (gain, found) = audited::<R>(played, config, policy.as_mut(), seed);
                gains.push(gain);
                clusters.push(if tape.fair { &*episode.ticker } else { &*episode.event_ticker });
                fault = fault.or(found);
            }
        }
        let mut rng = Rng::stream(seed, policy.name(), 0);
        let means = bootstrap_means(&gains, &clusters, &mut rng);
        let probe = Probe {
            name: policy.name().to_owned(),
            tape: tape.name,
            episodes: gains.len(),
            mean_return: mean(&gains).unwrap_or(0.0),
            ci95: means.as_deref().map(interval95),
            p_no_gain: means.as_deref().map_or(1.0, share_without_gain),
        };
        if let Some(fault) = fault {
            probed.alarms.push(format!("{} on the {} tape: {fault}", probe.name, tape.name));
        }
        if tape.fair && probe.ci95.is_some_and(|[low, _]| low > 0.0) {
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

fn share_without_gain(ascending: &[f64]) -> f64 {
    let not_positive = ascending.partition_point(|mean| *mean <= 0.0);
    (not_positive + 1) as f64 / (ascending.len() + 1) as f64
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
    mirror.books.iter_mut().for_each(|book| std::mem::swap(&mut book.yes, &mut book.no));
    for event in &mut mirror.events {
        match &mut event.kind {
            TapeKind::Delta(delta) => delta.side = delta.side.other(),
            TapeKind::Trade { taker, yes_price, .. } => {
                (*taker, *yes_price) = (taker.other(), yes_price.complement());
            }
            TapeKind::Snapshot(_) | TapeKind::Phase(_) => {}
        }
    }
    mirror
}
