//! The REST client against real servers on loopback: patient, polite, and clear about what is wrong.

pub mod canary;
mod discovery;
mod orders;
mod secure;
mod server;

use kalshiflow::cli::exit::{self, Code};
use kalshiflow::config::{Endpoint, ExchangeEnv};
use kalshiflow::event::Snapshot;
use kalshiflow::feed::access::Access;
use kalshiflow::feed::rest::{RestClient, RestError, RestTiming};
use kalshiflow::feed::tls;
use kalshiflow::units::{Price, Qty};
use kalshiflow::wire::auth::{KEY_HEADER, SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER};
use serde_json::json;
use server::{Answer, Server};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, sink};
use tokio::net::{TcpListener, TcpSocket};

/// Quick enough for a test, and otherwise as in life.
const TIMING: RestTiming =
    RestTiming { connect_ms: 2_000, reply_ms: 5_000, tries_max: 3, retry_after_max_ms: 5_000 };

pub(super) fn access(url: &str) -> Access {
    let endpoint = Endpoint::resolve(ExchangeEnv::Demo, Some(url), &Default::default()).unwrap();
    Access { endpoint, signer: Signer::simulator(), tls: tls::client(None).unwrap() }
}

pub(super) fn client(url: &str) -> RestClient {
    RestClient::new(&access(url), TIMING, 7).unwrap()
}

async fn status_error(url: &str) -> RestError {
    client(url).exchange_status().await.unwrap_err()
}

fn active() -> Answer {
    Answer::json(200, json!({"exchange_active": true, "trading_active": false}))
}

#[tokio::test]
async fn every_request_is_signed_over_its_path_without_query() {
    let server = Server::start([Answer::json(
        200,
        json!({"orderbook_fp": {"yes_dollars":
        [["0.1000", "2.50"]]}}),
    )])
    .await;
    let book = client(&server.url).orderbook("KX-A B/?").await.unwrap();
    assert_eq!(book, Snapshot { yes: vec![(Price::new(1_000).unwrap(), Qty(250))], no: vec![] });
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.target, "/trade-api/v2/markets/KX-A%20B%2F%3F/orderbook?depth=0");
    let path = request.target.split('?').next().unwrap();
    let header = |name: &str| request.headers[name].to_str().unwrap();
    assert_eq!(header(KEY_HEADER), "sim");
    let verifier = Signer::simulator().verifier();
    assert!(verifier.accepts(header(TIMESTAMP_HEADER), "GET", path, header(SIGNATURE_HEADER)));
}

