//! R17, the export is killed: at any moment, again and again, while the session that it exports grows.

use super::{fast_dir, say, survived, times};
use crate::cli::{kflow, run};
use crate::rows::{ROWS_PER_SEGMENT, check_all, files, record, session, tickers};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use kalshiflow::dataset;
use kalshiflow::rng::Rng;
use kalshiflow::store::{Filter, Writer};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Every file of the dataset, by its path in `dir`.
fn published(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.join("v1")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(dir).unwrap().to_owned();
                    all.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
    }
    let rest = ["manifest.json", "README.md"].map(|name| dir.join(name));
    for path in rest.into_iter().filter(|p| p.exists()) {
        all.insert(PathBuf::from(path.file_name().unwrap()), std::fs::read(&path).unwrap());
    }
    all
}

/// The `row_id`s of a Parquet file that must be whole.
fn row_ids(path: &Path) -> Result<Vec<i64>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| fail(&e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| fail(&e))?;
    let mut ids = Vec::new();
    for batch in reader.build().map_err(|e| fail(&e))? {
        let batch = batch.map_err(|e| fail(&e))?;
        if let Some(column) = batch.column_by_name("row_id") {
            ids.extend(column.as_primitive::<Int64Type>().values());
        }
    }
    Ok(ids)
}

/// No file is half written under its name, and what the manifest names can be read, each row once.
fn is_readable(dir: &Path) -> Result<(), String> {
    let names = published(dir).into_keys();
    for name in names.filter(|n| n.extension().is_some_and(|e| e == "parquet")) {
        row_ids(&dir.join(name))?;
    }
    let (_, markets) = dataset::read_events(dir, &Filter::default()).map_err(|e| e.to_string())?;
    dataset::read_markets(dir).map_err(|e| e.to_string())?;
    let mut ids: Vec<u64> =
        markets.iter().flat_map(|m| m.events.iter().map(|e| e.row_id)).collect();
    ids.sort_unstable();
    match ids.windows(2).all(|two| two[0] < two[1]) {
        true => Ok(()),
        false => Err("a row stands twice".into()),
    }
}

/// A log of `rounds` growing sessions is exported by processes that are killed at random moments.
fn growing(dir: &Path, rounds: u64, rng: &mut Rng) -> Result<u64, String> {
    let data = dir.to_str().unwrap();
    let mut writer = Writer::open(dir, session(1)).unwrap();
    let (tickers, mut row_id, mut kills) = (tickers(), 0, 0);
    // As long as an export takes: measured on those that are not killed.
    let mut whole = Duration::from_millis(200);
    for round in 0..rounds {
        for _ in 0..ROWS_PER_SEGMENT {
            row_id += 1;
            writer.append(&tickers, record(row_id)).unwrap();
        }
        if round % 5 == 4 {
            writer.finish("done").unwrap();
            writer = Writer::open(dir, session(2 + round as u8)).unwrap();
        }
        let begun = Instant::now();
        let mut child = kflow(&["export", "--data", data])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if round % 10 == 0 {
            assert!(child.wait().unwrap().success());
            whole = begun.elapsed();
        } else {
            std::thread::sleep(whole.mul_f64(rng.below(1_100) as f64 / 1_000.0));
            child.kill().unwrap();
            kills += u64::from(!child.wait().unwrap().success());
        }
        is_readable(dir).map_err(|why| format!("after round {round}: {why}"))?;
    }
    writer.finish("done").unwrap();
    Ok(kills)
}

/// The dataset in `dir`, after one export more, is that of a single export of the same log, row for row and
/// byte for byte.
fn is_exact(dir: &Path) -> Result<(), String> {
    let rows = check_all(dir);
    let export = |dir: &Path| {
        let out = run(&mut kflow(&["export", "--data", dir.to_str().unwrap()]));
        (out.code == 0).then_some(()).ok_or(out.stderr)
    };
    export(dir)?;
    let once = published(dir);
    export(dir)?;
    if published(dir) != once {
        return Err("a second export changes files".into());
    }
    let single = fast_dir();
    std::fs::create_dir(single.path().join("log")).unwrap();
    for file in files(dir, "redb") {
        std::fs::copy(&file, single.path().join("log").join(file.file_name().unwrap())).unwrap();
    }
    export(single.path())?;
    let want = published(single.path());
    if let Some(name) = once.keys().chain(want.keys()).find(|n| once.get(*n) != want.get(*n)) {
        return Err(format!("{} is not that of a single export", name.display()));
    }
    let mut ids = Vec::new();
    for name in once.keys().filter(|n| n.starts_with("v1/deltas") || n.starts_with("v1/trades")) {
        ids.extend(row_ids(&dir.join(name))?);
    }
    ids.sort_unstable();
    let want = (1..=rows).filter(|id| record(*id).raw.is_none()).map(|id| id as i64);
    match ids.into_iter().eq(want) {
        true => Ok(()),
        false => Err("a row is missing or stands twice".into()),
    }
}

#[test]
fn an_export_killed_at_any_moment_ends_in_the_same_dataset() {
    let (n, per_log) = (times(110, 550), 11);
    let (mut kills, mut good) = (0, 0);
    for i in 0..n / per_log {
        // On a real disk, where a rename and its flush take their time.
        let dir = tempfile::tempdir().unwrap();
        let outcome = growing(dir.path(), per_log, &mut Rng::stream(17, "export", i));
        match outcome.and_then(|k| is_exact(dir.path()).map(|()| k)) {
            Ok(k) => (kills, good) = (kills + k, good + per_log),
            Err(why) => say(&format!("faults: R17 log {i}: {why}")),
        }
    }
    assert!(kills >= n / 4, "only {kills} of {n} exports were killed at work");
    survived("R17", "export killed at random moments while the session grows", n, good, 0);
}
