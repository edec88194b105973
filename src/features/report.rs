//! The feature report: what each column of the market part really does on the data.
//!
//! It answers before any training: is a column dead, is it another one in disguise, does it stand at
//! its bounds, is there a value that no model may see?

use super::Layout;
use super::pipeline::{PipelineError, market_columns};
use crate::dataset::{FeatureSet, bridge, read_features};
use polars::prelude::{
    DataFrame, DataType, Expr, IntoLazy, QuantileMethod, col, concat, lit, pearson_corr,
};
use serde::Serialize;
use std::path::Path;

/// Two columns that correlate more than this are the same column in disguise.
pub const DUPLICATE_CORRELATION: f64 = 0.999;

/// Distance from a declared bound within which a value counts as standing at it.
pub const BOUND_DISTANCE: f32 = 1e-3;

/// Profile of all market columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Observation layout.
    pub layout: String,
    /// Rows profiled.
    pub rows: u64,
    /// One entry per market column, in order.
    pub columns: Vec<ColumnReport>,
}

/// Profile of one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnReport {
    /// Name.
    pub name: String,
    /// Smallest value.
    pub min: f64,
    /// 1 % quantile (nearest rank), as the other two.
    pub p01: f64,
    /// Median.
    pub p50: f64,
    /// 99 % quantile.
    pub p99: f64,
    /// Largest value.
    pub max: f64,
    /// Share of rows within [`BOUND_DISTANCE`] of the declared lower bound.
    pub at_lo: f64,
    /// Share of rows within [`BOUND_DISTANCE`] of the declared upper bound.
    pub at_hi: f64,
    /// Share of rows outside the declared range: any is a defect.
    pub outside: f64,
    /// All values are equal.
    pub constant: bool,
    /// The first earlier column with |r| above [`DUPLICATE_CORRELATION`].
    pub duplicate_of: Option<String>,
    /// Values that are not finite numbers: any is a defect.
    pub nan: u64,
}

impl Report {
    /// Values that are not finite numbers, over all columns.
    pub fn nan(&self) -> u64 {
        self.columns.iter().map(|c| c.nan).sum()
    }
}

/// Profiles the feature files of `layout`.
///
/// # Errors
/// When there are none that fit the layout and the events.
pub fn report(data_dir: &Path, layout: Layout) -> Result<Report, PipelineError> {
    let names = market_columns(layout);
    let (name, hash) = (layout.to_string(), layout.hash());
    let set = FeatureSet { layout: &name, layout_hash: &hash, columns: &names };
    let mut frames = Vec::new();
    for batch in read_features(data_dir, &set)? {
        frames.push(bridge::frame(&batch)?.lazy());
    }
    profile(&concat(frames, Default::default())?.collect()?, layout)
}

/// Profiles a frame that has the market columns of `layout`.
///
/// # Errors
/// When a column is missing.
pub fn profile(frame: &DataFrame, layout: Layout) -> Result<Report, PipelineError> {
    let names = market_columns(layout);
    let bounds = layout.columns().iter().map(|c| (c.lo, c.hi));
    let figures = names.iter().zip(bounds).flat_map(|(name, (lo, hi))| figures(name, lo, hi));
    let figures = numbers(&frame.clone().lazy().select(figures.collect::<Vec<_>>()).collect()?)?;
    let twins = duplicates(frame, &names)?;
    let columns = names.iter().zip(figures.chunks_exact(FIGURES)).zip(twins);
    let columns = columns.map(|((name, f), twin)| ColumnReport {
        name: (*name).to_owned(),
        min: f[0],
        p01: f[1],
        p50: f[2],
        p99: f[3],
        max: f[4],
        at_lo: f[5],
        at_hi: f[6],
        outside: f[7],
        constant: f[0] == f[4],
        duplicate_of: twin.map(|i| names[i].to_owned()),
        nan: f[8] as u64,
    });
    Ok(Report {
        layout: layout.to_string(),
        rows: frame.height() as u64,
        columns: columns.collect(),
    })
}

/// Figures per column that [`figures`] asks for.
const FIGURES: usize = 9;

fn figures(name: &str, lo: f32, hi: f32) -> [Expr; FIGURES] {
    let x = || col(name);
    let quantile = |q: f64| x().quantile(lit(q), QuantileMethod::Nearest);
    [
        x().min(),
        quantile(0.01),
        quantile(0.5),
        quantile(0.99),
        x().max(),
        x().lt_eq(lit(lo + BOUND_DISTANCE)).mean(),
        x().gt_eq(lit(hi - BOUND_DISTANCE)).mean(),
        x().lt(lit(lo)).or(x().gt(lit(hi))).mean(),
        x().is_finite().not().sum(),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, e)| e.cast(DataType::Float64).alias(format!("{name}/{i}")))
    .collect::<Vec<_>>()
    .try_into()
    .expect("as many as written above")
}

