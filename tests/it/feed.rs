//! The feed over real sockets: a loopback server plays the exchange, one script a test.

use crate::shared::shared;
use futures_util::{SinkExt, StreamExt};
use kalshiflow::event::{Body, GapCause, Record};
use kalshiflow::feed::{
    self, Batch, Channel, Command, ConnectError, Counters, FeedEnd, FeedError, FeedSpec, Timing,
    tls,
};
use kalshiflow::units::TsUs;
use kalshiflow::wire::auth::{KEY_HEADER, SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER, WS_PATH};
use kalshiflow::wire::convert::time_text;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async};

/// Longer than anything here takes on a busy machine: what has not come by then will not come.
const PATIENCE: Duration = Duration::from_secs(300);

fn spec(url: String) -> FeedSpec {
    FeedSpec {
        ws_url: url,
        signer: Some(Signer::simulator()),
        tls: tls::client(None).unwrap(),
        channels: vec![Channel::OrderbookDelta],
        use_yes_price: false,
        timing: Timing { backoff: Duration::from_millis(150), ..Timing::default() },
        seed: 1,
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}{WS_PATH}", listener.local_addr().unwrap());
    (listener, url)
}

/// A feed in its own task, and everything that it has delivered.
struct Feed {
    batches: mpsc::Receiver<Batch>,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<FeedEnd, FeedError>>,
    records: Vec<Record>,
    counters: Counters,
}

fn start(spec: FeedSpec, markets: &[&str], queue: usize) -> Feed {
    let (out, batches) = mpsc::channel(queue);
    let (commands, orders) = mpsc::channel(8);
    let (stop, stopped) = watch::channel(false);
    let markets = markets.iter().map(|m| m.to_string()).collect();
    let task = tokio::spawn(feed::run(spec, markets, out, orders, stopped));
    let (records, counters) = (Vec::new(), Counters::default());
    Feed { batches, commands, stop, task, records, counters }
}

impl Feed {
    /// Reads batches until `done`.
    async fn until(&mut self, what: &str, done: impl Fn(&Feed) -> bool) {
        let wait = async {
            while !done(self) {
                let batch = self.batches.recv().await.expect("the feed goes on");
                self.counters = batch.counters;
                self.records.extend(batch.records);
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("no {what} within {PATIENCE:?}: {:?}", self.counters);
        }
    }

    async fn end(mut self) -> (FeedEnd, Vec<Record>) {
        self.stop.send_replace(true);
        while let Some(batch) = timeout(PATIENCE, self.batches.recv()).await.expect("the feed ends")
        {
            self.records.extend(batch.records);
        }
        (self.task.await.unwrap().expect("a feed that was stopped has no error"), self.records)
    }

    fn others(&self, kind: &str) -> Vec<Value> {
        let is_kind = |r: &&Record| matches!(&r.event.body, Body::Other(k) if &**k == kind);
        let raw = |r: &Record| serde_json::from_slice(r.raw.as_deref().unwrap()).unwrap();
        self.records.iter().filter(is_kind).map(raw).collect()
    }

    fn gaps(&self) -> Vec<GapCause> {
        let cause = |r: &Record| match &r.event.body {
            Body::Gap(gap) => Some(gap.cause),
            _ => None,
        };
        self.records.iter().filter_map(cause).collect()
    }

    fn healed(&self) -> Vec<String> {
        let by = |r: &Record| match &r.event.body {
            Body::Healed(gap) => Some(gap.healed_by.clone()),
            _ => None,
        };
        self.records.iter().filter_map(by).collect()
    }
}

/// The exchange's end of a connection.
struct Desk {
    socket: WebSocketStream<TcpStream>,
}

impl Desk {
    async fn accept(listener: &TcpListener) -> Desk {
        let (stream, _) =
            timeout(PATIENCE, listener.accept()).await.expect("a connection").unwrap();
        Desk { socket: accept_async(stream).await.unwrap() }
    }

