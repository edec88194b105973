//! The matcher sees levels and trades; the simulator knows every order. What a ghost order at the tail of a
//! level would truly have got lies inside the three queues.

use super::feed::{Feed, Row};
use kalshiflow::book::Book;
use kalshiflow::broker::matching::{Bound, Matcher, NewOrder, OrderId as OurId, Reports, Rules};
use kalshiflow::broker::{Exponent, Intent, Latency, QueueModel, Verb};
use kalshiflow::event::{Body, Event};
use kalshiflow::rng::Rng;
use kalshiflow::sim::exchange::OrderId;
use kalshiflow::units::{Price, Qty, Side};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};
use std::collections::{BTreeMap, BTreeSet};

/// An order that nobody sees, in the true queue.
struct Ghost {
    side: Side,
    price: Price,
    qty: Qty,
    before: BTreeSet<OrderId>,
    got: Qty,
}

impl Ghost {
    fn join(feed: &Feed, side: Side, price: Price, qty: Qty) -> Ghost {
        let there = |id: &&OrderId| {
            feed.exchange.order(**id).is_some_and(|o| o.side == side && o.price == price)
        };
        let before = feed.ids.iter().filter(there).copied().collect();
        Ghost { side, price, qty, before, got: Qty::ZERO }
    }

    fn row(&mut self, row: &Row) {
        let Some((delta, hit)) = row.fact else { return };
        let reached = match hit {
            // A trade with one behind us, or at a worse price, would have been ours.
            Some(maker) if delta.side == self.side && delta.price <= self.price => {
                delta.price < self.price || !self.before.contains(&maker)
            }
            _ => {
                delta.side != self.side
                    && delta.qty > Qty::ZERO
                    && delta.price >= self.price.complement()
            }
        };
        if reached {
            self.got = (self.got + Qty(delta.qty.0.abs())).min(self.qty);
        }
    }

    fn ahead(&self, feed: &Feed) -> Qty {
        let left = |id: &OrderId| feed.exchange.order(*id).map_or(Qty::ZERO, |o| o.left);
        self.before.iter().map(left).fold(Qty::ZERO, |sum, q| sum + q)
    }
}

/// One order among the crowd: what it got by queue, what the ghost got, and the mean errors.
struct Life {
    got: [Qty; 3],
    truth: Qty,
    /// Volume at its level that more decreases than trades could have been.
    ambiguous: Qty,
    error: Errors,
}

/// Sum of |contracts before us by a queue - the truth| and the number of looks.
#[derive(Default)]
struct Errors {
    sum: BTreeMap<&'static str, f64>,
    looks: f64,
}

const MODELS: [(&str, QueueModel); 4] = [
    ("uniform", QueueModel::Power(Exponent::ONE)),
    ("pow3_2", QueueModel::Power(Exponent::TWO)),
    ("pow3_3", QueueModel::Power(Exponent::THREE)),
    ("pow_2", QueueModel::Odds(Exponent::TWO)),
];

fn live(seed: u64) -> Life {
    let mut feed = Feed::new(seed, "truth");
    let mut draw = Rng::stream(seed, "ghost", 0);
    let mut book = Book::default();
    let rules = |fitted| Rules { fitted, latency: Latency::NONE, ..Rules::default() };
    let mut matchers = MODELS.map(|m| Matcher::new(rules(m.1), Rng::stream(seed, "latency", 0)));
    let mut outs = MODELS.map(|_| Reports::default());
    let mut published: Vec<Event> = vec![feed.snapshot()];
    let mut show = |event: &Event, matchers: &mut [Matcher; 4], outs: &mut [Reports; 4]| {
        let before = book.clone();
        for (matcher, out) in matchers.iter_mut().zip(outs) {
            book = before.clone();
            matcher.on_event(event, &mut book, out).expect("a possible book");
        }
        book.clone()
    };
    let mut now = show(&published[0], &mut matchers, &mut outs);
    for _ in 0..20 + draw.below(40) {
        for row in feed.step() {
            now = show(&row.event, &mut matchers, &mut outs);
            published.push(row.event);
        }
    }
    let side = if draw.below(2) == 0 { Side::Yes } else { Side::No };
    let Some((best, _)) = now.bids(side).best() else { return live(seed + 1_000_000) };
    let price = Price::new((best.e4() - 100 * draw.below(2) as i64).max(100)).expect("in range");
    let qty = Qty(100 * (1 + draw.below(20) as i64));
    let mut ghost = Ghost::join(&feed, side, price, qty);
    let order = NewOrder {
        intent: Intent { side, verb: Verb::Buy },
        price,
        qty,
        time_in_force: TimeInForce::GoodTillCanceled,
        expires: None,
        post_only: true,
        reduce_only: false,
        self_trade: SelfTradePrevention::TakerAtCross,
    };
    let at = published.last().expect("a row").recv;
    for (matcher, out) in matchers.iter_mut().zip(&mut outs) {
        matcher.submit(OurId(1), order, at).expect("sent");
        matcher.advance(at, &now, out);
    }
    let mut error = Errors::default();
    for _ in 0..250 {
        for row in feed.step() {
            show(&row.event, &mut matchers, &mut outs);
            ghost.row(&row);
            published.push(row.event);
        }
        error.look(&matchers, ghost.ahead(&feed));
    }
    // Else the last trades are known to the ghost alone (1096 of the long run).
    for event in feed.rest() {
        show(&event, &mut matchers, &mut outs);
        published.push(event);
    }
    for (matcher, out) in matchers.iter_mut().zip(&mut outs) {
        matcher.finish(out);
    }
    let mut got = [Qty::ZERO; 3];
    for fill in &outs[1].fills {
        got.iter_mut().zip(fill.qty.0).for_each(|(sum, qty)| *sum += qty);
    }
    Life { got, truth: ghost.got, ambiguous: ambiguous(&published, side, price), error }
}

