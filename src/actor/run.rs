//! The actor itself: accepted records in, deeds and fills out.
//!
//! **Invariant:** pure. What it does follows from the records, the policy and the seed; how long it took is
//! measured outside.
//! **Invariant:** it acts on a whole book only, before the event that made the decision due, and never because
//! of a gap.

mod decide;

use super::deed::{ActorReport, Filled, Outcome, Verdict};
use super::elsewhere::{News, order_of};
use super::seat::LiveSeat;
use super::select::{Candidate, Choice, Selector};
use super::watch::{At, Part, Watch};
use crate::broker::matching::Bound;
use crate::collect::NewMarket;
use crate::config::Limits;
use crate::digest;
use crate::env::{EnvConfig, Policy};
use crate::event::{Body, Event, MarketId, Tickers};
use crate::market::MarketInfo;
use crate::replay::BookLine;
use crate::rng::Rng;
use crate::trade::desk;
use crate::trade::risk::Trip;
use crate::units::{Qty, TsNs};
use crate::wire::market::market_info;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How to trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorSpec {
    /// Rules of the game: those that the policy was trained under. Every market has an account of its own.
    pub env: EnvConfig,
    /// Which markets.
    pub choice: Choice,
    /// Limits of all accounts together.
    pub limits: Limits,
    /// What stopped trading before it began.
    pub tripped: Option<Trip>,
    /// All chance comes from it.
    pub seed: u64,
    /// Orders go to an exchange elsewhere, and the limits are watched there.
    pub elsewhere: bool,
}

/// A policy, and what it is called in every row.
pub struct Acting {
    /// What chooses.
    pub policy: Box<dyn Policy + Send>,
    /// SHA-256 of its weights; empty for a scripted one.
    pub model_hash: String,
}

struct Market {
    info: MarketInfo,
    line: BookLine,
    seat: LiveSeat,
    part: Part,
    /// Something was done here: there is a row of it, or the exchange held or traded contracts for us.
    dealt: bool,
}

impl Market {
    /// Whose account counts in the sum: where something was done, also where all of it is over.
    fn is_traded(&self) -> bool {
        self.dealt || self.seat.is_holding()
    }
}

/// Trades all chosen markets with one policy.
pub struct Actor {
    spec: ActorSpec,
    acting: Acting,
    tickers: Tickers,
    markets: Vec<Option<Market>>,
    selector: Selector,
    watch: Watch,
    halted: bool,
    orders: u64,
    decisions: u64,
    held_back: u64,
    /// Positions that the exchange elsewhere holds and no order of ours made, until their market is looked at.
    adopted: BTreeMap<String, Qty>,
    /// The decisions' rows by the number of the order that the desk was asked for, until it is over.
    asked: BTreeMap<u64, u64>,
    /// Receive time of the last record.
    now: TsNs,
    /// The last record.
    last: Option<At>,
    /// When quiet markets are looked after next.
    look_at: TsNs,
    obs: Vec<f32>,
    mask: Vec<bool>,
}

