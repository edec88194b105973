//! Small stored rows: bincode, followed by the CRC32C of those bytes. The only place that knows bincode.

use serde::{Serialize, de::DeserializeOwned};

/// Stored bytes that cannot be what was written; says what does not fit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// No small row is larger; bounds what damaged lengths can allocate.
const ROW_BYTES_MAX: usize = 1 << 24;

const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<ROW_BYTES_MAX>,
> = bincode::config::standard().with_limit::<ROW_BYTES_MAX>();

/// `row` as bytes without a checksum, for use inside a chunk, which has its own.
pub(super) fn encode(row: &impl Serialize) -> Vec<u8> {
    bincode::serde::encode_to_vec(row, CONFIG)
        .expect("plain structs of numbers, strings and lists always encode into memory")
}

/// The row that [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    match bincode::serde::decode_from_slice(bytes, CONFIG) {
        Ok((row, used)) if used == bytes.len() => Ok(row),
        Ok(_) => Err(Malformed("a small row is longer than it says")),
        Err(_) => Err(Malformed("a small row does not decode")),
    }
}

/// `row` as bytes with a checksum.
pub(super) fn seal(row: &impl Serialize) -> Vec<u8> {
    let mut bytes = encode(row);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// The row that [`seal`] wrote, if no bit of it has changed.
pub(super) fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(Malformed("a small row is cut off"))?;
    if crc32c::crc32c(body).to_le_bytes() != *crc {
        return Err(Malformed("a small row fails its checksum"));
    }
    decode(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_small_row_is_noticed() {
        let good = seal(&(7u32, "KXGOLD15M", Some([1u8; 16])));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal::<(u32, String, Option<[u8; 16]>)>(&bad).is_err(), "bit {bit}");
        }
    }
}
