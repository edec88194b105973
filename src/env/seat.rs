//! A seat at one market's tape: an [`Account`] that trades an episode, for training, for evaluation and for
//! the checks.
//!
//! At decision `i` the agent sees the book of `i` and sends its order when it was known that `i` had come.
//! Everything recorded until decision `i + 1` then happens, to the book and to the orders, and its position
//! is marked at the book of `i + 1`. The last decision is only seen: there the episode ends, paid out
//! at the recorded outcome where the tape holds it, else cut and marked at the touch.
//!
//! **Invariant:** observation, mask and order at `i` depend on nothing recorded after `i`.
//! **Invariant:** a step allocates nothing, but for the first orders of an account.

use super::account::{Account, Exact, Rules};
use super::{EnvConfig, Refusal};
use crate::broker::matching::Rules as Matching;
use crate::features::episode::{Episode, TapeKind};
use crate::rng::Rng;
use crate::units::Money;
use serde::{Deserialize, Serialize};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its reward, exact.
    pub reward: Money,
    /// How the episode ended, if it did.
    pub end: Option<End>,
}

/// How an episode ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The market settled and paid: nothing follows.
    Settled,
    /// The tape ends before the outcome: the position is marked at the touch.
    Cut,
}

/// One agent at one episode. The episode and the configuration are handed in with each call and must
/// be the ones that it began with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Seat<R: Rules = Exact> {
    at: usize,
    account: Account<R>,
}

impl<R: Rules> Seat<R> {
    /// A flat account before the first decision, by the rules of `config`; `rng` draws how long orders take.
    pub fn new(episode: &Episode, config: &EnvConfig, rng: Rng) -> Seat<R> {
        let matching = config.matching(&episode.ticker, episode.close);
        let mut seat = Seat { at: 0, account: Account::new(config, matching, rng) };
        seat.sit_down(episode);
        seat
    }

    /// Back to a flat account before the first decision of another episode, under other rules of matching,
    /// reusing the memory.
    pub fn restart(&mut self, episode: &Episode, config: &EnvConfig, matching: Matching, rng: Rng) {
        self.at = 0;
        self.account.restart(config, matching, rng);
        self.sit_down(episode);
    }

    fn sit_down(&mut self, episode: &Episode) {
        self.account.set_ticks(&episode.ticks);
        self.happen(episode, 0);
        self.account.forget();
    }

    /// After loading: the book as it was.
    pub fn rebuild(&mut self, episode: &Episode) {
        let seen = episode.decisions.get(self.at).map_or(0, |d| d.next_event as usize);
        for event in &episode.events[..seen] {
            let book = match event.kind {
                TapeKind::Snapshot(number) => episode.books.get(number as usize),
                _ => None,
            };
            self.account.rebuild(event, book);
        }
    }

    /// Index of the decision that is seen now.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The account.
    pub fn account(&self) -> &Account<R> {
        &self.account
    }

    /// Writes the observation: market part, then account part.
    pub fn observe(&self, episode: &Episode, config: &EnvConfig, obs: &mut [f32]) {
        self.account.observe(&episode.decisions[self.at], episode.row(self.at), config, obs);
    }

    /// Writes which actions are allowed.
    pub fn mask(&self, episode: &Episode, config: &EnvConfig, mask: &mut [bool]) {
        self.account.mask(&episode.decisions[self.at], config, mask);
    }

    /// Performs an action at the current decision and moves to the next one.
    ///
    /// # Errors
    /// [`Refusal`] when the mask forbids the action or the episode is over; nothing changed.
    pub fn step(
        &mut self,
        episode: &Episode,
        config: &EnvConfig,
        action: u32,
    ) -> Result<Step, Refusal> {
        if self.at + 1 >= episode.len() {
            return Err(Refusal::Over);
        }
        self.account.forget();
        let ordered = self.account.act(&episode.decisions[self.at], config, action)?;
        let end = self.advance(episode);
        let grown = self.account.mark(&episode.decisions[self.at]);
        Ok(Step { reward: config.reward.of(grown, ordered), end })
    }

    /// Moves to the next decision; at the last one the episode ends.
    fn advance(&mut self, episode: &Episode) -> Option<End> {
        let from = episode.decisions[self.at].next_event as usize;
        self.at += 1;
        self.happen(episode, from);
        if self.at + 1 < episode.len() {
            return None;
        }
        Some(match episode.settlement {
            Some(value) => {
                self.account.settle(value);
                End::Settled
            }
            None => {
                self.account.finish();
                End::Cut
            }
        })
    }

    /// Everything from event `from` on that the decision has seen.
    fn happen(&mut self, episode: &Episode, from: usize) {
        let to = episode.decisions[self.at].next_event as usize;
        for event in &episode.events[from..to] {
            let book = match event.kind {
                TapeKind::Snapshot(number) => episode.books.get(number as usize),
                _ => None,
            };
            self.account.see(event, book);
        }
    }
}
