//! The trading environment: money, time, masks, and the exploit alarm.

mod alarm;
mod wild;

use kalshiflow::agent::policy::{BuyAndHold, Hardcoded, Hold, Policy, Random};
use kalshiflow::broker::matching::Bound;
use kalshiflow::broker::{Delay, Exponent, FeeSchedule, FeeType, Latency, Multiplier, Rate};
use kalshiflow::check::env::Audit;
use kalshiflow::env::account::{Exact, Tally};
use kalshiflow::env::action::Placement;
use kalshiflow::env::run::watch_episode;
use kalshiflow::env::seat::{End, Seat, Step};
use kalshiflow::env::{
    ActionSet, EnvConfig, EnvError, Execution, StepBuf, TradingEnv, VecEnv, run_episode,
};
use kalshiflow::event::{Body, Delta, Event, MarketId, SessionId, Snapshot, Trade};
use kalshiflow::features::Layout;
use kalshiflow::features::episode::{Episode, EpisodeBuilder, TapeKind, TopLevels};
use kalshiflow::market::MarketInfo;
use kalshiflow::rng::Rng;
use kalshiflow::units::{Money, Qty, Side, TsNs, TsUs};
use proptest::prelude::*;
use std::sync::Arc;
use wild::{price, wild, wild_set};

/// Several clip sizes and little cash, so that every kind of refusal happens.
fn tight() -> EnvConfig {
    EnvConfig {
        start_cash: Money::dollars(20),
        limit: Qty::contracts(60),
        actions: ActionSet {
            sizes: [1, 7, 33].map(Qty::contracts).to_vec(),
            quotes: vec![Placement::Improve],
        },
        fees: FeeSchedule { maker_k_e4: 175, ..FeeSchedule::default() },
        ..EnvConfig::default()
    }
}

/// An agent that can also rest, in the fitted queue.
fn maker() -> EnvConfig {
    EnvConfig {
        actions: ActionSet {
            quotes: vec![Placement::Join, Placement::Improve],
            ..ActionSet::default()
        },
        execution: Execution { counts: Bound::Fitted, ..Execution::default() },
        ..EnvConfig::default()
    }
}

/// Orders are at the exchange at once.
fn instant() -> EnvConfig {
    EnvConfig { execution: Execution::instant(), ..EnvConfig::default() }
}

fn chance(seed: u64) -> Rng {
    Rng::stream(seed, "orders", 0)
}

/// The predecessor's environment turned $100 into $9,780 by selling. Here a million random actions on
/// senseless markets are booked a second time with separate piles of contracts, and every step agrees.
#[test]
fn money_is_conserved_over_a_million_random_actions() {
    let mut steps = 0u64;
    let mut tally = Tally::default();
    let rules = [EnvConfig::default(), tight(), maker()];
    for (i, config) in rules.iter().enumerate() {
        for seed in 0.. {
            let episode = wild(seed, 2_000);
            let mut audit = Audit::new(&episode, config);
            let mut rewards = Money::ZERO;
            let mut policy = Random::default();
            let mut watch = |action, step: &Step, seat: &Seat<Exact>| {
                audit.follow(action, step, seat).unwrap();
                let reserved = seat.account().reserved();
                assert!(reserved <= seat.account().portfolio().cash() || step.end.is_some());
                rewards += step.reward;
                steps += 1;
            };
            let report = watch_episode(&episode, config, &mut policy, seed, &mut watch);
            assert_eq!(rewards, report.final_equity - report.start);
            assert_eq!(report.equity.last(), Some(&report.final_equity));
            assert_eq!(report.bracket[config.execution.counts], report.final_equity);
            tally.filled += report.tally.filled;
            tally.maker += report.tally.maker;
            if steps >= 350_000 * (i as u64 + 1) {
                break;
            }
        }
    }
    assert!(steps >= 1_000_000 && tally.filled > 100_000, "{steps} steps, {tally:?}");
    assert!(tally.maker > Qty::contracts(1_000), "{tally:?}");
}

