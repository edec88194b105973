//! What the market does to our orders, told in short tapes. Prices in cents, sizes in contracts.

mod stage;

use super::*;
use crate::broker::{Delay, Latency, Role};
use crate::units::Price;
use crate::wire::orders::{SelfTradePrevention, TimeInForce};
use stage::{Stage, buy_yes, cents, immediate, sell_yes, stage};

#[test]
fn a_trade_fills_what_lies_behind_the_queue_and_is_known_by_its_second_message() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    assert_eq!(s.ahead(1), [10, 10, 10]);
    s.delta(Side::Yes, 40, 50);
    let row = s.sold(40, 13);
    let fill = s.out.fills[0];
    assert_eq!((fill.exchange_row, fill.known_row, fill.role), (row, row + 1, Role::Maker));
    assert_eq!((fill.price, s.filled(1)), (cents(40), [3, 3, 3]));
    s.sold(40, 13);
    assert_eq!(s.filled(1), [6, 6, 6]);
    s.ended(1, End::Filled, 0);
    assert_eq!(s.matcher.position(), Qty::contracts(6));
}

#[test]
fn a_decrease_of_unknown_cause_moves_only_the_optimistic_queue() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    s.delta(Side::Yes, 40, 10);
    s.delta(Side::Yes, 40, -8);
    assert_eq!(s.ahead(1), [10, 10, 2]);
    s.quiet(65);
    assert_eq!(s.ahead(1), [10, 6, 2], "now a cancel: half of it stood before us");
    s.delta(Side::Yes, 40, -6);
    assert_eq!(s.ahead(1), [6, 6, 0], "only six are shown");
    s.quiet(65);
    s.delta(Side::Yes, 40, 9);
    s.sold(40, 7);
    assert_eq!(s.filled(1), [1, 4, 6]);
}

#[test]
fn a_level_that_vanishes_fills_nobody() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    s.delta(Side::Yes, 40, -10);
    s.quiet(70);
    assert_eq!((s.ahead(1), s.filled(1)), ([0; 3], [0; 3]));
}

#[test]
fn a_trade_at_a_worse_price_and_an_order_that_crosses_fill_no_more_than_they_hold() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(41, 9));
    let row = s.sold(40, 4);
    assert_eq!((s.filled(1), s.out.fills[0].exchange_row), ([4; 3], row));
    let row = s.delta(Side::No, 59, 3);
    assert_eq!((s.filled(1), s.out.fills[1].exchange_row), ([7; 3], row));
    s.delta(Side::No, 58, 50);
    assert_eq!(s.filled(1), [7; 3], "an ask at 42 does not reach us");
    s.delta(Side::No, 60, 50);
    s.ended(1, End::Filled, 0);
    assert!(s.out.fills.iter().all(|f| f.price == cents(41)), "at our price");
}

#[test]
fn own_orders_share_a_trade_by_price_and_age() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 2));
    s.submit(2, buy_yes(40, 4));
    s.submit(3, buy_yes(41, 1));
    s.delta(Side::Yes, 40, 50);
    s.sold(40, 14);
    assert_eq!((s.filled(3), s.filled(1), s.filled(2)), ([1; 3], [2; 3], [1; 3]));
}

#[test]
fn a_cancel_that_arrives_after_the_trade_loses_the_race() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    let row = s.delta(Side::Yes, 40, -10);
    let late = s.delta(Side::Yes, 40, 10);
    s.delta_at(late as i64, Side::Yes, 40, -10);
    let at = s.now();
    s.matcher.cancel(OrderId(1), at).expect("sent");
    s.matcher.advance(at, &s.book, &mut s.out);
    s.ended(1, End::Cancelled, 6);
    // Its trade consumed the level, and the ten that joined behind us, before the cancel arrived.
    s.trade_at(row as i64, Side::No, 40, 10);
    s.trade_at(late as i64, Side::No, 40, 10);
    assert_eq!(s.filled(1), [6; 3]);
    s.delta(Side::Yes, 40, 10);
    s.sold(40, 10);
    assert_eq!(s.filled(1), [6; 3]);
}

