//! Reading and writing whole files.

use super::super::weights::WeightsError;
use super::CheckpointError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

pub(in crate::agent) fn io_at(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { path: path.clone(), source }
}

pub(in crate::agent) fn weights_at(path: &Path) -> impl Fn(WeightsError) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Weights { path: path.clone(), source }
}

pub(in crate::agent) fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(io_at(path))
}

pub(in crate::agent) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, CheckpointError> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|source| CheckpointError::Json { path: path.to_owned(), source })
}

/// Writes a JSON file as a whole.
pub(in crate::agent) fn write_json(
    path: &Path,
    value: &impl Serialize,
) -> Result<(), CheckpointError> {
    write(path, &pretty(path, value)?)
}

pub(in crate::agent) fn pretty(
    path: &Path,
    value: &impl Serialize,
) -> Result<Vec<u8>, CheckpointError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|t| format!("{t}\n").into_bytes())
        .map_err(|source| CheckpointError::Json { path: path.to_owned(), source })
}

/// Writes a file as a whole: under another name first, and to the disk before it gets its own.
pub(in crate::agent) fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let new = path.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(io_at(path))
}

pub(in crate::agent) fn remove_dir(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_at(path)(e)),
        _ => Ok(()),
    }
}

/// Brings names in a folder to the disk: renamings would else be lost with the power.
pub(in crate::agent) fn sync_dir(path: &Path) -> Result<(), CheckpointError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io_at(path))
}
