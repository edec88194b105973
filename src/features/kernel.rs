//! What the observer asks of a layout.

use crate::book::Book;
use crate::event::Trade;
use crate::units::Qty;

/// When a market trades, milliseconds; a row is due from `open_ms` (inclusive) to `close_ms`
/// (exclusive). An unknown border does not bind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hours {
    pub(super) open_ms: Option<i64>,
    pub(super) close_ms: Option<i64>,
}

impl Hours {
    /// True if the market is open at `t`.
    pub(super) fn contain(self, t: i64) -> bool {
        self.open_ms.is_none_or(|open| open <= t) && self.close_ms.is_none_or(|close| t < close)
    }
}

/// What a layout keeps of the past, and how it makes a row of it.
pub(super) trait Kernel: Send {
    /// True if a snapshot closes the open group before it applies, rather than joining it.
    fn snapshot_closes_group(&self) -> bool;
    /// The book was replaced.
    fn snapshot(&mut self, book: &Book);
    /// A delta of `change` contracts, possibly none, was applied to the book.
    fn delta(&mut self, change: Qty, book: &Book);
    /// A public trade at `t`; not called for block trades.
    fn trade(&mut self, t: i64, trade: &Trade);
    /// The group at `t` is complete; true if it makes a row due while the market is open.
    fn close(&mut self, t: i64, book: &Book, open: bool) -> bool;
    /// Writes the row that [`Kernel::close`] announced.
    fn write(&mut self, t: i64, book: &Book, hours: Hours, out: &mut [f32]);
    /// [`super::Row::mid2`].
    fn mid2(&self) -> i64;
    /// Continuity was lost: forgets all market state.
    fn reset(&mut self);
}
