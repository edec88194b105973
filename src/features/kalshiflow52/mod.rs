//! Layout `kalshiflow52-v2`: the predecessor's 36 market and 16 account values, corrected.
//!
//! A row is due once per millisecond of exchange time in which a snapshot or a delta came, be it one
//! that confirms the size that a level had.
//! The layout's "history" is its own previous ten rows. Three errors of the original are put right:
//! a NO position is valued at the NO price, its size is not negative, and a NO order is compared with
//! the mid on the YES axis; and activity, momentum and time gaps are those of this market alone.

mod account;
mod columns;
pub mod constants;
mod market;
mod view;

pub(super) use account::write_account;
pub(crate) use account::{Portfolio, account_values};
pub use columns::COLUMNS;
pub(crate) use market::{History, Point, market_values};
pub(crate) use view::View;

use super::kernel::{Hours, Kernel};
use crate::book::Book;
use crate::event::Trade;
use crate::units::{Price, Qty};

/// Values of the market part.
pub const MARKET_LEN: usize = 36;

/// What the layout keeps of a market's past.
pub(super) struct KalshiFlow52 {
    history: History,
    /// The open group holds a snapshot or a delta.
    touched: bool,
    /// bid + ask (1e-4 dollars) at the last closed group with a level; one dollar before.
    mid2: i64,
}

impl Default for KalshiFlow52 {
    fn default() -> KalshiFlow52 {
        KalshiFlow52 { history: History::default(), touched: false, mid2: Price::ONE.e4() }
    }
}

impl Kernel for KalshiFlow52 {
    fn snapshot_closes_group(&self) -> bool {
        false
    }

    fn snapshot(&mut self, _: &Book) {
        self.touched = true;
    }

    #[inline]
    fn delta(&mut self, _: Qty, _: &Book) {
        self.touched = true;
    }

    fn trade(&mut self, _: i64, _: &Trade) {}

    fn close(&mut self, _: i64, book: &Book, open: bool) -> bool {
        let touch = book.touch();
        if touch.bid.is_some() || touch.ask.is_some() {
            let bid = touch.bid.map_or(Price::ZERO, |level| level.0);
            let ask = touch.ask.map_or(Price::ONE, |level| level.0);
            self.mid2 = bid.e4() + ask.e4();
        }
        std::mem::take(&mut self.touched) && open
    }

    fn write(&mut self, t: i64, book: &Book, _: Hours, out: &mut [f32]) {
        let view = View::of(book);
        let point = self.history.next_point(t, &view);
        for (out, value) in out.iter_mut().zip(market_values(&view, &point, &self.history)) {
            *out = value as f32;
        }
        self.history.push(point);
    }

    fn mid2(&self) -> i64 {
        self.mid2
    }

    fn reset(&mut self) {
        self.history.clear();
        self.touched = false;
        self.mid2 = Price::ONE.e4();
    }
}

/// As the predecessor delivered a value: no NaN, within the clip range.
fn delivered(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-constants::CLIP, constants::CLIP) }
}
