//! Who may come in: API keys and the accounts that they belong to (protocol notes 3).
//!
//! REST and WebSocket check the same three headers.

use super::exchange::AccountId;
use crate::wire::auth::{KEY_HEADER, SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER, Verifier};
use crate::wire::orders::Problem;
use axum::http::HeaderMap;
use std::collections::HashMap;

/// The keys of the simulated exchange.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: HashMap<String, (Verifier, AccountId)>,
    /// A timestamp may be off by so much, milliseconds. The exchange's own tolerance is not published.
    pub tolerance_ms: i64,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// A header is missing.
    #[error("a KALSHI-ACCESS header is missing")]
    Missing,
    /// Nobody has this key.
    #[error("unknown key id")]
    UnknownKey,
    /// The timestamp is no number, or too old or too new.
    #[error("header timestamp expired")]
    Expired,
    /// The signature is of something else.
    #[error("incorrect signature")]
    Signature,
}

impl Unauthorized {
    /// Body of the 401.
    pub fn problem(self) -> Problem {
        let details = match self {
            Unauthorized::Missing => "MISSING_HEADERS",
            Unauthorized::UnknownKey => "NOT_FOUND",
            Unauthorized::Expired => "HEADER_TIMESTAMP_EXPIRED",
            Unauthorized::Signature => "INCORRECT_API_KEY_SIGNATURE",
        };
        Problem {
            code: "authentication_error".into(),
            message: self.to_string(),
            details: Some(details.into()),
        }
    }
}

impl Default for Keyring {
    /// The simulator's own well-known key, account 0.
    fn default() -> Keyring {
        let signer = Signer::simulator();
        let mut ring = Keyring { keys: HashMap::new(), tolerance_ms: 5_000 };
        ring.add(signer.key_id(), signer.verifier(), AccountId(0));
        ring
    }
}

impl Keyring {
    /// The simulator's own key, and that of `signer` for the same account: who has a key tries it out here.
    pub fn with(signer: &Signer) -> Keyring {
        let mut ring = Keyring::default();
        ring.add(signer.key_id(), signer.verifier(), AccountId(0));
        ring
    }

    /// Enters a key that belongs to `account`.
    pub fn add(&mut self, key_id: &str, key: Verifier, account: AccountId) {
        self.keys.insert(key_id.to_owned(), (key, account));
    }

    /// Number of accounts that the keys open: one more than the highest.
    pub fn accounts(&self) -> u32 {
        self.keys.values().map(|key| key.1.0 + 1).max().unwrap_or(0)
    }

    /// True when a request has none of the headers: it does not even try.
    pub fn is_unsigned(headers: &HeaderMap) -> bool {
        [KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER].iter().all(|h| !headers.contains_key(*h))
    }

    /// The account whose key signed `method` and `path` at about `now_ms`.
    ///
    /// # Errors
    /// [`Unauthorized`].
    pub fn check(
        &self,
        headers: &HeaderMap,
        method: &str,
        path: &str,
        now_ms: i64,
    ) -> Result<AccountId, Unauthorized> {
        let text = |name: &str| {
            let value = headers.get(name).ok_or(Unauthorized::Missing)?;
            value.to_str().map_err(|_| Unauthorized::Signature)
        };
        let (key, at, signature) =
            (text(KEY_HEADER)?, text(TIMESTAMP_HEADER)?, text(SIGNATURE_HEADER)?);
        let (verifier, account) = self.keys.get(key).ok_or(Unauthorized::UnknownKey)?;
        let off_ms = at.parse::<i64>().map(|at_ms| now_ms.abs_diff(at_ms));
        if !off_ms.is_ok_and(|off| off <= self.tolerance_ms.unsigned_abs()) {
            return Err(Unauthorized::Expired);
        }
        match verifier.accepts(at, method, path, signature) {
            true => Ok(*account),
            false => Err(Unauthorized::Signature),
        }
    }
}
