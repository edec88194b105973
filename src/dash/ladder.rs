//! The depth ladder: which rows there are, and which of them are shown.

use crate::book::Book as OrderBook;
use crate::units::{Price, Qty, Side};

/// Which axis the ladder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Book {
    /// YES bids, and YES asks derived from the NO bids.
    #[default]
    Yes,
    /// NO bids, and NO asks derived from the YES bids.
    No,
    /// Both sides' bids as the exchange sends them.
    Raw,
}

/// How prices are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// Every level that has a size, and no other row.
    Levels,
    /// Rows of 0.1 cent.
    Tenth,
    /// Rows of a cent.
    #[default]
    Cent,
}

impl Group {
    /// Height of a row, 1e-4 dollars.
    pub const fn e4(self) -> i64 {
        match self {
            Group::Levels => 1,
            Group::Tenth => 10,
            Group::Cent => 100,
        }
    }

    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Group::Levels => "levels",
            Group::Tenth => "0.1¢",
            Group::Cent => "1¢",
        }
    }

    /// The next wider one.
    pub const fn wider(self) -> Group {
        match self {
            Group::Levels => Group::Tenth,
            _ => Group::Cent,
        }
    }

    /// The next finer one.
    pub const fn finer(self) -> Group {
        match self {
            Group::Cent => Group::Tenth,
            _ => Group::Levels,
        }
    }
}

/// How the ladder is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LadderView {
    /// Which axis.
    pub book: Book,
    /// How prices are put together.
    pub group: Group,
    /// Bars show the logarithm of the size.
    pub log_bars: bool,
    /// Prices in cents.
    pub cents: bool,
    /// The price in the middle, 1e-4 dollars; `None` before the first book.
    pub anchor_e4: Option<i64>,
    /// The person moved it: it does not follow the touch until told to.
    pub held: bool,
}

impl LadderView {
    /// The side whose bids stand on the left.
    pub fn side(&self) -> Side {
        if self.book == Book::No { Side::No } else { Side::Yes }
    }

    /// Follows the touch: the middle moves only when the touch has left the middle third of `rows` rows, so that
    /// the ladder does not jump with every tick.
    pub fn follow(&mut self, book: &OrderBook, rows: u16) {
        let Some(mid_e4) = mid_e4(book, self.side()).filter(|_| !self.held) else { return };
        let third_e4 = i64::from(rows.max(6) / 6) * self.group.e4().max(10);
        match self.anchor_e4 {
            Some(anchor) if (anchor - mid_e4).abs() <= third_e4 => {}
            _ => self.anchor_e4 = Some(mid_e4),
        }
    }

    /// Moves the middle by rows; positive is up.
    pub fn scroll(&mut self, rows: i64) {
        if let Some(anchor) = &mut self.anchor_e4 {
            *anchor = (*anchor + rows * self.group.e4().max(10)).clamp(0, 10_000);
            self.held = true;
        }
    }

    /// Back to the touch.
    pub fn centre(&mut self) {
        (self.anchor_e4, self.held) = (None, false);
    }
}

/// Size at a price, and of everything from the touch to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Here.
    pub size: Qty,
    /// Here and better.
    pub cum: Qty,
}

/// One row: a price, or a range of prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its price, 1e-4 dollars: of a range the one nearest to the touch.
    pub price: Price,
    /// Bids here.
    pub bid: Option<Depth>,
    /// Asks here.
    pub ask: Option<Depth>,
}

/// Half of best bid and ask on `side`'s axis, 1e-4 dollars; with one side missing the other one.
pub fn mid_e4(book: &OrderBook, side: Side) -> Option<i64> {
    let bid = book.bids(side).best().map(|b| b.0.e4());
    let ask = book.bids(side.other()).best().map(|a| a.0.complement().e4());
    match (bid, ask) {
        (Some(bid), Some(ask)) => Some((bid + ask) / 2),
        (bid, ask) => bid.or(ask),
    }
}

/// The rows of a book, highest price first; those of `own` orders are among them, whatever stands there.
pub fn rows(book: &OrderBook, side: Side, group: Group, own: &[Price]) -> Vec<Row> {
    let bids = grouped(book.bids(side).iter(), |p| down(p, group));
    let asks = book.bids(side.other()).iter().map(|(p, q)| (p.complement(), q));
    let asks = grouped(asks, |p| up(p, group));
    let prices = || asks.iter().chain(&bids).map(|level| level.0).chain(own.iter().copied());
    let (Some(top), Some(low)) = (prices().max(), prices().min()) else { return Vec::new() };
    let find = |levels: &[(Price, Depth)], price| levels.iter().find(|l| l.0 == price).map(|l| l.1);
    let row = |price| Row { price, bid: find(&bids, price), ask: find(&asks, price) };
    if group == Group::Levels {
        let mut prices: Vec<Price> = prices().collect();
        prices.sort_unstable_by(|a, b| b.cmp(a));
        prices.dedup();
        return prices.into_iter().map(row).collect();
    }
    let steps = (top.e4() - low.e4()) / group.e4();
    (0..=steps).filter_map(|i| Price::new(top.e4() - i * group.e4())).map(row).collect()
}

