//! What trials differ in: parameters by their names, each with its range.
//!
//! A range is written `64|128|256` (one of these), `lin:0.9..1` (uniform) or `log:1e-5..1e-2` (uniform in
//! its logarithm).

use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Parameters that no search may choose: chance is not tuned, steps belong to the method.
const RESERVED: [&str; 4] = ["seed", "total_timesteps", "algo", "engine"];

/// A range or a name that does not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no range of a parameter: {why}")]
pub struct SpaceError {
    text: String,
    why: &'static str,
}

/// Where one parameter is drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Range {
    /// One of these, each as likely, written as for `--param`.
    Choice(Vec<String>),
    /// Uniform between two numbers.
    Linear(f64, f64),
    /// Uniform in the logarithm between two positive numbers.
    Log(f64, f64),
}

/// All ranges by name; no name twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Space(Vec<(String, Range)>);

impl Space {
    /// What is usually searched for the algorithm called `algo`: the parameters of rl-zoo's samplers, kept
    /// to ranges in which training on a CPU ends in reasonable time.
    pub fn usual(algo: &str) -> Space {
        let one_of =
            |texts: &[&str]| Range::Choice(texts.iter().map(|t| (*t).to_owned()).collect());
        let mut space = Space::default();
        let mut add = |name: &str, range: Range| space.0.push((name.to_owned(), range));
        add("learning_rate", Range::Log(1e-4, 3e-3));
        add("gamma", one_of(&["0.95", "0.98", "0.99", "0.995", "0.999"]));
        add("gae_lambda", one_of(&["0.8", "0.9", "0.95", "0.98", "1.0"]));
        add("ent_coef", Range::Log(1e-5, 3e-2));
        add("net_arch", one_of(&["[32,32]", "[64,64]", "[128,128]"]));
        if algo == "ppo" {
            add("n_steps", one_of(&["128", "256", "512"]));
            add("batch_size", one_of(&["64", "128", "256"]));
            add("n_epochs", one_of(&["3", "5", "10"]));
            add("clip_range", one_of(&["0.1", "0.2", "0.3"]));
        } else {
            add("n_steps", one_of(&["5", "16", "32", "64"]));
            add("normalize_advantage", one_of(&["false", "true"]));
        }
        space
    }

    /// Adds a parameter as `NAME=RANGE`, or replaces its range; `NAME=` takes it out.
    ///
    /// # Errors
    /// When it is written otherwise, or may not be searched.
    pub fn set(&mut self, text: &str) -> Result<(), SpaceError> {
        let fail = |why| SpaceError { text: text.to_owned(), why };
        let (name, range) = text.split_once('=').ok_or_else(|| fail("write NAME=RANGE"))?;
        if RESERVED.contains(&name) {
            return Err(fail("this one is not searched"));
        }
        let known = self.0.iter().position(|(n, _)| n == name);
        match (known, range) {
            (Some(at), "") => drop(self.0.remove(at)),
            (None, "") => return Err(fail("it is not searched anyway")),
            (Some(at), range) => self.0[at].1 = range.parse()?,
            (None, range) => self.0.push((name.to_owned(), range.parse()?)),
        }
        Ok(())
    }

    /// Takes a parameter out, if it is there.
    pub fn leave(&mut self, name: &str) {
        self.0.retain(|(n, _)| n != name);
    }

    /// The parameters of trial number `trial`: each depends on its own name, the seed and the number only.
    pub fn draw(&self, seed: u64, trial: u64) -> Vec<(String, String)> {
        let draw = |(name, range): &(String, Range)| {
            (name.clone(), range.draw(&mut Rng::stream(seed, name, trial)))
        };
        self.0.iter().map(draw).collect()
    }
}

