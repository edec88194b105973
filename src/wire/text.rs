//! Serde for units as the exchange's decimal texts: `#[serde(with = "text")]`.
//!
//! Reading accepts any number of decimals that the unit holds; writing gives the exchange's own number of
//! them (prices 4, sizes 2, money 6).

use super::convert::{self, ConvertError};
use crate::units::{Money, Price, Qty};
use serde::{Deserialize, Deserializer, Serializer, de::Error};
use std::fmt::Display;

/// A unit that the exchange writes as a decimal text.
pub trait DecimalText: Display + Sized {
    /// Reads the text.
    ///
    /// # Errors
    /// As [`convert::decimal`].
    fn read(text: &[u8]) -> Result<Self, ConvertError>;
}

impl DecimalText for Price {
    fn read(text: &[u8]) -> Result<Price, ConvertError> {
        convert::price(text)
    }
}

impl DecimalText for Qty {
    fn read(text: &[u8]) -> Result<Qty, ConvertError> {
        convert::qty(text)
    }
}

impl DecimalText for Money {
    fn read(text: &[u8]) -> Result<Money, ConvertError> {
        convert::money(text)
    }
}

/// Writes the text.
///
/// # Errors
/// The serializer's.
pub fn serialize<T: DecimalText, S: Serializer>(v: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(v)
}

/// Reads the text.
///
/// # Errors
/// When it is no text or no such number.
pub fn deserialize<'de, T: DecimalText, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    T::read(String::deserialize(d)?.as_bytes()).map_err(D::Error::custom)
}

/// The same for fields that may be absent or null: `#[serde(default, with = "text::optional")]`.
pub mod optional {
    use super::{DecimalText, Deserialize, Deserializer, Error, Serializer};

    /// Writes the text or null.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<T: DecimalText, S: Serializer>(
        v: &Option<T>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match v {
            Some(v) => s.collect_str(v),
            None => s.serialize_none(),
        }
    }

    /// Reads the text; null is `None`.
    ///
    /// # Errors
    /// When it is neither null nor a text that holds such a number.
    pub fn deserialize<'de, T: DecimalText, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(d)?
            .map(|text| T::read(text.as_bytes()).map_err(D::Error::custom))
            .transpose()
    }
}
