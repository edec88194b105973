//! One connection of a recording: its rows, and the books that they add up to.

use crate::book::{Book, Change};
use crate::event::{Delta, MarketId, Snapshot};
use crate::sim::venue::book_print;
use std::collections::BTreeMap;

/// What is recorded of one connection.
#[derive(Default)]
pub(super) struct Part {
    pub(super) rows: Vec<Row>,
    /// Subscription, first and last missing number.
    pub(super) gaps: Vec<(u32, u64, u64)>,
    pub(super) ended: bool,
}

/// A row with a number.
pub(super) struct Row {
    pub(super) sid: u32,
    pub(super) seq: u64,
    pub(super) what: RowKind,
}

/// What a row holds.
pub(super) enum RowKind {
    /// A frame: its fingerprint, its market, and what it does to the book.
    Frame {
        print: u64,
        market: MarketId,
        change: Option<BookRow>,
    },
    Unreadable,
    SetAside,
    Gap {
        market: MarketId,
    },
}

/// What a frame does to a book.
pub(super) enum BookRow {
    Delta(Delta),
    Snapshot(Box<Snapshot>),
}

/// The recording's books on one connection.
#[derive(Default)]
pub(super) struct Books(BTreeMap<MarketId, (u32, Book)>);

impl Books {
    /// Applies a row; the fingerprint of the book after it, where the book is known.
    pub(super) fn change(&mut self, sid: u32, market: MarketId, change: &BookRow) -> Option<u64> {
        let (owner, book) = self.0.entry(market).or_default();
        match change {
            BookRow::Snapshot(snapshot) => {
                *owner = sid;
                book.snapshot(snapshot);
            }
            BookRow::Delta(delta) => {
                if !matches!(book.delta(delta), Ok(Change::Level { .. })) {
                    return None;
                }
            }
        }
        Some(book_print(book))
    }

    pub(super) fn gap(&mut self, sid: u32, market: MarketId) {
        for (id, (owner, book)) in &mut self.0 {
            if *id == market || (market == MarketId::NONE && (*owner == sid || sid == 0)) {
                book.invalidate();
            }
        }
    }
}
