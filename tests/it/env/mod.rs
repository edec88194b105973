//! The trading environment: money, time, masks, and the exploit alarm.

mod alarm;
mod wild;

use kalshiflow::agent::policy::{BuyAndHold, Hardcoded, Hold, Policy, Random};
use kalshiflow::check::env::Audit;
use kalshiflow::env::account::Exact;
use kalshiflow::env::run::watch_episode;
use kalshiflow::env::seat::{End, Seat, Step};
use kalshiflow::env::{ActionSet, EnvConfig, EnvError, StepBuf, TradingEnv, VecEnv, run_episode};
use kalshiflow::features::Layout;
use kalshiflow::features::episode::{Episode, TapeEvent, TapeKind, TopLevels};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Money, Qty, Side};
use proptest::prelude::*;
use std::sync::Arc;
use wild::{price, wild, wild_set};

/// Several clip sizes and little cash, so that every kind of refusal happens.
fn tight() -> EnvConfig {
    EnvConfig {
        start_cash: Money::dollars(20),
        limit: Qty::contracts(60),
        actions: ActionSet { sizes: [1, 7, 33].map(Qty::contracts).to_vec() },
        ..EnvConfig::default()
    }
}

/// The predecessor's environment turned $100 into $9,780 by selling. Here a million random actions on
/// senseless markets are booked a second time with separate piles of contracts, and every step agrees.
#[test]
fn money_is_conserved_over_a_million_random_actions() {
    let mut steps = 0u64;
    let mut fills = 0;
    for config in [EnvConfig::default(), tight()] {
        for seed in 0.. {
            let episode = wild(seed, 2_000);
            let mut audit = Audit::new(&episode, &config);
            let mut rewards = Money::ZERO;
            let mut policy = Random::default();
            let mut watch = |action, step: &Step, seat: &Seat<Exact>| {
                audit.follow(action, step, seat).unwrap();
                rewards += step.reward;
                steps += 1;
            };
            let report = watch_episode(&episode, &config, &mut policy, seed, &mut watch);
            assert_eq!(rewards, report.final_equity - report.start);
            assert_eq!(report.equity.last(), Some(&report.final_equity));
            fills += report.trades;
            if steps >= 500_000 * if config == tight() { 2 } else { 1 } {
                break;
            }
        }
    }
    assert!(steps >= 1_000_000 && fills > 100_000, "{steps} steps, {fills} orders");
}

/// Training must see what evaluation sees: the vector environment and the single episode are one code
/// path, step for step.
#[test]
fn the_vector_environment_earns_what_single_episodes_earn() {
    let episodes = wild_set(12);
    let config = EnvConfig::default();
    let mut env = TradingEnv::new(episodes.clone(), config.clone(), 3).expect("playable");
    let mut out = StepBuf::for_env(&env);
    env.reset(5, &mut out);
    let mut ended = 0;
    while ended < 40 {
        let before: Vec<Episode> = (0..3).map(|i| env.seat(i).0.clone()).collect();
        let actions: Vec<u32> =
            (0..3).map(|i| first_trade(&out.mask[i * 5..(i + 1) * 5])).collect();
        env.step(&actions, &mut out);
        for (i, end) in out.ended.iter().enumerate().filter(|(_, end)| end.len > 0) {
            ended += 1;
            assert_eq!(end.len as usize, before[i].len() - 1);
            assert_eq!(out.terminated[i], before[i].settlement.is_some());
            assert_eq!(out.truncated[i], before[i].settlement.is_none());
            let report = run_episode(&before[i], &config, &mut FirstTrade, 0);
            assert_eq!(end.ret, (report.final_equity - report.start).as_dollars());
            let market = &out.final_obs[i * 52..i * 52 + 43];
            assert_eq!(market, before[i].row(before[i].len() - 1), "the real last observation");
        }
    }
}

fn first_trade(mask: &[bool]) -> u32 {
    (1..mask.len()).find(|a| mask[*a]).unwrap_or(0) as u32
}

struct FirstTrade;

