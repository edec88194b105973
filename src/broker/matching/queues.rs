//! Our resting orders among the others': three queues per order, in one pass.
//!
//! A level shrinks now and its cause is known later, so each queue is kept twice: up to the last row before
//! which everything is decided (`BASE`), and from there through the rows that still may change (`SEEN`).
//! A new row is added to `SEEN`. When a cause becomes known the undecided stretch, at most a window long, is
//! played again in the order of its rows; what a queue then has filled beyond what was told is a new fill. In
//! the end the fills are those of somebody who knew every cause at once. Most rows touch no level of ours, and
//! nothing of this is looked at until one does or until what waits has waited long enough ([`Queues::due`]).
//!
//! Of a trade of c contracts at a level, the contracts before us come off first: others', then our own
//! older orders and those at better prices, then we. A trade at a worse level, or an order that arrives at
//! or through our price, finds nobody before us.
//!
//! **Invariant:** contracts before us, and what is left of an order, never grow from the pessimistic to the
//! fitted to the optimistic queue; therefore neither do fills, at any row.
//! **Invariant:** our fills of one trade never exceed it, in any of the queues.

mod fold;
mod settle;

use crate::broker::QueueModel;
use crate::broker::attribution::{Deadline, Key, Pairs};
use crate::units::{Price, Qty, Side, TsNs};
use serde::{Deserialize, Serialize};

const BASE: usize = 0;
const SEEN: usize = 1;
const TOLD: usize = 2;
const DUE: usize = 3;

/// So many decreases of our levels may wait until their causes are played: no cause fills anything while
/// there is no trade among them. Twice what a busy second has, and few enough to play at once.
const BATCH: usize = 16;

/// More contracts than any level holds: the place in a queue that nobody has shown.
pub(super) const UNKNOWN_FRONT: Qty = Qty(1 << 50);

/// Contracts per queue.
pub(super) type Three = [Qty; 3];

/// All resting orders of ours in one market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Queues {
    fitted: QueueModel,
    /// By side, best price first, oldest first.
    rests: Vec<Rest>,
    /// So many of them are YES.
    yes: usize,
    /// The best price at which an order of ours works, by side.
    best: [Option<Price>; 2],
    /// Where [`bit`] of a level is not set, no order of ours works on it; by side.
    levels: [u64; 2],
    /// The earliest moment at which something that waits here is decided.
    due: Deadline,
    /// The earliest one at which an order that left can be forgotten.
    leaves: Deadline,
    /// What happened to our levels and is not folded into `BASE` yet, by row.
    trail: Vec<Entry>,
    /// So many of them are trades, or orders that met us.
    trades: usize,
    /// Contracts filled, by slot: `BASE`, `SEEN`, what was told of it, and what is
    /// to be told now.
    filled: Vec<[Three; 4]>,
    /// Verdicts of rows up to this one come too late: a snapshot came between.
    floor: u64,
}

/// An order at one price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rest {
    pub(super) slot: usize,
    pub(super) side: Side,
    /// On the axis of `side`.
    pub(super) price: Price,
    /// First row that can fill it, and the last one.
    from: u64,
    until: u64,
    /// When everything up to the last row is decided, once there is one.
    settles: Deadline,
    /// Contracts of the order from row `cap.1` on, and before.
    cap: (Qty, u64),
    cap_before: Qty,
    front: [Three; 2],
    /// Contracts that the order may come to by what becomes known of this place later.
    limit: Qty,
    pub(super) uncertain: bool,
}

/// Something that happened at our level, or that reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    row: u64,
    at: TsNs,
    side: Side,
    price: Price,
    qty: Qty,
    /// Size of the level before.
    level: Qty,
    kind: Kind,
    /// When everything up to it is decided.
    until: Deadline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    /// The level shrank, and why is not known yet.
    Undecided,
    Trade,
    /// An order of the other side arrived at this price of ours or better.
    Cross,
}

/// New contracts of one order, by queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Filled {
    pub(super) slot: usize,
    pub(super) row: u64,
    pub(super) at: TsNs,
    /// On the axis of the ladder that it rests in.
    pub(super) price: Price,
    pub(super) qty: Three,
    pub(super) uncertain: bool,
    /// The price level of the other side that met us.
    pub(super) crossed: Option<Price>,
}

impl Queues {
    /// No order yet.
    pub(super) fn new(fitted: QueueModel) -> Queues {
        let (rests, trail, trades, filled) = (Vec::new(), Vec::new(), 0, Vec::new());
        let (best, levels, never) = ([None; 2], [0; 2], Deadline::NEVER);
        let (due, leaves) = (never, never);
        Queues { fitted, rests, yes: 0, best, levels, due, leaves, trail, trades, filled, floor: 0 }
    }

