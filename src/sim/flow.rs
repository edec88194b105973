//! Seeded order flow around a fair value: makers who quote, makers who wait behind, takers, cancels.
//!
//! The fair value is a walk that is exactly a martingale, and every quote keeps a distance from it:
//! whoever only takes what is shown buys above and sells below what a contract is worth.
//!
//! **Invariant:** after [`Flow::step`], best bid < fair value < best ask.

use super::exchange::{Exchange, Fact, OrderId, Rest};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side};

/// Fair values count billionths of a dollar.
pub const ONE_E9: i64 = 1_000_000_000;
const CENT_E9: i64 = ONE_E9 / 100;

/// Most orders that wait behind the quotes.
const WAITING_MAX: usize = 36;

/// A fair value in billionths of a dollar, strictly inside 0..1 dollar.
///
/// Each step adds `swing x p x (1 - p) x z` with `z` uniform in -1..1: a symmetric step, hence a
/// martingale to the last bit, and one that can never leave 0..1. In log-odds it is nearly a plain
/// random walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fair {
    e9: i64,
    swing_e6: i64,
}

impl Fair {
    /// A walk from `start_e9` whose log-odds have about the standard deviation `spread_e6` (in
    /// millionths) after `steps` steps.
    pub fn new(start_e9: i64, spread_e6: i64, steps: u32) -> Fair {
        // z has variance 1/3, so each step's swing is the whole spread times sqrt(3 / steps).
        let swing_e6 = (3 * spread_e6.pow(2) / i64::from(steps.max(1))).isqrt();
        Fair { e9: start_e9.clamp(1, ONE_E9 - 1), swing_e6: swing_e6.min(999_999) }
    }

    /// The value now, in billionths of a dollar.
    pub fn e9(self) -> i64 {
        self.e9
    }

    /// One step of the walk.
    pub fn step(&mut self, rng: &mut Rng) {
        let z_e6 = rng.below(2_000_001) as i64 - 1_000_000;
        let room_e9 = self.e9 * (ONE_E9 - self.e9) / ONE_E9;
        // Division rounds toward zero, so equal and opposite z give equal and opposite steps.
        self.e9 += room_e9 * self.swing_e6 / 1_000_000 * z_e6 / 1_000_000;
    }
}

/// What the flow of one market looks like.
#[derive(Clone, Copy, Debug)]
pub struct FlowSpec {
    /// Distance of each quote from the fair value, billionths of a dollar; positive.
    pub half_spread_e9: i64,
    /// Size of the quotes per side `[YES bids, NO bids]`, in thousandths of the usual size.
    pub quote_weight_e3: [i64; 2],
}

/// One market's order flow, and the exchange that it trades on.
#[derive(Clone, Debug)]
pub struct Flow {
    exchange: Exchange,
    spec: FlowSpec,
    rng: Rng,
    quotes: [Option<OrderId>; 2],
    waiting: Vec<OrderId>,
}

impl Flow {
    /// A flow with an empty book.
    pub fn new(spec: FlowSpec, rng: Rng) -> Flow {
        Flow { exchange: Exchange::default(), spec, rng, quotes: [None; 2], waiting: Vec::new() }
    }

    /// The exchange as it stands.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Fills the empty book around the fair value.
    pub fn open(&mut self, fair_e9: i64) {
        let mut unseen = Vec::new();
        for side in [Side::Yes, Side::No] {
            self.quote(side, fair_e9, &mut unseen);
            for _ in 0..WAITING_MAX / 3 {
                self.wait_behind(side, fair_e9, &mut unseen);
            }
        }
    }

    /// One moment of activity after the fair value moved; `facts` receives what happens.
    pub fn step(&mut self, fair_e9: i64, facts: &mut Vec<Fact>) {
        self.withdraw(fair_e9, facts);
        for side in [Side::Yes, Side::No] {
            self.quote(side, fair_e9, facts);
        }
        self.stir(fair_e9, facts);
        if self.rng.below(3) == 0 {
            self.take(facts);
        }
    }

    /// Everybody leaves: the book drains at the close.
    pub fn drain(&mut self, facts: &mut Vec<Fact>) {
        for id in self.quotes.into_iter().flatten().chain(self.waiting.drain(..)) {
            self.exchange.cancel(id, facts);
        }
        self.quotes = [None; 2];
    }

    /// The highest whole cent at which a maker still buys `side`; `None` below one cent.
    fn cap_cents(&self, side: Side, fair_e9: i64) -> Option<i64> {
        let worth = if side == Side::Yes { fair_e9 } else { ONE_E9 - fair_e9 };
        Some((worth - self.spec.half_spread_e9) / CENT_E9).filter(|c| *c >= 1)
    }

    /// Makers take back what became too dear.
    fn withdraw(&mut self, fair_e9: i64, facts: &mut Vec<Fact>) {
        let caps = [Side::Yes, Side::No].map(|side| self.cap_cents(side, fair_e9).unwrap_or(0));
        let (exchange, mut kept) = (&mut self.exchange, Vec::with_capacity(self.waiting.len()));
        for id in self.waiting.drain(..) {
            let Some(order) = exchange.order(id) else { continue };
            if order.price.e4() > caps[order.side.index()] * 100 {
                exchange.cancel(id, facts);
            } else {
                kept.push(id);
            }
        }
        self.waiting = kept;
    }

