//! Which markets a policy learns from and which it is judged on.
//!
//! Markets are divided by settlement, never by row and never inside an event. What was learned from is
//! kept apart from what is judged by an embargo: markets of the learning side that come too near are used
//! for nothing. There are several ways ([`Rule`]):
//!
//! | rule | models | held out |
//! |---|---|---|
//! | `auto` | 1, or 5 | the last fifth; below [`CHRONOLOGICAL_MIN`] held-out markets each of five blocks once |
//! | `time` | 1 | the last fifth, the fifth before it for choosing |
//! | `walk-forward:N` | N | each of the last N blocks, by a model of what was settled before it |
//! | `sessions` | 2 to 5 | every recorded session once |
//! | `markets` | 5 | every event once, in five groups drawn by lot |
//!
//! Where several models are trained, their held-out results are pooled.

mod divide;

use crate::features::episode::Episode;
use divide::Group;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Fewest held-out markets for which the chronological split is used.
pub const CHRONOLOGICAL_MIN: usize = 30;
/// Markets this close to a border are dropped from the side that is learned from.
pub const EMBARGO_MS: i64 = 15 * 60_000;
const BLOCKS: usize = 5;
/// Models of a walk forward unless told otherwise.
const WINDOWS: usize = 5;
/// More would leave a market or two to each.
const WINDOWS_MAX: usize = 100;

/// How the held-out markets are to be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// By settlement time, or five blocks where that holds out too few.
    #[default]
    Auto,
    /// By settlement time, 60/20/20.
    Time,
    /// This many windows of settlement time, each judged by a model of what came before it.
    WalkForward(usize),
    /// Recorded sessions, each held out once.
    Sessions,
    /// Events drawn by lot into five groups, each held out once.
    Markets,
}

/// How the held-out markets were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// One model; the last fifth of the markets is held out.
    Chronological,
    /// Five models; each fifth is held out once.
    FiveBlocks,
    /// One model for each window, of what was settled before it.
    WalkForward,
    /// One model for each group of recorded sessions, which it never saw.
    HeldOutSessions,
    /// Five models, each without a group of events drawn by lot.
    HeldOutMarkets,
    /// One model that was trained on other data; all markets that it never saw.
    Unseen,
}

/// One model's share of the data, as indices of episodes in settlement order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Learned from.
    pub train: Vec<usize>,
    /// Chosen by: hyperparameters, when to stop. Empty where every block is judged.
    pub validation: Vec<usize>,
    /// Judged on; never seen before.
    pub test: Vec<usize>,
    /// Used for nothing: too close to a border.
    pub embargoed: Vec<usize>,
}

/// The splits of a data set: one model is trained for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How it was made.
    pub protocol: Protocol,
    /// One split, or one per block.
    pub splits: Vec<Split>,
}

/// Data that cannot be divided as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// No rule of this name.
    #[error(
        "`{0}` is no way to divide markets; there are auto, time, walk-forward, walk-forward:N, sessions and markets"
    )]
    Unknown(String),
    /// Nothing is left on one side.
    #[error(
        "{rule} leaves no market {side}: the data hold {markets} markets of {sessions} sessions"
    )]
    Empty {
        /// The rule.
        rule: Rule,
        /// `to learn from` or `to judge on`.
        side: &'static str,
        /// Markets there are.
        markets: usize,
        /// Sessions there are.
        sessions: usize,
    },
}

impl Plan {
    /// Divides `episodes` by [`Rule::Auto`].
    pub fn new(episodes: &[Episode]) -> Plan {
        let groups = divide::groups(episodes);
        let chronological = divide::chronological(&groups);
        if count_markets(episodes, &chronological.test) >= CHRONOLOGICAL_MIN {
            let splits = vec![chronological];
            return Plan { protocol: Protocol::Chronological, splits }.sorted();
        }
        let splits = (0..BLOCKS)
            .map(|b| divide::block(&groups, (b, BLOCKS)))
            .filter(|s| !s.test.is_empty())
            .collect();
        Plan { protocol: Protocol::FiveBlocks, splits }.sorted()
    }

