//! Requests and answers as plain values; which request goes where and what it costs.

use super::gate::Bucket;
use super::{account, market};
use crate::sim::desk::OrderError;
use crate::sim::exchange::AccountId;
use crate::sim::keys::Unauthorized;
use crate::sim::venue::Venue;
use crate::wire::orders::Problem;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Tokens of a request that the table does not list.
pub(super) const COST_DEFAULT: u32 = 10;
/// Tokens of a cancel, alone or in a batch.
pub(super) const COST_CANCEL: u32 = 2;
/// Tokens of reading one order.
pub(super) const COST_ONE_ORDER: u32 = 2;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `POST`, `DELETE`, ...
    pub method: String,
    /// The whole path without the query: what was signed.
    pub signed_path: String,
    /// What follows `/trade-api/v2/`.
    pub path: String,
    /// Query, decoded.
    pub query: HashMap<String, String>,
    /// Headers: who signed it.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody.
    Public,
    /// Owners of keys.
    Private,
}

impl Asked {
    /// Who may ask this.
    pub fn scope(&self) -> Scope {
        let private = self.path.starts_with("portfolio/") || self.path == "account/limits";
        if private { Scope::Private } else { Scope::Public }
    }

    /// True when it draws on the bucket of writes.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// What tells it from other public requests.
    pub fn key(&self) -> String {
        let mut query: Vec<_> = self.query.iter().collect();
        query.sort_unstable();
        format!("{} {query:?}", self.path)
    }

    /// A parameter of the query; an empty one counts as absent.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// A whole number of the query.
    ///
    /// # Errors
    /// A 400 that names it.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Reply> {
        let parse = |text: &str| text.parse().map_err(|_| invalid(name));
        self.param(name).map(parse).transpose()
    }

    /// The body as JSON of a shape.
    ///
    /// # Errors
    /// A 400 that says what does not fit.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Reply> {
        serde_json::from_slice(&self.body)
            .map_err(|e| problem(400, "invalid_order", "invalid order", Some(&e.to_string())))
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Kind of body.
    pub content_type: &'static str,
    /// Body; empty for none.
    pub body: String,
}

impl Reply {
    /// A JSON body.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Reply {
        // Plain data with text keys: writing it cannot fail.
        let body = serde_json::to_string(value).unwrap_or_default();
        Reply { status, content_type: "application/json", body }
    }

    /// A JSON body with status 200.
    pub fn ok(value: &impl Serialize) -> Reply {
        Reply::json(StatusCode::OK, value)
    }

    /// No body.
    pub fn empty(status: StatusCode) -> Reply {
        Reply { status, content_type: "", body: String::new() }
    }

    /// 429 as the exchange sends it: a plain text, and no hint when to come back.
    pub fn too_many() -> Reply {
        Reply::json(StatusCode::TOO_MANY_REQUESTS, &json!({"error": "too many requests"}))
    }
}

impl From<OrderError> for Reply {
    fn from(error: OrderError) -> Reply {
        wrapped(error.status(), &error.problem())
    }
}

/// An error body under `error`.
pub(super) fn problem(status: u16, code: &str, message: &str, details: Option<&str>) -> Reply {
    let details = details.map(str::to_owned);
    wrapped(status, &Problem { code: code.into(), message: message.into(), details })
}

/// The 401 of a request that was not let in.
pub fn unauthorized(why: Unauthorized) -> Reply {
    wrapped(401, &why.problem())
}

pub(super) fn not_found(what: &str) -> Reply {
    problem(404, "not_found", "not found", Some(what))
}

pub(super) fn invalid(parameter: &str) -> Reply {
    problem(400, "invalid_parameters", "invalid parameters", Some(parameter))
}

fn wrapped(status: u16, problem: &Problem) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply::json(status, &json!({ "error": problem }))
}

/// The buckets that every account starts with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Reads.
    pub read: Bucket,
    /// Writes.
    pub write: Bucket,
}

/// Tokens that a request costs; a batch costs the sum of its items (protocol notes 6).
pub fn cost(asked: &Asked) -> u32 {
    let segments: Vec<_> = asked.path.split('/').collect();
    let items = || {
        let orders = |body: Value| body.get("orders")?.as_array().map(Vec::len);
        let n = serde_json::from_slice(&asked.body).ok().and_then(orders).unwrap_or(1);
        u32::try_from(n.max(1)).unwrap_or(u32::MAX)
    };
    match (asked.method.as_str(), segments.as_slice()) {
        ("POST", ["portfolio", "events", "orders", "batched"]) => {
            items().saturating_mul(COST_DEFAULT)
        }
        ("DELETE", ["portfolio", "events", "orders", "batched"]) => {
            items().saturating_mul(COST_CANCEL)
        }
        ("DELETE", ["portfolio", "events", "orders", ..]) => COST_CANCEL,
        ("GET", ["portfolio", "orders", id]) if *id != "queue_positions" => COST_ONE_ORDER,
        _ => COST_DEFAULT,
    }
}

/// Answers a request on the task that owns the venue. `account` is `None` for the public.
pub fn route(
    venue: &mut Venue,
    account: Option<AccountId>,
    asked: &Asked,
    limits: &Limits,
) -> Reply {
    let segments: Vec<_> = asked.path.trim_end_matches('/').split('/').collect();
    let answer = match (segments.as_slice(), account) {
        (["portfolio", rest @ ..], Some(account)) => account::answer(venue, account, asked, rest),
        (["account", "limits"], Some(_)) => Ok(account::limits(limits)),
        (rest, _) => market::answer(venue, asked, rest),
    };
    answer.unwrap_or_else(|reply| reply)
}

/// One page of `rows` (newest first or by age) and the cursor of the next; `cursor` counts the rows that are
/// left, so that rows which come in front in the meantime move no page.
///
/// # Errors
/// A 400 for a limit outside 1..=`most` and a cursor of another kind.
pub(super) fn page<T>(
    rows: Vec<T>,
    asked: &Asked,
    usual: i64,
    most: i64,
) -> Result<(Vec<T>, String), Reply> {
    let limit = asked.number("limit")?.unwrap_or(usual);
    if !(1..=most).contains(&limit) {
        return Err(invalid("limit"));
    }
    let left = match asked.param("cursor") {
        Some(text) => usize::from_str_radix(text, 16).map_err(|_| invalid("cursor"))?,
        None => rows.len(),
    };
    let skip = rows.len().saturating_sub(left);
    let after = left.min(rows.len()).saturating_sub(limit as usize);
    let cursor = if after == 0 { String::new() } else { format!("{after:x}") };
    Ok((rows.into_iter().skip(skip).take(limit as usize).collect(), cursor))
}
