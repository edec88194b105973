//! One published file read: version, bytes and columns are checked before a value is believed.

use super::manifest::FileEntry;
use super::schema::Table;
use super::{DatasetError, SCHEMA_VERSION, disk};
use crate::digest::sha256_of;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Reads a whole file of the manifest after checking version, bytes and columns, in that order.
pub(super) fn read(
    data_dir: &Path,
    entry: &FileEntry,
    table: Table,
) -> Result<Vec<RecordBatch>, DatasetError> {
    let path = place(data_dir, entry)?;
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
    check_at(&path, entry)?;
    let columns = reader.schema();
    if let Some(why) = difference(table, columns) {
        return other(why);
    }
    let rows = reader.metadata().file_metadata().num_rows().max(1) as usize;
    let batches = reader.with_batch_size(rows).build().map_err(broken)?;
    batches.map(|batch| batch.map_err(|e| broken(ParquetError::External(Box::new(e))))).collect()
}

/// Fails unless the file of `entry` holds the bytes that the manifest lists.
pub(super) fn check_bytes(data_dir: &Path, entry: &FileEntry) -> Result<(), DatasetError> {
    check_at(&place(data_dir, entry)?, entry)
}

fn check_at(path: &Path, entry: &FileEntry) -> Result<(), DatasetError> {
    let file = File::open(path).map_err(DatasetError::io("open", path))?;
    let found = sha256_of(file).map_err(DatasetError::io("read", path))?;
    let (path, want) = (path.to_owned(), entry.sha256.clone());
    if found == want { Ok(()) } else { Err(DatasetError::Checksum { path, found, want }) }
}

/// Where the file of `entry` is: an export that was killed between its manifest and the renames left it
/// under another name.
fn place(data_dir: &Path, entry: &FileEntry) -> Result<PathBuf, DatasetError> {
    let path = data_dir.join(&entry.path);
    Ok(if disk::is_staged(&path, entry)? { disk::tmp_path(&path) } else { path })
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
