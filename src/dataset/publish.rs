//! One Parquet file written: whole and flushed, and staged beside its place until the manifest names it.

use super::disk::{Hashing, tmp_path};
use super::manifest::FileEntry;
use super::rows::{day, instant};
use super::schema::{Table, VALUE_ENCODING};
use super::{DatasetError, SCHEMA_VERSION, VERSION_DIR};
use crate::event::SessionMeta;
use crate::units::TsNs;
use arrow::array::AsArray;
use arrow::datatypes::{
    ArrowPrimitiveType, Int64Type, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

/// Name and version of the writer, in every file.
pub(super) const WRITER: &str = concat!("kflow ", env!("CARGO_PKG_VERSION"));

/// Rows per row group of event tables: DuckDB's own size is close, and larger groups make the
/// query of one market slower.
const EVENT_GROUP_ROWS: usize = 131_072;
/// Rows per row group of feature tables, which are wide.
const FEATURE_GROUP_ROWS: usize = 65_536;
/// Level 9 is 0.7 % smaller and takes twice as long.
const ZSTD_LEVEL: i32 = 3;

/// A file to be written.
pub(super) struct NewFile<'a> {
    table: Table,
    /// Path in the data directory, with `/`.
    path: String,
    sessions: Vec<&'a SessionMeta>,
    extent: Option<Extent>,
    /// `kflow.*` metadata that only this kind of file has.
    pub(super) more: Vec<(&'static str, String)>,
    batch: &'a RecordBatch,
}

/// What the rows of a file reach over.
#[derive(Clone, Copy)]
struct Extent {
    row_ids: (i64, i64),
    ts: (TsNs, TsNs),
}

impl<'a> NewFile<'a> {
    /// The `number`th file of `folder` with rows of one session, in the partition of its first row.
    pub(super) fn of_session(
        table: Table,
        folder: &str,
        number: u32,
        session: &'a SessionMeta,
        batch: &'a RecordBatch,
    ) -> NewFile<'a> {
        let extent = Extent::of(table, batch);
        let begin = extent.ts.0;
        let (name, day, id) = (table.name(), day(begin), session.id.to_string());
        // The end of a UUIDv7 is random: it tells sessions apart that began in the same second.
        let (begin, end) = (compact(&instant(begin)), &id[id.len() - 8..]);
        let path =
            format!("{VERSION_DIR}/{folder}/date={day}/{name}-{begin}-{end}-{number:04}.parquet");
        let (sessions, extent) = (vec![session], Some(extent));
        NewFile { table, path, sessions, extent, more: Vec::new(), batch }
    }

    /// The only file of a small table.
    pub(super) fn reference(
        table: Table,
        sessions: Vec<&'a SessionMeta>,
        batch: &'a RecordBatch,
    ) -> NewFile<'a> {
        let path = format!("{VERSION_DIR}/{0}/{0}.parquet", table.name());
        NewFile { table, path, sessions, extent: None, more: Vec::new(), batch }
    }

    /// Writes the file beside its place and flushes it to disk. [`super::Manifest::write`] gives it its name.
    pub(super) fn stage(&self, data_dir: &Path) -> Result<FileEntry, DatasetError> {
        let path = data_dir.join(&self.path);
        let parent = path.parent().unwrap_or(data_dir);
        fs::create_dir_all(parent).map_err(DatasetError::io("create", parent))?;
        let tmp = tmp_path(&path);
        let file = File::create(&tmp).map_err(DatasetError::io("create", &tmp))?;
        let written = self.write(file).map_err(|e| match e {
            ParquetError::External(e) if e.is::<std::io::Error>() => DatasetError::Io {
                doing: "write",
                path: tmp.clone(),
                source: *e.downcast().expect("checked to be an IO error"),
            },
            source => DatasetError::Parquet { path: tmp.clone(), source },
        });
        if written.is_err() {
            // Best effort: the next export removes what stays behind.
            let _ = fs::remove_file(&tmp);
        }
        let (bytes, sha256) = written?;
        Ok(FileEntry {
            path: self.path.clone(),
            table: self.table.name().to_owned(),
            features: None,
            rows: self.batch.num_rows() as u64,
            bytes,
            sha256,
            row_id_min: self.extent.map(|e| e.row_ids.0),
            row_id_max: self.extent.map(|e| e.row_ids.1),
            ts_min: self.extent.map(|e| instant(e.ts.0)),
            ts_max: self.extent.map(|e| instant(e.ts.1)),
            sessions: self.sessions.iter().map(|s| s.id.to_string()).collect(),
        })
    }

    /// Writes the rows; gives size and SHA-256.
    fn write(&self, file: File) -> Result<(u64, String), ParquetError> {
        let sink = Hashing::new(BufWriter::new(file));
        let mut writer = ArrowWriter::try_new(sink, self.batch.schema(), Some(self.properties()?))?;
        writer.write(self.batch)?;
        let (buffer, bytes, sha256) = writer.into_inner()?.finish();
        let file = buffer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok((bytes, sha256))
    }

    fn properties(&self) -> Result<WriterProperties, ParquetError> {
        let features = self.table == Table::Features;
        let group = if features { FEATURE_GROUP_ROWS } else { EVENT_GROUP_ROWS };
        let schema = self.batch.schema();
        let sorting = self.table.sorted_by().iter().filter_map(|name| {
            let (column_idx, _) = schema.column_with_name(name)?;
            Some(SortingColumn {
                column_idx: column_idx as i32,
                descending: false,
                nulls_first: false,
            })
        });
        let mut props = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(WRITER.to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_max_row_group_row_count(Some(group))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_sorting_columns(Some(sorting.collect()))
            .set_key_value_metadata(Some(self.key_values()));
        let columns = self.table.columns();
        let fixed = columns.iter().filter_map(|c| Some((c.name, c.kind.encoding()?)));
        let fields = schema.fields().iter().skip(columns.len());
        let values = fields.map(|f| (f.name().as_str(), VALUE_ENCODING));
        for (name, encoding) in fixed.chain(values) {
            let path = ColumnPath::from(name);
            props = props
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding);
        }
        Ok(props.build())
    }

    fn key_values(&self) -> Vec<KeyValue> {
        let distinct = |value: fn(&SessionMeta) -> &str| {
            let values: BTreeSet<&str> = self.sessions.iter().map(|s| value(s)).collect();
            values.into_iter().collect::<Vec<_>>().join(" ")
        };
        let ids: Vec<String> = self.sessions.iter().map(|s| s.id.to_string()).collect();
        let mut pairs = vec![
            ("kflow.schema", self.table.name().to_owned()),
            ("kflow.schema_version", SCHEMA_VERSION.to_string()),
            ("kflow.writer", WRITER.to_owned()),
            ("kflow.source", distinct(|m| &m.source)),
            ("kflow.exchange_env", distinct(|m| &m.exchange_env)),
            ("kflow.sessions", serde_json::json!(ids).to_string()),
            ("kflow.price_unit", "1e-4 USD".to_owned()),
            ("kflow.qty_unit", "1e-2 contract".to_owned()),
            ("kflow.money_unit", "1e-6 USD".to_owned()),
        ];
        if let Some(Extent { row_ids: (first, last), .. }) = self.extent {
            pairs.push(("kflow.row_id_range", format!("{first}-{last}")));
        }
        pairs.extend(self.more.iter().cloned());
        pairs.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect()
    }
}

