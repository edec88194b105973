//! A recorded session traded again.

use super::deed::{ActorReport, Outcome};
use super::run::{Acting, Actor, ActorSpec};
use crate::event::SessionId;
use crate::store::{Filter, Log, StoreError};

/// Trades the session `id` of `log` as it was traded live: the same records in the same order, through the same
/// actor. With the same policy, rules and seed every decision and every fill is the one that was made.
///
/// # Errors
/// When a part of the log is damaged.
pub fn play_back(
    log: &Log,
    id: SessionId,
    spec: ActorSpec,
    acting: Acting,
) -> Result<(Outcome, ActorReport), StoreError> {
    let (mut actor, mut out) = (Actor::new(spec, acting), Outcome::default());
    let tickers = log.tickers();
    for market in 0..tickers.len() as u32 {
        let market = crate::event::MarketId(market);
        actor.meet(&(market, tickers.name(market).into(), tickers.uuid(market)));
    }
    let filter = Filter { sessions: Some(vec![id]), ..Filter::default() };
    for record in log.read(filter)? {
        actor.push(&record?.event, &mut out);
    }
    Ok((out, actor.report()))
}
