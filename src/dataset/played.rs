//! What a model did, as two Parquet tables: `episodes` has one row for each market that it played, `actions` one
//! row for each decision in it.
//!
//! The tables are those of the predecessor (`rl_trading_episodes`, `rl_trading_actions`), with money in millionths of
//! a dollar and sizes in hundredths of a contract. The model is named by the hash in the files' metadata.
//!
//! **Invariant:** a file has its name only when it is whole; before that it ends in `.tmp`.

use super::DatasetError;
use super::experience::{Origin, key_values};
use super::rows::{UTC, words};
use super::staged::Staged;
use crate::units::TsUs;
use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int16Type, Int32Type};
use arrow::record_batch::RecordBatch;
use std::path::Path;
use std::sync::Arc;

/// One market that was played.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeRow {
    /// From 0, in order of settlement.
    pub episode_number: i32,
    /// The market.
    pub ticker: String,
    /// First and last decision.
    pub ts: [TsUs; 2],
    /// Cash at the start and equity at the end, 1e-6 dollars.
    pub balance_e6: [i64; 2],
    /// End over start, less 1.
    pub total_return: f64,
    /// Largest fall of equity, 1e-6 dollars.
    pub max_drawdown_e6: i64,
    /// Mean over standard deviation of the steps' gains; nothing where they do not vary.
    pub sharpe_ratio: Option<f64>,
    /// Decisions that were no hold.
    pub num_actions: i64,
    /// Orders that filled, at least in part.
    pub num_trades: i64,
    /// Fees paid, 1e-6 dollars.
    pub fees_e6: i64,
    /// Decisions.
    pub episode_length: i64,
    /// True when the recorded outcome was paid, false when the position was marked at the touch.
    pub is_settled: bool,
    /// Sum of the steps' rewards, 1e-6 dollars.
    pub episode_reward_e6: i64,
    /// Equity at the end in the pessimistic, fitted and optimistic queue, 1e-6 dollars.
    pub bracket_e6: [i64; 3],
    /// Contracts that rested until somebody took them, and contracts that we took, 1e-2.
    pub contracts_e2: [i64; 2],
    /// Price times quantity over all fills, 1e-6 dollars.
    pub notional_e6: i64,
    /// Mid after 1, 10 and 60 s, and the outcome, less the price paid, towards our side, cents per contract.
    pub markout_cents: [Option<f64>; 4],
}

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionRow {
    /// [`EpisodeRow::episode_number`].
    pub episode_number: i32,
    /// From 0.
    pub step_number: i32,
    /// When it was taken.
    pub ts: TsUs,
    /// The last record that the observation has seen.
    pub row_id: u64,
    /// Its name.
    pub action: String,
    /// How probable the policy held it among the allowed ones, 0..=1.
    pub confidence: f32,
    /// What it saw, in the columns of its layout.
    pub observation: Vec<f32>,
    /// Contracts held before the step and after it, in hundredths; NO is negative.
    pub position_e2: [i64; 2],
    /// Cash after the step, 1e-6 dollars.
    pub cash_e6: i64,
    /// Growth of equity, 1e-6 dollars, fees paid.
    pub reward_e6: i64,
    /// True when contracts changed hands in this step, in the queue that counts.
    pub is_executed: bool,
    /// Cash before the step, 1e-6 dollars.
    pub cash_before_e6: i64,
    /// Limit of the order that was sent, as a price of YES, 1e-4 dollars; `None` where none was.
    pub yes_price_e4: Option<i64>,
    /// Its contracts, in hundredths.
    pub quantity_e2: Option<i64>,
    /// Mean price of what filled in this step, as a price of YES, 1e-4 dollars; `None` where nothing did.
    pub yes_execution_price_e4: Option<f64>,
}

