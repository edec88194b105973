//! What happens at a level, played over our orders in the order of priority.

use super::{BASE, DUE, Entry, Filled, Kind, Queues, Rest, SEEN, TOLD, Three};
use crate::broker::QueueModel;
use crate::broker::attribution::Pairs;
use crate::units::{Price, Qty, Side};

impl Queues {
    /// True when a trade at this price means that one of our orders is reached.
    pub(super) fn reaches(&self, side: Side, price: Price) -> bool {
        self.rests[self.side(side)].first().is_some_and(|best| best.price > price)
    }

    /// Contracts before one of our orders, with the causes that are known but not yet played; while no
    /// trade is among them.
    pub(super) fn seen(&self, rest: &Rest, pairs: &Pairs) -> Three {
        let mut front = rest.front[BASE];
        let ours = |e: &&Entry| e.side == rest.side && rest.stands_in(e);
        for entry in self.trail.iter().filter(ours) {
            let known = pairs.is_over(entry.until);
            shrink(&mut front, entry, if known { self.fitted } else { QueueModel::Risk });
        }
        front
    }

    /// Plays the undecided stretch of one side again after something changed at `row`, and tells what is
    /// filled beyond what was told: at that row as far as it gave any, the rest at later ones in order.
    pub(super) fn replay(&mut self, side: Side, row: u64, told: impl FnMut(Filled)) {
        self.play(side, u64::MAX, |_| {});
        let mut any = false;
        for rest in &self.rests[self.side(side)] {
            let [_, seen, told, due] = &mut self.filled[rest.slot];
            *due = std::array::from_fn(|i| (seen[i] - told[i]).max(Qty::ZERO));
            any |= *due != [Qty::ZERO; 3];
        }
        if any {
            self.play(side, row, told);
        }
    }

    /// Plays the undecided stretch of one side; rows from `tell_from` on may tell what is due.
    pub(super) fn play(&mut self, side: Side, tell_from: u64, mut told: impl FnMut(Filled)) {
        let ours = self.side(side);
        for rest in &mut self.rests[ours] {
            rest.front[SEEN] = rest.front[BASE];
            let filled = &mut self.filled[rest.slot];
            filled[SEEN] = filled[BASE];
        }
        for i in 0..self.trail.len() {
            let entry = self.trail[i];
            if entry.side == side {
                self.fold::<SEEN>(&entry, tell_from, &mut told);
            }
        }
    }

    /// What one entry does to all our orders, best price and oldest first.
    #[inline]
    pub(super) fn fold<const PART: usize>(
        &mut self,
        entry: &Entry,
        tell_from: u64,
        told: &mut impl FnMut(Filled),
    ) {
        match entry.kind {
            Kind::Undecided => {
                let ours = self.side(entry.side);
                for rest in self.rests[ours].iter_mut().filter(|r| r.stands_in(entry)) {
                    shrink(&mut rest.front[PART], entry, QueueModel::Risk);
                }
            }
            Kind::Trade | Kind::Cross => self.reached::<PART>(entry, tell_from, told),
        }
    }

    /// An undecided decrease, before which everything is folded, was a cancel. True when the queues are not
    /// those any more that they were while that was open.
    pub(super) fn cancelled(&mut self, entry: &Entry) -> bool {
        let (mut moved, ours) = (false, self.side(entry.side));
        for rest in self.rests[ours].iter_mut().filter(|r| r.stands_in(entry)) {
            let mut open = rest.front[BASE];
            shrink(&mut open, entry, QueueModel::Risk);
            shrink(&mut rest.front[BASE], entry, self.fitted);
            moved |= open != rest.front[BASE];
        }
        moved
    }

    /// A trade or an order of the other side came as far as this price.
    fn reached<const PART: usize>(
        &mut self,
        entry: &Entry,
        tell_from: u64,
        told: &mut impl FnMut(Filled),
    ) {
        let (mut reached, ours) = (Reached::default(), self.side(entry.side));
        for rest in &mut self.rests[ours] {
            if rest.price < entry.price {
                break;
            }
            if !rest.is_there(entry.row) {
                continue;
            }
            let filled = &mut self.filled[rest.slot];
            let through = rest.price > entry.price || entry.kind == Kind::Cross;
            let left = filled[PART].map(|done| (rest.cap_at(entry.row) - done).max(Qty::ZERO));
            let got = reached.take(entry.qty, &mut rest.front[PART], left, through);
            filled[PART].iter_mut().zip(got).for_each(|(sum, got)| *sum += got);
            if entry.row >= tell_from {
                tell(entry, rest, got, filled, told);
            }
            keep_order(&mut rest.front[PART]);
        }
    }
}

/// Contracts left the level, by this model of the fitted queue.
#[inline]
fn shrink(front: &mut Three, entry: &Entry, fitted: QueueModel) {
    let &Entry { level, qty, .. } = entry;
    *front = [
        QueueModel::Risk.cancel(front[0], level, qty),
        fitted.cancel(front[1], level, qty),
        QueueModel::Front.cancel(front[2], level, qty),
    ];
    keep_order(front);
}

impl Rest {
    /// True when this decrease of its side is one of its level while it rests.
    #[inline]
    fn stands_in(&self, entry: &Entry) -> bool {
        self.price == entry.price && self.is_there(entry.row)
    }

    #[inline]
    fn is_there(&self, row: u64) -> bool {
        (self.from..=self.until).contains(&row)
    }

    #[inline]
    fn cap_at(&self, row: u64) -> Qty {
        if row < self.cap.1 { self.cap_before } else { self.cap.0 }
    }
}

/// What one trade has met of our orders so far.
#[derive(Default)]
struct Reached {
    /// What was left of our orders before the next one.
    own: Three,
    /// What they got.
    taken: Three,
}

impl Reached {
    /// The next order's part of a trade of `qty` contracts, by queue.
    fn take(&mut self, qty: Qty, front: &mut Three, left: Three, through: bool) -> Three {
        let mut got = [Qty::ZERO; 3];
        for i in 0..3 {
            if through {
                front[i] = Qty::ZERO;
            }
            got[i] = (qty - front[i] - self.own[i]).max(Qty::ZERO).min(left[i]);
            front[i] = (front[i] - (qty - self.taken[i])).max(Qty::ZERO);
            self.own[i] += left[i];
            self.taken[i] += got[i];
        }
        got
    }
}

/// An own order before us may have spared others in one queue and not in another; where that turned the
/// order of the queues around, the better one is believed to be as good as the worse one.
#[inline]
fn keep_order(front: &mut Three) {
    front[1] = front[1].min(front[0]);
    front[2] = front[2].min(front[1]);
}

/// Tells what is due of what an order got here.
fn tell(
    entry: &Entry,
    rest: &Rest,
    got: Three,
    filled: &mut [Three; 4],
    told: &mut impl FnMut(Filled),
) {
    let limit = filled[TOLD].map(|told| (rest.limit - told).max(Qty::ZERO));
    let qty: Three = std::array::from_fn(|i| filled[DUE][i].min(got[i]).min(limit[i]));
    for (i, qty) in qty.into_iter().enumerate() {
        filled[DUE][i] -= qty;
        filled[TOLD][i] += qty;
    }
    if qty != [Qty::ZERO; 3] {
        let crossed = (entry.kind == Kind::Cross).then(|| entry.price.complement());
        let Entry { row, at, .. } = *entry;
        let Rest { slot, price, uncertain, .. } = *rest;
        told(Filled { slot, row, at, price, qty, uncertain, crossed });
    }
}
