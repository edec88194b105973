//! The tables of version 1: every column with its type, unit, null rule and encoding.
//!
//! Names carry units (`_e4` 1e-4 dollars, `_e2` 1e-2 contracts); times begin with `ts_`, are UTC and
//! keep their real precision (`ts_recv` ns, `ts_event` µs). A column is nullable only where
//! [`Column::null_means`] says what null means. Codes are words, never bare integers.
//!
//! **Invariant:** a change of any column is a new version directory; `tests/golden/schema_v1.txt`
//! holds what today's writer must produce.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::basic::Encoding;
use std::collections::HashMap;
use std::sync::Arc;

/// A table of the dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Changes of one bid level.
    Deltas,
    /// Whole books, one row per level.
    Snapshots,
    /// Public trades.
    Trades,
    /// What is missing, and why.
    Gaps,
    /// Runs of the collector and imports.
    Sessions,
    /// Definitions and outcomes of markets.
    Markets,
    /// Market part of an observation layout.
    Features,
}

impl Table {
    /// Tables of events, in the order in which a session is exported.
    pub const EVENTS: [Table; 4] = [Table::Deltas, Table::Snapshots, Table::Trades, Table::Gaps];

    /// Tables with a fixed column set.
    pub const FIXED: [Table; 6] = [
        Table::Deltas,
        Table::Snapshots,
        Table::Trades,
        Table::Gaps,
        Table::Sessions,
        Table::Markets,
    ];

    /// Directory and `kflow.schema` of the table.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Deltas => "deltas",
            Table::Snapshots => "snapshots",
            Table::Trades => "trades",
            Table::Gaps => "gaps",
            Table::Sessions => "sessions",
            Table::Markets => "markets",
            Table::Features => "features",
        }
    }

    /// Columns in file order; of [`Table::Features`] those that stand before the layout's columns.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Table::Deltas => DELTAS,
            Table::Snapshots => SNAPSHOTS,
            Table::Trades => TRADES,
            Table::Gaps => GAPS,
            Table::Sessions => SESSIONS,
            Table::Markets => MARKETS,
            Table::Features => FEATURES,
        }
    }

    /// Arrow schema of a table with a fixed column set.
    pub fn schema(self) -> SchemaRef {
        self.schema_with(&[])
    }

    /// Arrow schema with `values` as further Float32 columns, which only [`Table::Features`] has.
    pub fn schema_with(self, values: &[&str]) -> SchemaRef {
        let fixed = self.columns().iter().map(Column::field);
        let values = values.iter().map(|name| Field::new(*name, DataType::Float32, false));
        Arc::new(Schema::new(fixed.chain(values).collect::<Vec<_>>()))
    }

    /// Columns that the rows are sorted by, most significant first.
    pub const fn sorted_by(self) -> &'static [&'static str] {
        match self {
            Table::Sessions => &["session_id"],
            Table::Markets => &["market_ticker"],
            _ => &["market_ticker", "row_id"],
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name, with its unit as suffix.
    pub name: &'static str,
    /// Type and encoding.
    pub kind: Kind,
    /// What null means; `None` for a column without nulls.
    pub null_means: Option<&'static str>,
    /// Unit of the values, empty where there is none.
    pub unit: &'static str,
    /// What the values are.
    pub meaning: &'static str,
}

/// Type and encoding of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Int64 that mostly rises: DELTA_BINARY_PACKED.
    Rising,
    /// Nanoseconds since the epoch, UTC: DELTA_BINARY_PACKED.
    Nanos,
    /// Microseconds since the epoch, UTC: DELTA_BINARY_PACKED.
    Micros,
    /// Int64 of few distinct values: dictionary.
    Long,
    /// Int32 of few distinct values: dictionary.
    Int,
    /// Int16 of few distinct values: dictionary.
    Short,
    /// True or false.
    Flag,
    /// Text of few distinct values: Arrow dictionary with Int32 keys.
    Name,
    /// One of a handful of words: Arrow dictionary with Int8 keys.
    Word,
    /// Text that hardly repeats: plain, because its dictionary would only cost.
    Text,
}

impl Column {
    /// The Arrow field, with `unit` in its metadata. One key only: the order of several would vary.
    pub fn field(&self) -> Field {
        let field = Field::new(self.name, self.kind.data_type(), self.null_means.is_some());
        match self.unit {
            "" => field,
            unit => field.with_metadata(HashMap::from([("unit".to_owned(), unit.to_owned())])),
        }
    }
}

