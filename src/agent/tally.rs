//! What happened in the environments since the last progress row.

use super::progress::Record;
use crate::env::StepBuf;
use serde::{Deserialize, Serialize};

/// SB3 averages the last 100 episodes.
const WINDOW: usize = 100;

/// Counts of actions, rewards and episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Environment steps of the whole run, all environments together.
    pub steps: u64,
    /// Names of the actions, as they stand in the progress files.
    names: Vec<String>,
    /// Since the last row, per action.
    counts: Vec<u64>,
    /// Since the last row, per action.
    #[serde(with = "super::exact")]
    rewards: Vec<f64>,
    /// Steps since the last row with a reward that is not zero.
    nonzero: u64,
    /// Returns of the last episodes, oldest first.
    #[serde(with = "super::exact")]
    returns: Vec<f64>,
    /// Their lengths.
    lengths: Vec<u32>,
    /// Progress rows on end in which one action was nearly all that was done.
    pub collapsed_rows: u32,
}

impl Tally {
    /// Nothing has happened; one name per action.
    pub fn new(names: &[String]) -> Tally {
        Tally {
            steps: 0,
            names: names.to_vec(),
            counts: vec![0; names.len()],
            rewards: vec![0.0; names.len()],
            nonzero: 0,
            returns: Vec::new(),
            lengths: Vec::new(),
            collapsed_rows: 0,
        }
    }

    /// Counts one step of all environments.
    pub fn count(&mut self, actions: &[u32], step: &StepBuf) {
        self.steps += actions.len() as u64;
        for (i, &action) in actions.iter().enumerate() {
            self.counts[action as usize] += 1;
            self.rewards[action as usize] += f64::from(step.reward[i]);
            self.nonzero += u64::from(step.reward[i] != 0.0);
            if step.ended[i].len > 0 {
                if self.returns.len() == WINDOW {
                    self.returns.remove(0);
                    self.lengths.remove(0);
                }
                self.returns.push(step.ended[i].ret);
                self.lengths.push(step.ended[i].len);
            }
        }
    }

    /// Mean return of the last 100 episodes.
    pub fn mean_return(&self) -> Option<f64> {
        mean(self.returns.iter().copied())
    }

    /// The action that took the largest share of the steps since the last row, and that share.
    pub fn busiest(&self) -> (&str, f64) {
        let total = self.counts.iter().sum::<u64>().max(1) as f64;
        let best = (0..self.counts.len()).max_by_key(|&a| self.counts[a]).unwrap_or(0);
        (&self.names[best], self.counts[best] as f64 / total)
    }

    /// Writes SB3's `rollout/` keys and ours per action.
    pub fn report(&self, record: &mut Record) {
        record.put("rollout/ep_rew_mean", self.mean_return());
        record.put("rollout/ep_len_mean", mean(self.lengths.iter().map(|&l| f64::from(l))));
        let total: u64 = self.counts.iter().sum();
        let share = |part: u64| (total > 0).then(|| part as f64 / total as f64);
        record.put("rollout/nonzero_reward_share", share(self.nonzero));
        for (name, &count) in self.names.iter().zip(&self.counts) {
            record.put(&format!("action_share/{name}"), share(count));
        }
        for ((name, &count), &reward) in self.names.iter().zip(&self.counts).zip(&self.rewards) {
            record
                .put(&format!("action_reward/{name}"), (count > 0).then(|| reward / count as f64));
        }
    }

    /// Begins the next row.
    pub fn next_row(&mut self) {
        self.counts.fill(0);
        self.rewards.fill(0.0);
        self.nonzero = 0;
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = values.len();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::EpisodeEnd;

    #[test]
    fn shares_and_rewards_are_told_per_action() {
        let mut tally = Tally::new(&["hold".into(), "buy".into()]);
        let step = StepBuf {
            reward: vec![0.0, 2.0],
            ended: vec![EpisodeEnd::default(), EpisodeEnd { ret: 7.0, len: 3 }],
            ..StepBuf::default()
        };
        tally.count(&[0, 1], &step);
        tally.count(&[1, 1], &step);
        let mut record = Record::default();
        tally.report(&mut record);
        for (key, want) in [
            ("rollout/ep_rew_mean", 7.0),
            ("rollout/ep_len_mean", 3.0),
            ("rollout/nonzero_reward_share", 0.5),
            ("action_share/buy", 0.75),
            ("action_reward/buy", 4.0 / 3.0),
            ("action_reward/hold", 0.0),
        ] {
            assert_eq!(record.get(key), Some(want), "{key}");
        }
        assert_eq!((tally.busiest(), tally.steps), (("buy", 0.75), 4));
    }

    #[test]
    fn only_the_last_hundred_episodes_count() {
        let mut tally = Tally::new(&["only".into()]);
        for i in 0..150u32 {
            let ended = vec![EpisodeEnd { ret: f64::from(i), len: 1 }];
            tally.count(&[0], &StepBuf { reward: vec![0.0], ended, ..StepBuf::default() });
        }
        assert_eq!(tally.mean_return(), Some(99.5));
    }
}