impl Range {
    fn draw(&self, rng: &mut Rng) -> String {
        let between = |low: f64, high: f64, rng: &mut Rng| low + (high - low) * rng.unit();
        // Four digits: what a person can type again.
        let short = |x: f64| format!("{x:.3e}").parse().unwrap_or(x).to_string();
        match self {
            Range::Choice(texts) => texts[rng.below(texts.len() as u64) as usize].clone(),
            Range::Linear(low, high) => short(between(*low, *high, rng)),
            Range::Log(low, high) => short(between(low.ln(), high.ln(), rng).exp()),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Choice(texts) => f.write_str(&texts.join("|")),
            Range::Linear(low, high) => write!(f, "lin:{low:?}..{high:?}"),
            Range::Log(low, high) => write!(f, "log:{low:?}..{high:?}"),
        }
    }
}

impl FromStr for Range {
    type Err = SpaceError;

    fn from_str(text: &str) -> Result<Range, SpaceError> {
        let fail = |why| SpaceError { text: text.to_owned(), why };
        let ends = |rest: &str| -> Result<(f64, f64), SpaceError> {
            let (low, high) = rest.split_once("..").ok_or_else(|| fail("write LOW..HIGH"))?;
            let number = |t: &str| t.trim().parse::<f64>().ok().filter(|x| x.is_finite());
            let ends =
                number(low).zip(number(high)).ok_or_else(|| fail("its ends are no numbers"))?;
            if ends.0 < ends.1 { Ok(ends) } else { Err(fail("its ends must ascend")) }
        };
        if let Some(rest) = text.strip_prefix("lin:") {
            return ends(rest).map(|(low, high)| Range::Linear(low, high));
        }
        if let Some(rest) = text.strip_prefix("log:") {
            let (low, high) = ends(rest)?;
            return if low > 0.0 { Ok(Range::Log(low, high)) } else { Err(fail("no logarithm")) };
        }
        let texts: Vec<String> = text.split('|').map(|t| t.trim().to_owned()).collect();
        if texts.iter().any(String::is_empty) {
            Err(fail("a choice is empty"))
        } else {
            Ok(Range::Choice(texts))
        }
    }
}

impl From<Range> for String {
    fn from(range: Range) -> String {
        range.to_string()
    }
}

impl TryFrom<String> for Range {
    type Error = SpaceError;

    fn try_from(text: String) -> Result<Range, SpaceError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::config::TrainConfig;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for text in ["64|128", "[64,64]|[32]", "lin:0.9..1.0", "log:1e-5..0.01"] {
            assert_eq!(text.parse::<Range>().map(|r| r.to_string()).as_deref(), Ok(text));
        }
        for wrong in ["", "1||2", "lin:1", "lin:2..1", "log:0..1", "log:a..b", "lin:0..inf"] {
            assert!(wrong.parse::<Range>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_usual_spaces_hold_only_what_can_be_trained() {
        for (algo, base) in [("ppo", TrainConfig::ppo()), ("a2c", TrainConfig::a2c())] {
            for trial in 0..200 {
                let mut config = base.clone();
                for (name, value) in Space::usual(algo).draw(3, trial) {
                    config.set(&name, &value).expect("a parameter of the algorithm");
                }
                assert_eq!(config.problems(), Vec::<String>::new());
            }
        }
    }

    /// Another parameter must not shift what the others draw: a search can be widened and compared.
    #[test]
    fn a_parameter_is_drawn_by_its_own_name() {
        let mut wide = Space::usual("ppo");
        wide.set("vf_coef=lin:0.1..1").expect("known");
        let narrow = Space::usual("ppo");
        for trial in 0..20 {
            let drawn = wide.draw(7, trial);
            assert_eq!(drawn[..drawn.len() - 1], narrow.draw(7, trial));
            let last: f64 = drawn[drawn.len() - 1].1.parse().expect("number");
            assert!((0.1..=1.0).contains(&last));
        }
        assert_ne!(wide.draw(7, 0), wide.draw(7, 1));
        wide.set("vf_coef=").expect("taken out");
        assert_eq!(wide, narrow);
        assert!(wide.set("seed=1|2").is_err() && wide.set("vf_coef=").is_err());
    }
}
