//! Reading `f64` from JSON without losing the last bit.
//!
//! serde_json writes the shortest decimal that means the number, but its own parser may come out one
//! unit in the last place away. The standard library's parser does not, so numbers whose bits matter
//! for a resumed run go through it: `#[serde(with = "exact")]` on a `Vec<f64>`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// As a plain array of numbers.
pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    values.serialize(serializer)
}

/// From an array of numbers, each parsed exactly.
///
/// # Errors
/// When an entry is not a number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let raw = Vec::<Box<RawValue>>::deserialize(deserializer)?;
    raw.iter().map(|text| text.get().parse().map_err(D::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use crate::rng::Rng;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Holder {
        #[serde(with = "super")]
        values: Vec<f64>,
    }

    #[test]
    fn every_bit_survives_a_file() {
        let mut rng = Rng::stream(1, "exact", 0);
        let values: Vec<f64> =
            (0..20_000).map(|_| rng.normal() * 10f64.powf(rng.normal() * 8.0)).collect();
        let text = serde_json::to_string(&Holder { values: values.clone() }).unwrap();
        let back: Holder = serde_json::from_str(&text).unwrap();
        assert!(back.values.iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert!(serde_json::from_str::<Holder>(r#"{"values":["x"]}"#).is_err());
    }
}
