//! Bodies of the public REST API, read by the client and written by the simulator (protocol notes 5).
//!
//! Market objects stay the exchange's own JSON: [`super::market`] reads them, and the log keeps them whole.

use super::convert::{self, ConvertError};
use crate::event::Snapshot;
use crate::units::{Price, Qty};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Most markets on one page of `GET /markets`.
pub const MARKETS_PAGE_MAX: usize = 1_000;

/// `GET /markets`: one page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MarketsPage {
    /// Market objects.
    pub markets: Vec<Value>,
    /// Where the next page starts; empty on the last one.
    #[serde(default, deserialize_with = "or_default")]
    pub cursor: String,
}

/// `GET /markets/{ticker}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarketBody {
    /// The market object.
    pub market: Value,
}

/// `GET /series/{ticker}`.
#[derive(Clone, Debug, Deserialize)]
pub struct SeriesBody {
    /// The series object.
    pub series: SeriesObject,
}

/// What a series object says of fees (protocol notes 7); its other fields are not read.
#[derive(Clone, Debug, Deserialize)]
pub struct SeriesObject {
    /// How they are computed, as the exchange spells it.
    pub fee_type: String,
    /// What they are multiplied by: a number, kept as text so that it never becomes a float.
    pub fee_multiplier: Box<RawValue>,
}

impl SeriesObject {
    /// The multiplier in parts of 10 000.
    ///
    /// # Errors
    /// When it is no decimal number, or finer than that.
    pub fn multiplier_e4(&self) -> Result<i64, ConvertError> {
        convert::decimal(self.fee_multiplier.get().trim_matches('"').as_bytes(), 4)
    }
}

/// `GET /markets/{ticker}/orderbook`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderbookBody {
    /// The book.
    pub orderbook_fp: OrderbookSides,
}

/// All bids of one market, ascending. The names differ from those of the WebSocket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderbookSides {
    /// YES bids as texts: price in dollars, contracts.
    #[serde(default, deserialize_with = "or_default")]
    pub yes_dollars: Vec<(String, String)>,
    /// NO bids, on the NO price axis.
    #[serde(default, deserialize_with = "or_default")]
    pub no_dollars: Vec<(String, String)>,
}

impl OrderbookBody {
    /// The body of a book, sides as in `book`.
    pub fn of(book: &Snapshot) -> OrderbookBody {
        let texts = |side: &[(Price, Qty)]| {
            side.iter().map(|(price, qty)| (price.to_string(), qty.to_string())).collect()
        };
        let sides = OrderbookSides { yes_dollars: texts(&book.yes), no_dollars: texts(&book.no) };
        OrderbookBody { orderbook_fp: sides }
    }

    /// The book in our units, in the order sent.
    ///
    /// # Errors
    /// Names the first text that is no price or no size.
    pub fn snapshot(&self) -> Result<Snapshot, ConvertError> {
        let side = |texts: &[(String, String)]| {
            let level = |(price, qty): &(String, String)| {
                Ok((convert::price(price.as_bytes())?, convert::qty(qty.as_bytes())?))
            };
            texts.iter().map(level).collect::<Result<Vec<_>, ConvertError>>()
        };
        let sides = &self.orderbook_fp;
        Ok(Snapshot { yes: side(&sides.yes_dollars)?, no: side(&sides.no_dollars)? })
    }
}

/// `GET /exchange/status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExchangeStatus {
    /// False: nothing works (rare).
    pub exchange_active: bool,
    /// False: no orders are taken, as in the weekly maintenance.
    pub trading_active: bool,
    /// When it will work again, RFC 3339, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_estimated_resume_time: Option<String>,
    /// Only from our own simulator: the label of its data, such as `sim:seed=7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kflow_source: Option<String>,
    /// Every other field, as sent.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `GET /account/limits` (protocol notes 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLimits {
    /// `basic`, `advanced`, ...
    #[serde(default)]
    pub usage_tier: String,
    /// Tokens of requests that read.
    pub read: BucketLimit,
    /// Tokens of requests that change something.
    pub write: BucketLimit,
}

/// One token bucket of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketLimit {
    /// Tokens that come back each second.
    pub refill_rate: u32,
    /// Most tokens that can be saved up.
    pub bucket_capacity: u32,
}

/// Words of the `status` filter of `GET /markets`. They differ from the words in a market's own `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusFilter {
    /// Not open yet: `initialized`.
    Unopened,
    /// Trading: `active`.
    Open,
    /// Deactivated for a while: `inactive`.
    Paused,
    /// After its close, outcome unknown or in doubt: `closed`, `determined`, `disputed`, `amended`.
    Closed,
    /// Paid out: `finalized`.
    Settled,
}

impl StatusFilter {
    /// Every filter.
    pub const ALL: [StatusFilter; 5] = [
        StatusFilter::Unopened,
        StatusFilter::Open,
        StatusFilter::Paused,
        StatusFilter::Closed,
        StatusFilter::Settled,
    ];

