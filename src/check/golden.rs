//! Reading golden files and comparing numbers: what all kinds share.

use super::{CheckError, Outcome};
use serde::de::DeserializeOwned;
use std::path::Path;

/// The non-blank lines of a file with their numbers, from 1; never empty.
pub(super) fn lines(path: &Path) -> Result<Vec<(usize, String)>, CheckError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CheckError::Read { path: path.display().to_string(), source })?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let lines: Vec<_> = lines.map(|(line, number)| (number, line.to_owned())).collect();
    if lines.is_empty() {
        return Err(form(path, "holds no case"));
    }
    Ok(lines)
}

/// One line as a case of type `T`.
pub(super) fn parse<T: DeserializeOwned>(
    path: &Path,
    (number, line): &(usize, String),
) -> Result<T, CheckError> {
    serde_json::from_str(line).map_err(|e| form(path, &format!("line {number}: {e}")))
}

/// The content is not of a form that is known here.
pub(super) fn form(path: &Path, why: &str) -> CheckError {
    CheckError::Form { path: path.display().to_string(), why: why.to_owned() }
}

/// Compares values one by one; the error names the first that is off by more than `tolerance`.
pub(super) fn compare(
    outcome: &mut Outcome,
    got: impl ExactSizeIterator<Item = f64>,
    want: &[f64],
    tolerance: f64,
) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{} values instead of {}", got.len(), want.len()));
    }
    let mut first = Ok(());
    for (i, (got, want)) in got.zip(want).enumerate() {
        if outcome.diff(got, *want) > tolerance && first.is_ok() {
            first = Err(format!("value {i} is {got} instead of {want}"));
        }
    }
    first
}
