//! Environments: what a policy is trained and judged in.
//!
//! ```text
//! Episode ─► Seat (one account at one tape) ─► TradingEnv (many, for training)
//!             │                            └► run_episode (one, for evaluation)
//!             └ Account: orders, latency, queues (crate::broker::Matcher), ledger, mask
//! ```
//!
//! **Invariant:** no IO, no clock, no threads. All chance comes from the seed given to `reset`.
//! **Invariant:** training and evaluation step the same [`seat::Seat`].

pub mod account;
pub mod action;
pub mod assumed;
pub mod domain;
pub mod markout;
pub mod reward;
pub mod run;
pub mod seat;
pub mod toy;
pub mod trading;

pub use account::Account;
pub use action::ActionSet;
pub use assumed::AssumedFees;
pub use domain::Domain;
pub use markout::{Markout, Markouts};
pub use reward::Reward;
pub use run::{EpisodeReport, Policy, run_episode};
pub use seat::Seat;
pub use trading::TradingEnv;

use crate::broker::matching::{Bound, Rules as Matching};
use crate::broker::{
    Exponent, FeeSchedule, Latency, MarketFees, QueueModel, Rates, Refused, series_of,
};
use crate::features::Layout;
use crate::units::{Money, Qty, TsNs, TsUs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rules of the game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvConfig {
    /// Cash at the start of each episode.
    pub start_cash: Money,
    /// Largest position on either side.
    pub limit: Qty,
    /// What the agent can do.
    pub actions: ActionSet,
    /// What a fill costs.
    pub fees: FeeSchedule,
    /// Multiplier and maker fees by series, where the exchange told them; elsewhere those of `fees` are assumed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: Rates,
    /// How orders travel and queue.
    pub execution: Execution,
    /// Exponents of the fitted queue by series, where they were calibrated; elsewhere `execution` names the model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exponents: BTreeMap<String, Exponent>,
    /// What training draws anew for each episode; evaluation and trading do not.
    pub randomise: Vec<Domain>,
    /// What the agent sees.
    pub layout: Layout,
    /// What a step is worth.
    pub reward: Reward,
}

/// How orders travel to the exchange and wait there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// How long requests take.
    pub latency: Latency,
    /// The model of the fitted queue.
    pub fitted: QueueModel,
    /// The queue whose fills count; the other two are reported beside it.
    pub counts: Bound,
}

impl Execution {
    /// Orders that the exchange has as soon as we know what we want: for tests and upper bounds.
    pub fn instant() -> Execution {
        Execution { latency: Latency::NONE, ..Execution::default() }
    }
}

impl Default for Execution {
    /// What does not flatter: real delays, and the pessimistic queue.
    fn default() -> Execution {
        let Matching { latency, fitted, counts, .. } = Matching::default();
        Execution { latency, fitted, counts }
    }
}

impl Default for EnvConfig {
    fn default() -> EnvConfig {
        EnvConfig {
            start_cash: Money::dollars(100),
            limit: Qty::contracts(100),
            actions: ActionSet::default(),
            fees: FeeSchedule::default(),
            rates: Rates::new(),
            execution: Execution::default(),
            exponents: BTreeMap::new(),
            randomise: Vec::new(),
            layout: Layout::default(),
            reward: Reward::default(),
        }
    }
}

impl EnvConfig {
    /// How the market `ticker`, which closes at `close`, matches.
    pub fn matching(&self, ticker: &str, close: Option<TsUs>) -> Matching {
        let Execution { latency, fitted, counts } = self.execution;
        let calibrated = self.exponents.get(series_of(ticker));
        let fitted = calibrated.map_or(fitted, |exponent| QueueModel::Power(*exponent));
        let close = close.map(|close| TsNs(close.0.saturating_mul(1_000)));
        let fees = self.fees.in_market(ticker, &self.rates);
        Matching { fitted, counts, latency, fees, close }
    }

    /// What fills cost in each market.
    pub fn market_fees(&self) -> MarketFees {
        MarketFees { base: self.fees, rates: self.rates.clone() }
    }

    /// Whether one can play by these rules.
    ///
    /// # Errors
    /// Every setting that does not fit, in one sentence.
    pub fn validate(&self) -> Result<(), EnvError> {
        let sizes = &self.actions.sizes;
        let fees = &self.fees;
        let faults: Vec<&str> = [
            (self.start_cash <= Money::ZERO, "start cash must be positive"),
            (self.limit <= Qty::ZERO, "the position limit must be positive"),
            (sizes.is_empty(), "at least one size is needed"),
            (sizes.iter().any(|s| *s <= Qty::ZERO), "sizes must be positive"),
            (sizes.iter().any(|s| *s > self.limit), "a size is above the position limit"),
            (sizes.windows(2).any(|w| w[0] >= w[1]), "sizes must ascend"),
            (
                self.actions
                    .quotes
                    .iter()
                    .enumerate()
                    .any(|(i, q)| self.actions.quotes[..i].contains(q)),
                "a placement of quotes is named twice",
            ),
            (fees.precision_e6 <= 0 || fees.ceil_e6 <= 0, "fee rounding units must be positive"),
            (fees.taker_k_e4.min(fees.maker_k_e4).min(fees.mult_e4) < 0, "a fee rate is negative"),
        ]
        .into_iter()
        .filter_map(|(wrong, text)| wrong.then_some(text))
        .collect();
        if faults.is_empty() { Ok(()) } else { Err(EnvError::Config(faults.join("; "))) }
    }
}

