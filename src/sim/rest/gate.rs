//! In front of every request: faults on purpose, signatures, token buckets, copies for the unsigned.
//!
//! **Invariant:** pure; time comes in.

use super::RestSpec;
use super::message::{Asked, Limits, Reply, Scope, cost, problem, unauthorized};
use crate::sim::exchange::AccountId;
use crate::sim::keys::{Keyring, Unauthorized};
use crate::wire::auth::REST_PREFIX;
use axum::http::StatusCode;
use std::collections::{HashMap, VecDeque};

/// Copies of answers that are kept at a time; more than a client asks for in 15 s.
const COPIES_MAX: usize = 1_024;

/// A token bucket: `refill_per_s` tokens come back each second, up to `capacity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Tokens per second.
    pub refill_per_s: u32,
    /// Most tokens.
    pub capacity: u32,
    tokens_e3: i64,
    at_ms: Option<i64>,
}

impl Bucket {
    /// A full bucket.
    pub fn new(refill_per_s: u32, capacity: u32) -> Bucket {
        Bucket { refill_per_s, capacity, tokens_e3: i64::from(capacity) * 1_000, at_ms: None }
    }

    /// Takes `tokens` out, if so many are there.
    pub fn take(&mut self, tokens: u32, now_ms: i64) -> bool {
        let passed_ms = (now_ms - self.at_ms.unwrap_or(now_ms)).max(0);
        // A token per second is a thousandth of a token per millisecond.
        let refill_e3 = passed_ms.saturating_mul(i64::from(self.refill_per_s));
        let full_e3 = i64::from(self.capacity) * 1_000;
        self.at_ms = Some(now_ms);
        self.tokens_e3 = self.tokens_e3.saturating_add(refill_e3).min(full_e3);
        let wanted_e3 = i64::from(tokens) * 1_000;
        let enough = self.tokens_e3 >= wanted_e3;
        if enough {
            self.tokens_e3 -= wanted_e3;
        }
        enough
    }
}

/// The next `times` requests of a path go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestFault {
    /// `GET`, `POST`, `DELETE`; empty for any.
    pub method: String,
    /// Beginning of the path after `/trade-api/v2/`; empty for all.
    pub path: String,
    /// How many requests.
    pub times: u32,
    /// What goes wrong.
    pub trouble: RestTrouble,
}

/// What goes wrong, and whether the request is carried out nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestTrouble {
    /// The request is not looked at.
    Before(Failure),
    /// The request is carried out; its answer is lost.
    After(Failure),
}

/// What the client gets instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error body with this status.
    Status(u16),
    /// A web page with status 200, as from a proxy.
    Html,
    /// Something that ends in the middle, with status 200.
    Truncated,
    /// Nothing for so many milliseconds, then 504.
    Silence(u64),
}

impl RestTrouble {
    /// What the client gets.
    pub fn failure(self) -> Failure {
        match self {
            RestTrouble::Before(failure) | RestTrouble::After(failure) => failure,
        }
    }
}

impl Failure {
    /// Milliseconds until the client gets it.
    pub fn after_ms(self) -> u64 {
        match self {
            Failure::Silence(ms) => ms,
            _ => 0,
        }
    }

