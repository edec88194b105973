//! The life of an order whose place is known now and then, as the feed told it: what any model of the queue is
//! run over.
//!
//! A [`Tracker`] follows one market. Orders join it, are looked at, and leave; it writes down what happened at
//! their level, with the cause of each decrease once that is known ([`crate::broker::Attribution`], the rule
//! that orders of ours live by).

use crate::book::{Book, Change};
use crate::broker::attribution::{Attribution, Cause, Key, Stamp, Verdict};
use crate::event::{Body, Event};
use crate::units::{Price, Qty, Side, TsUs};
use std::collections::{BTreeMap, VecDeque};

/// One order's life at its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its market.
    pub ticker: String,
    /// When it joined, exchange time; tracks are split by it.
    pub joined: TsUs,
    /// When it was looked at last.
    pub ended: TsUs,
    /// Contracts before it when it joined.
    pub start: Qty,
    /// What happened since, in the order of the feed.
    pub steps: Vec<Step>,
    /// Volume at its level of trades that more than one decrease could have been.
    pub ambiguous: Qty,
}

/// Something that happened at an order's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The level, without our own contracts, went from one size to another.
    Level {
        /// Contracts before.
        before: Qty,
        /// Contracts after.
        after: Qty,
        /// A trade did it.
        traded: bool,
    },
    /// The message of a trade at this level arrived.
    Print(Qty),
    /// So many contracts truly stood before the order.
    Look(Qty),
}

/// An order, by the caller's name.
pub type Name = u64;

/// Where an order joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// The ladder that it rests in.
    pub side: Side,
    /// On the axis of `side`.
    pub price: Price,
    /// Contracts before it.
    pub start: Qty,
    /// Its own contracts, if the recorded book shows them.
    pub own: Qty,
    /// When.
    pub at: TsUs,
}

#[derive(Debug)]
struct Live {
    name: Name,
    side: Side,
    price: Price,
    own: Qty,
    track: Track,
    /// Row and step of decreases whose cause is not known.
    undecided: VecDeque<(u64, usize)>,
}

/// Follows the orders of one market.
#[derive(Debug)]
pub struct Tracker {
    ticker: String,
    book: Book,
    attribution: Attribution,
    verdicts: Vec<Verdict>,
    live: Vec<Live>,
    /// Left, with causes still to become known.
    over: Vec<Live>,
    done: Vec<Live>,
    /// Decreases and trades of each key.
    keys: BTreeMap<Key, [u32; 2]>,
    /// Orders followed no further because the book was replaced or something is missing.
    pub broken: u64,
}

impl Tracker {
    /// No order yet.
    pub fn new(ticker: &str) -> Tracker {
        Tracker {
            ticker: ticker.to_owned(),
            book: Book::default(),
            attribution: Attribution::default(),
            verdicts: Vec::new(),
            live: Vec::new(),
            over: Vec::new(),
            done: Vec::new(),
            keys: BTreeMap::new(),
            broken: 0,
        }
    }

    /// The book as the feed shows it.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// True from when the order joined until it left or the book was replaced.
    pub fn is_live(&self, name: Name) -> bool {
        self.live.iter().any(|live| live.name == name)
    }

    /// The next event of the market.
    pub fn on_event(&mut self, event: &Event) {
        let at = Stamp::of(event);
        self.attribution.on_event(at, &event.body, &mut self.verdicts);
        match (&event.body, self.book.apply(event)) {
            (Body::Delta(delta), Ok(Change::Level { size, .. })) => {
                if delta.qty < Qty::ZERO {
                    let key = Key::of_decrease(at, delta.side, delta.price, -delta.qty);
                    self.keys.entry(key).or_default()[0] += 1;
                }
                self.level((delta.side, delta.price), event.row_id, (size - delta.qty, size));
            }
            (Body::Trade(trade), _) => {
                let key = Key::of_trade(at, trade);
                self.keys.entry(key).or_default()[1] += 1;
                for live in
                    self.live.iter_mut().filter(|l| (l.side, l.price) == (key.side, key.price))
                {
                    live.track.steps.push(Step::Print(key.qty));
                }
            }
            (Body::Snapshot(_) | Body::Gap(_), _) | (_, Err(_)) => {
                // What was seen of them until here stands.
                self.broken += self.live.len() as u64;
                self.over.append(&mut self.live);
            }
            _ => {}
        }
        self.learn();
    }

