//! Finds the recordings and golden files that are not part of the repository.

use std::path::PathBuf;

/// The file or folder `path` of the shared test data, or `None` after saying that it is missing.
///
/// `KFLOW_SHARED` names the folder (default: `shared` beside the checkout).
///
/// # Panics
/// With `KFLOW_REQUIRE_SHARED=1` when the data are missing: there, a skipped test is a failed one.
#[track_caller]
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("KFLOW_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let full = root.join(path);
    if full.exists() {
        return Some(full);
    }
    let required = std::env::var("KFLOW_REQUIRE_SHARED").is_ok_and(|v| v == "1");
    assert!(!required, "KFLOW_REQUIRE_SHARED=1, but {} is missing", full.display());
    eprintln!("SKIPPED {}: needs {}", std::panic::Location::caller(), full.display());
    None
}
