//! What an actor says: decisions, fills, ends, and the sum of it all.

use crate::broker::matching::{Fill, OrderId};
use crate::env::account::Request;
use crate::event::MarketId;
use serde::{Deserialize, Serialize};

/// Why an action was carried out, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The policy chose it.
    Policy,
    /// The policy chose it, and the desk was asked for it; `verdicts.jsonl` tells what the desk refused.
    Asked,
    /// The policy chose it, and a limit forbids it.
    Refused,
    /// Nobody chose it: the position is given up before the close.
    Exit,
    /// Nobody chose it: what rests is taken back, because the market is not traded any more or trading was stopped.
    Withdrawn,
    /// The actor was told to act no more.
    Halted,
    /// The policy chose what the mask forbids.
    Masked,
}

impl Reason {
    /// True where what the policy chose was not carried out.
    pub const fn holds_back(self) -> bool {
        matches!(self, Reason::Refused | Reason::Halted | Reason::Masked)
    }
}

/// One decision of a traded market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    /// The last record that the decision has seen.
    pub row_id: u64,
    /// The record that made it due.
    pub due_row_id: u64,
    /// The market.
    pub ticker: String,
    /// Its number in the records of this session; another session may count otherwise.
    #[serde(skip)]
    pub market: MarketId,
    /// Exchange time, milliseconds.
    pub ts_ms: i64,
    /// What was chosen.
    pub action: u32,
    /// Its name.
    pub action_name: String,
    /// What became of it.
    pub reason: Reason,
    /// The limit that forbids it; empty where none does.
    pub limit: String,
    /// True if contracts were asked for.
    pub ordered: bool,
    /// What was sent to the exchange, cancels included.
    pub requests: Vec<Request>,
    /// Name of the policy.
    pub policy: String,
    /// SHA-256 of its weights; empty for a scripted one.
    pub model_hash: String,
    /// SHA-256 of the observation's bits.
    pub obs_hash: String,
    /// Growth of equity since the decision before: the reward of the action before, when no shaping is on.
    pub reward_e6: i64,
    /// Position afterwards: +YES, -NO, 1e-2 contracts.
    pub position_e2: i64,
    /// Cash afterwards.
    pub cash_e6: i64,
    /// Equity at the decision.
    pub equity_e6: i64,
    /// Equity less what the account began with and what came from elsewhere.
    pub profit_e6: i64,
    /// What the policy saw; the layout is that of the rules.
    pub obs: Vec<f32>,
    /// What it could choose among.
    pub mask: Vec<bool>,
    /// How probable the policy held the action among the allowed ones, 0..=1; `None` for a scripted one.
    pub confidence: Option<f32>,
}

/// What became of an order that the desk was asked for, where it was not sent or not taken: one line of
/// `verdicts.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// [`Deed::row_id`] of the decision.
    pub row_id: u64,
    /// Its market.
    pub ticker: String,
    /// The order, as the deed's requests name it.
    pub order: OrderId,
    /// True where the desk kept it back: the action was not carried out. False where the exchange rejected it.
    pub refused: bool,
    /// The limit, or what the exchange said.
    pub why: String,
}

/// Contracts of an order of the actor traded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    /// The market.
    pub ticker: String,
    /// The record by which it became known.
    pub row_id: u64,
    /// What was told of it, by queue.
    pub fill: Fill,
}

/// What a record led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Decisions.
    pub deeds: Vec<Deed>,
    /// Fills.
    pub fills: Vec<Filled>,
    /// Markets that paid out.
    pub ends: Vec<Ended>,
    /// Orders that the desk or the exchange did not take.
    pub verdicts: Vec<Verdict>,
}

impl Outcome {
    /// Nothing again, keeping the memory.
    pub fn clear(&mut self) {
        self.deeds.clear();
        self.fills.clear();
        self.ends.clear();
        self.verdicts.clear();
    }
}

/// A market in which there were decisions paid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The market.
    pub ticker: String,
    /// Equity of its account afterwards, less what it began with and what came from elsewhere.
    pub profit_e6: i64,
}

/// What came of it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorReport {
    /// Markets that were traded in: there is a row of them, or the exchange holds or traded contracts for us. The
    /// sums below are of their accounts.
    pub markets: u64,
    /// Decisions of traded markets.
    pub decisions: u64,
    /// Orders placed, without those that the desk kept back.
    pub orders: u64,
    /// Decisions of the policy that a limit or a halt kept back.
    pub held_back: u64,
    /// Those of them that settled.
    pub settled: u64,
    /// Markets with a position now.
    pub open_positions: u64,
    /// Markets in which an order may still fill.
    pub open_orders: u64,
    /// Orders that filled, at least in part.
    pub fills: u64,
    /// Contracts that rested until somebody took them, 1e-2.
    pub maker_e2: i64,
    /// Contracts that we took, 1e-2.
    pub taker_e2: i64,
    /// Contracts of orders that rested over a gap, 1e-2: nobody knows their place in the queue.
    pub uncertain_e2: i64,
    /// Cash and positions over all accounts, marked at the touch.
    pub equity_e6: i64,
    /// Profit over all accounts: equity less start cash.
    pub profit_e6: i64,
    /// Profit, had the fills been those of the pessimistic, fitted and optimistic queue.
    pub bracket_e6: [i64; 3],
    /// Profit, had no order filled that rested over a gap.
    pub certain_e6: i64,
    /// Fees paid.
    pub fees_e6: i64,
}
