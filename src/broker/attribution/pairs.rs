//! Which trade consumed which decrease, while the window of both is open.

use super::{Key, Stamp, WINDOW, WINDOW_ROWS};
use crate::units::{Price, Qty, Side, TsNs};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Places of the ring, one per row of the market: more than a window, and a power of two.
const RING: usize = 2 * WINDOW_ROWS as usize;

/// The last row and the last moment at which something still waits for its counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deadline {
    rows: u64,
    recv: TsNs,
}

impl Deadline {
    /// Never reached.
    pub const NEVER: Deadline = Deadline { rows: u64::MAX, recv: TsNs(i64::MAX) };
    /// Always over.
    pub const PAST: Deadline = Deadline { rows: 0, recv: TsNs(i64::MIN) };
}

/// A message that waits for its counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What the counterpart must have, too.
    pub key: Key,
    /// Its row.
    pub row: u64,
    /// How long it waits.
    pub until: Deadline,
}

/// The decreases and trades of one market that wait for their counterpart.
///
/// Most rows are decreases that nobody will claim, so a row costs a store and no question: a decrease lies
/// in the ring under its row until a later row overwrites it, and whether its window is open is asked only
/// when somebody wants it.
///
/// **Invariant:** the window never opens again: receive time counts as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    /// Rows of this market so far.
    rows: u64,
    recv: TsNs,
    /// By row: [`tag`] of a decrease that nobody has claimed, else zero.
    tags: Vec<u64>,
    /// By row: that decrease.
    decreases: Vec<Waiting>,
    /// No decrease before this row of the market waits.
    open_from: u64,
    trades: VecDeque<Waiting>,
    /// Trades that waited in vain.
    orphans: u64,
}

impl Default for Pairs {
    fn default() -> Pairs {
        let nothing = Waiting { key: Key::NOTHING, row: 0, until: Deadline::PAST };
        Pairs {
            rows: 0,
            recv: TsNs(i64::MIN),
            tags: vec![0; RING],
            decreases: vec![nothing; RING],
            open_from: 1,
            trades: VecDeque::new(),
            orphans: 0,
        }
    }
}

impl Pairs {
    /// No row seen again, reusing the memory.
    pub fn restart(&mut self) {
        (self.rows, self.recv, self.open_from) = (0, TsNs(i64::MIN), 1);
        self.tags.fill(0);
        self.trades.clear();
        self.orphans = 0;
    }

    /// The next row of the market, which is no decrease: time passes.
    #[inline]
    pub fn row(&mut self, at: Stamp) {
        self.rows += 1;
        self.recv = self.recv.max(at.recv);
        self.tags[place(self.rows)] = 0;
    }

    /// The next row of the market: a level changed, and waits for a trade if it shrank.
    ///
    /// Whether a level shrinks or grows nobody can foresee, a processor neither: both do the same here.
    #[inline]
    pub fn change(&mut self, at: Stamp, side: Side, price: Price, change: Qty) {
        self.rows += 1;
        self.recv = self.recv.max(at.recv);
        let key = Key::of_decrease(at, side, price, Qty(change.0.wrapping_neg()));
        let place = place(self.rows);
        let shrank = (change.0 >> 63) as u64; // all bits, or none
        self.tags[place] = tag(&key) & shrank;
        self.decreases[place] = Waiting { key, row: at.row, until: self.deadline() };
    }

    /// True while a trade waits.
    #[inline]
    pub fn has_trades(&self) -> bool {
        !self.trades.is_empty()
    }

    /// A trade that waited for the decrease of the last row; both wait no more.
    pub fn claim(&mut self) -> Option<(Waiting, u64)> {
        self.drop_orphans();
        let place = place(self.rows);
        let decrease = self.decreases[place];
        let same = |trade: &Waiting| trade.key == decrease.key;
        let at = self.trades.iter().position(same).filter(|_| self.tags[place] != 0)?;
        self.tags[place] = 0;
        self.trades.remove(at).map(|trade| (decrease, trade.row))
    }

    /// The last row was this trade; returns the oldest decrease that waited for it.
    pub fn trade(&mut self, row: u64, key: Key) -> Option<Waiting> {
        let wanted = tag(&key);
        let waited = (self.oldest()..self.rows).map(place).find(|&at| {
            self.tags[at] == wanted
                && self.decreases[at].key == key
                && !self.is_over(self.decreases[at].until)
        });
        match waited {
            Some(at) => {
                self.tags[at] = 0;
                Some(self.decreases[at])
            }
            None => {
                self.drop_orphans();
                let until = self.deadline();
                self.trades.push_back(Waiting { key, row, until });
                None
            }
        }
    }

    /// True when what waited until then waits no more.
    #[inline]
    pub fn is_over(&self, until: Deadline) -> bool {
        self.rows > until.rows || self.recv > until.recv
    }

    /// How long the last row waits.
    #[inline]
    pub fn deadline(&self) -> Deadline {
        Deadline {
            rows: self.rows.wrapping_add(WINDOW_ROWS),
            recv: TsNs(self.recv.0.wrapping_add(WINDOW.0)),
        }
    }

    /// Decreases that wait, oldest first.
    pub fn waiting(&self) -> impl DoubleEndedIterator<Item = &Waiting> {
        let unclaimed = (self.oldest()..=self.rows).map(place).filter(|&at| self.tags[at] != 0);
        unclaimed.map(|at| &self.decreases[at]).filter(|w| !self.is_over(w.until))
    }

    /// Everything before this row is decided; the end of all rows when nothing waits.
    pub fn horizon(&mut self) -> u64 {
        self.open_from = self.open_from.max(self.oldest());
        while self.open_from <= self.rows {
            let at = place(self.open_from);
            if self.tags[at] != 0 && !self.is_over(self.decreases[at].until) {
                return self.decreases[at].row;
            }
            self.open_from += 1;
        }
        u64::MAX
    }

    /// Forgets trades that waited too long.
    pub(super) fn drop_orphans(&mut self) {
        while self.trades.front().is_some_and(|oldest| self.is_over(oldest.until)) {
            self.trades.pop_front();
            self.orphans += 1;
        }
    }

    /// Trades that waited in vain, with those that still wait.
    pub(super) fn unmatched_trades(&self) -> u64 {
        self.orphans + self.trades.len() as u64
    }

    /// Trades that waited in vain.
    pub(super) fn orphans(&self) -> u64 {
        self.orphans
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The decrease of this row, counted from 1, if nobody has claimed it; it is claimed now if it waits no
    /// more, or `anyway`.
    pub(super) fn give_up(&mut self, row: u64, anyway: bool) -> Unclaimed {
        let at = place(row);
        match self.decreases[at] {
            _ if self.tags[at] == 0 => Unclaimed::None,
            waiting if anyway || self.is_over(waiting.until) => {
                self.tags[at] = 0;
                Unclaimed::Over(waiting)
            }
            _ => Unclaimed::Waits,
        }
    }

    /// The first row that may still wait.
    fn oldest(&self) -> u64 {
        self.rows.saturating_sub(WINDOW_ROWS).max(1)
    }
}

/// What a row is to somebody who asks for decreases that nobody claimed.
pub(super) enum Unclaimed {
    None,
    Waits,
    Over(Waiting),
}

#[inline]
fn place(row: u64) -> usize {
    row as usize % RING
}

/// Never zero, and different for most keys.
#[inline]
fn tag(key: &Key) -> u64 {
    let level = (key.price.index() as u64) << 1 | key.side.index() as u64;
    (key.ts_ms as u64 ^ (key.qty.0 as u64).rotate_left(24) ^ level.rotate_left(48)) | 1 << 63
}
