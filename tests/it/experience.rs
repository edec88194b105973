//! What a session of trading lived through, as others read it: whole steps of whole markets, and rewards that are
//! the profit.

use crate::actor::{Exchange, journal};
use crate::cli::{kflow, run};
use crate::python::read_by;
use arrow::array::{
    Array, BooleanArray, DictionaryArray, FixedSizeListArray, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::Int32Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 10] = [
    "row_id",
    "ts_event",
    "market_ticker",
    "obs",
    "is_allowed",
    "action",
    "reward_e6",
    "is_terminal",
    "is_truncated",
    "model_hash",
];

/// Trades these markets until they have paid out, with no exit before the close; what came of it.
fn session(exchange: &Exchange, dir: &Path) -> Value {
    let at = |words: &[&str]| {
        let mut command = kflow(words);
        command.args(["--env", "sim", "--json", "--url", &exchange.url]);
        command.arg("--data").arg(dir.join("data"));
        command
    };
    let listed = run(&mut at(&["collect", "--discover", "--dry-run", "--limit", "3"]));
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let config = dir.join("kflow.toml");
    std::fs::write(&config, "[risk]\nexit_before_close_s = 0\n").unwrap();
    // It ends by itself when all have paid out.
    let mut trade = at(&["trade", "--policy", "random", "--select", "config", "--for", "60s"]);
    for ticker in listed["data"]["markets"].as_array().unwrap() {
        trade.args(["--market", ticker.as_str().unwrap()]);
    }
    let out = run(trade.arg("--config").arg(&config));
    assert_eq!(out.code, 0, "{}", out.stderr);
    serde_json::from_str::<Value>(&out.stdout).unwrap()["data"].clone()
}

fn column<'a, T: 'static>(table: &'a RecordBatch, name: &str) -> &'a T {
    table.column_by_name(name).unwrap().as_any().downcast_ref().unwrap()
}

fn read(file: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

#[test]
fn experience_is_read_back_step_by_step_and_its_rewards_are_the_profit() {
    let dir = tempfile::tempdir().unwrap();
    // They live while two processes start on a busy machine, and then for some trading.
    let exchange = Exchange::start_with(dir.path(), "", &["--markets", "3", "--lifetime", "20s"]);
    let told = session(&exchange, dir.path());
    let settled = told["settled"].as_u64().unwrap() as usize;
    assert!(settled > 0 && told["settled"] == told["markets"], "{told}");
    assert!(told["fills"].as_u64() > Some(0), "nothing was traded: {told}");

    let (spec, lived, _) = journal(&dir.path().join("data"));
    let file = PathBuf::from(told["journal"].as_str().unwrap()).join("experience.parquet");
    let table = read(&file);
    let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, COLUMNS);
    assert_eq!(table.num_rows(), lived.len(), "every decision is a step");
    for (name, len) in [("obs", spec.env.layout.len()), ("is_allowed", spec.env.actions.len())] {
        let list: &FixedSizeListArray = column(&table, name);
        assert_eq!(list.value_length() as usize, len, "{name}");
        assert_eq!(list.null_count() + list.values().null_count(), 0, "{name}");
    }

    // Steps of a market stand in order, and the one that ends it is its last.
    let tickers: &DictionaryArray<Int32Type> = column(&table, "market_ticker");
    let tickers = tickers.downcast_dict::<StringArray>().unwrap();
    let (rows, rewards): (&Int64Array, &Int64Array) =
        (column(&table, "row_id"), column(&table, "reward_e6"));
    let (ends, cuts): (&BooleanArray, &BooleanArray) =
        (column(&table, "is_terminal"), column(&table, "is_truncated"));
    let mut markets: BTreeMap<&str, (i64, bool)> = BTreeMap::new();
    for (row, ticker) in tickers.into_iter().enumerate() {
        let (last, ended) = markets.entry(ticker.unwrap()).or_insert((-1, false));
        assert!(!*ended && rows.value(row) > *last, "step {row} of {ticker:?}");
        (*last, *ended) = (rows.value(row), ends.value(row));
    }
    assert!(markets.values().all(|(_, ended)| *ended), "{markets:?}");
    assert_eq!((markets.len(), ends.true_count(), cuts.true_count()), (settled, settled, 0));
    let profit_e6: i64 = rewards.values().iter().sum();
    assert_eq!(Some(profit_e6), told["profit_e6"].as_i64(), "{told}");

    let terminals: Vec<&str> = markets.keys().copied().collect();
    others_read(
        &file,
        &json!({
            "columns": COLUMNS, "rows": table.num_rows(), "obs_len": [spec.env.layout.len()],
            "mask_len": [spec.env.actions.len()], "reward_e6": profit_e6, "terminals": terminals,
        }),
    );
}

/// polars and pandas find `expected` in the file.
fn others_read(file: &Path, expected: &Value) {
    if let Some(out) = read_by("experience.py", &[file.as_os_str()]) {
        assert_eq!(&serde_json::from_str::<Value>(&out).unwrap(), expected);
    }
}