    /// The next command; pings are answered on the way.
    async fn command(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("a command");
            if let Message::Text(text) = message.expect("an open socket").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn snapshot(&mut self, sid: u32, seq: u64, market: &str) {
        self.say(json!({"type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": {
            "market_ticker": market, "yes_dollars_fp": [["0.4000", "10.00"]]}}))
            .await;
    }

    async fn delta(&mut self, sid: u32, seq: u64, market: &str) {
        self.say(json!({"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": {
            "market_ticker": market, "price_dollars": "0.4000", "delta_fp": "1.00", "side": "yes",
            "ts_ms": 1_700_000_000_000i64}}))
            .await;
    }

    /// Takes the subscribe of the book channel and answers it with a book per market.
    async fn serve_books(listener: &TcpListener) -> Desk {
        let mut desk = Desk::accept(listener).await;
        let command = desk.command().await;
        assert_eq!(command["cmd"], "subscribe", "{command}");
        let msg = json!({"channel": "orderbook_delta", "sid": 1});
        desk.say(json!({"type": "subscribed", "id": command["id"], "msg": msg})).await;
        let markets = command["params"]["market_tickers"].as_array().unwrap().clone();
        for (seq, market) in (1..).zip(markets) {
            desk.snapshot(1, seq, market.as_str().unwrap()).await;
        }
        desk
    }

    /// Bytes past the WebSocket's own rules.
    async fn raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.unwrap();
    }

    /// Resets the connection: no FIN, no good-bye.
    fn reset(self) {
        let stream = self.socket.into_inner();
        stream.set_zero_linger().unwrap();
    }
}

#[tokio::test]
async fn collects_through_answers_out_of_order_and_a_merged_second_subscribe() {
    let (listener, url) = listen().await;
    let channels = vec![Channel::OrderbookDelta, Channel::Trade, Channel::MarketLifecycle];
    let mut feed = start(FeedSpec { channels, ..spec(url) }, &["A", "B"], 64);
    let mut desk = Desk::accept(&listener).await;
    let mut ids = Vec::new();
    for (channel, markets) in [
        ("orderbook_delta", json!(["A", "B"])),
        ("trade", json!(["A", "B"])),
        ("market_lifecycle_v2", Value::Null),
    ] {
        let command = desk.command().await;
        assert_eq!(command["params"]["channels"], json!([channel]));
        assert_eq!(command["params"]["market_tickers"], markets);
        ids.push(command["id"].clone());
    }
    // Last asked, first answered; snapshots overtake the answer that announces them.
    let said = |id: &Value, channel: &str, sid: u32| json!({"type": "subscribed", "id": id, "msg": {"channel": channel, "sid": sid}});
    desk.say(said(&ids[2], "market_lifecycle_v2", 3)).await;
    desk.snapshot(1, 1, "B").await;
    desk.say(said(&ids[0], "orderbook_delta", 1)).await;
    desk.snapshot(1, 2, "A").await;
    desk.say(said(&ids[1], "trade", 2)).await;
    desk.delta(1, 3, "A").await;
    feed.until("known books", |f| f.counters.connected && f.counters.stale == 0).await;

    feed.commands.send(Command::Markets(vec!["A".into(), "B".into(), "C".into()])).await.unwrap();
    for _ in 0..2 {
        let command = desk.command().await;
        assert_eq!(command["params"]["action"], "add_markets");
        assert_eq!(command["params"]["market_tickers"], json!(["C"]));
        let sid = command["params"]["sids"][0].as_u64().unwrap() as u32;
        let seq = if sid == 1 { 4 } else { 1 };
        let msg = json!({"market_tickers": ["A", "B", "C"]});
        desk.say(json!({"type": "ok", "id": command["id"], "sid": sid, "seq": seq, "msg": msg}))
            .await;
    }
    desk.snapshot(1, 5, "C").await;
    feed.until("a third market", |f| f.counters.markets == 3 && f.counters.stale == 0).await;
    let (reply, book) = oneshot::channel();
    feed.commands.send(Command::Book { ticker: "A".into(), reply }).await.unwrap();
    let book = timeout(PATIENCE, book).await.unwrap().unwrap().expect("a known book");
    assert_eq!((book.yes.len(), book.yes[0].1.e2()), (1, 1_100));

    let closing = tokio::spawn(async move {
        while let Some(Ok(message)) = desk.socket.next().await {
            if message.is_close() {
                return true;
            }
        }
        false
    });
    let (end, records) = feed.end().await;
    assert!(timeout(PATIENCE, closing).await.unwrap().unwrap(), "a stop says good-bye");
    assert_eq!((end.counters.gaps, end.counters.missing, end.undelivered), (0, 0, 0));
    // 3 answers, 3 snapshots, 1 delta, 2 oks, and our own note of the connection.
    assert_eq!((end.counters.received, records.len()), (9, 10));
}

#[tokio::test]
async fn the_upgrade_is_signed_as_the_exchange_wants_it() {
    let (listener, url) = listen().await;
    let feed = start(spec(url), &["A"], 64);
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut accepted = None;
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let check = |request: &Request, response: Response| {
        let header = |name| request.headers()[name].to_str().unwrap().to_owned();
        let verifier = Signer::simulator().verifier();
        let (time, signature) = (header(TIMESTAMP_HEADER), header(SIGNATURE_HEADER));
        let valid = verifier.accepts(&time, "GET", request.uri().path(), &signature);
        accepted = Some((header(KEY_HEADER), valid));
        Ok(response)
    };
    let socket = accept_hdr_async(stream, check).await.unwrap();
    assert_eq!(accepted, Some(("sim".to_owned(), true)));
    drop(socket);
    feed.end().await;
}

/// Our clock is an hour behind: the refusal names the exchange's time, and the next attempt is signed with it.
#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_exchanges_date() {
    const HOUR_MS: i64 = 3_600_000;
    let ours_ms = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let theirs = || TsUs::from_ms(ours_ms() + HOUR_MS);
    let (listener, url) = listen().await;
    let feed = start(spec(url), &["A"], 64);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
        let check = |request: &Request, response: Response| {
            let signed_ms: i64 =
                request.headers()[TIMESTAMP_HEADER].to_str().unwrap().parse().unwrap();
            if (signed_ms - theirs().0 / 1_000).abs() < 5_000 {
                return Ok(response);
            }
            let date = http_date(theirs());
            Err(Response::builder().status(401).header("Date", date).body(None).unwrap())
        };
        answers.push(accept_hdr_async(stream, check).await.is_ok());
    }
    assert_eq!(answers, [false, true]);
    feed.end().await;
}