/// Why an environment cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// The rules contradict themselves.
    #[error("environment: {0}")]
    Config(String),
    /// Nothing to trade.
    #[error("no episode to trade: nothing is left to learn from once markets are held out")]
    NoEpisode,
    /// An episode that cannot be stepped through.
    #[error("episode {index} ({ticker}): {why}")]
    Episode {
        /// Which.
        index: usize,
        /// Its market.
        ticker: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Why an action is not allowed; what the mask says, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A side of the book is empty.
    #[error("the book has only one side")]
    OneSided,
    /// We have taken all that is displayed.
    #[error("nothing is left to trade against")]
    NoDepth,
    /// A request is under way: what comes of it is not known yet.
    #[error("a request is under way")]
    Waiting,
    /// Taking would meet our own quote.
    #[error("an own quote is in the way")]
    OwnQuote,
    /// Nothing rests that could be taken back.
    #[error("nothing rests")]
    NoQuote,
    /// Bid and ask leave no price for a quote.
    #[error("there is no price to quote at")]
    NoRoom,
    /// That quote rests already.
    #[error("that quote rests already")]
    SameQuote,
    /// The position would exceed the limit.
    #[error("the position, with all that rests, would exceed its limit")]
    Limit,
    /// The cash does not pay for it, with all that rests.
    #[error(transparent)]
    Cash(#[from] Refused),
    /// No action has this number.
    #[error("{0} is no action")]
    Unknown(u32),
    /// The episode has ended.
    #[error("the episode is over")]
    Over,
}

/// Environments stepped in lockstep. Buffers belong to the caller and are reused: a step allocates nothing.
///
/// An episode that ends is followed at once by the next one (as in Gymnasium's vector environments
/// with same-step autoreset): `obs` and `mask` then describe the *new* episode's first state and
/// `final_obs` the last state of the ended one, which a truncated episode bootstraps from.
pub trait VecEnv {
    /// Number of environments.
    fn n_envs(&self) -> usize;
    /// Values per observation.
    fn obs_len(&self) -> usize;
    /// Number of discrete actions.
    fn n_actions(&self) -> usize;
    /// Starts fresh episodes everywhere; fills `out.obs` and `out.mask`.
    fn reset(&mut self, seed: u64, out: &mut StepBuf);
    /// Performs `actions[env]` everywhere. An action that the mask forbids is a caller's bug and panics.
    fn step(&mut self, actions: &[u32], out: &mut StepBuf);
    /// The complete state as JSON, so that a resumed run continues bit for bit.
    fn save(&self) -> serde_json::Value;
    /// Spread of the book that environment `env` sees now; nothing where a side is empty, or there is no book.
    fn spread_e4(&self, _env: usize) -> Option<i64> {
        None
    }
    /// Says that the share `_done` of the training, 0..=1, is behind us: what a curriculum goes by. The same
    /// share gives the same episodes.
    fn set_progress(&mut self, _done: f64) {}
    /// Restores what [`VecEnv::save`] gave; fills `out.obs` and `out.mask`.
    ///
    /// # Errors
    /// A sentence that names what does not fit.
    fn load(&mut self, state: &serde_json::Value, out: &mut StepBuf) -> Result<(), String>;
}

/// What a step gives back, for all environments.
#[derive(Clone, Debug, Default)]
pub struct StepBuf {
    /// `[n_envs, obs_len]`.
    pub obs: Vec<f32>,
    /// `[n_envs, n_actions]`: true where the action is allowed.
    pub mask: Vec<bool>,
    /// `[n_envs]`: reward in dollars.
    pub reward: Vec<f32>,
    /// `[n_envs]`: the episode ended by its own rules; nothing follows.
    pub terminated: Vec<bool>,
    /// `[n_envs]`: the episode was cut; the value of `final_obs` follows.
    pub truncated: Vec<bool>,
    /// `[n_envs, obs_len]`: last observation of the episodes that ended in this step.
    pub final_obs: Vec<f32>,
    /// `[n_envs]`: summary of the episodes that ended in this step; length 0 elsewhere.
    pub ended: Vec<EpisodeEnd>,
}

/// Return and length of an ended episode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpisodeEnd {
    /// Sum of rewards, in f64.
    pub ret: f64,
    /// Steps; 0 means that no episode ended.
    pub len: u32,
}

impl StepBuf {
    /// Buffers of the right sizes for `env`.
    pub fn for_env(env: &dyn VecEnv) -> StepBuf {
        let (n, o, a) = (env.n_envs(), env.obs_len(), env.n_actions());
        StepBuf {
            obs: vec![0.0; n * o],
            mask: vec![true; n * a],
            reward: vec![0.0; n],
            terminated: vec![false; n],
            truncated: vec![false; n],
            final_obs: vec![0.0; n * o],
            ended: vec![EpisodeEnd::default(); n],
        }
    }
}
