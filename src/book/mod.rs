//! The order book of one market: two ladders of bids, asks derived.
//!
//! **Invariant:** no IO, no clock, no tasks. Time arrives in the event.
//! **Invariant:** asks are never stored; a YES ask at $0.66 *is* a NO bid at $0.34. A stored mirror
//! was the one thing that could disagree with itself after a partial snapshot.
//! **Invariant:** a book only reports what happened; the caller decides what follows from it.

mod ladder;
mod sequence;
mod standing;

pub use ladder::{Ladder, Levels};
pub use sequence::{Numbered, Sequence, SequencePolicy, SequenceTotals, Verdict};
pub use standing::Standing;

use crate::event::{Body, Delta, Event, Snapshot};
use crate::units::{Price, Qty, Side};

/// The order book of one market.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    sides: [Ladder; 2],
    valid: bool,
}

/// What an event did to a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The whole book was replaced.
    Snapshot,
    /// One level now has this size.
    Level {
        /// Which ladder.
        side: Side,
        /// Which level, on that ladder's axis.
        price: Price,
        /// Its size now; zero when the level is gone.
        size: Qty,
    },
    /// A delta without a valid book under it: dropped.
    NoBook,
    /// The book became invalid until its next snapshot.
    Invalid,
    /// Not an event that touches a book.
    None,
}

/// Why a delta could not be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The level would hold less than nothing: an earlier message is missing.
    #[error("size of the {} bid at {price} would become {size}", side.word())]
    NegativeLevel {
        /// Which ladder.
        side: Side,
        /// Which level.
        price: Price,
        /// The size that it would have had.
        size: Qty,
    },
}

/// The best bid and ask on the YES axis; a missing side is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touch {
    /// Best YES bid.
    pub bid: Option<(Price, Qty)>,
    /// Best YES ask: the complement of the best NO bid.
    pub ask: Option<(Price, Qty)>,
}

impl Book {
    /// Bids of one side.
    pub fn bids(&self, side: Side) -> &Ladder {
        &self.sides[side.index()]
    }

    /// True from a snapshot on until continuity is lost.
    pub fn is_valid(&self) -> bool {
        self.valid
    }

    /// Best YES bid and YES ask.
    #[inline]
    pub fn touch(&self) -> Touch {
        Touch {
            bid: self.sides[0].best(),
            ask: self.sides[1].best().map(|(p, q)| (p.complement(), q)),
        }
    }

    /// True when the best bid is at or above the best ask: the exchange never shows this.
    pub fn is_crossed(&self) -> bool {
        let touch = self.touch();
        matches!((touch.bid, touch.ask), (Some(b), Some(a)) if b.0 >= a.0)
    }

    /// Marks the book unusable until its next snapshot.
    pub fn invalidate(&mut self) {
        self.valid = false;
        self.sides.iter_mut().for_each(Ladder::clear);
    }

    /// Applies one event of this book's market.
    ///
    /// # Errors
    /// [`BookError::NegativeLevel`]: the book is now invalid, as after [`Book::invalidate`].
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Result<Change, BookError> {
        match &event.body {
            Body::Delta(delta) => self.delta(delta),
            Body::Snapshot(snapshot) => {
                self.snapshot(snapshot);
                Ok(Change::Snapshot)
            }
            Body::Gap(_) => {
                self.invalidate();
                Ok(Change::Invalid)
            }
            Body::Healed(_) | Body::Trade(_) | Body::Other(_) | Body::Bad(_) | Body::Market(_) => {
                Ok(Change::None)
            }
        }
    }

    /// Replaces the whole book. Levels without size are skipped; a repeated price adds up.
    pub fn snapshot(&mut self, snapshot: &Snapshot) {
        self.sides.iter_mut().for_each(Ladder::clear);
        self.valid = true;
        for (ladder, levels) in self.sides.iter_mut().zip([&snapshot.yes, &snapshot.no]) {
            for &(price, size) in levels {
                // A negative size is refused by `add` and leaves no level, as the exchange means it.
                let _ = ladder.add(price, size);
            }
        }
    }

    /// Applies one change of one level.
    ///
    /// # Errors
    /// [`BookError::NegativeLevel`]: the book is now invalid.
    #[inline]
    pub fn delta(&mut self, delta: &Delta) -> Result<Change, BookError> {
        if !self.valid {
            return Ok(Change::NoBook);
        }
        let Delta { side, price, qty } = *delta;
        match self.sides[side.index()].add(price, qty) {
            Ok(size) => Ok(Change::Level { side, price, size }),
            Err(size) => {
                self.invalidate();
                Err(BookError::NegativeLevel { side, price, size })
            }
        }
    }
}

#[cfg(test)]
mod tests;