/// RFC 9110, 5.6.7; nobody reads the day of the week.
fn http_date(at: TsUs) -> String {
    let text = time_text(at);
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = (text[5..7].parse::<usize>().unwrap() - 1) * 3;
    let month = &months[month..month + 3];
    format!("Sat, {} {month} {} {} GMT", &text[8..10], &text[..4], &text[11..19])
}

/// R7: however a connection ends, it is made again, and the hole is one row that says so.
#[tokio::test]
async fn every_kind_of_ending_is_one_gap_that_the_next_connection_heals() {
    let mut endings: Vec<Option<u16>> =
        [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011]
            .into_iter()
            .chain(1012..=1015)
            .map(Some)
            .collect();
    endings.push(None); // RST
    let one = |ending: Option<u16>| async move {
        let (listener, url) = listen().await;
        let mut feed = start(spec(url), &["A", "B"], 64);
        let mut desk = Desk::serve_books(&listener).await;
        feed.until("books", |f| f.counters.markets == 2 && f.counters.stale == 0).await;
        match ending {
            None => desk.reset(),
            Some(1005) => desk.socket.send(Message::Close(None)).await.unwrap(),
            Some(1006) => drop(desk), // FIN without a word
            Some(code) => {
                let frame = CloseFrame { code: code.into(), reason: "because".into() };
                desk.socket.send(Message::Close(Some(frame))).await.unwrap();
            }
        }
        let desk = Desk::serve_books(&listener).await;
        feed.until("healed gap", |f| f.counters.reconnects == 1 && f.counters.open_gaps == 0).await;
        assert_eq!(feed.gaps(), [GapCause::Reconnect], "{ending:?}");
        assert_eq!(feed.healed(), ["reconnect"], "{ending:?}");
        let notes = feed.others("kflow_connection");
        let why = notes[1]["after"].as_str().unwrap().to_owned();
        if let Some(code @ (1000 | 1001 | 1008 | 1011 | 1012 | 1013)) = ending {
            assert!(why.contains(&code.to_string()), "{ending:?}: {why}");
        }
        feed.end().await;
        drop(desk);
    };
    futures_util::future::join_all(endings.into_iter().map(one)).await;
}

