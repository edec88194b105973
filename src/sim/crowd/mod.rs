//! Order flow of one market, calibrated to recorded 15-minute markets: makers who come, re-quote and
//! leave, most of them within a tenth of a second; layers that stay; takers; and bursts of it all.
//!
//! The crowd acts on an exchange that it does not own, by orders only, so that others can trade there
//! too. It keeps a schedule: [`Crowd::next_wait_us`] says how long nothing happens, and [`Crowd::act`]
//! does the next thing, all of it in one moment. A fair value walks along. Makers bid below what
//! their side is worth; a bid above it is soon taken back by its owner, or taken.
//!
//! `kflow sim calibrate` prints what this amounts to beside the recordings.
//!
//! **Invariant:** pure and integer: same spec and stream, same orders, on every machine.
//! **Invariant:** the fair value is a martingale, and nobody knows what comes.

mod schedule;
mod tables;
mod tempo;
#[cfg(test)]
mod tests;

use super::draw;
use super::exchange::{Exchange, Fact, Rest};
use super::flow::{Fair, ONE_E9};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side};
use schedule::{Kind, Own, Place, Schedule, Task};
use tables::{
    FOLLOW_US, LAYER_E2, LAYER_TICKS, LAYER_US, LAYERS, MACHINE_US, PICKED_OFF_E3, PROBE_E2,
    QUOTE_E2, QUOTE_TICKS, QUOTE_US, REACTION_US, REQUOTE_E3, TAKE_E2,
};
use tempo::Tempo;

/// Billionths of a dollar in a ten-thousandth.
const E9_PER_E4: i64 = 100_000;
/// Events of one act on average, thousandths: a re-quote is two, a look without consequence none.
const EVENTS_PER_ACT_E3: i64 = 1_400;
/// With more tasks than this no further maker comes: about four times the usual number.
const SCHEDULE_MAX: usize = 600;

/// What a crowd is like.
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
    /// A market as they were recorded.
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