impl Kind {
    /// The Arrow type.
    pub fn data_type(self) -> DataType {
        let utc = || Some("UTC".into());
        let words = |key| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
        match self {
            Kind::Rising | Kind::Long => DataType::Int64,
            Kind::Nanos => DataType::Timestamp(TimeUnit::Nanosecond, utc()),
            Kind::Micros => DataType::Timestamp(TimeUnit::Microsecond, utc()),
            Kind::Int => DataType::Int32,
            Kind::Short => DataType::Int16,
            Kind::Flag => DataType::Boolean,
            Kind::Name => words(DataType::Int32),
            Kind::Word => words(DataType::Int8),
            Kind::Text => DataType::Utf8,
        }
    }

    /// The type in the words of the data card.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Rising | Kind::Long => "int64",
            Kind::Nanos => "timestamp ns, UTC",
            Kind::Micros => "timestamp us, UTC",
            Kind::Int => "int32",
            Kind::Short => "int16",
            Kind::Flag => "bool",
            Kind::Name | Kind::Word => "text, dictionary",
            Kind::Text => "text",
        }
    }

    /// Encoding instead of the writer's dictionary; `None` keeps the dictionary.
    ///
    /// Measured on recorded deltas: delta encoding of times, sequence and row ids is worth more than
    /// any compression level.
    pub const fn encoding(self) -> Option<Encoding> {
        match self {
            Kind::Rising | Kind::Nanos | Kind::Micros => Some(Encoding::DELTA_BINARY_PACKED),
            Kind::Text => Some(Encoding::PLAIN),
            Kind::Long | Kind::Int | Kind::Short | Kind::Flag | Kind::Name | Kind::Word => None,
        }
    }
}

/// Encoding of Float32 features: a dictionary of near-unique floats would double the file.
pub const VALUE_ENCODING: Encoding = Encoding::BYTE_STREAM_SPLIT;

const fn col(name: &'static str, kind: Kind, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, kind, null_means: None, unit, meaning }
}

const fn nullable(column: Column, null_means: &'static str) -> Column {
    Column { null_means: Some(null_means), ..column }
}

const ROW_ID: Column = col(
    "row_id",
    Kind::Rising,
    "",
    "position in the log: the total order over everything recorded",
);
const SESSION: Column =
    col("session_id", Kind::Name, "", "run of the collector or import (UUIDv7)");
const RECV: Column = col("ts_recv", Kind::Nanos, "ns UTC", "our wall clock when the frame came");
const EVENT: Column =
    nullable(col("ts_event", Kind::Micros, "us UTC", "the exchange's stamp"), "the frame had none");
const TICKER: Column = col("market_ticker", Kind::Name, "", "the market");
const SID: Column =
    col("sid", Kind::Int, "", "subscription, the scope of seq; 0 where the frame has none");
const SEQ: Column = col("seq", Kind::Rising, "", "sequence number; 0 where the frame has none");

const DELTAS: &[Column] = &[
    ROW_ID,
    SESSION,
    RECV,
    EVENT,
    TICKER,
    SID,
    SEQ,
    col("side", Kind::Word, "", "whose bids: yes or no"),
    col("price_e4", Kind::Int, "1e-4 USD", "the level, on that side's own axis"),
    col("delta_e2", Kind::Long, "1e-2 contracts", "contracts added or (negative) taken away"),
    nullable(
        col("size_after_e2", Kind::Long, "1e-2 contracts", "contracts at that level afterwards"),
        "no valid book to apply it to: before the first snapshot, or after a gap",
    ),
];

const SNAPSHOTS: &[Column] = &[
    ROW_ID,
    SESSION,
    RECV,
    EVENT,
    TICKER,
    SID,
    SEQ,
    nullable(col("side", Kind::Word, "", "whose bids: yes or no"), "the book is empty"),
    nullable(
        col("level", Kind::Short, "", "0 is the best bid of its side"),
        "the book is empty: such a snapshot is one row without a level",
    ),
    nullable(
        col("price_e4", Kind::Int, "1e-4 USD", "the level, on that side's own axis"),
        "the book is empty",
    ),
    nullable(
        col("size_e2", Kind::Long, "1e-2 contracts", "contracts at that level"),
        "the book is empty",
    ),
];

