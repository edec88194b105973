//! The bridge from Arrow to polars: columns cross by the Arrow C data interface, without a copy.
//!
//! `arrow` and `polars` have Rust types of their own for the same memory layout; the two structs of
//! the C data interface are what both agree on.
//!
//! **Invariant:** this is the only file of the crate with `unsafe`, and only the types of
//! [`can_cross`] pass, because polars panics on some that it was not built for (decimals).

use super::DatasetError;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow::record_batch::RecordBatch;
use polars::prelude::{Column, DataFrame, PolarsError, Series};
use polars_arrow::ffi as polars_ffi;

/// The batch as a frame. Nothing is copied; the frame keeps the batch's memory alive.
///
/// Dictionaries of text become categoricals, whose codes polars makes itself.
///
/// # Errors
/// [`DatasetError::Bridge`] for a column type that may not cross, or that polars refuses.
pub fn frame(batch: &RecordBatch) -> Result<DataFrame, DatasetError> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns: Vec<Column> = columns
        .map(|(field, array)| series(field, array).map(Column::from))
        .collect::<Result<_, _>>()?;
    DataFrame::new(batch.num_rows(), columns).map_err(refused)
}

/// Column types that both sides understand; each is tested below with nulls and slices.
pub fn can_cross(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _) => true,
        DataType::Dictionary(key, value) => {
            matches!(**key, DataType::Int8 | DataType::Int32) && **value == DataType::Utf8
        }
        _ => false,
    }
}

fn series(field: &Field, array: &ArrayRef) -> Result<Series, DatasetError> {
    if !can_cross(field.data_type()) {
        let why = format!("column {} of type {}", field.name(), field.data_type());
        return Err(DatasetError::Bridge(why));
    }
    let exported = to_ffi(&array.to_data()).map_err(|e| DatasetError::Bridge(e.to_string()))?;
    // Metadata stay behind: units are in the names, and polars gives some keys a meaning of its own.
    let field = Field::new(field.name(), field.data_type().clone(), field.is_nullable());
    let schema =
        FFI_ArrowSchema::try_from(&field).map_err(|e| DatasetError::Bridge(e.to_string()))?;
    import(exported.0, schema).map_err(refused)
}

#[expect(unsafe_code, reason = "the C data interface is a contract between raw pointers")]
fn import(array: FFI_ArrowArray, schema: FFI_ArrowSchema) -> Result<Series, PolarsError> {
    // SAFETY: both pairs are `#[repr(C)]` mirrors of the structs `ArrowArray` and `ArrowSchema` of the
    // Arrow C data interface, with the same fields in the same order; `transmute` checks the size.
    // Ownership moves: the target's `Drop` calls the release callback, the source is forgotten.
    let (array, schema) = unsafe {
        (
            std::mem::transmute::<FFI_ArrowArray, polars_ffi::ArrowArray>(array),
            std::mem::transmute::<FFI_ArrowSchema, polars_ffi::ArrowSchema>(schema),
        )
    };
    // SAFETY: arrow made `schema` and `array` of one and the same array, so they are valid and fit.
    let (field, array) = unsafe {
        let field = polars_ffi::import_field_from_c(&schema)?;
        let array = polars_ffi::import_array_from_c(array, field.dtype.clone())?;
        (field, array)
    };
    Series::try_from((&field, array))
}