/// R8: the peer vanishes without a FIN: it accepts, answers nothing and closes nothing.
#[tokio::test]
async fn a_half_open_connection_is_noticed_and_replaced() {
    let (listener, url) = listen().await;
    let timing = Timing {
        ping_after: Duration::from_millis(500),
        // Much longer than the answer to a ping takes, on the one thread that both sides share.
        silence: Duration::from_secs(4),
        ..spec(String::new()).timing
    };
    let mut feed = start(FeedSpec { timing, ..spec(url) }, &["A"], 64);
    let mute = Desk::serve_books(&listener).await;
    feed.until("book", |f| f.counters.markets == 1 && f.counters.stale == 0).await;
    let mut live = Desk::serve_books(&listener).await;
    feed.until("healed gap", |f| f.counters.reconnects == 1 && f.counters.open_gaps == 0).await;
    assert_eq!(feed.others("kflow_connection")[1]["after"], "nothing was heard for too long");
    // This one answers pings: it stays.
    let answering = tokio::spawn(async move { while live.socket.next().await.is_some() {} });
    let quiet = tokio::time::sleep(Duration::from_secs(5));
    tokio::pin!(quiet);
    tokio::select! {
        () = &mut quiet => {}
        batch = feed.batches.recv() => panic!("a quiet connection was given up: {batch:?}"),
    }
    feed.end().await;
    drop(mute);
    answering.await.unwrap();
}

/// R9: garbage is kept as bytes, what follows it is read; what breaks the WebSocket itself costs the
/// connection and nothing else.
#[tokio::test]
async fn garbage_is_kept_and_the_good_frames_after_it_are_read() {
    let (listener, url) = listen().await;
    let mut feed = start(spec(url), &["A"], 64);
    let mut desk = Desk::serve_books(&listener).await;
    desk.socket.send(Message::text("{\"type\":\"orderbook_de")).await.unwrap();
    desk.socket.send(Message::binary(vec![0u8, 159, 146, 150])).await.unwrap();
    desk.say(json!({"type": 7})).await;
    desk.socket.send(Message::text("[".repeat(100_000))).await.unwrap();
    desk.say(json!({"type": "rumour", "msg": {}})).await;
    desk.delta(1, 2, "A").await;
    feed.until("the delta", |f| f.counters.received == 8).await;
    assert_eq!((feed.counters.bad, feed.counters.stale, feed.counters.gaps), (4, 0, 0));
    let kept = |r: &&Record| matches!(r.event.body, Body::Bad(_)) && r.raw.is_some();
    assert_eq!(feed.records.iter().filter(kept).count(), 4);

    // Text that is no UTF-8, then a frame that announces 64 MiB.
    desk.raw(&[0x81, 2, 0xff, 0xfe]).await;
    let mut desk = Desk::serve_books(&listener).await;
    feed.until("a second connection", |f| f.counters.reconnects == 1 && f.counters.open_gaps == 0)
        .await;
    desk.raw(&[0x81, 127, 0, 0, 0, 0, 4, 0, 0, 0]).await;
    let desk = Desk::serve_books(&listener).await;
    feed.until("a third connection", |f| f.counters.reconnects == 2 && f.counters.open_gaps == 0)
        .await;
    assert_eq!(feed.counters.bad, 6);
    feed.end().await;
    drop(desk);
}

