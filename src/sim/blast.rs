//! A load generator: an exchange that only talks, as fast as it is listened to.
//!
//! Its frames are those of the protocol (snapshots, deltas with both stamps, one trade per 40 deltas),
//! but no orders stand behind them: making one costs a fraction of what a collector spends on it, so that
//! both fit on one machine. What it sent it counts, and a client can be held against that number.

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{Json, Response};
use axum::routing::get;
use futures_util::SinkExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// One trade stands among so many deltas.
const DELTAS_PER_TRADE: u64 = 40;
/// Levels that the deltas of a market walk over.
const LEVELS: u64 = 20;
/// Frames between two looks at the clock, and between two flushes.
const BURST: u64 = 128;
/// Reports wait here; there is one per connection.
const REPORTS: usize = 16;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct BlastSpec {
    /// Markets offered; all of them must be subscribed before the deltas start.
    pub markets: u64,
    /// How long deltas are sent.
    pub seconds: f64,
    /// Frames per second; `None`: as fast as the client reads.
    pub rate: Option<u64>,
}

/// What one connection was sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlastReport {
    /// Frames with a sequence number, replies and snapshots included.
    pub frames: u64,
    /// Of these, deltas and trades.
    pub events: u64,
    /// From the first delta to the last, seconds.
    pub seconds: f64,
}

/// Serves until the receiver of the reports is dropped; each connection that was blasted reports once.
///
/// # Errors
/// When the listener fails.
pub async fn run(
    listener: TcpListener,
    spec: BlastSpec,
    reports: mpsc::Sender<BlastReport>,
) -> std::io::Result<()> {
    let gone = reports.clone();
    let app = Router::new()
        .route("/trade-api/ws/v2", get(upgrade))
        .route("/trade-api/v2/exchange/status", get(status))
        .route("/trade-api/v2/account/limits", get(limits))
        .route("/trade-api/v2/markets", get(markets))
        .with_state(Arc::new((spec, reports)));
    let stop = async move { gone.closed().await };
    axum::serve(listener, app).with_graceful_shutdown(stop).await
}

/// A sender whose receiver is as roomy as it needs to be.
pub fn reports() -> (mpsc::Sender<BlastReport>, mpsc::Receiver<BlastReport>) {
    mpsc::channel(REPORTS)
}

/// Ticker of market `i`.
pub fn ticker(i: u64) -> String {
    format!("SIM-LOAD-{i:04}")
}

type Shared = State<Arc<(BlastSpec, mpsc::Sender<BlastReport>)>>;

async fn status() -> Json<Value> {
    Json(json!({"exchange_active": true, "trading_active": true, "kflow_source": "sim:load"}))
}

async fn limits() -> Json<Value> {
    let bucket = json!({"refill_rate": 10_000, "bucket_capacity": 10_000});
    Json(json!({"usage_tier": "load", "read": bucket, "write": bucket}))
}

async fn markets(State(shared): Shared) -> Json<Value> {
    let market = |i| {
        json!({"ticker": ticker(i), "event_ticker": "SIM-LOAD", "market_type": "binary", "title": "load",
            "open_time": "2026-01-01T00:00:00Z", "close_time": "2099-01-01T00:00:00Z", "status": "active",
            "result": "", "notional_value_dollars": "1.0000",
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]})
    };
    Json(json!({"markets": (0..shared.0.markets).map(market).collect::<Vec<_>>(), "cursor": ""}))
}

async fn upgrade(State(shared): Shared, ws: WebSocketUpgrade) -> Response {
    ws.write_buffer_size(256 << 10).on_upgrade(async move |socket| {
        let mut talk = Talk::new(socket, shared.0);
        // A client that leaves early is an end like any other: the report says what it was sent.
        let _ = talk.all().await;
        let _ = shared.1.send(talk.report).await;
    })
}

/// One connection.
struct Talk {
    socket: WebSocket,
    spec: BlastSpec,
    /// Sequence numbers of the book and the trade subscription; their sids are 1 and 2.
    seq: [u64; 2],
    subscribed: u64,
    /// Deltas sent per market.
    sent: Vec<u64>,
    report: BlastReport,
    text: String,
}

impl Talk {
    fn new(socket: WebSocket, spec: BlastSpec) -> Talk {
        let report = BlastReport { frames: 0, events: 0, seconds: 0.0 };
        let sent = vec![0; spec.markets as usize];
        Talk { socket, spec, seq: [0; 2], subscribed: 0, sent, report, text: String::new() }
    }

    async fn all(&mut self) -> Result<(), axum::Error> {
        while self.subscribed < self.spec.markets {
            match self.socket.recv().await {
                Some(message) => self.command(message?).await?,
                None => return Ok(()),
            }
        }
        self.blast().await?;
        loop {
            tokio::select! {
                message = self.socket.recv() => match message {
                    Some(message) => self.command(message?).await?,
                    None => return Ok(()),
                },
                () = tokio::time::sleep(Duration::from_secs(5)) => {
                    self.socket.send(Message::Ping("heartbeat".into())).await?;
                }
            }
        }
    }

