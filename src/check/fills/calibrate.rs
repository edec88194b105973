//! The exponent of the fitted queue for each series, found on early orders and judged on later ones.

use super::estimate::{self, Errors, Estimator, Feeding, PEERS, UNIFORM, errors};
use super::track::{Step, Track};
use crate::broker::fits::series_of;
use crate::broker::{Exponent, QueueFit, QueueModel, Truth};
use crate::units::{Qty, TsUs};
use serde::Serialize;
use std::collections::BTreeMap;

/// Orders of the first part of the time are fitted to, the rest judges; parts of ten.
const TRAIN_TENTHS: usize = 7;
/// Fewer orders than this on either side are no evidence.
const ORDERS_MIN: usize = 20;
/// Distances of the exponents tried, hundredths: over the whole range, then around the best so far.
const STRIDES_E2: [u16; 3] = [25, 5, 1];

/// One series' result.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesResult {
    /// The series.
    pub series: String,
    /// Where the places are known from.
    pub truth: Truth,
    /// The exponent that is nearest to the truth on the early orders, hundredths.
    pub exponent_e2: u16,
    /// It stands at the end of the range tried: the best one may lie beyond.
    pub at_end: bool,
    /// Orders that ended before the split, and places looked at.
    pub train_orders: u64,
    /// Places compared while fitting.
    pub train_looks: u64,
    /// Orders that began after the split.
    pub test_orders: u64,
    /// Places compared there; all that follows is about these.
    pub test_looks: u64,
    /// The fitted queue is nearer to the truth than the uniform one.
    pub beats_uniform: bool,
    /// Part of the places inside [optimistic, pessimistic].
    pub coverage: f64,
    /// The same, the bracket widened by the volume of trades that more than one decrease could have been.
    pub coverage_widened: f64,
    /// Mean width of the bracket, contracts.
    pub bracket_width: f64,
    /// Ours first, then hftbacktest's.
    pub estimators: Vec<Row>,
}

/// One estimator's errors on the later orders.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Mean of estimate less truth, contracts.
    pub bias: f64,
    /// Mean distance from the truth, contracts.
    pub mean_error: f64,
}

/// Too few orders of a series.
#[derive(Clone, Debug, Serialize)]
pub struct TooFew {
    /// The series.
    pub series: String,
    /// Orders before the split and after it.
    pub orders: [usize; 2],
}

/// Fits and judges every series in `tracks`, which are put in order of time first.
pub fn calibrate(mut tracks: Vec<Track>, truth: Truth) -> (Vec<SeriesResult>, Vec<TooFew>) {
    tracks.sort_by_key(|track| track.joined);
    let mut by_series: BTreeMap<String, Vec<Track>> = BTreeMap::new();
    for track in tracks {
        by_series.entry(series_of(&track.ticker).to_owned()).or_default().push(track);
    }
    let (mut results, mut too_few) = (Vec::new(), Vec::new());
    for (series, tracks) in by_series {
        let [train, test] = split(&tracks);
        if train.len().min(test.len()) < ORDERS_MIN {
            too_few.push(TooFew { series, orders: [train.len(), test.len()] });
        } else {
            results.push(one_series(series, truth, &train, &test));
        }
    }
    (results, too_few)
}

/// Tracks that ended before the split, and tracks that began after it; what lived across it is left out.
fn split(tracks: &[Track]) -> [Vec<&Track>; 2] {
    let at = tracks.get(tracks.len() * TRAIN_TENTHS / 10).map_or(TsUs(0), |track| track.joined);
    let train = tracks.iter().filter(|track| track.ended < at).collect();
    let test = tracks.iter().filter(|track| track.joined >= at).collect();
    [train, test]
}

