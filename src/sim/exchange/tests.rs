//! What the matching engine promises, to the crowd and to accounts.

use super::*;
use crate::book::Book;
use proptest::prelude::*;

fn cents(c: i64) -> Price {
    Price::new(c * 100).expect("in range")
}

fn fills(facts: &[Fact]) -> Vec<(u64, i64, i64)> {
    let fill = |f: &Fact| match *f {
        Fact::Fill { maker, yes_price, qty, .. } => Some((maker.0, yes_price.e4(), qty.e2())),
        Fact::Level(_) => None,
    };
    facts.iter().filter_map(fill).collect()
}

#[test]
fn better_price_first_then_older_first() {
    let (mut ex, mut facts) = (Exchange::default(), Vec::new());
    for (price, qty) in [(40, 5), (41, 3), (41, 4)] {
        ex.bid(Side::Yes, cents(price), Qty::contracts(qty), Rest::Keep, &mut facts).unwrap();
    }
    facts.clear();
    // A NO bid at 60 takes YES bids at 40 and better: orders 2, 3, then 1.
    ex.bid(Side::No, cents(60), Qty::contracts(10), Rest::Keep, &mut facts).unwrap();
    assert_eq!(fills(&facts), [(2, 4_100, 300), (3, 4_100, 400), (1, 4_000, 300)]);
    assert_eq!(ex.order(OrderId(1)).unwrap().left, Qty::contracts(2));
    assert_eq!(ex.touch().ask, None);
}

#[test]
fn a_reduced_order_keeps_its_place_and_an_immediate_one_never_rests() {
    let (mut ex, mut facts) = (Exchange::default(), Vec::new());
    let first = ex.bid(Side::No, cents(30), Qty(500), Rest::Keep, &mut facts).unwrap();
    ex.bid(Side::No, cents(30), Qty(500), Rest::Keep, &mut facts).unwrap();
    assert_eq!(ex.reduce(first, Qty(10), &mut facts), Qty(10));
    facts.clear();
    ex.bid(Side::Yes, cents(70), Qty(600), Rest::Drop, &mut facts).unwrap();
    assert_eq!(fills(&facts), [(1, 7_000, 490), (2, 7_000, 110)]);
    ex.bid(Side::Yes, cents(69), Qty(100), Rest::Drop, &mut facts).unwrap();
    assert_eq!(ex.touch().bid, None);
    assert_eq!(ex.cancel(first, &mut facts), Qty::ZERO);
}

#[test]
fn worthless_prices_and_empty_orders_are_refused() {
    let mut ex = Exchange::default();
    let mut bid = |p, q| ex.bid(Side::Yes, p, q, Rest::Keep, &mut Vec::new());
    assert_eq!(bid(Price::ZERO, Qty(1)), Err(Refused::Price(Price::ZERO)));
    assert_eq!(bid(Price::ONE, Qty(1)), Err(Refused::Price(Price::ONE)));
    assert_eq!(bid(cents(5), Qty(0)), Err(Refused::Size(Qty(0))));
}

