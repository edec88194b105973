//! SHA-256 as text: the one hash of files, datasets, layouts and models, so that `sha256sum` can check it.

use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// `bytes` as lower-case hex.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of `bytes`, hex.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex(Sha256::digest(bytes))
}

/// SHA-256 of all that `input` still gives, hex.
///
/// # Errors
/// When `input` cannot be read.
pub fn sha256_of(mut input: impl Read) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hex(hash.finalize())),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_a_reader_of_them_have_the_digest_that_sha256sum_prints() {
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex("abc"), want);
        assert_eq!(sha256_of(&b"abc"[..]).expect("memory"), want);
        assert_ne!(sha256_of(&b"abcd"[..]).expect("memory"), want);
    }
}