    /// An order joins. Nothing happens without a valid book or when the name is alive.
    pub fn join(&mut self, name: Name, join: Join) {
        let Join { side, price, start, own, at } = join;
        if !self.book.is_valid() || self.is_live(name) {
            return;
        }
        let ticker = self.ticker.clone();
        let (steps, ambiguous) = (Vec::new(), Qty::ZERO);
        let track = Track { ticker, joined: at, ended: at, start, steps, ambiguous };
        self.live.push(Live { name, side, price, own, track, undecided: VecDeque::new() });
    }

    /// So many contracts stand before the order now, and so many of its own are left.
    pub fn look(&mut self, name: Name, truth: Qty, own: Qty, at: TsUs) {
        if let Some(live) = self.live.iter_mut().find(|l| l.name == name) {
            live.own = own;
            live.track.ended = at;
            live.track.steps.push(Step::Look(truth));
        }
    }

    /// The order is over.
    pub fn leave(&mut self, name: Name) {
        if let Some(at) = self.live.iter().position(|l| l.name == name) {
            self.over.push(self.live.swap_remove(at));
        }
    }

    /// The recording ends: all tracks that were looked at, by time.
    pub fn finish(mut self) -> Vec<Track> {
        self.over.append(&mut self.live);
        self.attribution.finish(&mut self.verdicts);
        self.learn();
        let keys = &self.keys;
        let done = self.done.into_iter().chain(self.over).filter_map(|live| live.closed(keys));
        let mut tracks: Vec<Track> = done.collect();
        tracks.sort_by_key(|track| track.joined);
        tracks
    }

    fn level(&mut self, place: (Side, Price), row: u64, (before, after): (Qty, Qty)) {
        for live in self.live.iter_mut().filter(|l| (l.side, l.price) == place) {
            if after < before {
                live.undecided.push_back((row, live.track.steps.len()));
            }
            let others = |size: Qty| (size - live.own).max(Qty::ZERO);
            let (before, after) = (others(before), others(after));
            live.track.steps.push(Step::Level { before, after, traded: false });
        }
    }

    /// Enters the causes that became known.
    fn learn(&mut self) {
        for verdict in self.verdicts.drain(..) {
            let Cause::Trade(_) = verdict.cause else { continue };
            for live in self.live.iter_mut().chain(&mut self.over) {
                live.traded(verdict.row);
            }
        }
        let horizon = self.attribution.horizon();
        for live in self.live.iter_mut().chain(&mut self.over) {
            while live.undecided.front().is_some_and(|(row, _)| *row < horizon) {
                live.undecided.pop_front();
            }
        }
        self.done.extend(self.over.extract_if(.., |live| live.undecided.is_empty()));
    }
}

impl Live {
    fn traded(&mut self, decrease: u64) {
        let Some((_, at)) = self.undecided.iter().find(|(row, _)| *row == decrease) else { return };
        if let Some(Step::Level { traded, .. }) = self.track.steps.get_mut(*at) {
            *traded = true;
        }
    }

    /// The finished track, up to the last look; `None` if there was none.
    fn closed(mut self, keys: &BTreeMap<Key, [u32; 2]>) -> Option<Track> {
        let look = |step: &Step| matches!(step, Step::Look(_));
        let last = self.track.steps.iter().rposition(look)?;
        self.track.steps.truncate(last + 1);
        let edge = |ms| Key { ts_ms: ms, side: Side::Yes, price: Price::ZERO, qty: Qty::ZERO };
        let span = edge(self.track.joined.ms())..edge(self.track.ended.ms() + 1);
        let here = keys.range(span).filter(|(key, [decreases, trades])| {
            (key.side, key.price) == (self.side, self.price) && *trades > 0 && decreases > trades
        });
        self.track.ambiguous = here
            .map(|(key, [_, trades])| Qty(key.qty.0 * i64::from(*trades)))
            .fold(Qty::ZERO, |sum, qty| sum + qty);
        Some(self.track)
    }
}
