//! A second, deliberately simple bookkeeping, to check the first one against (L2 of the ledger
//! specification): YES and NO contracts lie in separate piles, are bought at their own price, and a
//! YES and a NO together are handed in for one dollar.
//!
//! **Invariant:** shares no arithmetic with [`crate::broker::Portfolio`].

use crate::broker::{Intent, Verb};
use crate::units::{Money, Price, Qty, Side};

/// An account with two piles of contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairAccount {
    /// Cash now.
    pub cash: Money,
    /// Contracts in the YES pile and in the NO pile.
    pub piles: [Qty; 2],
}

impl PairAccount {
    /// An account with cash and nothing else.
    pub fn new(cash: Money) -> PairAccount {
        PairAccount { cash, piles: [Qty::ZERO; 2] }
    }

    /// Books an accepted fill: one who does not own what he sells buys the other side instead.
    pub fn fill(&mut self, intent: Intent, price: Price, qty: Qty, fee: Money) {
        let (side, price) = match intent.verb {
            Verb::Buy => (intent.side, price),
            Verb::Sell => (intent.side.other(), price.complement()),
        };
        self.cash -= price.times(qty) + fee;
        self.piles[side.index()] += qty;
        let pairs = self.piles[0].min(self.piles[1]);
        self.piles.iter_mut().for_each(|pile| *pile -= pairs);
        self.cash += Price::ONE.times(pairs);
    }

    /// Hands in both piles when YES settled at `value`.
    pub fn settle(&mut self, value: Price) {
        self.cash += self.worth(value, value.complement());
        self.piles = [Qty::ZERO; 2];
    }

    /// Worth of both piles at these prices.
    pub fn worth(&self, yes: Price, no: Price) -> Money {
        yes.times(self.piles[Side::Yes.index()]) + no.times(self.piles[Side::No.index()])
    }

    /// The signed position: YES minus NO.
    pub fn position(&self) -> Qty {
        self.piles[0] - self.piles[1]
    }
}