#[test]
fn requests_take_their_time_and_are_never_overtaken_by_a_later_one() {
    let latency = Latency { submit: Delay::Fixed(2_500), ..Latency::NONE };
    let mut s = stage(latency);
    s.submit(1, buy_yes(40, 6));
    s.matcher.cancel(OrderId(1), s.now()).expect("sent");
    s.quiet(2);
    assert!(s.out.updates.is_empty());
    s.delta(Side::Yes, 40, 7);
    assert_eq!(s.out.updates.len(), 2);
    assert_eq!(s.out.updates[0].state, State::Resting { ahead: Bracket::all(Qty::contracts(10)) });
    s.ended(1, End::Cancelled, 6);
    assert_eq!(s.out.updates[0].at, TsNs(3_500_000));
}

#[test]
fn an_order_takes_what_is_displayed_within_its_limit_and_nothing_twice() {
    let mut s = stage(Latency::NONE);
    s.submit(1, immediate(buy_yes(44, 8)));
    s.ended(1, End::Immediate, 3);
    assert_eq!((s.out.fills[0].price, s.out.fills[0].role), (cents(43), Role::Taker));
    s.submit(2, immediate(buy_yes(45, 8)));
    assert_eq!(s.filled(2), [8; 3]);
    s.submit(3, buy_yes(45, 4));
    assert_eq!(s.filled(3), [2; 3]);
    assert_eq!(s.ahead(3), [0; 3], "the rest is the best bid");
    s.delta(Side::No, 57, 1);
    s.submit(4, immediate(sell_yes(39, 12)));
    assert_eq!(s.out.fills.iter().filter(|f| f.order == OrderId(4)).count(), 0, "met its own bid");
}

#[test]
fn flags_are_kept() {
    let mut s = stage(Latency::NONE);
    let kill = |order| NewOrder { time_in_force: TimeInForce::FillOrKill, ..order };
    let reduce = |order| NewOrder { reduce_only: true, ..order };
    let post = |order| NewOrder { post_only: true, ..order };
    for (id, order, why) in [
        (1, kill(buy_yes(43, 6)), Refusal::FillOrKill),
        (2, post(buy_yes(43, 1)), Refusal::PostOnly),
        (3, reduce(buy_yes(43, 1)), Refusal::Flags),
        (4, immediate(reduce(buy_yes(43, 1))), Refusal::NothingToReduce),
        (5, immediate(post(buy_yes(43, 1))), Refusal::Flags),
        (6, NewOrder { price: Price::ONE, ..buy_yes(43, 1) }, Refusal::Price),
        (7, buy_yes(43, 0), Refusal::Size),
        (8, NewOrder { qty: Qty(i64::MAX), ..buy_yes(43, 1) }, Refusal::Size),
        (9, NewOrder { expires: Some(TsNs(0)), ..buy_yes(40, 1) }, Refusal::Flags),
    ] {
        s.submit(id, order);
        assert_eq!(s.last_state(id), State::Refused(why), "order {id}");
    }
    assert!(s.out.fills.is_empty());
    s.submit(10, kill(buy_yes(43, 5)));
    s.submit(11, immediate(reduce(sell_yes(39, 9))));
    assert_eq!((s.filled(10), s.filled(11)), ([5; 3], [5; 3]), "capped to the position");
    s.submit(12, post(buy_yes(42, 1)));
    assert!(matches!(s.last_state(12), State::Resting { .. }));
    assert_eq!(s.matcher.submit(OrderId(12), buy_yes(40, 1), s.now()), Err(Refusal::Duplicate));
}

