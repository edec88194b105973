//! The file of fits: TOML, read whole and written whole.

use crate::broker::QueueFits;
use crate::cli::exit::{Code, Failure, OrFail};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the file in a data directory.
const NAME: &str = "fills.toml";

/// Where the fits of a data directory are.
pub(super) fn in_dir(data: &Path) -> PathBuf {
    data.join(NAME)
}

/// The fits of a file that somebody named.
///
/// # Errors
/// 3 when it is not there, cannot be read, or is of another form.
pub(in crate::cli) fn read_named(path: &Path) -> Result<QueueFits, Failure> {
    if path.exists() {
        return read(path);
    }
    let text = format!("{} is not there", path.display());
    Err(Failure::msg(Code::Config, text).hint("`kflow fills calibrate` writes one"))
}

/// The fits of a file; none when there is no file.
///
/// # Errors
/// 3 when it cannot be read or is of another form.
pub(super) fn read(path: &Path) -> Result<QueueFits, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(QueueFits::default()),
        Err(e) => return Err(Failure::new(Code::Config, e).context(path.display().to_string())),
    };
    let hint = "`kflow fills calibrate` writes such a file; remove this one to begin anew";
    let fits: QueueFits = toml::from_str(&text).or_hint(Code::Config, hint)?;
    if fits.schema_version == QueueFits::SCHEMA {
        return Ok(fits);
    }
    let (path, version) = (path.display(), fits.schema_version);
    Err(Failure::msg(Code::Config, format!("{path}: unknown schema_version {version}")).hint(hint))
}

/// Writes the file: first beside it, so that there is never half a file.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write(path: &Path, fits: &QueueFits) -> Result<(), Failure> {
    let fits = QueueFits { schema_version: QueueFits::SCHEMA, ..fits.clone() };
    let text = format!("# Written by `kflow fills calibrate`.\n{}", toml::to_string(&fits)?);
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    Ok(std::fs::rename(&beside, path)?)
}
