//! One Parquet file: written whole and published by rename, checked before it is believed.

use super::manifest::FileEntry;
use super::schema::{Table, VALUE_ENCODING};
use super::{DatasetError, SCHEMA_VERSION, VERSION_DIR};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Name and version of the writer, in every file.
pub(super) const WRITER: &str = concat!("kflow ", env!("CARGO_PKG_VERSION"));

/// Rows per row group of event tables: DuckDB's own size is close, and larger groups make the
/// query of one market slower.
const EVENT_GROUP_ROWS: usize = 131_072;
/// Rows per row group of feature tables, which are wide.
const FEATURE_GROUP_ROWS: usize = 65_536;
/// Level 9 is 0.7 % smaller and takes twice as long.
const ZSTD_LEVEL: i32 = 3;

/// Suffix of a file that is being written; no reader's `*.parquet` matches it.
const TMP: &str = ".tmp";

/// A file to be written.
pub(super) struct NewFile<'a> {
    pub(super) table: Table,
    /// Path in the data directory, with `/`.
    pub(super) path: String,
    /// Further `kflow.*` metadata.
    pub(super) metadata: Vec<(&'static str, String)>,
    pub(super) batch: &'a RecordBatch,
}

/// What was written.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl NewFile<'_> {
    /// Writes the file beside its place, flushes it to disk and renames it into place.
    pub(super) fn publish(&self, data_dir: &Path) -> Result<Written, DatasetError> {
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
        let written = written.and_then(|w| rename(&tmp, &path).map(|()| w));
        if written.is_err() {
            // Best effort: the next export removes what stays behind.
            let _ = fs::remove_file(&tmp);
        }
        written
    }

    fn write(&self, file: File) -> Result<Written, ParquetError> {
        let sink = Hashing { inner: BufWriter::new(file), sha: Sha256::new(), bytes: 0 };
        let mut writer = ArrowWriter::try_new(sink, self.batch.schema(), Some(self.properties()?))?;
        writer.write(self.batch)?;
        let sink = writer.into_inner()?;
        let file = sink.inner.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(Written { bytes: sink.bytes, sha256: hex(&sink.sha.finalize()) })
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
        let fixed = [
            ("kflow.schema", self.table.name().to_owned()),
            ("kflow.schema_version", SCHEMA_VERSION.to_string()),
            ("kflow.writer", WRITER.to_owned()),
            ("kflow.price_unit", "1e-4 USD".to_owned()),
            ("kflow.qty_unit", "1e-2 contract".to_owned()),
            ("kflow.money_unit", "1e-6 USD".to_owned()),
        ];
        let own = self.metadata.iter().map(|(k, v)| (*k, v.clone()));
        fixed.into_iter().chain(own).map(|(k, v)| KeyValue::new(k.to_owned(), v)).collect()
    }
}

/// Reads a whole file of the manifest after checking version, bytes and columns, in that order.
pub(super) fn read(
    data_dir: &Path,
    entry: &FileEntry,
    table: Table,
) -> Result<Vec<RecordBatch>, DatasetError> {
    let path = data_dir.join(&entry.path);
    let broken = |source| DatasetError::Parquet { path: path.clone(), source };
    let open = || File::open(&path).map_err(DatasetError::io("open", &path));
    let reader = ParquetRecordBatchReaderBuilder::try_new(open()?).map_err(broken)?;
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let key = |name: &str| {
        let pair = metadata.into_iter().flatten().find(|kv| kv.key == name);
        pair.and_then(|kv| kv.value.clone()).unwrap_or_else(|| "none".to_owned())
    };
    let found = key("kflow.schema_version");
    if found != SCHEMA_VERSION.to_string() {
        return Err(DatasetError::Version { path, found, want: SCHEMA_VERSION });
    }
    let other =
        |why| Err(DatasetError::Schema { path: path.clone(), table: table.name().to_owned(), why });
    if key("kflow.schema") != table.name() {
        return other(format!("it says that it holds {:?}", key("kflow.schema")));
    }
    let found = hash_file(open()?).map_err(DatasetError::io("read", &path))?;
    if found != entry.sha256 {
        return Err(DatasetError::Checksum { path, found, want: entry.sha256.clone() });
    }
    let columns = reader.schema();
    if let Some(why) = difference(table, columns) {
        return other(why);
    }
    let rows = reader.metadata().file_metadata().num_rows().max(1) as usize;
    let batches = reader.with_batch_size(rows).build().map_err(broken)?;
    batches.map(|batch| batch.map_err(|e| broken(ParquetError::External(Box::new(e))))).collect()
}

/// The first column that is not as the table's description says; further columns are the layout's
/// in a feature file and a difference elsewhere.
fn difference(table: Table, found: &arrow::datatypes::Schema) -> Option<String> {
    let want = table.schema();
    for (i, field) in want.fields().iter().enumerate() {
        match found.fields().get(i) {
            Some(f) if f.name() == field.name() && f.data_type() == field.data_type() => {}
            Some(f) => return Some(format!("column {i} is {f}, not {field}")),
            None => return Some(format!("column {} is missing", field.name())),
        }
    }
    let more = found.fields().get(want.fields().len())?;
    (table != Table::Features).then(|| format!("column {} is not of this table", more.name()))
}

/// Writes a small text file by way of a temporary one.
pub(super) fn write_text(path: &Path, text: &str) -> Result<(), DatasetError> {
    let tmp = tmp_path(path);
    let write = || {
        let mut file = File::create(&tmp)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(DatasetError::io("write", &tmp))?;
    rename(&tmp, path)
}

/// Removes what a crashed export left behind: temporary files below the version directory.
pub(super) fn remove_temporary(data_dir: &Path) -> Result<(), DatasetError> {
    let mut folders = vec![data_dir.join(VERSION_DIR)];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(DatasetError::io("list", folder)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(DatasetError::io("list", &folder))?;
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(".parquet.tmp") {
                fs::remove_file(&path).map_err(DatasetError::io("remove", &path))?;
            }
        }
    }
    Ok(())
}

/// Removes a file that is no longer part of the dataset; one that is gone already is fine.
pub(super) fn remove(data_dir: &Path, path: &str) -> Result<(), DatasetError> {
    let path = data_dir.join(path);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(DatasetError::io("remove", path)(e))
        }
        _ => Ok(()),
    }
}

/// True if a manifest's path stays below the version directory.
pub(super) fn is_inside(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some(VERSION_DIR) && parts.all(|p| !matches!(p, "" | "." | ".."))
}

/// SHA-256 of `bytes` in hex.
pub(super) fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

fn tmp_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TMP);
    name.into()
}

/// Renames, then flushes the directory, so that the new name outlives a power cut.
fn rename(tmp: &Path, path: &Path) -> Result<(), DatasetError> {
    fs::rename(tmp, path).map_err(DatasetError::io("rename", tmp))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let flush = || File::open(folder)?.sync_all();
    flush().map_err(DatasetError::io("flush", folder))
}

fn hash_file(mut file: File) -> std::io::Result<String> {
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&sha.finalize())),
            n => sha.update(&buffer[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Hashes and counts what passes through.
struct Hashing<W> {
    inner: W,
    sha: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sha.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