/// Writes `episodes.parquet`.
///
/// # Errors
/// When it cannot be written.
pub fn write_episodes(
    path: &Path,
    rows: &[EpisodeRow],
    origin: &Origin<'_>,
) -> Result<(), DatasetError> {
    let number = |of: fn(&EpisodeRow) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        (
            "episode_number",
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.episode_number))),
        ),
        ("market_ticker", words::<Int32Type>(rows.iter().map(|r| r.ticker.as_str()))),
        ("ts_start", times(rows.iter().map(|r| r.ts[0]))),
        ("ts_end", times(rows.iter().map(|r| r.ts[1]))),
        ("start_balance_e6", number(|r| r.balance_e6[0])),
        ("end_balance_e6", number(|r| r.balance_e6[1])),
        (
            "total_return",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.total_return))),
        ),
        ("max_drawdown_e6", number(|r| r.max_drawdown_e6)),
        ("sharpe_ratio", Arc::new(rows.iter().map(|r| r.sharpe_ratio).collect::<Float64Array>())),
        ("num_actions", number(|r| r.num_actions)),
        ("num_trades", number(|r| r.num_trades)),
        ("fees_e6", number(|r| r.fees_e6)),
        ("episode_length", number(|r| r.episode_length)),
        ("is_settled", Arc::new(rows.iter().map(|r| Some(r.is_settled)).collect::<BooleanArray>())),
        ("episode_reward_e6", number(|r| r.episode_reward_e6)),
    ];
    let cents = |i: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|r| r.markout_cents[i]).collect::<Float64Array>())
    };
    let execution: [(&str, ArrayRef); 10] = [
        ("end_balance_pessimistic_e6", number(|r| r.bracket_e6[0])),
        ("end_balance_fitted_e6", number(|r| r.bracket_e6[1])),
        ("end_balance_optimistic_e6", number(|r| r.bracket_e6[2])),
        ("maker_contracts_e2", number(|r| r.contracts_e2[0])),
        ("taker_contracts_e2", number(|r| r.contracts_e2[1])),
        ("notional_e6", number(|r| r.notional_e6)),
        ("markout_1s_cents", cents(0)),
        ("markout_10s_cents", cents(1)),
        ("markout_60s_cents", cents(2)),
        ("markout_settlement_cents", cents(3)),
    ];
    columns.extend(execution);
    write(path, "episodes", columns, origin)
}

/// Writes `actions.parquet`; an observation has `obs_len` values.
///
/// # Errors
/// When it cannot be written, or an observation has another length.
pub fn write_actions(
    path: &Path,
    rows: &[ActionRow],
    obs_len: usize,
    origin: &Origin<'_>,
) -> Result<(), DatasetError> {
    let number = |of: fn(&ActionRow) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
    };
    let place = |of: fn(&ActionRow) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(rows.iter().map(of)))
    };
    let seen = rows.iter().flat_map(|r| r.observation.iter().copied());
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from_iter_values(seen));
    let seen = FixedSizeListArray::try_new(item, obs_len as i32, values, None)
        .map_err(|source| DatasetError::Columns { table: "actions".to_owned(), source })?;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("episode_number", place(|r| r.episode_number)),
        ("step_number", place(|r| r.step_number)),
        ("ts_event", times(rows.iter().map(|r| r.ts))),
        ("row_id", number(|r| r.row_id as i64)),
        ("action", words::<Int16Type>(rows.iter().map(|r| r.action.as_str()))),
        ("confidence", Arc::new(Float32Array::from_iter_values(rows.iter().map(|r| r.confidence)))),
        ("observation", Arc::new(seen)),
        ("position_before_e2", number(|r| r.position_e2[0])),
        ("position_after_e2", number(|r| r.position_e2[1])),
        ("cash_after_e6", number(|r| r.cash_e6)),
        ("reward_e6", number(|r| r.reward_e6)),
        (
            "is_executed",
            Arc::new(rows.iter().map(|r| Some(r.is_executed)).collect::<BooleanArray>()),
        ),
        ("cash_before_e6", number(|r| r.cash_before_e6)),
        ("yes_price_e4", Arc::new(rows.iter().map(|r| r.yes_price_e4).collect::<Int64Array>())),
        ("quantity_e2", Arc::new(rows.iter().map(|r| r.quantity_e2).collect::<Int64Array>())),
        (
            "yes_execution_price_e4",
            Arc::new(rows.iter().map(|r| r.yes_execution_price_e4).collect::<Float64Array>()),
        ),
    ];
    write(path, "actions", columns, origin)
}

fn times(of: impl Iterator<Item = TsUs>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(of.map(|ts| ts.0)).with_timezone(UTC))
}

fn write(
    path: &Path,
    table: &str,
    columns: Vec<(&str, ArrayRef)>,
    origin: &Origin<'_>,
) -> Result<(), DatasetError> {
    let batch = RecordBatch::try_from_iter(columns)
        .map_err(|source| DatasetError::Columns { table: table.to_owned(), source })?;
    let mut file = Staged::create(path, batch.schema(), key_values(table, origin))?;
    file.write(&batch)?;
    file.finish()
}