fn one_series(series: String, truth: Truth, train: &[&Track], test: &[&Track]) -> SeriesResult {
    let exponent = fit(train);
    let fitted = errors_of(Estimator::Model(QueueModel::Power(exponent)), test);
    let uniform = errors_of(UNIFORM, test);
    let bracket = Coverage::of(test);
    SeriesResult {
        series,
        truth,
        exponent_e2: exponent.e2(),
        at_end: is_at_end(exponent),
        train_orders: train.len() as u64,
        train_looks: looks(train),
        test_orders: test.len() as u64,
        test_looks: fitted.looks,
        beats_uniform: fitted.mean_error() < uniform.mean_error(),
        coverage: bracket.inside as f64 / bracket.looks.max(1) as f64,
        coverage_widened: bracket.inside_widened as f64 / bracket.looks.max(1) as f64,
        bracket_width: bracket.width / bracket.looks.max(1) as f64,
        estimators: rows(exponent, test),
    }
}

/// The exponent with the least mean error.
pub fn fit(tracks: &[&Track]) -> Exponent {
    let error = |exponent: Exponent| {
        let errors = errors_of(Estimator::Model(QueueModel::Power(exponent)), tracks);
        (errors.mean_error(), exponent)
    };
    let mut best = error(Exponent::ONE);
    let mut around = 0..=Exponent::MAX.e2();
    for stride in STRIDES_E2 {
        let tried = around.step_by(usize::from(stride)).filter_map(Exponent::new).map(error);
        best = tried.fold(best, |best, next| if next.0 < best.0 { next } else { best });
        let e2 = best.1.e2();
        around = e2.saturating_sub(stride)..=(e2 + stride).min(Exponent::MAX.e2());
    }
    best.1
}

/// True where fitting could not go further.
fn is_at_end(exponent: Exponent) -> bool {
    [0, Exponent::MAX.e2()].contains(&exponent.e2())
}

fn errors_of(estimator: Estimator, tracks: &[&Track]) -> Errors {
    errors(estimator, tracks.iter().copied())
}

fn looks(tracks: &[&Track]) -> u64 {
    let looks = |track: &&Track| track.steps.iter().filter(|s| matches!(s, Step::Look(_))).count();
    tracks.iter().map(looks).sum::<usize>() as u64
}

fn fitted_name(fitted: Exponent) -> String {
    let end = if is_at_end(fitted) { " (at the end of the range tried)" } else { "" };
    format!("fitted, n = {:.2}{end}", f64::from(fitted.e2()) / 100.0)
}

fn rows(fitted: Exponent, test: &[&Track]) -> Vec<Row> {
    let model = |name: &str, model| (name.to_owned(), Estimator::Model(model));
    let ours = [
        model(&fitted_name(fitted), QueueModel::Power(fitted)),
        model("uniform, n = 1", QueueModel::Power(Exponent::ONE)),
        model("default, n = 2", QueueModel::Power(Exponent::TWO)),
        model("pessimistic", QueueModel::Risk),
        model("optimistic", QueueModel::Front),
    ];
    let peers = |feeding, suffix: &'static str| {
        let peer = move |(name, peer)| (format!("{name}{suffix}"), Estimator::Peer(peer, feeding));
        PEERS.into_iter().map(peer)
    };
    let exact = peers(Feeding::Exact, "");
    let as_fed = peers(Feeding::TradeFirst, ", trade first");
    let all = ours.into_iter().chain(exact).chain(as_fed);
    let row = |(name, estimator)| {
        let errors = errors_of(estimator, test);
        Row { name, bias: errors.bias(), mean_error: errors.mean_error() }
    };
    all.map(row).collect()
}

/// How often the truth lies between the optimistic and the pessimistic queue.
#[derive(Default)]
struct Coverage {
    looks: u64,
    inside: u64,
    inside_widened: u64,
    width: f64,
}

impl Coverage {
    fn of(tracks: &[&Track]) -> Coverage {
        let mut all = Coverage::default();
        for track in tracks {
            let bound = |model| {
                let mut seen = Vec::new();
                estimate::follow(Estimator::Model(model), track, |front, truth| {
                    seen.push((front, truth))
                });
                seen
            };
            let bounds = bound(QueueModel::Front).into_iter().zip(bound(QueueModel::Risk));
            bounds.for_each(|((low, truth), (high, _))| {
                all.enter((low, high), truth, track.ambiguous)
            });
        }
        all
    }