    /// No order again, reusing the memory.
    pub(super) fn restart(&mut self, fitted: QueueModel) {
        self.fitted = fitted;
        self.rests.clear();
        self.yes = 0;
        self.trail.clear();
        self.trades = 0;
        self.filled.clear();
        (self.best, self.levels) = ([None; 2], [0; 2]);
        (self.due, self.leaves) = (Deadline::NEVER, Deadline::NEVER);
        self.floor = 0;
    }

    /// True when nothing rests and nothing can become known any more.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rests.is_empty()
    }

    /// A fresh slot begins without a fill.
    pub(super) fn open(&mut self, slot: usize) {
        self.filled.resize(self.filled.len().max(slot + 1), [[Qty::ZERO; 3]; 4]);
        self.filled[slot] = [[Qty::ZERO; 3]; 4];
    }

    /// Contracts filled of the order in `slot`, by queue.
    pub(super) fn filled(&self, slot: usize) -> Three {
        self.filled[slot][TOLD]
    }

    /// Counts contracts that the order took rather than waited for.
    pub(super) fn took(&mut self, slot: usize, qty: Three) {
        for part in &mut self.filled[slot][..DUE] {
            part.iter_mut().zip(qty).for_each(|(sum, qty)| *sum += qty);
        }
    }

    /// The order in `slot` joins the tail at `price` after `row`, with `front` contracts of others before it.
    pub(super) fn join(
        &mut self,
        (slot, side, price): (usize, Side, Price),
        cap: Qty,
        row: u64,
        front: Option<Qty>,
    ) {
        let known = front.map_or([UNKNOWN_FRONT, UNKNOWN_FRONT, Qty::ZERO], |front| [front; 3]);
        let rest = Rest {
            slot,
            side,
            price,
            from: row + 1,
            until: u64::MAX,
            settles: Deadline::NEVER,
            cap: (cap, 0),
            cap_before: cap,
            front: [known; 2],
            limit: Qty(i64::MAX),
            uncertain: front.is_none(),
        };
        let later =
            |r: &Rest| (r.side, std::cmp::Reverse(r.price)) <= (side, std::cmp::Reverse(price));
        let at = self.rests.partition_point(later);
        self.rests.insert(at, rest);
        self.see_levels();
    }

    /// The order in `slot` leaves after `row`; what happened up to it may still turn out to be a fill.
    pub(super) fn leave(&mut self, slot: usize, row: u64, pairs: &Pairs) {
        let settles = pairs.waiting().next_back().map_or(Deadline::PAST, |newest| newest.until);
        for rest in self.rests.iter_mut().filter(|r| r.slot == slot && r.until > row) {
            (rest.until, rest.settles) = (row, settles);
            (self.due, self.leaves) = (self.due.min(settles), self.leaves.min(settles));
        }
        self.see_levels();
    }

    /// The order in `slot`, which left its place, is sent anew for `count` contracts in all. It may trade at once
    /// with what was not known to be filled: what turns out to have been is no more than the rest.
    pub(super) fn renew(&mut self, slot: usize, count: Qty) {
        self.rests.iter_mut().filter(|r| r.slot == slot).for_each(|r| r.limit = count);
    }

    /// Our orders on one side, best price first.
    #[inline]
    fn side(&self, side: Side) -> std::ops::Range<usize> {
        match side {
            Side::Yes => 0..self.yes,
            Side::No => self.yes..self.rests.len(),
        }
    }

    fn see_levels(&mut self) {
        self.yes = self.rests.partition_point(|r| r.side == Side::Yes);
        (self.best, self.levels) = ([None; 2], [0; 2]);
        for rest in self.rests.iter().filter(|r| r.until == u64::MAX) {
            self.best[rest.side.index()].get_or_insert(rest.price);
            self.levels[rest.side.index()] |= bit(rest.price);
        }
    }

    /// The order in `slot` is for `cap` contracts after `row`, and keeps its place.
    pub(super) fn resize(&mut self, slot: usize, cap: Qty, row: u64) {
        for rest in self.rests.iter_mut().filter(|r| r.slot == slot && r.until == u64::MAX) {
            rest.cap_before = rest.cap.0.max(cap);
            rest.cap = (cap, row + 1);
        }
    }

    /// Where the order in `slot` rests now.
    pub(super) fn resting(&self, slot: usize) -> Option<&Rest> {
        self.rests.iter().find(|r| r.slot == slot && r.until == u64::MAX)
    }

    /// Contracts of others before the order in `slot`, by queue, as far as is known.
    pub(super) fn ahead(&self, slot: usize, pairs: &Pairs) -> Option<Three> {
        let rest = self.resting(slot)?;
        Some(if self.is_traded() { rest.front[SEEN] } else { self.seen(rest, pairs) })
    }

    /// Our best resting order on `side` at `floor` or better, with what stands before it.
    pub(super) fn best(&self, side: Side, floor: Price) -> Option<(usize, Price, Three)> {
        let working = |r: &&Rest| r.side == side && r.price >= floor && r.until == u64::MAX;
        self.rests.iter().find(working).map(|r| (r.slot, r.price, r.front[SEEN]))
    }

    /// True while the order in `slot` may still be filled by something that already happened.
    pub(super) fn is_pending(&self, slot: usize) -> bool {
        self.rests.iter().any(|r| r.slot == slot)
    }

    /// True while the order in `slot` may turn out to have filled where it no longer rests.
    pub(super) fn is_leaving(&self, slot: usize) -> bool {
        self.rests.iter().any(|r| r.slot == slot && r.until != u64::MAX)
    }

    /// False when this change of a level is nothing to an order of ours: none works on a level that shrank,
    /// none is met by one that grew.
    #[inline]
    pub(super) fn concerned(&self, side: Side, price: Price, shrank: bool) -> bool {
        let here = self.levels[side.index()] & bit(price) != 0;
        let met = self.meets(side.other(), price.complement());
        // Which of both nobody can foresee: no branch.
        here & shrank | met & !shrank
    }

    /// True when an order of ours works on this level.
    pub(super) fn stands_at(&self, side: Side, price: Price) -> bool {
        let here = |r: &Rest| r.price == price && r.side == side && r.until == u64::MAX;
        self.levels[side.index()] & bit(price) != 0 && self.rests.iter().any(here)
    }

    /// A level of ours that held `level` contracts shrank; why is not known until `until`.
    pub(super) fn shrink(
        &mut self,
        (row, until): (u64, Deadline),
        side: Side,
        price: Price,
        qty: Qty,
        level: Qty,
    ) {
        // The verdict brings the time of what it makes a fill.
        let at = TsNs(0);
        let entry = Entry { row, at, side, price, qty, level, kind: Kind::Undecided, until };
        self.trail.push(entry);
        self.fold::<SEEN>(&entry, u64::MAX, &mut |_| {});
        if self.trail.len() >= BATCH {
            self.due = self.due.min(self.oldest());
        }
    }

    /// When the window of something that is undecided here closes.
    #[inline]
    pub(super) fn due(&self) -> Deadline {
        self.due
    }

    /// The decrease of this row was a trade; `told` receives what it filled.
    pub(super) fn traded(
        &mut self,
        (row, until): (u64, Deadline),
        key: &Key,
        told: impl FnMut(Filled),
    ) {
        let (kind, at) = (Kind::Trade, TsNs::from_ms(key.ts_ms));
        let through = row > self.floor && self.reaches(key.side, key.price);
        let place = self.trail.partition_point(|e| e.row < row);
        match self.trail.get_mut(place).filter(|e| e.row == row) {
            Some(entry) => (entry.kind, entry.at) = (kind, at),
            None if through => {
                let Key { side, price, qty, .. } = *key;
                let entry = Entry { row, at, side, price, qty, level: qty, kind, until };
                self.trail.insert(place, entry);
            }
            None => return,
        }
        self.trades += 1;
        self.replay(key.side, row, told);
    }

    /// True when an order of the other side that pays `price` or more for `side` meets one of ours.
    #[inline]
    pub(super) fn meets(&self, side: Side, price: Price) -> bool {
        self.best[side.index()].is_some_and(|best| best >= price)
    }

    /// An order of `qty` contracts of the other side arrived: it meets our orders at `price` or better.
    pub(super) fn cross(
        &mut self,
        (row, at, until): (u64, TsNs, Deadline),
        side: Side,
        price: Price,
        qty: Qty,
        told: impl FnMut(Filled),
    ) {
        let kind = Kind::Cross;
        self.trail.push(Entry { row, at, side, price, qty, level: qty, kind, until });
        self.trades += 1;
        self.replay(side, row, told);
        self.look_ahead();
    }
}

/// Another one for any two of 64 whole cents in a row.
#[inline]
fn bit(price: Price) -> u64 {
    1 << (price.index() / 4 % 64)
}
