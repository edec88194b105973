//! Who may come in: key ids, their public keys, and the accounts behind them.

use crate::wire::auth::{KEY_HEADER, SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER, Verifier};
use hyper::HeaderMap;
use std::collections::HashMap;

/// The keys that the exchange knows.
#[derive(Clone)]
pub struct Keyring {
    keys: HashMap<String, (Verifier, u32)>,
    /// A timestamp may be off by so much, milliseconds.
    pub tolerance_ms: i64,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl Default for Keyring {
    /// The simulator's own well-known key, account 0. Kalshi's tolerance is not published.
    fn default() -> Keyring {
        let signer = Signer::simulator();
        let mut ring = Keyring { keys: HashMap::new(), tolerance_ms: 5_000 };
        ring.add(signer.key_id(), signer.verifier(), 0);
        ring
    }
}

impl Keyring {
    /// Enters a key that belongs to `account`.
    pub fn add(&mut self, key_id: &str, key: Verifier, account: u32) {
        self.keys.insert(key_id.to_owned(), (key, account));
    }

    /// The account whose key signed this request just now; `None` when a header is missing, the key is
    /// unknown, the time is off or the signature is not its own.
    pub fn account(
        &self,
        headers: &HeaderMap,
        method: &str,
        path: &str,
        now_ms: i64,
    ) -> Option<u32> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let (verifier, account) = self.keys.get(text(KEY_HEADER)?)?;
        let timestamp = text(TIMESTAMP_HEADER)?;
        let at_ms: i64 = timestamp.parse().ok()?;
        let fresh = at_ms.abs_diff(now_ms) <= self.tolerance_ms.unsigned_abs();
        let signature = text(SIGNATURE_HEADER)?;
        (fresh && verifier.accepts(timestamp, method, path, signature)).then_some(*account)
    }
}