const TRADES: &[Column] = &[
    ROW_ID,
    SESSION,
    RECV,
    EVENT,
    TICKER,
    SID,
    SEQ,
    col("trade_id", Kind::Text, "", "the exchange's id of the trade (UUID)"),
    col("taker_side", Kind::Word, "", "what the taker bought: yes or no"),
    col("yes_price_e4", Kind::Int, "1e-4 USD", "price of YES; NO traded at 10000 minus it"),
    col("qty_e2", Kind::Long, "1e-2 contracts", "contracts traded"),
    nullable(col("is_block", Kind::Flag, "", "a block trade"), "the frame did not say"),
];

const GAPS: &[Column] = &[
    ROW_ID,
    SESSION,
    RECV,
    EVENT,
    nullable(
        col("market_ticker", Kind::Name, "", "a market whose book is unknown from here"),
        "no market had a book on the lost subscription",
    ),
    SID,
    SEQ,
    col("seq_from", Kind::Rising, "", "first missing sequence number; 0 unknown"),
    col("seq_to", Kind::Rising, "", "last missing sequence number; 0 unknown"),
    nullable(
        col("ts_since", Kind::Nanos, "ns UTC", "receipt of the last frame before the hole"),
        "not known",
    ),
    col("ts_until", Kind::Nanos, "ns UTC", "receipt of what showed the hole"),
    col(
        "cause",
        Kind::Word,
        "",
        "seq_gap, reconnect, negative_level, bad_frame, queue_full, crash or disk_full",
    ),
    col("healed_by", Kind::Name, "", "snapshot, resubscribe or reconnect; empty while open"),
];

const SESSIONS: &[Column] = &[
    SESSION,
    col("source", Kind::Name, "", "where the events come from; synthetic data begin with sim:"),
    col("exchange_env", Kind::Word, "", "prod, demo, sim or none"),
    col("ts_started", Kind::Nanos, "ns UTC", "our wall clock at the start"),
    nullable(
        col("ts_ended", Kind::Nanos, "ns UTC", "our wall clock at the end"),
        "still running, or ended without saying so",
    ),
    col("end_cause", Kind::Name, "", "why it ended; empty while running"),
    col("flags", Kind::Name, "", "remarks that qualify the data, separated by spaces"),
    nullable(
        col("row_id_min", Kind::Rising, "", "first row of the session"),
        "the session has no rows",
    ),
    nullable(
        col("row_id_max", Kind::Rising, "", "last row of the session"),
        "the session has no rows",
    ),
    col("deltas", Kind::Long, "", "deltas recorded"),
    col("snapshots", Kind::Long, "", "snapshots recorded"),
    col("trades", Kind::Long, "", "trades recorded"),
    col("gaps", Kind::Long, "", "gaps recorded"),
];

const MARKETS: &[Column] = &[
    TICKER,
    col("event_ticker", Kind::Name, "", "the event that groups markets with one outcome source"),
    col("title", Kind::Text, "", "human title"),
    nullable(col("ts_open", Kind::Micros, "us UTC", "trading starts"), "not known"),
    nullable(
        col("ts_close", Kind::Micros, "us UTC", "trading ends, as announced last"),
        "not known",
    ),
    nullable(
        col("ts_settled", Kind::Micros, "us UTC", "when the outcome was known"),
        "not settled when exported",
    ),
    nullable(
        col("settlement_e4", Kind::Int, "1e-4 USD", "what one YES contract paid"),
        "not settled when exported",
    ),
    col("status", Kind::Name, "", "as the exchange sent it last"),
    col("ticks", Kind::Text, "", "allowed prices: JSON list of start, end, step in 1e-4 USD"),
    nullable(
        col("volume_e2", Kind::Long, "1e-2 contracts", "contracts traded over the market's life"),
        "not known",
    ),
];

const FEATURES: &[Column] = &[
    col("row_id", Kind::Rising, "", "last event that the row has seen"),
    SESSION,
    col("ts_event", Kind::Micros, "us UTC", "exchange time of the row"),
    TICKER,
    nullable(
        col("settlement_e4", Kind::Int, "1e-4 USD", "label: what one YES contract paid"),
        "not settled when exported",
    ),
    col("mid2_e4", Kind::Int, "1e-4 USD", "best bid plus best ask: twice the mid"),
];
