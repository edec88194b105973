//! Feature files: the market columns of one observation layout, written and read back.
//!
//! The account part depends on decisions and is never in a file. A feature file names the layout,
//! its hash and the events that it was computed from, so that neither can be mistaken.

use super::manifest::{FeatureOrigin, FileEntry, Manifest};
use super::publish::NewFile;
use super::rows::{UTC, day_number, words};
use super::schema::Table;
use super::{DatasetError, disk, load};
use crate::event::SessionMeta;
use crate::units::{Price, TsNs};
use arrow::array::{ArrayRef, Float32Array, Int32Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which features: identity of an observation layout and the names of its market columns.
#[derive(Clone, Copy, Debug)]
pub struct FeatureSet<'a> {
    /// `flow52-v1`.
    pub layout: &'a str,
    /// SHA-256 of the layout, hex.
    pub layout_hash: &'a str,
    /// Names of the market columns in the order of the model's input.
    pub columns: &'a [&'a str],
}

/// Rows of one market in one session, in order.
#[derive(Clone, Debug, Default)]
pub struct FeatureRows {
    /// The market.
    pub ticker: String,
    /// What one YES contract paid, as far as known.
    pub settlement: Option<Price>,
    /// Last event that each row has seen.
    pub row_ids: Vec<i64>,
    /// Exchange time of each row, microseconds.
    pub ts_us: Vec<i64>,
    /// Twice the mid of each row, 1e-4 dollars.
    pub mid2_e4: Vec<i32>,
    /// Market parts, `[rows, columns]`.
    pub values: Vec<f32>,
}

/// Rewrites the feature files of one layout: sessions one by one, then [`FeatureWriter::finish`].
pub struct FeatureWriter<'a> {
    data_dir: PathBuf,
    set: FeatureSet<'a>,
    manifest: Manifest,
    origin: FeatureOrigin,
    outdated: Vec<String>,
    _lock: File,
}

impl<'a> FeatureWriter<'a> {
    /// Begins anew for `set`; files of other layouts stay.
    ///
    /// # Errors
    /// When there is no dataset.
    pub fn open(data_dir: &Path, set: FeatureSet<'a>) -> Result<FeatureWriter<'a>, DatasetError> {
        Manifest::existing(data_dir)?;
        let lock = disk::lock(data_dir)?;
        let mut manifest = Manifest::existing(data_dir)?;
        disk::settle(data_dir, &manifest.files)?;
        let origin = FeatureOrigin {
            layout: set.layout.to_owned(),
            layout_hash: set.layout_hash.to_owned(),
            events: manifest.fingerprint(),
        };
        let is_ours = |f: &FileEntry| f.features.as_ref().is_some_and(|o| o.layout == set.layout);
        let outdated = manifest.files.iter().filter(|f| is_ours(f)).map(|f| f.path.clone());
        let outdated = outdated.collect();
        manifest.files.retain(|f| !is_ours(f));
        let data_dir = data_dir.to_owned();
        Ok(FeatureWriter { data_dir, set, manifest, origin, outdated, _lock: lock })
    }

    /// Writes the rows of one session, markets in order of their tickers: one file per UTC day.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn session(
        &mut self,
        session: &SessionMeta,
        markets: &[FeatureRows],
    ) -> Result<(), DatasetError> {
        let mut days: BTreeMap<i64, Vec<(&FeatureRows, Range<usize>)>> = BTreeMap::new();
        for market in markets {
            let mut from = 0;
            for run in market.ts_us.chunk_by(|a, b| day_of_us(*a) == day_of_us(*b)) {
                let rows = from..from + run.len();
                from = rows.end;
                days.entry(day_of_us(run[0])).or_default().push((market, rows));
            }
        }
        for (number, parts) in (1..).zip(days.values()) {
            self.publish(session, number, parts)?;
        }
        Ok(())
    }

