//! When a run is given up before its last step.

use super::diagnosis::{SPOKEN_ROWS, Symptom};
use super::eval::COLLAPSE_SHARE;
use serde::{Deserialize, Serialize};

/// Conditions that end a run before its last step, by name. A number of rows means progress rows on end that
/// show the symptom; see [`super::diagnosis`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StopRules {
    /// The update moved the policy further than this (`train/approx_kl`, nats).
    pub max_kl: Option<f64>,
    /// One action took more than [`StopRules::collapse_share`] of the steps.
    pub collapse_rows: Option<u32>,
    /// The share of one action that is a collapse, in place of [`COLLAPSE_SHARE`]: where holding is right nearly
    /// always, a higher one.
    pub collapse_share: Option<f64>,
    /// The policy no longer tries anything.
    pub low_entropy_rows: Option<u32>,
    /// Updates move the policy too far.
    pub large_steps_rows: Option<u32>,
    /// Updates move nothing.
    pub frozen_rows: Option<u32>,
    /// The value foretells the return worse than a constant.
    pub blind_value_rows: Option<u32>,
    /// No reward at all.
    pub no_reward_rows: Option<u32>,
    /// Most of what is observed never changes.
    pub flat_observation_rows: Option<u32>,
}

/// Its key.
const COLLAPSE: &str = "collapse_share";

impl StopRules {
    /// Rows on end of a symptom that end the run.
    pub fn rows(&self, symptom: Symptom) -> Option<u32> {
        match symptom {
            Symptom::Collapse => self.collapse_rows,
            Symptom::LowEntropy => self.low_entropy_rows,
            Symptom::LargeSteps => self.large_steps_rows,
            Symptom::Frozen => self.frozen_rows,
            Symptom::BlindValue => self.blind_value_rows,
            Symptom::NoReward => self.no_reward_rows,
            Symptom::FlatObservation => self.flat_observation_rows,
        }
    }

    /// The share of one action above which it is a collapse.
    pub fn collapse_share(&self) -> f64 {
        self.collapse_share.unwrap_or(COLLAPSE_SHARE)
    }

    /// Sets a stop rule by its name, as `max_kl=0.1`, `collapse` (after 5 progress rows), `collapse=20` or
    /// `collapse=20@0.97`.
    ///
    /// # Errors
    /// Says which rules there are.
    pub fn set(&mut self, rule: &str) -> Result<(), String> {
        let (name, value) = rule.split_once('=').map_or((rule, None), |(n, v)| (n, Some(v)));
        let (value, share) = match value.and_then(|v| v.split_once('@')) {
            Some((rows, share)) if name == "collapse" => (Some(rows), Some(share)),
            _ => (value, None),
        };
        let mut tree = serde_json::to_value(*self).map_err(|e| e.to_string())?;
        let rows = format!("{name}_rows");
        let key = if tree.get(name).is_some() { name } else { &rows };
        // The share belongs to a rule and is none.
        let keys = tree.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        let names = keys.filter(|key| *key != COLLAPSE).map(|key| key.trim_end_matches("_rows"));
        let unknown = format!(
            "no stop rule is called `{name}`; there are: {}",
            names.collect::<Vec<_>>().join(", ")
        );
        let default = SPOKEN_ROWS.to_string();
        let value = match (value, name) {
            (Some(value), _) => value,
            (None, "max_kl") => return Err("max_kl needs its limit: max_kl=0.1".to_owned()),
            (None, _) => &default,
        };
        let Some(field) = tree.get_mut(key).filter(|_| key != COLLAPSE) else {
            return Err(unknown);
        };
        *field = serde_json::from_str(value).map_err(|e| format!("`{rule}`: {e}"))?;
        if let Some(share) = share {
            let inside = share.parse::<f64>().ok().filter(|share| (0.0..1.0).contains(share));
            let inside = inside.ok_or_else(|| format!("`{rule}`: a share lies in 0..1"))?;
            tree[COLLAPSE] = inside.into();
        }
        *self = serde_json::from_value(tree).map_err(|e| format!("`{rule}`: {e}"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_rules_are_set_by_name() {
        let mut rules = StopRules::default();
        for rule in ["max_kl=0.1", "collapse", "no_reward=3"] {
            rules.set(rule).unwrap();
        }
        let want = StopRules {
            max_kl: Some(0.1),
            collapse_rows: Some(SPOKEN_ROWS),
            no_reward_rows: Some(3),
            ..StopRules::default()
        };
        assert_eq!(rules, want);
        assert_eq!(rules.collapse_share(), COLLAPSE_SHARE);
        rules.set("collapse=8@0.97").unwrap();
        assert_eq!((rules.collapse_rows, rules.collapse_share()), (Some(8), 0.97));
        for wrong in ["collapse=8@1.5", "collapse=8@", "frozen=8@0.5", "collapse_share=0.5"] {
            assert!(rules.set(wrong).is_err(), "{wrong}");
        }
        assert!(!rules.set("colapse").unwrap_err().contains("collapse_share"));
        assert!(rules.set("colapse").unwrap_err().contains("collapse, "));
        assert!(rules.set("max_kl").unwrap_err().contains("max_kl=0.1"));
        assert!(rules.set("collapse=often").is_err());
        for symptom in Symptom::ALL {
            rules.set(symptom.name()).unwrap();
            assert!(rules.rows(symptom).is_some());
        }
    }
}
