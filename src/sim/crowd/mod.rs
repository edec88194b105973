//! Order flow of one market, calibrated to recorded 15-minute markets: makers who come, re-quote and
//! leave, most of them within a tenth of a second; takers; and bursts of both.
//!
//! The crowd acts on an exchange that it does not own, by orders only, so that others can trade there
//! too. It keeps a schedule: [`Crowd::next_wait_us`] says how long nothing happens, and [`Crowd::act`]
//! then does the next thing, all of it in one moment. A fair value walks along; makers quote below
//! what their side is worth, and whoever leaves a bid above it is soon taken or takes it back.
//!
//! All tables below are rounded quantiles over 18 recorded markets; `kflow sim calibrate` prints
//! what they amount to beside the recordings.
//!
//! **Invariant:** pure and integer: same spec and stream, same orders, on every machine.
//! **Invariant:** the fair value is a martingale and knows nothing of what comes.

mod tempo;

use super::draw;
use super::exchange::{Exchange, Fact, OrderId, Rest};
use super::flow::{Fair, ONE_E9};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side};
use std::collections::BTreeMap;
use tempo::Tempo;

/// Billionths of a dollar in a ten-thousandth.
const E9_PER_E4: i64 = 100_000;
/// Events of one act on average, thousandths: re-quotes have two.
const EVENTS_PER_ACT_E3: i64 = 1_400;
/// More orders than this are never kept: about four times the usual number.
const ORDERS_MAX: usize = 600;

/// Size of a new order, hundredths of a contract.
const QUOTE_E2: [i64; 28] = [
    100, 500, 700, 1_000, 1_000, 1_000, 1_000, 1_200, 1_500, 2_000, 2_400, 2_500, 2_900,
    3_000, 3_100, 3_300, 3_600, 3_900, 4_000, 5_000, 6_500, 8_300, 10_000, 10_000, 10_000, 10_000,
    15_000, 200_000,
];
const PROBE_E2:i64=10;
/// Ticks below what a side is worth at which an order is placed.
const QUOTE_TICKS: [i64; 32] = [
    0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 6, 6, 7, 8, 9, 10, 14, 20, 30, 45, 60, 85,
];
/// How long an order stands before its owner thinks again, microseconds.
const QUOTE_US: [i64; 33] = [
    2_500, 4_500, 5_500, 6_200, 7_000, 8_000, 9_000, 10_500, 12_000, 14_000, 16_000, 18_000, 21_000,
    25_000, 30_000, 37_000, 45_000, 55_000, 70_000, 88_000, 110_000, 150_000, 200_000, 280_000, 400_000,
    550_000, 800_000, 1_250_000, 2_000_000, 3_300_000, 5_800_000, 12_000_000, 100_000_000,
];
/// Longer stands depend on the pace of the market, shorter ones on the makers' machines.
const MACHINE_US: i64 = 300_000;
/// Orders per side that stand for long.
const LAYERS: usize = 26;
/// Ticks below what a side is worth at which a layer is placed.
const LAYER_TICKS: [i64; 32] = [
    0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 19, 21, 24, 27, 30, 33, 36, 40, 44, 50, 60,
];
/// Size of a layer, hundredths of a contract.
const LAYER_E2: [i64; 16] = [
    300, 500, 1_000, 2_000, 2_500, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000, 7_500, 10_000, 10_000, 20_000, 100_000,
];
/// Mean stand of a layer, microseconds.
const LAYER_US: i64 = 40_000_000;
/// Size of a taker's order, hundredths of a contract.
const TAKE_E2: [i64; 20] = [
    10, 10, 100, 100, 200, 300, 500, 500, 800, 1_000, 1_000, 1_300, 1_700, 2_300, 2_700, 3_500, 4_500,
    7_000, 10_000, 40_000,
];
/// Reaction to a bid above what it is worth, microseconds.
const REACTION_US: [i64; 5] = [200, 600, 1_500, 4_000, 20_000];
/// Owners who re-quote rather than leave, of a thousand.
const REQUOTE_E3: i64 = 500;
/// Stale bids that are taken before their owner is back, of a thousand.
const PICKED_OFF_E3: i64 = 200;

/// One market's crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrowdSpec {
    /// Fair value at the opening, billionths of a dollar.
    pub start_e9: i64,
    /// Standard deviation of the log-odds of the fair value over `life_s`, millionths.
    pub spread_e6: i64,
    /// The market's life in seconds.
    pub life_s: u32,
    /// Book changes and trades per second, thousandths; positive.
    pub events_per_s_e3: u32,
    /// Step of the prices that it bids, 1e-4 dollars; positive. Whole cents (100) fit every market.
    pub tick_e4: u16,
}

impl Default for CrowdSpec {
    fn default() -> Self {
        CrowdSpec {
            start_e9: ONE_E9 / 2,
            spread_e6: 2_500_000,
            life_s: 900,
            events_per_s_e3: tempo::PACE_E3 as u32,
            tick_e4: 100,
        }
    }
}

