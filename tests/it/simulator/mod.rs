//! The built-in exchange over real sockets, spoken to by a plain WebSocket client: the list of protocol notes
//! 10, item by item, and every fault of a script.

mod client;
mod command;
mod faults;

use client::{Client, seqs, subscribe};
use kalshiflow::book::Book;
use kalshiflow::event::{Body, MarketId};
use kalshiflow::sim::server::{self, SimReport, SimSpec};
use kalshiflow::sim::truth::{Truth, event_print};
use kalshiflow::sim::venue::{VenueSpec, book_print};
use kalshiflow::sim::ws::WsSpec;
use kalshiflow::units::TsNs;
use kalshiflow::wire::Decoder;
use kalshiflow::wire::auth::Signer;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

fn small() -> SimSpec {
    SimSpec {
        venue: VenueSpec {
            markets: 12,
            rate_per_s: 2_000,
            lifetime_ms: 60_000,
            ..VenueSpec::default()
        },
        truth: Truth::kept(),
        ..SimSpec::default()
    }
}

/// Serves `spec` while `act` runs with the server's address; what is left of the run, and what `act` gave.
fn serve<F, T>(spec: SimSpec, act: impl FnOnce(SocketAddr) -> F) -> (SimReport, T)
where
    F: Future<Output = T>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(server::run(listener, spec, stopped));
        let got = tokio::time::timeout(PATIENCE, act(address)).await.expect("the test hangs");
        stop.send_replace(true);
        (server.await.unwrap().expect("served"), got)
    })
}

/// The tickers of the first `n` markets: those of seed 7.
fn tickers(n: usize) -> Vec<String> {
    use kalshiflow::sim::venue::Venue;
    let venue = Venue::new(small().venue);
    venue.markets().iter().take(n).map(|m| m.definition.ticker.clone()).collect()
}

#[test]
fn nobody_comes_in_unsigned_late_or_with_another_key() {
    let (report, ()) = serve(small(), |address| async move {
        let now = client::now_ms();
        let sim = Signer::simulator();
        let ws = kalshiflow::wire::auth::WS_PATH;
        let status = |headers| client::refusal(address, headers);
        assert_eq!(status(Vec::new()).await, 401);
        let other_path = sim.headers(now, "GET", "/trade-api/ws/v1").unwrap();
        assert_eq!(status(other_path.to_vec()).await, 401);
        let late = sim.headers(now - 60_000, "GET", ws).unwrap();
        assert_eq!(status(late.to_vec()).await, 401);
        let mut stranger = sim.headers(now, "GET", ws).unwrap().to_vec();
        stranger[0].1 = "somebody".into();
        assert_eq!(status(stranger).await, 401);
        Client::connect(address).await.close().await;
    });
    assert_eq!(report.connections, 1);
}

/// Everything that a client reads is what the truth says was issued: content, numbers and books.
#[test]
fn what_is_read_is_what_was_issued() {
    let spec = SimSpec {
        ws: WsSpec { late_snapshots_e3: 300, late_snapshot_us: 100_000, ..WsSpec::default() },
        ..small()
    };
    let (report, frames) = serve(spec, |address| async move {
        let mut client = Client::connect(address).await;
        for (i, ticker) in tickers(12).into_iter().enumerate() {
            let channels = ["orderbook_delta", "trade"];
            client.send(&subscribe(i as u64 + 1, &channels, &[ticker])).await;
        }
        let wish =
            json!({"id": 99, "cmd": "subscribe", "params": {"channels": ["market_lifecycle_v2"]}});
        client.send(&wish).await;
        client.read(4_000).await
    });
    let connection = &report.truth.connections[0];
    let mut decoder = Decoder::default();
    let (mut books, mut checked) = (HashMap::<MarketId, Book>::new(), 0);
    for frame in frames.iter().filter(|f| f.get("seq").is_some()) {
        let record = decoder.decode(frame.to_string().as_bytes(), TsNs(0));
        let event = record.event;
        let stamp = connection.sids[&event.sid].frames[event.seq as usize - 1];
        let ticker = decoder.tickers.name(event.market);
        let print = event_print(ticker, event.ts, &event.body, Some(frame));
        assert_eq!(print, Some(stamp.print), "{frame}");
        if matches!(event.body, Body::Delta(_) | Body::Snapshot(_)) {
            let book = books.entry(event.market).or_default();
            book.apply(&event).unwrap();
            assert!(!book.is_crossed());
            if book.is_valid() {
                checked += 1;
                assert_eq!(book_print(book), stamp.book, "{frame}");
            }
        }
    }
    assert!(checked > 2_000 && books.len() == 12, "{checked} {}", books.len());
    for sid in connection.sids.keys() {
        let seqs = seqs(&frames, *sid);
        assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "sid {sid}");
    }
    let opened = frames.iter().filter(|f| f["type"] == "subscribed").count();
    assert_eq!((opened, connection.sids.len()), (3, 3), "one sid per channel");
}

