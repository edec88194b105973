//! Orders by REST and what the WebSocket tells of them, on the served exchange.

use futures_util::{SinkExt, StreamExt};
use kalshiflow::sim::script::Script;
use kalshiflow::sim::server::{SimReport, SimSpec, run};
use kalshiflow::sim::venue::VenueSpec;
use kalshiflow::wire::auth::{REST_PREFIX, Signer, WS_PATH};
use kalshiflow::wire::orders::OrderAck;
use kalshiflow::wire::portfolio::{FillPage, OrderState};
use kalshiflow::wire::private::PositionFrame;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Longer than anything here takes; ends a test that waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);

struct Served {
    address: String,
    http: reqwest::Client,
    stop: watch::Sender<bool>,
    exchange: JoinHandle<SimReport>,
}

impl Served {
    async fn new(script: &str) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = watch::channel(false);
        let spec = SimSpec {
            // Quiet and long-lived: what a test sees in the book is still there when it trades.
            venue: VenueSpec {
                markets: 6,
                rate_per_s: 1,
                lifetime_ms: 3_600_000,
                ..VenueSpec::default()
            },
            script: Script::parse(script).unwrap(),
            ..SimSpec::default()
        };
        let exchange = tokio::spawn(async move { run(listener, spec, stopped).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Served { address, http, stop, exchange }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let verb: reqwest::Method = method.parse().unwrap();
        let url = format!("http://{}{REST_PREFIX}{path}", self.address);
        let mut request = self.http.request(verb, url);
        for (name, value) in headers(method, &format!("{REST_PREFIX}{path}")) {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn end(self) -> SimReport {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.exchange).await.expect("stops").unwrap()
    }
}

fn headers(method: &str, path: &str) -> [(&'static str, String); 3] {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Signer::simulator().headers(since.as_millis() as i64, method, path).unwrap()
}

#[tokio::test]
async fn an_order_by_rest_is_told_on_the_private_channels_and_its_trade_to_everybody() {
    let served = Served::new("").await;
    let mut upgrade = format!("ws://{}{WS_PATH}", served.address).into_client_request().unwrap();
    for (name, value) in headers("GET", WS_PATH) {
        upgrade.headers_mut().insert(name, value.parse().unwrap());
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(upgrade).await.unwrap();
    let channels = json!(["fill", "user_orders", "market_positions", "trade"]);
    let subscribe = json!({"id": 1, "cmd": "subscribe", "params": {"channels": channels}});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();

    let (_, page) = served.ask("GET", "/markets?status=open", None).await;
    let quoted = |m: &&Value| m["yes_ask_size_fp"] != "0.00" && m["yes_bid_size_fp"] != "0.00";
    let market = page["markets"].as_array().unwrap().iter().find(quoted).expect("a quoted market");
    let order = json!({
        "ticker": market["ticker"], "side": "bid", "price": market["yes_ask_dollars"],
        "count": "0.02", "client_order_id": "told", "time_in_force": "immediate_or_cancel",
        "self_trade_prevention_type": "maker",
    });
    let mut subscribed = 0;
    let mut told: [Option<Value>; 4] = Default::default();
    let mut ordered = None;
    let hear = async {
        while told.iter().any(Option::is_none) {
            let frame = socket.next().await.expect("open").expect("no error");
            let Message::Text(text) = frame else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let msg = &frame["msg"];
            match frame["type"].as_str().unwrap() {
                "subscribed" => {
                    subscribed += 1;
                    if subscribed == 4 {
                        ordered = Some(
                            served
                                .ask("POST", "/portfolio/events/orders", Some(order.clone()))
                                .await,
                        );
                    }
                }
                "fill" => told[0] = Some(msg.clone()),
                "user_order" => told[1] = Some(msg.clone()),
                "market_position" => told[2] = Some(msg.clone()),
                "trade" if msg["count_fp"] == "0.02" => told[3] = Some(msg.clone()),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, hear).await.expect("the order is told on all four channels");
    let (status, body) = ordered.unwrap();
    assert_eq!(status, 201, "{body}");
    let ack: OrderAck = serde_json::from_value(body).unwrap();
    let [fill, order, position, trade] = told.map(Option::unwrap);
    let order: OrderState = serde_json::from_value(order).unwrap();
    let position: PositionFrame = serde_json::from_value(position).unwrap();
    assert_eq!((&fill["order_id"], &order.order_id), (&json!(ack.order_id), &ack.order_id));
    assert_eq!((fill["client_order_id"].as_str(), position.position_fp.e2()), (Some("told"), 2));
    assert_eq!((&fill["trade_id"], &fill["ts_ms"]), (&trade["trade_id"], &trade["ts_ms"]));
    let (_, fills) = served.ask("GET", "/portfolio/fills", None).await;
    let fills: FillPage = serde_json::from_value(fills).unwrap();
    assert_eq!(json!(fills.fills[0].trade_id), trade["trade_id"]);
    drop(socket);
    served.end().await;
}

#[tokio::test]
async fn a_script_disturbs_rest_and_then_lets_it_be() {
    let line = r#"{"at_ms":0,"do":"rest","path":"exchange/","n":2,"status":503}"#;
    let served = Served::new(line).await;
    let mut statuses = Vec::new();
    let ask = async {
        // The script strikes within a turn of the exchange.
        while statuses.iter().filter(|s| **s == 503).count() < 2 || statuses.last() != Some(&200) {
            statuses.push(served.ask("GET", "/exchange/status", None).await.0);
        }
    };
    tokio::time::timeout(PATIENCE, ask).await.expect("two failures, then none");
    assert_eq!(statuses.iter().filter(|s| **s == 503).count(), 2);
    served.end().await;
}

#[tokio::test]
async fn an_upgrade_without_signature_is_refused_as_rest_refuses_it() {
    let served = Served::new("").await;
    let request = format!("ws://{}{WS_PATH}", served.address).into_client_request().unwrap();
    let error = tokio_tungstenite::connect_async(request).await.expect_err("not signed");
    let tokio_tungstenite::tungstenite::Error::Http(answer) = error else { panic!("{error}") };
    let body: Value = serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).unwrap();
    assert_eq!(
        (answer.status().as_u16(), &body["error"]["details"]),
        (401, &json!("MISSING_HEADERS"))
    );
    served.end().await;
}
