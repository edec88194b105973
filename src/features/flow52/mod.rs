//! Layout `flow52-v1`: 43 values of the market and 9 of the account, the default.
//!
//! All times are exchange milliseconds, prices 1e-4 dollars on the YES axis, sizes 1e-2 contracts.
//! A row is due at most once per [`DECISION_INTERVAL_MS`], at the first millisecond of its cell in
//! which the book changed by a delta.
//!
//! **Invariant:** all state is integers; a reset forgets everything but the last decision's cell.

mod account;
mod columns;
pub mod constants;
mod depth;
mod eastern;
mod market;
mod quotes;
mod windows;

pub(super) use account::write_account;
pub use columns::COLUMNS;

use super::kernel::{Hours, Kernel};
use crate::book::Book;
use crate::event::Trade;
use crate::units::{Price, Qty, Side};
use quotes::Quotes;
use windows::Windows;

/// Values of the market part.
pub const MARKET_LEN: usize = 43;
/// At most one decision per cell of this width, milliseconds of exchange time.
pub const DECISION_INTERVAL_MS: i64 = constants::DECISION_INTERVAL_MS as i64;

const ONE: i64 = Price::ONE.e4();
const WIDTHS_MS: [i64; 3] = [1_000, 10_000, 60_000];
const VOLATILITY_CELL_MS: i64 = 1_000;
const VOLATILITY_CELLS: [i64; 2] = [60, 300];

/// The best bid and ask; a missing bid is price 0, a missing ask one dollar, both of size 0.
#[derive(Clone, Copy)]
struct Touch {
    bid: i64,
    bid_size: i64,
    ask: i64,
    ask_size: i64,
}

impl Touch {
    const EMPTY: Touch = Touch { bid: 0, bid_size: 0, ask: ONE, ask_size: 0 };

    #[inline]
    fn of(book: &Book) -> Touch {
        let touch = book.touch();
        let (bid, bid_size) = touch.bid.map_or((0, 0), |(p, q)| (p.e4(), q.e2()));
        let (ask, ask_size) = touch.ask.map_or((ONE, 0), |(p, q)| (p.e4(), q.e2()));
        Touch { bid, bid_size, ask, ask_size }
    }

    fn spread(&self) -> i64 {
        (self.ask - self.bid).max(0)
    }

    /// Order flow from this touch to the `next`: contracts that joined or improved the bid, less
    /// those that did so at the ask (Cont, Kukanov and Stoikov, "The Price Impact of Order Book
    /// Events", 2014). Saturates.
    fn flow_to(&self, next: &Touch) -> i64 {
        let mut flow = 0i64;
        if next.bid >= self.bid {
            flow = flow.saturating_add(next.bid_size);
        }
        if next.bid <= self.bid {
            flow = flow.saturating_sub(self.bid_size);
        }
        if next.ask <= self.ask {
            flow = flow.saturating_sub(next.ask_size);
        }
        if next.ask >= self.ask {
            flow = flow.saturating_add(self.ask_size);
        }
        flow
    }
}

/// What the layout keeps of a market's past.
pub(super) struct Flow52 {
    interval_ms: i64,
    /// Survives gaps: never two decisions in one cell.
    last_cell: Option<i64>,
    touch: Touch,
    /// bid + ask at the last closed group with a level; one dollar before.
    mid2: i64,
    /// Book changes and their order flow in the open group.
    group_changes: i64,
    group_flow: i64,
    /// Per trade: signed, total and taker-bought contracts.
    trades: Windows<3, 3>,
    /// (time, YES price)
    last_trade: Option<(i64, i64)>,
    /// Per group with a book change: changes, order flow.
    changes: Windows<3, 2>,
    quotes: Quotes,
    volatility: Volatility,
}

impl Flow52 {
    pub(super) fn new(interval_ms: i64) -> Flow52 {
        Flow52 {
            interval_ms: interval_ms.max(1),
            last_cell: None,
            touch: Touch::EMPTY,
            mid2: ONE,
            group_changes: 0,
            group_flow: 0,
            trades: Windows::new(WIDTHS_MS),
            last_trade: None,
            changes: Windows::new(WIDTHS_MS),
            quotes: Quotes::default(),
            volatility: Volatility::default(),
        }
    }
}

