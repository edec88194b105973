use super::*;
use crate::event::{Gap, GapCause};
use proptest::prelude::*;

fn price(e4: i64) -> Price {
    Price::new(e4).expect("price in range")
}

fn book(yes: &[(i64, i64)], no: &[(i64, i64)]) -> Book {
    let side = |levels: &[(i64, i64)]| levels.iter().map(|(p, q)| (price(*p), Qty(*q))).collect();
    let mut book = Book::default();
    book.snapshot(&Snapshot { yes: side(yes), no: side(no) });
    book
}

fn delta(side: Side, e4: i64, e2: i64) -> Delta {
    Delta { side, price: price(e4), qty: Qty(e2) }
}

#[test]
fn yes_ask_is_the_complement_of_the_best_no_bid() {
    let b = book(&[(6_500, 1_000), (6_400, 500)], &[(3_400, 700)]);
    assert_eq!(b.touch().bid, Some((price(6_500), Qty(1_000))));
    assert_eq!(b.touch().ask, Some((price(6_600), Qty(700))));
    assert!(!b.is_crossed());
}

#[test]
fn absent_side_is_an_empty_side() {
    let b = book(&[(100, 5)], &[]);
    assert_eq!(b.touch().ask, None);
    assert!(b.is_valid() && !b.is_crossed());
}

#[test]
fn delta_before_the_first_snapshot_is_dropped() {
    let mut b = Book::default();
    assert_eq!(b.delta(&delta(Side::Yes, 5_000, 100)), Ok(Change::NoBook));
    assert!(b.bids(Side::Yes).is_empty());
}

#[test]
fn negative_result_invalidates_until_the_next_snapshot() {
    let mut b = book(&[(5_000, 100)], &[]);
    let err = b.delta(&delta(Side::Yes, 5_000, -101)).expect_err("negative");
    assert_eq!(
        err,
        BookError::NegativeLevel { side: Side::Yes, price: price(5_000), size: Qty(-1) }
    );
    assert_eq!(b.delta(&delta(Side::Yes, 5_000, 10)), Ok(Change::NoBook));
    b.snapshot(&Snapshot::default());
    assert!(b.is_valid());
}

#[test]
fn a_gap_invalidates() {
    let mut b = book(&[(5_000, 100)], &[]);
    let gap = Gap::unnumbered(GapCause::Reconnect, crate::units::TsNs(0));
    let event = crate::event::Event {
        row_id: 1,
        recv: crate::units::TsNs(0),
        ts: None,
        market: crate::event::MarketId(0),
        sid: 1,
        seq: 1,
        body: Body::Gap(Box::new(gap)),
    };
    assert_eq!(b.apply(&event), Ok(Change::Invalid));
    assert!(!b.is_valid());
}

#[test]
fn crossed_book_is_kept_and_reported() {
    let mut b = book(&[(6_500, 100)], &[(3_400, 100)]);
    b.delta(&delta(Side::No, 3_600, 100)).expect("applied");
    assert!(b.is_valid() && b.is_crossed());
}

#[test]
fn sub_penny_and_fractional_levels_stand_beside_whole_cents() {
    let mut b = book(&[(6_500, 100), (6_510, 33)], &[]);
    assert_eq!(b.touch().bid, Some((price(6_510), Qty(33))));
    b.delta(&delta(Side::Yes, 6_510, -33)).expect("level goes");
    assert_eq!(b.touch().bid, Some((price(6_500), Qty(100))));
}

proptest! {
    /// The total of a side is the sum of everything applied to it.
    #[test]
    fn total_is_the_sum_of_changes(changes in prop::collection::vec((any::<bool>(), 0i64..=100, 1i64..500), 1..100)) {
        let mut b = book(&[], &[]);
        let mut sums = [0i64; 2];
        for (yes, cent, q) in changes {
            let side = if yes { Side::Yes } else { Side::No };
            b.delta(&delta(side, cent * 100, q)).expect("adding never fails");
            sums[side.index()] += q;
        }
        prop_assert_eq!(b.bids(Side::Yes).total(), Qty(sums[0]));
        prop_assert_eq!(b.bids(Side::No).total(), Qty(sums[1]));
    }
}