#[tokio::test]
async fn a_429_without_retry_after_is_waited_out() {
    let busy = || Answer::json(429, json!({"error": "too many requests"}));
    let server = Server::start([busy(), busy(), active()]).await;
    let status = client(&server.url).exchange_status().await.unwrap();
    assert!(status.exchange_active && !status.trading_active);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_retry_after_is_honoured_and_one_beyond_patience_is_an_error() {
    let busy = |seconds: &str| {
        Answer::json(429, json!({"error": "too many requests"})).header("retry-after", seconds)
    };
    let server = Server::start([busy("1"), active(), busy("3600")]).await;
    let mut client = client(&server.url);
    let began = Instant::now();
    client.exchange_status().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "came back too early");
    let error = client.exchange_status().await.unwrap_err();
    assert!(matches!(error, RestError::RateLimited { retry_after_ms: 3_600_000, .. }), "{error}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_refused_key_is_not_tried_again() {
    for status in [401, 403] {
        let refused = Answer::json(
            status,
            json!({"error": {"code": "authentication_error",
            "message": "bad key"}}),
        );
        let server = Server::start([refused]).await;
        let error = status_error(&server.url).await;
        let text = error.to_string();
        assert!(text.contains(&format!("HTTP {status}: authentication_error, bad key")), "{text}");
        let failure = exit::rest(error);
        assert_eq!(failure.code, Code::Remote);
        assert!(failure.render().contains("demo and prod keys are separate"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_signature_refused_for_our_wrong_clock_is_made_again_with_the_exchange_s() {
    let refused = Answer::json(401, json!({"error": {"code": "expired", "message": "timestamp"}}));
    let dated = |answer: Answer| answer.header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let server = Server::start([dated(refused), dated(active())]).await;
    let mut client = client(&server.url);
    client.exchange_status().await.unwrap();
    let stamps: Vec<i64> = server
        .requests()
        .iter()
        .map(|r| r.headers[TIMESTAMP_HEADER].to_str().unwrap().parse().unwrap())
        .collect();
    let exchange_ms = 784_111_777_000;
    assert!(stamps[0] > exchange_ms + 1_000_000_000, "our own clock at first");
    assert!((stamps[1] - exchange_ms).abs() < 60_000, "then the exchange's: {stamps:?}");
}

#[tokio::test]
async fn an_exchange_in_trouble_is_tried_again_a_few_times() {
    let down = || Answer::json(503, json!({"error": {"code": "maintenance", "message": "later"}}));
    let server = Server::start([down(), active(), down(), down(), down(), active()]).await;
    let mut client = client(&server.url);
    client.exchange_status().await.unwrap();
    let error = client.exchange_status().await.unwrap_err();
    assert!(matches!(error, RestError::Server { status: 503, .. }), "{error}");
    assert_eq!(server.requests().len(), 5, "three tries at most");
}

#[tokio::test]
async fn a_server_that_is_not_kalshi_is_told_so_at_once() {
    let page = "<!doctype html><title>Welcome to nginx!</title>";
    let cases = [
        (Answer::text(200, page), "web page"),
        (Answer::text(404, page), "HTTP 404 with a web page"),
        (Answer::text(404, ""), "an empty reply"),
        (Answer::text(200, "pong"), "not JSON"),
        (Answer::json(200, json!({"status": "ok"})), "missing field `exchange_active`"),
        (Answer::text(302, "").header("location", "https://elsewhere/"), "HTTP 302"),
    ];
    for (answer, why) in cases {
        let server = Server::start([answer]).await;
        let error = status_error(&server.url).await;
        assert!(matches!(error, RestError::NotKalshi { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(server.requests().len(), 1);
        assert_eq!(exit::rest(error).code, Code::Remote);
    }
}

/// Some such servers speak first, some wait for a word.
#[tokio::test]
async fn a_server_that_does_not_speak_http_is_not_kalshi() {
    for waits in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                if waits {
                    let _ = socket.read(&mut [0; 16]).await;
                }
                socket.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
                tokio::spawn(async move { tokio::io::copy(&mut socket, &mut sink()).await });
            }
        });
        let error = status_error(&url).await;
        assert!(matches!(error, RestError::NotKalshi { .. }), "{error:?}");
        server.abort();
    }
}

#[tokio::test]
async fn nobody_there_and_no_such_name_are_told_apart() {
    // Bound, so that nobody else gets the port, and nobody listens.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = deaf.local_addr().unwrap();
    let error = status_error(&format!("http://{address}")).await;
    assert!(matches!(&error, RestError::Connect { host, .. } if *host == address.to_string()));
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(exit::rest(error).code, Code::Remote);

    // No label of a name is that long: it is refused here, and no server is asked.
    let name = "x".repeat(64);
    let error = status_error(&format!("http://{name}")).await;
    assert!(matches!(&error, RestError::Dns { host, .. } if *host == name), "{error:?}");
    assert_eq!(exit::rest(error).code, Code::Remote);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let timing = RestTiming { reply_ms: 100, tries_max: 2, ..TIMING };
    let mut client = RestClient::new(&access(&url), timing, 7).unwrap();
    let error = client.exchange_status().await.unwrap_err();
    assert!(matches!(error, RestError::Timeout { after_ms: 100, .. }), "{error:?}");
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let server = Server::start([Answer::text(200, &" ".repeat(40 << 20))]).await;
    let error = status_error(&server.url).await;
    assert!(matches!(error, RestError::TooLarge { .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_account_s_own_limits_set_the_pace() {
    let limit = |n: u32| json!({"refill_rate": n, "bucket_capacity": n});
    let limits = Answer::json(
        200,
        json!({"usage_tier": "slow", "read": limit(20),
        "write": limit(20)}),
    );
    let server = Server::start([limits, active(), active(), active(), active()]).await;
    let mut client = RestClient::connect(&access(&server.url), TIMING, 7).await.unwrap();
    let began = Instant::now();
    for _ in 0..4 {
        client.exchange_status().await.unwrap();
    }
    // 40 tokens at 20 a second, of which at most 20 were saved up.
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn limits_that_are_not_told_are_no_reason_to_stop_and_a_refused_key_is() {
    let error = |status: u16| Answer::json(status, json!({"error": {"code": "c", "message": "m"}}));
    let server = Server::start([error(404), active()]).await;
    let mut client = RestClient::connect(&access(&server.url), TIMING, 7).await.unwrap();
    client.exchange_status().await.unwrap();
    let server = Server::start([error(401)]).await;
    let refused = RestClient::connect(&access(&server.url), TIMING, 7).await;
    assert!(matches!(refused, Err(RestError::Unauthorized { status: 401, .. })));
}