    /// The word in the query.
    pub const fn word(self) -> &'static str {
        match self {
            StatusFilter::Unopened => "unopened",
            StatusFilter::Open => "open",
            StatusFilter::Paused => "paused",
            StatusFilter::Closed => "closed",
            StatusFilter::Settled => "settled",
        }
    }

    /// The filter under which a market with this `status` field is listed; `None` for words unknown.
    pub fn of_field(status: &str) -> Option<StatusFilter> {
        match status {
            "initialized" => Some(StatusFilter::Unopened),
            "active" => Some(StatusFilter::Open),
            "inactive" => Some(StatusFilter::Paused),
            "closed" | "determined" | "disputed" | "amended" => Some(StatusFilter::Closed),
            "finalized" => Some(StatusFilter::Settled),
            _ => None,
        }
    }
}

/// What an error body says, in any of the shapes in use: `{"error":{"code","message","details"?}}`, the same
/// without its wrapper, and `{"error":"too many requests"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Machine word; empty in the plain shape.
    pub code: String,
    /// For people.
    pub message: String,
    /// More for people; often empty.
    pub details: String,
}

impl ErrorBody {
    /// Reads an error body; `None` when it has none of the shapes.
    pub fn parse(body: &[u8]) -> Option<ErrorBody> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let inner = value.get("error").unwrap_or(&value);
        if let Some(message) = inner.as_str() {
            return Some(ErrorBody { message: message.to_owned(), ..ErrorBody::default() });
        }
        let text =
            |key: &str| inner.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let read =
            ErrorBody { code: text("code"), message: text("message"), details: text("details") };
        (read != ErrorBody::default()).then_some(read)
    }

    /// The wrapped body, as the exchange sends it; the plain shape where there is no code.
    pub fn to_value(&self) -> Value {
        if self.code.is_empty() {
            return serde_json::json!({"error": self.message});
        }
        let mut inner = serde_json::json!({"code": self.code, "message": self.message});
        if !self.details.is_empty() {
            inner["details"] = Value::from(self.details.as_str());
        }
        serde_json::json!({"error": inner})
    }
}

/// `null` counts as absent.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn side() -> impl Strategy<Value = Vec<(Price, Qty)>> {
        let level = (0i64..=10_000, 1i64..1_000_000_000);
        prop::collection::vec(level, 0..20).prop_map(|levels| {
            levels.into_iter().map(|(p, q)| (Price::new(p).unwrap(), Qty(q))).collect()
        })
    }

    proptest! {
        #[test]
        fn a_book_survives_its_body(yes in side(), no in side()) {
            let book = Snapshot { yes, no };
            let text = serde_json::to_string(&OrderbookBody::of(&book)).unwrap();
            let back: OrderbookBody = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(back.snapshot().unwrap(), book);
        }

        #[test]
        fn no_error_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ErrorBody::parse(&bytes);
        }
    }

    #[test]
    fn an_absent_or_null_side_is_empty() {
        for text in
            [r#"{"orderbook_fp":{}}"#, r#"{"orderbook_fp":{"yes_dollars":null,"no_dollars":[]}}"#]
        {
            let body: OrderbookBody = serde_json::from_str(text).unwrap();
            assert_eq!(body.snapshot().unwrap(), Snapshot::default());
        }
    }

    #[test]
    fn a_size_that_is_no_number_is_an_error_not_a_zero() {
        let text = r#"{"orderbook_fp":{"yes_dollars":[["0.5000","many"]]}}"#;
        let body: OrderbookBody = serde_json::from_str(text).unwrap();
        assert!(body.snapshot().is_err());
    }

    #[test]
    fn the_last_page_has_an_empty_an_absent_or_a_null_cursor() {
        for text in [
            r#"{"markets":[],"cursor":""}"#,
            r#"{"markets":[]}"#,
            r#"{"markets":[],"cursor":null}"#,
        ] {
            let page: MarketsPage = serde_json::from_str(text).unwrap();
            assert_eq!(page.cursor, "");
        }
    }

    #[test]
    fn each_shape_of_an_error_body_is_read_and_written_back() {
        let body = |code: &str, message: &str, details: &str| ErrorBody {
            code: code.to_owned(),
            message: message.to_owned(),
            details: details.to_owned(),
        };
        for (text, want) in [
            (r#"{"error":{"code":"c","message":"m","details":"d"}}"#, body("c", "m", "d")),
            (r#"{"error":{"code":"c","message":"m"}}"#, body("c", "m", "")),
            (r#"{"error":"too many requests"}"#, body("", "too many requests", "")),
        ] {
            let read = ErrorBody::parse(text.as_bytes()).unwrap();
            assert_eq!(read, want);
            assert_eq!(read.to_value().to_string(), text);
        }
        let bare = ErrorBody::parse(br#"{"code":"c","message":"m"}"#);
        assert_eq!(bare, Some(body("c", "m", "")));
        for text in ["", "<html>", "[]", "{}", "null", r#"{"markets":[]}"#] {
            assert_eq!(ErrorBody::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn filter_words_and_field_words_stay_apart() {
        for filter in StatusFilter::ALL {
            assert_ne!(StatusFilter::of_field("active"), StatusFilter::of_field(filter.word()));
        }
        assert_eq!(StatusFilter::of_field("active"), Some(StatusFilter::Open));
    }
}
