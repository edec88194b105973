//! One side of a book: bids by price, best first at no cost.
//!
//! Whole-cent prices, which is nearly all of Kalshi, live in a dense array with a bitmap; the best
//! price is one count of leading zeros. Sub-penny prices live in a sorted list beside it.
//!
//! **Invariant:** every stored size is positive; a bit is set exactly where a size stands.

use crate::units::{Price, Qty};

const CENTS: usize = 101;
const E4_PER_CENT: usize = 100;

/// Bids of one side, on that side's own price axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    cents: [i64; CENTS],
    /// A bit for each cent, the lower 64 first.
    occupied: [u64; 2],
    /// Sub-penny levels, ascending by price.
    fine: Vec<(Price, i64)>,
}

impl Default for Ladder {
    fn default() -> Self {
        Ladder { cents: [0; CENTS], occupied: [0; 2], fine: Vec::new() }
    }
}

impl Ladder {
    /// Removes every level.
    pub fn clear(&mut self) {
        *self = Ladder { fine: std::mem::take(&mut self.fine), ..Ladder::default() };
        self.fine.clear();
    }

    /// Size at `price`, zero where there is no level.
    #[inline]
    pub fn size(&self, price: Price) -> Qty {
        let i = price.index();
        if i.is_multiple_of(E4_PER_CENT) {
            return Qty(self.cents[i / E4_PER_CENT]);
        }
        match self.fine.binary_search_by_key(&price, |l| l.0) {
            Ok(at) => Qty(self.fine[at].1),
            Err(_) => Qty::ZERO,
        }
    }

    /// Adds `change` to the size at `price` and returns the new size, or gives back the size that
    /// the level would have had if that is negative; the ladder is then unchanged.
    #[inline]
    pub fn add(&mut self, price: Price, change: Qty) -> Result<Qty, Qty> {
        let i = price.index();
        if !i.is_multiple_of(E4_PER_CENT) {
            return self.add_fine(price, change);
        }
        let at = i / E4_PER_CENT;
        let size = self.cents[at].saturating_add(change.0);
        if size < 0 {
            return Err(Qty(size));
        }
        self.cents[at] = size;
        let (word, bit) = (&mut self.occupied[at / 64], at % 64);
        *word = *word & !(1 << bit) | u64::from(size > 0) << bit;
        Ok(Qty(size))
    }

    #[cold]
    fn add_fine(&mut self, price: Price, change: Qty) -> Result<Qty, Qty> {
        match self.fine.binary_search_by_key(&price, |l| l.0) {
            Ok(at) => {
                let size = self.fine[at].1.saturating_add(change.0);
                if size < 0 {
                    return Err(Qty(size));
                }
                if size == 0 {
                    self.fine.remove(at);
                } else {
                    self.fine[at].1 = size;
                }
                Ok(Qty(size))
            }
            Err(_) if change.0 < 0 => Err(change),
            Err(_) if change.0 == 0 => Ok(Qty::ZERO),
            Err(at) => {
                self.fine.insert(at, (price, change.0));
                Ok(change)
            }
        }
    }

    /// The best (highest) bid.
    #[inline]
    pub fn best(&self) -> Option<(Price, Qty)> {
        let cent = highest(self.occupied).map(|c| (cent_price(c), Qty(self.cents[c])));
        match self.fine.last() {
            None => cent,
            Some(&(p, q)) if cent.is_none_or(|c| c.0 < p) => Some((p, Qty(q))),
            Some(_) => cent,
        }
    }

    /// Levels from the best down.
    pub fn iter(&self) -> Levels<'_> {
        Levels { ladder: self, bits: self.occupied, fine: self.fine.len() }
    }

    /// Contracts over all levels.
    pub fn total(&self) -> Qty {
        self.iter().fold(Qty::ZERO, |sum, (_, q)| sum + q)
    }

    /// Number of levels.
    pub fn len(&self) -> usize {
        self.occupied.iter().map(|word| word.count_ones() as usize).sum::<usize>() + self.fine.len()
    }

    /// True without a level.
    pub fn is_empty(&self) -> bool {
        self.occupied == [0; 2] && self.fine.is_empty()
    }
}

/// The highest bit that is set.
#[inline]
fn highest(bits: [u64; 2]) -> Option<usize> {
    match bits {
        [0, 0] => None,
        [low, 0] => Some(63 - low.leading_zeros() as usize),
        [_, high] => Some(127 - high.leading_zeros() as usize),
    }
}

fn cent_price(cent: usize) -> Price {
    Price::new((cent * E4_PER_CENT) as i64).unwrap_or(Price::ONE)
}

/// Iterator over the levels of a [`Ladder`], best first.
pub struct Levels<'a> {
    ladder: &'a Ladder,
    bits: [u64; 2],
    fine: usize,
}

impl Iterator for Levels<'_> {
    type Item = (Price, Qty);

    fn next(&mut self) -> Option<(Price, Qty)> {
        let cent = highest(self.bits);
        let fine = self.fine.checked_sub(1).map(|i| self.ladder.fine[i]);
        match (cent, fine) {
            (c, Some((p, q))) if c.is_none_or(|c| cent_price(c) < p) => {
                self.fine -= 1;
                Some((p, Qty(q)))
            }
            (Some(c), _) => {
                self.bits[c / 64] &= !(1 << (c % 64));
                Some((cent_price(c), Qty(self.ladder.cents[c])))
            }
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// A ladder is a map from price to size, read from the top.
        #[test]
        fn behaves_like_a_map(changes in prop::collection::vec((0i64..=10_000, -50i64..100, any::<bool>()), 0..200)) {
            let (mut ladder, mut map) = (Ladder::default(), BTreeMap::<i64, i64>::new());
            for (e4, change, cent) in changes {
                let e4 = if cent { e4 / 100 * 100 } else { e4 };
                let price = Price::new(e4).expect("in range");
                let want = map.get(&e4).copied().unwrap_or(0) + change;
                match ladder.add(price, Qty(change)) {
                    Ok(size) => {
                        prop_assert_eq!(size, Qty(want));
                        if want == 0 { map.remove(&e4); } else { map.insert(e4, want); }
                    }
                    Err(size) => prop_assert!(want < 0 && size == Qty(want)),
                }
                let got: Vec<_> = ladder.iter().map(|(p, q)| (p.e4(), q.0)).collect();
                let all: Vec<_> = map.iter().rev().map(|(p, q)| (*p, *q)).collect();
                prop_assert_eq!(&got, &all);
                prop_assert_eq!(ladder.best().map(|(p, q)| (p.e4(), q.0)), all.first().copied());
                prop_assert_eq!(ladder.len(), all.len());
            }
        }
    }
}
