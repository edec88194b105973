//! Order calls: the one place that sends anything but GET, and to none but the allowed hosts.
//!
//! An order call is sent once. Whether a failed one may be made again depends on what became of it, which is
//! for the caller to find out ([`OrderError`] says whether there is a doubt). Calls run side by side, so that a
//! cancel does not wait for the answer to something else: [`OrderClient::begin`] gives a future of its own.
//!
//! **Invariant:** every single call is checked against the allowed hosts, after its address is complete.

use super::super::bucket::{COST_CANCEL, COST_DEFAULT, Kind, Shared};
use super::super::skew::Skew;
use super::courier::{self, Courier, Dated, Reply};
use super::{NotAllowed, OrderError, RestClient, RestError, hosts, read, url};
use crate::wire::orders::{
    AmendOrder, CancelAck, CreateOrder, DecreaseAck, DecreaseOrder, OrderAck,
};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::marker::PhantomData;
use tokio::time::sleep;

/// One order call that is answered by a `T`.
#[derive(Clone, Debug)]
pub struct Write<T> {
    method: Method,
    /// Below `portfolio/events/orders`.
    path: Vec<String>,
    json: Option<Vec<u8>>,
    cost: u32,
    answer: PhantomData<fn() -> T>,
}

impl<T> Write<T> {
    fn new(method: Method, path: &[&str], body: Option<&impl Serialize>, cost: u32) -> Write<T> {
        let path = path.iter().map(|s| (*s).to_owned()).collect();
        let json = body.map(|body| {
            serde_json::to_vec(body).expect("the bodies of order calls are plain data")
        });
        Write { method, path, json, cost, answer: PhantomData }
    }
}

impl Write<OrderAck> {
    /// A new order.
    pub fn create(order: &CreateOrder) -> Write<OrderAck> {
        Write::new(Method::POST, &[], Some(order), COST_DEFAULT)
    }

    /// Another price, size or expiry for a resting order.
    pub fn amend(order_id: &str, change: &AmendOrder) -> Write<OrderAck> {
        Write::new(Method::POST, &[order_id, "amend"], Some(change), COST_DEFAULT)
    }
}

impl Write<DecreaseAck> {
    /// Less of a resting order; it keeps its place in the queue.
    pub fn decrease(order_id: &str, change: &DecreaseOrder) -> Write<DecreaseAck> {
        Write::new(Method::POST, &[order_id, "decrease"], Some(change), COST_DEFAULT)
    }
}

impl Write<CancelAck> {
    /// The end of a resting order.
    pub fn cancel(order_id: &str) -> Write<CancelAck> {
        Write::new(Method::DELETE, &[order_id], None::<&()>, COST_CANCEL)
    }
}

/// What came of a call. [`OrderClient::end`] takes it and gives the answer.
#[derive(Debug)]
pub struct Ended<T> {
    answer: Result<T, OrderError>,
    dated: Option<Dated>,
}

/// Sends order calls in the name of one account, at the pace of its write bucket.
#[derive(Debug)]
pub struct OrderClient {
    courier: Courier,
    base: Url,
    budget: Shared,
    skew: Skew,
}

impl OrderClient {
    /// Order calls beside the reads of `reader`, with the same buckets.
    ///
    /// # Errors
    /// [`NotAllowed`] when its exchange is neither the demo nor on this machine.
    pub fn beside(reader: &RestClient) -> Result<OrderClient, NotAllowed> {
        hosts::check(reader.courier.env, &reader.base)?;
        Ok(OrderClient {
            courier: reader.courier.clone(),
            base: reader.base.clone(),
            budget: reader.budget.clone(),
            skew: reader.skew,
        })
    }

    /// Starts a call. The future waits its turn in the bucket, signs and sends, and needs nothing of ours;
    /// give what it yields to [`OrderClient::end`].
    pub fn begin<T: DeserializeOwned>(
        &mut self,
        write: Write<T>,
    ) -> impl Future<Output = Ended<T>> + Send + use<T> {
        let mut path = vec!["portfolio", "events", "orders"];
        path.extend(write.path.iter().map(String::as_str));
        let url = url(&self.base, &path, &[]);
        let allowed = hosts::check(self.courier.env, &url);
        let wait = self.budget.take(Kind::Write, write.cost);
        let (courier, offset_ms) = (self.courier.clone(), self.skew.offset_ms());
        async move {
            if let Err(error) = allowed {
                return Ended { answer: Err(error.into()), dated: None };
            }
            sleep(wait).await;
            let Reply { body, dated } =
                courier.carry(write.method, &url, write.json, offset_ms).await;
            let answer = body.and_then(|body| read(&url, &body)).map_err(OrderError::from);
            Ended { answer, dated }
        }
    }

    /// Learns from the reply, and gives the answer.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub fn end<T>(&mut self, ended: Ended<T>) -> Result<T, OrderError> {
        courier::correct(&mut self.skew, ended.dated.as_ref());
        if let Err(OrderError::NotTaken(RestError::RateLimited { .. })) = ended.answer {
            self.budget.drain(Kind::Write);
        }
        ended.answer
    }

    /// One call from beginning to end.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn send<T: DeserializeOwned>(&mut self, write: Write<T>) -> Result<T, OrderError> {
        let ended = self.begin(write).await;
        self.end(ended)
    }
}
