//! Zip archives in memory: SB3's own, and the one that PyTorch makes of a state dictionary.
//!
//! Nothing else names the crate `zip`, but for the error.

use super::Sb3Error;
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// No entry is read beyond this: 64 million parameters, a thousand times what anybody trades with. A few
/// bytes of a forged archive could ask for more memory than there is.
const ENTRY_BYTES_MAX: u64 = 256 << 20;

/// An opened archive, called `name` in errors.
pub(super) struct Archive<'a> {
    name: String,
    zip: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Archive<'a> {
    /// Reads the table of contents.
    pub(super) fn open(name: &str, bytes: &'a [u8]) -> Result<Archive<'a>, Sb3Error> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|source| Sb3Error::Zip { part: name.to_owned(), source })?;
        Ok(Archive { name: name.to_owned(), zip })
    }

    /// The first entry whose name ends like this.
    pub(super) fn ending(&self, end: &str) -> Option<String> {
        self.zip.file_names().find(|name| name.ends_with(end)).map(str::to_owned)
    }

    /// The whole content of an entry, its checksum verified.
    pub(super) fn entry(&mut self, name: &str) -> Result<Vec<u8>, Sb3Error> {
        let part = || format!("{}: {name}", self.name);
        let (part, mut bytes) = (part(), Vec::new());
        let entry = match self.zip.by_name(name) {
            Err(ZipError::FileNotFound) => return Err(Sb3Error::Missing(part)),
            Err(source) => return Err(Sb3Error::Zip { part, source }),
            Ok(entry) => entry,
        };
        let read = entry.take(ENTRY_BYTES_MAX + 1).read_to_end(&mut bytes);
        match read {
            Err(source) => Err(Sb3Error::Zip { part, source: ZipError::Io(source) }),
            Ok(len) if len as u64 > ENTRY_BYTES_MAX => Err(Sb3Error::TooLarge(part)),
            Ok(_) => Ok(bytes),
        }
    }
}