    /// Renews one side's quote at its best price: when it is gone or misplaced, and now and then anyway.
    fn quote(&mut self, side: Side, fair_e9: i64, facts: &mut Vec<Fact>) {
        let cap = self.cap_cents(side, fair_e9).and_then(|c| Price::new(c * 100));
        let standing = self.quotes[side.index()].and_then(|id| self.exchange.order(id));
        let renew = self.rng.below(4) == 0;
        if !renew && standing.is_some() && standing.map(|o| o.price) == cap {
            return;
        }
        if let Some(id) = self.quotes[side.index()].take() {
            self.exchange.cancel(id, facts);
        }
        let weight = self.spec.quote_weight_e3[side.index()];
        let size = Qty((8_000 + self.rng.below(32_000) as i64) * weight / 1_000);
        self.quotes[side.index()] =
            cap.and_then(|price| self.exchange.bid(side, price, size, Rest::Keep, facts).ok());
    }

    /// A small order one to nine cents behind the quote; every third of a fractional size.
    fn wait_behind(&mut self, side: Side, fair_e9: i64, facts: &mut Vec<Fact>) {
        let Some(cap) = self.cap_cents(side, fair_e9) else { return };
        let cents = (cap - 1 - self.rng.below(9) as i64).max(1);
        let fraction = if self.rng.below(3) == 0 { self.rng.below(100) as i64 } else { 0 };
        let size = Qty(500 + 100 * self.rng.below(45) as i64 + fraction);
        let price = Price::new(cents * 100).unwrap_or(Price::ZERO);
        if let Ok(id) = self.exchange.bid(side, price, size, Rest::Keep, facts) {
            self.waiting.push(id);
        }
    }

    /// Waiting orders come, shrink by a tenth of a contract, and go.
    fn stir(&mut self, fair_e9: i64, facts: &mut Vec<Fact>) {
        let side = if self.rng.below(2) == 0 { Side::Yes } else { Side::No };
        self.wait_behind(side, fair_e9, facts);
        let one = self.rng.below(self.waiting.len().max(1) as u64) as usize;
        if let Some(&id) = self.waiting.get(one) {
            self.exchange.reduce(id, Qty(10), facts);
        }
        while self.waiting.len() > WAITING_MAX {
            let one = self.rng.below(self.waiting.len() as u64) as usize;
            self.exchange.cancel(self.waiting.swap_remove(one), facts);
        }
    }

    /// A taker buys one side at the touch, for reasons of its own.
    fn take(&mut self, facts: &mut Vec<Fact>) {
        let side = if self.rng.below(2) == 0 { Side::Yes } else { Side::No };
        let touch = self.exchange.touch();
        let ask = match side {
            Side::Yes => touch.ask.map(|a| a.0),
            Side::No => touch.bid.map(|b| b.0.complement()),
        };
        let size = Qty(100 + self.rng.below(6_000) as i64);
        // A refused order is one without a price to take: nothing to do then.
        let _ = ask.map(|price| self.exchange.bid(side, price, size, Rest::Drop, facts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_has_no_drift_and_stays_inside() {
        let mut rng = Rng::stream(3, "walk", 0);
        let (mut sum, n) = (0i64, 20_000);
        for _ in 0..n {
            let mut fair = Fair::new(400_000_000, 2_000_000, 60);
            for _ in 0..60 {
                fair.step(&mut rng);
                assert!(fair.e9() > 0 && fair.e9() < ONE_E9);
            }
            sum += fair.e9();
        }
        let mean = sum / n;
        // The end value's standard deviation is about 0.31 dollars: four standard errors are 0.009.
        assert!((mean - 400_000_000).abs() < 9_000_000, "{mean}");
    }

    #[test]
    fn quotes_always_bracket_the_fair_value() {
        for seed in 0..20 {
            let mut rng = Rng::stream(seed, "walk", 0);
            let spec = FlowSpec { half_spread_e9: 3_000_000, quote_weight_e3: [1_400, 600] };
            let mut flow = Flow::new(spec, Rng::stream(seed, "flow", 0));
            let mut fair = Fair::new(500_000_000, 2_500_000, 300);
            flow.open(fair.e9());
            let mut facts = Vec::new();
            for _ in 0..300 {
                fair.step(&mut rng);
                flow.step(fair.e9(), &mut facts);
                let touch = flow.exchange().touch();
                assert!(touch.bid.is_none_or(|b| b.0.e4() * 100_000 < fair.e9()));
                assert!(touch.ask.is_none_or(|a| a.0.e4() * 100_000 > fair.e9()));
            }
            flow.drain(&mut facts);
            assert_eq!(flow.exchange().snapshot(), crate::event::Snapshot::default());
            assert!(facts.iter().any(|f| matches!(f, Fact::Fill { .. })));
        }
    }
}
