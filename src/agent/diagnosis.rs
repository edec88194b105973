//! What is wrong with a run, told while it runs: a symptom, its likely cause, and what to do.
//!
//! A symptom counts in progress rows on end; it is spoken of when it has lasted [`SPOKEN_ROWS`], and ends the run
//! where a stop rule says so. The causes are those that cost weeks when nobody named them: a policy that only
//! holds, or only sells, was taken for learning until a million steps later.
//!
//! **Invariant:** a function of the rows alone: a resumed run says the same.

use super::progress::Record;
use super::tally::Tally;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Below this share of the entropy of an even choice the policy no longer tries anything.
const LOW_ENTROPY: f64 = 0.05;
/// An update that moves the policy further than this (nats) is no small step any more.
const LARGE_KL: f64 = 0.1;
/// An update that moves it less than this moves nothing.
const FROZEN_KL: f64 = 1e-7;
/// More entries of the observation than this share are one value.
const FLAT_SHARE: f64 = 0.5;
/// Below this share of steps with a choice, the rules decide and not the policy.
const FEW_CHOICES: f64 = 0.2;
/// Below this share of rewarded steps there is next to nothing to learn from.
const SPARSE: f64 = 0.01;

/// Progress rows on end after which a symptom is spoken of.
pub const SPOKEN_ROWS: u32 = 5;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symptom {
    /// One action is nearly all that is done.
    Collapse,
    /// The policy no longer tries anything.
    LowEntropy,
    /// Updates move the policy too far.
    LargeSteps,
    /// Updates move nothing.
    Frozen,
    /// The value foretells the return worse than a constant.
    BlindValue,
    /// No reward at all.
    NoReward,
    /// Most of what is observed never changes.
    FlatObservation,
}

impl Symptom {
    /// All, in the order in which they are spoken of.
    pub const ALL: [Symptom; 7] = [
        Symptom::NoReward,
        Symptom::FlatObservation,
        Symptom::Collapse,
        Symptom::LowEntropy,
        Symptom::LargeSteps,
        Symptom::Frozen,
        Symptom::BlindValue,
    ];

    /// As it stands in files and options.
    pub fn name(self) -> &'static str {
        match self {
            Symptom::Collapse => "collapse",
            Symptom::LowEntropy => "low_entropy",
            Symptom::LargeSteps => "large_steps",
            Symptom::Frozen => "frozen",
            Symptom::BlindValue => "blind_value",
            Symptom::NoReward => "no_reward",
            Symptom::FlatObservation => "flat_observation",
        }
    }
}

/// A symptom that lasts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which.
    pub symptom: Symptom,
    /// Progress rows on end.
    pub rows: u32,
    /// What is seen, in words.
    pub seen: String,
    /// What is likely behind it.
    pub cause: &'static str,
    /// What to do.
    pub advice: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { symptom, rows, seen, cause, advice } = self;
        write!(f, "{}: {seen}, in {rows} progress rows on end; {cause}; {advice}", symptom.name())
    }
}

/// How long each symptom lasts by now, in the order of [`Symptom::ALL`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart([u32; Symptom::ALL.len()]);

impl Chart {
    /// Takes note of a progress row; every symptom that it shows. One action above `collapse_share` is a collapse.
    pub fn note(&mut self, tally: &Tally, record: &Record, collapse_share: f64) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (symptom, rows) in Symptom::ALL.into_iter().zip(&mut self.0) {
            match sign(symptom, tally, record, collapse_share) {
                None => *rows = 0,
                Some(seen) => {
                    *rows += 1;
                    let (cause, advice) = explain(symptom, tally);
                    findings.push(Finding { symptom, rows: *rows, seen, cause, advice });
                }
            }
        }
        findings
    }
}

