//! Every environment variable of the program, each with its sentence.

use std::path::PathBuf;

/// `KFLOW_SHARED`: folder of the recordings and golden files that are not part of the repository;
/// default `../shared`.
pub fn shared() -> PathBuf {
    std::env::var_os("KFLOW_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from)
}
