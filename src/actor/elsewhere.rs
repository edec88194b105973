//! Orders of the actor at an exchange elsewhere: their numbers, and what the desk says of them.
//!
//! **Invariant:** a number names one order of one market for the whole session.

use crate::broker::matching::{Bracket, End, Fill, OrderId, Refusal, State, Update};
use crate::env::account::Request;
use crate::event::MarketId;
use crate::trade::blotter;
use crate::trade::desk::{OrderFill, Outcome, Placed};
use crate::units::{Qty, TsNs};

/// Bits of a number that name the order; the rest names the market.
const ORDER_BITS: u32 = 32;
/// No order of an account has this name.
const NOBODYS: OrderId = OrderId(0);

/// The desk's number of a market's order.
pub fn order_number(market: MarketId, id: OrderId) -> u64 {
    u64::from(market.0) << ORDER_BITS | id.0
}

/// The market and the order of a number.
pub fn order_of(number: u64) -> (MarketId, OrderId) {
    (MarketId((number >> ORDER_BITS) as u32), OrderId(number & ((1 << ORDER_BITS) - 1)))
}

/// What a request asks of the desk: an order, or the end of the order of this number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// An order is wanted.
    Place(Placed),
    /// An order is wanted no more.
    Cancel(u64),
}

impl Errand {
    /// The errand of a request that was decided on `row_id`; an account that trades elsewhere amends nothing.
    pub fn of(request: &Request, market: MarketId, ticker: &str, row_id: u64) -> Option<Errand> {
        match *request {
            Request::Submit { id, order } => Some(Errand::Place(Placed {
                number: order_number(market, id),
                row_id,
                ticker: ticker.to_owned(),
                intent: order.intent,
                price: order.price,
                qty: order.qty,
                time_in_force: order.time_in_force,
                post_only: order.post_only,
            })),
            Request::Cancel { id } => Some(Errand::Cancel(order_number(market, id))),
            Request::Amend { .. } => None,
        }
    }
}

/// What an outcome means for the account of a market.
pub(super) struct News {
    pub(super) market: MarketId,
    pub(super) fill: Option<Fill>,
    pub(super) update: Option<Update>,
}

impl News {
    /// The news in an outcome, known since `row`; `None` where it is about no order or position of ours.
    pub(super) fn of(
        outcome: &Outcome,
        row: u64,
        now: TsNs,
        market_of: impl Fn(&str) -> Option<MarketId>,
    ) -> Option<News> {
        let update = |number: u64, state: State| {
            let (market, order) = order_of(number);
            let update = Some(Update { order, at: now, row, state });
            News { market, fill: None, update }
        };
        match outcome {
            Outcome::Resting { number } => {
                let ahead = Bracket::all(Qty::ZERO);
                Some(update(*number, State::Resting { ahead }))
            }
            Outcome::Refused { number, .. } => {
                Some(update(*number, State::Refused(Refusal::NotActive)))
            }
            Outcome::Ended { number: Some(number), state, .. } => {
                let why = match state {
                    blotter::State::Filled => End::Filled,
                    blotter::State::Expired => End::Expired,
                    _ => End::Cancelled,
                };
                Some(update(*number, State::Ended { why, left: Qty::ZERO }))
            }
            Outcome::Filled(fill) => {
                // One of the desk's own, a forced exit: no order of the account, and a fill of its position.
                let own = || Some((market_of(&fill.ticker)?, NOBODYS));
                let (market, order) = fill.number.map(order_of).or_else(own)?;
                Some(News::filled((market, order), fill, row))
            }
            // The actor moves a quote by cancelling it, so no change is of its making.
            Outcome::Ended { number: None, .. }
            | Outcome::Changed { .. }
            | Outcome::Unchanged { .. }
            | Outcome::Ready
            | Outcome::Position { .. }
            | Outcome::Tripped(_) => None,
        }
    }

    fn filled((market, order): (MarketId, OrderId), told: &OrderFill, row: u64) -> News {
        let fill = Fill {
            order,
            intent: told.intent,
            price: told.price,
            role: told.role,
            // The exchange's own word: there is nothing to estimate.
            qty: Bracket::all(told.qty),
            fee: Bracket::all(told.fee),
            at: TsNs::from_ms(told.at_ms),
            exchange_row: row,
            known_row: row,
            uncertain: false,
        };
        News { market, fill: Some(fill), update: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_one_order_of_one_market() {
        for (market, id) in [(0, 1), (7, 1), (7, 4_000_000_000), (u32::MAX - 1, 3)] {
            let named = (MarketId(market), OrderId(id));
            assert_eq!(order_of(order_number(named.0, named.1)), named);
        }
    }
}
