//! A served venue, a client, and orders to send.

use crate::sim::keys::Keyring;
use crate::sim::rest::{Bucket, RestControl, RestSpec, routes};
use crate::sim::server::{Call, Clock, VenueHandle};
use crate::sim::venue::{Phase, Venue, VenueSpec};
use crate::units::{Money, Price, TsUs};
use crate::wire::auth::{REST_PREFIX, Signer};
use crate::wire::orders::OrderAck;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The wall's time, for signatures.
pub(super) fn now_ms() -> i64 {
    Clock::start().now().ms()
}

/// A served venue whose time stands still, and a client.
pub(super) struct Room {
    pub(super) venue: VenueHandle,
    pub(super) control: RestControl,
    pub(super) url: String,
    pub(super) http: reqwest::Client,
    pub(super) signer: Option<Signer>,
}

impl Room {
    pub(super) async fn with(change: impl FnOnce(&mut RestSpec)) -> Room {
        let (mut spec, keys, clock) = (RestSpec::default(), Keyring::default(), Clock::start());
        // Tests ask faster than a member of the lowest tier may.
        (spec.read, spec.write) = (Bucket::new(0, 100_000), Bucket::new(0, 100_000));
        change(&mut spec);
        let start = TsUs(now_ms() * 1_000);
        let mut venue = Venue::new(VenueSpec { markets: 30, start, ..VenueSpec::default() });
        venue.advance(TsUs(start.0 + 1_000));
        for _ in 0..keys.accounts() {
            venue.open_account(Money::dollars(1_000));
        }
        let (calls, mut inbox) = mpsc::channel::<Call>(8);
        tokio::spawn(async move {
            while let Some(call) = inbox.recv().await {
                call(&mut venue);
            }
        });
        let venue = VenueHandle::new(calls);
        let (router, control) = routes(venue.clone(), keys, clock, spec);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}{REST_PREFIX}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = reqwest::Client::builder().no_proxy().build().expect("client");
        Room { venue, control, url, http, signer: Some(Signer::simulator()) }
    }

    pub(super) async fn new() -> Room {
        Room::with(|_| {}).await
    }

    pub(super) async fn response(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Response {
        let method: reqwest::Method = method.parse().expect("a method");
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if let Some(signer) = &self.signer {
            let path = format!("{REST_PREFIX}{path}");
            for (name, value) in signer.headers(now_ms(), method.as_str(), &path).expect("signed") {
                request = request.header(name, value);
            }
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("an answer")
    }

    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let response = self.response(method, path, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.ask("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_value(body).expect("the typed body")
    }

    pub(super) async fn create(&self, order: &Value) -> (u16, Value) {
        self.ask("POST", "/portfolio/events/orders", Some(order)).await
    }

    pub(super) async fn accepted(&self, order: &Value) -> OrderAck {
        let (status, body) = self.create(order).await;
        assert_eq!(status, 201, "{body}");
        serde_json::from_value(body).expect("an ack")
    }

    /// An open market with both sides, and its best bid and ask.
    pub(super) async fn quoted(&self) -> (String, Price, Price) {
        let find = |venue: &mut Venue| {
            venue.markets().iter().find_map(|m| {
                let touch = venue.exchange(&m.definition.ticker)?.touch();
                let open = m.definition.phase == Phase::Active;
                open.then_some((m.definition.ticker.clone(), touch.bid?.0, touch.ask?.0))
            })
        };
        self.venue.call(find).await.expect("runs").expect("a quoted market")
    }
}

pub(super) fn order(ticker: &str, side: &str, price: Price, count: &str) -> Value {
    json!({
        "ticker": ticker, "side": side, "price": price.to_string(), "count": count,
        "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
    })
}

pub(super) fn with(mut order: Value, fields: &[(&str, Value)]) -> Value {
    for (key, value) in fields {
        order[*key] = value.clone();
    }
    order
}