impl Actor {
    /// An actor that has seen nothing yet.
    pub fn new(spec: ActorSpec, mut acting: Acting) -> Actor {
        acting.policy.begin(spec.seed);
        Actor {
            selector: Selector::new(spec.choice.clone()),
            watch: Watch::new(&spec),
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
            adopted: BTreeMap::new(),
            asked: BTreeMap::new(),
            now: TsNs(0),
            last: None,
            look_at: TsNs(0),
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

    /// Stops all orders until a person lets trading go on; what rests is taken back at once, also where nothing
    /// happens, and `out` says so. Where orders are elsewhere, the desk does it.
    pub fn trip(&mut self, trip: Trip, out: &mut Outcome) {
        // Not before it was said: a cancel that left with the last record might win a race that it has lost.
        let now = self.now.max(trip.at);
        self.watch.trip(trip);
        self.withdraw_all(now, out);
    }

    /// A limit stopped trading, and nobody was told yet.
    pub fn tripped(&mut self) -> Option<Trip> {
        self.watch.news()
    }

    /// Takes what the desk says of an order, known since the record `row_id`; adds what it led to to `out`.
    pub fn hear(&mut self, told: &desk::Outcome, row_id: u64, now: TsNs, out: &mut Outcome) {
        match told {
            desk::Outcome::Position { ticker, position } => self.adopt(ticker, *position),
            // Decided, judged by the desk, and not sent.
            desk::Outcome::Refused { number, why } => {
                self.held_back += 1;
                self.orders = self.orders.saturating_sub(1);
                out.verdicts.extend(self.verdict(*number, true, why.word()));
            }
            desk::Outcome::Ended { number: Some(number), why: Some(why), .. } => {
                out.verdicts.extend(self.verdict(*number, false, why));
            }
            desk::Outcome::Ended { number: Some(number), .. } => drop(self.asked.remove(number)),
            _ => {}
        }
        let ours = |ticker: &str| self.tickers.find(ticker);
        let Some(news) = News::of(told, row_id, now, ours) else { return };
        let Some(Some(market)) = self.markets.get_mut(news.market.0 as usize) else { return };
        market.dealt |= news.fill.is_some();
        market.seat.hear(news.fill.as_slice(), news.update.as_slice());
        let ticker = market.info.ticker.clone();
        if let (Some(held), Some(fill)) = (self.adopted.get_mut(&ticker), &news.fill) {
            // It was told before this fill, and the account does not have it yet.
            *held += fill.intent.position_change(fill.qty[Bound::Fitted]);
        }
        out.fills.extend(news.fill.map(|fill| Filled { ticker, row_id, fill }));
        market.seat.forget();
    }

    /// The exchange holds this: the account does from now on, or from its market's first decision on.
    fn adopt(&mut self, ticker: &str, position: Qty) {
        let known = self.tickers.find(ticker).and_then(|id| self.markets.get_mut(id.0 as usize));
        match known.and_then(Option::as_mut).filter(|market| market.seat.decisions() > 0) {
            Some(market) => {
                market.dealt |= position != Qty::ZERO;
                market.seat.adopt(position);
            }
            None => drop(self.adopted.insert(ticker.to_owned(), position)),
        }
    }

    /// What is told of an order that was not taken; `None` where it was none of ours, or is told already.
    fn verdict(&mut self, number: u64, refused: bool, why: &str) -> Option<Verdict> {
        let row_id = self.asked.remove(&number)?;
        let (market, order) = order_of(number);
        let ticker = self.tickers.name(market).to_owned();
        Some(Verdict { row_id, ticker, order, refused, why: why.to_owned() })
    }

    /// Enters a market into the dictionary of the records' market ids.
    pub fn meet(&mut self, (id, ticker, uuid): &NewMarket) {
        let ours = self.tickers.intern(ticker);
        debug_assert_eq!(ours, *id, "markets are told in the order of their ids");
        if let Some(uuid) = uuid {
            self.tickers.set_uuid(ours, *uuid);
        }
    }

    /// Takes the next accepted record's event; adds what it led to to `out`.
    pub fn push(&mut self, event: &Event, out: &mut Outcome) {
        self.now = self.now.max(event.recv);
        self.look_after(event, out);
        self.last = Some(At::of(event));
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
        self.decide(event, out);
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
            let close = info.close.or(market.info.close);
            let told = if info.ticks.is_empty() { &market.info.ticks } else { &info.ticks };
            market.info = MarketInfo { close, ticks: told.clone(), ..info.clone() };
        }
        if self.markets[at].is_none() {
            let ticker = self.tickers.name(event.market).to_owned();
            let info = told.unwrap_or_else(|| MarketInfo { ticker, ..MarketInfo::default() });
            let orders = Rng::stream(self.spec.seed, &info.ticker, 0);
            let mut seat = LiveSeat::new(&info, &self.spec.env, orders);
            if self.spec.elsewhere {
                seat.trade_elsewhere();
            }
            let (line, part) = (BookLine::default(), Part::default());
            self.markets[at] = Some(Market { line, seat, part, info, dealt: false });
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
                ticker: &market.info.ticker,
                spread_e4: market.seat.spread_e4(),
                close_ms: market.info.close.map(|close| close.ms()),
                held: market.seat.is_holding(),
            })
            .collect();
        self.selector.choose(now_ms, &candidates);
    }

    /// What came of it so far.
    pub fn report(&self) -> ActorReport {
        let mut report = ActorReport {
            decisions: self.decisions,
            orders: self.orders,
            held_back: self.held_back,
            ..ActorReport::default()
        };
        for market in self.markets.iter().flatten().filter(|market| market.is_traded()) {
            let account = market.seat.account();
            let tally = account.tally();
            report.markets += 1;
            report.settled += u64::from(market.seat.settlement().is_some());
            report.open_positions += u64::from(account.portfolio().position() != Qty::ZERO);
            report.open_orders += u64::from(account.is_working());
            report.fills += tally.filled;
            report.maker_e2 += tally.maker.e2();
            report.taker_e2 += tally.taker.e2();
            report.uncertain_e2 += tally.uncertain.e2();
            report.fees_e6 += account.portfolio().fees().e6();
            // Fills since the last decision count, in equity as in the bracket.
            let (start, equity) = (account.portfolio().start(), market.seat.worth());
            report.equity_e6 += equity.e6();
            report.profit_e6 += (equity - start).e6();
            report.certain_e6 += (market.seat.certain() - start).e6();
            let bracket = market.seat.bracket().0;
            for (sum, equity) in report.bracket_e6.iter_mut().zip(bracket) {
                *sum += (equity - start).e6();
            }
        }
        report
    }
}

/// SHA-256 over the little-endian bits of an observation.
pub fn obs_hash(obs: &[f32]) -> String {
    let bytes: Vec<u8> = obs.iter().flat_map(|value| value.to_le_bytes()).collect();
    digest::sha256_hex(bytes)
}