impl Policy for FirstTrade {
    fn name(&self) -> &str {
        "first_trade"
    }
    fn begin(&mut self, _seed: u64) {}
    fn act(&mut self, _obs: &[f32], mask: &[bool]) -> u32 {
        first_trade(mask)
    }
}

/// Every environment plays every episode once before it plays one again.
#[test]
fn each_environment_walks_its_own_permutation_of_the_episodes() {
    let episodes: Arc<[Episode]> = (0..9).map(|seed| wild(seed, 3)).collect();
    let mut env = TradingEnv::new(episodes, EnvConfig::default(), 2).expect("playable");
    let mut out = StepBuf::for_env(&env);
    let mut orders = Vec::new();
    for seed in [1, 2] {
        env.reset(seed, &mut out);
        let mut seen = [Vec::new(), Vec::new()];
        for _ in 0..18 {
            for (i, seen) in seen.iter_mut().enumerate() {
                seen.push(env.seat(i).0.ticker.clone());
            }
            env.step(&[0, 0], &mut out);
            env.step(&[0, 0], &mut out);
        }
        for order in seen {
            for round in order.chunks(9) {
                let mut sorted = round.to_vec();
                sorted.sort();
                sorted.dedup();
                assert_eq!(sorted.len(), 9);
            }
            orders.push(order);
        }
    }
    assert!((1..4).all(|i| orders[0] != orders[i]), "seeds and environments differ");
}

/// What an order may do is decided by the book it sees; what comes later is not yet known to anyone.
#[test]
fn changing_the_future_changes_neither_observation_nor_mask_nor_fill() {
    let config = EnvConfig::default();
    for seed in 0..60 {
        let episode = wild(seed, 60);
        let cut = 1 + Rng::stream(seed, "cut", 0).below(57) as usize;
        let mut other = wild(seed + 1_000, 60);
        let kept = episode.decisions[cut].next_event as usize;
        other.rows.splice(..(cut + 1) * 43, episode.rows[..(cut + 1) * 43].iter().copied());
        other
            .events
            .splice(..other.decisions[cut].next_event as usize, episode.events[..kept].to_vec());
        let shift = kept as i64 - i64::from(other.decisions[cut].next_event);
        for decision in &mut other.decisions[cut + 1..] {
            decision.next_event = (i64::from(decision.next_event) + shift) as u32;
        }
        other.decisions.splice(..=cut, episode.decisions[..=cut].iter().copied());
        let mut policy = Random::default();
        policy.begin(seed);
        let (mut one, mut two) = (Seat::<Exact>::new(&config), Seat::<Exact>::new(&config));
        for at in 0..=cut {
            let see = |seat: &Seat, episode: &Episode| {
                let (mut obs, mut mask) = (vec![0.0f32; 52], vec![false; 5]);
                seat.observe(episode, &config, &mut obs);
                seat.mask(episode, &config, &mut mask);
                (obs, mask)
            };
            let seen = see(&one, &episode);
            assert_eq!(seen, see(&two, &other), "seed {seed}, decision {at}");
            let action = policy.act(&seen.0, &seen.1);
            one.step(&episode, &config, action).expect("allowed");
            two.step(&other, &config, action).expect("allowed");
            if at + 2 < episode.len() {
                assert_eq!(
                    one.account().portfolio(),
                    two.account().portfolio(),
                    "seed {seed}, fill at {at}"
                );
            }
        }
    }
}

#[test]
fn the_mask_says_exactly_what_is_accepted() {
    for config in [EnvConfig::default(), tight()] {
        let mut refusals = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let episode = wild(seed, 120);
            let mut policy = Random::default();
            policy.begin(seed);
            let mut seat = Seat::<Exact>::new(&config);
            let mut mask = vec![false; config.actions.len()];
            while seat.at() + 1 < episode.len() {
                seat.mask(&episode, &config, &mut mask);
                for (action, allowed) in mask.iter().enumerate() {
                    let result = seat.clone().step(&episode, &config, action as u32);
                    assert_eq!(result.is_ok(), *allowed);
                    refusals.extend(
                        result
                            .err()
                            .map(|e| format!("{e:?}").split(['(', ' ']).next().map(str::to_owned)),
                    );
                }
                let action = policy.act(&[], &mask);
                seat.step(&episode, &config, action).expect("allowed");
            }
        }
        let all = if config == tight() { 3 } else { 2 };
        assert!(refusals.len() >= all, "only {refusals:?} happened");
    }
}