proptest! {
    /// A client that folds the deltas sees the exchange's book, never crossed, and every contract
    /// that was ever bid for is filled, cancelled, dropped or resting.
    #[test]
    fn deltas_add_up_to_the_book_and_no_contract_is_lost(
        orders in prop::collection::vec((any::<bool>(), 1i64..10_000, 1i64..900, 0u8..4), 1..120)
    ) {
        let (mut ex, mut facts) = (Exchange::default(), Vec::new());
        let (mut placed, mut gone) = (0, 0);
        let mut ids = Vec::new();
        for (yes, e4, qty, kind) in orders {
            let side = if yes { Side::Yes } else { Side::No };
            let at = facts.len();
            match kind {
                0 if !ids.is_empty() => gone += ex.cancel(ids[qty as usize % ids.len()], &mut facts).e2(),
                1 if !ids.is_empty() => gone += ex.reduce(ids[qty as usize % ids.len()], Qty(qty), &mut facts).e2(),
                _ => {
                    let rest = if kind == 2 { Rest::Drop } else { Rest::Keep };
                    let price = Price::new(e4).unwrap();
                    ids.push(ex.bid(side, price, Qty(qty), rest, &mut facts).unwrap());
                    let filled: i64 = fills(&facts[at..]).iter().map(|f| f.2).sum();
                    placed += qty + if rest == Rest::Drop { filled - qty } else { 0 };
                    gone += 2 * filled;
                }
            }
            let touch = ex.touch();
            if let (Some(b), Some(a)) = (touch.bid, touch.ask) {
                prop_assert!(b.0 < a.0);
            }
        }
        let mut book = Book::default();
        book.snapshot(&Snapshot::default());
        for fact in &facts {
            if let Fact::Level(delta) = fact {
                prop_assert!(book.delta(delta).is_ok());
            }
        }
        let mut shown = Book::default();
        shown.snapshot(&ex.snapshot());
        prop_assert_eq!(&book, &shown);
        let resting = book.bids(Side::Yes).total() + book.bids(Side::No).total();
        prop_assert_eq!(placed, gone + resting.e2());
    }
}

fn of(account: u32, rule: SelfTrade, side: Side, price: i64, qty: i64) -> Incoming {
    let owner = Some((AccountId(account), rule));
    Incoming { side, price: cents(price), qty: Qty::contracts(qty), rest: Rest::Keep, owner }
}

/// YES bids at 40: 3 of the crowd, 4 of account 1, 5 of the crowd.
fn with_own_in_the_middle() -> (Exchange, Vec<Fact>) {
    let (mut ex, mut facts) = (Exchange::default(), Vec::new());
    let crowd = |qty| Incoming { owner: None, ..of(0, SelfTrade::CancelTaker, Side::Yes, 40, qty) };
    for order in [crowd(3), of(1, SelfTrade::CancelTaker, Side::Yes, 40, 4), crowd(5)] {
        ex.place(order, &mut facts).unwrap();
    }
    facts.clear();
    (ex, facts)
}

#[test]
fn an_order_never_trades_with_one_of_its_own_account() {
    let (mut ex, mut facts) = with_own_in_the_middle();
    let placed = ex.place(of(1, SelfTrade::CancelTaker, Side::No, 60, 10), &mut facts).unwrap();
    assert!(placed.self_crossed);
    assert_eq!((placed.left, fills(&facts)), (Qty::contracts(7), vec![(1, 4_000, 300)]));
    assert_eq!(ex.touch().ask, None, "the rest is dropped, or the book would be crossed");

    let (mut ex, mut facts) = with_own_in_the_middle();
    let placed = ex.place(of(1, SelfTrade::CancelMaker, Side::No, 60, 10), &mut facts).unwrap();
    assert_eq!(placed.withdrawn, [(OrderId(2), Qty::contracts(4))]);
    assert_eq!(fills(&facts), [(1, 4_000, 300), (3, 4_000, 500)]);
    assert_eq!(placed.left, Qty::contracts(2));

    let (mut ex, mut facts) = with_own_in_the_middle();
    ex.place(of(2, SelfTrade::CancelTaker, Side::No, 60, 10), &mut facts).unwrap();
    assert_eq!(fills(&facts).len(), 3, "another account trades with all of them");
}

#[test]
fn the_queue_counts_better_levels_and_older_orders() {
    let (mut ex, mut facts) = with_own_in_the_middle();
    assert_eq!(ex.ahead(OrderId(2)), Some(Qty::contracts(3)));
    ex.bid(Side::Yes, cents(41), Qty(50), Rest::Keep, &mut facts).unwrap();
    ex.bid(Side::Yes, cents(39), Qty(50), Rest::Keep, &mut facts).unwrap();
    assert_eq!(ex.ahead(OrderId(2)), Some(Qty(350)));
    ex.reduce(OrderId(1), Qty(100), &mut facts);
    assert_eq!(ex.ahead(OrderId(2)), Some(Qty(250)));
    ex.cancel(OrderId(2), &mut facts);
    assert_eq!(ex.ahead(OrderId(2)), None);
}

