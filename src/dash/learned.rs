//! What a training run has logged: rows come one by one, and however many there are, a curve stays short enough to
//! be drawn in every picture.
//!
//! **Invariant:** no IO.
//! **Invariant:** the first, last, least and greatest value of a curve are among its points.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The environment steps of a row.
const STEPS: &str = "time/total_timesteps";
/// Groups of rows in a curve, four points each: five dots for each column of the widest plot.
const GROUPS: usize = 512;
/// Weight of the past in the smoothed line.
const SMOOTH: f64 = 0.8;

/// Environment steps and a value.
type Point = (f64, f64);

/// A curve as it is drawn: at most 2,048 points each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// As logged.
    pub raw: Vec<(f64, f64)>,
    /// Its moving average.
    pub smooth: Vec<(f64, f64)>,
}

impl Curve {
    /// The same curve, higher by `rise`.
    pub(super) fn lifted(&self, rise: f64) -> Curve {
        let lift = |points: &[Point]| points.iter().map(|(x, y)| (*x, y + rise)).collect();
        Curve { raw: lift(&self.raw), smooth: lift(&self.smooth) }
    }
}

impl FromIterator<(f64, f64)> for Curve {
    fn from_iter<I: IntoIterator<Item = (f64, f64)>>(points: I) -> Curve {
        let mut growing = Growing::default();
        points.into_iter().for_each(|point| growing.push(point));
        growing.curve()
    }
}

/// All that is kept of the rows of a run.
#[derive(Debug, Default)]
pub(super) struct Learned {
    curves: BTreeMap<String, Growing>,
    /// The newest value of every key.
    pub(super) latest: BTreeMap<String, f64>,
}

impl Learned {
    /// Takes the next row. What is logged per action has its newest value only: nobody draws more of it.
    pub(super) fn take(&mut self, row: &Map<String, Value>) {
        let steps = row.get(STEPS).and_then(Value::as_f64).unwrap_or(0.0);
        let numbers = row.iter().filter_map(|(key, value)| Some((key, value.as_f64()?)));
        for (key, number) in numbers.filter(|(key, _)| key.contains('/')) {
            // A2C's name for the same.
            let key = if key == "train/policy_loss" { "train/policy_gradient_loss" } else { key };
            self.latest.insert(key.to_owned(), number);
            if key == STEPS || key.starts_with("action_") {
                continue;
            }
            match self.curves.get_mut(key) {
                Some(curve) => curve.push((steps, number)),
                None => self.curves.entry(key.to_owned()).or_default().push((steps, number)),
            }
        }
    }

    /// The newest value of a key; 0 before there is one.
    pub(super) fn number(&self, key: &str) -> f64 {
        self.latest.get(key).copied().unwrap_or(0.0)
    }

    /// Environment steps done.
    pub(super) fn steps(&self) -> u64 {
        self.number(STEPS) as u64
    }

    /// The curves as they are now.
    pub(super) fn curves(&self) -> BTreeMap<String, Curve> {
        self.curves.iter().map(|(key, growing)| (key.clone(), growing.curve())).collect()
    }
}

/// A curve that grows at its end.
#[derive(Debug, Default)]
struct Growing {
    raw: Thinned,
    smooth: Thinned,
    mean: Option<f64>,
}

impl Growing {
    fn push(&mut self, (x, y): Point) {
        let mean = self.mean.map_or(y, |mean| SMOOTH * mean + (1.0 - SMOOTH) * y);
        self.mean = Some(mean);
        self.raw.push((x, y));
        self.smooth.push((x, mean));
    }

    fn curve(&self) -> Curve {
        Curve { raw: self.raw.points(), smooth: self.smooth.points() }
    }
}

/// Points in groups of the same number of rows; when there are too many groups, each two become one.
#[derive(Debug, Default)]
struct Thinned {
    groups: Vec<Group>,
    /// A full group has two to the power of this rows.
    halved: u32,
    /// Rows in the last group.
    rows: usize,
}

impl Thinned {
    fn push(&mut self, point: Point) {
        let group = Group { first: point, low: point, high: point, last: point };
        match self.groups.last_mut() {
            Some(last) if self.rows < 1 << self.halved => {
                *last = last.and(group);
                self.rows += 1;
            }
            _ => {
                if self.groups.len() == GROUPS {
                    self.groups =
                        self.groups.chunks_exact(2).map(|two| two[0].and(two[1])).collect();
                    self.halved += 1;
                }
                self.groups.push(group);
                self.rows = 1;
            }
        }
    }

    fn points(&self) -> Vec<Point> {
        let mut points: Vec<Point> = self.groups.iter().flat_map(|group| group.points()).collect();
        points.dedup();
        points
    }
}

/// What is kept of neighbouring rows.
#[derive(Clone, Copy, Debug)]
struct Group {
    first: Point,
    low: Point,
    high: Point,
    last: Point,
}

impl Group {
    /// This group and the one behind it.
    fn and(self, next: Group) -> Group {
        Group {
            first: self.first,
            low: if next.low.1 < self.low.1 { next.low } else { self.low },
            high: if next.high.1 > self.high.1 { next.high } else { self.high },
            last: next.last,
        }
    }

    fn points(self) -> [Point; 4] {
        let Group { first, low, high, last } = self;
        if low.0 <= high.0 { [first, low, high, last] } else { [first, high, low, last] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_thinned_curve_keeps_its_ends_and_its_extremes(
            values in prop::collection::vec(-1e3f64..1e3, 1..9_000),
        ) {
            let rows: Vec<Point> =
                values.iter().enumerate().map(|(i, y)| (i as f64, *y)).collect();
            let curve: Curve = rows.iter().copied().collect();
            let raw = &curve.raw;
            prop_assert!(raw.len() <= 4 * GROUPS && curve.smooth.len() <= 4 * GROUPS);
            prop_assert!(raw.len() >= rows.len().min(GROUPS / 2));
            prop_assert_eq!((raw.first(), raw.last()), (rows.first(), rows.last()));
            prop_assert!(raw.is_sorted_by(|a, b| a.0 < b.0), "a point twice, or out of order");
            let ends = |points: &[Point]| {
                points.iter().fold([f64::MAX, f64::MIN], |[a, b], (_, y)| [a.min(*y), b.max(*y)])
            };
            prop_assert_eq!(ends(raw), ends(&rows));
        }
    }

    #[test]
    fn the_smoothed_line_follows_every_row_also_those_that_are_not_drawn() {
        let rows: Vec<Point> = (0..20_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        let curve: Curve = rows.iter().copied().collect();
        let mean = rows.iter().fold(None, |mean: Option<f64>, (_, y)| {
            Some(mean.map_or(*y, |mean| SMOOTH * mean + (1.0 - SMOOTH) * y))
        });
        assert_eq!(curve.smooth.last().map(|point| point.1), mean);
    }

    #[test]
    fn a_row_without_a_number_leaves_the_curve_and_the_newest_value_as_they_are() {
        let mut learned = Learned::default();
        for text in [
            r#"{"time/total_timesteps":10,"train/policy_loss":1.5,"action_share/hold":0.5}"#,
            r#"{"time/total_timesteps":20,"train/policy_loss":null,"action_share/hold":0.6}"#,
        ] {
            learned.take(&serde_json::from_str(text).expect("a row"));
        }
        let curves = learned.curves();
        assert_eq!(curves.keys().collect::<Vec<_>>(), ["train/policy_gradient_loss"]);
        assert_eq!(curves["train/policy_gradient_loss"].raw, [(10.0, 1.5)]);
        assert_eq!((learned.steps(), learned.number("action_share/hold")), (20, 0.6));
    }
}
