//! Tracks of orders that nobody sees among the simulator's crowd, where every order has a name and a place.
//!
//! Shadow orders of one contract join a best bid at random moments. The orders that stand there then are before
//! them, those that come later behind; the exchange knows at every second what is left of the former. A shadow
//! order is over when somebody behind it trades, when a worse price of its side does, when an order of the other
//! side arrives at its price, or after a minute.

use super::track::{Join, Name, Track, Tracker};
use crate::event::Delta;
use crate::rng::Rng;
use crate::sim::calibrate::{Moment, Window, simulate_watched};
use crate::sim::crowd::CrowdSpec;
use crate::sim::exchange::{Exchange, Fact, OrderId};
use crate::units::{Price, Qty, Side, TsUs};

/// Series of the simulated markets: the prefix of the simulator's tickers.
pub const SERIES: &str = "KXSIM15M";

/// A shadow order joins every so many microseconds on average.
const JOIN_EVERY_US: u64 = 1_500_000;
/// It is looked at as often as an account may ask for its places.
const LOOK_EVERY_US: i64 = 1_000_000;
const LIFE_US: i64 = 60_000_000;
/// Orders at these prices only, as everywhere (attribution notes, "Shadow orders").
const PRICES_E4: std::ops::RangeInclusive<i64> = 300..=9_700;

/// Something that is done after the event of a row.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Join(Name, Join),
    Look(Name, Qty, TsUs),
    Leave(Name),
}

#[derive(Clone, Copy, Debug)]
struct Ghost {
    name: Name,
    side: Side,
    price: Price,
    /// Who stood there when it joined is no younger than this.
    youngest: OrderId,
    next_look: TsUs,
    until: TsUs,
}

/// The tracks of market number `index` of `seed`, `index` lives after the first.
pub fn tracks(seed: u64, index: u64, crowd: CrowdSpec) -> Vec<Track> {
    let mut crew = Crew::new(Rng::stream(seed, "shadow orders", index));
    let events = simulate_watched(&Window { seed, index, crowd }, |moment| crew.watch(&moment));
    let ticker = format!("{SERIES}-S{seed}N{index:04}-T50");
    let mut tracker = Tracker::new(&ticker);
    // In the order of rows, which is not quite that of arrival: trades overtake and fall behind.
    let mut marks = crew.marks.into_iter().peekable();
    let mut reached = 0;
    for event in &events {
        tracker.on_event(event);
        if event.sid == events[0].sid {
            reached = reached.max(event.row_id);
        }
        while let Some((_, mark)) = marks.next_if(|(row, _)| *row <= reached) {
            match mark {
                Mark::Join(name, join) => tracker.join(name, join),
                Mark::Look(name, truth, at) => tracker.look(name, truth, Qty::ZERO, at),
                Mark::Leave(name) => tracker.leave(name),
            }
        }
    }
    let shift_us = index as i64 * i64::from(crowd.life_s) * 1_000_000;
    let mut tracks = tracker.finish();
    for track in &mut tracks {
        track.joined.0 += shift_us;
        track.ended.0 += shift_us;
    }
    tracks
}

struct Crew {
    rng: Rng,
    next_join: TsUs,
    next_name: Name,
    live: Vec<Ghost>,
    marks: Vec<(u64, Mark)>,
}

impl Crew {
    fn new(rng: Rng) -> Crew {
        let (live, marks) = (Vec::new(), Vec::new());
        Crew { rng, next_join: TsUs(i64::MIN), next_name: 0, live, marks }
    }

    fn watch(&mut self, moment: &Moment<'_>) {
        let Moment { at, facts, row, exchange } = *moment;
        let marks = &mut self.marks;
        self.live.retain_mut(|ghost| {
            let over = at > ghost.until || facts.iter().any(|fact| ghost.is_met(fact));
            if over {
                marks.push((row, Mark::Leave(ghost.name)));
            } else if at >= ghost.next_look {
                ghost.next_look = TsUs(at.0 + LOOK_EVERY_US);
                let truth = exchange.older(ghost.side, ghost.price, ghost.youngest);
                marks.push((row, Mark::Look(ghost.name, truth, at)));
            }
            !over
        });
        if self.next_join == TsUs(i64::MIN) {
            self.next_join = TsUs(at.0 + self.rng.below(JOIN_EVERY_US) as i64);
        }
        if at >= self.next_join {
            self.next_join = TsUs(at.0 + self.rng.below(2 * JOIN_EVERY_US) as i64);
            self.join(at, row, exchange);
        }
    }

    fn join(&mut self, at: TsUs, row: u64, exchange: &Exchange) {
        let side = if self.rng.below(2) == 0 { Side::Yes } else { Side::No };
        let touch = exchange.touch();
        let (Some((bid, _)), Some((ask, _))) = (touch.bid, touch.ask) else { return };
        let price = if side == Side::Yes { bid } else { ask.complement() };
        if !PRICES_E4.contains(&price.e4()) {
            return;
        }
        let (name, youngest) = (self.next_name, exchange.last_id());
        self.next_name += 1;
        let start = exchange.older(side, price, youngest);
        let join = Join { side, price, start, own: Qty::ZERO, at };
        self.marks.push((row, Mark::Join(name, join)));
        let (next_look, until) = (TsUs(at.0 + LOOK_EVERY_US), TsUs(at.0 + LIFE_US));
        self.live.push(Ghost { name, side, price, youngest, next_look, until });
    }
}

impl Ghost {
    /// True when this would have filled an order in its place.
    fn is_met(&self, fact: &Fact) -> bool {
        match *fact {
            Fact::Fill { maker, side: taken_by, yes_price, .. } => {
                let (side, price) = match taken_by {
                    Side::No => (Side::Yes, yes_price),
                    Side::Yes => (Side::No, yes_price.complement()),
                };
                side == self.side
                    && (price < self.price || price == self.price && maker > self.youngest)
            }
            Fact::Level(Delta { side, price, qty }) => {
                side != self.side && qty > Qty::ZERO && price >= self.price.complement()
            }
        }
    }
}
