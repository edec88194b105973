//! A recorded session traded again.
//!
//! The records are in the log; what else happened to the actor, a new model or a stop, stands between two of
//! them in `turns.jsonl`.

use super::deed::{ActorReport, Outcome};
use super::run::{Acting, Actor, ActorSpec};
use crate::event::MarketId;
use crate::store::{Filter, Log, StoreError};
use crate::trade::risk::Trip;
use serde::{Deserialize, Serialize};

/// What happened to an actor after a record and before the next one.
pub enum Turn {
    /// Another policy acts.
    Swap(Acting),
    /// Trading is stopped.
    Trip(Trip),
}

impl Turn {
    /// Does it, and adds what it led to to `out`.
    pub fn take(self, actor: &mut Actor, out: &mut Outcome) {
        match self {
            Turn::Swap(acting) => actor.swap(acting),
            Turn::Trip(trip) => actor.trip(trip, out),
        }
    }

    /// How it is written down.
    pub fn told(&self) -> Told {
        match self {
            Turn::Swap(acting) => Told::Swap {
                policy: acting.policy.name().to_owned(),
                model_hash: acting.model_hash.clone(),
            },
            Turn::Trip(trip) => Told::Trip(trip.clone()),
        }
    }
}

/// One line of `turns.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnLine {
    /// The last record that the actor had taken.
    pub after_row_id: u64,
    /// What happened then.
    #[serde(flatten)]
    pub told: Told,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub enum Told {
    /// The session begins with the next record.
    Begin,
    /// [`Turn::Swap`]; the model is kept in `models/<hash>`.
    Swap {
        /// Its name.
        policy: String,
        /// SHA-256 of its weights.
        model_hash: String,
    },
    /// [`Turn::Trip`].
    Trip(Trip),
    /// No record came after this one.
    End,
}

/// Trades the rows of `log` behind `after` up to `last` as they were traded live: the same records in the same
/// order, through the same actor, with the same `turns` between them, each after its record, in their order.
/// With the same policy, rules and seed every decision and every fill is the one that was made.
///
/// # Errors
/// When a part of the log is damaged.
pub fn play_back(
    log: &Log,
    (after, last): (u64, u64),
    spec: ActorSpec,
    acting: Acting,
    turns: impl IntoIterator<Item = (u64, Turn)>,
) -> Result<(Outcome, ActorReport), StoreError> {
    let (mut actor, mut out) = (Actor::new(spec, acting), Outcome::default());
    let tickers = log.tickers();
    for market in (0..tickers.len() as u32).map(MarketId) {
        actor.meet(&(market, tickers.name(market).into(), tickers.uuid(market)));
    }
    let mut turns = turns.into_iter().peekable();
    let filter = Filter { row_id_from: Some(after + 1), ..Filter::default() };
    for record in log.read(filter)? {
        let event = record?.event;
        if event.row_id > last {
            break;
        }
        while let Some((_, turn)) = turns.next_if(|(after, _)| *after < event.row_id) {
            turn.take(&mut actor, &mut out);
        }
        actor.push(&event, &mut out);
    }
    turns.for_each(|(_, turn)| turn.take(&mut actor, &mut out));
    Ok((out, actor.report()))
}