    /// Divides `episodes` by `rule`.
    ///
    /// # Errors
    /// [`SplitError::Empty`] when a side of a split would be empty, but for [`Rule::Auto`], which takes what
    /// there is.
    pub fn by(rule: Rule, episodes: &[Episode]) -> Result<Plan, SplitError> {
        let groups = divide::groups(episodes);
        let (protocol, splits) = match rule {
            Rule::Auto => return Ok(Plan::new(episodes)),
            Rule::Time => (Protocol::Chronological, vec![divide::chronological(&groups)]),
            Rule::WalkForward(n) => (Protocol::WalkForward, divide::walk_forward(&groups, n)),
            Rule::Sessions => (Protocol::HeldOutSessions, divide::sessions(&groups, episodes)),
            Rule::Markets => (Protocol::HeldOutMarkets, divide::markets(&groups)),
        };
        let empty = |side| {
            let all: Vec<usize> = (0..episodes.len()).collect();
            let sessions = episodes.iter().map(|e| e.session).collect::<BTreeSet<_>>().len();
            SplitError::Empty { rule, side, markets: count_markets(episodes, &all), sessions }
        };
        if splits.is_empty() || splits.iter().any(|s| s.train.is_empty()) {
            return Err(empty("to learn from"));
        }
        if splits.iter().any(|s| s.test.is_empty()) {
            return Err(empty("to judge on"));
        }
        Ok(Plan { protocol, splits }.sorted())
    }

    /// Every side in the order of the episodes: a plan read back from a run's notes is the same.
    fn sorted(mut self) -> Plan {
        for split in &mut self.splits {
            let Split { train, validation, test, embargoed } = split;
            [train, validation, test, embargoed].into_iter().for_each(|side| side.sort_unstable());
        }
        self
    }

    /// For one model that knows the markets that `seen` names: the others are held out, but for those
    /// whose life comes within the embargo of the life of a known one.
    pub fn unseen(episodes: &[Episode], seen: impl Fn(&str) -> bool) -> Plan {
        let mut split = Split::default();
        let (known, new): (Vec<Group>, Vec<Group>) = divide::groups(episodes)
            .into_iter()
            .partition(|g| g.episodes.iter().any(|e| seen(&episodes[*e].ticker)));
        for group in &known {
            split.train.extend_from_slice(&group.episodes);
        }
        for group in &new {
            let near = known.iter().any(|k| k.lives_near(group));
            let side = if near { &mut split.embargoed } else { &mut split.test };
            side.extend_from_slice(&group.episodes);
        }
        Plan { protocol: Protocol::Unseen, splits: vec![split] }.sorted()
    }

    /// Episodes that show how the model of split `index` does on what it learned from; over all splits
    /// each episode at most once. With several: the block before its own, as far as it was learned.
    pub fn in_sample(&self, index: usize) -> Vec<usize> {
        let train = &self.splits[index].train;
        if self.splits.len() == 1 {
            return train.clone();
        }
        let train: BTreeSet<usize> = train.iter().copied().collect();
        let before = (index + self.splits.len() - 1) % self.splits.len();
        self.splits[before].test.iter().copied().filter(|e| train.contains(e)).collect()
    }
}

/// Number of different markets among the episodes `part`.
pub fn count_markets(episodes: &[Episode], part: &[usize]) -> usize {
    let mut names: Vec<&str> = part.iter().map(|e| &*episodes[*e].ticker).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Auto => f.write_str("auto"),
            Rule::Time => f.write_str("time"),
            Rule::WalkForward(n) => write!(f, "walk-forward:{n}"),
            Rule::Sessions => f.write_str("sessions"),
            Rule::Markets => f.write_str("markets"),
        }
    }
}

impl FromStr for Rule {
    type Err = SplitError;

    fn from_str(text: &str) -> Result<Rule, SplitError> {
        let unknown = || SplitError::Unknown(text.to_owned());
        Ok(match text {
            "auto" => Rule::Auto,
            "time" => Rule::Time,
            "walk-forward" => Rule::WalkForward(WINDOWS),
            "sessions" => Rule::Sessions,
            "markets" => Rule::Markets,
            _ => {
                let n = text.strip_prefix("walk-forward:").and_then(|n| n.parse().ok());
                Rule::WalkForward(n.filter(|n| (1..=WINDOWS_MAX).contains(n)).ok_or_else(unknown)?)
            }
        })
    }
}

#[cfg(test)]
mod tests;