/// What a row shows of a symptom, in words.
fn sign(symptom: Symptom, tally: &Tally, record: &Record, collapse_share: f64) -> Option<String> {
    let figure = |key: &str| record.get(key);
    let kl = figure("train/approx_kl");
    match symptom {
        Symptom::Collapse => {
            let (action, share) = tally.busiest();
            (share > collapse_share)
                .then(|| format!("action `{action}` took {:.1} % of the steps", 100.0 * share))
        }
        Symptom::LowEntropy => {
            let even = (tally.n_actions() as f64).ln();
            let entropy = -figure("train/entropy_loss")?;
            (entropy < LOW_ENTROPY * even)
                .then(|| format!("entropy {entropy:.4} of at most {even:.2}"))
        }
        Symptom::LargeSteps => {
            kl.filter(|kl| *kl > LARGE_KL).map(|kl| format!("approx_kl {kl:.3} above {LARGE_KL}"))
        }
        Symptom::Frozen => {
            kl.filter(|kl| kl.abs() < FROZEN_KL).map(|kl| format!("approx_kl {kl:.1e}"))
        }
        Symptom::BlindValue => figure("train/explained_variance")
            .filter(|variance| *variance < 0.0)
            .map(|variance| format!("explained_variance {variance:.2} below 0")),
        Symptom::NoReward => {
            (tally.rewarded_share() == 0.0).then(|| "every reward was zero".to_owned())
        }
        Symptom::FlatObservation => {
            let (flat, all) = (tally.constant_entries().len(), tally.obs_len());
            (flat as f64 > FLAT_SHARE * all as f64)
                .then(|| format!("{flat} of {all} observed values never changed"))
        }
    }
}

/// The likely cause of a symptom, and what to do.
fn explain(symptom: Symptom, tally: &Tally) -> (&'static str, &'static str) {
    match symptom {
        Symptom::Collapse => explain_collapse(tally),
        Symptom::LowEntropy => (
            "the policy became sure before it had tried much",
            "raise ent_coef (-p ent_coef=0.01) or lower learning_rate",
        ),
        Symptom::LargeSteps => (
            "the steps are too large for the policy's clip range to hold them",
            "lower learning_rate or n_epochs, or set target_kl (-p target_kl=0.02)",
        ),
        Symptom::Frozen => (
            "the gradients are gone, or the step size is",
            "raise learning_rate; look at low_entropy and no_reward first",
        ),
        Symptom::BlindValue => (
            "returns look like chance to the value network",
            "train longer or with larger rollouts; a market without an edge looks like this too",
        ),
        Symptom::NoReward => (
            "nothing was traded, or nothing moved",
            "kflow env check, and look at the filters and sizes with kflow train --dry-run",
        ),
        Symptom::FlatObservation => (
            "the recording holds too little for this layout, or its markets stand still",
            "kflow features report names the columns; choose livelier markets (--min-updates)",
        ),
    }
}

