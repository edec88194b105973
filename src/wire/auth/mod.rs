//! Who we are to the exchange: three headers that prove it (protocol notes 3).
//!
//! Signed are the bytes `timestamp ‖ METHOD ‖ path`: milliseconds since the epoch in decimal, the method in
//! upper case, the path with its prefix and without its query. RSA keys sign with RSASSA-PSS (SHA-256,
//! MGF1-SHA-256, salt of 32 bytes), Ed25519 keys as they are.
//!
//! **Invariant:** nothing of a private key is in any error, in `Debug` or in a header.
//! **Invariant:** PEM text and time come in, headers go out: no file and no clock.

mod keys;
mod pem;

use crate::secret::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use keys::{PrivateKey, PublicKey};

/// The header with the key's id.
pub const KEY_HEADER: &str = "KALSHI-ACCESS-KEY";
/// The header with the time of signing, milliseconds since the epoch.
pub const TIMESTAMP_HEADER: &str = "KALSHI-ACCESS-TIMESTAMP";
/// The header with the signature, standard base64.
pub const SIGNATURE_HEADER: &str = "KALSHI-ACCESS-SIGNATURE";
/// Path of the WebSocket, the one that is signed for its upgrade.
pub const WS_PATH: &str = "/trade-api/ws/v2";
/// What every REST path starts with; it is part of what is signed.
pub const REST_PREFIX: &str = "/trade-api/v2";

/// Seed of the key that the built-in exchange accepts. Public on purpose: it opens nothing else.
const SIMULATOR_SEED: [u8; 32] = *b"kflow simulator, worth nothing..";

/// Why a key cannot be used. Never holds text of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The id goes into a header as it is.
    #[error("the key id must be 1 to 128 visible characters without spaces")]
    KeyId,
    /// No text at all.
    #[error("the key is empty")]
    Empty,
    /// No line that starts a PEM block.
    #[error("the key is not PEM: it must start with `-----BEGIN ... KEY-----`")]
    NotPem,
    /// The block does not end, or its label changes.
    #[error("the key is cut off: its `-----END ... KEY-----` line is missing")]
    CutOff,
    /// The block's body is not base64, or not the structure that the label promises.
    #[error("the key is damaged: its body does not decode")]
    Damaged,
    /// Pass phrases are not supported.
    #[error("the key is encrypted; a key without pass phrase is needed")]
    Encrypted,
    /// A public key where the private one is needed.
    #[error("this is a public key; the private key is needed")]
    Public,
    /// A private key where the public one is needed.
    #[error("this is a private key; the public key is needed")]
    Private,
    /// A certificate where a key is needed.
    #[error("this is a certificate; the private key is needed")]
    Certificate,
    /// A kind of key that the exchange does not take.
    #[error("{0} keys are not supported; RSA (PKCS#1 or PKCS#8) and Ed25519 (PKCS#8) are")]
    Kind(&'static str),
    /// RSA keys start at 2048 bits.
    #[error("the RSA key has {0} bits; at least 2048 are needed")]
    TooShort(usize),
    /// The system gave no randomness, or the key does not fit together.
    #[error("the key could not sign")]
    Sign,
}

/// Signs requests with one private key. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    key_id: String,
    key: PrivateKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.key_id)
    }
}

impl Signer {
    /// A signer from a key id and its private key: RSA as PKCS#1 or PKCS#8, Ed25519 as PKCS#8.
    ///
    /// # Errors
    /// Says what is wrong with the key without showing any of it.
    pub fn from_pem(key_id: &str, pem: &Secret) -> Result<Signer, AuthError> {
        let visible = key_id.bytes().all(|b| b.is_ascii_graphic());
        if !visible || !(1..=128).contains(&key_id.len()) {
            return Err(AuthError::KeyId);
        }
        Ok(Signer {
            key_id: key_id.to_owned(),
            key: PrivateKey::read(&pem::decode(pem.reveal())?)?,
        })
    }

    /// The signer that the built-in exchange accepts, key id `sim`. Its key is public and opens nothing else.
    pub fn simulator() -> Signer {
        Signer { key_id: "sim".to_owned(), key: PrivateKey::ed25519_of_seed(&SIMULATOR_SEED) }
    }

    /// The key's id.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The three headers of one attempt at `now_ms`. Every attempt needs new ones: the time is inside.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn headers(
        &self,
        now_ms: i64,
        method: &str,
        path: &str,
    ) -> Result<[(&'static str, String); 3], AuthError> {
        let timestamp = now_ms.to_string();
        let signature = self.key.sign(&signed_bytes(&timestamp, method, path))?;
        Ok([
            (KEY_HEADER, self.key_id.clone()),
            (TIMESTAMP_HEADER, timestamp),
            (SIGNATURE_HEADER, STANDARD.encode(signature)),
        ])
    }

    /// What accepts this signer's signatures.
    pub fn verifier(&self) -> Verifier {
        Verifier(self.key.public())
    }
}

/// Checks signatures against one public key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier(PublicKey);

impl Verifier {
    /// A verifier from a public key: RSA as PKCS#1 or SPKI, Ed25519 as SPKI.
    ///
    /// # Errors
    /// Says what is wrong with the key.
    pub fn from_pem(public_pem: &str) -> Result<Verifier, AuthError> {
        Ok(Verifier(PublicKey::read(&pem::decode(public_pem)?)?))
    }

    /// True if the signature is this key's, over exactly this timestamp, method and path.
    pub fn accepts(
        &self,
        timestamp: &str,
        method: &str,
        path: &str,
        signature_base64: &str,
    ) -> bool {
        STANDARD.decode(signature_base64).is_ok_and(|signature| {
            self.0.accepts(&signed_bytes(timestamp, method, path), &signature)
        })
    }
}

fn signed_bytes(timestamp: &str, method: &str, path: &str) -> Vec<u8> {
    let path = path.split('?').next().unwrap_or_default();
    format!("{timestamp}{}{path}", method.to_ascii_uppercase()).into_bytes()
}

#[cfg(test)]
mod tests;