#[tokio::test]
async fn the_exchanges_errors_are_answered_over_the_wire() {
    let (listener, url) = listen().await;
    let timing = Timing { reply: Duration::from_secs(30), ..spec(String::new()).timing };
    let mut feed = start(FeedSpec { timing, ..spec(url) }, &["A", "B"], 64);
    let mut desk = Desk::accept(&listener).await;
    let error = |id: &Value, code: u32| json!({"type": "error", "id": id, "msg": {"code": code, "msg": "no"}});
    let first = desk.command().await;
    desk.say(error(&first["id"], 27)).await;
    let again = desk.command().await;
    assert_eq!(again["params"], first["params"]);
    desk.say(error(&again["id"], 26)).await;
    let half = desk.command().await;
    assert_eq!(half["params"]["market_tickers"], json!(["A"]));
    let msg = json!({"channel": "orderbook_delta", "sid": 1});
    desk.say(json!({"type": "subscribed", "id": half["id"], "msg": msg})).await;
    desk.snapshot(1, 1, "A").await;
    let add = desk.command().await;
    assert_eq!(add["params"]["market_tickers"], json!(["B"]));
    desk.say(json!({"type": "ok", "id": add["id"], "sid": 1, "seq": 2, "msg": {"market_tickers": ["A", "B"]}})).await;
    desk.snapshot(1, 3, "B").await;
    feed.until("both books", |f| f.counters.markets == 2 && f.counters.stale == 0).await;
    for (code, sid) in [(10, 1), (25, 2)] {
        let seq = if sid == 1 { 4 } else { 3 };
        desk.say(
            json!({"type": "error", "sid": sid, "seq": seq, "msg": {"code": code, "msg": "over"}}),
        )
        .await;
        let anew = desk.command().await;
        assert_eq!(anew["params"]["market_tickers"], json!(["A", "B"]));
        let msg = json!({"channel": "orderbook_delta", "sid": sid + 1});
        desk.say(json!({"type": "subscribed", "id": anew["id"], "msg": msg})).await;
        desk.snapshot(sid + 1, 1, "A").await;
        desk.snapshot(sid + 1, 2, "B").await;
    }
    feed.until("two healed gaps", |f| f.healed().len() == 2).await;
    assert_eq!(feed.healed(), ["resubscribe", "resubscribe"]);
    assert_eq!((feed.counters.missing, feed.counters.reconnects), (0, 0));
    desk.say(json!({"type": "error", "msg": {"code": 9, "msg": "Authentication required"}})).await;
    feed.until("the end of the connection", |f| f.counters.gaps == 3).await;
    assert!(!feed.counters.connected);
    // The next attempt is half a minute away.
    let soon = timeout(Duration::from_millis(800), listener.accept()).await;
    assert!(soon.is_err(), "a refused key was tried again at once");
    feed.end().await;
}