fn explain_collapse(tally: &Tally) -> (&'static str, &'static str) {
    let (action, _) = tally.busiest();
    let others = tally.reward_of_others(action);
    if tally.choice_share() < FEW_CHOICES {
        (
            "the rules allow nothing else most of the time",
            "look at cash, position limit and one-sided books: kflow train --dry-run",
        )
    } else if action != "hold" {
        (
            "one bet on everything: these markets ended one way, or the environment can be exploited",
            "kflow env check, then kflow eval: a constant policy is no edge",
        )
    } else if others.is_some_and(|reward| reward < 0.0) {
        (
            "trading costs more than it earns here, so that holding is the best that was found",
            "kflow eval says whether there is an edge; try tighter markets (--max-spread 2)",
        )
    } else if tally.rewarded_share() < SPARSE {
        (
            "there is next to no reward to learn from",
            "raise ent_coef, or choose livelier markets (--min-updates)",
        )
    } else {
        (
            "the policy became sure before it had tried much",
            "raise ent_coef (-p ent_coef=0.01), or lower learning_rate",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::eval::COLLAPSE_SHARE;
    use crate::env::StepBuf;

    /// A tally of `steps` steps of one environment that takes `action` of two and gets `reward`.
    fn tally(names: [&str; 2], steps: &[(u32, f32)], mask: [bool; 2]) -> Tally {
        let env = crate::env::toy::CartPole::new(1);
        let mut tally = Tally::new(&names.map(str::to_owned));
        for (i, (action, reward)) in steps.iter().enumerate() {
            let mut shown = StepBuf::for_env(&env);
            shown.obs.fill(i as f32);
            shown.mask = mask.to_vec();
            shown.reward = vec![*reward];
            tally.see(&env, &shown, &[*action]);
            tally.count(&[*action], &shown);
        }
        tally
    }

    fn found(tally: &Tally, row: &[(&str, f64)]) -> Vec<Finding> {
        let mut record = Record::default();
        row.iter().for_each(|(key, value)| record.put(key, *value));
        Chart::default().note(tally, &record, COLLAPSE_SHARE)
    }

    /// One policy sold NO in 95.87 % of its steps, and that was no collapse by a rule of 99 %.
    #[test]
    fn the_collapse_that_cost_weeks_is_one_unless_the_rule_says_otherwise() {
        let steps: Vec<(u32, f32)> = (0..10_000)
            .map(|i| (u32::from(i < 9_587), if i % 2 == 0 { 1.0 } else { 0.0 }))
            .collect();
        let tally = tally(["hold", "sell_no"], &steps, [true, true]);
        let collapsed = |share| {
            let findings = Chart::default().note(&tally, &Record::default(), share);
            findings.into_iter().find(|f| f.symptom == Symptom::Collapse)
        };
        let seen = collapsed(COLLAPSE_SHARE).expect("a collapse").seen;
        assert!(seen.contains("`sell_no` took 95.9 %"), "{seen}");
        assert_eq!(collapsed(0.96), None);
    }

    #[test]
    fn a_collapse_is_named_by_what_is_behind_it() {
        let mut holds = vec![(0, 0.0); 999];
        holds.push((1, -1.0));
        for (names, steps, mask, words) in [
            (["hold", "buy"], holds.clone(), [true, true], "costs more than it earns"),
            (["hold", "buy"], vec![(0, 0.0); 1_000], [true, true], "next to no reward"),
            (["hold", "buy"], vec![(0, 1.0); 1_000], [true, true], "became sure"),
            (["hold", "buy"], holds.clone(), [true, false], "allow nothing else"),
            (["buy", "hold"], holds, [true, true], "one bet on everything"),
        ] {
            let findings = found(&tally(names, &steps, mask), &[]);
            let collapse = findings.iter().find(|f| f.symptom == Symptom::Collapse);
            assert!(collapse.is_some_and(|f| f.cause.contains(words)), "{words}: {findings:?}");
        }
    }

    #[test]
    fn each_figure_has_its_symptom_and_health_has_none() {
        let both: Vec<(u32, f32)> = (0..100).map(|i| (i % 2, 1.0)).collect();
        let tally = tally(["hold", "buy"], &both, [true, true]);
        let healthy = [
            ("train/entropy_loss", -0.6),
            ("train/approx_kl", 0.01),
            ("train/explained_variance", 0.3),
        ];
        assert_eq!(found(&tally, &healthy), []);
        for (i, value, want) in [
            (0, -0.001, Symptom::LowEntropy),
            (1, 0.5, Symptom::LargeSteps),
            (1, 0.0, Symptom::Frozen),
            (2, -0.2, Symptom::BlindValue),
        ] {
            let mut row = healthy;
            row[i].1 = value;
            let symptoms: Vec<Symptom> = found(&tally, &row).iter().map(|f| f.symptom).collect();
            assert_eq!(symptoms, [want]);
        }
    }

    #[test]
    fn a_symptom_counts_rows_on_end_only() {
        let (ill, well) = (
            tally(["hold", "buy"], &[(0, 0.0); 10], [true, true]),
            tally(["hold", "buy"], &[(0, 1.0), (1, 1.0)], [true, true]),
        );
        let mut chart = Chart::default();
        let rows = |found: Vec<Finding>| {
            found.iter().find(|f| f.symptom == Symptom::NoReward).map(|f| f.rows)
        };
        let record = Record::default();
        assert_eq!(rows(chart.note(&ill, &record, 0.9)), Some(1));
        assert_eq!(rows(chart.note(&ill, &record, 0.9)), Some(2));
        assert_eq!(rows(chart.note(&well, &record, 0.9)), None);
        assert_eq!(rows(chart.note(&ill, &record, 0.9)), Some(1));
    }
}
