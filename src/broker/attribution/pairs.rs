//! Which trade consumed which decrease, while the window of both is open.

use super::{Key, Stamp, WINDOW, WINDOW_ROWS};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
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
    /// By row: when it came, and that decrease.
    lie: Vec<Lying>,
    /// No decrease before this row of the market waits.
    open_from: u64,
    trades: VecDeque<Waiting>,
    /// Trades that waited in vain.
    orphans: u64,
}

/// A row of the ring: what was told, and nothing that can be worked out when somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lying {
    /// As far as receive time had come.
    recv: TsNs,
    ts: TsUs,
    row: u64,
    qty: Qty,
    price: Price,
    side: Side,
}

impl Lying {
    fn key(&self) -> Key {
        Key { ts_ms: self.ts.ms(), side: self.side, price: self.price, qty: self.qty }
    }
}

impl Default for Pairs {
    fn default() -> Pairs {
        let (recv, ts) = (TsNs(i64::MIN), TsUs(0));
        let nothing =
            Lying { recv, ts, row: 0, qty: Qty::ZERO, price: Price::ZERO, side: Side::Yes };
        Pairs {
            rows: 0,
            recv: TsNs(i64::MIN),
            tags: vec![0; RING],
            lie: vec![nothing; RING],
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
        let place = place(self.rows);
        self.tags[place] = 0;
        self.lie[place].recv = self.recv;
    }

    /// The next row of the market: a level changed, and waits for a trade if it shrank.
    ///
    /// Whether a level shrinks or grows nobody can foresee, a processor neither: both do the same here.
    #[inline]
    pub fn change(&mut self, at: Stamp, side: Side, price: Price, change: Qty) {
        self.rows += 1;
        self.recv = self.recv.max(at.recv);
        let qty = Qty(change.0.wrapping_neg());
        let place = place(self.rows);
        let shrank = (change.0 >> 63) as u64; // all bits, or none
        self.tags[place] = tag(side, price, qty) & shrank;
        let (recv, ts, row) = (self.recv, at.exchange_time(), at.row);
        self.lie[place] = Lying { recv, ts, row, qty, price, side };
    }

    /// True while a trade waits.
    #[inline]
    pub fn has_trades(&self) -> bool {
        !self.trades.is_empty()
    }

    /// A trade that waited for the decrease of the last row; both wait no more.
    pub fn claim(&mut self) -> Option<(Waiting, u64)> {
        self.drop_orphans();
        let decrease = self.decrease(self.rows)?;
        let at = self.trades.iter().position(|trade| trade.key == decrease.key)?;
        self.tags[place(self.rows)] = 0;
        self.trades.remove(at).map(|trade| (decrease, trade.row))
    }

    /// The last row was this trade; returns the oldest decrease that waited for it.
    pub fn trade(&mut self, row: u64, key: Key) -> Option<Waiting> {
        let wanted = tag(key.side, key.price, key.qty);
        let waited = (self.oldest()..self.rows).find_map(|row| {
            let same = self.tags[place(row)] == wanted;
            let decrease = same.then(|| self.decrease(row)).flatten()?;
            (decrease.key == key && !self.is_over(decrease.until)).then_some((row, decrease))
        });
        match waited {
            Some((row, decrease)) => {
                self.tags[place(row)] = 0;
                Some(decrease)
            }
            None => {
                self.drop_orphans();
                let until = self.deadline();
                self.trades.push_back(Waiting { key, row, until });
                None
            }
        }
    }

    /// The decrease of a row of the ring, counted from 1, while nobody has claimed it.
    fn decrease(&self, row: u64) -> Option<Waiting> {
        let lying = &self.lie[place(row)];
        let waiting =
            || Waiting { key: lying.key(), row: lying.row, until: until(row, lying.recv) };
        (self.tags[place(row)] != 0).then(waiting)
    }

    /// True when what waited until then waits no more.
    #[inline]
    pub fn is_over(&self, until: Deadline) -> bool {
        self.rows > until.rows || self.recv > until.recv
    }

    /// How long the last row waits.
    #[inline]
    pub fn deadline(&self) -> Deadline {
        until(self.rows, self.recv)
    }

    /// Decreases that wait, oldest first.
    pub fn waiting(&self) -> impl DoubleEndedIterator<Item = Waiting> {
        let unclaimed = (self.oldest()..=self.rows).filter_map(|row| self.decrease(row));
        unclaimed.filter(|w| !self.is_over(w.until))
    }

    /// Everything before this row is decided; the end of all rows when nothing waits.
    pub fn horizon(&mut self) -> u64 {
        self.open_from = self.first_open(self.open_from.max(self.oldest()));
        while self.open_from <= self.rows {
            let at = place(self.open_from);
            if self.tags[at] != 0 {
                return self.lie[at].row;
            }
            self.open_from += 1;
        }
        u64::MAX
    }

    /// The first row of the ring, none before `from`, that receive time has not closed: it never goes back.
    fn first_open(&self, from: u64) -> u64 {
        let since = TsNs(self.recv.0.saturating_sub(WINDOW.0));
        let (mut first, mut rows) = (from, (self.rows + 1).saturating_sub(from));
        while rows > 0 {
            let half = rows / 2;
            let over = self.lie[place(first + half)].recv < since;
            first += if over { half + 1 } else { 0 };
            rows = if over { rows - half - 1 } else { half };
        }
        first
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
        match self.decrease(row) {
            None => Unclaimed::None,
            Some(waiting) if anyway || self.is_over(waiting.until) => {
                self.tags[place(row)] = 0;
                Unclaimed::Over(waiting)
            }
            Some(_) => Unclaimed::Waits,
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

/// How long a row that was received then waits.
#[inline]
fn until(row: u64, recv: TsNs) -> Deadline {
    Deadline { rows: row.wrapping_add(WINDOW_ROWS), recv: TsNs(recv.0.wrapping_add(WINDOW.0)) }
}

/// Never zero, and different for most levels and sizes.
#[inline]
fn tag(side: Side, price: Price, qty: Qty) -> u64 {
    let level = (price.index() as u64) << 1 | side.index() as u64;
    (qty.0 as u64 ^ level.rotate_left(48)) | 1 << 63
}