/// How an owner behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Comes, re-quotes some times, and leaves.
    Quote,
    /// Stays, and only moves.
    Layer,
}

/// A maker's order. Without an id the market had no price for it.
#[derive(Clone, Copy, Debug)]
struct Own {
    id: Option<OrderId>,
    side: Side,
    kind: Kind,
}

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// A maker comes.
    Come,
    /// A taker comes.
    Take,
    /// The pace changes.
    Change,
    /// An owner thinks again about an order.
    Think(Own),
    /// Somebody notices a bid above what it is worth.
    React,
}

/// Place in the schedule: time, then number, so that what falls into one microsecond keeps its order.
type Place = (i64, u64);

/// The order flow of one market.
#[derive(Clone, Debug)]
pub struct Crowd {
    spec: CrowdSpec,
    rng: Rng,
    fair: Fair,
    tempo: Tempo,
    now_us: i64,
    schedule: BTreeMap<Place, Task>,
    scheduled: u64,
    /// Where the next maker stands in the schedule.
    coming: Place,
    /// True while a reaction is scheduled.
    reacting: bool,
}

impl Crowd {
    /// A crowd that has not come yet.
    pub fn new(spec: CrowdSpec, mut rng: Rng) -> Crowd {
        let rate_e3 = i64::from(spec.events_per_s_e3.max(1));
        let acts = i64::from(spec.life_s) * rate_e3 / EVENTS_PER_ACT_E3;
        let acts = u32::try_from(acts).unwrap_or(u32::MAX);
        Crowd {
            spec,
            fair: Fair::new(spec.start_e9, spec.spread_e6, acts),
            tempo: Tempo::new(rate_e3, &mut rng),
            rng,
            now_us: 0,
            schedule: BTreeMap::new(),
            scheduled: 0,
            coming: (0, 0),
            reacting: false,
        }
    }

    /// The fair value of YES now, billionths of a dollar.
    pub fn fair_e9(&self) -> i64 {
        self.fair.e9()
    }

    /// Fills the empty book.
    pub fn open(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        for _ in 0..LAYERS {
            for side in [Side::Yes, Side::No] {
                self.come(side, Kind::Layer, exchange, facts);
            }
        }
        self.plan(0, Task::Change);
        self.plan(0, Task::Take);
    }

    /// Microseconds until the crowd acts again, at its own pace.
    pub fn next_wait_us(&mut self) -> u64 {
        let next_us = self.schedule.first_key_value().map_or(self.now_us, |(at, _)| at.0);
        (next_us - self.now_us).max(0) as u64
    }

    /// Does the next thing; `facts` receives what happens, all of it in this moment.
    pub fn act(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let Some(((at_us, _), task)) = self.schedule.pop_first() else { return };
        self.now_us = at_us;
        self.fair.step(&mut self.rng);
        match task {
            Task::Come => {
                self.expect();
                let side = self.either_side();
                if self.schedule.len() < ORDERS_MAX {
                    self.come(side, Kind::Quote, exchange, facts);
                }
            }
            Task::Take => {
                let wait_us = self.tempo.take_us(&mut self.rng);
                self.plan(wait_us, Task::Take);
                let side = self.either_side();
                self.take(side, exchange, facts);
            }
            Task::Change => {
                let wait_us = self.tempo.change(&mut self.rng);
                self.plan(wait_us, Task::Change);
                // A wait without memory may be drawn anew, at the new pace.
                self.schedule.remove(&self.coming);
                self.expect();
            }
            Task::Think(own) => self.think(own, exchange, facts),
            Task::React => self.react(exchange, facts),
        }
        self.watch(exchange);
    }

    fn plan(&mut self, wait_us: i64, task: Task) -> Place {
        self.scheduled += 1;
        let place = (self.now_us + wait_us.max(0), self.scheduled);
        self.schedule.insert(place, task);
        place
    }

    /// Schedules the next maker.
    fn expect(&mut self) {
        let wait_us = self.tempo.come_us(&mut self.rng);
        self.coming = self.plan(wait_us, Task::Come);
    }

    fn either_side(&mut self) -> Side {
        if self.rng.below(2) == 0 { Side::Yes } else { Side::No }
    }

    /// What a contract of `side` is worth, billionths of a dollar.
    fn worth_e9(&self, side: Side) -> i64 {
        match side {
            Side::Yes => self.fair.e9(),
            Side::No => ONE_E9 - self.fair.e9(),
        }
    }

    /// A maker bids somewhere below what `side` is worth.
    fn come(&mut self, side: Side, kind: Kind, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let rng = &mut self.rng;
        let (depth_ticks, size_e2) = match kind {
            Kind::Layer => (draw::one_of(rng, &LAYER_TICKS), draw::one_of(rng, &LAYER_E2)),
            Kind::Quote if self.tempo.probes(rng) => (draw::one_of(rng, &QUOTE_TICKS), PROBE_E2),
            Kind::Quote => (draw::one_of(rng, &QUOTE_TICKS), draw::one_of(rng, &QUOTE_E2)),
        };
        self.quote(side, kind, depth_ticks, Qty(size_e2), exchange, facts);
    }