#[test]
fn an_order_never_trades_with_an_own_one() {
    let maker = |order| NewOrder { self_trade: SelfTradePrevention::Maker, ..order };
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    s.submit(2, sell_yes(39, 14));
    assert_eq!(s.filled(2), [10; 3], "those before our own bid");
    s.ended(2, End::SelfTrade, 4);
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    s.delta(Side::Yes, 40, 3);
    s.submit(2, maker(sell_yes(39, 14)));
    assert_eq!(s.filled(2), [14; 3], "ten, three more at 40, and one at 39");
    s.ended(1, End::SelfTrade, 6);
}

#[test]
fn an_amend_keeps_the_place_only_for_less_at_the_same_price() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    s.delta(Side::Yes, 40, 9);
    let ask = |s: &mut Stage, amend| {
        let at = s.now();
        s.matcher.amend(OrderId(1), amend, at).expect("sent");
        s.matcher.advance(at, &s.book, &mut s.out);
    };
    let replace = |price, count| Amend::Replace {
        price: cents(price),
        count: Qty::contracts(count),
        expires: None,
    };
    ask(&mut s, replace(40, 5));
    ask(&mut s, Amend::ReduceBy(Qty::contracts(1)));
    assert_eq!(s.ahead(1), [10; 3]);
    s.sold(40, 11);
    assert_eq!((s.filled(1), s.ahead(1)), ([1; 3], [0; 3]));
    ask(&mut s, replace(40, 5));
    assert_eq!(s.ahead(1), [8; 3]);
    ask(&mut s, replace(39, 4));
    assert_eq!(s.ahead(1), [20; 3]);
    ask(&mut s, replace(43, 4));
    assert_eq!(s.filled(1), [4; 3], "it takes at 43");
    s.ended(1, End::Filled, 0);
    ask(&mut s, Amend::ReduceTo(Qty::ZERO));
    assert_eq!(s.last_state(1), State::Refused(Refusal::Unknown));
}

#[test]
fn orders_end_by_expiry_halt_and_close() {
    let mut s = stage(Latency::NONE);
    s.submit(1, NewOrder { expires: Some(TsNs::from_ms(3)), ..buy_yes(40, 6) });
    s.quiet(2);
    assert_eq!(s.out.updates.len(), 1);
    s.quiet(1);
    s.ended(1, End::Expired, 6);
    s.submit(5, NewOrder { expires: Some(TsNs::from_ms(7)), ..buy_yes(43, 1) });
    s.ended(5, End::Filled, 0);
    s.quiet(4); // nothing is left to expire, and the market goes on
    s.submit(2, buy_yes(40, 6));
    s.matcher.set_phase(Phase::Inactive, s.now(), &mut s.out);
    s.submit(3, buy_yes(40, 6));
    assert_eq!(s.last_state(3), State::Refused(Refusal::NotActive));
    s.matcher.set_phase(Phase::Active, s.now(), &mut s.out);
    s.ended(2, End::Halted, 6);
    s.submit(4, buy_yes(40, 6));
    s.matcher.set_phase(Phase::Closed, s.now(), &mut s.out);
    s.ended(4, End::Closed, 6);
    s.sold(40, 10);
    assert_eq!(s.out.fills.len(), 1);
}

#[test]
fn fills_of_an_order_that_rested_over_a_gap_are_marked() {
    let mut s = stage(Latency::NONE);
    s.submit(1, buy_yes(40, 6));
    let gap = crate::event::Gap::unnumbered(crate::event::GapCause::SeqGap, s.now());
    s.event(2, Body::Gap(Box::new(gap)));
    s.snapshot(&[(40, 8), (39, 20)], &[(57, 5)]);
    assert_eq!(s.ahead(1), [8, 8, 0]);
    s.sold(40, 5);
    assert_eq!(s.filled(1), [0, 0, 5]);
    assert!(s.out.fills[0].uncertain);
    s.submit(2, buy_yes(38, 6));
    s.delta(Side::No, 62, 2);
    assert_eq!((s.filled(1), s.filled(2)), ([2, 2, 6], [0, 0, 1]), "the better price is met first");
}