/// The row at which a bid (or an ask) of this price stands.
pub fn row_of(price: Price, is_bid: bool, group: Group) -> Price {
    if is_bid { down(price, group) } else { up(price, group) }
}

/// Levels put together, from the touch outwards.
fn grouped(
    levels: impl Iterator<Item = (Price, Qty)>,
    to: impl Fn(Price) -> Price,
) -> Vec<(Price, Depth)> {
    let mut all: Vec<(Price, Depth)> = Vec::new();
    let mut cum = Qty::ZERO;
    for (price, size) in levels {
        cum += size;
        let price = to(price);
        match all.last_mut() {
            Some((at, depth)) if *at == price => {
                depth.size += size;
                depth.cum = cum;
            }
            _ => all.push((price, Depth { size, cum })),
        }
    }
    all
}

fn down(price: Price, group: Group) -> Price {
    Price::new(price.e4() / group.e4() * group.e4()).unwrap_or(price)
}

fn up(price: Price, group: Group) -> Price {
    let step = group.e4();
    Price::new((price.e4() + step - 1) / step * step).unwrap_or(Price::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Snapshot;
    use proptest::prelude::*;

    fn book(yes: &[(i64, i64)], no: &[(i64, i64)]) -> OrderBook {
        let side = |levels: &[(i64, i64)]| {
            levels.iter().map(|(p, q)| (Price::new(*p).expect("in range"), Qty(*q))).collect()
        };
        let mut book = OrderBook::default();
        book.snapshot(&Snapshot { yes: side(yes), no: side(no) });
        book
    }

    #[test]
    fn asks_are_the_other_sides_bids_and_depth_adds_up_from_the_touch() {
        let book = book(&[(4_500, 100), (4_600, 200)], &[(5_300, 300), (5_200, 50)]);
        let rows = rows(&book, Side::Yes, Group::Cent, &[]);
        let seen: Vec<_> = rows
            .iter()
            .map(|r| (r.price.e4(), r.bid.map(|d| d.cum.0), r.ask.map(|d| (d.size.0, d.cum.0))))
            .collect();
        assert_eq!(
            seen,
            [
                (4_800, None, Some((50, 350))),
                (4_700, None, Some((300, 300))),
                (4_600, Some(200), None),
                (4_500, Some(300), None),
            ]
        );
    }

    #[test]
    fn an_own_order_has_its_row_where_nobody_else_stands() {
        let book = book(&[(4_500, 100)], &[(5_300, 300)]);
        let price = |e4| Price::new(e4).expect("in range");
        let own = [row_of(price(4_655), true, Group::Levels), price(4_000)];
        let seen: Vec<_> = rows(&book, Side::Yes, Group::Levels, &own);
        let seen: Vec<_> = seen.iter().map(|row| row.price.e4()).collect();
        assert_eq!(seen, [4_700, 4_655, 4_500, 4_000]);
        assert_eq!(row_of(price(4_655), true, Group::Cent).e4(), 4_600);
        assert_eq!(row_of(price(4_655), false, Group::Cent).e4(), 4_700);
        assert_eq!(rows(&book, Side::Yes, Group::Cent, &[price(4_000)]).len(), 8);
    }

    #[test]
    fn the_ladder_follows_only_a_touch_that_left_the_middle() {
        let mut view = LadderView::default();
        view.follow(&book(&[(4_600, 1)], &[(5_200, 1)]), 18);
        assert_eq!(view.anchor_e4, Some(4_700));
        view.follow(&book(&[(4_800, 1)], &[(5_000, 1)]), 18);
        assert_eq!(view.anchor_e4, Some(4_700), "two rows up is still the middle");
        view.follow(&book(&[(5_500, 1)], &[(4_300, 1)]), 18);
        assert_eq!(view.anchor_e4, Some(5_600));
        view.scroll(-3);
        view.follow(&book(&[(9_000, 1)], &[]), 18);
        assert_eq!(view.anchor_e4, Some(5_300), "held where the person put it");
    }

    proptest! {
        /// Whatever the grouping, no contract is lost and none is counted twice.
        #[test]
        fn grouping_keeps_every_contract(
            yes in prop::collection::vec((0i64..=10_000, 1i64..100), 0..40),
            no in prop::collection::vec((0i64..=10_000, 1i64..100), 0..40),
        ) {
            let book = book(&yes, &no);
            for group in [Group::Levels, Group::Tenth, Group::Cent] {
                let rows = rows(&book, Side::Yes, group, &[]);
                let bids: i64 = rows.iter().filter_map(|r| r.bid).map(|d| d.size.0).sum();
                let asks: i64 = rows.iter().filter_map(|r| r.ask).map(|d| d.size.0).sum();
                prop_assert_eq!(bids, yes.iter().map(|l| l.1).sum::<i64>());
                prop_assert_eq!(asks, no.iter().map(|l| l.1).sum::<i64>());
                prop_assert!(rows.windows(2).all(|w| w[0].price > w[1].price));
            }
        }
    }
}