    async fn blast(&mut self) -> Result<(), axum::Error> {
        let begun = Instant::now();
        let mut n = 0;
        loop {
            let now_ms = wall_ms();
            for _ in 0..BURST {
                self.event(n, now_ms).await?;
                n += 1;
            }
            self.socket.flush().await?;
            self.report.seconds = begun.elapsed().as_secs_f64();
            if self.report.seconds >= self.spec.seconds {
                return Ok(());
            }
            if let Some(rate) = self.spec.rate {
                let due = Duration::from_secs_f64(n as f64 / rate as f64);
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            }
        }
    }

    async fn event(&mut self, n: u64, now_ms: i64) -> Result<(), axum::Error> {
        let market = n % self.spec.markets;
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        if n % DELTAS_PER_TRADE == DELTAS_PER_TRADE - 1 {
            self.seq[1] += 1;
            let seq = self.seq[1];
            let _ = write!(
                text,
                r#"{{"type":"trade","sid":2,"seq":{seq},"msg":{{"trade_id":"00000000-0000-4000-8000-{n:012x}","market_ticker":"SIM-LOAD-{market:04}","yes_price_dollars":"0.4500","no_price_dollars":"0.5500","count_fp":"1.50","taker_side":"yes","taker_outcome_side":"yes","taker_book_side":"bid","is_block_trade":false,"ts":{},"ts_ms":{now_ms}}}}}"#,
                now_ms / 1_000,
            );
        } else {
            self.seq[0] += 1;
            let (seq, k) = (self.seq[0], self.sent[market as usize]);
            self.sent[market as usize] += 1;
            let (cents, sign) = (1 + k / 2 % LEVELS, if k % 2 == 0 { "" } else { "-" });
            let ts = crate::wire::convert::time_text(crate::units::TsUs(now_ms * 1_000));
            let _ = write!(
                text,
                r#"{{"type":"orderbook_delta","sid":1,"seq":{seq},"msg":{{"market_ticker":"SIM-LOAD-{market:04}","market_id":"00000000-0000-4000-9000-{market:012x}","price_dollars":"0.{cents:02}00","delta_fp":"{sign}10.00","side":"yes","ts":"{ts}","ts_ms":{now_ms}}}}}"#,
            );
        }
        self.report.events += 1;
        self.report.frames += 1;
        self.socket.feed(Message::Text(text.as_str().into())).await?;
        self.text = text;
        Ok(())
    }

    async fn command(&mut self, message: Message) -> Result<(), axum::Error> {
        let Message::Text(text) = message else { return Ok(()) };
        let command: Value = serde_json::from_str(&text).unwrap_or_default();
        let (id, params) = (&command["id"], &command["params"]);
        let named = |key: &str| params[key].as_array().cloned().unwrap_or_default();
        let tickers = named("market_tickers");
        if command["cmd"] == "update_subscription" {
            let sid = params["sid"].as_u64().or(params["sids"][0].as_u64()).unwrap_or(1);
            if params["action"] != "get_snapshot" {
                self.numbered(
                    sid,
                    json!({"id": id, "type": "ok", "msg": {"market_tickers": tickers}}),
                )
                .await?;
            }
            return if sid == 1 { self.snapshots(&tickers).await } else { Ok(()) };
        }
        for channel in named("channels") {
            let sid = match channel.as_str() {
                Some("orderbook_delta") => 1,
                Some("trade") => 2,
                _ => 3,
            };
            self.say(
                json!({"id": id, "type": "subscribed", "msg": {"channel": channel, "sid": sid}}),
            )
            .await?;
            if sid == 1 {
                self.snapshots(&tickers).await?;
            }
        }
        Ok(())
    }

    /// The books of the named markets; each counts as subscribed from here on.
    async fn snapshots(&mut self, tickers: &[Value]) -> Result<(), axum::Error> {
        for name in tickers.iter().filter_map(Value::as_str) {
            let index = name.rsplit('-').next().and_then(|i| i.parse::<usize>().ok());
            let Some(k) = index.and_then(|i| self.sent.get(i)).copied() else { continue };
            let mut yes = vec![json!(["0.4000", "1000.00"])];
            if k % 2 == 1 {
                yes.insert(0, json!([format!("0.{:02}00", 1 + k / 2 % LEVELS), "10.00"]));
            }
            let no = [["0.5000", "1000.00"]];
            let msg = json!({"market_ticker": name, "yes_dollars_fp": yes, "no_dollars_fp": no});
            self.numbered(1, json!({"type": "orderbook_snapshot", "msg": msg})).await?;
            self.subscribed += 1;
        }
        Ok(())
    }

    async fn numbered(&mut self, sid: u64, mut frame: Value) -> Result<(), axum::Error> {
        if let Some(seq) = self.seq.get_mut(sid as usize - 1) {
            *seq += 1;
            frame["sid"] = sid.into();
            frame["seq"] = (*seq).into();
        }
        self.say(frame).await
    }

    async fn say(&mut self, frame: Value) -> Result<(), axum::Error> {
        self.report.frames += 1;
        self.socket.send(Message::Text(frame.to_string().into())).await
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}
