//! The rules of V2 orders one by one, and the money under random scripts.

use super::*;
use crate::broker::{Intent, Portfolio, Verb};
use crate::event::Snapshot;
use crate::sim::exchange::Rest;
use crate::units::Qty;
use crate::wire::orders::{
    AmendOrder, BookSide, CreateOrder, DecreaseOrder, OrderAck, SelfTradePrevention, TimeInForce,
};
use crate::wire::portfolio::{OrderState, OrderStatus, UpdateReason};
use proptest::prelude::*;

mod money;

const T: &str = "SIM-A";

/// One market, one account with $100, another one with $100.
struct Room {
    desk: Desk,
    exchange: Exchange,
    fees: FeeSchedule,
    state: Trading,
    now_ms: i64,
    facts: Vec<Fact>,
    told: Vec<PrivateEvent>,
}

const ME: AccountId = AccountId(0);
const OTHER: AccountId = AccountId(1);

fn cents(c: i64) -> Price {
    Price::new(c * 100).expect("in range")
}

fn wanted(side: BookSide, price: i64, contracts: i64) -> CreateOrder {
    CreateOrder {
        ticker: T.into(),
        client_order_id: None,
        side,
        count: Qty::contracts(contracts),
        price: cents(price),
        time_in_force: TimeInForce::GoodTillCanceled,
        self_trade_prevention_type: SelfTradePrevention::TakerAtCross,
        expiration_time: None,
        post_only: false,
        reduce_only: false,
        cancel_order_on_pause: false,
        order_group_id: None,
        subaccount: None,
        exchange_index: None,
    }
}

impl Room {
    /// The crowd bids 10 YES at 40 and 10 NO at 55: YES 40 / 45.
    fn new() -> Room {
        let mut room = Room {
            desk: Desk::new(7),
            exchange: Exchange::default(),
            fees: FeeSchedule::default(),
            state: Trading::Open,
            now_ms: 1_000_000,
            facts: Vec::new(),
            told: Vec::new(),
        };
        for _ in 0..2 {
            room.desk.open_account(Money::dollars(100));
        }
        room.crowd(Side::Yes, 40, 10);
        room.crowd(Side::No, 55, 10);
        room
    }

