//! Who may come in: API keys and the accounts that they belong to (protocol notes 3).
//!
//! REST and WebSocket check the same three headers; a timestamp may be off by [`Keys::TOLERANCE_MS`] unless
//! told otherwise (the exchange's own tolerance is unknown).

use super::exchange::AccountId;
use crate::wire::auth::{Signer, Verifier};
use crate::wire::orders::Problem;
use std::collections::HashMap;

/// The keys of the simulated exchange.
#[derive(Clone, Debug)]
pub struct Keys {
    by_id: HashMap<String, (Verifier, AccountId)>,
    tolerance_ms: i64,
}

/// The three headers of a signed request, as far as they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Key id.
    pub key_id: Option<String>,
    /// Milliseconds since the epoch, in decimal.
    pub timestamp: Option<String>,
    /// Base64.
    pub signature: Option<String>,
}

impl Credentials {
    /// True when the request does not even try.
    pub fn is_empty(&self) -> bool {
        *self == Credentials::default()
    }
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

impl Keys {
    /// Default for how far a timestamp may be off.
    pub const TOLERANCE_MS: i64 = 5_000;

    /// No keys; timestamps may be off by `tolerance_ms`.
    pub fn new(tolerance_ms: i64) -> Keys {
        Keys { by_id: HashMap::new(), tolerance_ms }
    }

    /// Gives an account a key.
    pub fn add(&mut self, signer: &Signer, account: AccountId) {
        self.by_id.insert(signer.key_id().to_owned(), (signer.verifier(), account));
    }

    /// The account that signed `method` and `path` at about `now_ms`.
    ///
    /// # Errors
    /// [`Unauthorized`].
    pub fn check(
        &self,
        credentials: &Credentials,
        method: &str,
        path: &str,
        now_ms: i64,
    ) -> Result<AccountId, Unauthorized> {
        let Credentials { key_id: Some(key), timestamp: Some(time), signature: Some(signature) } =
            credentials
        else {
            return Err(Unauthorized::Missing);
        };
        let (verifier, account) = self.by_id.get(key).ok_or(Unauthorized::UnknownKey)?;
        let off_ms = time.parse::<i64>().map(|t| now_ms.abs_diff(t));
        if !off_ms.is_ok_and(|off| off <= self.tolerance_ms.unsigned_abs()) {
            return Err(Unauthorized::Expired);
        }
        match verifier.accepts(time, method, path, signature) {
            true => Ok(*account),
            false => Err(Unauthorized::Signature),
        }
    }
}