impl Errors {
    fn look(&mut self, matchers: &[Matcher; 4], truth: Qty) {
        let all: Vec<_> = matchers.iter().filter_map(|m| m.ahead(OurId(1))).collect();
        if all.len() < matchers.len() {
            return; // filled somewhere
        }
        self.looks += 1.0;
        let mut add = |name, ahead: Qty| {
            *self.sum.entry(name).or_default() += (ahead - truth).0.abs() as f64 / 100.0;
        };
        add("risk", all[0][Bound::Pessimistic]);
        add("front", all[0][Bound::Optimistic]);
        MODELS.iter().zip(&all).for_each(|((name, _), ahead)| add(name, ahead[Bound::Fitted]));
    }
}

/// Volume of trades at a level whose key more decreases had than trades.
fn ambiguous(events: &[Event], side: Side, price: Price) -> Qty {
    let mut keys: BTreeMap<(i64, Qty), [i64; 2]> = BTreeMap::new();
    for event in events {
        let ms = event.ts.map_or(0, |ts| ts.ms());
        match &event.body {
            Body::Delta(d) if d.side == side && d.price == price && d.qty < Qty::ZERO => {
                keys.entry((ms, -d.qty)).or_default()[0] += 1;
            }
            Body::Trade(t) if t.taker != side => {
                let level = if side == Side::Yes { t.yes_price } else { t.yes_price.complement() };
                if level == price {
                    keys.entry((ms, t.qty)).or_default()[1] += 1;
                }
            }
            _ => {}
        }
    }
    let unsure = keys.iter().filter(|(_, [decreases, trades])| decreases > trades);
    unsure.map(|((_, qty), [_, trades])| Qty(qty.0 * trades)).fold(Qty::ZERO, |sum, q| sum + q)
}

/// Fill notes 4, "exact-L3 oracle": truth inside the bracket, widened by the ambiguous volume, always.
#[test]
fn what_a_true_queue_would_have_given_lies_inside_the_bracket() {
    let lives = if std::env::var("KFLOW_LONG").is_ok() { 20_000 } else { 2_000 };
    let (mut total, mut filled, mut wide, mut unsure) = (Errors::default(), 0, 0, 0);
    for seed in 0..lives {
        let life = live(seed);
        let [low, fitted, high] = life.got;
        assert!(low <= fitted && fitted <= high, "seed {seed}: {:?}", life.got);
        assert!(
            low - life.ambiguous <= life.truth && life.truth <= high + life.ambiguous,
            "seed {seed}: truth {} outside {low}..{high}, ambiguous {}",
            life.truth,
            life.ambiguous
        );
        filled += u32::from(life.truth > Qty::ZERO);
        wide += u32::from(low < high);
        unsure += u32::from(life.ambiguous > Qty::ZERO);
        total.looks += life.error.looks;
        for (name, sum) in life.error.sum {
            *total.sum.entry(name).or_default() += sum;
        }
    }
    println!("{lives} orders, {filled} truly filled, {wide} with a bracket, {unsure} ambiguous");
    println!("mean error of the queue in contracts, {} looks:", total.looks);
    for (name, sum) in &total.sum {
        println!("  {name:8} {:.3}", sum / total.looks);
    }
    assert!(filled * 4 > lives as u32 && wide > 0, "the flow is too quiet to prove anything");
}