/// Training must see what evaluation sees: the vector environment and the single episode are one code
/// path, step for step.
#[test]
fn the_vector_environment_earns_what_single_episodes_earn() {
    // Without chance in the delays, one draw is like another.
    let (episodes, config) = (wild_set(12), instant());
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

/// Episodes of a later tier are played only once their part of the training has come; then all of them are.
#[test]
fn a_curriculum_lets_one_tier_after_the_other_in() {
    let episodes = wild_set(9);
    let tiers: Vec<u8> = (0..9).map(|i| i % 3).collect();
    let mut env = TradingEnv::new(episodes.clone(), EnvConfig::default(), 2)
        .expect("playable")
        .with_tiers(tiers.clone());
    let mut buf = StepBuf::for_env(&env);
    env.reset(5, &mut buf);
    for (done, open) in [(0.0, 0), (0.34, 1), (0.67, 2), (1.0, 2)] {
        env.set_progress(done);
        let (mut played, mut ended) = ([0; 3], 0);
        while ended < 80 {
            for lane in 0..2 {
                let at = env.seat(lane).0 as *const Episode;
                let at = episodes.iter().position(|e| std::ptr::eq(e, at)).expect("one of them");
                played[usize::from(tiers[at])] += 1;
            }
            env.step(&[0, 0], &mut buf);
            ended += buf.ended.iter().filter(|end| end.len > 0).count();
        }
        for (tier, steps) in played.into_iter().enumerate() {
            assert_eq!(steps > 0, tier <= open, "{steps} steps in tier {tier} at {done}");
        }
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

/// An order meets what comes after it, and nothing that comes after the decision at which its fill is seen:
/// two tapes that are the same up to a decision look the same there, money, orders and all.
#[test]
fn changing_the_future_changes_neither_observation_nor_mask_nor_fill() {
    let config = maker();
    let n = config.actions.len();
    for seed in 0..60 {
        let episode = wild(seed, 60);
        let cut = 1 + Rng::stream(seed, "cut", 0).below(57) as usize;
        let mut other = wild(seed + 1_000, 60);
        let kept = episode.decisions[cut].next_event as usize;
        let dropped = other.decisions[cut].next_event as usize;
        other.rows.splice(..(cut + 1) * 43, episode.rows[..(cut + 1) * 43].iter().copied());
        // The other future brings its own books; those of the past come first.
        for event in &mut other.events[dropped..] {
            if let TapeKind::Snapshot(number) = &mut event.kind {
                *number += episode.books.len() as u32;
            }
        }
        other.books.splice(..0, episode.books.iter().cloned());
        other.events.splice(..dropped, episode.events[..kept].to_vec());
        for decision in &mut other.decisions[cut + 1..] {
            decision.next_event = decision.next_event - dropped as u32 + kept as u32;
        }
        other.decisions.splice(..=cut, episode.decisions[..=cut].iter().copied());
        let mut policy = Random::default();
        policy.begin(seed);
        let (mut one, mut two) = (
            Seat::<Exact>::new(&episode, &config, chance(seed)),
            Seat::<Exact>::new(&other, &config, chance(seed)),
        );
        for at in 0..=cut {
            let see = |seat: &Seat, episode: &Episode| {
                let (mut obs, mut mask) = (vec![0.0f32; 52], vec![false; n]);
                seat.observe(episode, &config, &mut obs);
                seat.mask(episode, &config, &mut mask);
                (obs, mask, *seat.account().portfolio(), seat.account().equity())
            };
            let seen = see(&one, &episode);
            assert_eq!(seen, see(&two, &other), "seed {seed}, decision {at}");
            let action = policy.act(&seen.0, &seen.1);
            one.step(&episode, &config, action).expect("allowed");
            two.step(&other, &config, action).expect("allowed");
        }
    }
}

#[test]
fn the_mask_says_exactly_what_is_accepted() {
    for config in [EnvConfig::default(), tight(), maker()] {
        let mut refusals = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let episode = wild(seed, 120);
            let mut policy = Random::default();
            policy.begin(seed);
            let mut seat = Seat::<Exact>::new(&episode, &config, chance(seed));
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
        let all = if config == EnvConfig::default() { 3 } else { 6 };
        assert!(refusals.len() >= all, "only {refusals:?} happened");
    }
}

/// One YES bid and one NO bid of 4 contracts each; seven decisions, at 1, 2, 3, 4, 4.5, 5 and 6 seconds, of
/// which each is known at the next, and `between` at 4.5 seconds.
fn thin(settlement: Option<i64>, between: &[Body]) -> Episode {
    let market = MarketInfo {
        ticker: "THIN".into(),
        settlement: settlement.map(price),
        close: Some(TsUs::from_ms(60_000)),
        ..MarketInfo::default()
    };
    let mut builder = EpisodeBuilder::new(Layout::default(), &market, SessionId::default());
    let book = Snapshot { yes: vec![(price(4_000), Qty(400))], no: vec![(price(5_800), Qty(400))] };
    let mut row_id = 0;
    let mut push = |ts_ms: i64, body: Body| {
        row_id += 1;
        let (ts, recv) = (Some(TsUs::from_ms(ts_ms)), TsNs::from_ms(ts_ms));
        builder.push(&Event { row_id, recv, ts, market: MarketId(0), sid: 1, seq: row_id, body });
    };
    push(0, Body::Snapshot(Box::new(book)));
    for half_s in [2, 4, 6, 8, 9, 10, 12] {
        // Far from everything: it only lets time pass.
        push(500 * half_s, delta(Side::Yes, 1, 1));
        if half_s == 9 {
            between.iter().for_each(|body| push(4_500, body.clone()));
        }
    }
    builder.finish().remove(0)
}

/// The seat after these actions in [`thin`].
#[track_caller]
fn played(config: &EnvConfig, actions: &[u32], between: &[Body]) -> Seat {
    let episode = thin(None, between);
    let mut seat = Seat::<Exact>::new(&episode, config, chance(0));
    for action in actions {
        seat.step(&episode, config, *action).expect("allowed");
    }
    seat
}

fn delta(side: Side, e4: i64, qty: i64) -> Body {
    Body::Delta(Delta { side, price: price(e4), qty: Qty(qty) })
}

fn trade(taker: Side, yes_e4: i64, qty: i64) -> Body {
    let (yes_price, qty) = (price(yes_e4), Qty(qty));
    Body::Trade(Box::new(Trade { taker, yes_price, qty, block: None, id: [0; 16] }))
}

const BUY_YES: u32 = 1;
const BUY_NO: u32 = 3;
const JOIN_BID: u32 = 5;
const IMPROVE_BID: u32 = 7;
const CANCEL: u32 = 9;

/// The predecessor filled 20 contracts from a book that offered one, again and again.
#[test]
fn depth_is_filled_once_until_the_tape_refreshes_it() {
    let config = instant();
    let fill = |episode: &Episode, actions: &[u32]| {
        let mut seat = Seat::<Exact>::new(episode, &config, chance(0));
        let results = actions.iter().map(|a| seat.step(episode, &config, *a).is_ok()).collect();
        let result: Vec<bool> = results;
        (seat.account().portfolio().position(), result)
    };
    let quiet = thin(None, &[]);
    assert_eq!(fill(&quiet, &[BUY_YES, 0]), (Qty(400), vec![true; 2]), "a partial fill");
    let again = fill(&quiet, &[BUY_YES, 0, BUY_YES, 0]);
    assert_eq!(again, (Qty(400), vec![true, true, false, true]), "the depth is gone");
    for (refresh, position) in [
        (delta(Side::No, 5_800, 100), 900),
        (delta(Side::No, 5_700, 100), 500),
        (delta(Side::Yes, 3_900, 100), 400),
    ] {
        let episode = thin(None, std::slice::from_ref(&refresh));
        let later = fill(&episode, &[BUY_YES, 0, 0, 0, BUY_YES, 0]);
        assert_eq!(later.0, Qty(position), "{refresh:?}");
    }
}

/// A quote waits its turn: behind the four contracts that stood there, until somebody trades.
#[test]
fn a_quote_fills_after_those_before_it_and_only_by_trades() {
    let config = EnvConfig { execution: Execution::instant(), ..maker() };
    let held = |actions: &[u32], between: &[Body]| {
        let seat = played(&config, actions, between);
        let position = seat.account().portfolio().position();
        (position, seat.account().tally().maker, seat.account().reserved())
    };
    let grow = delta(Side::Yes, 4_000, 900);
    let sold = |qty| [trade(Side::No, 4_000, qty), delta(Side::Yes, 4_000, -qty)];
    let nothing = Money::ZERO;
    let quote = |body: &[Body]| held(&[JOIN_BID, 0, 0, 0, 0, 0], body);
    assert_eq!(quote(&[]).0, Qty::ZERO);
    // Four stood there before; nine more joined behind.
    assert_eq!(quote(&[&[grow.clone()][..], &sold(400)].concat()).0, Qty::ZERO);
    assert_eq!(quote(&[&[grow.clone()][..], &sold(900)].concat()).1, Qty(500));
    // Ten contracts were wanted: 5 are left, at 40 cents and at most 2 cents of fees each.
    let left = quote(&[&[grow.clone()][..], &sold(900)].concat()).2;
    assert!(left > Money::dollars(2) && left <= Money::dollars(2) + Money(150_000), "{left}");
    // A level that vanishes fills nobody.
    assert_eq!(quote(&[delta(Side::Yes, 4_000, -400)]).0, Qty::ZERO);
    // One tick better there was nobody; taken back, it is gone before the trade.
    assert_eq!(held(&[IMPROVE_BID, 0, 0, 0, 0, 0], &sold(300)).0, Qty(300));
    assert_eq!(
        held(&[IMPROVE_BID, 0, CANCEL, 0, 0, 0], &sold(300)),
        (Qty::ZERO, Qty::ZERO, nothing)
    );
}

fn status(word: &str) -> Body {
    Body::Market(format!(r#"{{"ticker":"THIN","status":"{word}"}}"#).into())
}

/// A deactivated market takes nothing new, and what rested there is cancelled when it trades again.
#[test]
fn a_market_that_pauses_ends_the_quotes_in_it() {
    let config = EnvConfig { execution: Execution::instant(), ..maker() };
    let held = |actions: &[u32], between: &[Body]| {
        let seat = played(&config, actions, between);
        (seat.account().portfolio().position(), seat.account().is_working())
    };
    let grow = delta(Side::Yes, 4_000, 900);
    let sold = [grow, trade(Side::No, 4_000, 900), delta(Side::Yes, 4_000, -900)];
    let [pause, resume, over] = ["inactive", "active", "determined"].map(status);
    let quote = [JOIN_BID, 0, 0, 0, 0, 0];
    let (filled, _) = held(&quote, &sold);
    assert!(filled > Qty::ZERO, "the trade reaches the quote");
    assert_eq!(held(&quote, std::slice::from_ref(&pause)), (Qty::ZERO, true), "it rests on");
    let paused = [&[pause.clone(), resume][..], &sold].concat();
    assert_eq!(held(&quote, &paused), (Qty::ZERO, false));
    assert_eq!(held(&quote, &[&[over][..], &sold].concat()), (Qty::ZERO, false));
    // Asked for while it is paused: refused on arrival.
    let late = [0, 0, 0, 0, JOIN_BID, 0];
    assert!(held(&late, &[]).1);
    assert_eq!(held(&late, &[pause]), (Qty::ZERO, false));
}

/// Four contracts stood before ours and nine behind when six were cancelled. Who believes that most of them were
/// behind (a high exponent) still waits when four are sold; a calibrated series is believed for itself alone.
#[test]
fn a_calibrated_series_queues_by_its_own_exponent() {
    let between = [
        &[delta(Side::Yes, 4_000, 900), delta(Side::Yes, 4_000, -600)][..],
        &[trade(Side::No, 4_000, 400), delta(Side::Yes, 4_000, -400)],
    ];
    let episode = thin(None, &between.concat());
    let held = |series: &str, e2: u16| {
        let exponents = [(series.to_owned(), Exponent::new(e2).expect("in range"))].into();
        let execution = Execution { counts: Bound::Fitted, ..Execution::instant() };
        let config = EnvConfig { exponents, execution, ..maker() };
        let mut seat = Seat::<Exact>::new(&episode, &config, chance(0));
        for action in [JOIN_BID, 0, 0, 0, 0, 0] {
            seat.step(&episode, &config, action).expect("allowed");
        }
        seat.account().portfolio().position()
    };
    // Of the six, 4/13 were before us by the uniform model.
    assert_eq!([held("THIN", 100), held("THIN", 800)], [Qty(184), Qty::ZERO]);
    assert_eq!(held("OTHER", 100), held("OTHER", 800));
}

/// Quotes once, and waits.
struct JoinsOnce(bool);

impl Policy for JoinsOnce {
    fn name(&self) -> &str {
        "joins once"
    }
    fn begin(&mut self, _: u64) {
        self.0 = false;
    }
    fn act(&mut self, _: &[f32], mask: &[bool]) -> u32 {
        let joins = !self.0 && mask[JOIN_BID as usize];
        self.0 |= joins;
        if joins { JOIN_BID } else { 0 }
    }
}

/// Four contracts rested at $0.40 and were taken: 0.0175 x 4 x 0.40 x 0.60 where makers pay.
#[test]
fn a_series_with_maker_fees_takes_them_from_what_rested() {
    let between = [
        &[delta(Side::Yes, 4_000, 900), delta(Side::Yes, 4_000, -600)][..],
        &[trade(Side::No, 4_000, 400), delta(Side::Yes, 4_000, -400)],
    ];
    let episode = thin(None, &between.concat());
    let paid = |series: &str, fee_type, e4| {
        let rate = Rate { fee_type, multiplier: Multiplier::try_from(e4).expect("in range") };
        let rates = [(series.to_owned(), rate)].into();
        let execution = Execution { counts: Bound::Optimistic, ..Execution::instant() };
        let config = EnvConfig { rates, execution, ..maker() };
        let report = run_episode(&episode, &config, &mut JoinsOnce(false), 0);
        assert_eq!(report.tally.maker, Qty::contracts(4));
        report.fees.e6()
    };
    assert_eq!(paid("THIN", FeeType::Quadratic, 10_000), 0);
    assert_eq!(paid("THIN", FeeType::WithMakerFees, 10_000), 16_800);
    assert_eq!(paid("THIN", FeeType::WithMakerFees, 5_000), 8_400);
    assert_eq!(paid("THIN", FeeType::WithComboMakerFees, 10_000), 16_800, "rather too much");
    assert_eq!(paid("OTHER", FeeType::WithMakerFees, 10_000), 0, "each series for itself");
}

/// Defects E1, E4, E6 and E10 of the predecessor, number by number.
#[test]
fn an_episode_ends_with_the_outcome_paid_or_the_position_marked() {
    let sizes = vec![Qty::contracts(4)];
    let config = EnvConfig { actions: ActionSet { sizes, quotes: Vec::new() }, ..instant() };
    let end = |settlement, action| {
        let episode = thin(settlement, &[]);
        let mut seat = Seat::<Exact>::new(&episode, &config, chance(0));
        let mut step = seat.step(&episode, &config, action).expect("allowed");
        while seat.at() + 1 < episode.len() {
            step = seat.step(&episode, &config, 0).expect("allowed");
        }
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
    let mut one_sided = thin(None, &[]);
    one_sided.decisions.iter_mut().skip(1).for_each(|d| d.bids[0] = TopLevels::default());
    let report = run_episode(&one_sided, &config, &mut BuyAndHold(Side::Yes), 0);
    assert_eq!(report.final_equity + report.fees, Money(98_320_000), "a missing bid marks at zero");
}

/// Latency is part of the result: an order that never arrives fills nothing, one that is slow meets the book
/// as it is then.
#[test]
fn an_order_meets_the_book_when_it_arrives() {
    let away = [delta(Side::No, 5_800, -400), delta(Side::No, 5_000, 400)];
    let buy = |latency: Latency, between: &[Body]| {
        let execution = Execution { latency, ..Execution::default() };
        let config = EnvConfig { execution, ..EnvConfig::default() };
        let episode = thin(None, between);
        let mut seat = Seat::<Exact>::new(&episode, &config, chance(0));
        for action in [0, 0, BUY_YES, 0, 0, 0] {
            seat.step(&episode, &config, action).expect("allowed");
        }
        (seat.account().portfolio().position(), seat.account().tally().orders)
    };
    let slow = Latency::all(Delay::Fixed(500_000));
    assert_eq!(buy(Latency::NONE, &[]), (Qty(400), 1));
    assert_eq!(buy(slow, &[]), (Qty(400), 1));
    assert_eq!(buy(slow, &away), (Qty::ZERO, 1), "the ask at 42 cents left before");
    assert_eq!(buy(Latency::all(Delay::Never), &[]), (Qty::ZERO, 1));
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
    let mut short = wild(1, 5);
    short.decisions.truncate(1);
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
    fn reports_add_up(seed in 0u64..100_000, len in 3usize..200, which in 0usize..4) {
        let episode = wild(seed, len);
        let takes = ActionSet { quotes: Vec::new(), ..tight().actions };
        let config = if seed % 2 == 0 { EnvConfig::default() } else { EnvConfig { actions: takes, ..tight() } };
        let mut policies: [Box<dyn Policy>; 4] = [
            Box::new(Hold), Box::new(Random::default()), Box::new(Hardcoded::default()), Box::new(BuyAndHold(Side::No)),
        ];
        let report = run_episode(&episode, &config, policies[which].as_mut(), seed);
        prop_assert_eq!(report.equity.len(), len);
        prop_assert_eq!(report.actions.iter().sum::<u64>(), len as u64 - 1);
        prop_assert_eq!(report.actions[1..].iter().sum::<u64>(), report.tally.orders);
        prop_assert!(report.tally.filled <= report.tally.orders);
        prop_assert!(report.bracket.0.is_sorted() || report.tally.maker > Qty::ZERO);
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