    /// Publishes the manifest, then removes the layout's former files.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub fn finish(mut self) -> Result<Manifest, DatasetError> {
        self.manifest.write(&self.data_dir)?;
        for path in &self.outdated {
            if !self.manifest.files.iter().any(|f| f.path == *path) {
                disk::remove(&self.data_dir, path)?;
            }
        }
        super::write_card(&self.data_dir, &self.manifest)?;
        Ok(self.manifest)
    }

    fn publish(
        &mut self,
        session: &SessionMeta,
        number: u32,
        parts: &[(&FeatureRows, Range<usize>)],
    ) -> Result<(), DatasetError> {
        let batch = self.batch(&session.id.to_string(), parts)?;
        let folder = format!("{}/{}", Table::Features.name(), self.set.layout);
        let mut file = NewFile::of_session(Table::Features, &folder, number, session, &batch);
        file.more = vec![
            ("kflow.layout", self.origin.layout.clone()),
            ("kflow.layout_hash", self.origin.layout_hash.clone()),
            ("kflow.events", self.origin.events.clone()),
        ];
        let entry = file.stage(&self.data_dir)?;
        self.manifest.files.push(FileEntry { features: Some(self.origin.clone()), ..entry });
        Ok(())
    }

    fn batch(
        &self,
        id: &str,
        parts: &[(&FeatureRows, Range<usize>)],
    ) -> Result<RecordBatch, DatasetError> {
        let longs = |column: fn(&FeatureRows) -> &[i64]| {
            parts.iter().flat_map(move |(m, rows)| &column(m)[rows.clone()]).copied()
        };
        let each = || parts.iter().flat_map(|(m, rows)| rows.clone().map(move |_| *m));
        let ts = TimestampMicrosecondArray::from_iter_values(longs(|m| &m.ts_us));
        let mids = parts.iter().flat_map(|(m, rows)| &m.mid2_e4[rows.clone()]).copied();
        let settlements = each().map(|m| m.settlement.map(|p| p.e4() as i32));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(longs(|m| &m.row_ids))),
            words::<Int32Type>(each().map(|_| id)),
            Arc::new(ts.with_timezone(UTC)),
            words::<Int32Type>(each().map(|m| m.ticker.as_str())),
            Arc::new(settlements.collect::<Int32Array>()),
            Arc::new(Int32Array::from_iter_values(mids)),
        ];
        let width = self.set.columns.len();
        for column in 0..width {
            let values = parts
                .iter()
                .flat_map(|(m, rows)| rows.clone().map(move |row| m.values[row * width + column]));
            columns.push(Arc::new(Float32Array::from_iter_values(values)));
        }
        let schema = Table::Features.schema_with(self.set.columns);
        RecordBatch::try_new(schema, columns)
            .map_err(|source| DatasetError::Columns { table: "features".to_owned(), source })
    }
}

/// Reads all feature rows of a layout, in the order of the files.
///
/// # Errors
/// [`DatasetError::Stale`] where nothing was built, the layout has changed or the events have changed
/// since; otherwise when a file is not what the manifest says.
pub fn read_features(
    data_dir: &Path,
    set: &FeatureSet<'_>,
) -> Result<Vec<RecordBatch>, DatasetError> {
    let manifest = Manifest::existing(data_dir)?;
    let stale = |why| DatasetError::Stale { layout: set.layout.to_owned(), why };
    let events = manifest.fingerprint();
    let mut batches = Vec::new();
    for entry in manifest.table(Table::Features.name()) {
        let Some(origin) = entry.features.as_ref().filter(|o| o.layout == set.layout) else {
            continue;
        };
        if origin.layout_hash != set.layout_hash {
            return Err(stale("they were built with another version of the layout"));
        }
        if origin.events != events {
            return Err(stale("the events were exported anew since"));
        }
        batches.extend(load::read(data_dir, entry, Table::Features)?);
    }
    match batches.is_empty() {
        true => Err(stale("none were built")),
        false => Ok(batches),
    }
}

fn day_of_us(ts_us: i64) -> i64 {
    day_number(TsNs(ts_us.saturating_mul(1_000)))
}
