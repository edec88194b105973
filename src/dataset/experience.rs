//! What an agent lived through, as one Parquet file: state, action, reward, next state, as offline learners
//! read it.
//!
//! A row is a step: what was seen, what could be chosen, what was, and how much equity grew until the next
//! row of the same market; `is_terminal` where nothing follows because the market paid out, `is_truncated`
//! where the recording ends. Steps of one market stand in order of `row_id`; steps of several markets are
//! mixed, as they came.
//!
//! **Invariant:** the file has its name only when it is whole; before that it ends in `.tmp`.

use super::rows::{UTC, words};
use super::staged::Staged;
use super::{DatasetError, SCHEMA_VERSION};
use crate::units::TsUs;
use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int32Array, Int64Array,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use parquet::file::metadata::KeyValue;
use std::path::Path;
use std::sync::Arc;

/// Steps of a row group, held in memory until it is full: about 2 MB at 52 values each.
const GROUP_ROWS: usize = 8_192;

/// One step of one market.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The last record that the observation has seen.
    pub row_id: u64,
    /// Exchange time of the decision.
    pub ts: TsUs,
    /// The market.
    pub ticker: String,
    /// What was seen.
    pub obs: Vec<f32>,
    /// What could be chosen.
    pub mask: Vec<bool>,
    /// What was chosen and carried out; what was held back is a hold.
    pub action: u32,
    /// SHA-256 of the model that chose it; empty for a scripted policy.
    pub model_hash: String,
    /// Growth of equity until the next step of this market, 1e-6 dollars, fees paid.
    pub reward_e6: i64,
    /// The market paid out: nothing follows.
    pub is_terminal: bool,
    /// The recording ends here.
    pub is_truncated: bool,
}

/// Which agent lived through it.
#[derive(Clone, Debug)]
pub struct Origin<'a> {
    /// Label of the data; synthetic ones start with `sim:`.
    pub source: &'a str,
    /// Observation layout and its hash.
    pub layout: (&'a str, &'a str),
    /// Names of the actions, in order.
    pub actions: &'a [String],
    /// SHA-256 of the model that began; empty for a scripted policy.
    pub model_hash: &'a str,
}

/// Writes steps, a row group at a time.
pub struct ExperienceWriter {
    file: Staged,
    schema: SchemaRef,
    steps: Vec<Step>,
}

impl ExperienceWriter {
    /// Begins the file `path`; steps have `obs_len` values and as many actions as `origin` names.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(
        path: &Path,
        obs_len: usize,
        origin: &Origin<'_>,
    ) -> Result<ExperienceWriter, DatasetError> {
        let schema = schema(obs_len, origin.actions.len());
        let file = Staged::create(path, schema.clone(), key_values("experience", origin))?;
        Ok(ExperienceWriter { file, schema, steps: Vec::new() })
    }

    /// Adds a step.
    ///
    /// # Errors
    /// When a full row group cannot be written.
    pub fn push(&mut self, step: Step) -> Result<(), DatasetError> {
        self.steps.push(step);
        if self.steps.len() < GROUP_ROWS { Ok(()) } else { self.flush() }
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(), DatasetError> {
        self.flush()?;
        self.file.finish()
    }

    fn flush(&mut self) -> Result<(), DatasetError> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let batch = batch(&self.schema, &self.steps)?;
        self.steps.clear();
        self.file.write(&batch)
    }
}

fn schema(obs_len: usize, n_actions: usize) -> SchemaRef {
    let list = |kind, len: usize| {
        DataType::FixedSizeList(Arc::new(Field::new("item", kind, false)), len as i32)
    };
    let word = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let column = |name, kind| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![
        column("row_id", DataType::Int64),
        column("ts_event", DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))),
        column("market_ticker", word.clone()),
        column("obs", list(DataType::Float32, obs_len)),
        column("is_allowed", list(DataType::Boolean, n_actions)),
        column("action", DataType::Int32),
        column("reward_e6", DataType::Int64),
        column("is_terminal", DataType::Boolean),
        column("is_truncated", DataType::Boolean),
        column("model_hash", word),
    ]))
}

fn batch(schema: &SchemaRef, steps: &[Step]) -> Result<RecordBatch, DatasetError> {
    let wrong = |source| DatasetError::Columns { table: "experience".to_owned(), source };
    let list = |column: usize, values: ArrayRef| match schema.field(column).data_type() {
        DataType::FixedSizeList(item, len) => {
            FixedSizeListArray::try_new(item.clone(), *len, values, None).map_err(wrong)
        }
        _ => Err(wrong(arrow::error::ArrowError::SchemaError("not a list".to_owned()))),
    };
    let obs = steps.iter().flat_map(|s| s.obs.iter().copied());
    let mask: BooleanArray = steps.iter().flat_map(|s| s.mask.iter().map(|m| Some(*m))).collect();
    let ts = TimestampMicrosecondArray::from_iter_values(steps.iter().map(|s| s.ts.0));
    let flags =
        |of: fn(&Step) -> bool| -> BooleanArray { steps.iter().map(|s| Some(of(s))).collect() };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(steps.iter().map(|s| s.row_id as i64))),
        Arc::new(ts.with_timezone(UTC)),
        words::<Int32Type>(steps.iter().map(|s| s.ticker.as_str())),
        Arc::new(list(3, Arc::new(Float32Array::from_iter_values(obs)))?),
        Arc::new(list(4, Arc::new(mask))?),
        Arc::new(Int32Array::from_iter_values(steps.iter().map(|s| s.action as i32))),
        Arc::new(Int64Array::from_iter_values(steps.iter().map(|s| s.reward_e6))),
        Arc::new(flags(|s| s.is_terminal)),
        Arc::new(flags(|s| s.is_truncated)),
        words::<Int32Type>(steps.iter().map(|s| s.model_hash.as_str())),
    ];
    RecordBatch::try_new(schema.clone(), columns).map_err(wrong)
}

/// What stands in the metadata of `table`.
pub(super) fn key_values(table: &str, origin: &Origin<'_>) -> Vec<KeyValue> {
    let pairs = [
        ("kflow.schema", table.to_owned()),
        ("kflow.schema_version", SCHEMA_VERSION.to_string()),
        ("kflow.source", origin.source.to_owned()),
        ("kflow.layout", origin.layout.0.to_owned()),
        ("kflow.layout_hash", origin.layout.1.to_owned()),
        ("kflow.actions", origin.actions.join(",")),
        ("kflow.model_hash", origin.model_hash.to_owned()),
        ("kflow.money_unit", "1e-6 USD".to_owned()),
    ];
    pairs.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect()
}