    /// What the client gets.
    pub fn reply(self) -> Reply {
        match self {
            Failure::Status(401) => unauthorized(Unauthorized::Signature),
            Failure::Status(429) => Reply::too_many(),
            Failure::Status(503) => problem(503, "service_unavailable", "maintenance", None),
            Failure::Status(code) => problem(code, "internal_error", "internal error", None),
            Failure::Html => Reply {
                status: StatusCode::OK,
                content_type: "text/html",
                body: "<!doctype html><title>Just a moment...</title>".into(),
            },
            Failure::Truncated => Reply {
                status: StatusCode::OK,
                content_type: "application/json",
                body: "{\"cursor\":\"".into(),
            },
            Failure::Silence(_) => problem(504, "gateway_timeout", "gateway timeout", None),
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Admission {
    /// It is answered here.
    Answer(Reply),
    /// It goes on to the venue.
    Enter {
        /// Who signed it; `None` for the public.
        account: Option<AccountId>,
        /// What will happen to its answer.
        trouble: Option<RestTrouble>,
    },
}

#[derive(Debug)]
struct Copy {
    made_ms: i64,
    reply: Reply,
}

/// The state in front of the venue.
#[derive(Debug)]
pub struct Gate {
    keys: Keyring,
    spec: RestSpec,
    buckets: HashMap<AccountId, [Bucket; 2]>,
    faults: VecDeque<RestFault>,
    copies: HashMap<String, Copy>,
}

impl Gate {
    /// Nobody came yet.
    pub fn new(keys: Keyring, spec: RestSpec) -> Gate {
        let (buckets, faults, copies) = Default::default();
        Gate { keys, spec, buckets, faults, copies }
    }

    /// Adds a fault.
    pub fn fail(&mut self, fault: RestFault) {
        self.faults.push_back(fault);
    }

    /// Limits of every account.
    pub fn limits(&self) -> Limits {
        Limits { read: self.spec.read, write: self.spec.write }
    }

    /// Decides on a request.
    pub fn admit(&mut self, asked: &Asked, now_ms: i64) -> Admission {
        let trouble = self.trouble(asked);
        if let Some(RestTrouble::Before(_)) = trouble {
            return Admission::Enter { account: None, trouble };
        }
        if Keyring::is_unsigned(&asked.headers) && asked.scope() == Scope::Public {
            return match self.copy(asked, now_ms) {
                Some(reply) => Admission::Answer(reply),
                None => Admission::Enter { account: None, trouble },
            };
        }
        let path = &asked.signed_path;
        let account = match self.keys.check(&asked.headers, &asked.method, path, now_ms) {
            Ok(account) => account,
            Err(why) => return Admission::Answer(unauthorized(why)),
        };
        let fresh = [self.spec.read, self.spec.write];
        let buckets = self.buckets.entry(account).or_insert(fresh);
        if !buckets[usize::from(asked.is_write())].take(cost(asked), now_ms) {
            return Admission::Answer(Reply::too_many());
        }
        Admission::Enter { account: Some(account), trouble }
    }

    /// Keeps a copy of an answer for the public.
    pub fn remember(&mut self, asked: &Asked, reply: &Reply, now_ms: i64) {
        if self.spec.stale_ms <= 0 || asked.method != "GET" || reply.status != StatusCode::OK {
            return;
        }
        if self.copies.len() >= COPIES_MAX {
            let oldest_ms = now_ms - self.spec.stale_ms;
            self.copies.retain(|_, copy| copy.made_ms > oldest_ms);
        }
        if self.copies.len() < COPIES_MAX {
            self.copies.insert(asked.key(), Copy { made_ms: now_ms, reply: reply.clone() });
        }
    }

    fn copy(&self, asked: &Asked, now_ms: i64) -> Option<Reply> {
        let copy = self.copies.get(&asked.key())?;
        (asked.method == "GET" && now_ms - copy.made_ms < self.spec.stale_ms)
            .then(|| copy.reply.clone())
    }

    /// The first waiting fault that is meant for this request.
    fn trouble(&mut self, asked: &Asked) -> Option<RestTrouble> {
        debug_assert!(asked.signed_path.starts_with(REST_PREFIX));
        let meant = |f: &RestFault| {
            (f.method.is_empty() || f.method == asked.method) && asked.path.starts_with(&f.path)
        };
        let at = self.faults.iter().position(meant)?;
        let fault = self.faults.get_mut(at)?;
        let trouble = fault.trouble;
        fault.times = fault.times.saturating_sub(1);
        if fault.times == 0 {
            self.faults.remove(at);
        }
        Some(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Over any stretch of time a bucket gives no more than it held and what came in.
        #[test]
        fn a_bucket_gives_no_more_than_it_has(
            asks in prop::collection::vec((0i64..400, 1u32..30), 1..200)
        ) {
            let mut bucket = Bucket::new(100, 60);
            let (mut now_ms, mut given) = (5_000, 0i64);
            for (wait_ms, tokens) in asks {
                now_ms += wait_ms;
                let had = bucket.tokens_e3;
                if bucket.take(tokens, now_ms) {
                    given += i64::from(tokens);
                } else {
                    prop_assert!(had < 60_000);
                }
                prop_assert!(given * 1_000 <= 60_000 + (now_ms - 5_000) * 100);
            }
        }
    }
}
