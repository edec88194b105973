//! What a marketable limit order fills against.
//!
//! The order walks the displayed depth best first, takes what is left of each level at that level's
//! price, and ends when it is filled or the depth ends; a partial fill is a fill. What it takes is gone
//! for us: the tape does not know that we were there and keeps showing it, so we remember it until a
//! fresh delta of that level (or a snapshot) tells us what the level holds now.
//!
//! Resting orders, their queues and latency: [`super::matching`].
//!
//! **Invariant:** a fill is never better than a displayed bid, and never larger than what is left of it.

use crate::book::Ladder;
use crate::units::{Price, Qty, Side};
use serde::{Deserialize, Serialize};

/// What we have taken from displayed bids since they were last refreshed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(Side, Price, Qty)>", into = "Vec<(Side, Price, Qty)>")]
pub struct Taken {
    sides: [Ladder; 2],
}

impl Taken {
    /// True when every level holds what it displays.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sides.iter().all(Ladder::is_empty)
    }

    /// A snapshot was shown: everything displayed is there.
    pub fn clear(&mut self) {
        if !self.is_empty() {
            self.sides.iter_mut().for_each(Ladder::clear);
        }
    }

    /// A delta of this bid was shown: what it displays is there.
    #[inline]
    pub fn refresh(&mut self, side: Side, price: Price) {
        let ladder = &mut self.sides[side.index()];
        let taken = ladder.size(price);
        if taken > Qty::ZERO {
            // Taking away exactly what stands there cannot become negative.
            let _ = ladder.add(price, -taken);
        }
    }

    /// The fills of an order for `want` contracts that hits `bids` (best first) of `side`.
    #[inline]
    pub fn sweep<'a>(
        &'a self,
        side: Side,
        bids: &'a [(Price, Qty)],
        want: Qty,
    ) -> impl Iterator<Item = (Price, Qty)> + 'a {
        bids.iter()
            .scan(want, move |open, level| {
                let qty = (*open > Qty::ZERO).then(|| self.left(side, *level).min(*open))?;
                *open -= qty;
                Some((level.0, qty))
            })
            .filter(|fill| fill.1 > Qty::ZERO)
    }

    /// Remembers what [`Taken::sweep`] gave for the same order.
    #[inline]
    pub fn take(&mut self, side: Side, bids: &[(Price, Qty)], want: Qty) {
        let mut open = want;
        for level in bids {
            let qty = self.left(side, *level).min(open);
            if qty == Qty::ZERO {
                continue;
            }
            open -= qty;
            self.note(side, level.0, qty);
        }
    }

    /// Remembers that we took `qty` contracts of one level.
    pub fn note(&mut self, side: Side, price: Price, qty: Qty) {
        // A positive change is never refused.
        let _ = self.sides[side.index()].add(price, qty);
    }

    /// What we left of a level that displays this size.
    #[inline]
    pub fn left(&self, side: Side, (price, displayed): (Price, Qty)) -> Qty {
        (displayed - self.sides[side.index()].size(price)).max(Qty::ZERO)
    }
}

/// Every bid with something taken, for a saved state.
impl From<Taken> for Vec<(Side, Price, Qty)> {
    fn from(taken: Taken) -> Self {
        let of = |side: Side| taken.sides[side.index()].iter().map(move |(p, q)| (side, p, q));
        of(Side::Yes).chain(of(Side::No)).collect()
    }
}

/// A saved state with a level that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{qty} contracts taken from the {} bid at {price}", side.word())]
pub struct NoSuchLevel {
    side: Side,
    price: Price,
    qty: Qty,
}

impl TryFrom<Vec<(Side, Price, Qty)>> for Taken {
    type Error = NoSuchLevel;

    fn try_from(levels: Vec<(Side, Price, Qty)>) -> Result<Taken, NoSuchLevel> {
        let mut taken = Taken::default();
        for (side, price, qty) in levels {
            let ladder = &mut taken.sides[side.index()];
            if price > Price::ONE || ladder.add(price, qty).is_err() {
                return Err(NoSuchLevel { side, price, qty });
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bids(levels: &[(i64, i64)]) -> Vec<(Price, Qty)> {
        levels.iter().map(|&(p, q)| (Price::new(p).expect("in range"), Qty(q))).collect()
    }

    #[track_caller]
    fn check(taken: &Taken, levels: &[(i64, i64)], want: i64, expect: &[(i64, i64)]) {
        let got: Vec<_> = taken.sweep(Side::Yes, &bids(levels), Qty(want)).collect();
        assert_eq!(got, bids(expect));
    }

    #[test]
    fn an_order_walks_the_depth_and_fills_in_part_where_it_ends() {
        let book = [(5_000, 300), (4_900, 200), (4_700, 600), (0, 0)];
        check(&Taken::default(), &book, 250, &[(5_000, 250)]);
        check(&Taken::default(), &book, 550, &[(5_000, 300), (4_900, 200), (4_700, 50)]);
        check(&Taken::default(), &book, 9_999, &[(5_000, 300), (4_900, 200), (4_700, 600)]);
        check(&Taken::default(), &[], 100, &[]);
    }

    #[test]
    fn what_we_took_stays_gone_until_its_level_is_refreshed() {
        let book = [(5_000, 300), (4_900, 200)];
        let mut taken = Taken::default();
        taken.take(Side::Yes, &bids(&book), Qty(400));
        check(&taken, &book, 400, &[(4_900, 100)]);
        taken.refresh(Side::No, Price::new(5_000).expect("in range"));
        check(&taken, &book, 400, &[(4_900, 100)]);
        taken.refresh(Side::Yes, Price::new(5_000).expect("in range"));
        check(&taken, &book, 400, &[(5_000, 300), (4_900, 100)]);
        taken.clear();
        check(&taken, &book, 400, &[(5_000, 300), (4_900, 100)]);
        assert!(taken.is_empty());
    }

    #[test]
    fn a_saved_ledger_is_the_ledger() {
        let mut taken = Taken::default();
        taken.take(Side::Yes, &bids(&[(5_000, 300), (4_950, 7)]), Qty(400));
        taken.take(Side::No, &bids(&[(3_333, 9)]), Qty(4));
        let text = serde_json::to_string(&taken).expect("plain data");
        assert_eq!(serde_json::from_str::<Taken>(&text).expect("its own text"), taken);
        for wrong in ["[[\"yes\",60000,5]]", "[[\"yes\",500,-5]]"] {
            assert!(serde_json::from_str::<Taken>(wrong).is_err(), "{wrong}");
        }
    }
}