impl Kernel for Flow52 {
    fn snapshot_closes_group(&self) -> bool {
        true
    }

    fn snapshot(&mut self, book: &Book) {
        self.touch = Touch::of(book);
    }

    #[inline]
    fn delta(&mut self, change: Qty, book: &Book) {
        if change == Qty::ZERO {
            return;
        }
        let touch = Touch::of(book);
        self.group_changes += 1;
        self.group_flow = self.group_flow.saturating_add(self.touch.flow_to(&touch));
        self.touch = touch;
    }

    fn trade(&mut self, t: i64, trade: &Trade) {
        let qty = trade.qty.e2();
        let (signed, bought) = match trade.taker {
            Side::Yes => (qty, qty),
            Side::No => (-qty, 0),
        };
        self.trades.push(t, [signed, qty, bought]);
        self.last_trade = Some((t, trade.yes_price.e4()));
    }

    fn close(&mut self, t: i64, book: &Book, open: bool) -> bool {
        let changes = std::mem::take(&mut self.group_changes);
        let flow = std::mem::take(&mut self.group_flow);
        if changes > 0 {
            self.changes.push(t, [changes, flow]);
        }
        let before = self.mid2;
        if !(book.bids(Side::Yes).is_empty() && book.bids(Side::No).is_empty()) {
            self.mid2 = self.touch.bid + self.touch.ask;
        }
        self.volatility.step(t, before, self.mid2);
        self.quotes.note(t, self.touch.bid, self.touch.ask, self.mid2);
        let cell = t.div_euclid(self.interval_ms);
        let due = changes > 0 && open && self.last_cell.is_none_or(|last| cell > last);
        if due {
            self.last_cell = Some(cell);
        }
        due
    }

    fn write(&mut self, t: i64, book: &Book, hours: Hours, out: &mut [f32]) {
        self.trades.advance(t);
        self.changes.advance(t);
        self.quotes.advance(t);
        self.volatility.advance();
        for (out, value) in out.iter_mut().zip(self.market_values(t, book, hours)) {
            *out = value as f32;
        }
    }

    fn mid2(&self) -> i64 {
        self.mid2
    }

    fn reset(&mut self) {
        self.touch = Touch::EMPTY;
        self.mid2 = ONE;
        self.group_changes = 0;
        self.group_flow = 0;
        self.trades.clear();
        self.last_trade = None;
        self.changes.clear();
        self.quotes.clear();
        self.volatility.clear();
    }
}

/// Squared mid changes over whole seconds. A second closes with the mid of its last group and
/// carries it over empty seconds; the running second is not used.
struct Volatility {
    /// The second of the first group.
    first: Option<i64>,
    /// The running second.
    cell: i64,
    /// mid2 at the close of the last completed second.
    close_mid2: i64,
    /// Squared changes, keyed by second; a second without change has none.
    squares: Windows<2, 1>,
}

impl Default for Volatility {
    fn default() -> Volatility {
        Volatility { first: None, cell: 0, close_mid2: 0, squares: Windows::new(VOLATILITY_CELLS) }
    }
}

impl Volatility {
    /// A group closed at `t` and moved mid2 from `before` to `after`.
    fn step(&mut self, t: i64, before: i64, after: i64) {
        let cell = t.div_euclid(VOLATILITY_CELL_MS);
        if self.first.is_none() {
            self.first = Some(cell);
            self.cell = cell;
            self.close_mid2 = after;
        } else if cell > self.cell {
            let change = before - self.close_mid2;
            if change != 0 {
                self.squares.push(self.cell, [change * change]);
            }
            self.cell = cell;
            self.close_mid2 = before;
        }
    }

    fn advance(&mut self) {
        self.squares.advance(self.cell - 1);
    }

    /// Volatility over completed seconds, dollars per square root of a second.
    fn dollars(&self, window: usize) -> f64 {
        let completed = self.first.map_or(0, |first| self.cell - first);
        let seconds = completed.min(VOLATILITY_CELLS[window]) as f64;
        let squares = self.squares.sums(window)[0] as f64;
        (squares / seconds.max(constants::VOLATILITY_SECONDS_MIN)).sqrt() / (2 * ONE) as f64
    }

    fn clear(&mut self) {
        self.first = None;
        self.squares.clear();
    }
}
