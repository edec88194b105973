//! A number that may fall linearly to zero over a run, written as in rl-zoo: `0.001` or `lin_0.001`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A constant, or a straight line from its value down to zero at the end of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Schedule {
    /// The same at all times.
    Constant(f64),
    /// Falls from this value to zero.
    Linear(f64),
}

impl Schedule {
    /// The value when the share `done` (0..=1) of the run is behind us.
    pub fn at(self, done: f64) -> f64 {
        match self {
            Schedule::Constant(value) => value,
            Schedule::Linear(value) => value * (1.0 - done),
        }
    }

    /// The value at the start.
    pub fn initial(self) -> f64 {
        self.at(0.0)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Schedule::Constant(value) => write!(f, "{value}"),
            Schedule::Linear(value) => write!(f, "lin_{value}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Schedule, String> {
        let number = |t: &str| {
            t.parse().map_err(|_| format!("`{text}` is neither a number nor `lin_` and a number"))
        };
        match text.strip_prefix("lin_") {
            Some(rest) => number(rest).map(Schedule::Linear),
            None => number(text).map(Schedule::Constant),
        }
    }
}

/// How a schedule stands in a configuration file: a number or a text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

impl From<Schedule> for Written {
    fn from(schedule: Schedule) -> Written {
        match schedule {
            Schedule::Constant(value) => Written::Number(value),
            Schedule::Linear(_) => Written::Text(schedule.to_string()),
        }
    }
}

impl TryFrom<Written> for Schedule {
    type Error = String;

    fn try_from(written: Written) -> Result<Schedule, String> {
        match written {
            Written::Number(value) => Ok(Schedule::Constant(value)),
            Written::Text(text) => text.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_survive_a_file() {
        for (json, want) in
            [("0.2", Schedule::Constant(0.2)), ("\"lin_0.001\"", Schedule::Linear(0.001))]
        {
            let schedule: Schedule = serde_json::from_str(json).unwrap();
            assert_eq!(schedule, want);
            assert_eq!(serde_json::to_string(&schedule).unwrap(), json);
        }
        assert!(serde_json::from_str::<Schedule>("\"cosine\"").is_err());
        assert_eq!((Schedule::Linear(0.2).at(0.5), Schedule::Constant(0.2).at(0.5)), (0.1, 0.2));
    }
}
