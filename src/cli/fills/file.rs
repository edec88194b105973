//! The file of fits, and where it is.

use crate::broker::QueueFits;
use crate::cli::series_file::SeriesFile;
use std::path::{Path, PathBuf};

/// Name of the file in a data directory.
const NAME: &str = "fills.toml";

impl SeriesFile for QueueFits {
    const SCHEMA: u32 = QueueFits::SCHEMA;
    const WRITTEN_BY: &'static str = "kflow fills calibrate";
    fn schema_version(&mut self) -> &mut u32 {
        &mut self.schema_version
    }
}

/// Where the fits of a data directory are.
pub(super) fn in_dir(data: &Path) -> PathBuf {
    data.join(NAME)
}
