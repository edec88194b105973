//! The four-sided view of a book that this layout computes on: cents and contracts as floats.
//!
//! Live, the asks are derived from the opposite bids; a view with four independent sides, as the
//! predecessor could hold, can be made from lists.

use crate::book::{Book, Ladder};
use crate::units::{Price, Side};

/// One side of a contract's book, as much of it as the layout reads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SideView {
    /// Best price, cents; `None` without a level.
    pub(super) best: Option<f64>,
    /// Contracts over all levels.
    pub(super) total: f64,
    /// Number of levels.
    pub(super) levels: f64,
    /// Sizes of the three largest levels, contracts, largest first.
    pub(super) largest: [f64; 3],
}

/// Bids and asks of YES and of NO.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    pub(super) yes: ContractView,
    pub(super) no: ContractView,
}

/// Bids and asks of one contract.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ContractView {
    pub(super) bids: SideView,
    pub(super) asks: SideView,
}

impl View {
    /// The view of a book: asks mirror the opposite bids.
    pub(super) fn of(book: &Book) -> View {
        let yes = SideView::of(book.bids(Side::Yes));
        let no = SideView::of(book.bids(Side::No));
        View {
            yes: ContractView { bids: yes, asks: no.mirrored() },
            no: ContractView { bids: no, asks: yes.mirrored() },
        }
    }

    /// A view of four sides, each a list of (cents, contracts) in any order:
    /// YES bids, YES asks, NO bids, NO asks.
    pub(crate) fn of_sides(sides: [&[(f64, f64)]; 4]) -> View {
        let [yes_bids, yes_asks, no_bids, no_asks] = sides;
        let side = |levels: &[(f64, f64)], better: fn(f64, f64) -> f64| {
            let mut view = SideView::default();
            for &(cents, contracts) in levels {
                view.add(contracts);
                view.best = Some(view.best.map_or(cents, |best| better(best, cents)));
            }
            view
        };
        View {
            yes: ContractView { bids: side(yes_bids, f64::max), asks: side(yes_asks, f64::min) },
            no: ContractView { bids: side(no_bids, f64::max), asks: side(no_asks, f64::min) },
        }
    }

    /// YES mid in cents; `None` unless both sides have a level.
    pub(crate) fn yes_mid(&self) -> Option<f64> {
        self.yes.mid()
    }

    /// Contracts resting on all four sides.
    pub(super) fn volume(&self) -> f64 {
        self.yes.total() + self.no.total()
    }
}

impl ContractView {
    /// Contracts on both sides.
    pub(super) fn total(&self) -> f64 {
        self.bids.total + self.asks.total
    }

    /// Mid price in cents; `None` unless both sides have a level.
    pub(super) fn mid(&self) -> Option<f64> {
        Some((self.bids.best? + self.asks.best?) / 2.0)
    }

    /// Ask less bid in cents; `None` unless both sides have a level.
    pub(super) fn spread(&self) -> Option<f64> {
        Some(self.asks.best? - self.bids.best?)
    }
}

impl SideView {
    fn of(bids: &Ladder) -> SideView {
        let mut view = SideView { best: bids.best().map(|(p, _)| cents(p)), ..SideView::default() };
        for (_, size) in bids.iter() {
            view.add(size.e2() as f64 / 100.0);
        }
        view
    }

    fn mirrored(self) -> SideView {
        SideView { best: self.best.map(|cents| 100.0 - cents), ..self }
    }

    fn add(&mut self, contracts: f64) {
        self.total += contracts;
        self.levels += 1.0;
        insert_largest(&mut self.largest, contracts);
    }
}

/// The price in cents.
pub(super) fn cents(price: Price) -> f64 {
    price.e4() as f64 / 100.0
}

/// Keeps the three largest sizes, largest first.
pub(super) fn insert_largest(largest: &mut [f64; 3], size: f64) {
    let mut size = size;
    for place in largest {
        if size > *place {
            std::mem::swap(place, &mut size);
        }
    }
}