    fn enter(&mut self, (low, high): (f64, f64), truth: Qty, ambiguous: Qty) {
        let (truth, slack) = (estimate::contracts(truth), estimate::contracts(ambiguous));
        self.looks += 1;
        self.inside += u64::from((low..=high).contains(&truth));
        self.inside_widened += u64::from((low - slack..=high + slack).contains(&truth));
        self.width += high - low;
    }
}

impl SeriesResult {
    /// As it is kept for the environment; `None` unless it beats the uniform model on later orders.
    pub fn to_fit(&self, day: &str) -> Option<QueueFit> {
        let [fitted, uniform] = [self.estimators.first()?, self.estimators.get(1)?];
        let e2 = |contracts: f64| (contracts * 100.0).round() as i64;
        self.beats_uniform.then_some(QueueFit {
            exponent: Exponent::new(self.exponent_e2)?,
            at_end: self.at_end,
            truth: self.truth,
            fitted: day.to_owned(),
            train_orders: self.train_orders,
            train_looks: self.train_looks,
            test_orders: self.test_orders,
            test_looks: self.test_looks,
            mean_error_e2: e2(fitted.mean_error),
            uniform_mean_error_e2: e2(uniform.mean_error),
            bias_e2: e2(fitted.bias),
            coverage_e4: (self.coverage * 10_000.0).floor() as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Cancels that stand before us with probability share(front / level)^n, order by order.
    fn world(seed: u64, n: u16, orders: u64) -> Vec<Track> {
        let model = QueueModel::Power(Exponent::new(n).unwrap());
        let mut rng = Rng::stream(seed, "world", 0);
        let mut tracks = Vec::new();
        for order in 0..orders {
            let mut level = Qty(20_000 + rng.below(80_000) as i64);
            let mut front = Qty(rng.below(level.0 as u64) as i64);
            let (start, mut steps) = (front, Vec::new());
            for _ in 0..40 {
                let cut = Qty(100 + rng.below(level.0 as u64 / 8) as i64);
                front = model.cancel(front, level, cut);
                steps.push(Step::Level { before: level, after: level - cut, traded: false });
                level = level - cut + Qty(rng.below(10_000) as i64);
                steps.push(Step::Level { before: level, after: level, traded: false });
                steps.push(Step::Look(front));
            }
            let joined = TsUs(order as i64 * 1_000);
            let (ticker, ended) = ("KXW-1".to_owned(), TsUs(joined.0 + 10));
            tracks.push(Track { ticker, joined, ended, start, steps, ambiguous: Qty::ZERO });
        }
        tracks
    }

    #[test]
    fn the_exponent_of_a_world_is_found_and_beats_the_uniform_model() {
        for n in [130, 200, 275] {
            let (results, too_few) = calibrate(world(1, n, 100), Truth::Simulated);
            assert!(too_few.is_empty());
            let result = &results[0];
            assert!(result.exponent_e2.abs_diff(n) <= 2, "{} instead of {n}", result.exponent_e2);
            assert!(result.beats_uniform && result.coverage == 1.0, "{result:?}");
            assert!(!result.at_end && !result.estimators[0].name.contains("range"), "{result:?}");
            assert!(result.to_fit("2026-11-21").is_some_and(|fit| !fit.at_end));
        }
    }

    /// It was told and written as if it were a fit like any other.
    #[test]
    fn an_exponent_at_the_end_of_the_range_is_told_as_such() {
        let most = Exponent::MAX.e2();
        let (results, _) = calibrate(world(3, most, 100), Truth::Simulated);
        let result = &results[0];
        assert!(result.at_end && result.exponent_e2 == most, "{result:?}");
        assert_eq!(result.estimators[0].name, "fitted, n = 8.00 (at the end of the range tried)");
        assert!(result.to_fit("2026-11-21").is_some_and(|fit| fit.at_end));
    }

    #[test]
    fn a_uniform_world_gives_nothing_to_keep_and_few_orders_are_no_evidence() {
        let (results, _) = calibrate(world(2, 100, 100), Truth::Simulated);
        assert!(!results[0].beats_uniform && results[0].to_fit("2026-11-21").is_none());
        let (results, too_few) = calibrate(world(2, 200, 30), Truth::Simulated);
        assert!(results.is_empty() && too_few[0].orders[1] < ORDERS_MIN);
    }
}
