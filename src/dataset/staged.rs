//! A Parquet file of an agent's own: it has its name only when it is whole; before that it ends in `.tmp`.

use super::DatasetError;
use super::disk::{rename, tmp_path};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A file that is being written.
pub(super) struct Staged {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl Staged {
    /// Begins the file `path` beside its place.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn create(
        path: &Path,
        schema: SchemaRef,
        metadata: Vec<KeyValue>,
    ) -> Result<Staged, DatasetError> {
        let tmp = tmp_path(path);
        let file = File::create(&tmp).map_err(DatasetError::io("create", &tmp))?;
        let wrong = parquet_at(path);
        let level = ZstdLevel::try_new(3).map_err(&wrong)?;
        let props = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_key_value_metadata(Some(metadata));
        let writer = ArrowWriter::try_new(file, schema, Some(props.build())).map_err(wrong)?;
        Ok(Staged { path: path.to_owned(), writer })
    }

    /// Adds a row group.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), DatasetError> {
        let written = self.writer.write(batch).and_then(|()| self.writer.flush());
        written.map_err(parquet_at(&self.path))
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(self) -> Result<(), DatasetError> {
        let tmp = tmp_path(&self.path);
        let file = self.writer.into_inner().map_err(parquet_at(&self.path))?;
        file.sync_all().map_err(DatasetError::io("write", &tmp))?;
        rename(&tmp, &self.path)
    }
}

fn parquet_at(path: &Path) -> impl Fn(ParquetError) -> DatasetError {
    let path = tmp_path(path);
    move |source| DatasetError::Parquet { path: path.clone(), source }
}
