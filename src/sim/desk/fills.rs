//! Booking what the matching engine did: contracts, cash and fees of both sides, and who is told.

use super::{Desk, MarketRef, OrderIndex, PrivateEvent, own_price};
use crate::broker::{Intent, Role, Verb};
use crate::sim::exchange::{AccountId, Fact, OrderId, trade_id};
use crate::units::{Money, Price, Qty, Side, TsUs};
use crate::wire::convert::{time_text, uuid_text};
use crate::wire::frame::Fill;
use crate::wire::orders::BookSide;
use crate::wire::portfolio::{FillRow, OrderStatus, UpdateReason};
use crate::wire::private::{PositionFrame, Private};
use serde_json::{Map, json};

/// One fill from the side of one order.
#[derive(Clone, Copy, Debug)]
struct Execution {
    trade: [u8; 16],
    role: Role,
    side: Side,
    yes_price: Price,
    qty: Qty,
}

impl Desk {
    /// Books the fills in `facts[from..]`; appends what a lack of margin makes it cancel.
    pub(super) fn book(&mut self, market: &mut MarketRef<'_>, facts: &mut Vec<Fact>, from: usize) {
        let mut touched = Vec::new();
        for fact in &facts[from..] {
            let Fact::Fill { maker, taker, side, yes_price, qty } = *fact else { continue };
            let sides = [(maker, Role::Maker, side.other()), (taker, Role::Taker, side)];
            let orders = sides.map(|(place, ..)| self.at(market.ticker, place));
            if orders == [None, None] {
                continue;
            }
            let trade = trade_id(market.ticker, maker, taker);
            for (index, (_, role, side)) in orders.into_iter().zip(sides) {
                let execution = Execution { trade, role, side, yes_price, qty };
                match index {
                    Some(index) => {
                        self.execute(market, index, execution);
                        touched.push(index);
                    }
                    None => {
                        let house = &mut self.house;
                        house.fill(market.ticker, side, yes_price, qty, Money::ZERO, market.now_ms);
                    }
                }
            }
        }
        for index in touched {
            self.keep_collateral(market, self.orders[index].account);
            self.cancel_without_margin(market, index, facts);
        }
    }

    /// Whose resting (or just now incoming) order stands at a place.
    pub(super) fn at(&self, ticker: &str, place: OrderId) -> Option<OrderIndex> {
        self.resting.get(ticker)?.get(&place).copied()
    }

    fn execute(&mut self, market: &MarketRef<'_>, index: OrderIndex, execution: Execution) {
        let Execution { role, side, yes_price, qty, .. } = execution;
        let order = &mut self.orders[index];
        let price = own_price(side, yes_price);
        let intent = Intent { side, verb: Verb::Buy };
        let fee = order.fees.fill(&market.fees, role, intent, price, qty).net;
        let (cost, fees) = match role {
            Role::Taker => (&mut order.taker_cost, &mut order.taker_fees),
            Role::Maker => (&mut order.maker_cost, &mut order.maker_fees),
        };
        *cost += price.times(qty);
        *fees += fee;
        order.filled += qty;
        order.left -= qty;
        order.updated_ms = market.now_ms;
        order.reason = Some(UpdateReason::Trade);
        let (account, done) = (order.account, order.left == Qty::ZERO);
        if done {
            order.status = OrderStatus::Executed;
            self.leave_book(market.ticker, index);
        }
        let ledger = &mut self.accounts[account.0 as usize];
        ledger.fill(market.ticker, side, yes_price, qty, fee, market.now_ms);
        self.tell_fill(market, index, execution, fee);
        self.tell_order(index);
        self.tell_position(market.ticker, account);
    }

    /// Rounding of many small fills can eat the unit that was kept for it: the order is then cancelled
    /// (`MarginCancel`), which frees at least as much.
    fn cancel_without_margin(
        &mut self,
        market: &mut MarketRef<'_>,
        index: OrderIndex,
        facts: &mut Vec<Fact>,
    ) {
        let order = &self.orders[index];
        let short = self.accounts[order.account.0 as usize].free() < Money::ZERO;
        if let (true, Some(place)) = (short && order.left > Qty::ZERO, order.place) {
            market.exchange.cancel(place, facts);
            self.end(market, index, UpdateReason::MarginCancel);
        }
    }

    fn tell_fill(
        &mut self,
        market: &MarketRef<'_>,
        index: OrderIndex,
        execution: Execution,
        fee: Money,
    ) {
        let Execution { trade, role, side, yes_price, qty } = execution;
        let order = &self.orders[index];
        let (account, book_side) = (order.account, BookSide::buying(side));
        let (trade_id, is_taker) = (uuid_text(trade), role == Role::Taker);
        let ts = market.now_ms.div_euclid(1_000);
        // The deprecated words describe every fill as a purchase of what was bought.
        let mut extra = Map::new();
        extra.extend([
            ("side".into(), json!(side.word())),
            ("action".into(), json!("buy")),
            ("purchased_side".into(), json!(side.word())),
            ("exchange_index".into(), json!(0)),
            ("ts".into(), json!(ts)),
            ("subaccount".into(), json!(order.subaccount)),
        ]);
        extra.extend(order.client_order_id.iter().map(|id| ("client_order_id".into(), json!(id))));
        let fill = Fill {
            trade_id: trade_id.clone(),
            order_id: order.order_id.clone(),
            market_ticker: market.ticker.to_owned(),
            is_taker,
            yes_price_dollars: yes_price,
            count_fp: qty,
            fee_cost: Some(fee),
            ts_ms: Some(market.now_ms),
            post_position_fp: self.accounts[account.0 as usize].holding(market.ticker).position,
            outcome_side: Some(side),
            book_side: Some(book_side.word().to_owned()),
            extra,
        };
        let row = FillRow {
            trade_id,
            order_id: order.order_id.clone(),
            ticker: market.ticker.to_owned(),
            is_taker,
            outcome_side: side,
            book_side,
            yes_price_dollars: yes_price,
            no_price_dollars: yes_price.complement(),
            count_fp: qty,
            fee_cost: fee,
            created_time: time_text(TsUs::from_ms(market.now_ms)),
            ts,
        };
        self.fills.push((account, row));
        self.outbox.push(PrivateEvent { account, what: Private::Fill(Box::new(fill)) });
    }

    pub(super) fn tell_position(&mut self, ticker: &str, id: AccountId) {
        let account = &self.accounts[id.0 as usize];
        let holding = account.holding(ticker);
        let frame = PositionFrame {
            user_id: account.user_id.clone(),
            market_ticker: ticker.to_owned(),
            position_fp: holding.position,
            position_cost_dollars: holding.basis,
            realized_pnl_dollars: holding.realized,
            fees_paid_dollars: holding.fees,
            position_fee_cost_dollars: holding.fee_basis,
            volume_fp: holding.volume,
        };
        self.outbox.push(PrivateEvent { account: id, what: Private::Position(Box::new(frame)) });
    }
}
