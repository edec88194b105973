//! A file with one table per series that a command of ours writes: TOML, read whole and written whole.

use super::exit::{Code, Failure, OrFail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::Path;

/// What stands in such a file.
pub(super) trait SeriesFile: Clone + Default + Serialize + DeserializeOwned {
    /// The form that this version writes and reads.
    const SCHEMA: u32;
    /// The command that writes one.
    const WRITTEN_BY: &'static str;
    /// The field of the form's version.
    fn schema_version(&mut self) -> &mut u32;
}

/// A file that somebody named.
///
/// # Errors
/// 3 when it is not there, cannot be read, or is of another form.
pub(super) fn read_named<T: SeriesFile>(path: &Path) -> Result<T, Failure> {
    if path.exists() {
        return read(path);
    }
    let text = format!("{} is not there", path.display());
    Err(Failure::msg(Code::Config, text).hint(format!("`{}` writes one", T::WRITTEN_BY)))
}

/// A file, or an empty one when there is none.
///
/// # Errors
/// 3 when it cannot be read or is of another form.
pub(super) fn read<T: SeriesFile>(path: &Path) -> Result<T, Failure> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(T::default()),
        Err(e) => return Err(Failure::new(Code::Config, e).context(name)),
    };
    let hint = format!("`{}` writes such a file; remove this one to begin anew", T::WRITTEN_BY);
    let file: Result<T, Failure> = toml::from_str(&text).or_hint(Code::Config, &hint);
    let mut file = file.map_err(|failure| failure.context(name.clone()))?;
    match *file.schema_version() {
        version if version == T::SCHEMA => Ok(file),
        version => {
            let text = format!("{name}: unknown schema_version {version}");
            Err(Failure::msg(Code::Config, text).hint(hint))
        }
    }
}

/// Writes the file: first beside it, so that there is never half a file.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write<T: SeriesFile>(path: &Path, file: &T) -> Result<(), Failure> {
    let mut file = file.clone();
    *file.schema_version() = T::SCHEMA;
    let text = format!("# Written by `{}`.\n{}", T::WRITTEN_BY, toml::to_string(&file)?);
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    Ok(std::fs::rename(&beside, path)?)
}