    /// Calls the desk with the market, then collects what was told.
    fn at<R>(
        &mut self,
        call: impl FnOnce(&mut Desk, &mut MarketRef<'_>, &mut Vec<Fact>) -> R,
    ) -> R {
        let mut market = MarketRef {
            ticker: T,
            event_ticker: "SIM",
            exchange: &mut self.exchange,
            ticks: &[],
            fees: self.fees,
            state: self.state,
            now_ms: self.now_ms,
        };
        let result = call(&mut self.desk, &mut market, &mut self.facts);
        self.told.extend(self.desk.drain());
        result
    }

    fn crowd(&mut self, side: Side, price: i64, contracts: i64) -> OrderId {
        self.at(|desk, market, _| {
            let mut facts = Vec::new();
            let qty = Qty::contracts(contracts);
            let id = market.exchange.bid(side, cents(price), qty, Rest::Keep, &mut facts);
            desk.on_facts(market, &mut facts);
            id.expect("a valid bid")
        })
    }

    fn create(&mut self, order: CreateOrder) -> Result<OrderAck, OrderError> {
        self.at(|desk, market, facts| desk.create(market, ME, order, facts))
    }

    fn rest(&mut self, side: BookSide, price: i64, contracts: i64) -> String {
        let ack = self.create(wanted(side, price, contracts)).expect("accepted");
        assert_eq!(ack.remaining_count, Qty::contracts(contracts));
        ack.order_id
    }

    fn order(&self, id: &str) -> OrderState {
        self.desk.read(ME).order(id).expect("own order")
    }

    fn reason(&self, id: &str) -> (OrderStatus, Option<UpdateReason>) {
        let order = self.order(id);
        (order.status, order.last_update_reason)
    }

    fn position(&self) -> Qty {
        self.desk.account(ME).expect("opened").holding(T).position
    }
}

#[test]
fn a_crossing_order_fills_at_the_resting_price_and_rests_with_what_is_left() {
    let mut room = Room::new();
    let ack = room.create(wanted(BookSide::Bid, 50, 12)).expect("accepted");
    assert_eq!((ack.fill_count, ack.remaining_count), (Qty::contracts(10), Qty::contracts(2)));
    assert_eq!(ack.average_fill_price, Some(Money(450_000)), "better than the limit of 50");
    // 0.07 x 10 x 0.45 x 0.55, rounded up to 100 micro-dollars of balance change.
    assert_eq!(ack.average_fee_paid, Some(Money(17_330)));
    let account = room.desk.account(ME).expect("opened");
    assert_eq!(account.cash(), Money::dollars(100) - Money(4_500_000 + 173_300));
    assert_eq!(account.free(), account.cash() - Money(1_000_000 + 100), "two at 50, one unit");
    assert_eq!(room.position(), Qty::contracts(10));
    let kinds: Vec<_> = room.told.iter().map(|e| e.what.kind()).collect();
    assert_eq!(kinds, ["fill", "user_order", "market_position"]);
}

#[test]
fn an_ask_is_a_no_purchase_at_the_complement() {
    let mut room = Room::new();
    let ack = room.create(wanted(BookSide::Ask, 40, 4)).expect("accepted");
    assert_eq!(ack.average_fill_price, Some(Money(400_000)), "told on the YES scale");
    assert_eq!(room.position(), Qty::contracts(-4));
    assert_eq!(room.desk.account(ME).expect("opened").holding(T).basis, Money(2_400_000));
}

#[test]
fn fill_or_kill_leaves_no_trace_but_its_client_id() {
    let mut room = Room::new();
    let before = room.exchange.snapshot();
    let order = CreateOrder {
        time_in_force: TimeInForce::FillOrKill,
        client_order_id: Some("once".into()),
        ..wanted(BookSide::Bid, 45, 11)
    };
    assert_eq!(room.create(order.clone()), Err(OrderError::Killed));
    assert_eq!((room.exchange.snapshot(), room.told.len()), (before, 0));
    let smaller = CreateOrder { count: Qty::contracts(10), ..order.clone() };
    assert_eq!(room.create(smaller.clone()), Err(OrderError::ClientIdUsed));
    let again = CreateOrder { client_order_id: Some("twice".into()), ..smaller };
    assert_eq!(room.create(again).expect("whole").fill_count, Qty::contracts(10));
}

#[test]
fn immediate_or_cancel_never_rests() {
    let mut room = Room::new();
    let order = CreateOrder {
        time_in_force: TimeInForce::ImmediateOrCancel,
        ..wanted(BookSide::Bid, 45, 12)
    };
    let ack = room.create(order.clone()).expect("accepted");
    assert_eq!((ack.fill_count, ack.remaining_count), (Qty::contracts(10), Qty::ZERO));
    assert_eq!(room.reason(&ack.order_id), (OrderStatus::Canceled, Some(UpdateReason::Decrease)));
    let ack = room.create(order).expect("accepted, though nothing is left to take");
    assert_eq!((ack.fill_count, ack.average_fill_price), (Qty::ZERO, None));
    assert_eq!(room.desk.account(ME).expect("opened").kept(), Money::ZERO);
}

#[test]
fn post_only_is_refused_where_it_would_trade() {
    let mut room = Room::new();
    let order = CreateOrder { post_only: true, ..wanted(BookSide::Bid, 45, 1) };
    assert_eq!(room.create(order.clone()), Err(OrderError::PostOnlyCross));
    assert!(room.create(CreateOrder { price: cents(44), ..order }).is_ok());
}

#[test]
fn reduce_only_is_capped_by_the_position_and_needs_immediate_or_cancel() {
    let mut room = Room::new();
    let order = CreateOrder { reduce_only: true, ..wanted(BookSide::Ask, 40, 9) };
    assert!(matches!(room.create(order.clone()), Err(OrderError::Invalid(_))));
    let order = CreateOrder { time_in_force: TimeInForce::ImmediateOrCancel, ..order };
    let nothing = room.create(order.clone()).expect("accepted");
    assert_eq!(nothing.fill_count, Qty::ZERO);
    let why = (OrderStatus::Canceled, Some(UpdateReason::ReduceOnlyCancel));
    assert_eq!(room.reason(&nothing.order_id), why);
    room.create(wanted(BookSide::Bid, 45, 3)).expect("accepted");
    let ack = room.create(order).expect("accepted");
    assert_eq!((ack.fill_count, room.position()), (Qty::contracts(3), Qty::ZERO));
    assert_eq!(room.reason(&ack.order_id), why);
}

#[test]
fn own_orders_do_not_trade_with_each_other() {
    for (rule, taker, maker) in [
        (SelfTradePrevention::TakerAtCross, OrderStatus::Canceled, OrderStatus::Resting),
        (SelfTradePrevention::Maker, OrderStatus::Resting, OrderStatus::Canceled),
    ] {
        let mut room = Room::new();
        let resting = room.rest(BookSide::Ask, 44, 5);
        let order =
            CreateOrder { self_trade_prevention_type: rule, ..wanted(BookSide::Bid, 44, 5) };
        let ack = room.create(order).expect("accepted");
        assert_eq!(ack.fill_count, Qty::ZERO);
        assert_eq!((room.order(&ack.order_id).status, room.order(&resting).status), (taker, maker));
        let gone = if taker == OrderStatus::Canceled { &ack.order_id } else { &resting };
        assert_eq!(room.reason(gone).1, Some(UpdateReason::SelfTradeCancel));
    }
}

#[test]
fn an_amendment_keeps_its_place_only_when_it_asks_for_less() {
    let mut room = Room::new();
    let id = room.rest(BookSide::Bid, 40, 5);
    room.crowd(Side::Yes, 40, 7);
    let place = |room: &Room| {
        let (_, _, place) = room.desk.read(ME).places().next().expect("rests");
        room.exchange.ahead(place).expect("rests")
    };
    let amend = |room: &mut Room, price: i64, contracts: i64, expiration_time| {
        let change = AmendOrder {
            ticker: T.into(),
            side: BookSide::Bid,
            price: cents(price),
            count: Qty::contracts(contracts),
            client_order_id: None,
            updated_client_order_id: None,
            expiration_time,
        };
        room.at(|desk, market, facts| desk.amend(market, ME, &id, change, facts))
    };
    assert_eq!(place(&room), Qty::contracts(10));
    amend(&mut room, 40, 5, Some(2_000)).expect("only its expiry");
    amend(&mut room, 40, 4, None).expect("smaller");
    assert_eq!(place(&room), Qty::contracts(10));
    assert_eq!(room.order(&id).expiration_time.as_deref(), Some("1970-01-01T00:33:20Z"));
    amend(&mut room, 40, 6, None).expect("larger");
    assert_eq!(place(&room), Qty::contracts(17));
    amend(&mut room, 39, 6, Some(0)).expect("another price");
    assert_eq!((place(&room), room.order(&id).expiration_time), (Qty::contracts(17), None));
    let ack = amend(&mut room, 45, 12, None).expect("crosses");
    assert_eq!((ack.fill_count, ack.remaining_count), (Qty::contracts(10), Qty::contracts(2)));
    assert!(matches!(amend(&mut room, 45, 10, None), Err(OrderError::Invalid(_))), "all filled");
    assert_eq!(ack.order_id, id, "its name is for life");
}

#[test]
fn decrease_and_cancel_tell_what_they_took_off() {
    let mut room = Room::new();
    let id = room.rest(BookSide::Bid, 39, 9);
    let decrease = |room: &mut Room, by: Option<i64>, to: Option<i64>| {
        let change =
            DecreaseOrder { reduce_by: by.map(Qty::contracts), reduce_to: to.map(Qty::contracts) };
        room.at(|desk, market, facts| desk.decrease(market, ME, &id, change, facts))
    };
    assert!(
        decrease(&mut room, None, None).is_err() && decrease(&mut room, Some(1), Some(1)).is_err()
    );
    assert_eq!(decrease(&mut room, Some(2), None).expect("ok").remaining_count, Qty::contracts(7));
    assert_eq!(decrease(&mut room, None, Some(4)).expect("ok").remaining_count, Qty::contracts(4));
    assert!(decrease(&mut room, None, Some(5)).is_err(), "that would be an increase");
    let stranger = room.at(|desk, market, facts| desk.cancel(market, OTHER, &id, facts));
    assert_eq!(stranger, Err(OrderError::NotFound));
    let ack = room.at(|desk, market, facts| desk.cancel(market, ME, &id, facts)).expect("ok");
    assert_eq!(ack.reduced_by, Qty::contracts(4));
    let gone = room.at(|desk, market, facts| desk.cancel(market, ME, &id, facts));
    assert_eq!(gone, Err(OrderError::NotFound));
    assert_eq!(room.desk.account(ME).expect("opened").free(), Money::dollars(100));
}

#[test]
fn money_that_is_not_there_is_not_spent() {
    let mut room = Room::new();
    // 100 dollars pay for 249 at 40 and their rounding unit, not for 250.
    let error = room.create(wanted(BookSide::Bid, 40, 250)).expect_err("too expensive");
    assert_eq!(error, OrderError::InsufficientBalance(Money(100)));
    room.rest(BookSide::Bid, 40, 249);
    assert!(matches!(
        room.create(wanted(BookSide::Bid, 40, 1)),
        Err(OrderError::InsufficientBalance(_))
    ));
    // An ask is paid for apart: whichever side fills, the money is there.
    assert!(room.create(wanted(BookSide::Ask, 50, 1)).is_err());
}

#[test]
fn what_only_closes_a_position_needs_no_money() {
    let mut room = Room::new();
    room.crowd(Side::No, 50, 1_000);
    room.create(wanted(BookSide::Bid, 50, 194)).expect("nearly all the cash");
    room.rest(BookSide::Ask, 99, 194);
    assert!(room.create(wanted(BookSide::Ask, 99, 200)).is_err(), "what opens is paid for");
}

#[test]
fn orders_end_by_expiry_pause_and_close() {
    let mut room = Room::new();
    let expiring = CreateOrder { expiration_time: Some(2_000), ..wanted(BookSide::Bid, 30, 1) };
    let expiring = room.create(expiring).expect("accepted").order_id;
    let pausing = CreateOrder { cancel_order_on_pause: true, ..wanted(BookSide::Bid, 31, 1) };
    let pausing = room.create(pausing).expect("accepted").order_id;
    let staying = room.rest(BookSide::Bid, 32, 1);
    room.now_ms = 1_999_999;
    room.at(|desk, market, facts| desk.expire(market, facts));
    assert_eq!(room.order(&expiring).status, OrderStatus::Resting);
    room.now_ms = 2_000_000;
    room.at(|desk, market, facts| desk.expire(market, facts));
    room.state = Trading::Paused;
    room.at(|desk, market, facts| desk.pause(market, facts));
    assert_eq!(room.create(wanted(BookSide::Bid, 30, 1)), Err(OrderError::Paused));
    room.state = Trading::Closed;
    room.at(|desk, market, facts| desk.close(market, UpdateReason::CloseCancel, facts));
    assert_eq!(room.create(wanted(BookSide::Bid, 30, 1)), Err(OrderError::MarketClosed));
    for (id, reason) in [
        (&expiring, UpdateReason::ExpiryCancel),
        (&pausing, UpdateReason::HaltCancel),
        (&staying, UpdateReason::CloseCancel),
    ] {
        assert_eq!(room.reason(id), (OrderStatus::Canceled, Some(reason)));
    }
    assert!(!room.desk.concerns(T));
}

#[test]
fn a_settled_position_is_paid_out_to_whoever_was_right() {
    let mut room = Room::new();
    room.create(wanted(BookSide::Bid, 45, 10)).expect("accepted");
    room.desk.settle(T, Price::ONE, 5_000_000);
    let account = room.desk.account(ME).expect("opened");
    assert_eq!(account.cash(), Money::dollars(110) - Money(4_500_000 + 173_300));
    let rows = room.desk.read(ME).settlements(&OrderFilter::default());
    assert_eq!(
        (rows[0].market_result.as_str(), rows[0].revenue, rows[0].value),
        ("yes", 1_000, 100)
    );
    assert_eq!(rows[0].yes_count_fp, Qty::contracts(10));
}