impl Extent {
    /// Of a batch with rows. Features have no time of receipt; theirs is the exchange's.
    fn of(table: Table, batch: &RecordBatch) -> Extent {
        let row_ids = range::<Int64Type>(batch, "row_id");
        let (min, max) = match table {
            Table::Features => {
                let (min, max) = range::<TimestampMicrosecondType>(batch, "ts_event");
                (min.saturating_mul(1_000), max.saturating_mul(1_000))
            }
            _ => range::<TimestampNanosecondType>(batch, "ts_recv"),
        };
        Extent { row_ids, ts: (TsNs(min), TsNs(max)) }
    }
}

/// Lowest and highest value of a column without nulls.
fn range<T: ArrowPrimitiveType<Native = i64>>(batch: &RecordBatch, column: &str) -> (i64, i64) {
    let values = batch.column_by_name(column).map(|c| c.as_primitive::<T>().values());
    let values = values.into_iter().flatten();
    values.fold((i64::MAX, i64::MIN), |(lo, hi), v| (lo.min(*v), hi.max(*v)))
}

/// `20260810T214608Z` of `2026-08-10T21:46:08.844Z`.
fn compact(instant: &str) -> String {
    let whole = instant.trim_end_matches('Z').split('.').next().unwrap_or_default();
    let digits: String = whole.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    digits + "Z"
}