    /// A bid for `side`, and the time at which its owner will think again.
    fn quote(
        &mut self,
        side: Side,
        kind: Kind,
        depth_ticks: i64,
        size: Qty,
        exchange: &mut Exchange,
        facts: &mut Vec<Fact>,
    ) {
        let price = self.price(side, depth_ticks, exchange);
        let id = price.and_then(|p| exchange.bid(side, p, size, Rest::Keep, facts).ok());
        let stand_us = match kind {
            Kind::Layer => self.tempo.slowed(draw::wait(&mut self.rng, LAYER_US)),
            Kind::Quote => {
                let stand_us = draw::between(&mut self.rng, &QUOTE_US);
                stand_us.min(MACHINE_US) + self.tempo.slowed((stand_us - MACHINE_US).max(0))
            }
        };
        if id.is_some() || kind == Kind::Layer {
            self.plan(stand_us, Task::Think(Own { id, side, kind }));
        }
    }

    /// So many ticks below what `side` is worth, and never crossing; anywhere below where that is
    /// not a price.
    fn price(&mut self, side: Side, depth_ticks: i64, exchange: &Exchange) -> Option<Price> {
        let tick_e4 = i64::from(self.spec.tick_e4.max(1));
        let touch = exchange.touch();
        let ask = match side {
            Side::Yes => touch.ask.map(|a| a.0),
            Side::No => touch.bid.map(|b| b.0.complement()),
        };
        let top_e4 = (self.worth_e9(side) / E9_PER_E4).min(ask.unwrap_or(Price::ONE).e4() - 1);
        let top = top_e4 / tick_e4;
        if top < 1 {
            return None;
        }
        let low = top - depth_ticks;
        let at = if low >= 1 { low } else { 1 + self.rng.below(top as u64) as i64 };
        Price::new(at * tick_e4)
    }

    /// An owner takes an order back, and re-quotes or leaves.
    fn think(&mut self, own: Own, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let left = own.id.map_or(Qty::ZERO, |id| exchange.cancel(id, facts));
        let again = left > Qty::ZERO && draw::chance(&mut self.rng, REQUOTE_E3);
        if again || own.kind == Kind::Layer {
            self.come(own.side, own.kind, exchange, facts);
        }
    }

    /// A taker buys `side` at the touch.
    fn take(&mut self, side: Side, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let touch = exchange.touch();
        let ask = match side {
            Side::Yes => touch.ask.map(|a| a.0),
            Side::No => touch.bid.map(|b| b.0.complement()),
        };
        let size = Qty(draw::one_of(&mut self.rng, &TAKE_E2));
        // Without an ask there is nothing to take.
        let _ = ask.map(|price| exchange.bid(side, price, size, Rest::Drop, facts));
    }

    /// A best bid above what its side is worth by more than half a tick.
    fn stale(&self, exchange: &Exchange) -> Option<(Side, Price)> {
        let touch = exchange.touch();
        let slack_e9 = i64::from(self.spec.tick_e4) * E9_PER_E4 / 2;
        let bids = [
            (Side::Yes, touch.bid.map(|b| b.0)),
            (Side::No, touch.ask.map(|a| a.0.complement())),
        ];
        bids.into_iter().find_map(|(side, price)| {
            let dear = |p: &Price| p.e4() * E9_PER_E4 > self.worth_e9(side) + slack_e9;
            price.filter(dear).map(|p| (side, p))
        })
    }

    /// Schedules a reaction to a stale bid.
    fn watch(&mut self, exchange: &Exchange) {
        if !self.reacting && self.stale(exchange).is_some() {
            self.reacting = true;
            let wait_us = draw::between(&mut self.rng, &REACTION_US);
            self.plan(wait_us, Task::React);
        }
    }

    /// A stale bid is taken, unless its owner is back in time and moves it.
    fn react(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        self.reacting = false;
        let Some((side, price)) = self.stale(exchange) else { return };
        let stands = |id| exchange.order(id).is_some_and(|o| o.side == side && o.price == price);
        let owned = self.schedule.iter().find_map(|(place, task)| match task {
            Task::Think(own) if own.id.is_some_and(stands) => Some((*place, *own)),
            _ => None,
        });
        match owned {
            Some((place, own)) if !draw::chance(&mut self.rng, PICKED_OFF_E3) => {
                self.schedule.remove(&place);
                let left = own.id.map_or(Qty::ZERO, |id| exchange.cancel(id, facts));
                self.quote(side, own.kind, 0, left, exchange, facts);
            }
            _ => self.take(side.other(), exchange, facts),
        }
    }
}