/// One YES bid and one NO bid of 4 contracts each; three decisions.
fn thin(settlement: Option<i64>) -> Episode {
    let mut episode = wild(0, 4);
    episode.events.clear();
    for decision in &mut episode.decisions {
        decision.next_event = 0;
        decision.bids = [TopLevels::default(); 2];
        decision.bids[0][0] = (price(4_000), Qty(400));
        decision.bids[1][0] = (price(5_800), Qty(400));
    }
    episode.settlement = settlement.map(price);
    episode
}

const BUY_YES: u32 = 1;
const BUY_NO: u32 = 3;

/// The predecessor filled 20 contracts from a book that offered one, again and again.
#[test]
fn depth_is_filled_once_until_the_tape_refreshes_it() {
    let config = EnvConfig::default();
    let mut episode = thin(None);
    let fill = |episode: &Episode, actions: &[u32]| {
        let mut seat = Seat::<Exact>::new(&config);
        let results = actions.iter().map(|a| seat.step(episode, &config, *a).is_ok()).collect();
        let result: Vec<bool> = results;
        (seat.account().portfolio().position(), result)
    };
    assert_eq!(fill(&episode, &[BUY_YES]), (Qty(400), vec![true]), "a partial fill");
    assert_eq!(fill(&episode, &[BUY_YES, BUY_YES]), (Qty(400), vec![true, false]));
    let event = |side, e4| TapeEvent {
        qty_e2: 100,
        dt_ms: 0,
        price: price(e4),
        side,
        kind: TapeKind::Delta,
    };
    for (refresh, position) in [
        (event(Side::No, 5_800), 800),
        (event(Side::No, 5_700), 400),
        (event(Side::Yes, 5_800), 400),
    ] {
        episode.events = vec![refresh];
        episode.decisions[1..].iter_mut().for_each(|d| d.next_event = 1);
        assert_eq!(fill(&episode, &[BUY_YES, BUY_YES]).0, Qty(position), "{refresh:?}");
    }
}

/// Defects E1, E4, E6 and E10 of the predecessor, number by number.
#[test]
fn an_episode_ends_with_the_outcome_paid_or_the_position_marked() {
    let config = EnvConfig::default();
    let end = |settlement, action| {
        let episode = thin(settlement);
        let mut seat = Seat::<Exact>::new(&config);
        seat.step(&episode, &config, action).expect("allowed");
        seat.step(&episode, &config, 0).expect("allowed");
        let step = seat.step(&episode, &config, 0).expect("allowed");
        (
            seat.account().equity().e6() + seat.account().portfolio().fees().e6() - 100_000_000,
            step.end,
        )
    };
    // 4 contracts at $0.42 (YES) or $0.60 (NO).
    assert_eq!(end(Some(10_000), BUY_YES), (2_320_000, Some(End::Settled)));
    assert_eq!(end(Some(0), BUY_YES), (-1_680_000, Some(End::Settled)));
    assert_eq!(end(Some(10_000), BUY_NO), (-2_400_000, Some(End::Settled)));
    assert_eq!(end(Some(2_500), BUY_NO), (600_000, Some(End::Settled)));
    assert_eq!(end(None, BUY_YES), (-80_000, Some(End::Cut)), "marked at the bid");
    assert_eq!(end(None, BUY_NO), (-80_000, Some(End::Cut)), "marked at the bid");
    let mut one_sided = thin(None);
    one_sided.decisions.iter_mut().skip(1).for_each(|d| d.bids[0] = TopLevels::default());
    let report = run_episode(&one_sided, &config, &mut BuyAndHold(Side::Yes), 0);
    assert_eq!(report.final_equity + report.fees, Money(98_320_000), "a missing bid marks at zero");
}