/// The order flow of one market.
#[derive(Clone, Debug)]
pub struct Crowd {
    tick_e4: i64,
    rng: Rng,
    fair: Fair,
    tempo: Tempo,
    schedule: Schedule,
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
        Crowd {
            tick_e4: i64::from(spec.tick_e4.max(1)),
            fair: Fair::new(spec.start_e9, spec.spread_e6, acts.min(i64::from(u32::MAX)) as u32),
            tempo: Tempo::new(rate_e3, &mut rng),
            rng,
            schedule: Schedule::default(),
            coming: (0, 0),
            reacting: false,
        }
    }

    /// The fair value of YES now, billionths of a dollar.
    pub fn fair_e9(&self) -> i64 {
        self.fair.e9()
    }

    /// Fills the empty book: at the opening, and again after a halt that emptied it.
    pub fn open(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        self.schedule.clear();
        self.reacting = false;
        for _ in 0..LAYERS {
            for side in [Side::Yes, Side::No] {
                self.come(side, Kind::Layer, exchange, facts);
            }
        }
        self.schedule.plan(0, Task::Change);
        self.schedule.plan(0, Task::Take);
    }

    /// Microseconds until the crowd acts again, at its own pace. Asking changes nothing.
    pub fn next_wait_us(&mut self) -> u64 {
        self.schedule.next_wait_us()
    }

    /// Does the next thing; `facts` receives what happens, all of it in this moment. Often nothing
    /// does: an order that its owner thinks about may be filled by then.
    pub fn act(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let Some(task) = self.schedule.pop() else { return };
        self.fair.step(&mut self.rng);
        match task {
            Task::Come => {
                let wait_us = self.tempo.next_maker_us(&mut self.rng);
                self.coming = self.schedule.plan(wait_us, Task::Come);
                let side = self.either_side();
                if self.schedule.len() < SCHEDULE_MAX {
                    self.come(side, Kind::Quote, exchange, facts);
                }
            }
            Task::Take => {
                let wait_us = self.tempo.taker_us(&mut self.rng);
                self.schedule.plan(wait_us, Task::Take);
                let side = self.either_side();
                self.take(side, exchange, facts);
            }
            Task::Change => {
                let wait_us = self.tempo.change(&mut self.rng);
                self.schedule.plan(wait_us, Task::Change);
                // A wait without memory may be drawn anew, at the new pace.
                self.schedule.remove(self.coming);
                let wait_us = self.tempo.burst_us(&mut self.rng);
                self.coming = self.schedule.plan(wait_us, Task::Come);
            }
            Task::Think(own) => self.think(own, exchange, facts),
            Task::React => self.react(exchange, facts),
        }
        self.watch(exchange);
    }

    fn either_side(&mut self) -> Side {
        if self.rng.below(2) == 0 { Side::Yes } else { Side::No }
    }

    /// A maker bids somewhere below what `side` is worth.
    fn come(&mut self, side: Side, kind: Kind, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let rng = &mut self.rng;
        let (below_ticks, size_e2) = match kind {
            Kind::Layer => (draw::one_of(rng, &LAYER_TICKS), draw::one_of(rng, &LAYER_E2)),
            Kind::Quote if self.tempo.probes(rng) => (draw::one_of(rng, &QUOTE_TICKS), PROBE_E2),
            Kind::Quote => (draw::one_of(rng, &QUOTE_TICKS), draw::one_of(rng, &QUOTE_E2)),
        };
        let price = self.best(side, exchange).and_then(|best| {
            let low = best - below_ticks;
            // Where the distance leads out of the market, anywhere within it.
            let at = if low >= 1 { low } else { 1 + self.rng.below(best as u64) as i64 };
            Price::new(at * self.tick_e4)
        });
        self.quote(side, kind, price, Qty(size_e2), exchange, facts);
    }

    /// A bid, and the time at which its owner thinks again. A quote without a price is given up.
    fn quote(
        &mut self,
        side: Side,
        kind: Kind,
        price: Option<Price>,
        size: Qty,
        exchange: &mut Exchange,
        facts: &mut Vec<Fact>,
    ) {
        let id = price.and_then(|p| exchange.bid(side, p, size, Rest::Keep, facts).ok());
        let stand_us = match kind {
            Kind::Layer => self.tempo.people_us(draw::wait(&mut self.rng, LAYER_US)),
            Kind::Quote => {
                let stand_us = draw::between(&mut self.rng, &QUOTE_US);
                let machine_us = stand_us.min(MACHINE_US);
                self.tempo.machines_us(machine_us) + self.tempo.people_us(stand_us - machine_us)
            }
        };
        if id.is_some() || kind == Kind::Layer {
            self.schedule.plan(stand_us, Task::Think(Own { id, side, kind }));
        }
    }

    /// What a contract of `side` is worth, billionths of a dollar.
    fn worth_e9(&self, side: Side) -> i64 {
        match side {
            Side::Yes => self.fair.e9(),
            Side::No => ONE_E9 - self.fair.e9(),
        }
    }

    /// The highest price in ticks that is no more than `side` is worth and takes nothing; positive.
    fn best(&self, side: Side, exchange: &Exchange) -> Option<i64> {
        let crossing = best_bid(exchange, side.other()).map_or(Price::ONE, Price::complement);
        let e4 = (self.worth_e9(side) / E9_PER_E4).min(crossing.e4() - 1);
        Some(e4 / self.tick_e4).filter(|ticks| *ticks >= 1)
    }

    /// An owner takes an order back, and comes again or leaves.
    fn think(&mut self, own: Own, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let left = own.id.map_or(Qty::ZERO, |id| exchange.cancel(id, facts));
        let again = left > Qty::ZERO && draw::chance(&mut self.rng, REQUOTE_E3);
        if again || own.kind == Kind::Layer {
            self.come(own.side, own.kind, exchange, facts);
        }
    }

    /// A taker buys `side` at the touch.
    fn take(&mut self, side: Side, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let size = Qty(draw::one_of(&mut self.rng, &TAKE_E2));
        let ask = best_bid(exchange, side.other()).map(Price::complement);
        // Without an ask there is nothing to take.
        let _ = ask.map(|price| exchange.bid(side, price, size, Rest::Drop, facts));
    }

    /// A best bid above what its side is worth, by more than half a tick.
    fn stale(&self, exchange: &Exchange) -> Option<(Side, Price)> {
        [Side::Yes, Side::No].into_iter().find_map(|side| {
            let worth_e9 = self.worth_e9(side) + self.tick_e4 * E9_PER_E4 / 2;
            let bid = best_bid(exchange, side).filter(|p| p.e4() * E9_PER_E4 > worth_e9);
            bid.map(|price| (side, price))
        })
    }

    /// A side that is worth a better price than its best bid.
    fn behind(&self, exchange: &Exchange) -> Option<Side> {
        [Side::Yes, Side::No].into_iter().find(|side| {
            let bid_e4 = best_bid(exchange, *side).map_or(0, Price::e4);
            self.best(*side, exchange).is_some_and(|ticks| bid_e4 < ticks * self.tick_e4)
        })
    }

    /// Schedules a reaction where the best bids and the fair value do not fit.
    fn watch(&mut self, exchange: &Exchange) {
        if self.reacting {
            return;
        }
        let wait_us = if self.stale(exchange).is_some() {
            draw::between(&mut self.rng, &REACTION_US)
        } else if self.behind(exchange).is_some() {
            self.tempo.people_us(draw::wait(&mut self.rng, FOLLOW_US))
        } else {
            return;
        };
        self.reacting = true;
        self.schedule.plan(wait_us, Task::React);
    }

    /// A stale bid is moved by its owner, or taken; else a quote moves up to a better price.
    fn react(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        self.reacting = false;
        if let Some((side, price)) = self.stale(exchange) {
            let picked_off = draw::chance(&mut self.rng, PICKED_OFF_E3);
            let stands = |id| exchange.order(id).is_some_and(|o| o.price == price);
            let owns = |own: &Own| own.side == side && own.id.is_some_and(stands);
            match (!picked_off).then(|| self.schedule.take_owner(owns)).flatten() {
                Some(own) => self.lead(own, exchange, facts),
                None => self.take(side.other(), exchange, facts),
            }
        } else if let Some(side) = self.behind(exchange) {
            let quotes = |own: &Own| own.side == side && own.kind == Kind::Quote;
            if let Some(own) = self.schedule.take_owner(quotes) {
                self.lead(own, exchange, facts);
            }
        }
    }

    /// An owner moves an order to the best price that its side is worth.
    fn lead(&mut self, own: Own, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let left = own.id.map_or(Qty::ZERO, |id| exchange.cancel(id, facts));
        let best = self.best(own.side, exchange);
        let price = best.and_then(|ticks| Price::new(ticks * self.tick_e4));
        self.quote(own.side, own.kind, price, left, exchange, facts);
    }
}

fn best_bid(exchange: &Exchange, side: Side) -> Option<Price> {
    let touch = exchange.touch();
    match side {
        Side::Yes => touch.bid.map(|b| b.0),
        Side::No => touch.ask.map(|a| a.0.complement()),
    }
}