/// For every column the first earlier one that it repeats. A constant correlates with nothing.
fn duplicates(frame: &DataFrame, names: &[&str]) -> Result<Vec<Option<usize>>, PipelineError> {
    let pairs = (0..names.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let x = |i: usize| col(names[i]).cast(DataType::Float64);
    let r = pairs.clone().map(|(i, j)| pearson_corr(x(i), x(j)).alias(format!("{i}/{j}")));
    let r = numbers(&frame.clone().lazy().select(r.collect::<Vec<_>>()).collect()?)?;
    let mut twins = vec![None; names.len()];
    for ((i, j), r) in pairs.zip(r) {
        if r.abs() > DUPLICATE_CORRELATION && twins[i].is_none() {
            twins[i] = Some(j);
        }
    }
    Ok(twins)
}

/// The only row of a frame of Float64; NaN for null.
fn numbers(frame: &DataFrame) -> Result<Vec<f64>, PipelineError> {
    let number = |c: &polars::prelude::Column| Ok(c.f64()?.get(0).unwrap_or(f64::NAN));
    frame.columns().iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{Column, NamedFrom, Series};

    /// 1 000 rows of the default layout, every column noise inside its range.
    fn noise() -> (Vec<String>, Vec<Vec<f32>>) {
        let layout = Layout::Flow52V1;
        let names = market_columns(layout);
        let columns = names.iter().zip(layout.columns()).map(|(name, c)| {
            let mut rng = crate::rng::Rng::stream(1, name, 0);
            (0..1_000).map(|_| c.lo + rng.unit() as f32 * (c.hi - c.lo)).collect()
        });
        (names.iter().map(|n| (*n).to_owned()).collect(), columns.collect())
    }

    fn check(plant: impl FnOnce(&mut Vec<Vec<f32>>)) -> Vec<ColumnReport> {
        let (names, mut values) = noise();
        plant(&mut values);
        let columns = names.iter().zip(&values);
        let columns = columns.map(|(n, v)| Column::from(Series::new(n.as_str().into(), v)));
        let frame = DataFrame::new(values[0].len(), columns.collect()).expect("a frame");
        profile(&frame, Layout::Flow52V1).expect("a profile").columns
    }

    #[test]
    fn noise_is_reported_as_nothing() {
        for c in check(|_| ()) {
            assert!(!c.constant && c.duplicate_of.is_none() && c.nan == 0, "{c:?}");
            assert!(c.outside == 0.0 && c.min < c.p01 && c.p01 < c.p50 && c.p50 < c.p99, "{c:?}");
            assert!(c.p99 < c.max, "{c:?}");
        }
    }

    #[test]
    fn a_copy_in_disguise_is_found_and_named() {
        let columns = check(|v| {
            v[9] = v[4].iter().map(|x| 1.0 - 0.5 * x).collect();
            v[30] = v[9].clone();
        });
        assert_eq!(columns[9].duplicate_of, Some(columns[4].name.clone()));
        assert_eq!(columns[30].duplicate_of, Some(columns[4].name.clone()));
        assert_eq!(columns.iter().filter(|c| c.duplicate_of.is_some()).count(), 2);
    }

    #[test]
    fn a_dead_column_is_constant_and_repeats_nothing() {
        let columns = check(|v| {
            v[3].fill(0.25);
            v[7].fill(0.25);
        });
        assert!(columns[3].constant && columns[7].constant);
        assert!(columns.iter().all(|c| c.duplicate_of.is_none()));
    }

    #[test]
    fn values_that_no_model_may_see_are_counted() {
        let columns = check(|v| {
            v[5][17] = f32::NAN;
            v[5][18] = f32::INFINITY;
            v[6][0] = 40.0;
        });
        assert_eq!((columns[5].nan, columns[6].nan), (2, 0));
        assert!(columns[6].outside > 0.0 && columns[6].max == 40.0);
    }

    #[test]
    fn shares_at_the_bounds_are_those_of_the_rows() {
        let bounds = Layout::Flow52V1.columns()[0];
        let columns = check(|v| {
            v[0][..100].fill(bounds.lo);
            v[0][100..400].fill(bounds.hi);
        });
        assert!((columns[0].at_lo - 0.1).abs() < 0.01, "{:?}", columns[0]);
        assert!((columns[0].at_hi - 0.3).abs() < 0.01, "{:?}", columns[0]);
    }
}
