//! The actor itself: accepted records in, deeds out.
//!
//! **Invariant:** pure. What it does follows from the records, the policy and the seed; how long it took is
//! measured outside.
//! **Invariant:** it acts on a whole book only, before the event that made the decision due, and never because
//! of a gap.

use super::seat::LiveSeat;
use super::select::{Candidate, Choice, Selector};
use crate::collect::NewMarket;
use crate::digest;
use crate::env::{EnvConfig, Policy, action};
use crate::event::{Body, Event, MarketId, Tickers};
use crate::market::MarketInfo;
use crate::replay::BookLine;
use crate::rng::Rng;
use crate::units::Money;
use crate::wire::market::market_info;
use serde::{Deserialize, Serialize};

/// How to trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorSpec {
    /// Rules of the game: those that the policy was trained under. Every market has an account of its own.
    pub env: EnvConfig,
    /// Which markets.
    pub choice: Choice,
    /// Least exchange time between two orders in one market, milliseconds.
    pub throttle_ms: i64,
    /// All chance comes from it.
    pub seed: u64,
}

/// A policy, and what it is called in every row.
pub struct Acting {
    /// What chooses.
    pub policy: Box<dyn Policy + Send>,
    /// SHA-256 of its weights; empty for a scripted one.
    pub model_hash: String,
}

/// Why an action was carried out, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The policy chose it.
    Policy,
    /// The policy chose it too soon after the order before.
    Throttled,
    /// The actor was told to act no more.
    Halted,
}

/// One decision of a traded market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    /// The last record that the decision has seen.
    pub row_id: u64,
    /// The record that made it due.
    pub due_row_id: u64,
    /// The market.
    pub ticker: String,
    /// Exchange time, milliseconds.
    pub ts_ms: i64,
    /// What was chosen.
    pub action: u32,
    /// Its name.
    pub action_name: String,
    /// What became of it.
    pub reason: Reason,
    /// True if an order was placed and filled, at least in part.
    pub ordered: bool,
    /// Name of the policy.
    pub policy: String,
    /// SHA-256 of its weights; empty for a scripted one.
    pub model_hash: String,
    /// SHA-256 of the observation's bits.
    pub obs_hash: String,
    /// Growth of equity since the decision before: the reward of the action before, when no shaping is on.
    pub reward_e6: i64,
    /// Position afterwards: +YES, -NO, 1e-2 contracts.
    pub position_e2: i64,
    /// Cash afterwards.
    pub cash_e6: i64,
    /// Equity at the decision.
    pub equity_e6: i64,
    /// What the policy saw; the layout is that of the rules.
    pub obs: Vec<f32>,
    /// What it could choose among.
    pub mask: Vec<bool>,
}

/// What came of it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ActorReport {
    /// Markets with at least one decision.
    pub markets: u64,
    /// Decisions of traded markets.
    pub decisions: u64,
    /// Orders placed.
    pub orders: u64,
    /// Orders that the throttle or a halt kept back.
    pub held_back: u64,
    /// Markets that settled.
    pub settled: u64,
    /// Markets with a position now.
    pub open_positions: u64,
    /// Profit over all accounts: equity less start cash.
    pub profit_e6: i64,
    /// Fees paid.
    pub fees_e6: i64,
}

struct Market {
    ticker: String,
    close_ms: Option<i64>,
    line: BookLine,
    seat: LiveSeat,
    ordered_ms: Option<i64>,
}

/// Trades all chosen markets with one policy.
pub struct Actor {
    spec: ActorSpec,
    acting: Acting,
    tickers: Tickers,
    markets: Vec<Option<Market>>,
    selector: Selector,
    halted: bool,
    orders: u64,
    decisions: u64,
    held_back: u64,
    obs: Vec<f32>,
    mask: Vec<bool>,
}

impl Actor {
    /// An actor that has seen nothing yet.
    pub fn new(spec: ActorSpec, mut acting: Acting) -> Actor {
        acting.policy.begin(spec.seed);
        Actor {
            selector: Selector::new(spec.choice.clone()),
            obs: vec![0.0; spec.env.layout.len()],
            mask: vec![true; spec.env.actions.len()],
            spec,
            acting,
            tickers: Tickers::default(),
            markets: Vec::new(),
            halted: false,
            orders: 0,
            decisions: 0,
            held_back: 0,
        }
    }

    /// From the next decision on another policy acts; accounts and books stay.
    pub fn swap(&mut self, mut acting: Acting) {
        acting.policy.begin(self.spec.seed);
        self.acting = acting;
    }

    /// From now on nothing is ordered, until told otherwise.
    pub fn halt(&mut self, halted: bool) {
        self.halted = halted;
    }

    /// Enters a market into the dictionary of the records' market ids.
    pub fn meet(&mut self, (id, ticker, uuid): &NewMarket) {
        let ours = self.tickers.intern(ticker);
        debug_assert_eq!(ours, *id, "markets are told in the order of their ids");
        if let Some(uuid) = uuid {
            self.tickers.set_uuid(ours, *uuid);
        }
    }

