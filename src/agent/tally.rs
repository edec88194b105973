//! What happened in the environments since the last progress row.

use super::progress::Record;
use crate::env::{StepBuf, VecEnv};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// SB3 averages the last 100 episodes.
const WINDOW: usize = 100;
/// Upper ends of the spread's classes, 1e-4 dollars, and their names; the last class has no two-sided book.
const SPREADS: [(i64, &str); 6] = [
    (100, "to_1c"),
    (200, "to_2c"),
    (500, "to_5c"),
    (1_000, "to_10c"),
    (10_000, "wider"),
    (i64::MAX, "one_sided"),
];

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
    /// True once a reward was not zero, in the whole run.
    pub rewarded: bool,
    /// Steps since the last row in which more than one action was allowed.
    choices: u64,
    /// Since the last row, per class of spread and action; empty before the first step.
    by_spread: Vec<Vec<u64>>,
    /// Least value of each observation entry since the last row, before normalising; empty before the first step.
    least: Vec<f32>,
    /// Largest, likewise.
    largest: Vec<f32>,
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
            rewarded: false,
            choices: 0,
            by_spread: Vec::new(),
            least: Vec::new(),
            largest: Vec::new(),
        }
    }

    /// Notes what all environments show, and which of it is about to be answered by `actions`.
    pub fn see(&mut self, env: &dyn VecEnv, shown: &StepBuf, actions: &[u32]) {
        let (obs_len, n_actions) = (env.obs_len(), env.n_actions());
        self.by_spread.resize_with(SPREADS.len(), || vec![0; n_actions]);
        self.least.resize(obs_len, f32::INFINITY);
        self.largest.resize(obs_len, f32::NEG_INFINITY);
        for row in shown.obs.chunks_exact(obs_len) {
            // Comparisons instead of `min` and `max`, which mind NaN and are not vectorised.
            for (least, &x) in self.least.iter_mut().zip(row) {
                *least = if x < *least { x } else { *least };
            }
            for (largest, &x) in self.largest.iter_mut().zip(row) {
                *largest = if x > *largest { x } else { *largest };
            }
        }
        for (i, &action) in actions.iter().enumerate() {
            let allowed = &shown.mask[i * n_actions..(i + 1) * n_actions];
            self.choices += u64::from(allowed.iter().filter(|ok| **ok).count() > 1);
            let spread_e4 = env.spread_e4(i).unwrap_or(i64::MAX);
            let class = SPREADS.iter().position(|(end, _)| spread_e4 <= *end);
            self.by_spread[class.unwrap_or(SPREADS.len() - 1)][action as usize] += 1;
        }
    }

    /// Counts one step of all environments.
    pub fn count(&mut self, actions: &[u32], step: &StepBuf) {
        self.steps += actions.len() as u64;
        for (i, &action) in actions.iter().enumerate() {
            self.counts[action as usize] += 1;
            self.rewards[action as usize] += f64::from(step.reward[i]);
            self.nonzero += u64::from(step.reward[i] != 0.0);
            self.rewarded |= step.reward[i] != 0.0;
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

    /// Share of the steps since the last row in which there was a choice.
    pub fn choice_share(&self) -> f64 {
        self.choices as f64 / self.counts.iter().sum::<u64>().max(1) as f64
    }

    /// Share of the steps since the last row with a reward that is not zero.
    pub fn rewarded_share(&self) -> f64 {
        self.nonzero as f64 / self.counts.iter().sum::<u64>().max(1) as f64
    }

    /// Mean reward of the steps since the last row that took another action than `name`.
    pub fn reward_of_others(&self, name: &str) -> Option<f64> {
        let others = (0..self.names.len()).filter(|&a| self.names[a] != name);
        let (n, sum) =
            others.fold((0, 0.0), |(n, sum), a| (n + self.counts[a], sum + self.rewards[a]));
        (n > 0).then(|| sum / n as f64)
    }

    /// Entries of the observation that had one value since the last row.
    pub fn constant_entries(&self) -> Vec<usize> {
        let ranges = self.least.iter().zip(&self.largest).enumerate();
        ranges.filter(|(_, (least, largest))| least == largest).map(|(i, _)| i).collect()
    }

    /// Number of actions.
    pub fn n_actions(&self) -> usize {
        self.names.len()
    }

    /// Values per observation; 0 before the first step.
    pub fn obs_len(&self) -> usize {
        self.least.len()
    }

    /// Which action was taken at which spread, as shares of the steps in that class; classes without a step are
    /// left out.
    pub fn spread_table(&self) -> Value {
        let classes = SPREADS.iter().zip(&self.by_spread).filter_map(|((_, class), counts)| {
            let total: u64 = counts.iter().sum();
            let share = |count: &u64| json!(*count as f64 / total as f64);
            let shares = self.names.iter().cloned().zip(counts.iter().map(share));
            let mut row: Map<String, Value> = shares.collect();
            row.insert("steps".to_owned(), json!(total));
            (total > 0).then(|| ((*class).to_owned(), Value::Object(row)))
        });
        Value::Object(classes.collect())
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
        self.choices = 0;
        self.by_spread.clear();
        self.least.clear();
        self.largest.clear();
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
    use crate::env::toy::CartPole;

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
        assert_eq!(tally.reward_of_others("buy"), Some(0.0));
    }

    #[test]
    fn what_is_shown_is_told_by_spread_choice_and_what_never_changes() {
        let env = CartPole::new(2);
        let mut tally = Tally::new(&CartPole::actions());
        let mut shown = StepBuf::for_env(&env);
        shown.obs = vec![1.0, 2.0, 3.0, 0.5, 1.0, 2.0, 4.0, 0.25];
        shown.mask = vec![true, true, true, false];
        tally.see(&env, &shown, &[1, 0]);
        tally.count(&[1, 0], &shown);
        assert_eq!(tally.constant_entries(), [0, 1]);
        assert_eq!(tally.choice_share(), 0.5);
        let want = json!({"one_sided": {"left": 0.5, "right": 0.5, "steps": 2}});
        assert_eq!(tally.spread_table(), want, "a pole has no book");
        tally.next_row();
        assert_eq!((tally.constant_entries(), tally.spread_table()), (vec![], json!({})));
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