fn refused(e: PolarsError) -> DatasetError {
    DatasetError::Bridge(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;
    use arrow::datatypes::{Int8Type, Int32Type, Schema};
    use polars::prelude::{AnyValue, DataType as Polars};
    use std::sync::Arc;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .expect("columns of one length")
    }

    /// Six rows of every type, row 1 null.
    fn every_type() -> RecordBatch {
        let on = |i: i64| (i != 1).then_some(i);
        let rows = || (0..6).map(on);
        let text = || rows().map(|v| v.map(|v| ["a", "b", "c"][v as usize % 3]));
        batch(vec![
            ("bool", Arc::new(rows().map(|v| v.map(|v| v % 2 == 0)).collect::<BooleanArray>())),
            ("i8", Arc::new(rows().map(|v| v.map(|v| v as i8)).collect::<Int8Array>())),
            ("i16", Arc::new(rows().map(|v| v.map(|v| v as i16)).collect::<Int16Array>())),
            ("i32", Arc::new(rows().map(|v| v.map(|v| v as i32)).collect::<Int32Array>())),
            ("i64", Arc::new(rows().collect::<Int64Array>())),
            ("f32", Arc::new(rows().map(|v| v.map(|v| v as f32)).collect::<Float32Array>())),
            ("f64", Arc::new(rows().map(|v| v.map(|v| v as f64)).collect::<Float64Array>())),
            ("utf8", Arc::new(text().collect::<StringArray>())),
            ("us", Arc::new(rows().collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
            ("ns", Arc::new(rows().collect::<TimestampNanosecondArray>().with_timezone("UTC"))),
            ("word", Arc::new(text().collect::<DictionaryArray<Int8Type>>())),
            ("name", Arc::new(text().collect::<DictionaryArray<Int32Type>>())),
        ])
    }

    /// What arrow and polars print for each value, as a number or a word.
    fn values(frame: &DataFrame, column: &str) -> Vec<Option<String>> {
        let column = frame.column(column).expect("there");
        let text = |i| match column.get(i).expect("in range") {
            AnyValue::Null => None,
            AnyValue::Boolean(b) => Some(i64::from(b).to_string()),
            AnyValue::Datetime(v, ..) | AnyValue::DatetimeOwned(v, ..) => Some(v.to_string()),
            v => Some(v.str_value().trim_end_matches(".0").to_string()),
        };
        (0..column.len()).map(text).collect()
    }

    fn want(column: &str, row: usize) -> Option<String> {
        (row != 1).then(|| match column {
            "bool" => i64::from(row.is_multiple_of(2)).to_string(),
            "utf8" | "word" | "name" => ["a", "b", "c"][row % 3].to_owned(),
            _ => row.to_string(),
        })
    }

    #[track_caller]
    fn check(batch: &RecordBatch, rows: std::ops::Range<usize>) {
        let frame = frame(batch).expect("crosses");
        for field in batch.schema().fields() {
            let want: Vec<_> = rows.clone().map(|r| want(field.name(), r)).collect();
            assert_eq!(values(&frame, field.name()), want, "column {}", field.name());
        }
    }

    #[test]
    fn every_type_keeps_its_values_and_nulls() {
        check(&every_type(), 0..6);
    }

    /// A slice starts in the middle of its buffers, and of a byte of its validity bitmap.
    #[test]
    fn a_slice_is_not_read_from_the_start_of_its_buffers() {
        let batch = every_type();
        check(&batch.slice(1, 4), 1..5);
        check(&batch.slice(3, 3), 3..6);
        check(&batch.slice(2, 0), 2..2);
    }

    #[test]
    fn numbers_are_not_copied_and_outlive_the_batch() {
        let numbers = Int32Array::from_iter_values(0..1_000);
        let from = numbers.values().as_ptr();
        let frame = {
            let batch = batch(vec![("n", Arc::new(numbers))]);
            frame(&batch).expect("crosses")
        };
        let column = frame.column("n").expect("there").i32().expect("i32").clone();
        let slice = column.cont_slice().expect("one chunk without nulls");
        assert_eq!(slice.as_ptr(), from);
        assert_eq!(slice.iter().sum::<i32>(), 499_500);
    }

    #[test]
    fn categoricals_of_two_batches_are_one_dictionary() {
        let words = |w: &[&'static str]| -> ArrayRef {
            Arc::new(w.iter().copied().collect::<DictionaryArray<Int32Type>>())
        };
        let mut a = frame(&batch(vec![("w", words(&["x", "y"]))])).expect("crosses");
        let b = frame(&batch(vec![("w", words(&["z", "y"]))])).expect("crosses");
        assert!(matches!(a.column("w").expect("there").dtype(), Polars::Categorical(..)));
        a.vstack_mut(&b).expect("same type");
        let got: Vec<_> = values(&a, "w").into_iter().flatten().collect();
        assert_eq!(got, ["x", "y", "z", "y"]);
    }

    #[test]
    fn a_type_that_polars_would_panic_on_is_an_error() {
        let decimals = Decimal128Array::from(vec![1, 2]);
        let schema = Schema::new(vec![Field::new("d", decimals.data_type().clone(), false)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(decimals)]).expect("fits");
        let error = frame(&batch).expect_err("must not cross").to_string();
        assert!(error.contains("column d"), "{error}");
    }
}
