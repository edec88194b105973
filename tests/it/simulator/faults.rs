//! Each fault of a script does on the wire what it says.

use super::client::{Client, End, attempt, seqs, subscribe};
use super::{serve, small, tickers};
use kalshiflow::sim::script::Script;
use kalshiflow::sim::server::{SimReport, SimSpec};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

fn scripted(script: &str) -> SimSpec {
    SimSpec { script: Script::parse(script).unwrap(), ..small() }
}

/// Subscribes under a script and reads until the connection ends.
fn until_end(script: &str) -> (SimReport, (Vec<Value>, End)) {
    serve(scripted(script), |address| async move {
        let mut client = Client::connect(address).await;
        client.send(&subscribe(1, &["orderbook_delta"], &tickers(12))).await;
        client.until_end().await
    })
}

#[test]
fn a_cut_ends_without_a_word_in_the_middle_of_the_frames() {
    let (report, (frames, end)) = until_end(r#"{"after_frames":300,"do":"cut"}"#);
    assert_eq!(seqs(&frames, 1).last(), Some(&300));
    let without_goodbye = Error::Protocol(ProtocolError::ResetWithoutClosingHandshake).to_string();
    assert!(matches!(&end, End::Error(e) if e.to_string() == without_goodbye), "{end:?}");
    assert_eq!(report.truth.faults.len(), 1);
}

#[test]
fn a_reset_is_a_reset() {
    let (_, (_, end)) = until_end(r#"{"after_frames":300,"do":"reset"}"#);
    let reset =
        |e: &Error| matches!(e, Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionReset);
    let without_goodbye =
        |e: &Error| matches!(e, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake));
    // What the client has not read yet is thrown away by a reset; it may still read an end first.
    assert!(matches!(&end, End::Error(e) if reset(e) || without_goodbye(e)), "{end:?}");
}

#[test]
fn close_codes_reach_the_client_even_those_that_may_not() {
    for code in [1000u16, 1001, 1012, 1013] {
        let script = format!("{{\"after_frames\":50,\"do\":\"close\",\"code\":{code}}}");
        let (_, (_, end)) = until_end(&script);
        assert!(matches!(end, End::Close(got) if got == code), "{code}: {end:?}");
    }
    for code in [1005, 1006, 1015] {
        let script = format!("{{\"after_frames\":50,\"do\":\"close\",\"code\":{code}}}");
        let (_, (frames, _)) = until_end(&script);
        assert_eq!(seqs(&frames, 1).len(), 50, "code {code}");
    }
}

/// A vanished peer: nothing comes any more, not even an end, and the exchange forgets the connection.
#[test]
fn a_half_open_connection_says_nothing_at_all() {
    let heartbeat = Duration::from_millis(500);
    let spec = SimSpec { heartbeat, ..scripted(r#"{"after_frames":100,"do":"half_open"}"#) };
    serve(spec, |address| async move {
        let mut client = Client::connect(address).await;
        client.send(&subscribe(1, &["orderbook_delta"], &tickers(12))).await;
        while client.next().await["seq"] != 100 {}
        // Ten heartbeats, five times what it takes the exchange to give the client up.
        let silence = timeout(heartbeat * 10, client.message()).await;
        assert!(silence.is_err(), "{silence:?}");
        Client::connect(address).await.close().await;
    });
}

#[test]
fn garbage_comes_as_it_is() {
    let script = concat!(
        "{\"after_frames\":20,\"do\":\"garbage\",\"kind\":\"binary\",\"n\":2}\n",
        "{\"after_frames\":40,\"do\":\"garbage\",\"kind\":\"truncated\"}\n",
        "{\"after_frames\":60,\"do\":\"garbage\",\"kind\":\"invalid_utf8\"}\n",
    );
    let (report, (binary, broken, end)) = serve(scripted(script), |address| async move {
        let mut client = Client::connect(address).await;
        client.send(&subscribe(1, &["orderbook_delta"], &tickers(12))).await;
        let (mut binary, mut broken) = (0, 0);
        loop {
            match client.message().await {
                Some(Ok(Message::Binary(_))) => binary += 1,
                Some(Ok(Message::Text(t))) => {
                    broken += u32::from(serde_json::from_str::<Value>(&t).is_err());
                }
                Some(Err(error)) => return (binary, broken, error),
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!((binary, broken), (2, 1));
    assert!(matches!(end, Error::Utf8(_)), "{end}");
    assert_eq!(report.truth.garbage, 4);
}

#[test]
fn upgrades_are_refused_as_often_as_asked() {
    let script = "{\"at_ms\":0,\"do\":\"refuse\",\"n\":3,\"status\":503}";
    let (report, ()) = serve(scripted(script), |address| async move {
        for _ in 0..3 {
            match attempt(address).await.err() {
                Some(Error::Http(response)) => assert_eq!(response.status().as_u16(), 503),
                other => panic!("{other:?}"),
            }
        }
        Client::connect(address).await.close().await;
    });
    assert_eq!(report.connections, 1);
}

#[test]
fn a_restart_ends_all_connections_and_takes_new_ones_later() {
    let script = r#"{"after_frames":200,"do":"restart","ms":3000}"#;
    let (_, failed) = serve(scripted(script), |address| async move {
        let mut client = Client::connect(address).await;
        client.send(&subscribe(1, &["orderbook_delta"], &tickers(12))).await;
        client.until_end().await;
        let mut failed = 0;
        while attempt(address).await.is_err() {
            failed += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        failed
    });
    assert!(failed > 0);
}

#[test]
fn a_paused_exchange_sends_no_events_and_answers_commands() {
    let script = r#"{"after_frames":100,"do":"pause","ms":1500}"#;
    let (report, quiet) = serve(scripted(script), |address| async move {
        let mut client = Client::connect(address).await;
        client.send(&subscribe(1, &["orderbook_delta"], &tickers(12))).await;
        let (mut quiet, mut last_ms) = (0, 0);
        while quiet < 1_000 {
            let frame = client.next().await;
            let ts_ms = frame["msg"]["ts_ms"].as_i64().unwrap_or(last_ms);
            if last_ms > 0 {
                quiet = quiet.max(ts_ms - last_ms);
            }
            last_ms = ts_ms;
        }
        client.send(&json!({"id": 5, "cmd": "list_subscriptions"})).await;
        quiet
    });
    assert!((1_000..20_000).contains(&quiet), "{quiet} ms");
    assert_eq!(report.truth.faults.len(), 1);
}

#[test]
fn a_slow_reader_hears_late_and_hears_all() {
    let script = "{\"at_ms\":0,\"do\":\"slow_reader\",\"ms\":1}\n{\"after_frames\":30,\"do\":\"slow_reader\",\"ms\":5000}";
    let (_, waited) = serve(scripted(script), |address| async move {
        let mut client = Client::connect(address).await;
        client.send(&subscribe(1, &["orderbook_delta"], &tickers(12))).await;
        while client.next().await["seq"] != 30 {}
        let start = std::time::Instant::now();
        // Longer than what is taken at a time.
        client.send(&subscribe(2, &["trade"], &tickers(12))).await;
        while client.next().await["id"] != 2 {}
        start.elapsed()
    });
    assert!(waited > Duration::from_millis(100), "{waited:?}");
}