#[test]
fn an_environment_that_cannot_be_played_says_why() {
    let build = |episodes: Vec<Episode>, config: EnvConfig| {
        TradingEnv::new(episodes.into(), config, 1).map(|_| ()).expect_err("unplayable").to_string()
    };
    assert!(matches!(
        TradingEnv::new(Arc::from([]), EnvConfig::default(), 1).map(|_| ()),
        Err(EnvError::NoEpisode)
    ));
    let short = wild(1, 1);
    assert!(
        build(vec![wild(0, 5), short], EnvConfig::default())
            .contains("episode 1 (WILD-1): 1 decisions")
    );
    let other = EnvConfig { layout: Layout::KalshiFlow52V2, ..EnvConfig::default() };
    assert!(build(vec![wild(0, 5)], other).contains("kalshiflow52-v2 has 36"));
    let mut config = EnvConfig { start_cash: Money::ZERO, ..EnvConfig::default() };
    config.actions.sizes = vec![Qty(500), Qty(500), Qty::contracts(1_000)];
    let said = build(vec![wild(0, 5)], config);
    assert!(
        ["start cash", "ascend", "above the position limit"].iter().all(|s| said.contains(s)),
        "{said}"
    );
}

#[test]
fn a_saved_state_of_other_data_or_rules_is_refused() {
    let new = |episodes: u64, config: EnvConfig, n| {
        TradingEnv::new(wild_set(episodes), config, n).expect("playable")
    };
    let state = new(5, EnvConfig::default(), 2).save();
    let load = |mut env: TradingEnv, state: &serde_json::Value| {
        let mut out = StepBuf::for_env(&env);
        env.load(state, &mut out)
    };
    load(new(5, EnvConfig::default(), 2), &state).expect("the same");
    assert!(
        load(new(4, EnvConfig::default(), 2), &state)
            .expect_err("refused")
            .contains("other episodes")
    );
    assert!(load(new(5, tight(), 2), &state).expect_err("refused").contains("other rules"));
    assert!(
        load(new(5, EnvConfig::default(), 3), &state)
            .expect_err("refused")
            .contains("2 environments")
    );
    let mut broken = state.clone();
    broken["lanes"][0]["seat"]["at"] = 100_000.into();
    assert!(
        load(new(5, EnvConfig::default(), 2), &broken).expect_err("refused").contains("outside")
    );
    assert!(load(new(5, EnvConfig::default(), 2), &serde_json::json!({})).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Rewards telescope for every policy, and no report contradicts itself.
    #[test]
    fn reports_add_up(seed in 0u64..100_000, len in 2usize..200, which in 0usize..4) {
        let episode = wild(seed, len);
        let config = if seed % 2 == 0 { EnvConfig::default() } else { tight() };
        let mut policies: [Box<dyn Policy>; 4] = [
            Box::new(Hold), Box::new(Random::default()), Box::new(Hardcoded::default()), Box::new(BuyAndHold(Side::No)),
        ];
        let report = run_episode(&episode, &config, policies[which].as_mut(), seed);
        prop_assert_eq!(report.equity.len(), len);
        prop_assert_eq!(report.actions.iter().sum::<u64>(), len as u64 - 1);
        prop_assert_eq!(report.actions[1..].iter().sum::<u64>(), report.trades);
        prop_assert_eq!(report.paid_out, episode.settlement.is_some());
        let mut peak = report.start;
        let mut fall = Money::ZERO;
        for equity in &report.equity {
            peak = peak.max(*equity);
            fall = fall.max(peak - *equity);
        }
        prop_assert_eq!(report.max_drawdown, fall);
        prop_assert!(report.final_equity >= Money::ZERO && report.fees >= Money::ZERO);
        prop_assert_eq!(&report, &run_episode(&episode, &config, policies[which].as_mut(), seed));
    }
}
