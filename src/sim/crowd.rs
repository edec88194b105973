//! A crowd that trades on an exchange that it does not own: quotes around a fair value, orders that wait
//! behind them, takers, cancels.
//!
//! **Invariant:** the fair value is a martingale ([`Fair`]); the crowd acts by orders only.

use super::exchange::{Exchange, Fact, OrderId, Rest};
use super::flow::{Fair, ONE_E9};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side};

/// Orders that wait behind the quotes at most.
const WAITING_MAX: usize = 40;
/// Facts that one burst makes on average.
const FACTS_PER_BURST_E2: u64 = 330;

/// What a crowd is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrowdSpec {
    /// Events (level changes and trades) per second, in thousandths; positive.
    pub events_e3_per_s: u64,
    /// Fair value at the start, billionths of a dollar.
    pub start_e9: i64,
    /// Distance of two prices that the crowd uses, 1e-4 dollars.
    pub tick_e4: i64,
}

/// One market's traders.
#[derive(Clone, Debug)]
pub struct Crowd {
    spec: CrowdSpec,
    fair: Fair,
    rng: Rng,
    quotes: [Option<OrderId>; 2],
    waiting: Vec<OrderId>,
}

impl Crowd {
    /// A crowd that has not acted yet.
    pub fn new(spec: CrowdSpec, rng: Rng) -> Crowd {
        let fair = Fair::new(spec.start_e9, 1_500_000, 20_000);
        Crowd { spec, fair, rng, quotes: [None; 2], waiting: Vec::new() }
    }

    /// Fills the empty book.
    pub fn open(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        for side in [Side::Yes, Side::No] {
            self.quote(side, exchange, facts);
            for _ in 0..WAITING_MAX / 3 {
                self.wait_behind(side, exchange, facts);
            }
        }
    }

    /// Microseconds until the next burst.
    pub fn next_wait_us(&mut self) -> u64 {
        let mean_us = FACTS_PER_BURST_E2 * 10_000_000 / self.spec.events_e3_per_s.max(1);
        // Uniform in 0..2 means: a plain clock with some life in it.
        1 + self.rng.below(2 * mean_us.max(1))
    }

    /// One burst.
    pub fn act(&mut self, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        self.fair.step(&mut self.rng);
        let side = if self.rng.below(2) == 0 { Side::Yes } else { Side::No };
        match self.rng.below(8) {
            0 => self.take(side, exchange, facts),
            1..=3 => self.quote(side, exchange, facts),
            _ => self.stir(side, exchange, facts),
        }
    }

    /// What a YES contract is worth now, billionths of a dollar.
    pub fn fair_e9(&self) -> i64 {
        self.fair.e9()
    }

    /// The highest tick at which the crowd still buys `side`.
    fn cap(&self, side: Side) -> Option<Price> {
        let worth_e9 = if side == Side::Yes { self.fair.e9() } else { ONE_E9 - self.fair.e9() };
        let tick_e4 = self.spec.tick_e4;
        let e4 = (worth_e9 / 100_000 - tick_e4 / 2) / tick_e4 * tick_e4;
        Price::new(e4).filter(|p| *p > Price::ZERO)
    }

    fn quote(&mut self, side: Side, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        if let Some(id) = self.quotes[side.index()].take() {
            exchange.cancel(id, facts);
        }
        let size = Qty(1_000 + self.rng.below(20_000) as i64);
        self.quotes[side.index()] = self
            .cap(side)
            .and_then(|price| exchange.bid(side, price, size, Rest::Keep, facts).ok());
    }

    fn wait_behind(&mut self, side: Side, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let Some(cap) = self.cap(side) else { return };
        let back_e4 = (1 + self.rng.below(9) as i64) * self.spec.tick_e4;
        let price = Price::new((cap.e4() - back_e4).max(self.spec.tick_e4)).unwrap_or(cap);
        let size = Qty(100 + self.rng.below(5_000) as i64);
        if let Ok(id) = exchange.bid(side, price, size, Rest::Keep, facts) {
            self.waiting.push(id);
        }
    }

    fn stir(&mut self, side: Side, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        self.wait_behind(side, exchange, facts);
        let one = self.rng.below(self.waiting.len().max(1) as u64) as usize;
        if let Some(&id) = self.waiting.get(one) {
            exchange.reduce(id, Qty(10), facts);
        }
        while self.waiting.len() > WAITING_MAX {
            let one = self.rng.below(self.waiting.len() as u64) as usize;
            exchange.cancel(self.waiting.swap_remove(one), facts);
        }
    }

    fn take(&mut self, side: Side, exchange: &mut Exchange, facts: &mut Vec<Fact>) {
        let touch = exchange.touch();
        let ask = match side {
            Side::Yes => touch.ask.map(|a| a.0),
            Side::No => touch.bid.map(|b| b.0.complement()),
        };
        let size = Qty(100 + self.rng.below(3_000) as i64);
        // A refused order is one without a price to take: nothing to do then.
        let _ = ask.map(|price| exchange.bid(side, price, size, Rest::Drop, facts));
    }
}
