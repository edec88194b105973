//! The public face of a market: the book as the feed's readers can know it, and a fingerprint of it.

use crate::book::{Book, Change};
use crate::event::{Delta, Snapshot, Trade};
use crate::units::{Price, Qty, Side};

/// What everybody can see of one market.
#[derive(Clone, Debug, Default)]
pub struct Face {
    book: Book,
    print: u64,
    /// Contracts traded. Shown as the open interest as well: the crowd never closes a position, and what
    /// accounts close is small beside it.
    pub volume: Qty,
    /// The last trade: price of YES and size.
    pub last: Option<(Price, Qty)>,
}

impl Face {
    /// A market whose book is known to be empty.
    pub fn empty() -> Face {
        let mut face = Face::default();
        face.replace(&Snapshot::default());
        face
    }

    /// The book.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Fingerprint of the whole book: the sum of [`level_print`] over its levels. Equal books have equal
    /// prints; unequal ones differ but for chance of one in 2^64.
    pub fn print(&self) -> u64 {
        self.print
    }

    /// The book as the feed's snapshot shows it: ascending prices.
    pub fn snapshot(&self) -> Snapshot {
        let side = |side: Side| {
            let mut levels: Vec<_> = self.book.bids(side).iter().collect();
            levels.reverse();
            levels
        };
        Snapshot { yes: side(Side::Yes), no: side(Side::No) }
    }

    /// One level changes.
    pub fn level(&mut self, delta: &Delta) {
        if let Ok(Change::Level { side, price, size }) = self.book.delta(delta) {
            self.print = self
                .print
                .wrapping_sub(level_print(side, price, size - delta.qty))
                .wrapping_add(level_print(side, price, size));
        }
    }

    /// The whole book is replaced.
    pub fn replace(&mut self, snapshot: &Snapshot) {
        self.book.snapshot(snapshot);
        self.print = book_print(&self.book);
    }

    /// Two orders met.
    pub fn trade(&mut self, trade: &Trade) {
        self.volume += trade.qty;
        self.last = Some((trade.yes_price, trade.qty));
    }
}

/// Fingerprint of a book.
pub fn book_print(book: &Book) -> u64 {
    let side = |side: Side| book.bids(side).iter().map(move |(p, q)| level_print(side, p, q));
    side(Side::Yes).chain(side(Side::No)).fold(0, u64::wrapping_add)
}

/// Fingerprint of one level; 0 for one without size.
pub fn level_print(side: Side, price: Price, size: Qty) -> u64 {
    if size == Qty::ZERO {
        return 0;
    }
    let place = (side.index() as u64) << 16 | price.index() as u64;
    mix(mix(place).wrapping_add(size.0 as u64))
}

/// The finaliser of SplitMix64: every input bit moves half of the output bits.
pub(in crate::sim) fn mix(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The print that is kept up with every change is the print of the book.
        #[test]
        fn print_follows_the_book(changes in prop::collection::vec((any::<bool>(), 1i64..10_000, -40i64..90), 0..80)) {
            let mut face = Face::empty();
            for (yes, e4, qty) in changes {
                let side = if yes { Side::Yes } else { Side::No };
                let price = Price::new(e4).expect("in range");
                if face.book().bids(side).iter().any(|(p, q)| p == price && q.0 + qty >= 0) || qty > 0 {
                    face.level(&Delta { side, price, qty: Qty(qty) });
                }
                prop_assert_eq!(face.print(), book_print(face.book()));
                let mut again = Face::empty();
                again.replace(&face.snapshot());
                prop_assert_eq!(again.print(), face.print());
            }
        }
    }
}
