//! One policy, one episode, one report: how evaluation plays.

use super::account::{Exact, Rules, Tally};
use super::seat::{End, Seat, Step};
use super::{EnvConfig, Markouts};
use crate::broker::matching::{Bracket, Fill};
use crate::features::episode::Episode;
use crate::rng::Rng;
use crate::units::{Money, TsUs};
use serde::Serialize;

/// Chooses actions for one environment, episode after episode.
pub trait Policy {
    /// Short name, as it stands in tables.
    fn name(&self) -> &str;
    /// A new episode begins; all chance until the next call comes from `seed`.
    fn begin(&mut self, seed: u64);
    /// An allowed action for this observation.
    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32;
    /// How probable it held `action` where it acted last, under the same `mask`, 0..=1; `None` for a script, which
    /// has learned no distribution.
    fn confidence(&mut self, _action: u32, _mask: &[bool]) -> Option<f32> {
        None
    }
}

/// What became of an account in one episode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpisodeReport {
    /// The market.
    pub ticker: Box<str>,
    /// The event that the market belongs to.
    pub event_ticker: Box<str>,
    /// Orders the episodes in time.
    pub settled: TsUs,
    /// True when the recorded outcome was paid, false when the position was marked at the touch.
    pub paid_out: bool,
    /// Equity at the start.
    pub start: Money,
    /// Equity at the end.
    pub final_equity: Money,
    /// Fees paid.
    pub fees: Money,
    /// Orders, fills, and how they came about.
    pub tally: Tally,
    /// What the market thought of the fills later.
    pub markouts: Markouts,
    /// Equity at the end, had the fills been those of the pessimistic, fitted and optimistic queue.
    pub bracket: Bracket<Money>,
    /// Largest fall of equity from an earlier peak.
    pub max_drawdown: Money,
    /// How often each action was chosen.
    pub actions: Vec<u64>,
    /// Equity at each decision; the first is the start and the last is the final equity.
    pub equity: Vec<Money>,
}

/// Lets `policy` trade `episode` from start to end. An episode with fewer than two decisions leaves no
/// room to act and reports the start.
///
/// # Panics
/// When the policy chooses an action that the mask forbids: a bug of the policy.
pub fn run_episode(
    episode: &Episode,
    config: &EnvConfig,
    policy: &mut dyn Policy,
    seed: u64,
) -> EpisodeReport {
    watch_episode::<Exact>(episode, config, policy, seed, &mut |_, _, _| ())
}

/// [`run_episode`] under any rules, showing `watch` every action, what it did and the seat after it:
/// for checks that keep their own books.
///
/// # Panics
/// As [`run_episode`].
pub fn watch_episode<R: Rules>(
    episode: &Episode,
    config: &EnvConfig,
    policy: &mut dyn Policy,
    seed: u64,
    watch: &mut dyn FnMut(u32, &Step, &Seat<R>),
) -> EpisodeReport {
    let mut seat = Seat::<R>::new(episode, config, Rng::stream(seed, "execution", 0));
    let mut obs = vec![0.0; config.layout.len()];
    let mut mask = vec![true; config.actions.len()];
    let mut actions = vec![0; mask.len()];
    let mut equity = vec![seat.account().equity()];
    let mut fills: Vec<Fill> = Vec::new();
    let mut paid_out = false;
    policy.begin(seed);
    while seat.at() + 1 < episode.len() {
        seat.observe(episode, config, &mut obs);
        seat.mask(episode, config, &mut mask);
        let action = policy.act(&obs, &mask);
        let step = seat.step(episode, config, action);
        let step = step.expect("a policy chooses among the allowed actions");
        watch(action, &step, &seat);
        fills.extend(&seat.account().news().fills);
        actions[action as usize] += 1;
        equity.push(seat.account().equity());
        paid_out = step.end == Some(End::Settled);
    }
    EpisodeReport {
        ticker: episode.ticker.clone(),
        event_ticker: episode.event_ticker.clone(),
        settled: episode.settled,
        paid_out,
        start: config.start_cash,
        final_equity: seat.account().equity(),
        fees: seat.account().portfolio().fees(),
        tally: *seat.account().tally(),
        markouts: Markouts::of(episode, &fills, config.execution.counts),
        bracket: episode
            .decisions
            .last()
            .map_or(Bracket::all(config.start_cash), |last| seat.account().bracket(last)),
        max_drawdown: seat.account().max_drawdown(),
        actions,
        equity,
    }
}