    /// Takes the next accepted record's event; adds what was decided to `deeds`.
    pub fn push(&mut self, event: &Event, deeds: &mut Vec<Deed>) {
        if event.market == MarketId::NONE {
            for market in self.markets.iter_mut().flatten() {
                if market.line.is_told(event) {
                    market.seat.push(event, &self.spec.env, |_| ());
                }
            }
            return;
        }
        self.welcome(event);
        if let (Body::Trade(trade), Some(ts)) = (&event.body, event.ts) {
            self.selector.trade(event.market, ts.ms(), trade.qty);
        }
        self.choose(event);
        self.decide(event, deeds);
    }

    /// Takes a seat at a market that is new, as far as it is defined.
    fn welcome(&mut self, event: &Event) {
        let at = event.market.0 as usize;
        if self.markets.len() <= at {
            self.markets.resize_with(at + 1, || None);
        }
        let told = match &event.body {
            Body::Market(object) => {
                serde_json::from_str(object).ok().and_then(|v| market_info(&v).ok())
            }
            _ => None,
        };
        if let (Some(market), Some(info)) = (&mut self.markets[at], &told) {
            market.close_ms = info.close.map(|close| close.ms());
        }
        if self.markets[at].is_none() {
            let ticker = self.tickers.name(event.market).to_owned();
            let info = told.unwrap_or_else(|| MarketInfo { ticker, ..MarketInfo::default() });
            let orders = Rng::stream(self.spec.seed, &info.ticker, 0);
            self.markets[at] = Some(Market {
                close_ms: info.close.map(|close| close.ms()),
                line: BookLine::default(),
                seat: LiveSeat::new(&info, &self.spec.env, orders),
                ordered_ms: None,
                ticker: info.ticker,
            });
        }
    }

    /// Chooses the markets anew, when it is time.
    fn choose(&mut self, event: &Event) {
        let Some(now_ms) = event.ts.map(|ts| ts.ms()) else { return };
        if !self.selector.is_due(now_ms) {
            return;
        }
        let markets = self.markets.iter().enumerate();
        let living = markets.filter_map(|(id, market)| Some((id, market.as_ref()?)));
        let candidates: Vec<Candidate<'_>> = living
            .filter(|(_, market)| market.seat.settlement().is_none())
            .map(|(id, market)| Candidate {
                id: MarketId(id as u32),
                ticker: &market.ticker,
                spread_e4: market.seat.spread_e4(),
                close_ms: market.close_ms,
                held: market.seat.is_holding(),
            })
            .collect();
        self.selector.choose(now_ms, &candidates);
    }

    fn decide(&mut self, event: &Event, deeds: &mut Vec<Deed>) {
        let Actor { spec, acting, selector, obs, mask, .. } = self;
        let Some(market) = self.markets[event.market.0 as usize].as_mut() else { return };
        let Market { ticker, line, seat, ordered_ms, .. } = market;
        line.note(event);
        let chosen = selector.is_chosen(event.market, ticker);
        let (halted, before) = (self.halted, deeds.len());
        seat.push(event, &spec.env, |mut moment| {
            if !chosen {
                return;
            }
            moment.observe(obs, mask);
            let action = acting.policy.act(obs, mask);
            let ts_ms = moment.decision().ts_ms;
            let soon = ordered_ms.is_some_and(|last_ms| ts_ms - last_ms < spec.throttle_ms);
            let reason = match action {
                action::HOLD => Reason::Policy,
                _ if halted => Reason::Halted,
                _ if soon => Reason::Throttled,
                _ => Reason::Policy,
            };
            // A policy that chooses what the mask forbids orders nothing.
            let ordered = reason == Reason::Policy && moment.act(action).unwrap_or(false);
            if ordered {
                *ordered_ms = Some(ts_ms);
            }
            let account = moment.account();
            deeds.push(Deed {
                row_id: moment.decision().row_id,
                due_row_id: event.row_id,
                ticker: ticker.clone(),
                ts_ms,
                action,
                action_name: spec.env.actions.name(action),
                reason,
                ordered,
                policy: acting.policy.name().to_owned(),
                model_hash: acting.model_hash.clone(),
                obs_hash: obs_hash(obs),
                reward_e6: moment.grown.e6(),
                position_e2: account.portfolio().position().e2(),
                cash_e6: account.portfolio().cash().e6(),
                equity_e6: account.equity().e6(),
                obs: obs.clone(),
                mask: mask.clone(),
            });
        });
        for deed in &deeds[before..] {
            self.decisions += 1;
            self.orders += u64::from(deed.ordered);
            self.held_back += u64::from(deed.reason != Reason::Policy);
        }
    }

    /// What came of it so far.
    pub fn report(&self) -> ActorReport {
        let start = self.spec.env.start_cash;
        let mut report = ActorReport {
            decisions: self.decisions,
            orders: self.orders,
            held_back: self.held_back,
            ..ActorReport::default()
        };
        let mut profit = Money::ZERO;
        for market in self.markets.iter().flatten().filter(|m| m.seat.decisions() > 0) {
            let account = market.seat.account();
            report.markets += 1;
            report.settled += u64::from(market.seat.settlement().is_some());
            report.open_positions += u64::from(market.seat.is_holding());
            report.fees_e6 += account.portfolio().fees().e6();
            profit += account.equity() - start;
        }
        ActorReport { profit_e6: profit.e6(), ..report }
    }
}

/// SHA-256 over the little-endian bits of an observation.
pub fn obs_hash(obs: &[f32]) -> String {
    let bytes: Vec<u8> = obs.iter().flat_map(|value| value.to_le_bytes()).collect();
    digest::sha256_hex(bytes)
}