/// Answers every upgrade with these bytes.
async fn answering(text: &'static str) -> (String, JoinHandle<u32>) {
    let (listener, url) = listen().await;
    let task = tokio::spawn(async move {
        // The first one will come; a second one would come soon.
        let (mut attempts, mut patience) = (0, PATIENCE);
        while let Ok(Ok((mut stream, _))) = timeout(patience, listener.accept()).await {
            (attempts, patience) = (attempts + 1, Duration::from_millis(700));
            let mut request = [0; 2_048];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
        attempts
    });
    (url, task)
}

#[tokio::test]
async fn a_first_connection_that_cannot_stand_says_why_after_one_attempt() {
    type Kind = fn(&ConnectError) -> bool;
    let cases: [(&str, Kind); 7] = [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", |e| {
            matches!(e, ConnectError::Unauthorized)
        }),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", |e| {
            matches!(e, ConnectError::Forbidden)
        }),
        ("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", |e| {
            matches!(e, ConnectError::TooManyRequests)
        }),
        ("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", |e| {
            matches!(e, ConnectError::Unavailable(503))
        }),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml", |e| {
            matches!(e, ConnectError::Status(200))
        }),
        ("220 mail.example.org ESMTP\r\n", |e| matches!(e, ConnectError::Protocol(_))),
        ("", |e| matches!(e, ConnectError::Protocol(_) | ConnectError::Broken(_))),
    ];
    for (answer, is_kind) in cases {
        let (url, server) = answering(answer).await;
        let feed = start(spec(url.clone()), &["A"], 64);
        let error = timeout(PATIENCE, feed.task).await.unwrap().unwrap().unwrap_err();
        let FeedError::Connect { url: told, source } = error;
        assert!(is_kind(&source), "{answer:?}: {source:?}");
        assert_eq!(told, url);
        assert_eq!(server.await.unwrap(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn addresses_that_lead_nowhere_have_their_own_errors() {
    // Bound, so that nobody else gets the port, and nobody listens.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = format!("ws://{}{WS_PATH}", deaf.local_addr().unwrap());
    // No label of a name is that long: it is refused here, and no server is asked.
    let nowhere = format!("ws://{}/x", "x".repeat(64));
    type Kind = fn(&ConnectError) -> bool;
    let cases: [(&str, Kind); 5] = [
        (&closed, |e| matches!(e, ConnectError::Tcp { .. })),
        (&nowhere, |e| matches!(e, ConnectError::Dns { .. })),
        ("http://127.0.0.1:1/x", |e| matches!(e, ConnectError::Url(_))),
        ("not an address", |e| matches!(e, ConnectError::Url(_))),
        ("wss://127.0.0.1:1/x", |e| matches!(e, ConnectError::Tcp { .. })),
    ];
    for (url, is_kind) in cases {
        let feed = start(spec(url.to_owned()), &["A"], 64);
        let FeedError::Connect { source, .. } =
            timeout(PATIENCE, feed.task).await.unwrap().unwrap().unwrap_err();
        assert!(is_kind(&source), "{url}: {source:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_tls_error() {
    let (url, server) = answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let feed = start(spec(url.replace("ws://", "wss://")), &["A"], 64);
    let FeedError::Connect { source, .. } =
        timeout(PATIENCE, feed.task).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(source, ConnectError::Tls { .. }), "{source:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_accepts_and_closes_is_not_hammered() {
    let (listener, url) = listen().await;
    let mut feed = start(spec(url), &["A"], 64);
    let mut attempts = 0;
    let until = tokio::time::Instant::now() + Duration::from_secs(3);
    while let Ok(Ok((stream, _))) = tokio::time::timeout_at(until, listener.accept()).await {
        attempts += 1;
        drop(accept_async(stream).await);
    }
    // Waits of up to 150, 300, 600, ... ms, at least 100 each.
    assert!((2..=12).contains(&attempts), "{attempts} attempts in 3 s");
    feed.until("the notes", |f| !f.others("kflow_connection").is_empty()).await;
    feed.end().await;
}

/// R12: a reader that stands still holds up the socket, then costs the connection, and the log says so.
#[tokio::test]
async fn a_full_queue_gives_the_connection_up_and_says_so() {
    let (listener, url) = listen().await;
    let timing =
        Timing { queue_patience: Duration::from_millis(300), ..spec(String::new()).timing };
    let mut feed = start(FeedSpec { timing, ..spec(url) }, &["A"], 1);
    let mut desk = Desk::serve_books(&listener).await;
    let flood = async {
        let mut seq = 2;
        loop {
            let msg = json!({"market_ticker": "A", "price_dollars": "0.4000", "delta_fp": "1.00",
                "side": "yes", "ts_ms": 1_700_000_000_000i64});
            let frame = json!({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": msg});
            if desk.socket.send(Message::text(frame.to_string())).await.is_err() {
                break;
            }
            seq += 1;
        }
    };
    timeout(PATIENCE, flood).await.expect("the connection is given up");
    let (next, ()) = tokio::join!(
        Desk::serve_books(&listener),
        feed.until("the gap row", |f| f.gaps() == [GapCause::QueueFull]),
    );
    feed.until("healed gap", |f| f.counters.reconnects == 1 && f.counters.open_gaps == 0).await;
    let first: Vec<u64> = feed
        .records
        .iter()
        .take_while(|r| !matches!(r.event.body, Body::Gap(_)))
        .filter(|r| r.event.sid == 1)
        .map(|r| r.event.seq)
        .collect();
    assert!(
        first.iter().copied().eq(1..=first.len() as u64),
        "nothing is dropped inside a connection"
    );
    assert_eq!(feed.counters.missing, 0);
    feed.end().await;
    drop(next);
}

#[tokio::test]
async fn a_stop_ends_a_feed_in_every_state() {
    // Never answered upgrade, full queue, and a reader that has gone.
    let (listener, url) = listen().await;
    let waiting = start(spec(url), &["A"], 64);
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let (end, records) = timeout(PATIENCE, waiting.end()).await.unwrap();
    assert_eq!((end.counters.received, end.undelivered, records.len()), (0, 0, 0));
    drop(stream);

    let (listener, url) = listen().await;
    let timing =
        Timing { queue_patience: Duration::from_millis(200), ..spec(String::new()).timing };
    let gone = start(FeedSpec { timing, ..spec(url) }, &["A"], 64);
    drop(gone.batches);
    let desk = Desk::accept(&listener).await;
    let end = timeout(PATIENCE, gone.task).await.unwrap().unwrap().unwrap();
    assert!(end.undelivered > 0, "what nobody takes is told: {end:?}");
    drop(desk);
}

/// Paths of all values in a frame, lists as one.
fn shape(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| shape(value, &format!("{path}.{key}"), out));
        }
        Value::Array(list) => list.iter().for_each(|value| shape(value, &format!("{path}[]"), out)),
        Value::String(_) => drop(out.insert(format!("{path}: text"))),
        Value::Number(_) => drop(out.insert(format!("{path}: number"))),
        Value::Bool(_) | Value::Null => drop(out.insert(format!("{path}: flag"))),
    }
}

/// What we send has the shapes of the exchange's own examples; `use_yes_price` is the one addition.
#[tokio::test]
async fn our_commands_have_the_shapes_of_the_exchanges_examples() {
    let Some(folder) = shared("kalshi-messages/ws_commands") else { return };
    let example = |name: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(folder.join(format!("{name}.spec.json"))).unwrap();
        let mut out = BTreeSet::new();
        shape(&serde_json::from_str(&text).unwrap(), "", &mut out);
        out
    };
    let (listener, url) = listen().await;
    let channels = vec![Channel::OrderbookDelta, Channel::MarketLifecycle];
    let feed = start(FeedSpec { channels, ..spec(url) }, &["A", "B"], 64);
    let mut desk = Desk::accept(&listener).await;
    let check = |command: &Value, name: &str, more: &[&str]| {
        let mut mine = BTreeSet::new();
        shape(command, "", &mut mine);
        let mut want = example(name);
        want.extend(more.iter().map(|m| m.to_string()));
        assert_eq!(mine, want, "{name}: {command}");
    };
    let subscribe = desk.command().await;
    check(&subscribe, "subscribe_multi", &[".params.use_yes_price: flag"]);
    check(&desk.command().await, "subscribe_lifecycle", &[]);
    let said = json!({"channel": "orderbook_delta", "sid": 1});
    desk.say(json!({"type": "subscribed", "id": subscribe["id"], "msg": said})).await;
    desk.snapshot(1, 1, "A").await;
    desk.snapshot(1, 2, "B").await;
    feed.commands.send(Command::Markets(vec!["B".into(), "C".into()])).await.unwrap();
    let delete = desk.command().await;
    check(&delete, "update_delete_markets", &[]);
    desk.say(json!({"type": "ok", "id": delete["id"], "sid": 1, "seq": 3, "msg": {}})).await;
    let add = desk.command().await;
    check(&add, "update_add_markets", &[]);
    desk.say(json!({"type": "ok", "id": add["id"], "sid": 1, "seq": 4, "msg": {}})).await;
    desk.snapshot(1, 5, "C").await;
    desk.delta(1, 8, "B").await;
    let ask = desk.command().await;
    check(&ask, "update_get_snapshot", &[]);
    desk.say(json!({"type": "ok", "id": 99, "msg": {}})).await;
    check(&desk.command().await, "list_subscriptions", &[]);
    desk.delta(1, 11, "B").await;
    check(&desk.command().await, "unsubscribe", &[]);
    feed.end().await;
}
