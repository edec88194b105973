//! What does a frame cost on its way from bytes to book to log?
//!
//! Sketch: at 1 000 frames/s, 300 ns to decode and apply and as much to append are 0.06 % of a core.
//! Frames are a seeded synthetic tape of this program, written by its own encoder; `kflow bench replay`
//! measures the same stages on recorded windows.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kalshiflow::book::Book;
use kalshiflow::event::{Event, Record, SessionId, SessionMeta};
use kalshiflow::feed::{Channel, FeedSpec, Now, Session, Timing, tls};
use kalshiflow::sim::tape::{Tape, TapeSpec, synthesize};
use kalshiflow::store::Writer;
use kalshiflow::units::TsNs;
use kalshiflow::wire::{Decoder, event_frame};
use serde_json::Value;
use std::hint::black_box;

fn tape() -> Tape {
    synthesize(&TapeSpec { markets: 4, ..TapeSpec::default() })
}

fn frames(tape: &Tape) -> Vec<Vec<u8>> {
    let frame = |e: &Event| event_frame(e, &tape.tickers).map(|f| f.to_value().to_string());
    tape.events.iter().filter_map(frame).map(String::into_bytes).collect()
}

/// Events of one book, in order.
fn books(tape: &Tape) -> Vec<Book> {
    vec![Book::default(); tape.tickers.len()]
}

fn apply(books: &mut [Book], event: &Event) {
    if let Some(book) = books.get_mut(event.market.0 as usize) {
        // A synthetic tape has no negative level.
        let _ = black_box(book.apply(event));
        black_box(book.touch());
    }
}

/// The book channel of one connection from its first number on: snapshots, then deltas.
fn live_frames(markets: usize, deltas: usize) -> (Vec<String>, Vec<String>) {
    let tickers: Vec<String> = (0..markets).map(|i| format!("KXBENCH-26NOV20-{i:04}")).collect();
    let snapshot = |(seq, ticker): (usize, &String)| {
        format!(
            r#"{{"type":"orderbook_snapshot","sid":1,"seq":{seq},"msg":{{"market_ticker":"{ticker}","market_id":"03137cd9-ae15-4c2c-afd9-9c88e467ceb9","yes_dollars_fp":[["0.4000","90.00"]]}}}}"#
        )
    };
    let delta = |i: usize| {
        let (seq, ticker) = (markets + i + 1, &tickers[i * 7 % markets]);
        format!(
            r#"{{"type":"orderbook_delta","sid":1,"seq":{seq},"msg":{{"market_ticker":"{ticker}","market_id":"03137cd9-ae15-4c2c-afd9-9c88e467ceb9","price_dollars":"0.{:02}00","delta_fp":"28.00","side":"no","ts":"2026-08-10T21:46:09.379425Z","ts_ms":1786398369379}}}}"#,
            1 + i % 50
        )
    };
    let frames = (1..).zip(&tickers).map(snapshot).chain((0..deltas).map(delta)).collect();
    (tickers, frames)
}

/// The protocol machine alone: what is left of a core at 100 000 frames/s is 10 us a frame.
fn live(c: &mut Criterion) {
    let (tickers, frames) = live_frames(300, 100_000);
    let spec = FeedSpec {
        ws_url: "ws://bench".into(),
        signer: None,
        tls: tls::client(None).expect("built-in roots"),
        channels: vec![Channel::OrderbookDelta],
        use_yes_price: false,
        timing: Timing::default(),
        seed: 1,
    };
    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.sample_size(10);
    group.bench_function("frame_to_live_record", |b| {
        b.iter(|| {
            let mut session = Session::new(&spec);
            session.want(Now::default(), &tickers);
            session.connected(Now::default());
            for batch in frames.chunks(1_024) {
                batch.iter().for_each(|frame| session.frame(Now::default(), frame.as_bytes()));
                black_box(session.take_batch());
            }
            assert_eq!(session.counters().missing, 0);
        });
    });
    group.finish();
}

fn ingest(c: &mut Criterion) {
    let tape = tape();
    let frames = frames(&tape);
    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("frame_to_serde_json_value", |b| {
        b.iter(|| {
            for frame in &frames {
                black_box(serde_json::from_slice::<Value>(frame).expect("JSON"));
            }
        });
    });
    group.bench_function("frame_to_book", |b| {
        b.iter(|| {
            let (mut decoder, mut books) = (Decoder::default(), books(&tape));
            for frame in &frames {
                apply(&mut books, &decoder.decode(frame, TsNs(0)).event);
            }
        });
    });
    group.bench_function("event_to_book", |b| {
        b.iter(|| {
            let mut books = books(&tape);
            tape.events.iter().for_each(|event| apply(&mut books, event));
        });
    });
    group.sample_size(10);
    group.bench_function("event_to_sealed_log", |b| {
        let dir = tempfile::tempdir().expect("tempdir");
        b.iter_batched(
            || tape.events.clone(),
            |events| {
                let mut writer = Writer::open(dir.path(), meta()).expect("log");
                for event in events {
                    writer.append(&tape.tickers, Record { event, raw: None }).expect("append");
                }
                writer.finish("done").expect("sealed");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn meta() -> SessionMeta {
    SessionMeta {
        id: SessionId([7; 16]),
        source: "sim:seed=7".into(),
        exchange_env: "sim".into(),
        started: TsNs(0),
        flags: Vec::new(),
        inputs: Vec::new(),
    }
}

criterion_group!(benches, ingest, live);
criterion_main!(benches);