#[test]
fn what_stands_before_a_newcomer_never_grows() {
    let (mut ex, mut facts) = (Exchange::default(), Vec::new());
    let mut bid = |ex: &mut Exchange, qty| {
        ex.bid(Side::Yes, cents(40), Qty::contracts(qty), Rest::Keep, &mut facts).unwrap()
    };
    let (first, youngest) = (bid(&mut ex, 3), bid(&mut ex, 4));
    assert_eq!(ex.last_id(), youngest);
    bid(&mut ex, 50);
    assert_eq!(ex.older(Side::Yes, cents(40), youngest), Qty::contracts(7));
    ex.cancel(first, &mut Vec::new());
    assert_eq!(ex.older(Side::Yes, cents(40), youngest), Qty::contracts(4));
    ex.bid(Side::No, cents(60), Qty::contracts(5), Rest::Drop, &mut Vec::new()).unwrap();
    assert_eq!(ex.older(Side::Yes, cents(40), youngest), Qty::ZERO);
    assert_eq!(ex.older(Side::No, cents(40), youngest), Qty::ZERO);
}

#[test]
fn a_cleared_book_says_so_level_by_level() {
    let (mut ex, mut facts) = with_own_in_the_middle();
    ex.clear(&mut facts);
    let delta = Delta { side: Side::Yes, price: cents(40), qty: Qty::contracts(-12) };
    assert_eq!(facts, [Fact::Level(delta)]);
    assert_eq!((ex.snapshot(), ex.order(OrderId(2))), (Snapshot::default(), None));
}

#[test]
fn trades_have_names_of_their_own() {
    let id = |ticker, maker, taker| trade_id(ticker, OrderId(maker), OrderId(taker));
    let all = [id("A", 1, 2), id("B", 1, 2), id("A", 2, 1), id("A", 1, 3)];
    assert_eq!(all[0], id("A", 1, 2));
    for (i, one) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|other| other != one));
        assert_eq!((one[6] >> 4, one[8] >> 6), (4, 2), "a UUID of version 4");
    }
}

proptest! {
    /// What a preview says is what the order then does, and asking changes nothing.
    #[test]
    fn a_preview_comes_true(
        orders in prop::collection::vec(
            (any::<bool>(), 1i64..10_000, 1i64..900, 0u32..4, any::<bool>()), 1..80)
    ) {
        let (mut ex, mut facts) = (Exchange::default(), Vec::new());
        for (yes, e4, qty, account, taker) in orders {
            let rule = if taker { SelfTrade::CancelTaker } else { SelfTrade::CancelMaker };
            let order = Incoming {
                side: if yes { Side::Yes } else { Side::No },
                price: Price::new(e4).unwrap(),
                qty: Qty(qty),
                rest: Rest::Keep,
                owner: (account > 0).then_some((AccountId(account), rule)),
            };
            let (promised, crosses) = (ex.preview(&order), ex.would_cross(order.side, order.price));
            facts.clear();
            let placed = ex.place(order, &mut facts).unwrap();
            let got: Vec<_> = facts.iter().filter_map(|f| match *f {
                Fact::Fill { yes_price, qty, .. } => Some((yes_price, qty)),
                Fact::Level(_) => None,
            }).collect();
            prop_assert_eq!(&promised, &got);
            let filled: i64 = got.iter().map(|f| f.1.0).sum();
            prop_assert_eq!(placed.left, order.qty - Qty(filled));
            prop_assert!(crosses || (got.is_empty() && placed.withdrawn.is_empty()));
            let touch = ex.touch();
            prop_assert!(touch.bid.zip(touch.ask).is_none_or(|(b, a)| b.0 < a.0));
        }
    }
}
