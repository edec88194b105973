//! The data card: `README.md` of a data directory, generated from the manifest so that it cannot go stale.

use super::manifest::Manifest;
use super::schema::Table;
use super::{DatasetError, SCHEMA_VERSION, disk};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Writes the card of `manifest` and gives its path.
///
/// # Errors
/// When it cannot be written.
pub fn write_card(data_dir: &Path, manifest: &Manifest) -> Result<PathBuf, DatasetError> {
    let path = data_dir.join("README.md");
    disk::write_text(&path, &card(manifest))?;
    Ok(path)
}

/// The card's text.
pub fn card(manifest: &Manifest) -> String {
    let mut text = front(manifest);
    what_it_is(&mut text, manifest);
    files(&mut text, manifest);
    text.push_str(HOW_TO_READ);
    columns(&mut text);
    feature_columns(&mut text, manifest);
    text.push_str(CHECKS);
    text
}

/// Front matter in the style of the Hugging Face hub.
fn front(manifest: &Manifest) -> String {
    let mut text = String::from("---\npretty_name: Kalshi order books\nconfigs:\n");
    let mut config = |name: &str, folder: &str| {
        let _ = writeln!(text, "- config_name: {name}\n  data_files: v1/{folder}/**/*.parquet");
    };
    for table in tables(manifest).filter(|t| *t != Table::Features) {
        config(table.name(), table.name());
    }
    // Layouts have columns of their own: read together they are no table.
    for layout in layouts(manifest).into_keys() {
        config(layout, &format!("features/{layout}"));
    }
    text.push_str("---\n\n");
    text
}

fn what_it_is(text: &mut String, manifest: &Manifest) {
    text.push_str("# Kalshi order books\n\n");
    let sources = distinct(manifest.sessions.iter().map(|s| s.meta.source.as_str()));
    if sources.iter().any(|s| s.starts_with("sim:")) {
        text.push_str(
            "> **Synthetic data.** Some or all events here were generated, not observed.\n\n",
        );
    }
    text.push_str(
        "Every change of the order books of some Kalshi markets as the exchange sent it, with public \
         trades, the gaps of the recording, and the outcomes. Prices, sizes and money are exact integers: \
         the suffix `_e4` counts 1e-4 dollars, `_e2` 1e-2 contracts. Only bids are sent; \
         `yes_ask = 10000 - best no bid`.\n\n",
    );
    let _ = writeln!(text, "- schema version: {SCHEMA_VERSION}, written by `{}`", manifest.writer);
    let _ = writeln!(text, "- sessions: {}", manifest.sessions.len());
    let _ = writeln!(text, "- sources: {}", listed(&sources));
    let flags = manifest.sessions.iter().flat_map(|s| s.meta.flags.iter().map(String::as_str));
    let flags = distinct(flags);
    if !flags.is_empty() {
        let _ = writeln!(text, "- remarks: {}", listed(&flags));
    }
    let (gaps, open) = manifest
        .sessions
        .iter()
        .fold((0, 0), |(gaps, open), s| (gaps + s.counts.gaps, open + s.counts.open_gaps));
    let _ = writeln!(text, "- known gaps: {gaps}, of which {open} never healed (table `gaps`)\n");
}

fn files(text: &mut String, manifest: &Manifest) {
    text.push_str("| table | files | rows | bytes | from | to |\n|---|--:|--:|--:|---|---|\n");
    for table in tables(manifest) {
        let files = || manifest.table(table.name());
        let from = files().filter_map(|f| f.ts_min.as_deref()).min().unwrap_or("");
        let to = files().filter_map(|f| f.ts_max.as_deref()).max().unwrap_or("");
        let rows: u64 = files().map(|f| f.rows).sum();
        let bytes: u64 = files().map(|f| f.bytes).sum();
        let name = table.name();
        let _ =
            writeln!(text, "| `{name}` | {} | {rows} | {bytes} | {from} | {to} |", files().count());
    }
    text.push('\n');
}

fn columns(text: &mut String) {
    text.push_str("## Columns\n\n");
    for table in Table::FIXED.into_iter().chain([Table::Features]) {
        let _ = writeln!(
            text,
            "### {}\n\n| column | type | unit | meaning | null means |",
            table.name()
        );
        text.push_str("|---|---|---|---|---|\n");
        for c in table.columns() {
            let (kind, null) = (c.kind.word(), c.null_means.unwrap_or("never null"));
            let _ =
                writeln!(text, "| `{}` | {kind} | {} | {} | {null} |", c.name, c.unit, c.meaning);
        }
        text.push('\n');
    }
}

fn feature_columns(text: &mut String, manifest: &Manifest) {
    let layouts = layouts(manifest);
    if layouts.is_empty() {
        return;
    }
    text.push_str(
        "After these columns a feature file holds the market part of its observation layout as Float32, \
         in the order of the model's input; `settlement_e4` is a label and no input.\n\n",
    );
    for (layout, hash) in layouts {
        let _ = writeln!(
            text,
            "`{layout}`, SHA-256 `{hash}`:\n\n```python\nimport polars as pl\n\
             pl.read_parquet(\"v1/features/{layout}/**/*.parquet\")\n```\n"
        );
    }
}

/// Observation layouts with files, and their hashes.
fn layouts(manifest: &Manifest) -> BTreeMap<&str, &str> {
    let origins = manifest.files.iter().filter_map(|f| f.features.as_ref());
    origins.map(|o| (o.layout.as_str(), o.layout_hash.as_str())).collect()
}

/// Tables that have files.
fn tables(manifest: &Manifest) -> impl Iterator<Item = Table> + '_ {
    let all = Table::FIXED.into_iter().chain([Table::Features]);
    all.filter(|t| manifest.table(t.name()).next().is_some())
}

fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    words.collect()
}

fn listed(words: &BTreeSet<&str>) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// Every line of these blocks is run by the smoke test, from this directory.
const HOW_TO_READ: &str = r#"## How to read

Start Python in this directory. polars 1.18, pandas 2 with pyarrow and DuckDB 1.0 or later are enough.

```python
import polars as pl
pl.scan_parquet("v1/deltas/**/*.parquet").group_by("market_ticker").agg(pl.len(), pl.col("price_e4").mean() / 1e4).collect()
```

```python
import pandas as pd
pd.read_parquet("v1/deltas", dtype_backend="pyarrow").groupby("market_ticker", observed=True)["delta_e2"].sum() / 100
```

```python
import duckdb
duckdb.sql("select date, market_ticker, count(*) n, avg(price_e4) / 1e4 price from read_parquet('v1/deltas/*/*.parquet', hive_partitioning = true) group by all order by all").fetchall()
```

The outcome of each market, and what is known to be missing:

```python
import polars as pl
pl.read_parquet("v1/markets/markets.parquet").select("market_ticker", "ts_close", "ts_settled", pl.col("settlement_e4") / 1e4)
```

```python
import duckdb
duckdb.sql("select session_id, source, deltas, trades, gaps from 'v1/sessions/sessions.parquet'").fetchall()
```

Order is `row_id`: clocks may jump and exchange stamps may tie. To rebuild a book, take a snapshot (all rows of
one `row_id` in table `snapshots`) and add each later delta of the market to its level; a row of table `gaps` makes
the book unknown until the next snapshot. `date` is the UTC day of receipt.

"#;

const CHECKS: &str = r#"## Checks

`manifest.json` lists every file with its rows and SHA-256. A file that it does not list is not part of the dataset.
Each file carries its source, sessions, units and schema version in its metadata (keys `kflow.*`).
"#;
