//! What has waited long enough: cancels are played, what is decided is folded, and orders that are over are
//! forgotten.

use super::{BASE, BATCH, Entry, Filled, Kind, Queues};
use crate::broker::attribution::{Deadline, Pairs};
use crate::units::{Price, Qty, Side};

impl Queues {
    /// Decreases that no trade claimed in time, or none at all if the recording ends, were cancels; `told`
    /// receives what became filled by that.
    pub(in super::super) fn give_up(
        &mut self,
        pairs: &Pairs,
        ends: bool,
        mut told: impl FnMut(Filled),
    ) {
        let (traded, mut moved) = (self.is_traded(), [false; 2]);
        let undecided = |e: &&Entry| e.kind == Kind::Undecided;
        while let Some(oldest) = self.trail.iter().find(undecided).copied() {
            if !ends && !pairs.is_over(oldest.until) {
                break;
            }
            // Everything before it is decided.
            self.fold_before(oldest.row);
            self.trail.remove(0);
            let changed = self.cancelled(&oldest);
            if changed && traded {
                self.replay(oldest.side, oldest.row, &mut told);
            }
            moved[oldest.side.index()] |= changed;
        }
        // Without a trade nothing is filled, and playing once is enough.
        for side in [Side::Yes, Side::No].into_iter().filter(|s| !traded && moved[s.index()]) {
            self.play(side, u64::MAX, |_| {});
        }
    }

    /// True when orders that left, or trades, have waited long enough to be settled.
    pub(in super::super) fn settles(&self, pairs: &Pairs) -> bool {
        let decided = |e: &&Entry| e.kind != Kind::Undecided;
        let trade = self.trail.first().filter(decided).map_or(Deadline::NEVER, |e| e.until);
        pairs.is_over(self.leaves.min(trade))
    }

    /// Everything before row `horizon` is decided: it is folded, and orders that are over are forgotten.
    /// True when there were such orders.
    pub(in super::super) fn settle(&mut self, horizon: u64) -> bool {
        self.fold_before(horizon);
        self.leaves != Deadline::NEVER && self.forget(horizon)
    }

    /// Looks when something is decided next. Without a trade that can wait for company.
    pub(in super::super) fn look_ahead(&mut self) {
        let hurried = self.trail.len() >= BATCH || self.is_traded();
        self.due = if hurried { self.leaves.min(self.oldest()) } else { self.leaves };
    }

    pub(super) fn oldest(&self) -> Deadline {
        self.trail.first().map_or(Deadline::NEVER, |e| e.until)
    }

    /// True while a trade, or an order that met us, is not folded.
    pub(super) fn is_traded(&self) -> bool {
        self.trades > 0
    }

    pub(super) fn fold_before(&mut self, row: u64) {
        let folded = self.trail.iter().take_while(|entry| entry.row < row).count();
        for i in 0..folded {
            let entry = self.trail[i];
            self.trades -= usize::from(entry.kind != Kind::Undecided);
            self.fold::<BASE>(&entry, u64::MAX, &mut |_| {});
        }
        self.trail.drain(..folded);
    }

    /// Forgets orders that left before everything that may still change.
    fn forget(&mut self, horizon: u64) -> bool {
        let first = self.trail.first().map_or(u64::MAX, |e| e.row).min(horizon);
        let before = self.rests.len();
        self.rests.retain(|r| r.until >= first || r.until == u64::MAX);
        if self.rests.is_empty() {
            self.trail.clear();
            self.trades = 0;
        }
        self.leaves = self.rests.iter().map(|r| r.settles).fold(Deadline::NEVER, Deadline::min);
        self.see_levels();
        self.rests.len() < before
    }

    /// Our place is not certain any more: something is missing before the next row.
    pub(in super::super) fn doubt(&mut self) {
        self.rests.iter_mut().filter(|r| r.until == u64::MAX).for_each(|r| r.uncertain = true);
    }

    /// A snapshot after row `row` shows what the levels hold now. Nobody can stand before us who is not
    /// shown, and at best nobody does.
    pub(in super::super) fn anchor(&mut self, row: u64, level: impl Fn(Side, Price) -> Qty) {
        self.doubt();
        self.settle(u64::MAX);
        self.floor = row;
        for rest in &mut self.rests {
            let shown = level(rest.side, rest.price);
            let [pessimistic, fitted, _] = rest.front[BASE];
            rest.front = [[pessimistic.min(shown), fitted.min(shown), Qty::ZERO]; 2];
        }
    }
}
