//! The two layouts of an observation: 52 values each, with names, ranges and a hash.
//!
//! A model is only good for the layout that it was trained with, and two layouts of equal length
//! once loaded into each other without a word. So the layout's hash stands in every feature file and
//! every checkpoint, and whoever loads one compares it.
//!
//! **Invariant:** the hash covers names, order, units, ranges, defaults and every constant of the
//! arithmetic; a change of any of them is a new layout.

use super::{flow52, kalshiflow52};
use crate::digest::sha256_hex;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// Which 52 values an observation holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// 43 market and 9 account values; at most one row per 250 ms of exchange time.
    #[default]
    #[serde(rename = "flow52-v1")]
    Flow52V1,
    /// 36 market and 16 account values of the predecessor, corrected; one row per millisecond in
    /// which a snapshot or a delta came.
    #[serde(rename = "kalshiflow52-v2")]
    KalshiFlow52V2,
}

/// One of the 52 values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Position in the observation.
    pub index: usize,
    /// Name, as in files and reports.
    pub name: &'static str,
    /// What the number counts, after scaling.
    pub unit: &'static str,
    /// Smallest value that can occur.
    pub lo: f32,
    /// Largest value that can occur.
    pub hi: f32,
    /// The value while there is nothing to measure: an empty book, no trade yet, a flat account.
    pub default: f32,
    /// One line of explanation.
    pub meaning: &'static str,
}

/// A name that is no layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown observation layout `{0}` (known: flow52-v1, kalshiflow52-v2)")]
pub struct UnknownLayout(pub String);

impl Layout {
    /// Every layout, the default first.
    pub const ALL: [Layout; 2] = [Layout::Flow52V1, Layout::KalshiFlow52V2];

    /// Values of the market part, which come first.
    pub const fn market_len(self) -> usize {
        match self {
            Layout::Flow52V1 => flow52::MARKET_LEN,
            Layout::KalshiFlow52V2 => kalshiflow52::MARKET_LEN,
        }
    }

    /// Values of the account part, which follow.
    pub const fn account_len(self) -> usize {
        self.len() - self.market_len()
    }

    /// Values of the whole observation.
    #[expect(clippy::len_without_is_empty, reason = "an observation is never empty")]
    pub const fn len(self) -> usize {
        52
    }

    /// Name with version, e.g. `flow52-v1`.
    pub const fn name(self) -> &'static str {
        match self {
            Layout::Flow52V1 => "flow52-v1",
            Layout::KalshiFlow52V2 => "kalshiflow52-v2",
        }
    }

    /// All 52 columns in order.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Layout::Flow52V1 => flow52::COLUMNS,
            Layout::KalshiFlow52V2 => kalshiflow52::COLUMNS,
        }
    }

    /// SHA-256 (hex) of everything that gives the numbers their meaning.
    pub fn hash(self) -> String {
        let mut text = format!("{self}\n");
        for c in self.columns() {
            let Column { index, name, unit, lo, hi, default, .. } = c;
            let _ = writeln!(text, "{index}|{name}|{unit}|{lo}|{hi}|{default}");
        }
        for (name, value) in self.constants() {
            let _ = writeln!(text, "{name}={value}");
        }
        sha256_hex(text)
    }

    const fn constants(self) -> &'static [(&'static str, f64)] {
        match self {
            Layout::Flow52V1 => flow52::constants::ALL,
            Layout::KalshiFlow52V2 => kalshiflow52::constants::ALL,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Layout {
    type Err = UnknownLayout;
    fn from_str(s: &str) -> Result<Layout, UnknownLayout> {
        Layout::ALL.into_iter().find(|l| l.name() == s).ok_or_else(|| UnknownLayout(s.to_owned()))
    }
}

/// The table of a layout's columns, as it stands in the README.
pub fn markdown_table(layout: Layout) -> String {
    let mut table = String::from(
        "| # | name | unit | range | missing | meaning |\n|---|---|---|---|---|---|\n",
    );
    for c in layout.columns() {
        let Column { index, name, unit, lo, hi, default, meaning } = c;
        let _ =
            writeln!(table, "| {index} | `{name}` | {unit} | {lo}..{hi} | {default} | {meaning} |");
    }
    table
}

/// One column, for the tables of the layouts.
pub(super) const fn column(
    index: usize,
    name: &'static str,
    unit: &'static str,
    (lo, hi): (f32, f32),
    default: f32,
    meaning: &'static str,
) -> Column {
    Column { index, name, unit, lo, hi, default, meaning }
}

/// Declares the constants of a layout once: each as a `f64` by name, and all of them as `ALL`, which
/// the layout's hash covers.
macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: f64 = $value;)*
        /// Every constant by name, in the order of declaration.
        pub const ALL: &[(&str, f64)] = &[$((stringify!($name), $name)),*];
    };
}
pub(super) use constants;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_at_their_index_with_a_default_inside_their_range() {
        for layout in Layout::ALL {
            assert_eq!(layout.columns().len(), layout.len());
            for (i, c) in layout.columns().iter().enumerate() {
                assert_eq!(c.index, i, "{layout} {}", c.name);
                assert!(c.lo <= c.default && c.default <= c.hi, "{layout} {}", c.name);
                let same = layout.columns().iter().filter(|o| o.name == c.name).count();
                assert_eq!(same, 1, "{layout} {}", c.name);
            }
        }
    }

    #[test]
    fn a_layout_is_found_by_its_name_and_told_apart_by_its_hash() {
        for layout in Layout::ALL {
            assert_eq!(layout.name().parse(), Ok(layout));
            assert_eq!(layout.hash().len(), 64);
        }
        assert_ne!(Layout::Flow52V1.hash(), Layout::KalshiFlow52V2.hash());
        assert_eq!("flow52".parse::<Layout>(), Err(UnknownLayout("flow52".into())));
    }

    #[test]
    fn the_table_has_a_line_per_value() {
        let table = markdown_table(Layout::Flow52V1);
        assert_eq!(table.lines().count(), 2 + 52);
        assert!(table.contains("| 3 | `microprice_offset` |"));
    }
}