#[test]
fn pings_come_and_who_does_not_pong_is_dropped() {
    // Whoever answers must get to it within two of these, also on a busy machine.
    let spec = SimSpec { heartbeat: Duration::from_secs(1), ..small() };
    serve(spec, |address| async move {
        let mut faithful = Client::connect(address).await;
        let deaf = Client::connect(address).await;
        // Raw bytes: the pings are read and never answered, until the server ends it.
        let bytes = tokio::select! {
            bytes = deaf.raw_until_end() => bytes,
            other = faithful.message() => panic!("{other:?}"),
        };
        let ping = b"\x89\x09heartbeat";
        assert!(bytes.windows(ping.len()).filter(|w| w == ping).count() >= 2);
        // Meanwhile the other one answered each of its pings, and is still there.
        faithful.send(&json!({"id": 1, "cmd": "list_subscriptions"})).await;
        assert_eq!(faithful.next().await["msg"], json!([]));
    });
}

#[test]
fn tickers_and_lifecycles_are_told_and_closed_books_are_empty() {
    let spec =
        SimSpec { venue: VenueSpec { markets: 3, lifetime_ms: 3_000, ..small().venue }, ..small() };
    serve(spec, |address| async move {
        let mut client = Client::connect(address).await;
        let params = json!({"channels": ["ticker", "market_lifecycle_v2"]});
        client.send(&json!({"id": 1, "cmd": "subscribe", "params": params})).await;
        client.send(&subscribe(2, &["orderbook_delta"], &tickers(1))).await;
        let (mut words, mut tickers, mut emptied) = (Vec::new(), 0, false);
        while !(words.iter().any(|w| w == "settled") && emptied && tickers > 5) {
            let frame = client.next().await;
            match frame["type"].as_str().unwrap() {
                "ticker" => {
                    assert!(frame.get("seq").is_none());
                    assert!(frame["msg"]["yes_bid_dollars"].is_string(), "{frame}");
                    tickers += 1;
                }
                "market_lifecycle_v2" => {
                    assert!(frame["seq"].is_u64());
                    words.push(frame["msg"]["event_type"].as_str().unwrap().to_owned());
                }
                "orderbook_snapshot" => {
                    let sides = ["yes_dollars_fp", "no_dollars_fp"].map(|k| frame["msg"].get(k));
                    emptied |= sides == [None, None] && tickers > 0;
                }
                _ => {}
            }
        }
        for word in ["created", "determined"] {
            assert!(words.iter().any(|w| w == word), "{words:?}");
        }
    });
}

#[test]
fn a_recording_is_told_again_with_numbers_of_its_own() {
    use kalshiflow::sim::replay::{Played, Replay, Speed, definition};
    use kalshiflow::sim::tape::{TapeSpec, synthesize};
    let tape = synthesize(&TapeSpec { markets: 2, ..TapeSpec::default() });
    let listed = tape.tickers.iter().map(|(id, ticker)| {
        definition(ticker, tape.tickers.uuid(id).unwrap(), tape.infos.get(id.0 as usize))
    });
    let played: Vec<Played> = tape
        .events
        .iter()
        .map(|e| Played {
            recv: e.recv,
            ts: e.ts,
            ticker: tape.tickers.name(e.market).into(),
            body: e.body.clone(),
        })
        .collect();
    let replay =
        Replay::new(listed.collect(), Box::new(played.into_iter()), Speed::TimesE3(2_000_000));
    let wanted: Vec<String> = tape.infos.iter().map(|i| i.ticker.clone()).collect();
    let spec = SimSpec { replay: Some(replay), ..small() };
    let want = tape.events.iter().filter(|e| matches!(e.body, Body::Delta(_))).count();
    serve(spec, |address| async move {
        let mut client = Client::connect(address).await;
        client.send(&subscribe(1, &["orderbook_delta"], &wanted)).await;
        let mut deltas: Vec<Value> = Vec::new();
        let last = tape.events.iter().rev().find(|e| matches!(e.body, Body::Delta(_))).unwrap();
        while deltas.len() < want {
            let frame = client.next().await;
            if frame["type"] == "orderbook_delta" {
                deltas.push(frame);
            }
        }
        assert_eq!(deltas[want - 1]["msg"]["ts_ms"], last.ts.unwrap().ms());
    });
}
